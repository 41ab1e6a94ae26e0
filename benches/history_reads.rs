//! Reads histories of random customers from a data directory, one after the other, without a
//! server, and measures how long each took.
//!
//! ```sh
//! cargo run --release --example history_reads -- --data-directory patron-data
//! ```

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use patron::store::TransactionStore;
use patron::transaction::{CustomerId, HistorySource as _, ShopClock};
use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error>;

/// Measures reads of histories.
#[derive(Debug, Parser)]
struct Args {
    /// The directory
    #[arg(long, default_value = "patron-data")]
    data_directory: PathBuf,
    /// IANA time zone of the shop
    #[arg(long, default_value = "UTC")]
    time_zone: String,
    /// Reporting currency
    #[arg(long, default_value = "EUR")]
    currency: String,
    /// Histories to read
    #[arg(long, default_value_t = 100_000)]
    reads: usize,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let clock = ShopClock::new(&args.time_zone)?;
    let store = TransactionStore::open(&args.data_directory, clock, &args.currency)?;
    let customers = customers(&store)?;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let (mut times, mut lines) = (Vec::with_capacity(args.reads), 0);
    for _ in 0..args.reads {
        let Some(customer) = customers.get(random.gen_range(0..customers.len().max(1))) else {
            return Err("the store has no customer".into());
        };
        let began = Instant::now();
        let history = store.reader()?.history(customer)?;
        times.push(began.elapsed());
        lines += history.lines().len();
    }
    times.sort_unstable();
    let quantile = |share: f64| {
        let place = (share * times.len() as f64) as usize;
        times.get(place.min(times.len().saturating_sub(1))).map_or(0.0, micros)
    };
    writeln!(
        std::io::stdout(),
        "lookups={} lines_each={:.1} p50_us={:.1} p99_us={:.1} p999_us={:.1} max_us={:.1}",
        times.len(),
        lines as f64 / times.len().max(1) as f64,
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        quantile(1.0),
    )?;
    Ok(())
}

fn customers(store: &TransactionStore) -> Result<Vec<CustomerId>, Failure> {
    let mut customers = Vec::new();
    let take = |mut some| {
        customers.append(&mut some);
        ControlFlow::Continue(())
    };
    let keep = |some: &mut Vec<CustomerId>, id: &CustomerId, _: &_| some.push(id.clone());
    store.reader()?.scan_parallel(1, Vec::new, keep, |some| some, take)?;
    Ok(customers)
}

fn micros(time: &Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
