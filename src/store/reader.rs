//! Reading lines and histories from one consistent view.

use std::ops::ControlFlow;
use std::sync::Arc;

use rusqlite::{Connection, Rows};

use crate::transaction::{
    CustomerHistory, CustomerId, HistorySource, ImportReport, SymbolTable, Timestamp,
};

use super::cache::Remembered;
use super::decode::{Decoder, SaleLine};
use super::error::Fault;
use super::glance::Glance;
use super::history::StoredHistory;
use super::row::{StoredLine, find_customer, stored_line};
use super::scan::{self, Chunk};
use super::state::State;
use super::tail::Tail;
use super::texts::Texts;
use super::{StoreError, TransactionStore};

/// What is stored, in a few numbers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataSummary {
    /// Current lines.
    pub lines: u64,
    /// Customers with at least one line.
    pub customers: u64,
    /// The earliest sale.
    pub first_occurred_at: Option<Timestamp>,
    /// The latest sale.
    pub last_occurred_at: Option<Timestamp>,
    /// Equal for equal data: 32 hex digits that do not depend on the order of arrival.
    pub digest: String,
}

/// A consistent view of the store: what is written after it was opened is not seen.
#[derive(Debug)]
pub struct Reader<'a> {
    store: &'a TransactionStore,
    connection: Option<Connection>,
    tail: Arc<Tail>,
    state: State,
    texts: Texts,
}

impl<'a> Reader<'a> {
    pub(super) fn begin(store: &'a TransactionStore) -> Result<Self, StoreError> {
        // Before the transaction: see `Tails`.
        let tail = store.tails.newest();
        let connection = store.database.reader()?;
        let view = || {
            connection.prepare_cached("BEGIN")?.execute([])?;
            let state = State::load(&connection)?;
            let tail = store.tails.since(tail, &connection, &state)?;
            let texts = store.texts.current(&connection)?;
            Ok((state, tail, texts))
        };
        let (state, tail, texts) = view().map_err(|fault| store.database.fault(fault))?;
        store.latest.advance(state.last_recorded_at);
        Ok(Self { store, connection: Some(connection), tail, state, texts })
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// The whole history of one customer; empty when there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn history(&mut self, customer: &CustomerId) -> Result<Arc<Remembered>, StoreError> {
        let (cache, upto) = (&self.store.cache, self.state.last_batch);
        if let Some(history) = cache.find(customer, &self.tail, upto) {
            return Ok(history);
        }
        self.read(|reader, connection| {
            let Ok(key) = find_customer(connection, customer)? else {
                return Ok(Arc::default());
            };
            let stored = StoredHistory::load(connection, &reader.tail, key, upto)?;
            cache.decode(customer, stored.packed(), &reader.decoder())
        })
    }

