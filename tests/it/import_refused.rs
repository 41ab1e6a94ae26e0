//! Files that are not imported: the job says why, and nothing of them is stored.

use std::fs;

use patron::grpc::proto::*;
use tempfile::TempDir;

use crate::app::{TestApp, import_request, project, project_text};
use crate::failure::{carried, told};
use crate::shop::{HEADER, MAPPING};

/// A row of customer `a` that holds.
const GOOD: &str = "a,1,1,2023-05-01 10:00,p1,food,1,2.00,1.00,north,France\n";

/// Imports a file that does not hold; says why it failed. Customer `a` must stay unknown.
async fn failure(app: &TestApp, name: &str, bytes: impl AsRef<[u8]>, mapping: &str) -> String {
    let file = app.file(name, bytes);
    let job = app.import(&file, mapping).await;
    assert_eq!(job.state(), JobState::Failed, "{job:?}");
    let request = GetCustomerRequest { customer_id: "a".to_owned(), ..Default::default() };
    let unknown = app.transactions().get_customer(request).await.unwrap_err();
    assert_eq!(told(&unknown), "NOT_FOUND CUSTOMER_NOT_FOUND patron.v1.Customer \"a\"");
    let status = carried(&job.error.unwrap());
    format!("{}: {}", told(&status), status.message())
}

