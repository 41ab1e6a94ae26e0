//! A simulated shop, whose truth is known: imported, and exported as features from both sources.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use patron::grpc::proto::*;
use serde_json::Value;

use crate::app::{TestApp, instant, new_directory};

/// The first is the beginning of a day of the shop.
const DATES: [&str; 3] = ["2022-03-31T23:00:00Z", "2022-08-15T08:30:00Z", "2022-12-01T00:00:00Z"];

fn patron(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patron"));
    command.args(args).env("PATRON_LOG_FILTER", "off").output().unwrap()
}

fn done(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A year of a small shop, some rows of which break the contract.
fn simulate(directory: &Path) {
    let output = directory.to_str().unwrap();
    let shop = ["--customers", "300", "--months", "12", "--seed", "5", "--dirty", "0.002"];
    done(&patron(&[&["simulate", "--output", output], &shop[..]].concat()));
}

fn truth(directory: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(directory.join("truth.json")).unwrap()).unwrap()
}

/// The values of an exported file by customer and date.
fn rows(path: &Path) -> BTreeMap<(String, i64), Vec<u32>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let mut rows = BTreeMap::new();
    for batch in reader.build().unwrap() {
        let batch: RecordBatch = batch.unwrap();
        let ids = batch.column_by_name("customer_id").unwrap().as_string::<i32>();
        let dates = batch.column_by_name("as_of").unwrap();
        let dates = dates.as_primitive::<TimestampMicrosecondType>();
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().skip(2);
            let values = values.map(|column| column.as_primitive::<Float32Type>().value(row));
            let key = (ids.value(row).to_owned(), dates.value(row));
            let before = rows.insert(key, values.map(f32::to_bits).collect());
            assert!(before.is_none(), "one row per customer and date");
        }
    }
    rows
}

#[tokio::test]
async fn an_import_counts_what_the_simulator_wrote() {
    let shop = new_directory();
    simulate(shop.path());
    let truth = truth(shop.path());
    let app = TestApp::with(&[("shop.time_zone", "Europe/London"), ("shop.currency", "GBP")]).await;
    let file = shop.path().join("transactions.parquet");
    let mapping = fs::read_to_string(shop.path().join("mapping.toml")).unwrap();
    let job = app.import(file.to_str().unwrap(), &mapping).await;
    let report = job.report.unwrap();
    let counts = &truth["counts"];
    let count = |name: &str| counts[name].as_u64().unwrap_or_else(|| panic!("{name} in {counts}"));
    assert!(count("corrected") > 0 && count("anonymous") > 0 && count("dirty") > 0);
    assert_eq!(report.accepted, count("lines"));
    assert_eq!(report.corrected, count("corrected"));
    assert_eq!(report.refused, count("dirty"));
    assert_eq!(report.anonymous, count("anonymous"));
    assert_eq!(report.duplicates, 0);
    // Everything again changes nothing, corrected lines included.
    let again = app.import(file.to_str().unwrap(), &mapping).await.report.unwrap();
    assert_eq!((again.accepted, again.corrected), (0, 0));
    assert_eq!(again.duplicates, report.accepted + report.corrected);
}

#[tokio::test]
async fn features_are_the_same_from_the_store_from_files_and_from_the_server() {
    let shop = new_directory();
    simulate(shop.path());
    let app = TestApp::with(&[("shop.time_zone", "Europe/London"), ("shop.currency", "GBP")]).await;
    let file = shop.path().join("transactions.parquet");
    let mapping = shop.path().join("mapping.toml");
    app.import(file.to_str().unwrap(), &fs::read_to_string(&mapping).unwrap()).await;
    let data = app.path("data");
    let export = |name: &str, source: &[&str], threads: &str| {
        let path = shop.path().join(name);
        let place = ["--time-zone", "Europe/London", "--currency", "GBP", "--threads", threads];
        let output = ["--output", path.to_str().unwrap()];
        let what = ["features", "export", "--as-of", DATES[0], DATES[1], DATES[2]];
        done(&patron(&[&what[..], &output[..], &place[..], source].concat()));
        path
    };
    let store = ["--data-directory", data.to_str().unwrap()];
    let one = export("store-1.parquet", &store, "1");
    let three = export("store-3.parquet", &store, "3");
    assert_eq!(fs::read(&one).unwrap(), fs::read(three).unwrap());
    let files = ["--parquet", file.to_str().unwrap(), "--mapping", mapping.to_str().unwrap()];
    let little = [&files[..], &["--memory-mib", "0"]].concat();
    let from_files = export("files-1.parquet", &files, "1");
    let spilled = export("files-2.parquet", &little, "2");
    assert_eq!(fs::read(&from_files).unwrap(), fs::read(spilled).unwrap());
    let other = ["features", "export", "--as-of", DATES[0], "--output", "o", "--currency", "EUR"];
    let refused = patron(&[&other[..], &files].concat());
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(65), "{error}");
    assert!(error.contains("rows were refused, more than 1 %"), "{error}");
    let rows_of_store = rows(&one);
    assert!(rows_of_store.len() > 400, "{} rows", rows_of_store.len());
    assert_eq!(rows_of_store, rows(&from_files));
    let customers: Vec<String> = rows_of_store.keys().map(|(id, _)| id.clone()).take(50).collect();
    let request = BatchGetFeaturesRequest {
        customer_ids: customers.clone(),
        as_of: Some(instant(DATES[0])),
        encoding: FeatureEncoding::Floats as i32,
        ..Default::default()
    };
    let served = app.features().batch_get_features(request).await.unwrap().into_inner();
    let block = served.features.unwrap();
    let Some(feature_block::Values::Floats(floats)) = block.values else { panic!("floats") };
    let micros = instant(DATES[0]).seconds * 1_000_000;
    for (row, id) in floats.values.chunks(block.columns.len()).zip(&customers) {
        let Some(exported) = rows_of_store.get(&(id.clone(), micros)) else { continue };
        // The top categories are fitted before the earliest date by both.
        let row: Vec<u32> = row.iter().map(|value| value.to_bits()).collect();
        assert_eq!(&row, exported);
    }
}

#[test]
fn a_wrong_export_leaves_no_file_and_says_why() {
    let directory = new_directory();
    let output = directory.path().join("f.parquet");
    let output = output.to_str().unwrap();
    let missing = directory.path().join("nowhere");
    let missing = missing.to_str().unwrap();
    let empty = directory.path().to_str().unwrap();
    let export = ["features", "export", "--output", output];
    for (args, code, words) in [
        (vec!["--as-of", "yesterday"], 64, "--as-of"),
        (vec!["--as-of", "2022-01-01", "--data-directory", missing], 65, "no such file"),
        (vec!["--as-of", "2022-01-01", "--data-directory", empty], 65, "transactions.sqlite3"),
        (vec!["--as-of", "2022-01-01", "--threads", "0"], 64, "--threads"),
        (vec!["--as-of", "2022-01-01", "--parquet", missing], 64, "--mapping"),
        (vec!["--as-of", "2022-01-01", "--schema", missing], 65, "nowhere"),
    ] {
        let failed = patron(&[&export[..], &args].concat());
        let error = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert_eq!(failed.status.code(), Some(code), "{args:?}: {error}");
        assert!(error.contains(words), "{args:?}: {error}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
