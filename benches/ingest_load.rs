//! Sends transaction lines to a running server over `IngestTransactions` and measures how fast they
//! become durable.
//!
//! ```sh
//! cargo run --release --example ingest_load -- --lines 1000000 --senders 2
//! ```
//!
//! The lines are receipts of one to seven lines in order of time, from a fixed sequence: the same
//! arguments send the same lines, so that a second run sends duplicates only.

use std::collections::VecDeque;
use std::io::Write as _;
use std::time::{Duration, Instant};

use clap::Parser;
use patron::grpc::proto::transaction_service_client::TransactionServiceClient;
use patron::grpc::proto::{IngestTransactionsRequest, TransactionLine};
use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Two years from 2022 on, in seconds.
const PERIOD: std::ops::Range<i64> = 1_640_995_200..1_704_067_200;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measures durable ingest.
#[derive(Clone, Debug, Parser)]
struct Args {
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:50051")]
    endpoint: String,
    /// Lines to send in all
    #[arg(long, default_value_t = 1_000_000)]
    lines: u64,
    /// Lines of a chunk
    #[arg(long, default_value_t = 1_000)]
    chunk: u64,
    /// Streams at a time
    #[arg(long, default_value_t = 2)]
    senders: u64,
    /// Chunks of a stream that may wait for their acknowledgement
    #[arg(long, default_value_t = 4)]
    in_flight: usize,
    /// Customers of the made-up shop
    #[arg(long, default_value_t = 100_000)]
    customers: u32,
}

/// What one stream measured.
#[derive(Debug, Default)]
struct Sent {
    accepted: u64,
    duplicates: u64,
    acks: Vec<Duration>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let started = Instant::now();
    let senders: Vec<_> =
        (0..args.senders).map(|number| tokio::spawn(send(args.clone(), number))).collect();
    let mut all = Sent::default();
    for sender in senders {
        let sent = sender.await??;
        all.accepted += sent.accepted;
        all.duplicates += sent.duplicates;
        all.acks.extend(sent.acks);
    }
    let seconds = started.elapsed().as_secs_f64();
    all.acks.sort_unstable();
    let quantile = |share: f64| {
        let place = (share * all.acks.len() as f64) as usize;
        all.acks.get(place.min(all.acks.len().saturating_sub(1))).map_or(0.0, millis)
    };
    let lines = all.accepted + all.duplicates;
    writeln!(
        std::io::stdout(),
        "lines={lines} accepted={} duplicates={} seconds={seconds:.2} lines_per_s={:.0} \
         ack_p50_ms={:.1} ack_p99_ms={:.1} ack_max_ms={:.1}",
        all.accepted,
        all.duplicates,
        lines as f64 / seconds,
        quantile(0.5),
        quantile(0.99),
        quantile(1.0),
    )?;
    Ok(())
}

fn millis(time: &Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

async fn send(args: Args, number: u64) -> Result<Sent, Failure> {
    let mut client = TransactionServiceClient::connect(args.endpoint.clone()).await?;
    let (chunks, receiver) = mpsc::channel::<IngestTransactionsRequest>(1);
    let stream = client.ingest_transactions(ReceiverStream::new(receiver)).await?;
    let mut acks = stream.into_inner();
    let mut shop = Shop::new(&args, number);
    let mut waiting: VecDeque<Instant> = VecDeque::new();
    let mut sent = Sent::default();
    let mut chunk = shop.next_chunk(args.chunk);
    loop {
        let sends = !chunk.lines.is_empty() && waiting.len() < args.in_flight;
        if sends {
            let next = shop.next_chunk(args.chunk);
            waiting.push_back(Instant::now());
            chunks.send(std::mem::replace(&mut chunk, next)).await?;
            continue;
        }
        let Some(since) = waiting.pop_front() else {
            return Ok(sent);
        };
        let ack = acks.message().await?.ok_or("the server ended the stream")?;
        sent.acks.push(since.elapsed());
        sent.accepted += u64::from(ack.accepted);
        sent.duplicates += u64::from(ack.duplicates);
        if ack.refused > 0 {
            return Err(format!("{} lines were refused", ack.refused).into());
        }
    }
}

/// A made-up shop, or the part of it that one sender reports.
struct Shop {
    random: Xoshiro256PlusPlus,
    sender: u64,
    customers: u32,
    receipt: u64,
    time: f64,
    step: f64,
    left: u64,
}

impl Shop {
    fn new(args: &Args, sender: u64) -> Self {
        let lines = args.lines / args.senders + u64::from(sender < args.lines % args.senders);
        let step = (PERIOD.end - PERIOD.start) as f64 * 4.0 / lines.max(1) as f64;
        let random = Xoshiro256PlusPlus::seed_from_u64(sender);
        let time = PERIOD.start as f64;
        Self { random, sender, customers: args.customers, receipt: 0, time, step, left: lines }
    }

    /// The next lines; whole receipts where they fit.
    fn next_chunk(&mut self, size: u64) -> IngestTransactionsRequest {
        let mut lines = Vec::with_capacity(size as usize);
        let wanted = size.min(self.left) as usize;
        while lines.len() < wanted {
            let receipt = self.next_receipt();
            lines.extend(receipt.into_iter().take(wanted - lines.len()));
        }
        self.left -= lines.len() as u64;
        IngestTransactionsRequest { chunk_id: self.receipt.to_string(), lines }
    }

    fn next_receipt(&mut self) -> Vec<TransactionLine> {
        self.receipt += 1;
        self.time += self.random.gen_range(0.0..2.0 * self.step);
        let (order, seconds) = (format!("{}-{:08}", self.sender, self.receipt), self.time as i64);
        let skew: f64 = self.random.gen_range(0.0..1.0);
        let customer = (skew * skew * f64::from(self.customers)) as u32;
        let store = self.random.gen_range(0..20);
        (1..=self.random.gen_range(1..=7))
            .map(|number| {
                let product = self.random.gen_range(0..5_000_u32);
                TransactionLine {
                    customer_id: format!("C{customer:07}"),
                    order_id: order.clone(),
                    line_number: Some(number),
                    occurred_at: Some(prost_types::Timestamp { seconds, nanos: 0 }),
                    product_id: format!("P{product:05}"),
                    category: format!("department {}/group {}", product % 8, product % 40),
                    quantity_thousandths: Some(self.random.gen_range(1..4) * 1_000),
                    unit_price_micros: Some(i64::from(product % 900 + 50) * 10_000),
                    store_id: format!("S{store:02}"),
                    channel: "store".to_owned(),
                    ..TransactionLine::default()
                }
            })
            .collect()
    }
}
