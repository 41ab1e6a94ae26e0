//! Versions, aliases, promotion and roll-back.

use patron::grpc::proto::*;

use crate::app::{Clients, TestApp};
use crate::failure::told;
use crate::fixture::{SHOP_RECIPES, small_shop, small_shop_server};

async fn model(app: &Clients, name: &str) -> Model {
    let request = GetModelRequest { model: name.to_owned() };
    app.models().get_model(request).await.unwrap().into_inner()
}

fn alias_to(model: &str, alias: &str, version: i64, etag: &str) -> SetModelAliasRequest {
    SetModelAliasRequest {
        model: model.to_owned(),
        alias: alias.to_owned(),
        version,
        etag: etag.to_owned(),
        ..Default::default()
    }
}

/// A second version of `model` that is not promoted.
async fn challenger(app: &Clients, model: &str) -> i64 {
    let (_, recipe) = SHOP_RECIPES.iter().find(|(name, _)| *name == model).unwrap();
    let job = app
        .train_as(CreateTrainingJobRequest {
            model: model.to_owned(),
            recipe_toml: Some(format!("{recipe}[gate]\npromote = false\n")),
            ..Default::default()
        })
        .await;
    let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
    assert!(!result.promoted);
    result.version
}

async fn serving_version(app: &Clients) -> i64 {
    app.churn(&["r1"]).await.unwrap().served_by.unwrap().version
}

#[tokio::test]
async fn models_are_listed_by_name_kind_and_page() {
    let app = small_shop_server().await;
    let list = async |request: ListModelsRequest| {
        let page = app.models().list_models(request).await.unwrap().into_inner();
        let names: Vec<String> = page.models.into_iter().map(|model| model.name).collect();
        (names, page.next_page_token)
    };
    let (all, end) = list(ListModelsRequest::default()).await;
    assert_eq!(
        (all.join(" "), end),
        ("churn forecast propensity rfm segments".to_owned(), String::new())
    );
    let of_kind = ListModelsRequest { kind: ModelKind::Churn as i32, ..Default::default() };
    assert_eq!(list(of_kind).await.0, ["churn"]);
    let first = ListModelsRequest { page_size: 3, ..Default::default() };
    let (names, page_token) = list(first.clone()).await;
    assert_eq!(names.len(), 3);
    let (rest, end) = list(ListModelsRequest { page_token, ..first }).await;
    assert_eq!((rest, end), (vec!["rfm".to_owned(), "segments".to_owned()], String::new()));
}

#[tokio::test]
async fn promotion_and_roll_back_take_effect_at_once() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let second = challenger(&app, "churn").await;
    assert_eq!((second, serving_version(&app).await), (2, 1));
    let etag = model(&app, "churn").await.aliases[0].etag.clone();
    let moved = app.models().set_model_alias(alias_to("churn", "champion", 2, &etag)).await;
    let moved = moved.unwrap().into_inner();
    assert_eq!((moved.version, moved.previous_version), (2, 1));
    assert_eq!(serving_version(&app).await, 2);
    let back = alias_to("churn", "champion", moved.previous_version, &moved.etag);
    app.models().set_model_alias(back).await.unwrap();
    assert_eq!(serving_version(&app).await, 1);
    // The etag of before the two moves does not hold any more.
    let late = app.models().set_model_alias(alias_to("churn", "champion", 2, &etag)).await;
    assert_eq!(told(&late.unwrap_err()), "ABORTED ETAG_MISMATCH");
    let app = app.restart().await;
    assert_eq!(serving_version(&app).await, 1);
}

#[tokio::test]
async fn a_version_in_use_stays_and_numbers_are_not_given_twice() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let delete = async |version: i64| {
        let request = DeleteModelVersionRequest {
            model: "forecast".to_owned(),
            version,
            ..Default::default()
        };
        app.models().delete_model_version(request).await.map_err(|status| told(&status))
    };
    assert_eq!(delete(1).await.unwrap_err(), "FAILED_PRECONDITION VERSION_IN_USE");
    assert_eq!(challenger(&app, "forecast").await, 2);
    for version in [2, 1] {
        let steady = alias_to("forecast", "steady", version, "");
        app.models().set_model_alias(steady).await.unwrap();
    }
    delete(2).await.unwrap();
    let aliases = model(&app, "forecast").await.aliases;
    let steady = aliases.iter().find(|alias| alias.alias == "steady").unwrap();
    assert_eq!((steady.version, steady.previous_version), (1, 0), "nothing to roll back to");
    let missing = "NOT_FOUND VERSION_NOT_FOUND patron.v1.ModelVersion \"forecast/2\"";
    assert_eq!(delete(2).await.unwrap_err(), missing);
    assert_eq!(challenger(&app, "forecast").await, 3);
    let request = ListModelVersionsRequest { model: "forecast".to_owned(), ..Default::default() };
    let versions = app.models().list_model_versions(request).await.unwrap().into_inner().versions;
    let listed: Vec<_> = versions.iter().map(|v| (v.version, v.manifest_json.len())).collect();
    assert_eq!(listed, [(3, 0), (1, 0)], "the newest first, without manifests");
}

#[tokio::test]
async fn aliases_are_made_used_and_removed() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    app.models().set_model_alias(alias_to("churn", "steady", 1, "")).await.unwrap();
    assert_eq!(app.version("churn", 1).await.aliases, ["champion", "steady"]);
    let delete = async || {
        let request = DeleteModelAliasRequest {
            model: "churn".to_owned(),
            alias: "steady".to_owned(),
            ..Default::default()
        };
        app.models().delete_model_alias(request).await.map_err(|status| told(&status))
    };
    delete().await.unwrap();
    let missing = "NOT_FOUND ALIAS_NOT_FOUND patron.v1.ModelAlias \"churn@steady\"";
    assert_eq!(delete().await.unwrap_err(), missing);
    assert_eq!(app.version("churn", 1).await.aliases, ["champion"]);
}

#[tokio::test]
async fn a_repeated_request_id_answers_as_before_and_changes_nothing() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    challenger(&app, "churn").await;
    let request = SetModelAliasRequest {
        request_id: "promote-2".to_owned(),
        ..alias_to("churn", "champion", 2, "")
    };
    let first = app.models().set_model_alias(request.clone()).await.unwrap().into_inner();
    app.models().set_model_alias(alias_to("churn", "champion", 1, "")).await.unwrap();
    let again = app.models().set_model_alias(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert_eq!(serving_version(&app).await, 1);
    let other = SetModelAliasRequest { version: 1, ..request };
    let refused = app.models().set_model_alias(other).await.unwrap_err();
    assert_eq!(told(&refused), "ALREADY_EXISTS REQUEST_ID_REUSED");
}

#[tokio::test]
async fn a_model_without_a_champion_says_so() {
    let app = TestApp::empty().await;
    let refused = app.churn(&["r1"]).await.unwrap_err();
    assert_eq!(told(&refused), "FAILED_PRECONDITION NO_CHAMPION");
    let empty = model(&app, "churn").await;
    assert_eq!((empty.kind(), empty.latest_version), (ModelKind::Churn, 0));
}
