//! Lines that come over a stream.

use patron::grpc::proto::*;
use tonic::Status;

use crate::app::{Clients, TestApp, churn_of, customer_ids, customer_request, instant};
use crate::failure::told;
use crate::fixture::small_shop;

/// A line without a number, so that only its content and count tell it from others.
fn line(customer: &str, order: &str, product: &str) -> TransactionLine {
    TransactionLine {
        customer_id: customer.to_owned(),
        order_id: order.to_owned(),
        occurred_at: Some(instant("2024-06-01T10:00:00Z")),
        product_id: product.to_owned(),
        quantity_thousandths: Some(2_000),
        unit_price_micros: Some(3_500_000),
        ..Default::default()
    }
}

fn chunk(id: &str, lines: &[TransactionLine]) -> IngestTransactionsRequest {
    IngestTransactionsRequest { chunk_id: id.to_owned(), lines: lines.to_vec() }
}

/// Sends chunks on one stream; the answers up to its end or its error.
async fn send(
    app: &Clients,
    chunks: Vec<IngestTransactionsRequest>,
) -> (Vec<IngestTransactionsResponse>, Option<Status>) {
    let stream = app.transactions().ingest_transactions(tokio_stream::iter(chunks)).await;
    let mut stream = stream.unwrap().into_inner();
    let mut answers = Vec::new();
    loop {
        match stream.message().await {
            Ok(Some(answer)) => answers.push(answer),
            Ok(None) => return (answers, None),
            Err(status) => return (answers, Some(status)),
        }
    }
}

fn counts(answer: &IngestTransactionsResponse) -> (&str, [u32; 4]) {
    let IngestTransactionsResponse { accepted, duplicates, corrected, refused, .. } = answer;
    (&answer.chunk_id, [*accepted, *duplicates, *corrected, *refused])
}

async fn line_count(app: &Clients, customer: &str) -> u64 {
    let found = app.transactions().get_customer(customer_request(customer)).await;
    found.unwrap().into_inner().line_count
}

#[tokio::test]
async fn chunks_are_acknowledged_in_order_with_their_counts() {
    let app = TestApp::empty().await;
    let (a, b) = (line("a", "1", "p1"), line("a", "1", "p2"));
    let chunks = vec![chunk("first", &[a.clone(), b]), chunk("second", &[line("b", "2", "p1")])];
    let (answers, end) = send(&app, chunks).await;
    assert!(end.is_none());
    let counted: Vec<_> = answers.iter().map(counts).collect();
    assert_eq!(counted, [("first", [2, 0, 0, 0]), ("second", [1, 0, 0, 0])]);
    assert_eq!((line_count(&app, "a").await, line_count(&app, "b").await), (2, 1));
}

#[tokio::test]
async fn lines_sent_again_change_nothing() {
    let app = TestApp::empty().await;
    let lines = [line("a", "1", "p1"), line("a", "1", "p2")];
    send(&app, vec![chunk("1", &lines)]).await;
    let before = app.transactions().get_customer(customer_request("a")).await.unwrap();
    let (answers, _) = send(&app, vec![chunk("1", &lines)]).await;
    assert_eq!(counts(&answers[0]).1, [0, 2, 0, 0]);
    let after = app.transactions().get_customer(customer_request("a")).await.unwrap();
    assert_eq!(before.into_inner(), after.into_inner());
}

#[tokio::test]
async fn two_equal_lines_of_one_order_both_count() {
    let app = TestApp::empty().await;
    let equal = line("a", "1", "p1");
    // In one chunk and over the border of two chunks of the same stream.
    let chunks = vec![chunk("1", &[equal.clone(), equal.clone()]), chunk("2", &[equal])];
    let (answers, _) = send(&app, chunks.clone()).await;
    assert_eq!(answers.iter().map(|answer| answer.accepted).sum::<u32>(), 3);
    assert_eq!(line_count(&app, "a").await, 3);
    let (again, _) = send(&app, chunks).await;
    assert_eq!(again.iter().map(|answer| answer.duplicates).sum::<u32>(), 3);
    assert_eq!(line_count(&app, "a").await, 3);
}

