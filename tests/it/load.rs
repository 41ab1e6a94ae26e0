//! Many questions at once, while models change.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use patron::grpc::proto::*;
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::app::{TestApp, churn_of};
use crate::failure::reason;
use crate::fixture::{SHOP_RECIPES, small_shop};

/// A question about so many customers, with reasons, so that it takes a while.
fn large(rows: usize) -> PredictChurnRequest {
    let ids = (0..rows).map(|number| format!("r{}", number % 140)).collect();
    let input = predict_churn_request::Input::CustomerIds(CustomerIds { ids });
    PredictChurnRequest { explain: 5, ..churn_of(input) }
}

#[tokio::test]
async fn rows_above_the_bound_are_refused_and_items_of_streams_wait() {
    let settings = [("server.max_inflight_rows", "10000")];
    let app = TestApp::copy_of_with(&small_shop().directory, &settings).await;
    let mut calls = JoinSet::new();
    for _ in 0..12 {
        let clients = (*app).clone();
        calls.spawn(async move { clients.ask_churn(large(6_000)).await });
    }
    let outcomes = calls.join_all().await;
    let (answered, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert!(!answered.is_empty() && !refused.is_empty(), "{} answered", answered.len());
    for outcome in refused {
        let status = outcome.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::ResourceExhausted, "OVERLOADED")
        );
        assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
    }
    let mut streams = JoinSet::new();
    for _ in 0..4 {
        let mut client = app.predictions();
        streams.spawn(async move {
            let item = |sequence| {
                let request = Some(large(6_000));
                StreamPredictChurnRequest { sequence, request }
            };
            let items = tokio_stream::iter([item(1), item(2)]);
            let mut answers = client.stream_predict_churn(items).await.unwrap().into_inner();
            let mut rows = 0;
            while let Some(answer) = answers.message().await.unwrap() {
                let outcome = answer.outcome.unwrap();
                let stream_predict_churn_response::Outcome::Response(response) = outcome else {
                    panic!("{outcome:?}");
                };
                rows += response.probabilities.len();
            }
            rows
        });
    }
    assert_eq!(streams.join_all().await, [12_000; 4]);
    app.ask_churn(large(10_000)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_would_be_late_are_refused_when_they_arrive() {
    let settings = [("server.max_inflight_rows", "1000000")];
    let app = TestApp::copy_of_with(&small_shop().directory, &settings).await;
    // What such a call costs has to be known.
    let begun = Instant::now();
    for _ in 0..3 {
        app.ask_churn(large(2_000)).await.unwrap();
    }
    let deadline = begun.elapsed();
    let mut calls = JoinSet::new();
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    for _ in 0..20 * cores {
        let mut client = app.predictions();
        calls.spawn(async move {
            let mut request = tonic::Request::new(large(2_000));
            request.set_timeout(deadline);
            (client.predict_churn(request).await, Instant::now())
        });
    }
    let outcomes = calls.join_all().await;
    let refused = |(outcome, _): &&(Result<_, Status>, Instant)| {
        outcome.as_ref().is_err_and(|status| reason(status) == "OVERLOADED")
    };
    let answered = outcomes.iter().filter(|(outcome, _)| outcome.is_ok());
    let first_answer = answered.map(|(_, ended)| *ended).min().expect("some are in time");
    let (refused, others): (Vec<_>, Vec<_>) = outcomes.iter().partition(refused);
    // Without it all wait, and those that can be no more are late.
    let at_once = refused.iter().filter(|(_, ended)| *ended < first_answer).count();
    assert!(at_once >= 10, "{at_once} of {} at once, {} others", refused.len(), others.len());
    for (outcome, _) in refused {
        let status = outcome.as_ref().unwrap_err();
        let details = status.get_error_details();
        assert!(details.error_info().unwrap().metadata.contains_key("queue_millis"), "{status:?}");
        assert!(details.retry_info().unwrap().retry_delay.is_some());
    }
}

#[expect(clippy::print_stderr, reason = "the figures are the result")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_moves_of_an_alias_under_load_fail_no_call() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let (_, recipe) = SHOP_RECIPES.iter().find(|(name, _)| *name == "churn").unwrap();
    let recipe = recipe.replace("l2 = 10.0", "l2 = 500.0");
    let job = app.train_by("churn", format!("{recipe}[gate]\npromote = false\n")).await;
    assert_eq!(job.result.unwrap().version, 2);
    let ids = ["r1", "o1", "l1"];
    let mut expected = Vec::new();
    for version in [1, 2] {
        app.models().set_model_alias(champion(version)).await.unwrap();
        expected.push(app.churn(&ids).await.unwrap().probabilities);
    }
    assert_ne!(expected[0], expected[1]);

    let over = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        let (clients, over, expected) = ((*app).clone(), Arc::clone(&over), expected.clone());
        callers.spawn(async move {
            let mut answered = [0_usize; 2];
            while !over.load(Ordering::Relaxed) {
                let answer = clients.churn(&ids).await.unwrap();
                let version = answer.served_by.unwrap().version as usize;
                assert_eq!(answer.probabilities, expected[version - 1], "of one version");
                answered[version - 1] += 1;
            }
            answered
        });
    }
    for number in 0..1_000 {
        app.models().set_model_alias(champion(1 + number % 2)).await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let answered = callers.join_all().await;
    let [first, second] =
        [0, 1].map(|version| answered.iter().map(|of| of[version]).sum::<usize>());
    eprintln!("1,000 moves: {first} answers of version 1, {second} of version 2, none failed");
    assert!(first > 50 && second > 50, "{first} {second}");
}

fn champion(version: i64) -> SetModelAliasRequest {
    SetModelAliasRequest {
        model: "churn".to_owned(),
        alias: "champion".to_owned(),
        version,
        force: true,
        ..Default::default()
    }
}
