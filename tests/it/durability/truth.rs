//! What must be stored after all senders are through, counted without the store.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

use patron::store::{DataSummary, TransactionStore};
use patron::transaction::{ShopClock, Timestamp};

use super::script::{Receipt, Sale, Script};

/// Sums over current lines.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Sums {
    pub(super) lines: u64,
    pub(super) returns: u64,
    pub(super) micros: i64,
    pub(super) thousandths: i64,
}

/// The whole data set.
#[derive(Clone, Debug, Default)]
pub(super) struct Truth {
    pub(super) sums: Sums,
    digest: u128,
    /// Lines whose place a correction took.
    pub(super) superseded: u64,
    pub(super) customers: BTreeMap<u64, Sums>,
    numbered: HashMap<(Receipt, u32), Kept>,
}

/// What must be taken away when a line is corrected.
#[derive(Clone, Copy, Debug)]
struct Kept {
    content: u128,
    micros: i64,
    thousandths: i64,
    customer: Option<u64>,
}

impl Sums {
    fn add(&mut self, kept: &Kept) {
        self.lines += 1;
        self.returns += u64::from(kept.thousandths < 0);
        self.micros += kept.micros;
        self.thousandths += kept.thousandths;
    }

    fn remove(&mut self, kept: &Kept) {
        self.lines -= 1;
        self.returns -= u64::from(kept.thousandths < 0);
        self.micros -= kept.micros;
        self.thousandths -= kept.thousandths;
    }
}

impl Truth {
    /// The end of all scripts. In which order they come does not matter: an order belongs to one.
    pub(super) fn of(scripts: &[Script]) -> Self {
        let mut truth = Self::default();
        for script in scripts {
            for index in 0..script.chunks {
                let chunk = script.chunk(index);
                chunk.new.iter().chain(&chunk.corrections).for_each(|sale| truth.add(sale));
            }
        }
        truth.numbered.clear();
        truth
    }

    fn add(&mut self, sale: &Sale) {
        let line = sale.line();
        let kept = Kept {
            content: u128::from_le_bytes(*line.content().as_bytes()),
            micros: line.amount().micros(),
            thousandths: sale.thousandths,
            customer: sale.customer,
        };
        if let Some(number) = sale.number
            && let Some(old) = self.numbered.insert((sale.receipt, number), kept)
        {
            self.superseded += 1;
            self.digest = self.digest.wrapping_sub(old.content);
            self.sums.remove(&old);
            if let Some(customer) = old.customer {
                self.customers.get_mut(&customer).unwrap().remove(&old);
            }
        }
        self.digest = self.digest.wrapping_add(kept.content);
        self.sums.add(&kept);
        if let Some(customer) = kept.customer {
            self.customers.entry(customer).or_default().add(&kept);
        }
    }

    /// Every line that was sent, each once.
    pub(super) fn lines_sent(&self) -> u64 {
        self.sums.lines + self.superseded
    }

    /// 32 hex digits.
    pub(super) fn digest(&self) -> String {
        format!("{:032x}", self.digest)
    }
}

/// What a store says of itself, and what its lines add up to.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) summary: DataSummary,
    pub(super) sums: Sums,
    pub(super) superseded: u64,
}

/// Opens the store of a stopped server. Every line passes by, so that summary and lines are both
/// put to the test; the file itself is checked too.
pub(super) fn found(directory: &Path) -> Found {
    let store = open(directory);
    let found = look(&store);
    drop(store);
    let database = rusqlite::Connection::open(database(directory)).unwrap();
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    found
}

/// The store below `directory`, for this process.
pub(super) fn open(directory: &Path) -> TransactionStore {
    let clock = ShopClock::new("Europe/London").unwrap();
    TransactionStore::open(&directory.join("data"), clock, "GBP").unwrap()
}

/// The database file below `directory`.
pub(super) fn database(directory: &Path) -> std::path::PathBuf {
    directory.join("data/transactions.sqlite3")
}

/// As [`found`], of an open store.
pub(super) fn look(store: &TransactionStore) -> Found {
    let mut reader = store.reader().unwrap();
    let (mut sums, mut superseded) = (Sums::default(), 0);
    reader
        .scan_sales(
            2,
            Vec::new,
            |lines, line| lines.push((line.superseded_at, line.amount, line.quantity)),
            |lines: Vec<_>| {
                for (superseded_at, amount, quantity) in lines {
                    if superseded_at < Timestamp::MAX {
                        superseded += 1;
                        continue;
                    }
                    sums.lines += 1;
                    sums.returns += u64::from(quantity.is_return());
                    sums.micros += amount.micros();
                    sums.thousandths += quantity.thousandths();
                }
                ControlFlow::Continue(())
            },
        )
        .unwrap();
    Found { summary: reader.summary(), sums, superseded }
}

impl Found {
    /// Compares with the truth, number by number.
    pub(super) fn must_be(&self, truth: &Truth) {
        assert_eq!(self.sums, truth.sums, "sums of the lines");
        assert_eq!(self.superseded, truth.superseded, "lines that were corrected");
        assert_eq!(self.summary.lines, truth.sums.lines, "lines of the summary");
        assert_eq!(self.summary.digest, truth.digest(), "digest");
        assert_eq!(self.summary.customers, truth.customers.len() as u64, "customers");
    }
}
