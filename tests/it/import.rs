//! Reports of whole imports.

use patron::grpc::proto::*;

use crate::app::{TestApp, import_request, project, project_text};
use crate::failure::told;
use crate::fixture::{online_retail, online_retail_server};
use crate::shop;

/// The counts of a report as a table, without the digests.
fn table(report: &ImportReport) -> String {
    let time = |time: &Option<prost_types::Timestamp>| time.as_ref().unwrap().to_string();
    let rows = [
        ("rows", report.rows_read.to_string()),
        ("accepted", report.accepted.to_string()),
        ("duplicates", report.duplicates.to_string()),
        ("corrected", report.corrected.to_string()),
        ("refused", report.refused.to_string()),
        ("repeated", report.repeated_rows.to_string()),
        ("anonymous", report.anonymous.to_string()),
        ("returns", report.returns.to_string()),
        ("cancellations", report.cancellations.to_string()),
        ("price <= 0", report.price_not_positive.to_string()),
        ("customers", report.customers.to_string()),
        ("orders", report.orders.to_string()),
        ("products", report.products.to_string()),
        ("first", time(&report.first_occurred_at)),
        ("last", time(&report.last_occurred_at)),
        ("revenue", format!("{} {}", report.revenue_micros, report.currency)),
        ("units", report.units_thousandths.to_string()),
        ("recorded at", report.recorded_at_rule.clone()),
    ];
    rows.iter().map(|(name, value)| format!("{name:14}{value}\n")).collect()
}

#[test]
fn online_retail_shows_the_published_counts() {
    let report = &online_retail().report;
    assert_eq!((report.source.as_str(), report.source_digest.len()), ("online_retail.parquet", 64));
    insta::assert_snapshot!(table(report), @"
    rows          541909
    accepted      541909
    duplicates    0
    corrected     0
    refused       0
    repeated      5268
    anonymous     135080
    returns       10624
    cancellations 9288
    price <= 0    2517
    customers     4372
    orders        25900
    products      4070
    first         2010-12-01T08:26:00Z
    last          2011-12-09T12:50:00Z
    revenue       9747747934000 GBP
    units         5176450000
    recorded at   occurred_at
    ");
}

#[tokio::test]
async fn the_report_of_an_import_is_still_there_after_a_restart() {
    let mut transactions = online_retail_server().await.transactions();
    let jobs = transactions.list_import_jobs(ListImportJobsRequest::default()).await.unwrap();
    let jobs = jobs.into_inner().jobs;
    assert_eq!(jobs.len(), 1);
    let request = GetImportJobRequest { job_id: jobs[0].job_id.clone() };
    let job = transactions.get_import_job(request).await.unwrap().into_inner();
    assert_eq!(job.report.as_ref(), Some(&online_retail().report));
    assert_eq!((job.state(), job.attempt), (JobState::Succeeded, 1));
}

#[tokio::test]
async fn cdnow_shows_the_published_counts() {
    let app = TestApp::with(&[("shop.currency", "USD"), ("shop.time_zone", "UTC")]).await;
    let file = project("tests/data/cdnow/cdnow_sample.parquet");
    let mapping = project_text("tests/data/cdnow/mapping.toml");
    let job = app.import(file.to_str().unwrap(), &mapping).await;
    insta::assert_snapshot!(table(&job.report.unwrap()), @"
    rows          6919
    accepted      6919
    duplicates    0
    corrected     0
    refused       0
    repeated      21
    anonymous     0
    returns       0
    cancellations 0
    price <= 0    8
    customers     2357
    orders        0
    products      1
    first         1997-01-01T00:00:00Z
    last          1998-06-30T00:00:00Z
    revenue       244091940045 USD
    units         16479000
    recorded at   occurred_at
    ");
}

/// The digest of the data as a training sees it.
async fn data_digest(app: &TestApp) -> String {
    let recipe = "kind = \"forecast\"\nalgorithm = \"seasonal-naive\"\nfrequency = \"monthly\"\nhorizon = 2\nmeasure = \"units\"\n[[series]]\ngroup = \"total\"\n";
    let job = app
        .train_as(CreateTrainingJobRequest {
            model: "digest".to_owned(),
            recipe_toml: Some(recipe.to_owned()),
            ..Default::default()
        })
        .await;
    let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
    app.version("digest", result.version).await.data_digest
}

#[tokio::test]
async fn the_same_file_twice_changes_nothing() {
    let app = TestApp::empty().await;
    let file = app.file("shop.csv", shop::csv());
    let first = app.import(&file, shop::MAPPING).await.report.unwrap();
    let digest = data_digest(&app).await;
    let again = app.import(&file, shop::MAPPING).await.report.unwrap();
    assert_eq!((first.accepted, first.duplicates), (first.rows_read, 0));
    assert_eq!((again.accepted, again.duplicates), (0, again.rows_read));
    assert_eq!(data_digest(&app).await, digest);
}

#[tokio::test]
async fn a_changed_numbered_line_is_a_correction() {
    let app = TestApp::empty().await;
    let text = format!("{}a,1,1,2023-05-01 10:00,p1,food,1,2.00,1.00,north,France\n", shop::HEADER);
    let file = app.file("first.csv", &text);
    app.import(&file, shop::MAPPING).await;
    let file = app.file("second.csv", text.replace("2.00", "2.50"));
    let report = app.import(&file, shop::MAPPING).await.report.unwrap();
    assert_eq!((report.accepted, report.duplicates, report.corrected), (0, 0, 1));
    let request = GetCustomerRequest { customer_id: "a".to_owned(), ..Default::default() };
    let customer = app.transactions().get_customer(request).await.unwrap().into_inner();
    assert_eq!((customer.line_count, customer.spend_micros), (1, 2_500_000));
}

#[tokio::test]
async fn validate_only_checks_and_makes_no_job() {
    let app = TestApp::empty().await;
    let file = app.file("shop.csv", shop::HEADER);
    let request =
        ImportTransactionsRequest { validate_only: true, ..import_request(&file, shop::MAPPING) };
    let job = app.transactions().import_transactions(request).await.unwrap().into_inner();
    assert_eq!((job.job_id.as_str(), job.source_uri), ("", file));
    let jobs = app.transactions().list_import_jobs(ListImportJobsRequest::default()).await.unwrap();
    assert!(jobs.into_inner().jobs.is_empty());
}

#[tokio::test]
async fn a_request_id_stands_for_one_job() {
    let app = TestApp::empty().await;
    let file = app.file("shop.csv", shop::csv());
    let request = ImportTransactionsRequest {
        request_id: "f1a6".to_owned(),
        ..import_request(&format!("file://{file}"), shop::MAPPING)
    };
    let mut transactions = app.transactions();
    let first = transactions.import_transactions(request.clone()).await.unwrap().into_inner();
    let again = transactions.import_transactions(request.clone()).await.unwrap().into_inner();
    assert_eq!(first.job_id, again.job_id);
    let other = ImportTransactionsRequest { max_refused_percent: Some(5.0), ..request };
    let refused = transactions.import_transactions(other).await.unwrap_err();
    assert_eq!(told(&refused), "ALREADY_EXISTS REQUEST_ID_REUSED");
}
