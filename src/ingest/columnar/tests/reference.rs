//! The slow and plain way to the same histories.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::super::tally::HistoryCounts;
use super::super::{ParquetHistories, ReadHistoriesError, ReadOptions};
use crate::ingest::{Mapping, open};
use crate::transaction::{
    CustomerHistory, CustomerId, HistoryLine, HistorySource, Refusal, ShopClock, SymbolTable,
    Timestamp, TransactionLine,
};

const CURRENCY: &str = "GBP";

pub(super) type Histories = Vec<(CustomerId, CustomerHistory)>;

/// Everything that a reading gives.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) counts: HistoryCounts,
    pub(super) symbols: Vec<String>,
}

fn clock() -> ShopClock {
    ShopClock::new("Europe/London").unwrap()
}

fn now() -> Timestamp {
    "2012-02-03T04:05:06Z".parse().unwrap()
}

pub(super) fn all_texts(symbols: &SymbolTable) -> Vec<String> {
    let numbers = 1..=symbols.len() as u32;
    let symbol = crate::transaction::Symbol::from_raw;
    numbers.map(|number| symbols.text(symbol(number)).unwrap().to_owned()).collect()
}

/// Reads with the code under test.
pub(super) fn try_read(
    paths: &[PathBuf],
    mapping: &Mapping,
    threads: usize,
    memory_limit_bytes: u64,
) -> Result<(Outcome, Histories), ReadHistoriesError> {
    let spill = tempfile::tempdir().unwrap();
    let clock = clock();
    let options = ReadOptions {
        currency: CURRENCY,
        clock: &clock,
        threads,
        memory_limit_bytes,
        spill_directory: spill.path(),
        now: now(),
        tick: &|fraction| {
            assert!((0.0..=1.0).contains(&fraction));
            ControlFlow::Continue(())
        },
    };
    let mut read = ParquetHistories::read(paths, mapping, options)?;
    let mut histories = Vec::new();
    let visit = |chunk: &mut Histories, id: &CustomerId, history: &CustomerHistory| {
        chunk.push((id.clone(), history.clone()));
    };
    read.scan_parallel(
        threads,
        Vec::new,
        visit,
        |chunk| chunk,
        |chunk| {
            histories.extend(chunk);
            ControlFlow::Continue(())
        },
    )?;
    Ok((Outcome { counts: read.counts().clone(), symbols: all_texts(read.symbols()) }, histories))
}

pub(super) fn read(
    paths: &[PathBuf],
    mapping: &Mapping,
    threads: usize,
    memory_limit_bytes: u64,
) -> (Outcome, Histories) {
    try_read(paths, mapping, threads, memory_limit_bytes).unwrap()
}

/// A line of the reference: where it is, with the time from and until which it is known.
struct Version {
    line: TransactionLine,
    compact: HistoryLine,
}

/// Reads row by row and groups.
pub(super) fn reference(paths: &[PathBuf], mapping: &Mapping) -> (Outcome, Histories) {
    let mut counts = HistoryCounts::default();
    let mut symbols = SymbolTable::default();
    let mut versions: Vec<Version> = Vec::new();
    let mut numbered: HashMap<(String, u32), Vec<usize>> = HashMap::new();
    for path in paths {
        for row in open(path, mapping).unwrap() {
            let row = row.unwrap();
            counts.rows_read += 1;
            let recorded_at = row.recorded_at.unwrap_or(now());
            let line = match row.check(CURRENCY) {
                Ok(line) => line,
                Err(problem) => {
                    counts.refused += 1;
                    let reason = problem.reason.as_str().to_owned();
                    *counts.refusals_by_reason.entry(reason).or_default() += 1;
                    let (row, field, message) = (counts.rows_read, problem.field, problem.message);
                    counts.first_refusals.push(Refusal { row, field, message });
                    continue;
                }
            };
            counts.anonymous += u64::from(line.customer_id.is_none());
            let first = counts.first_occurred_at.unwrap_or(line.occurred_at);
            counts.first_occurred_at = Some(first.min(line.occurred_at));
            counts.last_occurred_at = counts.last_occurred_at.max(Some(line.occurred_at));
            let compact = HistoryLine::new(&line, recorded_at, &clock(), &mut symbols);
            if let (Some(order), Some(number)) = (&line.order_id, line.line_number) {
                let known = numbered.entry((order.clone(), number)).or_default();
                let last = known.last();
                let is_known = known.iter().any(|at| {
                    let Version { line: old, compact } = &versions[*at];
                    *old == line && (Some(at) == last || recorded_at <= compact.recorded_at)
                });
                if is_known {
                    counts.duplicates += 1;
                    continue;
                }
                match known.last() {
                    Some(last) => {
                        let old = &mut versions[*last].compact;
                        old.superseded_at = recorded_at.max(old.recorded_at);
                        counts.corrected += 1;
                    }
                    None => counts.accepted += 1,
                }
                known.push(versions.len());
            } else {
                counts.accepted += 1;
            }
            versions.push(Version { line, compact });
        }
    }
    counts.first_refusals.truncate(20);
    let mut lines: HashMap<CustomerId, Vec<HistoryLine>> = HashMap::new();
    for version in versions {
        if let Some(id) = version.line.customer_id {
            lines.entry(id).or_default().push(version.compact);
        }
    }
    counts.customers = lines.len() as u64;
    let mut histories: Histories =
        lines.into_iter().map(|(id, lines)| (id, CustomerHistory::new(lines))).collect();
    histories.sort_by_key(|(id, _)| (id.placement(), id.clone()));
    (Outcome { counts, symbols: all_texts(&symbols) }, histories)
}

/// Holds the code under test against the reference at several threads and limits.
pub(super) fn compare(paths: &[PathBuf], mapping: &Mapping) -> HistoryCounts {
    let (expected, expected_histories) = reference(paths, mapping);
    for (threads, limit) in [(1, u64::MAX), (2, u64::MAX), (3, 0), (1, 300_000)] {
        let (found, histories) = read(paths, mapping, threads, limit);
        assert_eq!(found, expected, "{threads} threads, {limit} bytes");
        assert_eq!(histories.len(), expected_histories.len());
        for ((id, history), (expected_id, expected)) in histories.iter().zip(&expected_histories) {
            assert_eq!(id.as_str(), expected_id.as_str());
            assert_eq!(history, expected, "{}", id.as_str());
        }
    }
    expected.counts
}
