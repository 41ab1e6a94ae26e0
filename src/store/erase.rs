//! Removing a customer: packed history, changes in the tail, orders and the key.

use rusqlite::{Connection, params};

use crate::transaction::CustomerId;

use super::error::Fault;
use super::history::StoredHistory;
use super::packed::unpack;
use super::row::{find_customer, stored_line};
use super::tail::{Run, Tail};
use super::transactions::Writing;

impl Writing<'_> {
    /// Removes a customer's lines and key. Returns their number, the key and the epoch after it;
    /// `None` when the customer is unknown.
    pub(super) fn erase(
        &mut self,
        customer: &CustomerId,
    ) -> Result<Option<(u64, i64, i64)>, Fault> {
        let Ok(key) = find_customer(self.connection, customer)? else {
            return Ok(None);
        };
        let lines = self.forget_lines(key, customer)?;
        self.connection.execute("DELETE FROM history WHERE customer_key = ?1", [key])?;
        rewrite_batches(self.connection, &self.tail, key)?;
        remove_key(self.connection, key)?;
        self.state.customers = self.state.customers.saturating_sub(1);
        self.state.epoch += 1;
        self.state.save(self.connection)?;
        Ok(Some((lines, key, self.state.epoch)))
    }

    /// Takes the customer's lines out of the totals and the orders.
    fn forget_lines(&mut self, key: i64, customer: &CustomerId) -> Result<u64, Fault> {
        let history = StoredHistory::load(self.connection, &self.tail, key, self.state.last_batch)?;
        let records = history.records()?;
        let mut is_at_the_edge = false;
        for record in &records {
            if record.is_current() {
                let line = stored_line(record, Some(customer.clone()), &self.memory.symbols).line;
                self.state.remove(line.content());
                is_at_the_edge |= self.state.is_at_the_edge(record.occurred_at);
            }
            if record.is_numbered() {
                self.connection
                    .prepare_cached(
                        "DELETE FROM order_customer WHERE order_hash = ?1 AND customer_key = ?2",
                    )?
                    .execute(params![record.order_key().raw() as i64, key])?;
            }
        }
        if is_at_the_edge {
            let range = range_without(self.connection, &self.tail, key)?;
            self.state.set_range(range);
        }
        Ok(records.len() as u64)
    }
}

/// The times of the first and the last sale of everybody else.
fn range_without(
    connection: &Connection,
    tail: &Tail,
    key: i64,
) -> Result<Option<(i64, i64)>, Fault> {
    let mut range: Option<(i64, i64)> = None;
    let mut widen = |at: i64| {
        let (first, last) = range.unwrap_or((at, at));
        range = Some((first.min(at), last.max(at)));
    };
    let mut select = connection.prepare("SELECT lines FROM history WHERE customer_key <> ?1")?;
    let mut rows = select.query([key])?;
    while let Some(row) = rows.next()? {
        for record in unpack(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)? {
            let record = record?;
            if record.is_current() {
                widen(record.occurred_at);
            }
        }
    }
    tail.without(key)?.slots().for_each(|slot| widen(slot.occurred_at));
    Ok(range)
}

/// Writes the stored batches that have changes of the customer anew, without them.
fn rewrite_batches(connection: &Connection, tail: &Tail, key: i64) -> Result<(), Fault> {
    for batch in tail.batches_of(key) {
        let blob: Vec<u8> =
            connection.query_row("SELECT changes FROM tail WHERE batch = ?1", [batch], |row| {
                row.get(0)
            })?;
        let rest = Run::read(batch, &blob)?.without(key)?.blob();
        connection
            .execute("UPDATE tail SET changes = ?2 WHERE batch = ?1", params![batch, rest])?;
    }
    Ok(())
}

/// Removes a key. Where another customer had to take the next number, the key stays without a
/// customer, so that looking for that one still comes by.
fn remove_key(connection: &Connection, key: i64) -> Result<(), Fault> {
    let sql = "SELECT count(*) FROM customer WHERE customer_key = ?1";
    let is_followed: i64 = connection.query_row(sql, [key.saturating_add(1)], |row| row.get(0))?;
    let removal = if is_followed > 0 {
        "UPDATE customer SET customer_id = '' WHERE customer_key = ?1"
    } else {
        "DELETE FROM customer WHERE customer_key = ?1"
    };
    connection.execute(removal, [key])?;
    Ok(())
}
