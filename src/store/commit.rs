//! One commit of lines that arrived: what is new, what was there, what is corrected.

use std::collections::hash_map::Entry;

use foldhash::{HashMap, HashSet};
use rusqlite::{Connection, params};

use crate::transaction::{
    CustomerId, LineIdentity, LineRef, OccurrenceCounter, StoreOutcome, SymbolTable, Timestamp,
    TransactionLine,
};

use super::error::Fault;
use super::history::StoredHistory;
use super::record::Record;
use super::row::{self, FreeKey, anonymous_key, customer_id, find_customer};
use super::row::{number_print, sale_print, stored_line};
use super::state::State;
use super::tail::{BatchBuilder, Change, Run, Tail};
use super::transactions::Writing;
use super::versions::Versions;

/// A line that is to be stored.
#[derive(Clone, Debug)]
pub struct NewLine {
    /// The line.
    pub line: TransactionLine,
    /// [`TransactionLine::content`].
    pub content: LineIdentity,
    /// Which of several equal lines without a number it is, from 1; 0 for a numbered line.
    pub occurrence: u32,
}

impl NewLine {
    /// A line of a stream that has `seen` those before it.
    pub fn new(line: TransactionLine, seen: &mut OccurrenceCounter) -> Self {
        let content = line.content();
        let occurrence = if line.is_numbered() { 0 } else { seen.count(content) };
        Self { line, content, occurrence }
    }
}

/// What became of one line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AppendOutcome {
    /// It is new.
    Accepted,
    /// It was there already, unchanged.
    Duplicate,
    /// It took the place of another line of the same identity.
    Corrected,
}

impl AppendOutcome {
    pub(super) fn count_in(self, counts: &mut StoreOutcome) {
        match self {
            Self::Accepted => counts.accepted += 1,
            Self::Duplicate => counts.duplicates += 1,
            Self::Corrected => counts.corrected += 1,
        }
    }
}

/// What the writer remembers from one commit to the next; forgotten when a commit fails.
#[derive(Debug, Default)]
pub(super) struct WriterMemory {
    pub(super) symbols: SymbolTable,
    customers: HashMap<CustomerId, i64>,
    epoch: i64,
}

/// Customers whose keys the writer remembers; then it starts over.
const CUSTOMERS_REMEMBERED: usize = 200_000;

impl WriterMemory {
    /// Brings it up to date with what other processes stored.
    pub(super) fn catch_up(&mut self, connection: &Connection, epoch: i64) -> Result<(), Fault> {
        let stored: i64 = connection
            .prepare_cached("SELECT coalesce(max(symbol), 0) FROM symbol")?
            .query_row([], |row| row.get(0))?;
        if stored as usize > self.symbols.len() {
            self.symbols = row::load_symbols(connection, &self.symbols)?;
        }
        if self.epoch != epoch || self.customers.len() > CUSTOMERS_REMEMBERED {
            self.customers.clear();
            self.epoch = epoch;
        }
        Ok(())
    }
}

impl WriterMemory {
    /// The key of a customer, who is stored when new.
    fn customer_key(
        &mut self,
        connection: &Connection,
        customer: &CustomerId,
        state: &mut State,
    ) -> Result<i64, Fault> {
        if let Some(key) = self.customers.get(customer) {
            return Ok(*key);
        }
        let key = match find_customer(connection, customer)? {
            Ok(key) => key,
            Err(FreeKey(key)) => {
                row::insert_customer(connection, key, customer)?;
                state.customers += 1;
                key
            }
        };
        self.customers.insert(customer.clone(), key);
        Ok(key)
    }
}

impl Writing<'_> {
    /// The key of a customer, who is stored when new.
    pub(super) fn customer_key(&mut self, customer: &CustomerId) -> Result<i64, Fault> {
        self.memory.customer_key(self.connection, customer, &mut self.state)
    }
}

/// One numbered line, as far as it is known.
#[derive(Debug, Default)]
struct Numbered {
    versions: Versions,
    /// Whose the current version is, and its digest when this commit brought it.
    current: Option<(i64, Option<LineIdentity>)>,
}

