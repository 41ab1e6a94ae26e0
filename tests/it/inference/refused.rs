//! Tensors that no model takes.

use bytes::Bytes;
use patron::grpc::proto::inference::model_infer_request::{
    InferInputTensor, InferRequestedOutputTensor,
};
use patron::grpc::proto::inference::{InferParameter, InferTensorContents, ModelInferRequest};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tonic::{Code, Status};

use super::IDS;
use super::tensors::{Vectors, With, singles, tensor, texts};
use crate::app::{Clients, TestApp};
use crate::columns::telco;
use crate::failure::told;
use crate::fixture::small_shop_server;

async fn refused(app: &Clients, request: ModelInferRequest) -> Status {
    app.inference().model_infer(request).await.unwrap_err()
}

type Change = fn(&mut ModelInferRequest);

/// What is told of a good request after a change.
async fn told_of(app: &Clients, good: &ModelInferRequest, change: Change) -> (String, String) {
    let mut bad = good.clone();
    change(&mut bad);
    let status = refused(app, bad).await;
    let described = told(&status);
    (described, status.message().to_owned())
}

fn contents(request: &mut ModelInferRequest) -> &mut InferTensorContents {
    request.inputs[0].contents.as_mut().unwrap()
}

const BLOCK: &str = "INVALID_ARGUMENT INVALID_FEATURE_BLOCK";

#[tokio::test]
async fn what_is_wrong_with_a_matrix_is_named() {
    let app = small_shop_server().await;
    let vectors = Vectors::of(&app, "churn", &IDS).await;
    let good = vectors.typed_singles("churn");
    let changes: [(Change, &str, &str); 16] = [
        (|r| r.inputs.clear(), "INVALID_ARGUMENT INVALID_FIELD inputs", "found none"),
        (|r| r.inputs[0].shape = vec![4], "inputs[0].contents", "features: expected 4 values"),
        (|r| r.inputs[0].shape = vec![1, 2, 3], "inputs[0].shape", "one or two numbers"),
        (|r| r.inputs[0].shape = vec![-1, 4], "inputs[0].shape", "from 0"),
        (|r| r.inputs[0].shape = vec![i64::MAX, 3], "inputs[0].shape", "from 0"),
        (|r| r.inputs[0].shape[1] -= 1, "inputs[0].contents", "in fp32_contents, found"),
        (|r| r.inputs[0].datatype = "FP16".into(), "inputs[0].datatype", "found \"FP16\""),
        (|r| r.inputs[0].datatype = "FP64".into(), "inputs[0].contents", "in fp64_contents"),
        (|r| r.inputs[0].contents = None, "inputs[0].contents", "found 0"),
        (|r| contents(r).fp32_contents[3] = f32::NAN, "inputs", "row 0, column"),
        (|r| contents(r).fp32_contents[3] = f32::INFINITY, "inputs", "found inf"),
        (|r| contents(r).int_contents.push(1), "inputs[0].contents", "found 1 in others"),
        (|r| r.raw_input_contents = vec![Bytes::new()], "inputs[0].contents", "expected none"),
        (|r| r.raw_input_contents = vec![Bytes::new(); 2], "raw_input_contents", "one per input"),
        (
            |r| {
                r.inputs[0].contents = None;
                r.raw_input_contents = vec![Bytes::from_static(&[0; 7])];
            },
            "inputs[0].raw_input_contents",
            "x 4 bytes, found 7",
        ),
        (
            |r| {
                let region = ("shared_memory_region".to_owned(), InferParameter::default());
                r.inputs[0].parameters.extend([region]);
            },
            "inputs[0].parameters",
            "shared memory is not offered",
        ),
    ];
    for (number, (change, field, problem)) in changes.into_iter().enumerate() {
        let (described, message) = told_of(&app, &good, change).await;
        let expected = match field.split_once(' ') {
            Some(_) => field.to_owned(),
            None => format!("{BLOCK} {field}"),
        };
        assert_eq!(described, expected, "change {number}: {message}");
        assert!(message.contains(problem), "change {number}: {message}");
    }
}

#[tokio::test]
async fn the_shape_must_be_that_of_the_models_columns() {
    let app = small_shop_server().await;
    let narrow = tensor("features", "FP32", &[2, 3]).with(singles(vec![0.0; 6]));
    let status = refused(&app, super::request("churn", vec![narrow])).await;
    assert_eq!(told(&status), format!("{BLOCK} inputs"));
    assert!(status.message().contains("found 6"), "{status}");
    let flat = tensor("features", "FP32", &[6]).with(singles(vec![0.0; 6]));
    let status = refused(&app, super::request("churn", vec![flat])).await;
    assert_eq!(told(&status), format!("{BLOCK} inputs[0].shape"));
    let whole = InferTensorContents { int_contents: vec![1, 2], ..Default::default() };
    let whole = tensor("features", "INT32", &[1, 2]).with(whole);
    let status = refused(&app, super::request("churn", vec![whole])).await;
    assert_eq!(told(&status), format!("{BLOCK} inputs[0].datatype"));
}

