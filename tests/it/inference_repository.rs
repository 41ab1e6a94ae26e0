//! The Open Inference Protocol: what it tells of models and of itself.

use patron::grpc::proto::inference::*;

use crate::app::{TestApp, churn_of, customer_ids, version_selector};
use crate::columns::telco;
use crate::failure::told;
use crate::fixture::{small_shop, small_shop_server};
use crate::inference::tensors::Vectors;

fn of(name: &str, version: &str) -> (String, String) {
    (name.to_owned(), version.to_owned())
}

#[tokio::test]
async fn the_server_lives_is_ready_and_says_what_it_offers() {
    let app = small_shop_server().await;
    let mut client = app.inference();
    assert!(client.server_live(ServerLiveRequest {}).await.unwrap().into_inner().live);
    assert!(client.server_ready(ServerReadyRequest {}).await.unwrap().into_inner().ready);
    let told = client.server_metadata(ServerMetadataRequest {}).await.unwrap().into_inner();
    assert_eq!((told.name.as_str(), told.version.as_str()), ("patron", env!("CARGO_PKG_VERSION")));
    assert_eq!(told.extensions, ["statistics", "model_repository(index)"]);
}

#[tokio::test]
async fn a_model_is_ready_when_its_version_can_answer() {
    let app = small_shop_server().await;
    let ready = async |name: &str, version: &str| {
        let (name, version) = of(name, version);
        app.inference().model_ready(ModelReadyRequest { name, version }).await
    };
    for (name, version) in [("churn", ""), ("churn", "1"), ("churn", "champion"), ("forecast", "")]
    {
        assert!(ready(name, version).await.unwrap().into_inner().ready, "{name} {version}");
    }
    let unknown = ready("nothing", "").await.unwrap_err();
    assert_eq!(told(&unknown), "NOT_FOUND MODEL_NOT_FOUND patron.v1.Model \"nothing\"");
    let unknown = ready("churn", "7").await.unwrap_err();
    assert_eq!(told(&unknown), "NOT_FOUND VERSION_NOT_FOUND patron.v1.ModelVersion \"churn/7\"");
    let empty = TestApp::empty().await;
    let (name, version) = of("churn", "");
    let untrained = empty.inference().model_ready(ModelReadyRequest { name, version }).await;
    assert!(!untrained.unwrap().into_inner().ready);
}

#[tokio::test]
async fn metadata_names_the_tensors_that_a_version_takes_and_gives() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    app.train_by("telco", telco("folds = 3\n")).await.result.unwrap();
    let metadata = async |name: &str, version: &str| {
        let (name, version) = of(name, version);
        let request = ModelMetadataRequest { name, version };
        app.inference().model_metadata(request).await.unwrap().into_inner()
    };
    let tensors = |tensors: &[model_metadata_response::TensorMetadata]| -> Vec<String> {
        tensors.iter().map(|it| format!("{} {} {:?}", it.name, it.datatype, it.shape)).collect()
    };
    let churn = metadata("churn", "").await;
    let width = Vectors::of(&app, "churn", &["r1"]).await.columns.len();
    assert_eq!((churn.platform.as_str(), churn.versions), ("patron", vec!["1".to_owned()]));
    assert_eq!(tensors(&churn.inputs), [format!("features FP32 [-1, {width}]")]);
    assert_eq!(tensors(&churn.outputs), ["probability FP32 [-1]", "percentile FP32 [-1]"]);
    let segments = metadata("segments", "").await;
    let outputs = tensors(&segments.outputs);
    assert_eq!(outputs[..2], ["segment INT64 [-1]", "name BYTES [-1]"]);
    assert!(outputs[4].starts_with("distances FP32 [-1, "), "{outputs:?}");
    let telco = metadata("telco", "1").await;
    assert_eq!(
        tensors(&telco.inputs),
        [
            "tenure FP32 [-1]",
            "MonthlyCharges FP32 [-1]",
            "Contract BYTES [-1]",
            "InternetService BYTES [-1]",
            "PaymentMethod BYTES [-1]",
        ]
    );
    let forecast = metadata("forecast", "").await;
    assert!(forecast.inputs.is_empty() && forecast.outputs.is_empty());
}

