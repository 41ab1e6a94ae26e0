//! No customer key reaches a log, whatever is logged and whatever happens to the customer.

use std::fs;

use patron::grpc::proto::*;

use super::damaged::copy_of_shop;
use super::script::plain_line;
use super::sender::ingest_one;
use crate::app::{Clients, customer_request, import_request, new_directory};
use crate::process::{Process, logged};
use crate::shop::{HEADER, MAPPING};

/// Part of every key of this test.
const SECRET: &str = "geheim";

fn chunk(lines: Vec<TransactionLine>) -> IngestTransactionsRequest {
    IngestTransactionsRequest { chunk_id: "1".to_owned(), lines }
}

/// New lines, a correction, a line that moves to another customer, and lines that do not hold.
async fn ingest(clients: &Clients, id: &str) {
    let line = plain_line(id, "1", 1);
    let dearer = TransactionLine { unit_price_micros: Some(4_000_000), ..line.clone() };
    let moved = TransactionLine { customer_id: format!("{id}-other"), ..dearer.clone() };
    let bad = [
        TransactionLine { customer_id: format!("{id}\u{7}"), ..line.clone() },
        TransactionLine { customer_id: id.repeat(30), ..line.clone() },
        TransactionLine { quantity_thousandths: None, ..line.clone() },
        TransactionLine { currency: "USD".to_owned(), ..line.clone() },
    ];
    ingest_one(clients, chunk(vec![line, plain_line(id, "1", 2)])).await.unwrap();
    ingest_one(clients, chunk(vec![dearer])).await.unwrap();
    assert_eq!(ingest_one(clients, chunk(vec![moved])).await.unwrap().corrected, 1);
    assert_eq!(ingest_one(clients, chunk(bad.to_vec())).await.unwrap().refused, 4);
    assert!(ingest_one(clients, chunk(vec![plain_line(id, "2", 1); 10_001])).await.is_err());
}

async fn ask(clients: &Clients, id: &str) {
    let known = clients.transactions().get_customer(customer_request(id)).await;
    assert_eq!(known.unwrap().into_inner().line_count, 1);
    let unknown = format!("{id}-unknown");
    let none = clients.transactions().get_customer(customer_request(&unknown)).await;
    assert_eq!(none.unwrap_err().code(), tonic::Code::NotFound);
    assert_eq!(clients.churn(&[id, &unknown]).await.unwrap().sources.len(), 2);
    let invalid = clients.churn(&[&format!("{id}\u{7}")]).await.unwrap();
    assert_ne!(invalid.sources, [RowSource::History as i32]);
}

/// A file of which a few rows are refused, and one of which too many are.
async fn import(clients: &Clients, directory: &std::path::Path, id: &str) {
    let row = |number: u32, quantity: &str| {
        format!(
            "{id}-{number},i{number},1,2023-05-01 10:00,p1,food,{quantity},2.00,1.00,north,France\n"
        )
    };
    for (name, bad, expected) in
        [("good.csv", 2, JobState::Succeeded), ("bad.csv", 100, JobState::Failed)]
    {
        let mut text = HEADER.to_owned();
        text.extend((0..500).map(|number| row(number, if number < bad { "many" } else { "1" })));
        text.push_str(&row(600, "1").replace(id, &format!("{id}\u{7}")));
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        let request = import_request(path.to_str().unwrap(), MAPPING);
        let job = clients.transactions().import_transactions(request).await.unwrap().into_inner();
        assert_eq!(clients.import_end(&job.job_id).await.state(), expected, "{name}");
    }
}

#[tokio::test]
async fn no_customer_key_is_logged() {
    let directory = new_directory();
    copy_of_shop(directory.path());
    let arguments = ["--as-of", "latest", "--log-filter", "debug,patron=trace"];
    let process = Process::with(directory.path(), &arguments).await;
    let id = format!("{SECRET}-4711");
    ingest(&process.clients, &id).await;
    ask(&process.clients, &id).await;
    import(&process.clients, directory.path(), &id).await;
    assert_eq!(process.clients.train("churn").await.state(), JobState::Succeeded);
    let request = EraseCustomerRequest { customer_id: id, ..Default::default() };
    let erased = process.clients.transactions().erase_customer(request).await.unwrap();
    assert!(erased.into_inner().lines_erased > 0);
    assert!(process.stop().await.success());
    let log = logged(directory.path());
    assert!(log.contains("DEBUG"), "nothing was logged, so nothing is proved");
    let told: Vec<&str> = log.lines().filter(|line| line.contains(SECRET)).collect();
    assert!(told.is_empty(), "{} lines, the first: {}", told.len(), told[0]);
}
