//! Whether the models are any good, on the hold-out of Online Retail.

use patron::grpc::proto::*;

use crate::app::{Clients, churn_of, customer_request, instant};
use crate::fixture::{online_retail_server, small_shop_server};
use crate::shop::{LAPSED, REGULAR};

async fn metric(app: &Clients, model: &str, name: &str) -> EvaluationMetric {
    let version = app.version(model, 1).await;
    let found = version.metrics.into_iter().find(|metric| metric.name == name);
    found.unwrap_or_else(|| panic!("{model} has no {name}"))
}

fn reference(metric: &EvaluationMetric, name: &str) -> f64 {
    let found = metric.references.iter().find(|reference| reference.name == name);
    found.unwrap_or_else(|| panic!("{} has no {name}", metric.name)).value
}

#[tokio::test]
async fn churn_ranks_better_than_recency_and_is_surer_than_the_base_rate() {
    let app = online_retail_server().await;
    for model in ["churn", "propensity"] {
        let auc = metric(&app, model, "roc_auc").await;
        assert!(auc.value > reference(&auc, "recency"), "{model}: {auc:?}");
        assert!((0.65..1.0).contains(&auc.value), "{model}: {auc:?}");
        for name in ["log_loss", "brier_score"] {
            let loss = metric(&app, model, name).await;
            assert!(loss.value < reference(&loss, "base_rate"), "{model}: {loss:?}");
        }
    }
}

#[tokio::test]
async fn probabilities_are_calibrated_on_the_holdout() {
    let app = online_retail_server().await;
    for model in ["churn", "propensity"] {
        let error = metric(&app, model, "expected_calibration_error").await;
        assert!(error.value < 0.12, "{model}: {error:?}");
    }
}

#[tokio::test]
async fn the_coverage_of_forecast_intervals_is_reported() {
    let app = online_retail_server().await;
    for (name, most) in [("coverage_80", 0.999), ("coverage_95", 1.0)] {
        let coverage = metric(&app, "forecast", name).await;
        assert!((0.6..=most).contains(&coverage.value), "{coverage:?}");
        assert!((0.0..=1.0).contains(&reference(&coverage, "seasonal_naive")));
    }
    let mase = metric(&app, "forecast", "mase").await;
    assert!(mase.value < reference(&mase, "seasonal_naive"), "{mase:?}");
}

#[tokio::test]
async fn the_evaluation_tells_the_holdout_and_what_was_learned_from_before_it() {
    let app = online_retail_server().await;
    for (model, horizon) in [("churn", 60), ("propensity", 30)] {
        let version = app.version(model, 1).await;
        let evaluation: serde_json::Value = serde_json::from_str(&version.evaluation_json).unwrap();
        let date = |value: &serde_json::Value| {
            value.as_str().unwrap().parse::<patron::transaction::Timestamp>().unwrap()
        };
        let holdout = date(&evaluation["holdout"]);
        let snapshots = evaluation["snapshots"].as_array().unwrap();
        assert!(snapshots.len() > 2, "{model}");
        for snapshot in snapshots.iter().filter(|snapshot| snapshot["role"] != "holdout") {
            let outcome_known = date(&snapshot["as_of"]).plus_days(horizon);
            assert!(outcome_known <= holdout, "{model}: {snapshot}");
        }
        assert!(evaluation["rows"].as_u64() > evaluation["positives"].as_u64());
        assert!(!evaluation["reliability"].as_array().unwrap().is_empty());
    }
}

