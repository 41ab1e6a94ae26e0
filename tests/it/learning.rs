//! Gates, drift, scores of recency, frequency and monetary value, and every algorithm in service.

use patron::grpc::proto::*;

use crate::app::{TestApp, customer_ids, instant, version_selector};
use crate::failure::told;
use crate::fixture::{SHOP_RECIPES, small_shop, small_shop_server};
use crate::shop;

fn recipe(kind: &str, algorithm: &str, more: &str) -> String {
    format!(
        "kind = \"{kind}\"\nalgorithm = \"{algorithm}\"\nactive_days = 120\nhorizon_days = 30\n\
         {more}\n[snapshots]\ncount = 3\nstep_days = 30\nhistory_days = 60\n"
    )
}

#[tokio::test]
async fn every_algorithm_trains_serves_and_explains_itself() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    for algorithm in [
        "logistic-regression",
        "scorecard",
        "decision-tree",
        "random-forest",
        "gradient-boosting",
        "linfa-logistic",
        "linfa-tree",
        "smartcore-forest",
    ] {
        let job = app.train_by("churn", recipe("churn", algorithm, "")).await;
        let version = job.result.unwrap_or_else(|| panic!("{algorithm}: {:?}", job.error)).version;
        let request = PredictChurnRequest {
            input: Some(predict_churn_request::Input::CustomerIds(customer_ids(&["r1", "r2"]))),
            selector: Some(version_selector(version)),
            explain: 100,
            ..Default::default()
        };
        let answer = app.predictions().predict_churn(request).await.unwrap().into_inner();
        assert!(answer.probabilities.iter().all(|p| *p > 0.0 && *p < 1.0), "{algorithm}");
        assert_eq!(app.version("churn", version).await.algorithm, algorithm);
    }
    let request = CreateTrainingJobRequest {
        model: "churn".to_owned(),
        recipe_toml: Some(recipe("churn", "decision-tree", "l2 = 1.0")),
        ..Default::default()
    };
    let refused = app.trainings().create_training_job(request).await.unwrap_err();
    assert!(refused.message().contains("l2: decision-tree does not read it"), "{refused}");
}

#[tokio::test]
async fn a_champion_that_did_not_pass_its_gate_takes_force() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let strict = format!(
        "{}[gate]\nmax_calibration_error = 0.0\n",
        recipe("churn", "logistic-regression", "")
    );
    let result = app.train_by("churn", strict).await.result.unwrap();
    assert!(!result.promoted, "{}", result.promotion_reason);
    let mut request = SetModelAliasRequest {
        model: "churn".to_owned(),
        alias: "champion".to_owned(),
        version: result.version,
        ..Default::default()
    };
    let refused = app.models().set_model_alias(request.clone()).await.unwrap_err();
    assert_eq!(told(&refused), "FAILED_PRECONDITION GATE_NOT_PASSED");
    assert!(refused.message().contains(&result.promotion_reason), "{refused}");
    let other = SetModelAliasRequest { alias: "challenger".to_owned(), ..request.clone() };
    app.models().set_model_alias(other).await.unwrap();
    request.force = true;
    let moved = app.models().set_model_alias(request.clone()).await.unwrap().into_inner();
    assert_eq!(moved.version, result.version);
    // Back to where it was, and forth again: it was there before.
    let back = SetModelAliasRequest { version: moved.previous_version, force: false, ..request };
    app.models().set_model_alias(back.clone()).await.unwrap();
    let again = SetModelAliasRequest { version: result.version, ..back };
    app.models().set_model_alias(again).await.unwrap();
}

