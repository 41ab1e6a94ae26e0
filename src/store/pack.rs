//! Moving the tail into the packed histories.
//!
//! A step reads some customers' records, packs them without any lock, and stores the blobs in one
//! short transaction. Each blob says up to which commit it reaches, so readers never count a line
//! twice or miss one, wherever the step is, and a crash at any moment loses nothing. When all
//! customers of the sealed part are done, that part of the tail is dropped.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use rusqlite::{Connection, params};

use super::database::Durability;
use super::error::Fault;
use super::history::StoredHistory;
use super::packed::pack;
use super::record::Record;
use super::tail::Tail;
use super::transactions::Writing;
use super::{StoreError, TransactionStore};

/// Customers of one step. Storing their blobs takes about ten milliseconds.
const CUSTOMERS_PER_STEP: usize = 512;
/// Orders of one step.
const ORDERS_PER_STEP: usize = 8_192;
/// Bytes of blobs after which a step ends early.
const BYTES_PER_STEP: usize = 4 << 20;
/// Bytes of packed batches that are deleted in one transaction.
const BYTES_PER_DELETE: usize = 4 << 20;

/// One customer's new blob.
struct Packed {
    key: i64,
    /// The last commit in the blob that this one replaces.
    before: Option<i64>,
    last_occurred_at: i64,
    lines: Vec<u8>,
}

impl TransactionStore {
    /// Packs the whole tail of this moment, however small. Nothing that a caller sees changes, and
    /// nobody waits for longer than one step.
    ///
    /// # Errors
    /// When the medium fails; what was packed until then stays packed.
    pub fn pack(&self) -> Result<(), StoreError> {
        let _packing = self.packing.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(tail) = self.seal()? {
            if self.pack_orders(&tail)? && self.pack_customers(&tail)? {
                return self.drop_packed(tail.last_batch);
            }
            // Somebody erased a customer or imported a file: begin with what is there now.
        }
        Ok(())
    }

