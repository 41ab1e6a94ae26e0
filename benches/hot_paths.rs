//! The paths that every call or every line goes through.
//!
//! ```sh
//! cargo bench --bench hot_paths
//! ```
#![expect(clippy::expect_used, reason = "a measurement that breaks should stop where it broke")]

use std::ops::ControlFlow;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use patron::feature::{FeatureSchema, Features, Workspace};
use patron::store::{NewLine, TransactionStore};
use patron::transaction::{
    CustomerHistory, CustomerId, HistorySource, LineDraft, Money, OccurrenceCounter, Quantity,
    ShopClock, Timestamp, TransactionLine,
};
use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

const CUSTOMERS: u32 = 2_000;
const LINES: usize = 100_000;

/// Receipts of up to seven lines over two years.
fn lines(seed: u64) -> Vec<TransactionLine> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut lines = Vec::with_capacity(LINES);
    while lines.len() < LINES {
        let order = format!("{seed}-{}", lines.len());
        let skew: f64 = random.gen_range(0.0..1.0);
        let customer = (skew * skew * f64::from(CUSTOMERS)) as u32;
        let seconds = 1_640_995_200 + 63_072_000 * lines.len() as i64 / LINES as i64;
        for number in 1..=random.gen_range(1..=7) {
            let product: i64 = random.gen_range(0..5_000);
            let draft = LineDraft {
                customer_id: Some(format!("C{customer:07}")),
                order_id: Some(order.clone()),
                line_number: Some(number),
                occurred_at: Some(Timestamp::from_micros(seconds * 1_000_000)),
                product_id: Some(format!("P{product:05}")),
                category: Some(format!("department {}/group {}", product % 8, product % 40)),
                quantity: Some(Quantity::from_thousandths(random.gen_range(1..4) * 1_000)),
                unit_price: Some(Money::from_micros((product % 900 + 50) * 10_000)),
                store_id: Some(format!("S{:02}", random.gen_range(0..20))),
                channel: Some("store".to_owned()),
                ..LineDraft::default()
            };
            lines.extend(draft.check("EUR"));
        }
    }
    lines
}

fn new_lines(seed: u64) -> Vec<NewLine> {
    let mut seen = OccurrenceCounter::default();
    lines(seed).into_iter().map(|line| NewLine::new(line, &mut seen)).collect()
}

/// A store with [`LINES`] lines; the directory goes when it is dropped.
struct Filled {
    store: TransactionStore,
    _directory: tempfile::TempDir,
}

fn filled(is_packed: bool) -> Filled {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = TransactionStore::open(directory.path(), ShopClock::utc(), "EUR").expect("a store");
    for chunk in new_lines(0).chunks(10_000) {
        store.append(chunk.to_vec()).expect("an append");
    }
    if is_packed {
        store.pack().expect("packing");
    }
    Filled { store, _directory: directory }
}

fn customer(random: &mut Xoshiro256PlusPlus) -> CustomerId {
    let skew: f64 = random.gen_range(0.0..1.0);
    let number = (skew * skew * f64::from(CUSTOMERS)) as u32;
    CustomerId::parse(&format!("C{number:07}")).expect("a customer")
}

/// A chunk of a stream, durable when it returns.
#[divan::bench(args = [100, 1_000, 10_000])]
fn append_chunk(bencher: Bencher<'_, '_>, size: usize) {
    let filled = filled(true);
    let mut seed = 0;
    let mut rest = Vec::new();
    bencher
        .counter(ItemsCount::new(size))
        .with_inputs(|| {
            if rest.len() < size {
                seed += 1;
                rest = new_lines(seed);
            }
            rest.split_off(rest.len() - size)
        })
        .bench_local_values(|chunk| filled.store.append(chunk).expect("an append"));
}

/// A view of the store and one customer's history from it.
#[divan::bench(args = [true, false])]
fn read_history(bencher: Bencher<'_, '_>, is_packed: bool) {
    let filled = filled(is_packed);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    bencher.with_inputs(|| customer(&mut random)).bench_local_refs(|customer| {
        filled.store.reader().expect("a reader").history(customer).expect("a history")
    });
}

/// All histories, decoded and counted.
#[divan::bench(args = [1, 2])]
fn scan(bencher: Bencher<'_, '_>, threads: usize) {
    let filled = filled(true);
    bencher.counter(ItemsCount::new(LINES)).bench_local(|| {
        let mut reader = filled.store.reader().expect("a reader");
        let mut lines = 0;
        let visit = |count: &mut usize, _: &CustomerId, history: &CustomerHistory| {
            *count += history.lines().len();
        };
        let add = |count: usize| {
            lines += count;
            ControlFlow::Continue(())
        };
        reader.scan_parallel(threads, || 0, visit, |count| count, add).expect("a scan");
        lines
    });
}

/// The features of all histories at one or twelve dates, on one thread.
#[divan::bench(args = [1, 12])]
fn features(bencher: Bencher<'_, '_>, dates: usize) {
    let filled = filled(true);
    let mut reader = filled.store.reader().expect("a reader");
    let schema = FeatureSchema::new(&ShopClock::utc(), "category", vec!["department 1".to_owned()]);
    let features = Features::new(&schema, reader.symbols()).expect("features");
    let mut histories: Vec<CustomerHistory> = Vec::new();
    let keep = |kept: &mut Vec<_>, _: &CustomerId, history: &CustomerHistory| {
        kept.push(history.clone());
    };
    let take = |mut kept| {
        histories.append(&mut kept);
        ControlFlow::Continue(())
    };
    reader.scan_parallel(1, Vec::new, keep, |kept| kept, take).expect("a scan");
    let last = Timestamp::from_micros(1_704_067_200_000_000);
    let as_ofs: Vec<Timestamp> =
        (0..dates).map(|month| last.plus_days(-30 * month as i64)).collect();
    let (mut workspace, mut values) = (Workspace::default(), Vec::new());
    bencher.counter(ItemsCount::new(LINES * dates)).bench_local(|| {
        for history in &histories {
            values.clear();
            features.append_at(history, &as_ofs, &mut workspace, &mut values);
            black_box(&values);
        }
    });
}
