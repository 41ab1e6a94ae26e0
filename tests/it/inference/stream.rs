//! Many requests on one stream.

use patron::grpc::proto::inference::ModelInferRequest;

use super::IDS;
use super::tensors::{Vectors, output};
use crate::fixture::small_shop_server;

#[tokio::test]
async fn a_request_that_fails_does_not_end_the_stream() {
    let app = small_shop_server().await;
    let vectors = Vectors::of(&app, "churn", &IDS).await;
    let named = |id: &str, request| ModelInferRequest { id: id.to_owned(), ..request };
    let mut wrong = vectors.raw_singles("churn");
    wrong.inputs[0].shape = vec![1, 3];
    let items = [
        named("first", vectors.raw_singles("churn")),
        named("wrong", wrong),
        named("nothing", ModelInferRequest::default()),
        named("last", vectors.typed_doubles("churn")),
    ];
    let stream = app.inference().model_stream_infer(tokio_stream::iter(items)).await;
    let mut stream = stream.unwrap().into_inner();
    let mut told = Vec::new();
    let mut probabilities = Vec::new();
    while let Some(answer) = stream.message().await.unwrap() {
        let response = answer.infer_response.unwrap();
        if answer.error_message.is_empty() {
            probabilities.push(output(&response, "probability").singles());
        }
        told.push((response.id, answer.error_message));
    }
    assert_eq!(probabilities.len(), 2);
    assert_eq!(probabilities[0], probabilities[1]);
    let ids: Vec<&str> = told.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["first", "wrong", "nothing", "last"]);
    assert!(told[1].1.starts_with("INVALID_ARGUMENT: inputs[0].raw_input_contents: features: "));
    assert!(told[2].1.starts_with("INVALID_ARGUMENT: model_name: "), "{}", told[2].1);
}
