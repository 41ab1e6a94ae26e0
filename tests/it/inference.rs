//! The Open Inference Protocol: the same answers as the native calls.

#[path = "inference/refused.rs"]
mod refused;
#[path = "inference/stream.rs"]
mod stream;
#[path = "inference/tensors.rs"]
pub(crate) mod tensors;

use patron::grpc::proto::inference::model_infer_request::InferRequestedOutputTensor;
use patron::grpc::proto::inference::{InferTensorContents, ModelInferRequest, ModelInferResponse};
use patron::grpc::proto::*;

use self::tensors::{Found, Vectors, With, output, request, tensor, texts};
use crate::app::{Clients, TestApp, version_selector};
use crate::columns::{telco, two_cases};
use crate::fixture::{small_shop, small_shop_server};

const IDS: [&str; 4] = ["r1", "o1", "l1", "nobody"];

impl Clients {
    pub(crate) async fn infer(&self, request: ModelInferRequest) -> ModelInferResponse {
        self.inference().model_infer(request).await.unwrap().into_inner()
    }
}

/// The same vectors in every way in which they can be sent.
fn all_ways(vectors: &Vectors, model: &str) -> [ModelInferRequest; 5] {
    [
        vectors.raw_singles(model),
        vectors.raw_doubles(model),
        vectors.typed_singles(model),
        vectors.typed_doubles(model),
        vectors.by_column(model),
    ]
}

#[tokio::test]
async fn probabilities_are_those_of_the_native_call_in_every_encoding() {
    let app = small_shop_server().await;
    let vectors = Vectors::of(&app, "churn", &IDS).await;
    let input = Some(predict_churn_request::Input::Features(vectors.block()));
    let native = app.ask_churn(PredictChurnRequest { input, ..Default::default() }).await.unwrap();
    for request in all_ways(&vectors, "churn") {
        let answer = app.infer(request).await;
        assert_eq!(answer.model_version, native.served_by.as_ref().unwrap().version.to_string());
        assert_eq!(output(&answer, "probability").singles(), native.probabilities);
        assert_eq!(output(&answer, "percentile").singles(), native.percentiles);
    }
    let vectors = Vectors::of(&app, "propensity", &IDS).await;
    let input = Some(predict_propensity_request::Input::Features(vectors.block()));
    let request = PredictPropensityRequest { input, ..Default::default() };
    let native = app.predictions().predict_propensity(request).await.unwrap().into_inner();
    for request in all_ways(&vectors, "propensity") {
        let answer = app.infer(request).await;
        assert_eq!(output(&answer, "probability").singles(), native.probabilities);
    }
}

#[tokio::test]
async fn doubles_are_answered_in_doubles_and_agree_with_singles() {
    let app = small_shop_server().await;
    let vectors = Vectors::of(&app, "churn", &IDS).await;
    let raw = output(&app.infer(vectors.raw_doubles("churn")).await, "probability");
    let typed = output(&app.infer(vectors.typed_doubles("churn")).await, "probability");
    assert!(matches!(&raw, Found::Doubles(values) if values.len() == IDS.len()));
    assert_eq!(raw, typed);
    let singles = output(&app.infer(vectors.raw_singles("churn")).await, "probability");
    assert_eq!(Found::Singles(raw.singles()), singles);
}

#[tokio::test]
async fn segments_are_those_of_the_native_call() {
    let app = small_shop_server().await;
    let vectors = Vectors::of(&app, "segments", &IDS).await;
    let request = AssignSegmentsRequest {
        input: Some(assign_segments_request::Input::Features(vectors.block())),
        all_distances: true,
        ..Default::default()
    };
    let native = app.predictions().assign_segments(request).await.unwrap().into_inner();
    for request in all_ways(&vectors, "segments") {
        let answer = app.infer(request).await;
        let segments = native.segments.iter().map(|segment| i64::from(*segment)).collect();
        assert_eq!(output(&answer, "segment"), Found::Integers(segments));
        assert_eq!(output(&answer, "name"), Found::Texts(native.names.clone()));
        assert_eq!(output(&answer, "distance").singles(), native.distances);
        assert_eq!(output(&answer, "confidence").singles(), native.confidences);
        assert_eq!(output(&answer, "distances").singles(), native.all_distances);
    }
}