#[tokio::test]
async fn the_index_lists_every_version_with_its_state() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    app.train("churn").await.result.unwrap();
    std::fs::write(app.path("models/propensity/1/manifest.json"), "{").unwrap();
    let index = async |ready: bool| -> Vec<String> {
        let request = RepositoryIndexRequest { ready, ..Default::default() };
        let answer = app.inference().repository_index(request).await.unwrap().into_inner();
        let line = |it: &repository_index_response::ModelIndex| {
            let reason = if it.reason.is_empty() { "" } else { ": why" };
            format!("{}/{} {}{reason}", it.name, it.version, it.state)
        };
        answer.models.iter().map(line).collect()
    };
    assert_eq!(
        index(false).await,
        [
            "churn/1 READY",
            "churn/2 READY",
            "forecast/1 READY",
            "propensity/1 UNAVAILABLE: why",
            "rfm/ UNAVAILABLE: why",
            "segments/1 READY",
        ]
    );
    assert_eq!(
        index(true).await,
        ["churn/1 READY", "churn/2 READY", "forecast/1 READY", "segments/1 READY"]
    );
    let request = RepositoryIndexRequest { repository_name: "other".to_owned(), ready: false };
    let refused = app.inference().repository_index(request).await.unwrap_err();
    assert_eq!(told(&refused), "INVALID_ARGUMENT INVALID_FIELD repository_name");
}

#[tokio::test]
async fn every_call_is_counted_by_the_version_that_answered() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let statistics = async |name: &str, version: &str| {
        let (name, version) = of(name, version);
        let request = ModelStatisticsRequest { name, version };
        app.inference().model_statistics(request).await
    };
    let before = statistics("", "").await.unwrap().into_inner().model_stats;
    let names: Vec<&str> = before.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["churn", "forecast", "propensity", "segments"]);
    assert!(before.iter().all(|it| it.execution_count == 0 && it.last_inference == 0));

    let vectors = Vectors::of(&app, "churn", &["r1", "o1", "l1"]).await;
    app.infer(vectors.raw_singles("churn")).await;
    app.infer(vectors.by_column("churn")).await;
    let mut wrong = vectors.raw_singles("churn");
    wrong.inputs[0].shape = vec![1];
    app.inference().model_infer(wrong).await.unwrap_err();
    app.churn(&["r1", "r2"]).await.unwrap();
    let native = patron::grpc::proto::PredictChurnRequest {
        selector: Some(version_selector(1)),
        ..churn_of(patron::grpc::proto::predict_churn_request::Input::CustomerIds(customer_ids(&[
            "r1",
        ])))
    };
    app.ask_churn(native).await.unwrap();
    let forecast = patron::grpc::proto::ForecastRequest::default();
    let series = app.predictions().forecast(forecast).await.unwrap().into_inner().series.len();

    let churn = statistics("churn", "").await.unwrap().into_inner().model_stats.remove(0);
    assert_eq!((churn.name.as_str(), churn.version.as_str()), ("churn", "1"));
    assert_eq!((churn.inference_count, churn.execution_count), (3 + 3 + 2 + 1, 4));
    assert!(churn.last_inference > 1_600_000_000_000);
    let InferStatistics { success, fail, queue, compute_input, compute_infer, compute_output } =
        churn.inference_stats.unwrap();
    let stages = [queue, compute_input, compute_infer, compute_output].map(Option::unwrap);
    assert!(stages.iter().all(|stage| stage.count == 4));
    assert_eq!(stages.iter().map(|stage| stage.ns).sum::<u64>(), success.unwrap().ns);
    assert!(stages[1].ns > 0 && stages[2].ns > 0 && stages[3].ns > 0);
    assert_eq!((success.unwrap().count, fail.unwrap().count), (4, 1));
    let forecast = statistics("forecast", "1").await.unwrap().into_inner().model_stats.remove(0);
    assert_eq!((forecast.inference_count, forecast.execution_count), (series as u64, 1));

    let refused = statistics("", "1").await.unwrap_err();
    assert_eq!(told(&refused), "INVALID_ARGUMENT INVALID_FIELD version");
    let refused = statistics("nothing", "").await.unwrap_err();
    assert_eq!(told(&refused), "NOT_FOUND MODEL_NOT_FOUND patron.v1.Model \"nothing\"");
}
