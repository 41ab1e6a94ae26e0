//! Many lines in one transaction: divided by customer first, then merged into the packed histories
//! one customer after the other.
//!
//! Dividing needs no lock. Memory holds one partition, and the rest lies in a file without a name.

use std::io;
use std::ops::ControlFlow;

use foldhash::HashMap;

use crate::transaction::{
    ImportReport, LineIdentity, StoreOutcome, SymbolTable, Timestamp, TransactionLine,
};

use super::bytes::{Bytes, put, put_text};
use super::database::Durability;
use super::error::Fault;
use super::merge::Merge;
use super::record::Record;
use super::row::{self, anonymous_key, is_anonymous};
use super::spill::Spill;
use super::{StoreError, TransactionStore};

/// Partitions of customers; lines without a customer have as many of their own.
const PARTITIONS: usize = 64;

/// A line of a bulk import.
#[derive(Clone, Debug)]
pub struct BulkLine {
    /// The line.
    pub line: TransactionLine,
    /// [`TransactionLine::content`].
    pub content: LineIdentity,
    /// When the shop's systems knew of it, where the source tells; otherwise it is the time of the
    /// import.
    pub recorded_at: Option<Timestamp>,
    /// Names the cells of its row.
    pub fingerprint: u64,
}

/// An import in the making; nothing of it is stored before [`Bulk::commit`].
#[derive(Debug)]
pub struct Bulk<'a> {
    store: &'a TransactionStore,
    spill: Spill,
    pub(super) symbols: SymbolTable,
    products: Vec<bool>,
    /// The customer of each order with numbered lines; `None` when there are several.
    pub(super) orders: HashMap<u64, Option<i64>>,
    lines: u64,
    now: Timestamp,
}

impl TransactionStore {
    /// Begins a bulk import that keeps about `memory` bytes of lines in memory and the rest in a
    /// file in the data directory.
    pub fn bulk(&self, memory: usize) -> Bulk<'_> {
        let directory = self.database.path().parent().map(ToOwned::to_owned).unwrap_or_default();
        Bulk {
            store: self,
            spill: Spill::new(2 * PARTITIONS, memory, directory),
            symbols: SymbolTable::default(),
            products: Vec::new(),
            orders: HashMap::default(),
            lines: 0,
            now: self.now(),
        }
    }
}

impl Bulk<'_> {
    /// Adds a line.
    ///
    /// # Errors
    /// When the file beside the database cannot be written.
    pub fn push(&mut self, new: &BulkLine) -> Result<(), StoreError> {
        let line = &new.line;
        let (key, partition) = place(line);
        let symbols = &mut self.symbols;
        let recorded_at = new.recorded_at.unwrap_or(self.now);
        let numbered = row::record(line, 0, recorded_at, |text| {
            Ok::<_, std::convert::Infallible>(symbols.intern(text).raw())
        });
        let Ok(record) = numbered;
        self.note(key, &record);
        let row = self.lines;
        self.lines += 1;
        let written = self.spill.append(partition, |bytes| {
            bytes.extend_from_slice(&key.to_le_bytes());
            bytes.extend_from_slice(new.content.as_bytes());
            bytes.extend_from_slice(&new.fingerprint.to_le_bytes());
            put(bytes, row << 1 | u64::from(new.recorded_at.is_some()));
            put_text(bytes, line.customer_id.as_ref().map_or("", |id| id.as_str()));
            record.write(&Record::default(), bytes);
        });
        written.map_err(|error| self.store.beside(&error))
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
        let products = self.products.iter().filter(|is_known| **is_known).count() as u64;
        let orders = self.orders.len() as u64;
        let writer = store.database.writer();
        let stored = store.write(&writer, Durability::Full, |writing| {
            let mut merge = Merge::begin(writing, &mut self)?;
            let partitions = self.spill.len();
            for partition in 0..partitions {
                if tick(partition as f64 / partitions as f64).is_break() {
                    return Err(Fault::Cancelled);
                }
                let bytes = self.spill.take(partition).map_err(|error| fault(&error))?;
                merge.partition(&bytes)?;
            }
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

    /// Remembers what is counted and which orders are divided among customers.
    fn note(&mut self, key: i64, record: &Record<'_>) {
        let product = record.product as usize;
        if self.products.len() <= product {
            self.products.resize(product + 1, false);
        }
        if let Some(is_known) = self.products.get_mut(product) {
            *is_known = true;
        }
        if !record.order_id.is_empty() {
            let owner = self.orders.entry(record.order_key().raw()).or_insert(Some(key));
            if record.is_numbered() && owner.is_some_and(|owner| owner != key) {
                *owner = None;
            }
        }
    }
}

/// The key of a line as far as it follows from the line, and the partition that it belongs to.
fn place(line: &TransactionLine) -> (i64, usize) {
    match &line.customer_id {
        Some(customer) => {
            let key = customer.placement();
            (key, (key >> 57) as usize % PARTITIONS)
        }
        None => {
            let key = anonymous_key(line.occurred_at);
            (key, PARTITIONS + key.rem_euclid(PARTITIONS as i64) as usize)
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
    /// Its symbols are those of the import.
    pub(super) record: Record<'a>,
}

impl<'a> Item<'a> {
    /// The lines of a partition, neighbours of one customer together, each customer's in the order
    /// of the rows.
    pub(super) fn read_all(bytes: &'a [u8]) -> Result<Vec<Self>, Fault> {
        let mut rest = Bytes::new(bytes);
        let mut items = Vec::new();
        while !rest.rest().is_empty() {
            let item = Self::read(&mut rest);
            items.push(item.ok_or_else(|| Fault::Damaged("a spilled line".to_owned()))?);
        }
        items.sort_by_key(|item: &Self| (item.key, item.customer));
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

fn fault(error: &io::Error) -> Fault {
    Fault::Damaged(format!("the file beside the database: {error}"))
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