#[tokio::test]
async fn drift_is_told_per_feature_with_its_noise() {
    let app = small_shop_server().await;
    let request = GetModelDriftRequest { model: "churn".to_owned(), ..Default::default() };
    let holdout = app.models().get_model_drift(request.clone()).await.unwrap().into_inner();
    assert_eq!(holdout.features[0].name, "score");
    assert!(holdout.rows > 0 && holdout.features.len() > 40);
    let indices: Vec<f64> =
        holdout.features[1..].iter().map(|one| one.population_stability_index).collect();
    assert!(indices.is_sorted_by(|a, b| a >= b), "{indices:?}");
    let same = GetModelDriftRequest { as_of: holdout.reference_as_of, ..request.clone() };
    let same = app.models().get_model_drift(same).await.unwrap().into_inner();
    for feature in &same.features {
        assert_eq!(feature.population_stability_index, 0.0, "{}", feature.name);
        assert_eq!(feature.verdict(), DriftVerdict::Stable);
    }
    let before = GetModelDriftRequest { as_of: Some(instant("1999-01-01")), ..request };
    let refused = app.models().get_model_drift(before).await.unwrap_err();
    assert_eq!(told(&refused), "FAILED_PRECONDITION NOT_ENOUGH_DATA");
}

#[tokio::test]
async fn recency_frequency_and_monetary_value_become_scores_and_names() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let text = "kind = \"rfm\"\nactive_days = 365\n".to_owned();
    let result = app.train_by("rfm", text).await.result.unwrap();
    assert!(result.promoted, "{}", result.promotion_reason);
    let ids = customer_ids(&["r1", "r2", "nobody"]);
    let request = AssignRfmRequest {
        input: Some(assign_rfm_request::Input::CustomerIds(ids)),
        ..Default::default()
    };
    let answer = app.predictions().assign_rfm(request).await.unwrap().into_inner();
    let edges = answer.edges.unwrap();
    for (row, cell) in answer.cells.iter().take(2).enumerate() {
        let scores =
            [answer.recency_scores[row], answer.frequency_scores[row], answer.monetary_scores[row]];
        assert!(scores.iter().all(|score| (1..=5).contains(score)), "{scores:?}");
        assert_eq!(*cell, scores.map(|score| score.to_string()).concat());
        assert!(!answer.segments[row].is_empty());
    }
    assert!(edges.recency.is_sorted_by(|a, b| a > b) && edges.monetary.is_sorted());
    assert_eq!((answer.cells[2].as_str(), answer.recency_scores[2]), ("", 0));
    assert_eq!(answer.reasons[2].reasons[0].code, "NO_HISTORY");
    assert_eq!(answer.naming_version, "1");
}

/// The lines from `day` on, each of another customer, store and quantity.
fn with_another_future(csv: &str, day: &str) -> String {
    let mut lines = csv.lines();
    let header = lines.next().unwrap();
    let is_future = |line: &&str| line.split(',').nth(3).unwrap() >= day;
    let customers: Vec<&str> =
        lines.clone().filter(is_future).map(|line| line.split(',').next().unwrap()).collect();
    assert!(customers.len() > 500);
    let mut others = customers.iter().rev();
    let mut text = format!("{header}\n");
    for line in lines {
        if !is_future(&line) {
            text.push_str(&format!("{line}\n"));
            continue;
        }
        let mut cells: Vec<&str> = line.split(',').collect();
        cells[0] = others.next().unwrap();
        cells[6] = "7";
        cells[9] = if cells[9] == "north" { "south" } else { "north" };
        text.push_str(&format!("{}\n", cells.join(",")));
    }
    text
}

#[tokio::test]
async fn another_future_leaves_every_model_as_it_was() {
    let day = "2024-01-16";
    let csv = shop::csv();
    let mut digests = Vec::new();
    for text in [csv.clone(), with_another_future(&csv, day)] {
        let app = TestApp::empty().await;
        let path = app.file("shop.csv", text);
        app.import(&path, shop::MAPPING).await;
        let mut of_all = Vec::new();
        for (model, recipe) in SHOP_RECIPES {
            let request = CreateTrainingJobRequest {
                model: model.to_owned(),
                recipe_toml: Some(recipe.to_owned()),
                as_of: Some(instant(day)),
                ..Default::default()
            };
            let result = app.train_as(request).await.result.unwrap();
            let version = app.version(model, result.version).await;
            of_all.push((model, version.model_digest, version.evaluation_json));
        }
        digests.push(of_all);
    }
    let [one, other] = digests.try_into().unwrap();
    assert_eq!(one, other);
}
