//! Taking over the lines of format 1, which were one row each, into packed histories.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, Row, params};

use crate::transaction::{CustomerId, LineIdentity, SymbolTable};

use super::TransactionStore;
use super::database::Durability;
use super::error::Fault;
use super::pack::last_occurred_at;
use super::packed::pack;
use super::record::{HOLDS, Record};
use super::row::{anonymous_key, parse_customer, stored_line};
use super::transactions::Writing;
use super::{StoreError, state::State};

const ROWS: &str = "SELECT coalesce(customer_id, ''), occurred_at, recorded_at, superseded_at,
            coalesce(order_id, ''), line_number, coalesce(cancels_order_id, ''), product, category,
            channel, store, promotion, country, quantity, unit_price, discount, unit_cost
     FROM line LEFT JOIN customer_1 USING (customer_key)
     ORDER BY customer_key, occurred_at, recorded_at, identity";

impl TransactionStore {
    /// Packs the rows that an older program left, in one transaction, and drops their table.
    pub(super) fn adopt_rows(&self) -> Result<(), StoreError> {
        let writer = self.database.writer();
        let exists = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'line')";
        let has_rows: bool = writer
            .query_row(exists, [], |row| row.get(0))
            .map_err(|error| self.database.error(&error))?;
        if !has_rows {
            return Ok(());
        }
        let adopted = self.write(&writer, Durability::Full, |writing| {
            let state = Adoption::new(writing).run()?;
            if state.lines > 0 {
                tracing::info!(lines = state.lines, "packed the lines of an older format");
            }
            state.save(writing.connection)?;
            Ok(writing.connection.execute_batch("DROP TABLE line; DROP TABLE customer_1")?)
        });
        adopted.map_err(|fault| self.database.fault(fault))
    }
}

/// A line of format 1 with texts of its own.
struct OldLine {
    customer: String,
    order_id: String,
    cancels_order_id: String,
    record: Record<'static>,
}

impl OldLine {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let superseded_at: Option<i64> = row.get(3)?;
        Ok(Self {
            customer: row.get(0)?,
            order_id: row.get(4)?,
            cancels_order_id: row.get(6)?,
            record: Record {
                occurred_at: row.get(1)?,
                recorded_at: row.get(2)?,
                superseded_at: superseded_at.unwrap_or(HOLDS),
                order_id: "",
                line_number: row.get(5)?,
                occurrence: 0,
                cancels_order_id: "",
                product: row.get(7)?,
                category: row.get(8)?,
                channel: row.get(9)?,
                store: row.get(10)?,
                promotion: row.get(11)?,
                country: row.get(12)?,
                quantity: row.get(13)?,
                unit_price: row.get(14)?,
                discount: row.get(15)?,
                unit_cost: row.get(16)?,
            },
        })
    }

    fn record(&self) -> Record<'_> {
        let (order_id, cancels_order_id) = (&self.order_id, &self.cancels_order_id);
        Record { order_id, cancels_order_id, ..self.record }
    }

    /// Lines of one customer, or of nobody in one hour, belong together.
    fn group(&self) -> (&str, i64) {
        let at = crate::transaction::Timestamp::from_micros(self.record.occurred_at);
        match self.customer.as_str() {
            "" => ("", anonymous_key(at)),
            customer => (customer, 0),
        }
    }
}

struct Adoption<'a, 'b> {
    connection: &'a Connection,
    writing: &'a mut Writing<'b>,
    symbols: SymbolTable,
}

impl<'a, 'b: 'a> Adoption<'a, 'b> {
    fn new(writing: &'a mut Writing<'b>) -> Self {
        let symbols = writing.memory.symbols.clone();
        Self { connection: writing.connection, writing, symbols }
    }

    fn run(mut self) -> Result<State, Fault> {
        let mut select = self.connection.prepare(ROWS)?;
        let mut rows = select.query([])?;
        let mut group: Vec<OldLine> = Vec::new();
        while let Some(row) = rows.next()? {
            let line = OldLine::read(row)?;
            if group.first().is_some_and(|first| first.group() != line.group()) {
                self.store(&group)?;
                group.clear();
            }
            group.push(line);
        }
        self.store(&group)?;
        Ok(self.writing.state)
    }

    fn store(&mut self, lines: &[OldLine]) -> Result<(), Fault> {
        let Some(first) = lines.first() else {
            return Ok(());
        };
        let (key, customer) = match first.group() {
            ("", key) => (key, None),
            (customer, _) => {
                let customer = parse_customer(customer)?;
                (self.writing.customer_key(&customer)?, Some(customer))
            }
        };
        let mut records: Vec<Record<'_>> = lines.iter().map(OldLine::record).collect();
        self.number_equal_lines(&mut records, customer.as_ref());
        self.connection
            .prepare_cached("INSERT INTO history VALUES (?1, 0, ?2, ?3)")?
            .execute(params![key, last_occurred_at(&records), pack(&mut records)])?;
        let numbered = records.iter().filter(|record| record.is_numbered());
        let orders: BTreeSet<u64> = numbered.map(|record| record.order_key().raw()).collect();
        for order in orders {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO order_customer VALUES (?1, ?2)")?
                .execute(params![order as i64, key])?;
        }
        Ok(())
    }

    /// Tells equal lines without a number apart, and counts the current ones.
    fn number_equal_lines(&mut self, records: &mut [Record<'_>], customer: Option<&CustomerId>) {
        let mut counts: HashMap<LineIdentity, u32> = HashMap::new();
        for record in records {
            let content = stored_line(record, customer.cloned(), &self.symbols).line.content();
            if !record.is_numbered() {
                let count = counts.entry(content).or_default();
                *count += 1;
                record.occurrence = *count;
            }
            if record.is_current() {
                self.writing.state.add(content, record.occurred_at);
            }
        }
    }
}