/// What is stored under one key, as far as it was asked for.
#[derive(Debug, Default)]
struct Known {
    last_occurred_at: Option<i64>,
    sales: Option<HashSet<u128>>,
}

/// A commit in the making, within one database transaction.
#[derive(Debug)]
pub(super) struct Commit<'a> {
    connection: &'a Connection,
    memory: &'a mut WriterMemory,
    tail: &'a Tail,
    state: State,
    batch: BatchBuilder,
    known: HashMap<i64, Known>,
    /// Orders whose stored lines are among `numbered`.
    orders: HashSet<u64>,
    numbered: HashMap<u128, Numbered>,
    /// Lines without a number that this commit has seen.
    sales: HashSet<u128>,
    buffer: Vec<u8>,
}

impl<'a> Commit<'a> {
    pub(super) fn new(writing: &'a mut Writing<'_>) -> Self {
        Self {
            connection: writing.connection,
            memory: writing.memory,
            tail: &writing.tail,
            state: writing.state,
            batch: BatchBuilder::default(),
            known: HashMap::default(),
            orders: HashSet::default(),
            numbered: HashMap::default(),
            sales: HashSet::default(),
            buffer: Vec::new(),
        }
    }

    /// Writes the batch and the state after it; `None` when nothing changed.
    pub(super) fn store(self) -> Result<Option<(State, Run)>, Fault> {
        let Self { connection, mut state, batch, .. } = self;
        if batch.is_empty() {
            return Ok(None);
        }
        state.last_batch += 1;
        connection
            .prepare_cached("INSERT INTO tail VALUES (?1, ?2)")?
            .execute(params![state.last_batch, batch.blob()])?;
        state.save(connection)?;
        Ok(Some((state, batch.run(state.last_batch))))
    }

    /// Adds one line. `is_told` when its source tells `recorded_at`, and it is not just the time of
    /// arrival.
    pub(super) fn add(
        &mut self,
        new: &NewLine,
        recorded_at: Timestamp,
        is_told: bool,
    ) -> Result<AppendOutcome, Fault> {
        let key = self.key(&new.line)?;
        let line = LineRef::from(&new.line);
        let numbers = row::intern_all(self.connection, &mut self.memory.symbols, &line)?;
        let record = row::record(&line, numbers, new.occurrence, recorded_at);
        if record.is_numbered() {
            let told = is_told.then_some(record.recorded_at);
            self.add_numbered(key, &record, told, new.content)
        } else {
            self.add_unnumbered(key, &record, new.content)
        }
    }

    fn key(&mut self, line: &TransactionLine) -> Result<i64, Fault> {
        let Some(customer) = &line.customer_id else {
            return Ok(anonymous_key(line.occurred_at));
        };
        self.memory.customer_key(self.connection, customer, &mut self.state)
    }

    fn add_unnumbered(
        &mut self,
        key: i64,
        record: &Record<'_>,
        content: LineIdentity,
    ) -> Result<AppendOutcome, Fault> {
        let print = sale_print(key, record, &mut self.buffer);
        if !self.sales.insert(print) || self.is_stored(key, record.occurred_at, print)? {
            return Ok(AppendOutcome::Duplicate);
        }
        self.push(key, Change::Add, record, content);
        Ok(AppendOutcome::Accepted)
    }

    fn add_numbered(
        &mut self,
        key: i64,
        record: &Record<'_>,
        told: Option<i64>,
        content: LineIdentity,
    ) -> Result<AppendOutcome, Fault> {
        let number = number_print(record, &mut self.buffer);
        let print = sale_print(key, record, &mut self.buffer);
        self.recall(record.order_key().raw())?;
        let line = self.numbered.entry(number).or_default();
        if line.versions.has(print, told) {
            return Ok(AppendOutcome::Duplicate);
        }
        line.versions.push(print, record.recorded_at);
        let Some((owner, old)) = line.current.replace((key, Some(content))) else {
            self.push(key, Change::Add, record, content);
            return Ok(AppendOutcome::Accepted);
        };
        let old = match old {
            Some(old) => old,
            None => self.stored_content(owner, record)?,
        };
        self.state.remove(old);
        if owner == key {
            self.push(key, Change::Correct, record, content);
        } else {
            self.batch.push(owner, Change::End, record);
            self.push(key, Change::Add, record, content);
        }
        Ok(AppendOutcome::Corrected)
    }