#[tokio::test]
async fn a_call_has_1_to_10000_rows() {
    let app = small_shop_server().await;
    let rows = |rows| tensor("features", "FP32", &[rows, 1]).with(singles(vec![0.0; rows]));
    let none = refused(&app, super::request("churn", vec![rows(0)])).await;
    assert_eq!(told(&none), "INVALID_ARGUMENT INVALID_FIELD inputs[0].shape");
    let many = refused(&app, super::request("churn", vec![rows(10_001)])).await;
    assert_eq!(told(&many), "INVALID_ARGUMENT TOO_MANY_ROWS inputs[0].shape");
}

#[tokio::test]
async fn missing_unknown_and_uneven_columns_are_named() {
    let app = small_shop_server().await;
    let vectors = Vectors::of(&app, "churn", &IDS).await;
    let good = vectors.by_column("churn");
    let table = "INVALID_ARGUMENT INVALID_TABLE inputs";
    let name = good.inputs[0].name.clone();
    let (described, message) = told_of(&app, &good, |r| drop(r.inputs.remove(0))).await;
    assert_eq!(described, table);
    assert!(message.contains(&format!("expected a column {name}")), "{message}");
    let twice: Change = |r| r.inputs.push(r.inputs[0].clone());
    let (described, message) = told_of(&app, &good, twice).await;
    assert_eq!(described, table);
    assert!(message.contains(&format!("{name} is there twice")), "{message}");
    let unknown: Change = |r| {
        let shoe = tensor("shoe_size", "FP32", &[4]).with(singles(vec![0.0; 4]));
        r.inputs.push(shoe);
    };
    let (described, message) = told_of(&app, &good, unknown).await;
    assert_eq!(described, format!("{BLOCK} inputs[{}].name", good.inputs.len()));
    assert!(message.contains("shoe_size"), "{message}");
    let short: Change = |r| {
        r.inputs[1].shape = vec![3];
        r.inputs[1].contents.as_mut().unwrap().fp32_contents.truncate(3);
    };
    let (described, message) = told_of(&app, &good, short).await;
    assert_eq!(described, format!("{BLOCK} inputs[1].shape"));
    assert!(message.contains("expected [4] or [4, 1], found [3]"), "{message}");
    let text: Change = |r| {
        r.inputs[0].datatype = "BYTES".to_owned();
        r.inputs[0].contents = Some(texts(&["1", "2", "three", "4"]));
    };
    let (described, message) = told_of(&app, &good, text).await;
    assert_eq!(described, table);
    assert!(message.contains(&format!("row 2, column {name}: expected a number")), "{message}");
    let binary: Change = |r| {
        r.inputs[0].datatype = "BYTES".to_owned();
        let text = Bytes::from_static(b"\xff");
        let values = vec![text; 4];
        r.inputs[0].contents =
            Some(InferTensorContents { bytes_contents: values, ..Default::default() });
    };
    let (described, message) = told_of(&app, &good, binary).await;
    assert_eq!(described, format!("{BLOCK} inputs[0].contents"));
    assert!(message.contains("row 0: expected UTF-8"), "{message}");
}

#[tokio::test]
async fn raw_texts_and_flags_that_are_cut_off_are_refused() {
    let app = small_shop_server().await;
    let raw = |datatype: &str, bytes: &'static [u8]| {
        let input = tensor("visits", datatype, &[2]);
        super::tensors::raw_request("churn", vec![(input, bytes.to_vec())])
    };
    for (datatype, bytes, problem) in [
        ("BYTES", &b"\x01\0\0\0a"[..], "expected 2 texts, found 1"),
        ("BYTES", b"\x01\0\0\0a\x09\0\0\0b", "text 1: cut off"),
        ("BYTES", b"\x01\0\0\0a\x01\0", "text 1: cut off"),
        ("BYTES", b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "expected 2 texts, found 3 or more"),
        ("BYTES", b"\xff\xff\xff\xffabc", "text 0: cut off"),
        ("BOOL", b"\x01\x02", "row 1: expected a byte of 0 or 1"),
        ("INT16", b"\x01\x02\x03", "expected 2 x 2 bytes, found 3 bytes"),
    ] {
        let status = refused(&app, raw(datatype, bytes)).await;
        assert_eq!(told(&status), format!("{BLOCK} inputs[0].raw_input_contents"));
        assert!(status.message().contains(problem), "{status}");
    }
}

