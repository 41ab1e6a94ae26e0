//! Columns that the caller brings: tables of cases, and attributes of customers.

use std::fmt::Write as _;

use patron::grpc::proto::predict_churn_request::Input;
use patron::grpc::proto::*;
use serde_json::Value;

use crate::app::{TestApp, customer_ids, customer_request, instant, project, version_selector};
use crate::failure::told;
use crate::fixture::small_shop;

pub(crate) fn telco(more: &str) -> String {
    let path = project("tests/data/telco_churn/telco_churn.csv");
    format!("kind = \"churn\"\n[table]\npath = {path:?}\nlabel = \"Churn\"\n{more}")
}

fn evaluation(version: &ModelVersion) -> Value {
    serde_json::from_str(&version.evaluation_json).unwrap()
}

fn metric(version: &ModelVersion, name: &str) -> f64 {
    version.metrics.iter().find(|metric| metric.name == name).unwrap().value
}

fn texts(name: &str, values: &[&str]) -> TableColumn {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    TableColumn {
        name: name.to_owned(),
        values: Some(table_column::Values::Texts(StringValues { values })),
        missing: Vec::new(),
    }
}

/// Two contracts: one that is given up often, and one that is kept.
pub(crate) fn two_cases() -> TableBlock {
    TableBlock {
        columns: vec![
            texts("Contract", &["Month-to-month", "Two year"]),
            texts("InternetService", &["Fiber optic", "No"]),
            texts("PaymentMethod", &["Electronic check", "Mailed check"]),
            texts("tenure", &["1", "70"]),
            TableColumn {
                name: "MonthlyCharges".to_owned(),
                values: Some(table_column::Values::Numbers(DoubleValues {
                    values: vec![95.0, 20.0],
                })),
                missing: Vec::new(),
            },
        ],
        row_count: 2,
    }
}

