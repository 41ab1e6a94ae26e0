//! Questions that get no answer, and rows that do not.

use patron::grpc::proto::predict_churn_request::Input;
use patron::grpc::proto::*;

use crate::app::{Clients, alias_selector, churn_of, customer_ids, instant, version_selector};
use crate::failure::{carried, told};
use crate::fixture::small_shop_server;

/// Why a churn request is refused.
async fn refused(app: &Clients, request: PredictChurnRequest) -> String {
    told(&app.ask_churn(request).await.unwrap_err())
}

fn by_id() -> PredictChurnRequest {
    churn_of(Input::CustomerIds(customer_ids(&["r1"])))
}

/// The vector of one customer as the server gives it.
async fn block(app: &Clients) -> FeatureBlock {
    let request = BatchGetFeaturesRequest {
        customer_ids: vec!["r1".to_owned()],
        model: "churn".to_owned(),
        encoding: FeatureEncoding::Floats as i32,
        ..Default::default()
    };
    app.features().batch_get_features(request).await.unwrap().into_inner().features.unwrap()
}

fn floats(block: &mut FeatureBlock) -> &mut Vec<f32> {
    match &mut block.values {
        Some(feature_block::Values::Floats(floats)) => &mut floats.values,
        _ => panic!("floats were asked for"),
    }
}

#[tokio::test]
async fn a_block_that_is_no_matrix_of_the_models_features_is_refused() {
    let app = small_shop_server().await;
    let good = block(&app).await;
    assert!(app.ask_churn(churn_of(Input::Features(good.clone()))).await.is_ok());
    type Change = fn(&mut FeatureBlock);
    let changes: [(Change, &str); 11] = [
        (|b| floats(b).truncate(3), "INVALID_FEATURE_BLOCK features.values"),
        (|b| b.columns.truncate(3), "INVALID_FEATURE_BLOCK features.columns"),
        (|b| b.columns[0] = "shoe_size".to_owned(), "INVALID_FEATURE_BLOCK features.columns"),
        (|b| b.columns[0] = b.columns[1].clone(), "INVALID_FEATURE_BLOCK features.columns"),
        (|b| floats(b)[3] = f32::NAN, "INVALID_FEATURE_BLOCK features.values"),
        (|b| floats(b)[3] = f32::INFINITY, "INVALID_FEATURE_BLOCK features.values"),
        (|b| b.row_count = 2, "INVALID_FEATURE_BLOCK features.values"),
        (|b| b.row_count = 0, "INVALID_FIELD features.row_count"),
        (|b| b.row_count = 10_001, "TOO_MANY_ROWS features.row_count"),
        (|b| b.values = None, "INVALID_FEATURE_BLOCK features.values"),
        (
            |b| b.values = Some(feature_block::Values::F32Le(vec![0; 7].into())),
            "INVALID_FEATURE_BLOCK features.f32_le",
        ),
    ];
    for (number, (change, expected)) in changes.into_iter().enumerate() {
        let mut bad = good.clone();
        change(&mut bad);
        let told = refused(&app, churn_of(Input::Features(bad))).await;
        assert_eq!(told, format!("INVALID_ARGUMENT {expected}"), "change {number}");
    }
}

#[tokio::test]
async fn vectors_of_another_schema_are_refused() {
    let app = small_shop_server().await;
    let mut other = block(&app).await;
    other.schema_digest = "0".repeat(64);
    let told = refused(&app, churn_of(Input::Features(other))).await;
    assert_eq!(told, "FAILED_PRECONDITION UNKNOWN_FEATURE_SCHEMA");
}

#[tokio::test]
async fn features_have_an_as_of_time_of_their_own() {
    let app = small_shop_server().await;
    let input = Input::Features(block(&app).await);
    let request = PredictChurnRequest { as_of: Some(instant("2024-01-01")), ..churn_of(input) };
    assert_eq!(refused(&app, request).await, "INVALID_ARGUMENT INVALID_FIELD as_of");
}

#[tokio::test]
async fn a_call_has_1_to_10000_rows() {
    let app = small_shop_server().await;
    let none = churn_of(Input::CustomerIds(CustomerIds::default()));
    let field = "INVALID_ARGUMENT INVALID_FIELD customer_ids.ids";
    assert_eq!(refused(&app, none).await, field);
    let most = vec!["r1"; 10_000];
    assert!(app.churn(&most).await.is_ok());
    let more = churn_of(Input::CustomerIds(customer_ids(&vec!["r1"; 10_001])));
    let field = "INVALID_ARGUMENT TOO_MANY_ROWS customer_ids.ids";
    assert_eq!(refused(&app, more).await, field);
    let histories = |count| CustomerLines { customers: vec![WhatIfHistory::default(); count] };
    let more = churn_of(Input::Histories(histories(10_001)));
    let field = "INVALID_ARGUMENT TOO_MANY_ROWS histories.customers";
    assert_eq!(refused(&app, more).await, field);
    let nothing = PredictChurnRequest::default();
    assert_eq!(refused(&app, nothing).await, "INVALID_ARGUMENT INVALID_FIELD input");
}

#[tokio::test]
async fn a_threshold_is_a_probability() {
    let app = small_shop_server().await;
    for threshold in [-0.1, 1.5, f32::NAN] {
        let request = PredictChurnRequest { threshold: Some(threshold), ..by_id() };
        let told = refused(&app, request).await;
        assert_eq!(told, "INVALID_ARGUMENT INVALID_FIELD threshold", "{threshold}");
    }
}

