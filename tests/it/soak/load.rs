//! Everything that callers do, well or badly, all at once and again and again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use patron::grpc::proto::predict_churn_request::Input;
use patron::grpc::proto::*;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::app::{Clients, churn_of, customer_ids};
use crate::meters::page;

/// Between two calls of one caller.
const PAUSE: Duration = Duration::from_millis(2);

/// Where a server is.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: SocketAddr,
}

/// Callers of every kind, until they are told to end.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    callers: JoinSet<(&'static str, u64)>,
}

impl Load {
    /// Begins to call.
    pub(crate) fn begin(target: Target) -> Self {
        let mut load = Self { over: Arc::default(), callers: JoinSet::new() };
        load.call("vectors", target, vectors);
        load.call("customers", target, customers);
        load.call("what-if", target, what_if);
        load.call("forecasts", target, forecasts);
        load.call("streams", target, streams);
        load.call("cancelled calls", target, cancelled);
        load.call("dropped streams", target, dropped);
        load.call("refused calls", target, refused);
        load.call("chunks", target, chunks);
        load.call("moved aliases", target, moves);
        load.call("connections", target, connections);
        load.call("scrapes", target, scrapes);
        load
    }

    fn call<Call>(
        &mut self,
        kind: &'static str,
        target: Target,
        call: impl Fn(Clients, Target, u64) -> Call + Send + 'static,
    ) where
        Call: Future<Output = ()> + Send,
    {
        let over = Arc::clone(&self.over);
        self.callers.spawn(async move {
            let clients = Clients::connect(target.address).await;
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                call(clients.clone(), target, count).await;
                count += 1;
                sleep(PAUSE).await;
            }
            (kind, count)
        });
    }

    /// Tells all to end; what each did.
    pub(crate) async fn end(self) -> BTreeMap<&'static str, u64> {
        self.over.store(true, Ordering::Relaxed);
        self.callers.join_all().await.into_iter().collect()
    }
}

fn large(rows: usize) -> PredictChurnRequest {
    let ids = (0..rows).map(|number| format!("r{}", number % 140)).collect();
    PredictChurnRequest { explain: 3, ..churn_of(Input::CustomerIds(CustomerIds { ids })) }
}

/// The vectors of two customers, and the answer for them.
async fn vectors(clients: Clients, _: Target, _: u64) {
    let request = BatchGetFeaturesRequest {
        customer_ids: vec!["r1".to_owned(), "o1".to_owned()],
        model: "churn".to_owned(),
        encoding: FeatureEncoding::F32Le as i32,
        ..Default::default()
    };
    let answer = clients.features().batch_get_features(request).await.unwrap();
    let block = answer.into_inner().features.unwrap();
    let answer = clients.ask_churn(churn_of(Input::Features(block))).await.unwrap();
    assert_eq!(answer.probabilities.len(), 2);
}

async fn customers(clients: Clients, _: Target, number: u64) {
    let rows = if number.is_multiple_of(20) { 500 } else { 3 };
    let answer = clients.ask_churn(large(rows)).await.unwrap();
    assert_eq!(answer.probabilities.len(), rows);
    assert!(answer.errors.is_empty());
}

fn line(number: u64) -> TransactionLine {
    TransactionLine {
        customer_id: format!("r{}", number % 140),
        order_id: format!("soak-{number}"),
        line_number: Some(1),
        occurred_at: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        product_id: "p1".to_owned(),
        quantity_thousandths: Some(1_000),
        unit_price_micros: Some(2_500_000),
        ..Default::default()
    }
}

async fn what_if(clients: Clients, _: Target, number: u64) {
    let lines = (number..number + 5).map(line).collect();
    let histories = CustomerLines { customers: vec![WhatIfHistory { lines }; 4] };
    let answer = clients.ask_churn(churn_of(Input::Histories(histories))).await.unwrap();
    assert_eq!(answer.probabilities.len(), 4);
}

async fn forecasts(clients: Clients, _: Target, _: u64) {
    let request = ForecastRequest { include_components: true, ..Default::default() };
    let answer = clients.predictions().forecast(request).await.unwrap().into_inner();
    assert!(!answer.series.is_empty() && answer.errors.is_empty());
}

fn items(number: u64, rows: usize) -> impl Iterator<Item = StreamPredictChurnRequest> {
    (0..number)
        .map(move |sequence| StreamPredictChurnRequest { sequence, request: Some(large(rows)) })
}

async fn streams(clients: Clients, _: Target, _: u64) {
    let items = tokio_stream::iter(items(20, 3).collect::<Vec<_>>());
    let answers = clients.predictions().stream_predict_churn(items).await.unwrap();
    let mut answers = answers.into_inner();
    let mut count = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        let outcome = answer.outcome.unwrap();
        assert!(matches!(outcome, stream_predict_churn_response::Outcome::Response(_)));
        count += 1;
    }
    assert_eq!(count, 20);
}

/// A large question whose caller goes before the answer can be there.
async fn cancelled(clients: Clients, _: Target, number: u64) {
    let patience = Duration::from_micros(200 * (number % 40));
    let _ = timeout(patience, clients.ask_churn(large(3_000))).await;
}

/// A stream whose caller goes in the middle, every other time with the connection.
async fn dropped(clients: Clients, target: Target, number: u64) {
    let clients =
        if number.is_multiple_of(2) { clients } else { Clients::connect(target.address).await };
    let items = tokio_stream::iter(items(50, 200).collect::<Vec<_>>());
    let answers = clients.predictions().stream_predict_churn(items).await.unwrap();
    answers.into_inner().message().await.unwrap().unwrap();
    sleep(Duration::from_millis(50)).await;
}

async fn refused(clients: Clients, _: Target, number: u64) {
    let request = match number % 4 {
        0 => churn_of(Input::CustomerIds(customer_ids(&[]))),
        1 => PredictChurnRequest { model: format!("none-{number}"), ..large(1) },
        2 => PredictChurnRequest { threshold: Some(7.0), ..large(1) },
        _ => PredictChurnRequest { model: "m".repeat(5 << 20), ..large(1) },
    };
    clients.ask_churn(request).await.unwrap_err();
}

/// Lines that are stored already, and one that is not.
async fn chunks(clients: Clients, _: Target, number: u64) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let known = (0..100).map(line);
    let lines = known.chain([line(100 + NEXT.fetch_add(1, Ordering::Relaxed))]).collect();
    let chunk = IngestTransactionsRequest { chunk_id: number.to_string(), lines };
    let acks =
        clients.transactions().ingest_transactions(tokio_stream::iter([chunk])).await.unwrap();
    let ack = acks.into_inner().message().await.unwrap().unwrap();
    assert!(ack.accepted >= 1 && ack.refusals.is_empty(), "{ack:?}");
    sleep(Duration::from_millis(100)).await;
}

async fn moves(clients: Clients, _: Target, number: u64) {
    let request = SetModelAliasRequest {
        model: "churn".to_owned(),
        alias: "champion".to_owned(),
        version: 1 + number as i64 % 2,
        force: true,
        ..Default::default()
    };
    clients.models().set_model_alias(request).await.unwrap();
    sleep(Duration::from_millis(20)).await;
}

/// A connection for one call.
async fn connections(_: Clients, target: Target, _: u64) {
    Clients::connect(target.address).await.churn(&["r1"]).await.unwrap();
}

async fn scrapes(_: Clients, target: Target, number: u64) {
    let path = if number.is_multiple_of(2) { "/metrics" } else { "/readyz" };
    assert_eq!(page(target.metrics, path).await.0, "HTTP/1.1 200 OK");
    sleep(Duration::from_millis(100)).await;
}