    /// Visits every line of every customer and of nobody, superseded ones too, on `threads`
    /// threads; otherwise as [`HistorySource::scan_parallel`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn scan_sales<S: Send>(
        &mut self,
        threads: usize,
        new: impl Fn() -> S + Sync,
        visit: impl Fn(&mut S, &SaleLine) + Sync,
        sink: impl FnMut(S) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.read(|reader, connection| {
            let decoder = reader.decoder();
            let keys = reader.tail.customers();
            let mut tail_keys = keys.as_slice();
            let work = |chunk: Chunk| {
                let mut collected = new();
                chunk.sales(&decoder, |line| visit(&mut collected, line))?;
                Ok(collected)
            };
            let next = |rows: &mut Rows<'_>| Chunk::of_keys(rows, &mut tail_keys);
            scan::pass(connection, scan::KEYS, threads, next, work, sink)
        })
    }

    /// As [`HistorySource::scan_parallel`], with the number under which [`SaleLine::history`] knows
    /// each customer; the numbers rise.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn scan_histories<S, T: Send>(
        &mut self,
        threads: usize,
        new: impl Fn() -> S + Sync,
        visit: impl Fn(&mut S, i64, &CustomerId, &CustomerHistory) + Sync,
        finish: impl Fn(S) -> T + Sync,
        sink: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.read(|reader, connection| {
            let decoder = reader.decoder();
            let work = |chunk: Chunk| {
                let mut collected = new();
                chunk.histories(&decoder, |key, id, history| {
                    visit(&mut collected, key, id, history);
                })?;
                Ok(finish(collected))
            };
            scan::pass(connection, scan::CUSTOMERS, threads, Chunk::of_customers, work, sink)
        })
    }

    /// The current lines of one customer, latest first, after skipping `skip` of them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn lines(
        &mut self,
        customer: &CustomerId,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<StoredLine>, StoreError> {
        self.read(|reader, connection| {
            let Ok(key) = find_customer(connection, customer)? else {
                return Ok(Vec::new());
            };
            let upto = reader.state.last_batch;
            let history = StoredHistory::load(connection, &reader.tail, key, upto)?;
            let mut records = history.records()?;
            records.retain(|record| record.is_current());
            records.sort_by(|a, b| {
                let rest = (a.order_id, a.line_number, a.occurrence, a.product);
                let other = (b.order_id, b.line_number, b.occurrence, b.product);
                b.occurred_at.cmp(&a.occurred_at).then(rest.cmp(&other))
            });
            let page = records.iter().skip(skip).take(limit);
            let symbols = &reader.texts.symbols;
            Ok(page.map(|record| stored_line(record, Some(customer.clone()), symbols)).collect())
        })
    }

    /// Lines, customers, time range and digest.
    pub fn summary(&self) -> DataSummary {
        let (first_occurred_at, last_occurred_at) = self.state.range();
        DataSummary {
            lines: self.state.lines,
            customers: self.state.customers,
            first_occurred_at,
            last_occurred_at,
            digest: self.state.hex(),
        }
    }

    /// Another number when histories changed by other means than lines that arrived: by an import
    /// or an erasure. Until then, what was known before a past instant stays as it is.
    pub fn generation(&self) -> i64 {
        self.state.epoch
    }

    /// The reports of all imports, earliest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn import_reports(&mut self) -> Result<Vec<ImportReport>, StoreError> {
        let texts: Vec<String> = self.read(|_, connection| {
            let mut select =
                connection.prepare("SELECT report FROM import_report ORDER BY created_at")?;
            let texts = select.query_map([], |row| row.get(0))?;
            Ok(texts.collect::<rusqlite::Result<_>>()?)
        })?;
        texts.iter().map(|text| self.store.decode_report(text)).collect()
    }

    /// What it sees of the customer of this history.
    pub(super) fn glance(&self, history: Arc<Remembered>) -> Glance {
        Glance::new(self.state, Arc::clone(&self.texts.symbols), history)
    }

    fn decoder(&self) -> Decoder<'_> {
        let upto = self.state.last_batch;
        Decoder { clock: &self.store.clock, texts: &self.texts, tail: &self.tail, upto }
    }

    pub(super) fn read<T>(
        &mut self,
        query: impl FnOnce(&Self, &Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.store.database.reader()?,
        };
        let outcome = query(self, &connection);
        self.connection = Some(connection);
        outcome.map_err(|fault| self.store.database.fault(fault))
    }
}

impl HistorySource for Reader<'_> {
    type Error = StoreError;

    fn symbols(&self) -> &Arc<SymbolTable> {
        &self.texts.symbols
    }

    fn customers(&self) -> u64 {
        self.state.customers
    }

    fn scan_parallel<S, T: Send>(
        &mut self,
        threads: usize,
        new: impl Fn() -> S + Sync,
        visit: impl Fn(&mut S, &CustomerId, &CustomerHistory) + Sync,
        finish: impl Fn(S) -> T + Sync,
        sink: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let visit = |collected: &mut S, _: i64, id: &CustomerId, history: &CustomerHistory| {
            visit(collected, id, history);
        };
        self.scan_histories(threads, new, visit, finish, sink)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && roll_back(&connection).is_ok()
        {
            self.store.database.release(connection);
        }
    }
}

fn roll_back(connection: &Connection) -> rusqlite::Result<usize> {
    connection.prepare_cached("ROLLBACK")?.execute([])
}