#[tokio::test]
async fn more_reasons_than_there_are_gives_all() {
    let app = small_shop_server().await;
    let request = PredictChurnRequest { explain: u32::MAX, ..by_id() };
    let answer = app.ask_churn(request).await.unwrap();
    let reasons = &answer.reasons[0].reasons;
    // Features that were the same in all training rows have no part in an answer.
    assert!((40..=60).contains(&reasons.len()), "{}", reasons.len());
}

#[tokio::test]
async fn a_selector_must_mean_a_version_of_the_right_kind() {
    let app = small_shop_server().await;
    let with = |selector| PredictChurnRequest { selector: Some(selector), ..by_id() };
    let model = |name: &str| PredictChurnRequest { model: name.to_owned(), ..by_id() };
    for (request, expected) in [
        (with(version_selector(0)), "INVALID_ARGUMENT INVALID_FIELD version"),
        (with(version_selector(-1)), "INVALID_ARGUMENT INVALID_FIELD version"),
        (with(alias_selector("No Name")), "INVALID_ARGUMENT INVALID_FIELD selector.alias"),
        (
            with(version_selector(9)),
            "NOT_FOUND VERSION_NOT_FOUND patron.v1.ModelVersion \"churn/9\"",
        ),
        (
            with(alias_selector("other")),
            "NOT_FOUND ALIAS_NOT_FOUND patron.v1.ModelAlias \"churn@other\"",
        ),
        (model("nothing"), "NOT_FOUND MODEL_NOT_FOUND patron.v1.Model \"nothing\""),
        (model("../churn"), "INVALID_ARGUMENT INVALID_FIELD model"),
        (model("propensity"), "INVALID_ARGUMENT WRONG_MODEL_KIND model"),
    ] {
        assert_eq!(refused(&app, request).await, expected);
    }
    assert!(app.ask_churn(with(version_selector(1))).await.is_ok());
    assert!(app.ask_churn(with(alias_selector(""))).await.is_ok());
}

#[tokio::test]
async fn a_bad_customer_key_is_an_error_of_its_row() {
    let app = small_shop_server().await;
    let long = "x".repeat(129);
    let answer = app.churn(&["r1", "", &long, "r2"]).await.unwrap();
    let errors: Vec<_> =
        answer.errors.iter().map(|e| (e.row, told(&carried(e.status.as_ref().unwrap())))).collect();
    let key = |row| format!("INVALID_ARGUMENT INVALID_CUSTOMER_ID customer_ids.ids[{row}]");
    assert_eq!(errors, [(1, key(1)), (2, key(2))]);
    let known = app.churn(&["r1", "r2"]).await.unwrap().probabilities;
    assert_eq!([answer.probabilities[0], answer.probabilities[3]], *known);
    assert!(answer.probabilities[1].is_nan() && !answer.labels[1]);
    assert_eq!(answer.sources[1], RowSource::Unspecified as i32);
    let none = app.churn(&[""]).await.unwrap();
    assert_eq!((none.errors.len(), none.probabilities.len()), (1, 1));
}

#[tokio::test]
async fn a_bad_line_of_a_what_if_history_is_an_error_of_its_row() {
    let app = small_shop_server().await;
    let good = TransactionLine {
        occurred_at: Some(instant("2024-05-01")),
        product_id: "p1".to_owned(),
        quantity_thousandths: Some(1_000),
        unit_price_micros: Some(1_000_000),
        ..Default::default()
    };
    let bad = TransactionLine { occurred_at: None, ..good.clone() };
    let customers = vec![
        WhatIfHistory { lines: vec![good.clone(), bad] },
        WhatIfHistory { lines: vec![good] },
        WhatIfHistory::default(),
    ];
    let input = Input::Histories(CustomerLines { customers });
    let answer = app.ask_churn(churn_of(input)).await.unwrap();
    assert_eq!(answer.errors.len(), 1);
    let status = carried(answer.errors[0].status.as_ref().unwrap());
    let field = "histories.customers[0].lines[1].occurred_at";
    assert_eq!(told(&status), format!("INVALID_ARGUMENT INVALID_LINE {field}"));
    let sources = [RowSource::Unspecified, RowSource::WhatIf, RowSource::Prior];
    assert_eq!(answer.sources, sources.map(|source| source as i32));
}

#[tokio::test]
async fn a_refused_row_of_features_holds_the_values_of_no_history() {
    let app = small_shop_server().await;
    let request = BatchGetFeaturesRequest {
        customer_ids: ["nobody", ""].map(str::to_owned).to_vec(),
        model: "churn".to_owned(),
        encoding: FeatureEncoding::Floats as i32,
        ..Default::default()
    };
    let answer = app.features().batch_get_features(request).await.unwrap().into_inner();
    let statuses = [FeatureRowStatus::NoHistory as i32, FeatureRowStatus::Unspecified as i32];
    assert_eq!(answer.statuses, statuses);
    let status = carried(answer.errors[0].status.as_ref().unwrap());
    assert_eq!(told(&status), "INVALID_ARGUMENT INVALID_CUSTOMER_ID customer_ids[1]");
    let mut block = answer.features.unwrap();
    let width = block.columns.len();
    let values = floats(&mut block);
    assert_eq!(values[..width], values[width..]);
    assert!(app.ask_churn(churn_of(Input::Features(block))).await.is_ok(), "it can be sent on");
}
