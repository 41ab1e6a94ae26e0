//! Merging the lines of a bulk import into the histories, one customer after the other.

use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use rusqlite::params;

use crate::transaction::{
    CustomerId, ImportReport, LineIdentity, StoreOutcome, Symbol, SymbolTable, Timestamp,
};

use super::bulk::{Bulk, Item};
use super::commit::{AppendOutcome, Commit, NewLine};
use super::error::Fault;
use super::history::StoredHistory;
use super::pack::{last_occurred_at, store_orders};
use super::packed::pack;
use super::record::Record;
use super::row::{self, number_print, parse_customer, sale_print, stored_line};
use super::state::State;
use super::tail::Run;
use super::transactions::Writing;
use super::versions::Versions;

/// The writing half of a bulk import.
#[derive(Debug)]
pub(super) struct Merge<'a, 'b> {
    writing: &'a mut Writing<'b>,
    pub(super) outcome: StoreOutcome,
    /// From the symbols of the import to those of the store.
    symbols: Vec<u32>,
    import_symbols: SymbolTable,
    /// Orders whose numbered lines belong to several customers, here or in the store.
    divided: HashSet<u64>,
    /// Their lines: they are stored like lines that arrive, after all others.
    left: Vec<Left>,
    orders: Vec<(i64, i64)>,
    buffer: Vec<u8>,
}

/// A line of a divided order.
#[derive(Debug)]
struct Left {
    row: u64,
    new: NewLine,
    recorded_at: Timestamp,
    is_told: bool,
}

/// What one customer's lines are resolved against.
#[derive(Debug, Default)]
struct Resolved<'a> {
    records: Vec<Record<'a>>,
    /// Digest of each record, where it came with this import.
    contents: Vec<Option<LineIdentity>>,
    /// Numbered lines: their versions so far, and where the current one stands.
    versions: HashMap<u128, (Versions, Option<usize>)>,
    /// Lines without a number.
    sales: HashSet<u128>,
}

impl<'a, 'b> Merge<'a, 'b> {
    /// Stores the texts of the import and finds the orders that belong to several customers.
    pub(super) fn begin(writing: &'a mut Writing<'b>, bulk: &mut Bulk<'_>) -> Result<Self, Fault> {
        let import_symbols = std::mem::take(&mut bulk.symbols);
        let mut symbols = vec![0];
        for number in 1..=import_symbols.len() as u32 {
            let text = import_symbols.text(Symbol::from_raw(number));
            symbols.push(row::intern(writing.connection, &mut writing.memory.symbols, text)?);
        }
        let orders = std::mem::take(&mut bulk.orders);
        let divided = divided(writing, orders)?;
        Ok(Self {
            writing,
            outcome: StoreOutcome::default(),
            symbols,
            import_symbols,
            divided,
            left: Vec::new(),
            orders: Vec::new(),
            buffer: Vec::new(),
        })
    }

    /// Merges the lines of one partition.
    pub(super) fn partition(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let items = Item::read_all(bytes)?;
        self.outcome.repeated_rows += repeats(&items);
        let same = |a: &Item<'_>, b: &Item<'_>| (a.key, a.customer) == (b.key, b.customer);
        items.chunk_by(same).try_for_each(|items| self.customer(items))
    }

    /// Stores the orders, and the lines of divided orders in the order of their rows.
    pub(super) fn settle(&mut self) -> Result<Option<Run>, Fault> {
        self.store_orders()?;
        let mut left = std::mem::take(&mut self.left);
        left.sort_by_key(|left| left.row);
        let mut commit = Commit::new(self.writing);
        for Left { new, recorded_at, is_told, .. } in &left {
            let outcome = commit.add(new, *recorded_at, *is_told)?;
            outcome.count_in(&mut self.outcome);
        }
        let Some((state, run)) = commit.store()? else {
            return Ok(None);
        };
        self.writing.state = state;
        Ok(Some(run))
    }

