//! Answers about customers.

use patron::grpc::proto::predict_churn_request::Input;
use patron::grpc::proto::*;

use crate::app::{Clients, churn_of, customer_ids, customer_request, instant};
use crate::fixture::{online_retail_server, small_shop_server};

/// Customers of Online Retail: of one visit, of many, with returns only, a wholesaler.
const SOME: [&str; 5] = ["17850", "12346", "14911", "12748", "13256"];

async fn features_of(app: &Clients, ids: &[&str], encoding: FeatureEncoding) -> FeatureBlock {
    let request = BatchGetFeaturesRequest {
        customer_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        model: "churn".to_owned(),
        encoding: encoding as i32,
        ..Default::default()
    };
    let answer = app.features().batch_get_features(request).await.unwrap().into_inner();
    assert!(answer.errors.is_empty());
    answer.features.unwrap()
}

#[tokio::test]
async fn features_in_either_encoding_answer_as_the_customer_does() {
    let app = online_retail_server().await;
    let by_id = app.churn(&SOME).await.unwrap();
    assert_eq!(by_id.sources, [RowSource::History as i32; 5]);
    for encoding in [FeatureEncoding::F32Le, FeatureEncoding::Floats] {
        let block = features_of(&app, &SOME, encoding).await;
        let is_bytes = matches!(block.values, Some(feature_block::Values::F32Le(_)));
        assert_eq!(is_bytes, encoding == FeatureEncoding::F32Le);
        let answer = app.ask_churn(churn_of(Input::Features(block))).await.unwrap();
        assert_eq!(answer.probabilities, by_id.probabilities);
        assert_eq!(answer.percentiles, by_id.percentiles);
        assert_eq!(answer.sources, [RowSource::Features as i32; 5]);
        assert!(answer.last_line_time_micros.is_empty());
    }
}

#[tokio::test]
async fn columns_may_come_in_any_order() {
    let app = small_shop_server().await;
    let by_id = app.churn(&["r1"]).await.unwrap();
    let mut block = features_of(&app, &["r1"], FeatureEncoding::Floats).await;
    block.columns.reverse();
    let Some(feature_block::Values::Floats(floats)) = &mut block.values else {
        panic!("floats were asked for");
    };
    floats.values.reverse();
    let answer = app.ask_churn(churn_of(Input::Features(block))).await.unwrap();
    assert_eq!(answer.probabilities, by_id.probabilities);
}

#[tokio::test]
async fn the_stored_lines_sent_as_what_if_answer_as_the_customer_does() {
    let app = online_retail_server().await;
    let mut customers = Vec::new();
    let some = ["17850", "12347", "13256", "12583"];
    for id in some {
        let customer = app.transactions().get_customer(customer_request(id)).await.unwrap();
        let customer = customer.into_inner();
        assert_eq!(customer.lines.len() as u64, customer.line_count, "one page holds them");
        let lines = customer.lines.into_iter().map(|stored| stored.line.unwrap()).collect();
        customers.push(WhatIfHistory { lines });
    }
    let by_id = app.churn(&some).await.unwrap();
    let histories = CustomerLines { customers };
    let what_if = app.ask_churn(churn_of(Input::Histories(histories.clone()))).await.unwrap();
    assert_eq!(what_if.probabilities, by_id.probabilities);
    assert_eq!(what_if.last_line_time_micros, by_id.last_line_time_micros);
    assert_eq!(what_if.sources, [RowSource::WhatIf as i32; 4]);
    let segments = async |input| {
        let request = AssignSegmentsRequest { input: Some(input), ..Default::default() };
        app.predictions().assign_segments(request).await.unwrap().into_inner()
    };
    let by_id = segments(assign_segments_request::Input::CustomerIds(customer_ids(&some))).await;
    let what_if = segments(assign_segments_request::Input::Histories(histories)).await;
    assert_eq!((what_if.names, what_if.distances), (by_id.names, by_id.distances));
}

#[tokio::test]
async fn an_unknown_customer_is_answered_with_the_prior() {
    let app = online_retail_server().await;
    let answer = app.churn(&["14911", "nobody"]).await.unwrap();
    assert_eq!(answer.sources, [RowSource::History as i32, RowSource::Prior as i32]);
    assert_eq!(answer.reasons[0].reasons.len(), 0);
    assert_eq!(answer.reasons[1].reasons[0].code, "NO_HISTORY");
    assert_eq!((answer.interval_level, answer.percentiles[1]), (0.95, 50.0));
    assert!(answer.interval_lower[0].is_nan() && answer.interval_upper[0].is_nan());
    let (lower, upper) = (answer.interval_lower[1], answer.interval_upper[1]);
    assert!(0.0 < lower && lower < answer.probabilities[1], "{answer:?}");
    assert!(answer.probabilities[1] < upper && upper < 1.0, "{answer:?}");
    assert_eq!(answer.last_line_time_micros[1], 0);
    assert!(answer.errors.is_empty());
}

#[tokio::test]
async fn nobody_has_a_history_before_the_first_line() {
    let app = online_retail_server().await;
    let request = PredictChurnRequest {
        as_of: Some(instant("2010-12-01T08:26:00Z")),
        ..churn_of(Input::CustomerIds(customer_ids(&["17850"])))
    };
    let answer = app.ask_churn(request).await.unwrap();
    assert_eq!(answer.sources, [RowSource::Prior as i32]);
}

