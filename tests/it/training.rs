//! What a training registers, and when it fails.

use patron::grpc::proto::*;

use crate::app::{TestApp, import_request};
use crate::failure::{carried, told};
use crate::fixture::{KINDS, SHOP_RECIPES, online_retail, online_retail_server, small_shop};
use crate::shop;

fn request(model: &str) -> CreateTrainingJobRequest {
    CreateTrainingJobRequest { model: model.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn all_four_kinds_are_registered_and_promoted_on_online_retail() {
    let app = online_retail_server().await;
    let reasons = async |model: &str| {
        let version = app.version(model, 1).await;
        assert_eq!(version.aliases, ["champion"], "{model}");
        assert_eq!(version.state(), ModelVersionState::Ready, "{}", version.state_reason);
        assert!(version.promoted);
        version.promotion_reason
    };
    let mut told = String::new();
    for model in KINDS {
        told += &format!("{model}: {}\n", reasons(model).await);
    }
    insta::assert_snapshot!(told, @"
    segments: converged
    churn: beats its baselines; there is no champion yet
    propensity: beats its baselines; there is no champion yet
    forecast: does not lose to seasonal naive; there is no champion to compare
    ");
}

#[tokio::test]
async fn a_version_names_what_it_was_made_from() {
    let app = online_retail_server().await;
    let jobs = app.trainings().list_training_jobs(ListTrainingJobsRequest::default()).await;
    let jobs = jobs.unwrap().into_inner().jobs;
    let mut digests = Vec::new();
    for model in KINDS {
        let version = app.version(model, 1).await;
        let manifest: serde_json::Value = serde_json::from_str(&version.manifest_json).unwrap();
        assert_eq!(manifest["data"]["lines"], 541_909);
        assert_eq!(manifest["data"]["imports"][0]["rows_read"], 541_909);
        let source = &manifest["data"]["imports"][0]["source_sha256"];
        assert_eq!(*source, online_retail().report.source_digest);
        assert_eq!(manifest["model_sha256"], version.model_digest);
        assert_eq!((version.seed, version.model_digest.len()), (1, 64));
        assert_eq!(version.schema_digest.is_empty(), model == "forecast");
        let job = jobs.iter().find(|job| job.job_id == version.training_job_id).unwrap();
        assert_eq!((job.model.as_str(), job.result.as_ref().unwrap().version), (model, 1));
        assert_eq!(job.result.as_ref().unwrap().metrics, version.metrics);
        digests.push(version.data_digest);
    }
    digests.dedup();
    assert_eq!((digests.len(), digests[0].len()), (1, 32));
}

#[tokio::test]
async fn the_same_data_gives_the_same_bytes_and_does_not_lose_to_itself() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    for model in KINDS {
        let job = app.train(model).await;
        let result = job.result.unwrap_or_else(|| panic!("{model}: {:?}", job.error));
        assert!(result.promoted, "{model}: {}", result.promotion_reason);
        let (first, second) = (app.version(model, 1).await, app.version(model, 2).await);
        assert_eq!(first.model_digest, second.model_digest, "{model}");
        assert_eq!((first.data_digest, first.seed), (second.data_digest, second.seed));
        assert_eq!(second.aliases, ["champion"]);
    }
}

#[tokio::test]
async fn the_order_of_arrival_does_not_change_a_model() {
    let app = TestApp::empty().await;
    let text = shop::csv();
    let (header, rows) = text.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().rev().collect();
    let file = app.file("reversed.csv", format!("{header}\n{}\n", rows.join("\n")));
    app.import(&file, shop::MAPPING).await;
    let fixture = TestApp::copy_of(&small_shop().directory).await;
    for (model, recipe) in SHOP_RECIPES {
        let job =
            CreateTrainingJobRequest { recipe_toml: Some(recipe.to_owned()), ..request(model) };
        let job = app.train_as(job).await;
        assert_eq!(job.state(), JobState::Succeeded, "{job:?}");
        let (here, there) = (app.version(model, 1).await, fixture.version(model, 1).await);
        assert_eq!(here.data_digest, there.data_digest);
        assert_eq!(here.model_digest, there.model_digest, "{model}");
    }
}

#[tokio::test]
async fn seed_and_recipe_of_a_request_win() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let recipe = SHOP_RECIPES[0].1.replace("{ least = 2, most = 4 }", "3");
    let job = app
        .train_as(CreateTrainingJobRequest {
            seed: Some(7),
            recipe_toml: Some(format!("{recipe}[gate]\npromote = false\n")),
            ..request("segments")
        })
        .await;
    assert_eq!(job.seed, 7);
    let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
    assert!(!result.promoted, "{}", result.promotion_reason);
    let version = app.version("segments", result.version).await;
    assert_eq!((version.seed, version.version, version.aliases.len()), (7, 2, 0));
    let evaluation: serde_json::Value = serde_json::from_str(&version.evaluation_json).unwrap();
    assert_eq!(evaluation["segments"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn too_little_data_fails_the_job_and_makes_no_version() {
    let app = TestApp::empty().await;
    let failure = async |model: &str| {
        let job = app.train(model).await;
        assert_eq!((job.state(), job.result), (JobState::Failed, None));
        told(&carried(&job.error.unwrap()))
    };
    for model in KINDS {
        assert_eq!(failure(model).await, "FAILED_PRECONDITION NOT_ENOUGH_DATA", "{model}: nothing");
    }
    let rows: String = shop::csv().lines().take(60).map(|line| format!("{line}\n")).collect();
    app.import(&app.file("few.csv", rows), shop::MAPPING).await;
    for model in ["segments", "churn", "propensity"] {
        assert_eq!(failure(model).await, "FAILED_PRECONDITION NOT_ENOUGH_DATA", "{model}: few");
    }
    for model in KINDS {
        let request = GetModelRequest { model: model.to_owned() };
        let model = app.models().get_model(request).await.unwrap().into_inner();
        assert_eq!((model.version_count, model.aliases.len()), (0, 0));
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_trained_makes_no_job() {
    let app = TestApp::empty().await;
    let recipe = |text: &str| CreateTrainingJobRequest {
        recipe_toml: Some(text.to_owned()),
        ..request("churn")
    };
    let refused = async |request: CreateTrainingJobRequest| {
        told(&app.trainings().create_training_job(request).await.unwrap_err())
    };
    let unknown = "NOT_FOUND MODEL_NOT_FOUND patron.v1.Model \"unknown\"";
    assert_eq!(refused(request("unknown")).await, unknown);
    assert_eq!(refused(request("Churn")).await, "INVALID_ARGUMENT INVALID_FIELD model");
    let bad = "INVALID_ARGUMENT INVALID_RECIPE recipe_toml";
    for text in [
        "",
        "kind = \"churn\"",
        "kind = \"churn\"\nactive_days = 0\nhorizon_days = 30",
        "kind = \"churn\"\nactive_days = 90\nhorizon_days = 30\ncolour = 1",
    ] {
        assert_eq!(refused(recipe(text)).await, bad, "{text}");
    }
    let jobs = app.trainings().list_training_jobs(ListTrainingJobsRequest::default()).await;
    assert!(jobs.unwrap().into_inner().jobs.is_empty());
}

#[tokio::test]
async fn a_recipe_with_an_unknown_column_fails_as_a_recipe() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let recipe = SHOP_RECIPES[0].1.replace("\"visits\"", "\"shoe_size\"");
    let job = CreateTrainingJobRequest { recipe_toml: Some(recipe), ..request("segments") };
    let error = app.train_as(job).await.error.unwrap();
    assert!(told(&carried(&error)).starts_with("INVALID_ARGUMENT INVALID_RECIPE"));
    assert!(error.message.contains("shoe_size"), "{}", error.message);
}

#[tokio::test]
async fn validate_only_and_request_ids_hold_for_trainings_too() {
    let app = TestApp::empty().await;
    let mut trainings = app.trainings();
    let check = CreateTrainingJobRequest { validate_only: true, ..request("churn") };
    let checked = trainings.create_training_job(check).await.unwrap().into_inner();
    assert_eq!(checked.job_id, "");
    assert!(checked.recipe_toml.contains("horizon_days"));
    let named = CreateTrainingJobRequest { request_id: "t1".to_owned(), ..request("churn") };
    let first = trainings.create_training_job(named.clone()).await.unwrap().into_inner();
    let again = trainings.create_training_job(named.clone()).await.unwrap().into_inner();
    assert_eq!(first.job_id, again.job_id);
    let other = CreateTrainingJobRequest { seed: Some(2), ..named };
    let refused = trainings.create_training_job(other).await.unwrap_err();
    assert_eq!(told(&refused), "ALREADY_EXISTS REQUEST_ID_REUSED");
    // The same id may name a job of another kind.
    let file = app.file("shop.csv", shop::csv());
    let import = ImportTransactionsRequest {
        request_id: "t1".to_owned(),
        ..import_request(&file, shop::MAPPING)
    };
    assert!(app.transactions().import_transactions(import).await.is_ok());
}
