//! The deciding half of a merge: what becomes of the lines of a partition, on any thread.

use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use rusqlite::Connection;

use super::resolve::{Addition, Resolved};
use crate::store::bulk::Item;
use crate::store::commit::{AppendOutcome, NewLine};
use crate::store::error::Fault;
use crate::store::history::StoredHistory;
use crate::store::pack::last_occurred_at;
use crate::store::packed::pack;
use crate::store::record::Record;
use crate::store::row::{FreeKey, find_customer, parse_customer, stored_line};
use crate::store::state::StateChange;
use crate::store::tail::Tail;
use crate::transaction::{CustomerId, LineIdentity, StoreOutcome, SymbolTable, Timestamp};

/// What all partitions are decided by.
#[derive(Debug)]
pub(super) struct Basis {
    /// From the numbers of the rows to the symbols of the store.
    pub(super) symbols: Vec<u32>,
    /// The texts of the store.
    pub(super) texts: SymbolTable,
    /// Orders whose numbered lines belong to several customers, here or in the store.
    pub(super) divided: HashSet<u64>,
    pub(super) tail: Arc<Tail>,
    /// The last commit before the import.
    pub(super) upto: i64,
}

/// What is to be stored.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) outcome: StoreOutcome,
    pub(super) change: StateChange,
    /// New customers.
    pub(super) customers: Vec<(i64, CustomerId)>,
    pub(super) histories: Vec<PlannedHistory>,
    pub(super) orders: Vec<(i64, i64)>,
    /// Lines of divided orders: they are stored like lines that arrive, after all others.
    pub(super) left: Vec<Left>,
    pub(super) postponed: Option<Postponed>,
}

/// The new blob of one customer, or of nobody in one hour.
#[derive(Debug)]
pub(super) struct PlannedHistory {
    pub(super) key: i64,
    pub(super) last_occurred_at: i64,
    pub(super) lines: Vec<u8>,
}

/// A line of a divided order.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) row: u64,
    pub(super) new: NewLine,
    pub(super) recorded_at: Timestamp,
    pub(super) is_told: bool,
}

/// New customers whose own key another one has. Their next free key is known when all others are
/// stored.
#[derive(Debug)]
pub(super) struct Postponed {
    chunks: Vec<Box<[u8]>>,
    customers: Vec<String>,
}

