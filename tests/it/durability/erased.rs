//! Erased customers are gone from the files, also where something held the erasure up.

use std::fs;
use std::path::Path;
use std::time::Duration;

use patron::grpc::proto::*;
use rusqlite::Connection;
use tokio::time::sleep;

use super::script::plain_line;
use super::sender::ingest_one;
use super::truth::database;
use crate::app::new_directory;
use crate::process::Process;

const SECRET: &str = "somebody@example.org";
/// How long a clean-up may take, in steps of a tenth of a second.
const STEPS: usize = 100;

/// The files of the data directory in which the key stands.
fn holders(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory.join("data")).unwrap();
    let paths = files.map(|file| file.unwrap().path()).filter(|path| {
        let bytes = fs::read(path).unwrap();
        bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
    });
    paths.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_erasure_beside_a_reader_leaves_nothing_once_the_reader_is_done() {
    let directory = new_directory();
    let process = Process::with(directory.path(), &[]).await;
    let lines = vec![plain_line(SECRET, "1", 1)];
    let chunk = IngestTransactionsRequest { lines, ..Default::default() };
    assert_eq!(ingest_one(&process.clients, chunk).await.unwrap().accepted, 1);
    // Somebody reads, in this process or another: a training or a backup.
    let reader = Connection::open(database(directory.path())).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM customer").unwrap();
    let request =
        EraseCustomerRequest { customer_id: SECRET.to_owned(), request_id: "once".to_owned() };
    let erased = process.clients.transactions().erase_customer(request).await.unwrap();
    assert_eq!(erased.into_inner().lines_erased, 1);
    reader.execute_batch("COMMIT").unwrap();
    // Stays open: the last one to close a database cleans up, and that is not what is meant.
    for _ in 0..STEPS {
        if holders(directory.path()).is_empty() {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("still in {:?} after ten seconds", holders(directory.path()));
}
