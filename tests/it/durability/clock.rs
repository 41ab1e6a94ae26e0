//! A machine whose clock was set back after lines were stored.
//!
//! The stored time of the last commit is put a day ahead, which is what the store sees then.

use patron::grpc::proto::*;
use patron::transaction::Timestamp;
use rusqlite::Connection;

use super::damaged::copy_of_shop;
use super::script::plain_line;
use super::sender::ingest_one;
use super::truth::database;
use crate::app::{Clients, customer_request, instant, new_directory};
use crate::process::{Process, logged};

async fn store(clients: &Clients, line: TransactionLine) -> IngestTransactionsResponse {
    let chunk = IngestTransactionsRequest { lines: vec![line], ..Default::default() };
    ingest_one(clients, chunk).await.unwrap()
}

async fn customer(clients: &Clients, id: &str) -> Customer {
    clients.transactions().get_customer(customer_request(id)).await.unwrap().into_inner()
}

#[tokio::test]
async fn lines_are_visible_at_once_and_recorded_at_never_goes_back() {
    let directory = new_directory();
    copy_of_shop(directory.path());
    let ahead = Timestamp::now().plus_days(1);
    let connection = Connection::open(database(directory.path())).unwrap();
    let sql = "UPDATE state SET last_recorded_at = ?1";
    assert_eq!(connection.execute(sql, [ahead.micros()]).unwrap(), 1);
    drop(connection);
    let arguments = ["--as-of", "now", "--log-filter", "warn"];
    let one = Process::with(directory.path(), &arguments).await;
    let two = Process::with(directory.path(), &arguments).await;
    let servers = [(&one, &two), (&two, &one)];
    for (id, (to, other)) in
        ["new-1", "new-2", "new-3", "new-4"].into_iter().zip(servers.into_iter().cycle())
    {
        // Known to nobody until it is stored, known to both from then on.
        assert_eq!(other.clients.churn(&[id]).await.unwrap().sources, [RowSource::Prior as i32]);
        assert_eq!(store(&to.clients, plain_line(id, id, 1)).await.accepted, 1);
        for server in [to, other] {
            let sources = server.clients.churn(&[id]).await.unwrap().sources;
            assert_eq!(sources, [RowSource::History as i32], "{id}");
            let stored = customer(&server.clients, id).await;
            assert_eq!(stored.line_count, 1);
            assert_eq!(stored.last_recorded_time, Some(instant(&ahead.to_string())));
        }
    }
    // A correction that stands at the same instant counts, too.
    let line =
        TransactionLine { unit_price_micros: Some(1_000_000), ..plain_line("new-1", "new-1", 1) };
    assert_eq!(store(&one.clients, line.clone()).await.corrected, 1);
    assert_eq!(customer(&two.clients, "new-1").await.spend_micros, 2_000_000);
    assert_eq!(store(&two.clients, line).await.duplicates, 1);
    assert!(one.stop().await.success() && two.stop().await.success());
    let told = logged(directory.path()).matches("the machine's clock was set back").count();
    assert_eq!(told, 2, "once in each process");
}
