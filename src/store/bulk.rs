//! Many lines in one transaction: divided by customer first, then merged into the packed histories
//! one customer after the other.
//!
//! Dividing needs no lock and most of it is done on any number of threads, by [`BulkWriter`]s.
//! Memory holds a few partitions, and beyond a limit the rest lies in a file without a name.

mod writer;

use std::io;
use std::ops::ControlFlow;

use foldhash::HashMap;

use crate::transaction::{ImportReport, LineIdentity, StoreOutcome, SymbolTable, Timestamp};

pub use self::writer::{BulkBatch, BulkRow, BulkWriter, TextNumbers};
use self::writer::{Mention, Use};
use super::bytes::Bytes;
use super::database::Durability;
use super::error::Fault;
use super::merge::Merge;
use super::record::Record;
use super::row::is_anonymous;
use super::spill::Spill;
use super::{StoreError, TransactionStore};

/// Partitions of customers; lines without a customer have as many of their own.
const PARTITIONS: usize = 256;

/// An import in the making; nothing of it is stored before [`Bulk::commit`].
#[derive(Debug)]
pub struct Bulk<'a> {
    store: &'a TransactionStore,
    threads: usize,
    spill: Spill,
    /// The texts in the order in which the rows name them.
    pub(super) symbols: SymbolTable,
    /// From the numbers of the rows to `symbols`.
    pub(super) numbers: Vec<u32>,
    products: u64,
    /// The customer of each order with numbered lines; `None` when there are several.
    pub(super) orders: HashMap<u64, Option<i64>>,
    is_product: Vec<bool>,
    now: Timestamp,
}

impl TransactionStore {
    /// Begins a bulk import that keeps about `memory` bytes of lines in memory and the rest in a
    /// file in the data directory, and that is merged on `threads` threads.
    pub fn bulk(&self, memory: usize, threads: usize) -> Bulk<'_> {
        let directory = self.database.path().parent().map(ToOwned::to_owned).unwrap_or_default();
        Bulk {
            store: self,
            threads,
            spill: Spill::new(2 * PARTITIONS, memory, directory),
            symbols: SymbolTable::default(),
            numbers: Vec::new(),
            products: 0,
            orders: HashMap::default(),
            is_product: Vec::new(),
            now: self.now(),
        }
    }
}

impl Bulk<'_> {
    /// Makes lines ready for this import; every thread has its own.
    pub fn writer(&self) -> BulkWriter {
        BulkWriter::new(self.now)
    }

    /// Adds what a writer made ready. The lines of all batches count in the order of their rows, so
    /// batches must come in it.
    ///
    /// # Errors
    /// When the file beside the database cannot be written.
    pub fn append(&mut self, batch: BulkBatch) -> Result<(), StoreError> {
        for mention in &batch.mentions {
            self.name(mention);
        }
        for &(order, key, is_numbered) in &batch.orders {
            let owner = self.orders.entry(order).or_insert(Some(key));
            if is_numbered && owner.is_some_and(|owner| owner != key) {
                *owner = None;
            }
        }
        for (partition, bytes) in batch.chunks {
            let written = self.spill.append(partition, bytes);
            written.map_err(|error| self.store.beside(&error))?;
        }
        Ok(())
    }

    /// Stores all lines and the report that `report` makes, in one transaction.
    ///
    /// `tick` hears the fraction that is done and may break the import off.
    ///
    /// # Errors
    /// When the medium fails or `tick` broke off; then nothing was stored.
    pub fn commit(
        mut self,
        import_id: &str,
        report: impl FnOnce(StoreOutcome) -> ImportReport,
        tick: &mut dyn FnMut(f64) -> ControlFlow<()>,
    ) -> Result<ImportReport, StoreError> {
        let store = self.store;
        let (products, orders) = (self.products, self.orders.len() as u64);
        let writer = store.database.writer();
        let stored = store.write(&writer, Durability::Full, |writing| {
            let mut merge = Merge::begin(writing, &mut self)?;
            merge.partitions(&store.database, self.threads, &mut self.spill, tick)?;
            let run = merge.settle()?;
            let report = report(StoreOutcome { products, orders, ..merge.outcome });
            let state = merge.finish(import_id, &report)?;
            Ok((report, state, run))
        });
        let (report, state, run) = stored.map_err(|fault| store.database.fault(fault))?;
        store.tails.begin_epoch(state.epoch);
        if let Some(run) = run {
            store.tails.push(&state, run);
        }
        store.latest.advance(state.last_recorded_at);
        store.maintenance.empty_log_soon();
        Ok(report)
    }

    /// Gives a text its symbol, and the first part of a category path its own.
    fn name(&mut self, mention: &Mention) {
        let Mention { number, text, .. } = mention;
        let place = *number as usize;
        if place >= self.numbers.len() {
            self.numbers.resize(place + 1, 0);
            self.is_product.resize(place + 1, false);
        }
        if let Some(symbol) = self.numbers.get_mut(place) {
            *symbol = self.symbols.intern(Some(text)).raw();
        }
        match mention.used {
            Use::Category => {
                if let Some((top, _)) = text.split_once('/') {
                    self.symbols.intern(Some(top));
                }
            }
            Use::Product => {
                if let Some(is_known) = self.is_product.get_mut(place) {
                    self.products += u64::from(!*is_known);
                    *is_known = true;
                }
            }
            Use::Place => {}
        }
    }
}

/// One line of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub(super) key: i64,
    pub(super) customer: &'a str,
    /// Its place among the rows of the import.
    pub(super) row: u64,
    /// Whether the source told when the line became known.
    pub(super) is_told: bool,
    pub(super) content: LineIdentity,
    pub(super) fingerprint: u64,
    /// Its texts are the numbers of the rows.
    pub(super) record: Record<'a>,
}

impl<'a> Item<'a> {
    /// The lines of a partition.
    pub(super) fn read_all(chunks: &'a [Box<[u8]>]) -> Result<Vec<Self>, Fault> {
        let mut items = Vec::new();
        for chunk in chunks {
            let mut rest = Bytes::new(chunk);
            while !rest.rest().is_empty() {
                let item = Self::read(&mut rest);
                items.push(item.ok_or_else(|| Fault::Damaged("a spilled line".to_owned()))?);
            }
        }
        Ok(items)
    }

    fn read(bytes: &mut Bytes<'a>) -> Option<Self> {
        let key = i64::from_le_bytes(bytes.take(8)?.try_into().ok()?);
        let content = LineIdentity::from_bytes(bytes.take(16)?.try_into().ok()?);
        let fingerprint = u64::from_le_bytes(bytes.take(8)?.try_into().ok()?);
        let place = bytes.number()?;
        let (row, is_told) = (place >> 1, place & 1 == 1);
        let customer = bytes.text()?;
        let record = Record::read(bytes, &Record::default())?;
        Some(Self { key, customer, row, is_told, content, fingerprint, record })
    }

    /// Whether the line has no customer.
    pub(super) fn is_anonymous(&self) -> bool {
        is_anonymous(self.key)
    }
}

impl TransactionStore {
    /// What a failure of the file beside the database means.
    fn beside(&self, error: &io::Error) -> StoreError {
        let path = self.database.path().to_owned();
        match error.kind() {
            io::ErrorKind::StorageFull => StoreError::Full { path },
            _ => StoreError::Open { path, detail: format!("the file beside it: {error}") },
        }
    }
}
