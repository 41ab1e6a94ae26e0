//! A bad request to every method: none may be forgotten, and each says what is wrong.

use std::collections::BTreeSet;

use patron::grpc::proto::*;
use prost::Message as _;
use prost_types::FileDescriptorSet;

use crate::app::Clients;
use crate::failure::{carried, told};
use crate::fixture::small_shop_server;

/// What the bad call of each method told, as `Service/Method: told`.
type Told = Vec<(&'static str, String)>;

/// One line of the table: the call must fail.
macro_rules! refused {
    ($told:ident, $name:literal, $client:expr, $call:ident($request:expr)) => {
        let status = $client.$call($request).await.err();
        let status = status.unwrap_or_else(|| panic!("{} took it", $name));
        $told.push(($name, told(&status)));
    };
}

/// One line of the table for a method whose items fail one by one.
macro_rules! item_refused {
    ($told:ident, $name:literal, $client:expr, $call:ident($item:expr), $outcome:path) => {
        let stream = $client.$call(tokio_stream::iter([$item])).await;
        let answer = stream.unwrap().into_inner().message().await.unwrap().unwrap();
        let $outcome(status) = answer.outcome.unwrap() else { panic!("{} took it", $name) };
        $told.push(($name, told(&carried(&status))));
    };
}

async fn transactions(app: &Clients, told_by: &mut Told) {
    let chunks = tokio_stream::iter([IngestTransactionsRequest::default()]);
    let stream = app.transactions().ingest_transactions(chunks).await;
    let refused = stream.unwrap().into_inner().message().await.unwrap_err();
    told_by.push(("TransactionService/IngestTransactions", told(&refused)));
    let client = || app.transactions();
    let import =
        ImportTransactionsRequest { max_refused_percent: Some(101.0), ..Default::default() };
    refused!(
        told_by,
        "TransactionService/ImportTransactions",
        client(),
        import_transactions(import)
    );
    let job_id = "x".to_owned();
    let request = GetImportJobRequest { job_id: job_id.clone() };
    refused!(told_by, "TransactionService/GetImportJob", client(), get_import_job(request));
    let request = ListImportJobsRequest { page_size: -1, ..Default::default() };
    refused!(told_by, "TransactionService/ListImportJobs", client(), list_import_jobs(request));
    let request = WatchImportJobRequest { job_id: job_id.clone() };
    refused!(told_by, "TransactionService/WatchImportJob", client(), watch_import_job(request));
    let request = CancelImportJobRequest { job_id, request_id: "x".repeat(65) };
    refused!(told_by, "TransactionService/CancelImportJob", client(), cancel_import_job(request));
    let request = GetCustomerRequest {
        page_token: "?".to_owned(),
        customer_id: "r1".to_owned(),
        ..Default::default()
    };
    refused!(told_by, "TransactionService/GetCustomer", client(), get_customer(request));
    let request = EraseCustomerRequest::default();
    refused!(told_by, "TransactionService/EraseCustomer", client(), erase_customer(request));
}

async fn features(app: &Clients, told_by: &mut Told) {
    let client = || app.features();
    let request = ListFeaturesRequest { model: "forecast".to_owned(), ..Default::default() };
    refused!(told_by, "FeatureService/ListFeatures", client(), list_features(request));
    let request = BatchGetFeaturesRequest {
        customer_ids: vec!["r1".to_owned()],
        encoding: 9,
        ..Default::default()
    };
    refused!(told_by, "FeatureService/BatchGetFeatures", client(), batch_get_features(request));
}

async fn trainings(app: &Clients, told_by: &mut Told) {
    let client = || app.trainings();
    let request = CreateTrainingJobRequest {
        model: "churn".to_owned(),
        recipe_toml: Some("kind = \"tea leaves\"".to_owned()),
        ..Default::default()
    };
    refused!(told_by, "TrainingService/CreateTrainingJob", client(), create_training_job(request));
    let job_id = "x".to_owned();
    let request = GetTrainingJobRequest { job_id: job_id.clone() };
    refused!(told_by, "TrainingService/GetTrainingJob", client(), get_training_job(request));
    let request = ListTrainingJobsRequest { state: 9, ..Default::default() };
    refused!(told_by, "TrainingService/ListTrainingJobs", client(), list_training_jobs(request));
    let request = WatchTrainingJobRequest { job_id: job_id.clone() };
    refused!(told_by, "TrainingService/WatchTrainingJob", client(), watch_training_job(request));
    let request = CancelTrainingJobRequest { job_id, ..Default::default() };
    refused!(told_by, "TrainingService/CancelTrainingJob", client(), cancel_training_job(request));
}

async fn models(app: &Clients, told_by: &mut Told) {
    let client = || app.models();
    let model = "churn".to_owned();
    let request = ListModelsRequest { kind: 9, ..Default::default() };
    refused!(told_by, "ModelService/ListModels", client(), list_models(request));
    let request = GetModelRequest { model: String::new() };
    refused!(told_by, "ModelService/GetModel", client(), get_model(request));
    let request = ListModelVersionsRequest {
        page_token: "?".to_owned(),
        model: model.clone(),
        ..Default::default()
    };
    refused!(told_by, "ModelService/ListModelVersions", client(), list_model_versions(request));
    let request = GetModelVersionRequest { model: "unknown".to_owned(), ..Default::default() };
    refused!(told_by, "ModelService/GetModelVersion", client(), get_model_version(request));
    let request =
        GetModelVersionReportRequest { model: "unknown".to_owned(), ..Default::default() };
    refused!(
        told_by,
        "ModelService/GetModelVersionReport",
        client(),
        get_model_version_report(request)
    );
    let request = GetModelDriftRequest { model: "forecast".to_owned(), ..Default::default() };
    refused!(told_by, "ModelService/GetModelDrift", client(), get_model_drift(request));
    let request = SetModelAliasRequest {
        model: model.clone(),
        alias: "champion".to_owned(),
        ..Default::default()
    };
    refused!(told_by, "ModelService/SetModelAlias", client(), set_model_alias(request));
    let request = DeleteModelAliasRequest { model: model.clone(), ..Default::default() };
    refused!(told_by, "ModelService/DeleteModelAlias", client(), delete_model_alias(request));
    let request = DeleteModelVersionRequest { model, version: 1, ..Default::default() };
    refused!(told_by, "ModelService/DeleteModelVersion", client(), delete_model_version(request));
}

async fn predictions(app: &Clients, told_by: &mut Told) {
    let client = || app.predictions();
    let segments = AssignSegmentsRequest::default();
    let churn = PredictChurnRequest { threshold: Some(2.0), ..Default::default() };
    let bought = PredictPropensityRequest {
        input: Some(predict_propensity_request::Input::CustomerIds(CustomerIds::default())),
        ..Default::default()
    };
    let forecast = ForecastRequest { levels: vec![1.5], ..Default::default() };
    refused!(
        told_by,
        "PredictionService/AssignSegments",
        client(),
        assign_segments(segments.clone())
    );
    let rfm = AssignRfmRequest::default();
    refused!(told_by, "PredictionService/AssignRfm", client(), assign_rfm(rfm.clone()));
    refused!(told_by, "PredictionService/PredictChurn", client(), predict_churn(churn.clone()));
    refused!(
        told_by,
        "PredictionService/PredictPropensity",
        client(),
        predict_propensity(bought.clone())
    );
    refused!(told_by, "PredictionService/Forecast", client(), forecast(forecast.clone()));
    let item = StreamAssignSegmentsRequest { sequence: 1, request: Some(segments) };
    item_refused!(
        told_by,
        "PredictionService/StreamAssignSegments",
        client(),
        stream_assign_segments(item),
        stream_assign_segments_response::Outcome::Error
    );
    let item = StreamAssignRfmRequest { sequence: 1, request: Some(rfm) };
    item_refused!(
        told_by,
        "PredictionService/StreamAssignRfm",
        client(),
        stream_assign_rfm(item),
        stream_assign_rfm_response::Outcome::Error
    );
    let item = StreamPredictChurnRequest { sequence: 1, request: Some(churn) };
    item_refused!(
        told_by,
        "PredictionService/StreamPredictChurn",
        client(),
        stream_predict_churn(item),
        stream_predict_churn_response::Outcome::Error
    );
    let item = StreamPredictPropensityRequest { sequence: 1, request: Some(bought) };
    item_refused!(
        told_by,
        "PredictionService/StreamPredictPropensity",
        client(),
        stream_predict_propensity(item),
        stream_predict_propensity_response::Outcome::Error
    );
    let item = StreamForecastRequest { sequence: 1, request: Some(forecast) };
    item_refused!(
        told_by,
        "PredictionService/StreamForecast",
        client(),
        stream_forecast(item),
        stream_forecast_response::Outcome::Error
    );
}

async fn scorings(app: &Clients, told_by: &mut Told) {
    let client = || app.scorings();
    let request = CreateScoringJobRequest::default();
    refused!(told_by, "ScoringService/CreateScoringJob", client(), create_scoring_job(request));
    let job_id = "x".to_owned();
    let request = GetScoringJobRequest { job_id: job_id.clone() };
    refused!(told_by, "ScoringService/GetScoringJob", client(), get_scoring_job(request));
    let request = ListScoringJobsRequest { page_token: "?".to_owned(), ..Default::default() };
    refused!(told_by, "ScoringService/ListScoringJobs", client(), list_scoring_jobs(request));
    let request = WatchScoringJobRequest { job_id: job_id.clone() };
    refused!(told_by, "ScoringService/WatchScoringJob", client(), watch_scoring_job(request));
    let request = CancelScoringJobRequest { job_id, request_id: "\u{7}".to_owned() };
    refused!(told_by, "ScoringService/CancelScoringJob", client(), cancel_scoring_job(request));
}

async fn table() -> Told {
    let app = small_shop_server().await;
    let mut told_by = Told::new();
    transactions(&app, &mut told_by).await;
    features(&app, &mut told_by).await;
    trainings(&app, &mut told_by).await;
    models(&app, &mut told_by).await;
    predictions(&app, &mut told_by).await;
    scorings(&app, &mut told_by).await;
    told_by
}

#[tokio::test]
async fn every_method_says_what_is_wrong() {
    let lines: Vec<String> =
        table().await.iter().map(|(name, told)| format!("{name}: {told}")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    TransactionService/IngestTransactions: INVALID_ARGUMENT INVALID_FIELD lines
    TransactionService/ImportTransactions: INVALID_ARGUMENT INVALID_FIELD max_refused_percent
    TransactionService/GetImportJob: NOT_FOUND JOB_NOT_FOUND patron.v1.Job "x"
    TransactionService/ListImportJobs: INVALID_ARGUMENT INVALID_FIELD page_size
    TransactionService/WatchImportJob: NOT_FOUND JOB_NOT_FOUND patron.v1.Job "x"
    TransactionService/CancelImportJob: INVALID_ARGUMENT INVALID_FIELD request_id
    TransactionService/GetCustomer: INVALID_ARGUMENT INVALID_PAGE_TOKEN page_token
    TransactionService/EraseCustomer: INVALID_ARGUMENT INVALID_CUSTOMER_ID customer_id
    FeatureService/ListFeatures: INVALID_ARGUMENT WRONG_MODEL_KIND model
    FeatureService/BatchGetFeatures: INVALID_ARGUMENT INVALID_FIELD encoding
    TrainingService/CreateTrainingJob: INVALID_ARGUMENT INVALID_RECIPE recipe_toml
    TrainingService/GetTrainingJob: NOT_FOUND JOB_NOT_FOUND patron.v1.Job "x"
    TrainingService/ListTrainingJobs: INVALID_ARGUMENT INVALID_FIELD state
    TrainingService/WatchTrainingJob: NOT_FOUND JOB_NOT_FOUND patron.v1.Job "x"
    TrainingService/CancelTrainingJob: NOT_FOUND JOB_NOT_FOUND patron.v1.Job "x"
    ModelService/ListModels: INVALID_ARGUMENT INVALID_FIELD kind
    ModelService/GetModel: INVALID_ARGUMENT INVALID_FIELD model
    ModelService/ListModelVersions: INVALID_ARGUMENT INVALID_PAGE_TOKEN page_token
    ModelService/GetModelVersion: NOT_FOUND MODEL_NOT_FOUND patron.v1.Model "unknown"
    ModelService/GetModelVersionReport: NOT_FOUND MODEL_NOT_FOUND patron.v1.Model "unknown"
    ModelService/GetModelDrift: FAILED_PRECONDITION NO_REFERENCE
    ModelService/SetModelAlias: INVALID_ARGUMENT INVALID_FIELD version
    ModelService/DeleteModelAlias: INVALID_ARGUMENT INVALID_FIELD alias
    ModelService/DeleteModelVersion: FAILED_PRECONDITION VERSION_IN_USE
    PredictionService/AssignSegments: INVALID_ARGUMENT INVALID_FIELD input
    PredictionService/AssignRfm: INVALID_ARGUMENT INVALID_FIELD input
    PredictionService/PredictChurn: INVALID_ARGUMENT INVALID_FIELD threshold
    PredictionService/PredictPropensity: INVALID_ARGUMENT INVALID_FIELD customer_ids.ids
    PredictionService/Forecast: INVALID_ARGUMENT INVALID_FIELD levels
    PredictionService/StreamAssignSegments: INVALID_ARGUMENT INVALID_FIELD input
    PredictionService/StreamAssignRfm: INVALID_ARGUMENT INVALID_FIELD input
    PredictionService/StreamPredictChurn: INVALID_ARGUMENT INVALID_FIELD threshold
    PredictionService/StreamPredictPropensity: INVALID_ARGUMENT INVALID_FIELD customer_ids.ids
    PredictionService/StreamForecast: INVALID_ARGUMENT INVALID_FIELD levels
    ScoringService/CreateScoringJob: INVALID_ARGUMENT INVALID_FIELD models
    ScoringService/GetScoringJob: NOT_FOUND JOB_NOT_FOUND patron.v1.Job "x"
    ScoringService/ListScoringJobs: INVALID_ARGUMENT INVALID_PAGE_TOKEN page_token
    ScoringService/WatchScoringJob: NOT_FOUND JOB_NOT_FOUND patron.v1.Job "x"
    ScoringService/CancelScoringJob: INVALID_ARGUMENT INVALID_FIELD request_id
    "#);
}

#[tokio::test]
async fn no_method_is_missing_from_the_table() {
    let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
    let methods: BTreeSet<String> = files
        .iter()
        .filter(|file| file.package() == "patron.v1")
        .flat_map(|file| &file.service)
        // What takes nothing cannot be asked wrongly.
        .filter(|service| service.name() != "ServerService")
        .flat_map(|service| {
            service.method.iter().map(|method| format!("{}/{}", service.name(), method.name()))
        })
        .collect();
    let tested = table().await.into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(methods, tested);
}
