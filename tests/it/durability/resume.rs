//! Where sending again has its limits: what a sender has to know of the contract.

use patron::grpc::proto::*;

use super::script::plain_line;
use super::sender::ingest_one;
use crate::app::{Clients, TestApp, customer_request};

fn chunk(lines: &[TransactionLine]) -> IngestTransactionsRequest {
    IngestTransactionsRequest { lines: lines.to_vec(), ..Default::default() }
}

async fn counts(clients: &Clients, lines: &[TransactionLine]) -> [u32; 3] {
    let ack = ingest_one(clients, chunk(lines)).await.unwrap();
    [ack.accepted, ack.duplicates, ack.corrected]
}

async fn customer(clients: &Clients, id: &str) -> Customer {
    clients.transactions().get_customer(customer_request(id)).await.unwrap().into_inner()
}

/// Equal lines are told apart by their count in the stream, and a new stream counts anew. So they
/// belong in one chunk, or need numbers.
#[tokio::test]
async fn equal_lines_without_numbers_that_resume_in_another_stream_count_once() {
    let app = TestApp::empty().await;
    let equal = TransactionLine { line_number: None, ..plain_line("a", "1", 1) };
    assert_eq!(counts(&app, std::slice::from_ref(&equal)).await, [1, 0, 0]);
    assert_eq!(counts(&app, std::slice::from_ref(&equal)).await, [0, 1, 0]);
    assert_eq!(counts(&app, &[equal.clone(), equal]).await, [1, 1, 0]);
    assert_eq!(customer(&app, "a").await.line_count, 2);
}

/// On the stream that brought them they are further equal lines; see above.
#[tokio::test]
async fn lines_without_numbers_sent_again_on_the_same_stream_count_again() {
    let app = TestApp::empty().await;
    let line = TransactionLine { line_number: None, ..plain_line("a", "1", 1) };
    let twice = [chunk(std::slice::from_ref(&line)), chunk(&[line])];
    let acks = app.transactions().ingest_transactions(tokio_stream::iter(twice)).await.unwrap();
    let mut acks = acks.into_inner();
    for _ in 0..2 {
        assert_eq!(acks.message().await.unwrap().unwrap().accepted, 1);
    }
    assert_eq!(customer(&app, "a").await.line_count, 2);
}

/// An old chunk that comes late must not undo a correction. So the way back needs new content.
#[tokio::test]
async fn a_correction_back_to_an_earlier_version_is_a_duplicate() {
    let app = TestApp::empty().await;
    let first = plain_line("a", "1", 1);
    let second = TransactionLine { unit_price_micros: Some(1_000_000), ..first.clone() };
    assert_eq!(counts(&app, std::slice::from_ref(&first)).await, [1, 0, 0]);
    assert_eq!(counts(&app, &[second]).await, [0, 0, 1]);
    assert_eq!(counts(&app, &[first]).await, [0, 1, 0]);
    assert_eq!(customer(&app, "a").await.spend_micros, 2_000_000);
}