#[tokio::test]
async fn segments_are_named_and_their_shares_add_up() {
    let app = online_retail_server().await;
    let silhouette = metric(&app, "segments", "silhouette").await;
    assert!(silhouette.value > 0.1, "{silhouette:?}");
    let version = app.version("segments", 1).await;
    let evaluation: serde_json::Value = serde_json::from_str(&version.evaluation_json).unwrap();
    let segments = evaluation["segments"].as_array().unwrap();
    let shares: f64 = segments.iter().map(|segment| segment["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9);
    let mut names: Vec<_> = segments.iter().map(|segment| segment["name"].as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), segments.len());
}

/// All lines of a customer, page by page.
async fn lines_of(app: &Clients, id: &str) -> Vec<TransactionLine> {
    let mut request = customer_request(id);
    let mut lines = Vec::new();
    loop {
        let page = app.transactions().get_customer(request.clone()).await.unwrap().into_inner();
        lines.extend(page.lines.into_iter().map(|stored| stored.line.unwrap()));
        if page.next_page_token.is_empty() {
            assert_eq!(lines.len() as u64, page.line_count);
            return lines;
        }
        request.page_token = page.next_page_token;
    }
}

/// Frequent customers as they are, and as they would be had they stopped in July.
async fn loyal_and_stopped(app: &Clients) -> [CustomerLines; 2] {
    let stop = instant("2011-08-01").seconds;
    let mut histories = [CustomerLines::default(), CustomerLines::default()];
    for id in ["15311", "13089", "14606", "17841", "12971"] {
        let lines = lines_of(app, id).await;
        let before = |line: &&TransactionLine| line.occurred_at.unwrap().seconds < stop;
        let stopped = lines.iter().filter(before).cloned().collect();
        histories[0].customers.push(WhatIfHistory { lines });
        histories[1].customers.push(WhatIfHistory { lines: stopped });
    }
    histories
}

#[tokio::test]
async fn who_comes_often_churns_less_than_the_same_customer_who_stopped() {
    let app = online_retail_server().await;
    let (mut churn, mut bought) = (Vec::new(), Vec::new());
    for histories in loyal_and_stopped(&app).await {
        let input = predict_churn_request::Input::Histories(histories.clone());
        churn.push(app.ask_churn(churn_of(input)).await.unwrap().probabilities);
        let request = PredictPropensityRequest {
            input: Some(predict_propensity_request::Input::Histories(histories)),
            ..Default::default()
        };
        let answer = app.predictions().predict_propensity(request).await.unwrap().into_inner();
        bought.push(answer.probabilities);
    }
    for customer in 0..churn[0].len() {
        let (loyal, stopped) = (churn[0][customer], churn[1][customer]);
        assert!(loyal < 0.2 && log_odds(stopped) > log_odds(loyal) + 1.0, "{loyal} {stopped}");
        let (loyal, stopped) = (bought[0][customer], bought[1][customer]);
        assert!(loyal > 0.6 && stopped <= loyal, "propensity {loyal} {stopped}");
    }
    assert!(mean(&bought[1]) < mean(&bought[0]) - 0.05, "{bought:?}");
}

/// Means over the customers last seen within two weeks, and over those gone for three months.
#[tokio::test]
async fn who_was_here_lately_churns_less_and_buys_more_than_who_is_long_gone() {
    let app = online_retail_server().await;
    // All keys that there may be; the unknown ones are answered with the prior and left out.
    let ids = CustomerIds { ids: (12_346..=18_287).map(|id: u32| id.to_string()).collect() };
    let input = predict_churn_request::Input::CustomerIds(ids.clone());
    let churn = app.ask_churn(churn_of(input)).await.unwrap();
    let request = PredictPropensityRequest {
        input: Some(predict_propensity_request::Input::CustomerIds(ids)),
        ..Default::default()
    };
    let bought = app.predictions().predict_propensity(request).await.unwrap().into_inner();
    let end = churn.served_by.unwrap().as_of.unwrap().seconds * 1_000_000;
    let of_age = |days: std::ops::Range<i64>, values: &[f32]| {
        let age = |row: usize| (end - churn.last_line_time_micros[row]) / 86_400_000_000;
        let known = |row: &usize| churn.sources[*row] == RowSource::History as i32;
        let rows = (0..values.len()).filter(known).filter(|row| days.contains(&age(*row)));
        rows.map(|row| values[row]).collect::<Vec<f32>>()
    };
    let (lately, gone) =
        (of_age(0..14, &churn.probabilities), of_age(90..180, &churn.probabilities));
    assert!(lately.len() > 500 && gone.len() > 500, "{} {}", lately.len(), gone.len());
    assert!(mean(&lately) + 0.2 < mean(&gone), "churn {} {}", mean(&lately), mean(&gone));
    let (lately, gone) =
        (of_age(0..14, &bought.probabilities), of_age(90..180, &bought.probabilities));
    assert!(mean(&lately) > mean(&gone) + 0.2, "propensity {} {}", mean(&lately), mean(&gone));
}

fn log_odds(probability: f32) -> f32 {
    (probability / (1.0 - probability)).ln()
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

#[tokio::test]
async fn probability_of_churn_means_churn() {
    let app = small_shop_server().await;
    let ids = |letter: char, count: usize| (0..count).map(move |n| format!("{letter}{n}"));
    let ids: Vec<String> = ids('r', REGULAR).chain(ids('l', LAPSED)).collect();
    let ids = CustomerIds { ids };
    let input = predict_churn_request::Input::CustomerIds(ids.clone());
    let churn = app.ask_churn(churn_of(input)).await.unwrap().probabilities;
    let (regular, lapsed) = churn.split_at(REGULAR);
    assert!(mean(regular) < 0.2 && mean(lapsed) > 0.6, "{} {}", mean(regular), mean(lapsed));
    let request = PredictPropensityRequest {
        input: Some(predict_propensity_request::Input::CustomerIds(ids)),
        ..Default::default()
    };
    let bought = app.predictions().predict_propensity(request).await.unwrap().into_inner();
    let (regular, lapsed) = bought.probabilities.split_at(REGULAR);
    assert!(mean(regular) > 0.8 && mean(lapsed) < 0.4, "{} {}", mean(regular), mean(lapsed));
}