    /// Enters the orders of `tail` into their table; `false` when the histories changed meanwhile.
    /// In the order of the table, so that neighbours share its pages.
    fn pack_orders(&self, tail: &Tail) -> Result<bool, StoreError> {
        for orders in tail.orders().chunks(ORDERS_PER_STEP) {
            if self.maintenance.is_closing() {
                return Ok(false);
            }
            let is_stored = self.write_step(|writing| {
                let is_current = writing.state.epoch == tail.epoch;
                if is_current {
                    store_orders(writing.connection, orders)?;
                }
                Ok(is_current)
            })?;
            if !is_stored {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Packs what `tail` has of every customer; `false` when the histories changed meanwhile.
    fn pack_customers(&self, tail: &Tail) -> Result<bool, StoreError> {
        let customers = tail.customers();
        let mut rest = customers.as_slice();
        while !rest.is_empty() {
            if self.maintenance.is_closing() {
                return Ok(false);
            }
            match self.pack_some(tail, rest)? {
                Step::Done(done) => rest = rest.get(done..).unwrap_or_default(),
                Step::Overtaken => {}
                Step::Outdated => return Ok(false),
            }
            self.empty_log()?;
        }
        Ok(true)
    }

    /// The tail as of now, in runs that no longer grow; `None` when there is nothing to pack.
    fn seal(&self) -> Result<Option<Arc<Tail>>, StoreError> {
        if self.maintenance.is_closing() {
            return Ok(None);
        }
        let writer = self.database.writer();
        self.write(&writer, Durability::Relaxed, |_| Ok(()))
            .map_err(|fault| self.database.fault(fault))?;
        self.tails.change(|tail| Some(tail.sealed()));
        Ok(Some(self.tails.newest()).filter(|tail| tail.len() > 0))
    }

    /// Packs the first customers of `keys`.
    fn pack_some(&self, tail: &Tail, keys: &[i64]) -> Result<Step, StoreError> {
        let connection = self.database.reader()?;
        let prepared = prepare(&connection, tail, keys);
        self.database.release(connection);
        let packed = prepared.map_err(|fault| self.database.fault(fault))?;
        self.write_step(|writing| {
            if writing.state.epoch != tail.epoch {
                return Ok(Step::Outdated);
            }
            for one in &packed {
                if !store_one(writing.connection, tail.last_batch, one)? {
                    return Ok(Step::Overtaken);
                }
            }
            Ok(Step::Done(packed.len()))
        })
    }

    /// Writes a step, after those who wait already. The log is not synced: a power cut may undo the
    /// step, not half of it, and the tail still has the lines.
    fn write_step<T>(
        &self,
        work: impl FnOnce(&Writing<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.let_writers_pass();
        let writer = self.database.writer();
        let began = Instant::now();
        let done = self.write(&writer, Durability::Relaxed, |writing| work(writing));
        tracing::debug!(held = ?began.elapsed(), "packing held back the writers");
        done.map_err(|fault| self.database.fault(fault))
    }

    fn drop_packed(&self, upto: i64) -> Result<(), StoreError> {
        let settled = self.write(&self.database.writer(), Durability::Full, |writing| {
            writing.state.packed_batch = writing.state.packed_batch.max(upto);
            Ok(writing.state.save(writing.connection)?)
        });
        settled.map_err(|fault| self.database.fault(fault))?;
        self.tails.change(|tail| Some(tail.after(upto)));
        while self.write_step(|writing| delete_some(writing.connection, upto))? > 0 {}
        Ok(())
    }
}

/// What became of a step.
enum Step {
    /// So many customers are packed.
    Done(usize),
    /// Another process packed one of them; the others wait for the next step.
    Overtaken,
    /// Histories changed; what was prepared is not true any more.
    Outdated,
}

/// Makes the blobs of the first customers of `keys` from one snapshot.
fn prepare(connection: &Connection, tail: &Tail, keys: &[i64]) -> Result<Vec<Packed>, Fault> {
    let snapshot = connection.unchecked_transaction()?;
    let (mut packed, mut bytes) = (Vec::new(), 0);
    for key in keys.iter().take(CUSTOMERS_PER_STEP) {
        let one = pack_one(&snapshot, tail, *key)?;
        bytes += one.lines.len();
        packed.push(one);
        if bytes > BYTES_PER_STEP {
            break;
        }
    }
    Ok(packed)
}

fn pack_one(connection: &Connection, tail: &Tail, key: i64) -> Result<Packed, Fault> {
    let history = StoredHistory::load(connection, tail, key, tail.last_batch)?;
    let before = history.packed_batch();
    let mut records = history.records()?;
    Ok(Packed {
        key,
        before,
        last_occurred_at: last_occurred_at(&records),
        lines: pack(&mut records),
    })
}

/// The latest sale of some records.
pub(super) fn last_occurred_at(records: &[Record<'_>]) -> i64 {
    records.iter().map(|record| record.occurred_at).max().unwrap_or(i64::MIN)
}

/// Whether the blob that this one was made from is still there.
fn store_one(connection: &Connection, upto: i64, one: &Packed) -> Result<bool, Fault> {
    if one.before.is_some_and(|before| before >= upto) {
        return Ok(true);
    }
    let changed = match one.before {
        Some(before) => connection
            .prepare_cached(
                "UPDATE history SET last_batch = ?2, last_occurred_at = ?3, lines = ?4
                 WHERE customer_key = ?1 AND last_batch = ?5",
            )?
            .execute(params![one.key, upto, one.last_occurred_at, one.lines, before])?,
        None => connection
            .prepare_cached("INSERT OR IGNORE INTO history VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![one.key, upto, one.last_occurred_at, one.lines])?,
    };
    Ok(changed == 1)
}

/// Enters orders with numbered lines, in the order of the table.
pub(super) fn store_orders(connection: &Connection, orders: &[(i64, i64)]) -> Result<(), Fault> {
    let mut insert =
        connection.prepare_cached("INSERT OR IGNORE INTO order_customer VALUES (?1, ?2)")?;
    for (order, customer) in orders {
        insert.execute([order, customer])?;
    }
    Ok(())
}

/// Deletes some packed batches and returns how many.
fn delete_some(connection: &Connection, upto: i64) -> Result<usize, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT batch, length(changes) FROM tail WHERE batch <= ?1 ORDER BY batch",
    )?;
    let mut rows = select.query([upto])?;
    let (mut last, mut bytes) = (None, 0);
    while let Some(row) = rows.next()? {
        last = Some(row.get::<_, i64>(0)?);
        bytes += row.get::<_, i64>(1)? as usize;
        if bytes > BYTES_PER_DELETE {
            break;
        }
    }
    drop(rows);
    let Some(last) = last else {
        return Ok(0);
    };
    Ok(connection.prepare_cached("DELETE FROM tail WHERE batch <= ?1")?.execute([last])?)
}
