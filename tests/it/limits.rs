//! What the server takes, and what it says of itself.

use patron::grpc::proto::*;
use prost::Message as _;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::app::{TestApp, churn_of, customer_ids};
use crate::failure::told;
use crate::fixture::{small_shop, small_shop_server};

/// A request of exactly so many bytes, filled up by a name that no model has.
fn request_of(bytes: usize) -> PredictChurnRequest {
    let mut request = churn_of(predict_churn_request::Input::CustomerIds(customer_ids(&["r1"])));
    request.model = "m".repeat(bytes - request.encoded_len() - 4);
    assert_eq!(request.encoded_len(), bytes);
    request
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_with_the_limit() {
    let settings = [("server.max_message_bytes", "65536")];
    let app = TestApp::copy_of_with(&small_shop().directory, &settings).await;
    let at_limit = app.ask_churn(request_of(65_536)).await.unwrap_err();
    assert_eq!(told(&at_limit), "INVALID_ARGUMENT INVALID_FIELD model");
    let refused = app.ask_churn(request_of(65_537)).await.unwrap_err();
    assert_eq!(told(&refused), "RESOURCE_EXHAUSTED MESSAGE_TOO_LARGE");
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.metadata["max_message_bytes"], "65536");
    // An item of a stream, too; it ends the stream.
    let item = StreamPredictChurnRequest { sequence: 1, request: Some(request_of(65_537)) };
    let stream = app.predictions().stream_predict_churn(tokio_stream::iter([item])).await;
    let refused = stream.unwrap().into_inner().message().await.unwrap_err();
    assert_eq!(told(&refused), "RESOURCE_EXHAUSTED MESSAGE_TOO_LARGE");
    // And an answer.
    let ids: Vec<String> = (0..8_000).map(|number| number.to_string()).collect();
    let many = churn_of(predict_churn_request::Input::CustomerIds(CustomerIds { ids }));
    let refused = app.ask_churn(many).await.unwrap_err();
    assert_eq!(told(&refused), "RESOURCE_EXHAUSTED MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn rows_above_the_limit_are_refused() {
    let app = small_shop_server().await;
    let ask = async |rows: usize| {
        let ids = (0..rows).map(|number| format!("c{number}")).collect();
        app.ask_churn(churn_of(predict_churn_request::Input::CustomerIds(CustomerIds { ids })))
            .await
    };
    assert_eq!(ask(10_000).await.unwrap().probabilities.len(), 10_000);
    let refused = ask(10_001).await.unwrap_err();
    assert_eq!(told(&refused), "INVALID_ARGUMENT TOO_MANY_ROWS customer_ids.ids");
}

#[tokio::test]
async fn keys_above_128_bytes_are_errors_of_their_rows() {
    let app = small_shop_server().await;
    let (fits, long) = ("k".repeat(128), "k".repeat(129));
    let answer = app.churn(&[&fits, &long]).await.unwrap();
    let rows: Vec<u32> = answer.errors.iter().map(|error| error.row).collect();
    assert_eq!(rows, [1]);
}

#[tokio::test]
async fn the_server_says_what_it_takes_and_what_may_be_sent_again() {
    let settings = [("server.max_call_seconds", "7"), ("server.max_inflight_calls", "99")];
    let app = TestApp::copy_of_with(&small_shop().directory, &settings).await;
    let info = app.server().get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
    assert_eq!((info.time_zone.as_str(), info.currency.as_str()), ("Europe/London", "GBP"));
    assert_eq!(info.as_of_rule(), AsOfRule::Latest);
    let limits = info.limits.unwrap();
    assert_eq!((limits.max_call_seconds, limits.max_inflight_calls), (7, 99));
    assert_eq!((limits.max_message_bytes, limits.max_rows), (4 << 20, 10_000));
    let config: serde_json::Value = serde_json::from_str(&info.service_config_json).unwrap();
    let method = &config["methodConfig"][0];
    let codes = &method["retryPolicy"]["retryableStatusCodes"];
    assert_eq!(codes, &serde_json::json!(["UNAVAILABLE"]));
    let names = method["name"].as_array().unwrap();
    let has = |service: &str, method: &str| {
        names.contains(&serde_json::json!({ "service": service, "method": method }))
    };
    assert!(has("patron.v1.PredictionService", "PredictChurn"));
    assert!(has("patron.v1.ServerService", "GetServerInfo"));
    assert!(!has("patron.v1.PredictionService", "StreamPredictChurn"));
    assert!(!has("patron.v1.ModelService", "SetModelAlias"));
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_unimplemented() {
    let app = small_shop_server().await;
    let mut client = tonic::client::Grpc::new(app.channel.clone());
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<GetServerInfoRequest, GetServerInfoResponse>::default();
    let path = http::uri::PathAndQuery::from_static("/patron.v1.ServerService/Nothing");
    let request = tonic::Request::new(GetServerInfoRequest {});
    let refused = client.unary(request, path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}