#[tokio::test]
async fn a_numbered_line_is_corrected() {
    let app = TestApp::empty().await;
    let first = TransactionLine { line_number: Some(1), ..line("a", "1", "p1") };
    let second = TransactionLine { unit_price_micros: Some(1_000_000), ..first.clone() };
    send(&app, vec![chunk("1", &[first])]).await;
    let (answers, _) = send(&app, vec![chunk("2", &[second])]).await;
    assert_eq!(counts(&answers[0]), ("2", [0, 0, 1, 0]));
    let customer = app.transactions().get_customer(customer_request("a")).await.unwrap();
    assert_eq!(customer.into_inner().spend_micros, 2_000_000);
}

#[tokio::test]
async fn a_line_that_does_not_hold_is_refused_by_itself() {
    let app = TestApp::empty().await;
    let good = line("a", "1", "p1");
    let lines = [
        TransactionLine { quantity_thousandths: None, ..good.clone() },
        good.clone(),
        TransactionLine { currency: "USD".to_owned(), ..good.clone() },
        TransactionLine { customer_id: "a\u{7}".to_owned(), ..good },
    ];
    let (answers, end) = send(&app, vec![chunk("1", &lines)]).await;
    assert!(end.is_none());
    assert_eq!(counts(&answers[0]).1, [1, 0, 0, 3]);
    let refusals: Vec<_> = answers[0].refusals.iter().map(|r| (r.row, r.field.as_str())).collect();
    assert_eq!(refusals, [(0, "quantity"), (2, "currency"), (3, "customer_id")]);
    assert_eq!(line_count(&app, "a").await, 1);
}

#[tokio::test]
async fn acknowledged_lines_survive_a_restart() {
    let app = TestApp::empty().await;
    send(&app, vec![chunk("1", &[line("a", "1", "p1")])]).await;
    let app = app.restart().await;
    assert_eq!(line_count(&app, "a").await, 1);
}

#[tokio::test]
async fn acknowledged_lines_are_seen_by_the_next_prediction() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    // Ingested lines are known from now on: ask as of a time after now.
    let request = PredictChurnRequest {
        as_of: Some(instant("2999-01-01")),
        ..churn_of(predict_churn_request::Input::CustomerIds(customer_ids(&["new"])))
    };
    let before = app.ask_churn(request.clone()).await.unwrap();
    assert_eq!(before.sources, [RowSource::Prior as i32]);
    send(&app, vec![chunk("1", &[line("new", "n1", "p1")])]).await;
    let after = app.ask_churn(request).await.unwrap();
    assert_eq!(after.sources, [RowSource::History as i32]);
    assert_ne!(before.probabilities, after.probabilities);
}

#[tokio::test]
async fn a_chunk_holds_1_to_10000_lines() {
    let app = TestApp::empty().await;
    let good = chunk("good", &[line("a", "1", "p1")]);
    let large = vec![line("b", "1", "p1"); 10_001];
    for (bad, expected) in [
        (chunk("none", &[]), "INVALID_ARGUMENT INVALID_FIELD lines"),
        (chunk("large", &large), "INVALID_ARGUMENT TOO_MANY_ROWS lines"),
        (
            chunk(&"x".repeat(65), &[line("b", "1", "p1")]),
            "INVALID_ARGUMENT INVALID_FIELD chunk_id",
        ),
    ] {
        // What was acknowledged before the bad chunk stays; what follows it is not read.
        let (answers, end) = send(&app, vec![good.clone(), bad, chunk("after", &large[..1])]).await;
        assert_eq!(answers.len(), 1);
        assert_eq!(told(&end.unwrap()), expected);
    }
    assert_eq!(line_count(&app, "a").await, 1);
    assert!(app.transactions().get_customer(customer_request("b")).await.is_err());
}