#[tokio::test]
async fn an_unknown_customer_is_of_the_largest_segment() {
    let app = online_retail_server().await;
    let request = AssignSegmentsRequest {
        input: Some(assign_segments_request::Input::CustomerIds(customer_ids(&["nobody"]))),
        include_catalogue: true,
        all_distances: true,
        ..Default::default()
    };
    let answer = app.predictions().assign_segments(request).await.unwrap().into_inner();
    let largest = answer.catalogue.iter().max_by(|a, b| a.share.total_cmp(&b.share)).unwrap();
    assert_eq!((answer.segments[0], &answer.names[0]), (largest.id, &largest.name));
    assert_eq!(answer.confidences[0], largest.share as f32);
    assert_eq!(answer.reasons[0].reasons[0].code, "NO_HISTORY");
    assert_eq!(answer.all_distances.len(), answer.catalogue.len());
}

#[tokio::test]
async fn the_nearest_segment_is_the_answer() {
    let app = online_retail_server().await;
    let request = AssignSegmentsRequest {
        input: Some(assign_segments_request::Input::CustomerIds(customer_ids(&SOME))),
        all_distances: true,
        include_catalogue: true,
        ..Default::default()
    };
    let answer = app.predictions().assign_segments(request).await.unwrap().into_inner();
    for (row, distances) in answer.all_distances.chunks(answer.catalogue.len()).enumerate() {
        let nearest = distances.iter().copied().fold(f32::INFINITY, f32::min);
        assert_eq!(distances[answer.segments[row] as usize], nearest);
        assert_eq!(answer.distances[row], nearest);
        assert!((0.0..=1.0).contains(&answer.confidences[row]));
    }
}

#[tokio::test]
async fn every_answer_names_model_version_data_and_meaning() {
    let app = online_retail_server().await;
    let mut request = tonic::Request::new(churn_of(Input::CustomerIds(customer_ids(&["17850"]))));
    request.metadata_mut().insert("x-request-id", "call-1".parse().unwrap());
    let answer = app.predictions().predict_churn(request).await.unwrap().into_inner();
    let served = answer.served_by.unwrap();
    let version = app.version("churn", 1).await;
    assert_eq!((served.model.as_str(), served.version), ("churn", 1));
    assert_eq!(served.model_digest, version.model_digest);
    assert_eq!(served.schema_digest, version.schema_digest);
    assert_eq!(served.as_of, Some(instant("2011-12-10")), "the end of the last day in the data");
    assert_eq!(served.newest_line_time, Some(instant("2011-12-09T12:50:00Z")));
    assert_eq!(served.trained_as_of, version.trained_as_of);
    assert_eq!(
        (served.event.as_str(), served.horizon_days),
        ("no purchase in the next 60 days", 60)
    );
    assert_eq!(served.population, "customers with a purchase in the last 180 days");
    assert!((0.0..0.2).contains(&served.calibration_error.unwrap()));
    assert_eq!(served.request_id, "call-1");
    let customer = app.transactions().get_customer(customer_request("17850")).await.unwrap();
    let last = customer.into_inner().lines[0].line.clone().unwrap().occurred_at.unwrap();
    assert_eq!(answer.last_line_time_micros, [last.seconds * 1_000_000]);
}

#[tokio::test]
async fn reasons_are_told_where_asked_for_and_who_is_outside_the_population_always() {
    let app = online_retail_server().await;
    // 12346 bought once, in January, and took it all back.
    let ids = Input::CustomerIds(customer_ids(&["14911", "12346"]));
    let request = PredictChurnRequest { explain: 3, ..churn_of(ids.clone()) };
    let answer = app.ask_churn(request).await.unwrap();
    let features: Vec<_> =
        answer.reasons[0].reasons.iter().filter(|reason| reason.code == "FEATURE").collect();
    assert_eq!(features.len(), 3);
    assert!(
        features
            .windows(2)
            .all(|pair| { pair[0].contribution.abs() >= pair[1].contribution.abs() })
    );
    let plain = app.ask_churn(churn_of(ids)).await.unwrap();
    assert!(plain.reasons[0].reasons.is_empty());
    assert_eq!(plain.reasons[1].reasons[0].code, "OUTSIDE_POPULATION");
    assert_eq!(plain.probabilities, answer.probabilities);
}

#[tokio::test]
async fn a_label_is_true_from_the_threshold_on() {
    let app = small_shop_server().await;
    let ids = Input::CustomerIds(customer_ids(&["r0", "r1", "l0", "l1", "o0"]));
    for threshold in [0.0, 0.3, 1.0] {
        let request = PredictChurnRequest { threshold: Some(threshold), ..churn_of(ids.clone()) };
        let answer = app.ask_churn(request).await.unwrap();
        assert_eq!(answer.threshold, threshold);
        let expected: Vec<bool> = answer.probabilities.iter().map(|p| *p >= threshold).collect();
        assert_eq!(answer.labels, expected);
    }
}

#[tokio::test]
async fn a_customer_may_be_asked_for_more_than_once() {
    let app = small_shop_server().await;
    let ids = vec!["r1"; 200];
    let answer = app.churn(&ids).await.unwrap();
    assert_eq!(answer.probabilities.len(), 200);
    assert!(answer.probabilities.iter().all(|p| *p == answer.probabilities[0]));
}
