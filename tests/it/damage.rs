//! Model files that were damaged: refused with the reason, and the version before goes on serving.

use std::fs;
use std::time::Duration;

use patron::grpc::proto::*;
use tokio::time::{sleep, timeout};

use crate::app::{Clients, TestApp, alias_selector};
use crate::failure::told;
use crate::fixture::{SHOP_RECIPES, small_shop};

const MODEL: &str = "models/forecast/2/model.bin";

/// The small shop with a second version of its forecast, not promoted and not in memory.
async fn with_challenger() -> TestApp {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let job = app
        .train_as(CreateTrainingJobRequest {
            model: "forecast".to_owned(),
            recipe_toml: Some(format!("{}[gate]\npromote = false\n", SHOP_RECIPES[3].1)),
            ..Default::default()
        })
        .await;
    assert_eq!(job.result.unwrap().version, 2);
    app
}

async fn serving(app: &Clients) -> Result<i64, String> {
    let answer = app.predictions().forecast(ForecastRequest::default()).await;
    answer
        .map(|answer| answer.into_inner().served_by.unwrap().version)
        .map_err(|status| told(&status))
}

async fn promote(app: &Clients, version: i64) -> Result<ModelAlias, tonic::Status> {
    let request = SetModelAliasRequest {
        model: "forecast".to_owned(),
        alias: "champion".to_owned(),
        version,
        ..Default::default()
    };
    Ok(app.models().set_model_alias(request).await?.into_inner())
}

/// The champion as the files say it, whatever is in memory.
async fn champion(app: &Clients) -> ModelVersion {
    let selector = Some(alias_selector("champion"));
    let request = GetModelVersionRequest { model: "forecast".to_owned(), selector };
    app.models().get_model_version(request).await.unwrap().into_inner()
}

fn flip(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_the_reason_and_the_champion_stays() {
    let app = with_challenger().await;
    let whole = fs::read(app.path(MODEL)).unwrap();
    type Damage = fn(&mut Vec<u8>);
    let damages: [(Damage, &str); 5] = [
        (|bytes| flip(bytes), "its checksum does not hold"),
        (|bytes| bytes.truncate(bytes.len() - 7), "cut or lengthened"),
        (|bytes| bytes.clear(), "not a Patron model file"),
        (|bytes| bytes[..4].copy_from_slice(b"\x89PNG"), "not a Patron model file"),
        (|bytes| bytes[8] = 9, "model file format 9, this program reads up to 1"),
    ];
    for (damage, reason) in damages {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(app.path(MODEL), bytes).unwrap();
        let refused = promote(&app, 2).await.unwrap_err();
        assert_eq!(told(&refused), "DATA_LOSS CORRUPT_DATA");
        assert!(refused.message().contains(reason), "{}", refused.message());
        let version = app.version("forecast", 2).await;
        assert_eq!(version.state(), ModelVersionState::Failed);
        assert!(version.state_reason.contains(reason), "{}", version.state_reason);
        assert_eq!((champion(&app).await.version, serving(&app).await), (1, Ok(1)));
    }
    fs::write(app.path(MODEL), whole).unwrap();
    promote(&app, 2).await.unwrap();
    assert_eq!(serving(&app).await, Ok(2));
}

#[tokio::test]
async fn a_whole_file_of_another_model_is_refused() {
    let app = with_challenger().await;
    fs::copy(app.path("models/churn/1/model.bin"), app.path(MODEL)).unwrap();
    let refused = promote(&app, 2).await.unwrap_err();
    assert_eq!(told(&refused), "DATA_LOSS CORRUPT_DATA");
    assert_eq!(serving(&app).await, Ok(1));
}

#[tokio::test]
async fn golden_rows_that_do_not_replay_are_told() {
    let app = with_challenger().await;
    let path = app.path("models/forecast/2/manifest.json");
    let mut manifest: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    manifest["golden"]["answers"][0][0] = 1.0.into();
    fs::write(&path, manifest.to_string()).unwrap();
    let refused = promote(&app, 2).await.unwrap_err();
    assert!(refused.message().contains("golden rows"), "{}", refused.message());
    fs::write(&path, "{").unwrap();
    assert_eq!(app.version("forecast", 2).await.state(), ModelVersionState::Failed);
    assert_eq!(serving(&app).await, Ok(1));
}

/// Moves the champion as another process would, past the check of the server.
fn move_champion_on_disk(app: &TestApp) {
    let path = app.path("models/forecast/aliases.json");
    let text = fs::read_to_string(&path).unwrap();
    let moved = text.replace("\"version\": 1", "\"version\": 2");
    assert_ne!(moved, text);
    fs::write(&path, moved).unwrap();
}

#[tokio::test]
async fn an_alias_that_moves_to_a_damaged_version_leaves_the_old_one_serving() {
    let app = with_challenger().await;
    let mut bytes = fs::read(app.path(MODEL)).unwrap();
    flip(&mut bytes);
    fs::write(app.path(MODEL), bytes).unwrap();
    move_champion_on_disk(&app);
    let noticed = async {
        loop {
            let request =
                ListModelVersionsRequest { model: "forecast".to_owned(), ..Default::default() };
            let listed = app.models().list_model_versions(request).await.unwrap().into_inner();
            if listed.versions[0].state() == ModelVersionState::Failed {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(20), noticed).await.expect("the server looks at the aliases");
    assert_eq!(serving(&app).await, Ok(1));
    assert_eq!(champion(&app).await.version, 2);
    // After a restart nothing else is in memory: the champion is refused, all else answers, and a
    // roll-back heals.
    let app = app.restart().await;
    assert_eq!(serving(&app).await, Err("DATA_LOSS CORRUPT_DATA".to_owned()));
    assert_eq!(champion(&app).await.state(), ModelVersionState::Failed);
    assert!(champion(&app).await.state_reason.contains("checksum"));
    assert!(app.churn(&["r1"]).await.is_ok());
    promote(&app, 1).await.unwrap();
    assert_eq!(serving(&app).await, Ok(1));
}