impl Postponed {
    /// Calls `visit` with the lines of each of the customers.
    pub(super) fn each(
        &self,
        mut visit: impl FnMut(&[&Item<'_>]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let items = Item::read_all(&self.chunks)?;
        let items = by_customer(&items);
        let is_meant = |item: &Item<'_>| self.customers.iter().any(|id| *id == item.customer);
        items
            .chunk_by(|a, b| is_same(a, b))
            .filter(|items| items.first().is_some_and(|item| is_meant(item)))
            .try_for_each(&mut visit)
    }
}

/// Decides for one thread.
#[derive(Debug)]
pub(super) struct Planner<'a> {
    basis: &'a Basis,
    plan: Plan,
    last_new: Option<i64>,
    buffer: Vec<u8>,
    prints: Vec<u64>,
    numbers: Vec<(u64, u32)>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(basis: &'a Basis) -> Self {
        Self {
            basis,
            plan: Plan::default(),
            last_new: None,
            buffer: Vec::new(),
            prints: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// Decides on the lines of one partition.
    pub(super) fn partition(
        &mut self,
        connection: &Connection,
        chunks: Vec<Box<[u8]>>,
    ) -> Result<Plan, Fault> {
        let items = Item::read_all(&chunks)?;
        let sorted = by_customer(&items);
        let mut customers = Vec::new();
        for items in sorted.chunk_by(|a, b| is_same(a, b)) {
            let Some(first) = items.first() else { continue };
            match self.owner(connection, first)? {
                Owner::Displaced(_) => customers.push(first.customer.to_owned()),
                Owner::Known(key, id) => self.decide(connection, (key, id, false), items)?,
                Owner::New(key, id) => self.decide(connection, (key, Some(id), true), items)?,
            }
        }
        let mut plan = std::mem::take(&mut self.plan);
        if !customers.is_empty() {
            plan.postponed = Some(Postponed { chunks, customers });
        }
        Ok(plan)
    }

    /// Decides on the lines of one customer that was postponed, by a connection that sees all
    /// others.
    pub(super) fn displaced(
        &mut self,
        connection: &Connection,
        items: &[&Item<'_>],
    ) -> Result<Plan, Fault> {
        self.last_new = None;
        if let Some(first) = items.first() {
            let (key, id, is_new) = match self.owner(connection, first)? {
                Owner::Known(key, id) => (key, id, false),
                Owner::New(key, id) => (key, Some(id), true),
                Owner::Displaced(FreeKey(key)) => {
                    (key, Some(parse_customer(first.customer)?), true)
                }
            };
            self.decide(connection, (key, id, is_new), items)?;
        }
        Ok(std::mem::take(&mut self.plan))
    }

    /// Whose a line is.
    fn owner(&mut self, connection: &Connection, item: &Item<'_>) -> Result<Owner, Fault> {
        if item.is_anonymous() {
            return Ok(Owner::Known(item.key, None));
        }
        let customer = parse_customer(item.customer)?;
        match find_customer(connection, &customer)? {
            Ok(key) => Ok(Owner::Known(key, Some(customer))),
            Err(FreeKey(key)) if key != item.key || self.last_new == Some(key) => {
                Ok(Owner::Displaced(FreeKey(key)))
            }
            Err(FreeKey(key)) => {
                self.last_new = Some(key);
                Ok(Owner::New(key, customer))
            }
        }
    }

    /// Decides on the lines of one customer, or of nobody in one hour.
    fn decide(
        &mut self,
        connection: &Connection,
        (key, customer, is_new): (i64, Option<CustomerId>, bool),
        items: &[&Item<'_>],
    ) -> Result<(), Fault> {
        let basis = self.basis;
        self.plan.outcome.repeated_rows += self.repeats(items);
        self.plan.outcome.customers += u64::from(customer.is_some());
        let history = match is_new {
            true => StoredHistory::none(&basis.tail, key, basis.upto),
            false => StoredHistory::load(connection, &basis.tail, key, basis.upto)?,
        };
        let stored = history.records()?;
        let mut records = if stored.is_empty() && self.are_all_new(items) {
            self.take_over(key, items)
        } else {
            self.resolve(key, customer.as_ref(), (&history, stored), items)?
        };
        if let (true, Some(customer)) = (is_new, customer) {
            self.plan.customers.push((key, customer));
        }
        if !records.is_empty() {
            let last_occurred_at = last_occurred_at(&records);
            let lines = pack(&mut records);
            self.plan.histories.push(PlannedHistory { key, last_occurred_at, lines });
        }
        Ok(())
    }

    /// Whether no two of the lines are versions of one, and no order is divided. It may be wrong
    /// only where it says no.
    fn are_all_new(&mut self, items: &[&Item<'_>]) -> bool {
        self.numbers.clear();
        for item in items.iter().filter(|item| item.record.is_numbered()) {
            let number = item.record.line_number.unwrap_or_default();
            self.numbers.push((item.record.order_key().raw(), number));
        }
        self.numbers.sort_unstable();
        let mut neighbours = self.numbers.windows(2);
        let is_divided = |(order, _): &(u64, u32)| self.basis.divided.contains(order);
        !neighbours.any(|pair| pair.first() == pair.last())
            && (self.basis.divided.is_empty() || !self.numbers.iter().any(is_divided))
    }

    /// The records of lines that are all new to a customer without a history.
    fn take_over<'r>(&mut self, key: i64, items: &[&Item<'r>]) -> Vec<Record<'r>> {
        let mut counts = HashMap::default();
        let mut records = Vec::with_capacity(items.len());
        for item in items {
            let record = self.record(item, &mut counts);
            self.plan.change.add(item.content, record.occurred_at);
            self.note_order(key, &record);
            records.push(record);
        }
        self.plan.outcome.accepted += items.len() as u64;
        records
    }

    /// The records of a customer's lines and of those that are stored; none when nothing is new.
    fn resolve<'r>(
        &mut self,
        key: i64,
        customer: Option<&CustomerId>,
        (history, stored): (&StoredHistory<'_>, Vec<Record<'r>>),
        items: &[&Item<'r>],
    ) -> Result<Vec<Record<'r>>, Fault> {
        let basis = self.basis;
        let mut resolved = Resolved::default();
        let before = stored.len();
        for record in stored {
            resolved.adopt(key, record, &mut self.buffer);
        }
        // What was not packed yet is now, so its orders must be found from now on.
        let packed_batch = history.packed_batch().unwrap_or_default();
        for change in basis.tail.changes(key, packed_batch, basis.upto) {
            self.note_order(key, &change?.1);
        }
        let mut counts = HashMap::default();
        for item in items {
            let record = self.record(item, &mut counts);
            if record.is_numbered() && basis.divided.contains(&record.order_key().raw()) {
                self.leave(item, &record, customer.cloned());
                continue;
            }
            let outcome = self.add(&mut resolved, key, (record, item), customer);
            outcome.count_in(&mut self.plan.outcome);
        }
        let is_changed = resolved.records.len() > before;
        Ok(if is_changed { resolved.records } else { Vec::new() })
    }

    fn add<'r>(
        &mut self,
        resolved: &mut Resolved<'r>,
        key: i64,
        (record, item): (Record<'r>, &Item<'_>),
        customer: Option<&CustomerId>,
    ) -> AppendOutcome {
        let content = item.content;
        let outcome = match resolved.add(key, (record, item.is_told), content, &mut self.buffer) {
            Addition::Duplicate => return AppendOutcome::Duplicate,
            Addition::New => AppendOutcome::Accepted,
            Addition::Corrects(old, content) => {
                let old = content.unwrap_or_else(|| {
                    stored_line(&old, customer.cloned(), &self.basis.texts).line.content()
                });
                self.plan.change.remove(old);
                AppendOutcome::Corrected
            }
        };
        self.plan.change.add(content, record.occurred_at);
        self.note_order(key, &record);
        outcome
    }

    fn note_order(&mut self, key: i64, record: &Record<'_>) {
        if !record.is_numbered() {
            return;
        }
        let order = (record.order_key().raw() as i64, key);
        if self.plan.orders.last() != Some(&order) {
            self.plan.orders.push(order);
        }
    }

    /// The record of a line in the symbols of the store; `counts` tells equal ones apart.
    fn record<'r>(&self, item: &Item<'r>, counts: &mut HashMap<LineIdentity, u32>) -> Record<'r> {
        let symbol = |number: u32| {
            let symbol = self.basis.symbols.get(number as usize);
            symbol.copied().unwrap_or_default()
        };
        let record = &item.record;
        let mut occurrence = 0;
        if !record.is_numbered() {
            let count = counts.entry(item.content).or_default();
            *count += 1;
            occurrence = *count;
        }
        Record {
            occurrence,
            product: symbol(record.product),
            category: symbol(record.category),
            channel: symbol(record.channel),
            store: symbol(record.store),
            promotion: symbol(record.promotion),
            country: symbol(record.country),
            ..*record
        }
    }

    fn leave(&mut self, item: &Item<'_>, record: &Record<'_>, customer: Option<CustomerId>) {
        let stored = stored_line(record, customer, &self.basis.texts);
        let new = NewLine { line: stored.line, content: item.content, occurrence: 0 };
        let (row, is_told) = (item.row, item.is_told);
        self.plan.left.push(Left { row, new, recorded_at: stored.recorded_at, is_told });
    }

    /// Rows that repeat an earlier row of the same customer in every cell.
    fn repeats(&mut self, items: &[&Item<'_>]) -> u64 {
        self.prints.clear();
        self.prints.extend(items.iter().map(|item| item.fingerprint));
        self.prints.sort_unstable();
        self.prints.dedup();
        (items.len() - self.prints.len()) as u64
    }
}

/// Whose some lines are: the key, and the customer unless they are nobody's.
enum Owner {
    Known(i64, Option<CustomerId>),
    New(i64, CustomerId),
    /// Another customer has, or may get, the key that would be theirs.
    Displaced(FreeKey),
}

/// Neighbours of one customer together, each customer's in the order of the rows.
fn by_customer<'a, 'b>(items: &'a [Item<'b>]) -> Vec<&'a Item<'b>> {
    let mut sorted: Vec<&Item<'_>> = items.iter().collect();
    sorted.sort_unstable_by_key(|item| (item.key, item.customer, item.row));
    sorted
}

fn is_same(a: &Item<'_>, b: &Item<'_>) -> bool {
    (a.key, a.customer) == (b.key, b.customer)
}
