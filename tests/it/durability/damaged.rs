//! Files that were damaged: told clearly, never skipped, and what is whole is still served.

use std::fs;
use std::path::Path;

use patron::grpc::proto::*;
use rusqlite::Connection;

use super::medium::refused;
use super::script::plain_line;
use super::sender::ingest_one;
use super::truth::database;
use crate::app::{copy_filled, customer_request, new_directory};
use crate::failure::{carried, told};
use crate::fixture::small_shop;
use crate::process::{Process, logged};

const DAMAGED: &str = "transactions.sqlite3: damaged (a packed history does not match its checksum); \
                       restore it from a backup";

/// A copy of the small shop, for a process that is not running yet.
pub(super) fn copy_of_shop(directory: &Path) {
    copy_filled(&small_shop().directory, directory);
}

/// The answer of `sql` in a stopped store, whose log is then moved into the database file.
fn bytes(directory: &Path, sql: &str) -> Vec<u8> {
    let connection = Connection::open(database(directory)).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Turns a bit within `blob` in the database file over.
fn flip_within(directory: &Path, blob: &[u8]) {
    let mut file = fs::read(database(directory)).unwrap();
    let needle = &blob[..blob.len().min(100)];
    let found: Vec<usize> =
        (0..file.len() - needle.len()).filter(|at| file[*at..].starts_with(needle)).collect();
    assert_eq!(found.len(), 1);
    file[found[0] + needle.len() / 2] ^= 0x10;
    fs::write(database(directory), file).unwrap();
}

#[tokio::test]
async fn a_damaged_history_is_told_and_the_others_are_served() {
    let directory = new_directory();
    copy_of_shop(directory.path());
    let blob = bytes(
        directory.path(),
        "SELECT lines FROM customer JOIN history USING (customer_key) WHERE customer_id = 'r1'",
    );
    flip_within(directory.path(), &blob);
    let arguments = ["--as-of", "latest", "--log-filter", "warn"];
    let mut process = Process::with(directory.path(), &arguments).await;
    let clients = process.clients.clone();
    let lost = clients.transactions().get_customer(customer_request("r1")).await.unwrap_err();
    assert_eq!(told(&lost), "DATA_LOSS CORRUPT_DATA");
    assert_eq!(lost.message(), "the server's data cannot be read; its log tells more");
    assert!(logged(directory.path()).contains(DAMAGED), "{}", logged(directory.path()));
    let whole = clients.transactions().get_customer(customer_request("r2")).await;
    assert!(whole.unwrap().into_inner().line_count > 0);
    // No prediction is made from less than there is.
    assert_eq!(told(&clients.churn(&["r1"]).await.unwrap_err()), "DATA_LOSS CORRUPT_DATA");
    let sources = clients.churn(&["r2"]).await.unwrap().sources;
    assert_eq!(sources, [RowSource::History as i32]);
    let job = clients.train("churn").await;
    assert_eq!(job.state(), JobState::Failed, "{job:?}");
    let error = carried(&job.error.unwrap());
    assert_eq!(told(&error), "DATA_LOSS CORRUPT_DATA", "{error:?}");
    // The damage stays where it is: others can buy, and nothing ends.
    let chunk =
        IngestTransactionsRequest { lines: vec![plain_line("r2", "n", 1)], ..Default::default() };
    assert_eq!(ingest_one(&clients, chunk).await.unwrap().accepted, 1);
    assert!(process.is_running());
    assert!(process.stop().await.success());
    assert!(!logged(directory.path()).contains("panic"), "{}", logged(directory.path()));
}

#[tokio::test]
async fn a_damaged_batch_of_the_tail_is_told_at_the_start() {
    let directory = new_directory();
    let mut process = Process::with(directory.path(), &[]).await;
    let lines = (1..=20).map(|number| plain_line("a", "1", number)).collect();
    let chunk = IngestTransactionsRequest { lines, ..Default::default() };
    assert_eq!(ingest_one(&process.clients, chunk).await.unwrap().accepted, 20);
    process.kill();
    let blob = bytes(directory.path(), "SELECT changes FROM tail");
    flip_within(directory.path(), &blob);
    insta::assert_snapshot!(refused(directory.path()), @"patron: DIRECTORY/data/transactions.sqlite3: damaged (a batch of the tail does not match its checksum); restore it from a backup");
}

#[tokio::test]
async fn a_page_that_is_lost_is_told_and_nothing_panics() {
    let directory = new_directory();
    copy_of_shop(directory.path());
    let text =
        "SELECT CAST(CAST(rootpage AS TEXT) AS BLOB) FROM sqlite_schema WHERE name = 'history'";
    let page: usize = String::from_utf8(bytes(directory.path(), text)).unwrap().parse().unwrap();
    let size = 4_096;
    let mut file = fs::read(database(directory.path())).unwrap();
    file[(page - 1) * size..page * size].fill(0xa5);
    fs::write(database(directory.path()), file).unwrap();
    let arguments = ["--as-of", "latest", "--log-filter", "warn"];
    let mut process = Process::with(directory.path(), &arguments).await;
    let lost = process.clients.transactions().get_customer(customer_request("r1")).await;
    assert_eq!(told(&lost.unwrap_err()), "DATA_LOSS CORRUPT_DATA");
    let log = logged(directory.path());
    assert!(log.contains("transactions.sqlite3: damaged ("), "{log}");
    assert!(log.contains("restore it from a backup"), "{log}");
    let job = process.clients.train("churn").await;
    assert_eq!(told(&carried(&job.error.unwrap())), "DATA_LOSS CORRUPT_DATA");
    assert!(process.is_running());
    assert!(!logged(directory.path()).contains("panic"));
}