#[tokio::test]
async fn a_wrong_column_is_named() {
    let app = TestApp::empty().await;
    let text = format!("{}{GOOD}", HEADER.replace("customer", "client"));
    insta::assert_snapshot!(failure(&app, "shop.csv", text, MAPPING).await, @r#"INVALID_ARGUMENT INVALID_FIELD: expected the columns "customer", found only "client", "order", "line", "time", "product", "category", "quantity", "price", "cost", "store", "country"; correct the names in the mapping"#);
}

#[tokio::test]
async fn a_wrong_date_is_told_with_its_row() {
    let app = TestApp::empty().await;
    let text = format!("{HEADER}{GOOD}{}", GOOD.replace("2023-05-01 10:00", "05/2023"));
    insta::assert_snapshot!(failure(&app, "shop.csv", text, MAPPING).await, @r#"FAILED_PRECONDITION TOO_MANY_REFUSALS: 1 of 2 rows were refused, more than 1 %; nothing was imported. First: row 2: occurred_at: column "time": expected a time like %Y-%m-%d %H:%M, found "05/2023"; set [time] format in the mapping to the file's pattern, for example "%d/%m/%Y %H:%M""#);
}

#[tokio::test]
async fn another_encoding_is_told_with_its_row() {
    let app = TestApp::empty().await;
    let mut bytes = format!("{HEADER}{GOOD}b,2,1,2023-05-01 10:00,caf").into_bytes();
    bytes.extend(b"\xe9,food,1,2.00,1.00,north,France\n");
    insta::assert_snapshot!(failure(&app, "shop.csv", bytes, MAPPING).await, @r#"FAILED_PRECONDITION TOO_MANY_REFUSALS: 1 of 2 rows were refused, more than 1 %; nothing was imported. First: row 2: product_id: column "product": expected UTF-8 text, found other bytes; set [file] encoding in the mapping, for example to "windows-1252""#);
}

#[tokio::test]
async fn another_currency_is_told_with_its_row() {
    let app = TestApp::empty().await;
    let mapping = format!("{MAPPING}\n[constants]\ncurrency = \"USD\"\n");
    let text = format!("{HEADER}{GOOD}");
    insta::assert_snapshot!(failure(&app, "shop.csv", text, &mapping).await, @r#"FAILED_PRECONDITION TOO_MANY_REFUSALS: 1 of 1 rows were refused, more than 1 %; nothing was imported. First: row 1: currency: expected GBP, the reporting currency of the shop, found "USD""#);
}

#[tokio::test]
async fn an_empty_file_is_refused() {
    let app = TestApp::empty().await;
    insta::assert_snapshot!(failure(&app, "shop.csv", "", MAPPING).await, @"INVALID_ARGUMENT INVALID_FIELD: expected a header and rows, found an empty file; export it again");
    insta::assert_snapshot!(failure(&app, "shop.parquet", "", MAPPING).await, @"INVALID_ARGUMENT INVALID_FIELD: expected a header and rows, found an empty file; export it again");
}

#[tokio::test]
async fn a_truncated_parquet_file_is_refused() {
    let app = TestApp::empty().await;
    let bytes = fs::read(project("tests/data/online_retail/online_retail.parquet")).unwrap();
    let mapping = project_text("tests/data/online_retail/mapping.toml");
    let cut = &bytes[..bytes.len() / 2];
    insta::assert_snapshot!(failure(&app, "cut.parquet", cut, &mapping).await, @"INVALID_ARGUMENT INVALID_FIELD: expected a whole Parquet file, found one without its end; it was cut off, so copy or export it again");
}

#[tokio::test]
async fn damage_inside_a_parquet_file_leaves_nothing_half_imported() {
    let app = TestApp::empty().await;
    let mut bytes = fs::read(project("tests/data/online_retail/online_retail.parquet")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4_000].fill(0);
    let mapping = project_text("tests/data/online_retail/mapping.toml");
    let file = app.file("damaged.parquet", bytes);
    let job = app.import(&file, &mapping).await;
    assert_eq!(job.state(), JobState::Failed);
    let request = GetCustomerRequest { customer_id: "17850".to_owned(), ..Default::default() };
    assert!(app.transactions().get_customer(request).await.is_err(), "the first customer");
}

#[tokio::test]
async fn more_refusals_than_allowed_drop_the_whole_file() {
    let app = TestApp::empty().await;
    let bad = GOOD.replace(",1,2.00", ",0,2.00");
    let text = format!("{HEADER}{GOOD}{bad}{}", GOOD.repeat(8));
    insta::assert_snapshot!(failure(&app, "shop.csv", &text, MAPPING).await, @"FAILED_PRECONDITION TOO_MANY_REFUSALS: 1 of 10 rows were refused, more than 1 %; nothing was imported. First: row 2: quantity: expected a number other than 0");
}

#[tokio::test]
async fn refusals_below_the_limit_are_counted_and_the_rest_is_kept() {
    let app = TestApp::empty().await;
    let bad = GOOD.replace(",1,2.00", ",0,2.00");
    let file = app.file("shop.csv", format!("{HEADER}{GOOD}{bad}"));
    let request = ImportTransactionsRequest {
        max_refused_percent: Some(50.0),
        ..import_request(&file, MAPPING)
    };
    let job = app.transactions().import_transactions(request).await.unwrap().into_inner();
    let report = app.import_end(&job.job_id).await.report.unwrap();
    assert_eq!((report.rows_read, report.accepted, report.refused), (2, 1, 1));
    insta::assert_debug_snapshot!((&report.refusals_by_reason, &report.first_refusals), @r#"
    (
        [
            RefusalCount {
                reason: "zero_quantity",
                count: 1,
            },
        ],
        [
            LineRefusal {
                row: 2,
                field: "quantity",
                message: "quantity: expected a number other than 0",
            },
        ],
    )
    "#);
}

#[tokio::test]
async fn a_mapping_that_does_not_hold_is_refused_with_every_problem() {
    let app = TestApp::empty().await;
    let file = app.file("shop.csv", HEADER);
    let request = import_request(&file, "[columns]\nquantity = \"quantity\"\n");
    let refused = app.transactions().import_transactions(request).await.unwrap_err();
    insta::assert_snapshot!(told(&refused), @"INVALID_ARGUMENT INVALID_MAPPING mapping_toml mapping_toml mapping_toml");
}

#[tokio::test]
async fn files_outside_the_configured_directories_are_refused() {
    let allowed = TempDir::new().unwrap();
    let inside = allowed.path().join("shop.csv");
    fs::write(&inside, format!("{HEADER}{GOOD}")).unwrap();
    let directories = allowed.path().to_str().unwrap();
    let app = TestApp::with(&[("files.directories", directories)]).await;
    let outside = app.file("shop.csv", format!("{HEADER}{GOOD}"));
    let dotted = format!("{directories}/../{}", "etc/passwd");
    for path in [outside.as_str(), dotted.as_str(), "/etc/hostname"] {
        let request = import_request(path, MAPPING);
        let refused = app.transactions().import_transactions(request).await.unwrap_err();
        assert_eq!(told(&refused), "PERMISSION_DENIED PATH_NOT_ALLOWED", "{path}");
    }
    let job = app.import(inside.to_str().unwrap(), MAPPING).await;
    assert_eq!(job.state(), JobState::Succeeded, "{job:?}");
}