fn ask(version: i64, input: Input) -> PredictChurnRequest {
    PredictChurnRequest {
        model: "telco".to_owned(),
        selector: Some(version_selector(version)),
        input: Some(input),
        explain: 5,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_table_is_cross_validated_and_served_by_its_columns() {
    let app = TestApp::empty().await;
    let result = app.train_by("telco", telco("")).await.result.unwrap();
    assert!(result.promoted, "{}", result.promotion_reason);
    let version = app.version("telco", result.version).await;
    // 0.8379 +- 0.005 is what logistic regression on these five columns reaches in ten folds.
    assert!(metric(&version, "roc_auc") > 0.83, "{}", metric(&version, "roc_auc"));
    assert!(metric(&version, "expected_calibration_error") < 0.02);
    let evaluation = evaluation(&version);
    let folds = evaluation["folds"].as_array().unwrap();
    let sum = |key: &str| folds.iter().map(|fold| fold[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((folds.len(), sum("rows"), sum("positives")), (10, 7_043, 1_869));
    let types: Vec<(&str, &str)> = version
        .input_columns
        .iter()
        .map(|column| (column.name.as_str(), column.r#type.as_str()))
        .collect();
    assert_eq!(
        types,
        [
            ("tenure", "numeric"),
            ("MonthlyCharges", "numeric"),
            ("Contract", "categorical"),
            ("InternetService", "categorical"),
            ("PaymentMethod", "categorical"),
        ]
    );
    let table = ask(result.version, Input::Table(two_cases()));
    let answer = app.predictions().predict_churn(table).await.unwrap().into_inner();
    assert!(answer.probabilities[0] > 0.6 && answer.probabilities[1] < 0.05);
    let served = answer.served_by.unwrap();
    assert_eq!(served.event, "Churn is true");
    let reasons = &answer.reasons[0].reasons;
    let contract = reasons.iter().find(|reason| reason.feature == "Contract").unwrap();
    assert_eq!(contract.text, "Month-to-month");
    // The same as codes: the places of the levels.
    let values = vec![1.0, 95.0, 0.0, 1.0, 2.0, 70.0, 20.0, 2.0, 2.0, 3.0];
    let block = FeatureBlock {
        row_count: 2,
        values: Some(feature_block::Values::Floats(FloatValues { values })),
        ..Default::default()
    };
    let codes = ask(result.version, Input::Features(block));
    let codes = app.predictions().predict_churn(codes).await.unwrap().into_inner();
    assert_eq!(codes.probabilities, answer.probabilities);
    // Again: the same bytes.
    let again = app.train_by("telco", telco("")).await.result.unwrap();
    let again = app.version("telco", again.version).await;
    assert_eq!(again.model_digest, version.model_digest);
}

#[tokio::test]
async fn rows_that_a_table_model_cannot_take_are_named() {
    let app = TestApp::empty().await;
    let more = "folds = 3\n";
    let version = app.train_by("telco", telco(more)).await.result.unwrap().version;
    let refuse = async |input: Input| {
        app.predictions().predict_churn(ask(version, input)).await.unwrap_err()
    };
    let customers = refuse(Input::CustomerIds(customer_ids(&["a"]))).await;
    assert!(told(&customers).starts_with("INVALID_ARGUMENT INVALID_TABLE"), "{customers}");
    let mut lacking = two_cases();
    lacking.columns.remove(0);
    let lacking = refuse(Input::Table(lacking)).await;
    assert!(lacking.message().contains("Contract"), "{lacking}");
    let mut wrong = two_cases();
    wrong.columns[3] = texts("tenure", &["1", "long"]);
    let wrong = refuse(Input::Table(wrong)).await;
    assert!(wrong.message().contains("row 1, column tenure: expected a number"), "{wrong}");
    let mut short = two_cases();
    short.columns[3] = texts("tenure", &["1"]);
    let short = refuse(Input::Table(short)).await;
    assert!(short.message().contains("tenure: expected 2 values, found 1"), "{short}");
    // A text that training never saw counts as missing, and so does a row that is marked.
    let mut unknown = two_cases();
    unknown.columns[0] = texts("Contract", &["Weekly", "Two year"]);
    unknown.columns[1].missing = vec![0];
    let unknown = ask(version, Input::Table(unknown));
    let answer = app.predictions().predict_churn(unknown).await.unwrap().into_inner();
    assert!(answer.probabilities.iter().all(|p| *p > 0.0 && *p < 1.0));

    for (recipe, part) in [
        (telco("").replace("\"Churn\"", "\"churned\""), "table.label: the table has no column"),
        (telco("event = \"Maybe\"\n"), "no row is \"Maybe\""),
        (telco("types = { Contract = \"numeric\" }\n"), "row 1, column \"Contract\""),
        (telco("").replace("telco_churn.csv", "nothing.csv"), "cannot read the file"),
        (
            telco(
                "event = \"No\"\nexclude = [\"tenure\", \"MonthlyCharges\", \"Contract\", \"InternetService\", \"PaymentMethod\"]\n",
            ),
            "no column of the table is a feature",
        ),
    ] {
        let job = app.train_by("telco", recipe).await;
        let message = job.error.unwrap().message;
        assert!(message.contains(part), "{message}");
    }
}

/// Two years of days: churn rises with `visits`; `closed_account` was filled in afterwards.
fn dated_cases() -> String {
    let mut text = "key,day,visits,region,closed_account,left\n".to_owned();
    let mut chance = 7_u64;
    let mut next = || {
        chance =
            chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) as f64 / f64::from(1_u32 << 31)
    };
    for row in 0..4_000 {
        let day = row * 700 / 4_000;
        let date =
            format!("{}-{:02}-{:02}", 2022 + day / 360, day % 360 / 30 + 1, day % 30 % 28 + 1);
        let visits = (next() * 20.0).floor();
        let left = next() < 0.25 + 0.02 * visits;
        let region = ["north", "south", "east"][row % 3];
        let closed = if left && next() < 0.98 { "yes" } else { "no" };
        let left = if left { "gone" } else { "here" };
        writeln!(text, "c{row},{date},{visits},{region},{closed},{left}").unwrap();
    }
    text
}

#[tokio::test]
async fn with_times_the_latest_rows_are_held_out_and_columns_that_know_the_outcome_are_named() {
    let app = TestApp::empty().await;
    let path = app.file("cases.csv", dated_cases());
    let recipe = |more: &str| {
        format!(
            "kind = \"churn\"\n[table]\npath = {path:?}\nlabel = \"left\"\nevent = \"gone\"\n\
             id = \"key\"\ntime = \"day\"\nhorizon_days = 14\n{more}"
        )
    };
    let version = app.train_by("left", recipe("")).await.result.unwrap().version;
    let leaking = app.version("left", version).await;
    let told = evaluation(&leaking);
    assert_eq!(told["suspects"][0]["column"], "closed_account");
    assert_eq!(told["suspects"].as_array().unwrap().len(), 1);
    assert!(metric(&leaking, "roc_auc") > 0.97);
    let honest = app.train_by("left", recipe("exclude = [\"closed_account\"]\n")).await;
    let honest = app.version("left", honest.result.unwrap().version).await;
    let told = evaluation(&honest);
    assert!(told["suspects"].as_array().unwrap().is_empty());
    // All that can be known here is the slope over visits, which ranks with an area of 0.635.
    let area = metric(&honest, "roc_auc");
    assert!((0.58..0.69).contains(&area), "{area}");
    let snapshots = told["snapshots"].as_array().unwrap();
    let dates: Vec<&str> = snapshots.iter().map(|s| s["as_of"].as_str().unwrap()).collect();
    let roles: Vec<&str> = snapshots.iter().map(|s| s["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["fit", "fit", "calibration", "holdout"]);
    assert!(dates.is_sorted() && told["holdout"].as_str() == dates.last().copied());
    let rows: u64 = snapshots.iter().map(|s| s["rows"].as_u64().unwrap()).sum();
    assert!(rows < 4_000, "rows whose outcome was open at the next date are left out");

    // As of a date, rows whose outcome came later are not there at all: not even their levels.
    let as_of = Some(instant("2023-06-01"));
    let learn = async |path: &str| {
        let text = recipe("exclude = [\"closed_account\"]\n").replace("cases.csv", path);
        let request = CreateTrainingJobRequest {
            model: "left".to_owned(),
            recipe_toml: Some(text),
            as_of,
            ..Default::default()
        };
        let result = app.train_as(request).await.result.unwrap();
        app.version("left", result.version).await.model_digest
    };
    let other = "c9,2023-05-20,900,west,no,gone\nc10,2023-07-01,77,overseas,no,gone\n";
    app.file("more.csv", dated_cases() + other);
    assert_eq!(learn("cases.csv").await, learn("more.csv").await);
    let undated = recipe("").replace("time = \"day\"\nhorizon_days = 14\n", "");
    let request = CreateTrainingJobRequest {
        model: "left".to_owned(),
        recipe_toml: Some(undated),
        as_of,
        ..Default::default()
    };
    let message = app.train_as(request).await.error.unwrap().message;
    assert!(message.contains("as_of: the rows have no time"), "{message}");
}

const PROFILE: &str = "[attributes]\ncustomer_id = \"id\"\ntable = \"profile\"\n\
                       valid_from = \"since\"\n";

/// Lapsed customers had complained since before they left; others sometimes did.
fn profile() -> String {
    let mut text = "id,since,complaints,plan\n".to_owned();
    for (letter, count) in [("r", 140), ("o", 120), ("l", 140)] {
        for number in 0..count {
            let plan = if number % 2 == 0 { "basic" } else { "plus" };
            writeln!(text, "{letter}{number},2023-01-01,{},{plan}", number % 2).unwrap();
            let complaints = if letter == "l" { 5 } else { number % 3 };
            writeln!(text, "{letter}{number},2023-05-01,{complaints},{plan}").unwrap();
        }
    }
    text
}

#[tokio::test]
async fn attributes_join_as_they_held_and_leave_with_the_customer() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let path = app.file("profile.csv", profile());
    let report = app.import(&path, PROFILE).await.report.unwrap();
    assert_eq!((report.rows_read, report.accepted, report.customers), (800, 800, 400));
    let again = app.import(&path, PROFILE).await.report.unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 800));

    let recipe = "kind = \"churn\"\nactive_days = 180\nhorizon_days = 45\nattributes = [\"*\"]\n\
                  [snapshots]\ncount = 4\nstep_days = 30\nhistory_days = 60\n";
    let result = app.train_by("churn", recipe.to_owned()).await.result.unwrap();
    let version = app.version("churn", result.version).await;
    let names: Vec<&str> = version.input_columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["complaints", "plan"]);
    let told = evaluation(&version);
    let importance = told["importance"].as_array().unwrap();
    let top: Vec<&str> = importance.iter().take(12).map(|pair| pair[0].as_str().unwrap()).collect();
    assert!(top.contains(&"complaints"), "{top:?}");

    // What becomes known later does not change what is learned at an earlier date.
    let as_of = Some(instant("2024-03-01"));
    let learn = async || {
        let request = CreateTrainingJobRequest {
            model: "churn".to_owned(),
            recipe_toml: Some(recipe.to_owned()),
            as_of,
            ..Default::default()
        };
        let result = app.train_as(request).await.result.unwrap();
        app.version("churn", result.version).await.model_digest
    };
    let before = learn().await;
    let later: String = (0..140).map(|n| format!("r{n},2024-03-01,9,plus\n")).collect();
    let later = app.file("later.csv", format!("id,since,complaints,plan\n{later}"));
    assert_eq!(app.import(&later, PROFILE).await.report.unwrap().accepted, 140);
    assert_eq!(learn().await, before);

    // What is known of l1 changed in May.
    let value_at = async |as_of: &str| {
        let request = PredictChurnRequest {
            selector: Some(version_selector(result.version)),
            input: Some(Input::CustomerIds(customer_ids(&["l1"]))),
            as_of: Some(instant(as_of)),
            explain: 100,
            ..Default::default()
        };
        let answer = app.predictions().predict_churn(request).await.unwrap().into_inner();
        let reasons = answer.reasons.into_iter().next().unwrap().reasons;
        reasons.into_iter().find(|reason| reason.feature == "complaints").unwrap().value
    };
    assert_eq!(value_at("2023-04-30T12:00:00Z").await, 1.0);
    assert_eq!(value_at("2023-05-01T12:00:00Z").await, 5.0);

    let profile = app.transactions().get_customer(customer_request("l1")).await;
    let profile = profile.unwrap().into_inner();
    assert_eq!(profile.attributes.len(), 2);
    assert_eq!(profile.attributes[1].values["complaints"], "5");
    assert_eq!(profile.attributes[1].values["plan"], "plus");
    let request = EraseCustomerRequest { customer_id: "l1".to_owned(), ..Default::default() };
    app.transactions().erase_customer(request).await.unwrap();
    let gone = app.transactions().get_customer(customer_request("l1")).await.unwrap_err();
    assert!(crate::failure::told(&gone).starts_with("NOT_FOUND CUSTOMER_NOT_FOUND"), "{gone}");
}

#[tokio::test]
async fn long_numbers_stay_whose_they_are() {
    // Parquet keys above 2^53, which neighbouring floats cannot tell apart, come as text or whole.
    let app = TestApp::empty().await;
    let text =
        "id,since,points\n1234567890123456788,2023-01-01,1\n1234567890123456789,2023-01-01,2\n";
    let path = app.file("long.csv", text);
    assert_eq!(app.import(&path, PROFILE).await.report.unwrap().customers, 2);
    for (id, points) in [("1234567890123456788", "1"), ("1234567890123456789", "2")] {
        let customer = app.transactions().get_customer(customer_request(id)).await.unwrap();
        assert_eq!(customer.into_inner().attributes[0].values["points"], points);
    }
}

#[tokio::test]
async fn attributes_that_do_not_hold_change_nothing() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let bad =
        app.file("bad.csv", "id,since,age\nr1,2023-01-01,40\nr2,soon,41\nr3,2023-01-01,old\n");
    let mapping = format!("{PROFILE}types = {{ age = \"numeric\" }}\n");
    let job = app.import(&bad, &mapping).await;
    let message = job.error.unwrap().message;
    assert!(message.contains("2 of 3 rows were refused"), "{message}");
    assert!(message.contains("row 2: since") && message.contains("row 3: age"), "{message}");
    let customer = app.transactions().get_customer(customer_request("r1")).await.unwrap();
    assert!(customer.into_inner().attributes.is_empty());
    let recipe = "kind = \"churn\"\nactive_days = 180\nhorizon_days = 45\n\
                  attributes = [\"age\"]\n";
    let message = app.train_by("churn", recipe.to_owned()).await.error.unwrap().message;
    assert!(message.contains("there is no \"age\"; imported are: none"), "{message}");
}