    fn push(&mut self, key: i64, change: Change, record: &Record<'_>, content: LineIdentity) {
        self.batch.push(key, change, record);
        self.state.add(content, record.occurred_at);
    }

    /// Whether an equal line without a number is stored. Later sales than all that are stored of
    /// the customer, which is what mostly arrives, are not looked for.
    fn is_stored(&mut self, key: i64, occurred_at: i64, print: u128) -> Result<bool, Fault> {
        let known = match self.known.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let last_occurred_at = last_stored(self.connection, self.tail, key)?;
                place.insert(Known { last_occurred_at, sales: None })
            }
        };
        if known.last_occurred_at.is_none_or(|last| occurred_at > last) {
            return Ok(false);
        }
        let sales = match &known.sales {
            Some(sales) => sales,
            None => {
                let upto = self.state.last_batch;
                let history = StoredHistory::load(self.connection, self.tail, key, upto)?;
                let records = history.records()?;
                let unnumbered = records.iter().filter(|record| !record.is_numbered());
                let print = |record: &Record<'_>| sale_print(key, record, &mut self.buffer);
                known.sales.insert(unnumbered.map(print).collect())
            }
        };
        Ok(sales.contains(&print))
    }

    /// Brings what is stored of an order into `numbered`, whoever its lines belong to.
    fn recall(&mut self, order: u64) -> Result<(), Fault> {
        if !self.orders.insert(order) {
            return Ok(());
        }
        let mut is_last = Vec::new();
        for owner in self.owners(order)? {
            let upto = self.state.last_batch;
            let history = StoredHistory::load(self.connection, self.tail, owner, upto)?;
            let is_wanted = |old: &&Record<'_>| old.is_numbered() && old.order_key().raw() == order;
            for old in history.records()?.iter().filter(is_wanted) {
                let number = number_print(old, &mut self.buffer);
                let print = sale_print(owner, old, &mut self.buffer);
                let line = self.numbered.entry(number).or_default();
                line.versions.push(print, old.recorded_at);
                if old.is_current() {
                    is_last.push((number, print));
                    line.current = Some((owner, None));
                }
            }
        }
        for (number, print) in is_last {
            self.numbered.entry(number).or_default().versions.end_with(print);
        }
        Ok(())
    }

    /// Customers with stored numbered lines under an order.
    fn owners(&self, order: u64) -> Result<Vec<i64>, Fault> {
        let mut owners: Vec<i64> = self.tail.customers_of_order(order).collect();
        let mut select = self
            .connection
            .prepare_cached("SELECT customer_key FROM order_customer WHERE order_hash = ?1")?;
        for owner in select.query_map([order as i64], |row| row.get(0))? {
            owners.push(owner?);
        }
        owners.sort_unstable();
        owners.dedup();
        Ok(owners)
    }

    fn stored_content(&self, owner: i64, record: &Record<'_>) -> Result<LineIdentity, Fault> {
        let upto = self.state.last_batch;
        let history = StoredHistory::load(self.connection, self.tail, owner, upto)?;
        let records = history.records()?;
        let current = |old: &&Record<'_>| old.is_current() && old.is_same_numbered_line(record);
        let old = records.iter().find(current);
        let old = old.ok_or_else(|| Fault::Damaged("a corrected line is gone".to_owned()))?;
        let customer = customer_id(self.connection, owner)?;
        Ok(stored_line(old, customer, &self.memory.symbols).line.content())
    }
}

/// The latest sale that is stored under a key.
fn last_stored(connection: &Connection, tail: &Tail, key: i64) -> Result<Option<i64>, Fault> {
    let mut select = connection
        .prepare_cached("SELECT last_occurred_at FROM history WHERE customer_key = ?1")?;
    let mut rows = select.query([key])?;
    let packed: Option<i64> = rows.next()?.map(|row| row.get(0)).transpose()?;
    Ok(packed.max(tail.last_occurred_at(key)))
}
