//! The streaming twins of the predict methods.

use patron::grpc::proto::*;

use crate::app::{Clients, churn_of, customer_ids};
use crate::failure::{carried, told};
use crate::fixture::small_shop_server;

const BAD: &str = "INVALID_ARGUMENT INVALID_FIELD customer_ids.ids";

/// Sends items and reads answers of one method; an answer is its sequence number and either the
/// number of its rows or what its error tells.
macro_rules! answers {
    ($app:ident.$method:ident($items:expr), $outcome:path, $rows:expr) => {{
        use $outcome as Outcome;
        let mut stream =
            $app.predictions().$method(tokio_stream::iter($items)).await.unwrap().into_inner();
        let mut answers = Vec::new();
        while let Some(answer) = stream.message().await.unwrap() {
            let outcome = match answer.outcome.unwrap() {
                Outcome::Response(response) => Ok($rows(response)),
                Outcome::Error(status) => Err(told(&carried(&status))),
            };
            answers.push((answer.sequence, outcome));
        }
        answers
    }};
}

/// A good item, a bad one, one without a request, a good one.
fn expected(bad: &str) -> Vec<(u64, Result<usize, String>)> {
    let empty = "INVALID_ARGUMENT INVALID_FIELD request".to_owned();
    vec![(7, Ok(2)), (7, Err(bad.to_owned())), (1, Err(empty)), (u64::MAX, Ok(2))]
}

fn two() -> CustomerIds {
    customer_ids(&["r1", "nobody"])
}

async fn app() -> Clients {
    small_shop_server().await
}

#[tokio::test]
async fn churn_survives_a_bad_item_and_keeps_the_sequence() {
    let app = app().await;
    let item = |sequence, request| StreamPredictChurnRequest { sequence, request };
    let good = churn_of(predict_churn_request::Input::CustomerIds(two()));
    let bad = churn_of(predict_churn_request::Input::CustomerIds(CustomerIds::default()));
    let items = [
        item(7, Some(good.clone())),
        item(7, Some(bad)),
        item(1, None),
        item(u64::MAX, Some(good)),
    ];
    let answers = answers!(
        app.stream_predict_churn(items),
        stream_predict_churn_response::Outcome,
        |response: PredictChurnResponse| response.probabilities.len()
    );
    assert_eq!(answers, expected(BAD));
}

#[tokio::test]
async fn propensity_survives_a_bad_item_and_keeps_the_sequence() {
    let app = app().await;
    let item = |sequence, request| StreamPredictPropensityRequest { sequence, request };
    let of = |ids| PredictPropensityRequest {
        input: Some(predict_propensity_request::Input::CustomerIds(ids)),
        ..Default::default()
    };
    let bad = Some(of(CustomerIds::default()));
    let items =
        [item(7, Some(of(two()))), item(7, bad), item(1, None), item(u64::MAX, Some(of(two())))];
    let answers = answers!(
        app.stream_predict_propensity(items),
        stream_predict_propensity_response::Outcome,
        |response: PredictPropensityResponse| response.probabilities.len()
    );
    assert_eq!(answers, expected(BAD));
}

#[tokio::test]
async fn segments_survive_a_bad_item_and_keep_the_sequence() {
    let app = app().await;
    let item = |sequence, request| StreamAssignSegmentsRequest { sequence, request };
    let of = |ids| AssignSegmentsRequest {
        input: Some(assign_segments_request::Input::CustomerIds(ids)),
        ..Default::default()
    };
    let bad = Some(of(CustomerIds::default()));
    let items =
        [item(7, Some(of(two()))), item(7, bad), item(1, None), item(u64::MAX, Some(of(two())))];
    let answers = answers!(
        app.stream_assign_segments(items),
        stream_assign_segments_response::Outcome,
        |response: AssignSegmentsResponse| response.names.len()
    );
    assert_eq!(answers, expected(BAD));
}

#[tokio::test]
async fn forecasts_survive_a_bad_item_and_keep_the_sequence() {
    let app = app().await;
    let item = |sequence, request| StreamForecastRequest { sequence, request };
    let good = Some(ForecastRequest { horizon: Some(2), ..Default::default() });
    let bad = Some(ForecastRequest { horizon: Some(0), ..Default::default() });
    let items = [item(7, good.clone()), item(7, bad), item(1, None), item(u64::MAX, good)];
    let answers = answers!(
        app.stream_forecast(items),
        stream_forecast_response::Outcome,
        |response: ForecastResponse| response.period_starts.len()
    );
    assert_eq!(answers, expected("INVALID_ARGUMENT INVALID_FIELD horizon"));
}

#[tokio::test]
async fn many_items_are_answered_as_single_calls_would() {
    let app = app().await;
    let ids: Vec<String> = (0..100).map(|number| format!("r{number}")).collect();
    let items: Vec<_> = (0_u64..)
        .zip(&ids)
        .map(|(sequence, id)| StreamPredictChurnRequest {
            sequence,
            request: Some(churn_of(predict_churn_request::Input::CustomerIds(customer_ids(&[id])))),
        })
        .collect();
    let answers = answers!(
        app.stream_predict_churn(items),
        stream_predict_churn_response::Outcome,
        |response: PredictChurnResponse| response.probabilities[0]
    );
    let texts: Vec<&str> = ids.iter().map(String::as_str).collect();
    let single = app.churn(&texts).await.unwrap().probabilities;
    let streamed: Vec<f32> = answers.into_iter().map(|(_, outcome)| outcome.unwrap()).collect();
    assert_eq!(streamed, single);
}