    /// Stores the report and the totals, which are returned.
    pub(super) fn finish(self, import_id: &str, report: &ImportReport) -> Result<State, Fault> {
        let Writing { connection, state, .. } = self.writing;
        state.epoch += 1;
        state.last_recorded_at = state.last_recorded_at.max(Timestamp::now().micros());
        state.save(connection)?;
        let text = serde_json::to_string(report)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        connection.execute(
            "INSERT OR REPLACE INTO import_report VALUES (?1, ?2, ?3)",
            params![import_id, Timestamp::now().micros(), text],
        )?;
        Ok(*state)
    }

    /// Merges the lines of one customer, or of nobody in one hour.
    fn customer(&mut self, items: &[Item<'_>]) -> Result<(), Fault> {
        let Some(first) = items.first() else {
            return Ok(());
        };
        let (key, customer) = self.key(first)?;
        let upto = self.writing.state.last_batch;
        let tail = Arc::clone(&self.writing.tail);
        let history = StoredHistory::load(self.writing.connection, &tail, key, upto)?;
        let mut resolved = Resolved::default();
        for record in history.records()? {
            resolved.adopt(key, record, &mut self.buffer);
        }
        // What was not packed yet is now, so its orders must be found from now on.
        let packed_batch = history.packed_batch().unwrap_or_default();
        for change in tail.changes(key, packed_batch, upto) {
            self.note_order(key, &change?.1);
        }
        let before = resolved.records.len();
        let mut counts: HashMap<LineIdentity, u32> = HashMap::default();
        for item in items {
            let mut record = self.translate(&item.record);
            if record.is_numbered() && self.divided.contains(&record.order_key().raw()) {
                self.leave(item, customer.clone());
                continue;
            }
            if !record.is_numbered() {
                let count = counts.entry(item.content).or_default();
                *count += 1;
                record.occurrence = *count;
            }
            let outcome = self.add(&mut resolved, key, (record, item), customer.as_ref());
            outcome.count_in(&mut self.outcome);
        }
        if resolved.records.len() > before {
            self.store(key, upto, &mut resolved.records)?;
        }
        Ok(())
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
                let symbols = &self.writing.memory.symbols;
                let old = content.unwrap_or_else(|| {
                    stored_line(&old, customer.cloned(), symbols).line.content()
                });
                self.writing.state.remove(old);
                AppendOutcome::Corrected
            }
        };
        self.writing.state.add(content, record.occurred_at);
        self.note_order(key, &record);
        outcome
    }

    fn note_order(&mut self, key: i64, record: &Record<'_>) {
        let order = (record.order_key().raw() as i64, key);
        if record.is_numbered() && self.orders.last() != Some(&order) {
            self.orders.push(order);
        }
    }

    /// The key of the lines' customer, who is stored when new.
    fn key(&mut self, item: &Item<'_>) -> Result<(i64, Option<CustomerId>), Fault> {
        if item.is_anonymous() {
            return Ok((item.key, None));
        }
        let customer = parse_customer(item.customer)?;
        self.outcome.customers += 1;
        Ok((self.writing.customer_key(&customer)?, Some(customer)))
    }

    /// A record in the symbols of the store.
    fn translate<'r>(&self, record: &Record<'r>) -> Record<'r> {
        let symbol = |number: u32| self.symbols.get(number as usize).copied().unwrap_or_default();
        Record {
            product: symbol(record.product),
            category: symbol(record.category),
            channel: symbol(record.channel),
            store: symbol(record.store),
            promotion: symbol(record.promotion),
            country: symbol(record.country),
            ..*record
        }
    }

    fn leave(&mut self, item: &Item<'_>, customer: Option<CustomerId>) {
        let stored = stored_line(&item.record, customer, &self.import_symbols);
        let new = NewLine { line: stored.line, content: item.content, occurrence: 0 };
        let (row, is_told) = (item.row, item.is_told);
        self.left.push(Left { row, new, recorded_at: stored.recorded_at, is_told });
    }

    fn store(&self, key: i64, upto: i64, records: &mut [Record<'_>]) -> Result<(), Fault> {
        self.writing
            .connection
            .prepare_cached("INSERT OR REPLACE INTO history VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![key, upto, last_occurred_at(records), pack(records)])?;
        Ok(())
    }

    fn store_orders(&mut self) -> Result<(), Fault> {
        self.orders.sort_unstable();
        self.orders.dedup();
        store_orders(self.writing.connection, &self.orders)?;
        self.orders.clear();
        Ok(())
    }
}

/// What a line is to those before it.
enum Addition<'a> {
    New,
    Duplicate,
    /// The record that it replaces, with its digest where this import brought it.
    Corrects(Record<'a>, Option<LineIdentity>),
}

impl<'a> Resolved<'a> {
    /// Takes in a stored record.
    fn adopt(&mut self, key: i64, record: Record<'a>, buffer: &mut Vec<u8>) {
        let sale = sale_print(key, &record, buffer);
        if record.is_numbered() {
            let versions = self.versions.entry(number_print(&record, buffer)).or_default();
            versions.0.push(sale, record.recorded_at);
            if record.is_current() {
                versions.0.end_with(sale);
                versions.1 = Some(self.records.len());
            }
        } else {
            self.sales.insert(sale);
        }
        self.records.push(record);
        self.contents.push(None);
    }

    fn add(
        &mut self,
        key: i64,
        (record, is_told): (Record<'a>, bool),
        content: LineIdentity,
        buffer: &mut Vec<u8>,
    ) -> Addition<'a> {
        let sale = sale_print(key, &record, buffer);
        let mut addition = Addition::New;
        if record.is_numbered() {
            let (versions, current) =
                self.versions.entry(number_print(&record, buffer)).or_default();
            if versions.has(sale, is_told.then_some(record.recorded_at)) {
                return Addition::Duplicate;
            }
            versions.push(sale, record.recorded_at);
            let old = current.replace(self.records.len());
            if let Some(place) = old
                && let Some(old) = self.records.get_mut(place)
            {
                old.supersede(record.recorded_at);
                let content = self.contents.get(place).copied().flatten();
                addition = Addition::Corrects(*old, content);
            }
        } else if !self.sales.insert(sale) {
            return Addition::Duplicate;
        }
        self.records.push(record);
        self.contents.push(Some(content));
        addition
    }
}

/// Rows that repeat an earlier row of the same customer in every cell.
fn repeats(items: &[Item<'_>]) -> u64 {
    let mut rows: Vec<(i64, u64)> = items.iter().map(|item| (item.key, item.fingerprint)).collect();
    rows.sort_unstable();
    let different = rows.chunk_by(|a, b| a == b).count();
    (items.len() - different) as u64
}

/// The orders of an import whose numbered lines belong to several customers, in the import or
/// together with what is stored.
fn divided(
    writing: &Writing<'_>,
    orders: HashMap<u64, Option<i64>>,
) -> Result<HashSet<u64>, Fault> {
    let mut select = writing
        .connection
        .prepare_cached("SELECT customer_key FROM order_customer WHERE order_hash = ?1")?;
    let has_orders: bool = writing.connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM order_customer)",
        [],
        |row| row.get(0),
    )?;
    let mut orders: Vec<(i64, Option<i64>)> =
        orders.into_iter().map(|(order, owner)| (order as i64, owner)).collect();
    orders.sort_unstable();
    let mut divided = HashSet::default();
    for (order, owner) in orders {
        let Some(owner) = owner else {
            divided.insert(order as u64);
            continue;
        };
        let mut owners: Vec<i64> = writing.tail.customers_of_order(order as u64).collect();
        if has_orders {
            for key in select.query_map([order], |row| row.get(0))? {
                owners.push(key?);
            }
        }
        if owners.iter().any(|other| *other != owner) {
            divided.insert(order as u64);
        }
    }
    Ok(divided)
}