#[tokio::test]
async fn a_model_that_is_not_there_or_takes_no_vectors_is_told_of() {
    let app = small_shop_server().await;
    let vectors = Vectors::of(&app, "churn", &IDS).await;
    let of = |model: &str, version: &str| ModelInferRequest {
        model_version: version.to_owned(),
        ..vectors.raw_singles(model)
    };
    for (request, expected) in [
        (of("nothing", ""), "NOT_FOUND MODEL_NOT_FOUND patron.v1.Model \"nothing\""),
        (of("churn", "9"), "NOT_FOUND VERSION_NOT_FOUND patron.v1.ModelVersion \"churn/9\""),
        (of("churn", "other"), "NOT_FOUND ALIAS_NOT_FOUND patron.v1.ModelAlias \"churn@other\""),
        (of("churn", "0"), "INVALID_ARGUMENT INVALID_FIELD model_version"),
        (of("churn", "No Name"), "INVALID_ARGUMENT INVALID_FIELD model_version"),
        (of("../churn", ""), "INVALID_ARGUMENT INVALID_FIELD model_name"),
        (of("forecast", ""), "INVALID_ARGUMENT WRONG_MODEL_KIND model_name"),
    ] {
        assert_eq!(told(&refused(&app, request).await), expected);
    }
    let status = refused(&app, of("forecast", "")).await;
    assert!(status.message().contains("patron.v1.PredictionService/Forecast"), "{status}");
    for version in ["", "1", "champion"] {
        assert_eq!(app.infer(of("churn", version)).await.model_version, "1");
    }
}

#[tokio::test]
async fn outputs_that_a_model_does_not_give_are_refused() {
    let app = small_shop_server().await;
    let vectors = Vectors::of(&app, "churn", &IDS).await;
    let ask = |name: &str, parameter: Option<&str>| {
        let parameters = parameter.map(|name| (name.to_owned(), InferParameter::default()));
        let parameters = parameters.into_iter().collect();
        let output = InferRequestedOutputTensor { name: name.to_owned(), parameters };
        ModelInferRequest { outputs: vec![output], ..vectors.raw_singles("churn") }
    };
    let unknown = refused(&app, ask("segment", None)).await;
    assert_eq!(told(&unknown), "INVALID_ARGUMENT INVALID_FIELD outputs[0].name");
    assert!(unknown.message().contains("probability, percentile"), "{unknown}");
    let classes = refused(&app, ask("probability", Some("classification"))).await;
    assert_eq!(told(&classes), "INVALID_ARGUMENT INVALID_FIELD outputs[0].parameters");
}

#[tokio::test]
async fn a_level_that_training_never_saw_is_missing_and_a_code_beyond_the_levels_is_refused() {
    let app = TestApp::empty().await;
    app.train_by("telco", telco("folds = 3\n")).await.result.unwrap();
    let codes = vec![1.0, 95.0, 0.0, 1.0, 9.0];
    let matrix = tensor("features", "FP32", &[1, 5]).with(singles(codes));
    let request = ModelInferRequest {
        model_version: "1".to_owned(),
        ..super::request("telco", vec![matrix])
    };
    let status = refused(&app, request).await;
    assert_eq!(told(&status), format!("{BLOCK} inputs"));
    assert!(status.message().contains("row 0, column PaymentMethod"), "{status}");
}

fn any_request() -> impl Strategy<Value = ModelInferRequest> {
    let datatype = prop::sample::select(vec![
        "FP32", "FP64", "BOOL", "BYTES", "INT8", "INT64", "UINT16", "UINT64", "FP16", "",
    ]);
    let name = prop::sample::select(vec!["features", "visits", "spend", ""]);
    let bytes = || prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    let contents = (
        prop::collection::vec(any::<f32>(), 0..6),
        prop::collection::vec(any::<i64>(), 0..3),
        prop::collection::vec(bytes(), 0..3),
    );
    let contents = contents.prop_map(|(fp32_contents, int64_contents, bytes_contents)| {
        InferTensorContents { fp32_contents, int64_contents, bytes_contents, ..Default::default() }
    });
    let shape = prop::collection::vec(prop_oneof![-1_i64..5, any::<i64>()], 0..4);
    let input = (name, datatype, shape, prop::option::of(contents)).prop_map(
        |(name, datatype, shape, contents)| InferInputTensor {
            name: name.to_owned(),
            datatype: datatype.to_owned(),
            shape,
            contents,
            ..Default::default()
        },
    );
    let raw = prop::collection::vec(bytes(), 0..3);
    (prop::collection::vec(input, 0..3), raw).prop_map(|(inputs, raw_input_contents)| {
        ModelInferRequest { raw_input_contents, ..super::request("churn", inputs) }
    })
}

#[tokio::test]
async fn whatever_is_sent_is_refused_as_an_argument() {
    let app = small_shop_server().await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..2_000 {
        let request = any_request().new_tree(&mut runner).unwrap().current();
        let status = refused(&app, request.clone()).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{request:?}: {status}");
    }
}
