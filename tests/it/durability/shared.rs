//! Two servers and a worker on one data directory, all at work at once.

use std::path::Path;

use patron::grpc::proto::*;

use super::script::{Script, plain_line};
use super::sender::{ingest_one, send_again};
use super::truth::{Truth, found};
use super::{SMALL_TAIL, ask_of_customers};
use crate::app::{Clients, customer_request, new_directory};
use crate::process::{Process, Worker};

async fn send_all(script: Script, clients: Clients) {
    let chunks = (0..script.chunks).map(move |index| script.request(index));
    let mut client = clients.transactions();
    let acks = client.ingest_transactions(tokio_stream::iter(chunks)).await;
    let mut acks = acks.unwrap().into_inner();
    for index in 0..script.chunks {
        let ack = acks.message().await.unwrap().unwrap();
        assert_eq!((ack.chunk_id, ack.duplicates), (index.to_string(), 0));
    }
}

async fn customer(clients: &Clients, id: &str) -> Customer {
    clients.transactions().get_customer(customer_request(id)).await.unwrap().into_inner()
}

async fn two_on(directory: &Path) -> (Process, Process, Worker) {
    let one = Process::with(directory, SMALL_TAIL).await;
    let two = Process::with(directory, SMALL_TAIL).await;
    (one, two, Worker::with(directory, &[SMALL_TAIL, &["--log-filter", "off"]].concat()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_and_a_worker_share_a_store() {
    let directory = new_directory();
    let (one, two, worker) = two_on(directory.path()).await;
    let scripts: Vec<Script> =
        (0..4).map(|sender| Script { sender, chunks: 15, size: 200 }).collect();
    let servers = [&one.clients, &two.clients];
    let sending = scripts
        .iter()
        .zip(servers.into_iter().cycle())
        .map(|(script, clients)| tokio::spawn(send_all(*script, clients.clone())));
    for sender in sending.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    let truth = Truth::of(&scripts);
    for server in [&one, &two] {
        ask_of_customers(&server.clients, &truth, &[]).await;
    }
    // What went to one server is known to the other.
    let again = scripts.iter().zip([&two.clients, &one.clients].into_iter().cycle());
    let again = again.map(|(script, clients)| tokio::spawn(send_again(*script, clients.clone())));
    for sender in again.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    assert!(worker.stop().await.success());
    assert!(one.stop().await.success() && two.stop().await.success());
    found(directory.path()).must_be(&truth);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_lines_sent_to_two_servers_at_once_are_stored_once() {
    let directory = new_directory();
    let (one, two, _worker) = two_on(directory.path()).await;
    let script = Script { sender: 0, chunks: 20, size: 200 };
    let new = async |clients: &Clients| {
        let mut new = 0;
        for index in 0..script.chunks {
            let ack = ingest_one(clients, script.request(index)).await.unwrap();
            assert_eq!(ack.refused, 0);
            new += ack.accepted + ack.corrected;
        }
        new
    };
    let (a, b) = tokio::join!(new(&one.clients), new(&two.clients));
    let truth = Truth::of(&[script]);
    assert_eq!(u64::from(a + b), truth.lines_sent());
    assert!(one.stop().await.success() && two.stop().await.success());
    found(directory.path()).must_be(&truth);
}

#[tokio::test]
async fn what_one_server_acknowledged_the_other_answers_at_once() {
    let directory = new_directory();
    let (one, two, _worker) = two_on(directory.path()).await;
    for number in 1_u32..=20 {
        let (to, other) = if number.is_multiple_of(2) { (&one, &two) } else { (&two, &one) };
        let lines = vec![plain_line("a", "1", number)];
        let chunk = IngestTransactionsRequest { lines, ..Default::default() };
        assert_eq!(ingest_one(&to.clients, chunk).await.unwrap().accepted, 1);
        assert_eq!(customer(&other.clients, "a").await.line_count, u64::from(number));
    }
    let request = EraseCustomerRequest { customer_id: "a".to_owned(), ..Default::default() };
    let erased = one.clients.transactions().erase_customer(request).await.unwrap().into_inner();
    assert_eq!(erased.lines_erased, 20);
    let unknown = two.clients.transactions().get_customer(customer_request("a")).await;
    assert_eq!(unknown.unwrap_err().code(), tonic::Code::NotFound);
}