#[tokio::test]
async fn scores_are_those_of_the_native_call() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    app.train_by("rfm", "kind = \"rfm\"\nactive_days = 365\n".to_owned()).await.result.unwrap();
    let vectors = Vectors::of(&app, "rfm", &IDS).await;
    let input = Some(assign_rfm_request::Input::Features(vectors.block()));
    let request = AssignRfmRequest { input, ..Default::default() };
    let native = app.predictions().assign_rfm(request).await.unwrap().into_inner();
    let wide = |scores: &[u32]| Found::Integers(scores.iter().map(|it| i64::from(*it)).collect());
    for request in all_ways(&vectors, "rfm") {
        let answer = app.infer(request).await;
        assert_eq!(output(&answer, "recency_score"), wide(&native.recency_scores));
        assert_eq!(output(&answer, "frequency_score"), wide(&native.frequency_scores));
        assert_eq!(output(&answer, "monetary_score"), wide(&native.monetary_scores));
        assert_eq!(output(&answer, "cell"), Found::Texts(native.cells.clone()));
        assert_eq!(output(&answer, "segment"), Found::Texts(native.segments.clone()));
    }
}

#[tokio::test]
async fn columns_of_a_table_are_sent_as_texts_numbers_and_codes() {
    let app = TestApp::empty().await;
    let version = app.train_by("telco", telco("folds = 3\n")).await.result.unwrap().version;
    let request_of_table = PredictChurnRequest {
        model: "telco".to_owned(),
        selector: Some(version_selector(version)),
        input: Some(predict_churn_request::Input::Table(two_cases())),
        ..Default::default()
    };
    let native = app.ask_churn(request_of_table).await.unwrap();
    let whole = InferTensorContents { int64_contents: vec![1, 70], ..Default::default() };
    let inputs = vec![
        tensor("Contract", "BYTES", &[2]).with(texts(&["Month-to-month", "Two year"])),
        tensor("InternetService", "BYTES", &[2, 1]).with(texts(&["Fiber optic", "No"])),
        tensor("PaymentMethod", "BYTES", &[2]).with(texts(&["Electronic check", "Mailed check"])),
        tensor("tenure", "INT64", &[2]).with(whole),
        tensor("MonthlyCharges", "FP32", &[2]).with(tensors::singles(vec![95.0, 20.0])),
    ];
    let answer = app.infer(request("telco", inputs.clone())).await;
    assert_eq!(output(&answer, "probability").singles(), native.probabilities);
    // The same as raw bytes: a text has its length before it.
    let text = |text: &str| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let raw: Vec<Vec<u8>> = vec![
        [text("Month-to-month"), text("Two year")].concat(),
        [text("Fiber optic"), text("No")].concat(),
        [text("Electronic check"), text("Mailed check")].concat(),
        [1_i64.to_le_bytes(), 70_i64.to_le_bytes()].concat(),
        [95_f32.to_le_bytes(), 20_f32.to_le_bytes()].concat(),
    ];
    let bare = inputs.iter().cloned().map(|input| {
        patron::grpc::proto::inference::model_infer_request::InferInputTensor {
            contents: None,
            ..input
        }
    });
    let answer = app.infer(tensors::raw_request("telco", bare.zip(raw).collect())).await;
    assert_eq!(output(&answer, "probability").singles(), native.probabilities);
    // The same as one matrix: the places of the levels.
    let codes = vec![1.0, 95.0, 0.0, 1.0, 2.0, 70.0, 20.0, 2.0, 2.0, 3.0];
    let matrix = tensor("features", "FP32", &[2, 5]).with(tensors::singles(codes));
    let answer = app.infer(request("telco", vec![matrix])).await;
    assert_eq!(output(&answer, "probability").singles(), native.probabilities);
}

#[tokio::test]
async fn ten_thousand_rows_are_answered_as_one_by_one() {
    let app = small_shop_server().await;
    let few = Vectors::of(&app, "churn", &IDS).await;
    let alone = output(&app.infer(few.raw_singles("churn")).await, "probability").singles();
    let many = Vectors { rows: 10_000, values: few.values.repeat(2_500), ..few };
    let together = output(&app.infer(many.raw_singles("churn")).await, "probability").singles();
    assert_eq!(together, alone.repeat(2_500));
}

#[tokio::test]
async fn the_id_comes_back_and_only_wanted_outputs_do_in_their_order() {
    let app = small_shop_server().await;
    let vectors = Vectors::of(&app, "segments", &IDS).await;
    let wanted =
        |name: &str| InferRequestedOutputTensor { name: name.to_owned(), ..Default::default() };
    let request = ModelInferRequest {
        id: "basket 7".to_owned(),
        outputs: vec![wanted("confidence"), wanted("segment")],
        ..vectors.raw_singles("segments")
    };
    let answer = app.infer(request).await;
    assert_eq!((answer.id.as_str(), answer.model_name.as_str()), ("basket 7", "segments"));
    let names: Vec<&str> = answer.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["confidence", "segment"]);
    assert!(matches!(output(&answer, "segment"), Found::Integers(_)));
}
