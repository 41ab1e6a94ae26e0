//! Passes over all histories, decoded on several threads.

use std::ops::{ControlFlow, Range};

use rusqlite::{Connection, Row, Rows};

use crate::parallel::{Broken, in_order};
use crate::transaction::{CustomerHistory, CustomerId};

use super::decode::{Decoder, SaleLine};
use super::error::Fault;
use super::history::Packed;
use super::row::parse_customer;

/// Histories that a thread takes at a time; a multiple of what one feature vector batch needs.
const CHUNK_HISTORIES: usize = 2_048;
/// Bytes after which a chunk ends early.
const CHUNK_BYTES: usize = 1 << 20;

/// Stored bytes of consecutive histories.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    histories: Vec<Stored>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Stored {
    key: i64,
    customer: Option<CustomerId>,
    last_batch: i64,
    lines: Range<usize>,
}

impl Chunk {
    /// The next chunk of customers in order of their keys; `None` after the last.
    pub(super) fn of_customers(rows: &mut Rows<'_>) -> Result<Option<Self>, Fault> {
        let mut chunk = Self::default();
        while !chunk.is_full()
            && let Some(row) = rows.next()?
        {
            let id = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
            // A key that only keeps a place has no id.
            if !id.is_empty() {
                let customer = parse_customer(id)?;
                chunk.push(row, Some(customer), 2)?;
            }
        }
        Ok(Some(chunk).filter(|chunk| !chunk.histories.is_empty()))
    }

    /// The next chunk of any keys. `tail_keys` are those that the tail changes, in order; what is
    /// not packed yet comes in its place.
    pub(super) fn of_keys(
        rows: &mut Rows<'_>,
        tail_keys: &mut &[i64],
    ) -> Result<Option<Self>, Fault> {
        let mut chunk = Self::default();
        while !chunk.is_full() {
            let row = rows.next()?;
            let key: i64 = row.map_or(Ok(i64::MAX), |row| row.get(0))?;
            while let Some((first, rest)) = tail_keys.split_first()
                && *first <= key
            {
                *tail_keys = rest;
                if *first < key {
                    chunk.push_unpacked(*first);
                }
            }
            match row {
                Some(row) => chunk.push(row, None, 1)?,
                None => break,
            }
        }
        Ok(Some(chunk).filter(|chunk| !chunk.histories.is_empty()))
    }

    fn is_full(&self) -> bool {
        self.histories.len() >= CHUNK_HISTORIES || self.bytes.len() >= CHUNK_BYTES
    }

    /// Adds a row of key, ..., `last_batch`, `lines`, the latter two from `column` on.
    fn push(
        &mut self,
        row: &Row<'_>,
        customer: Option<CustomerId>,
        column: usize,
    ) -> Result<(), Fault> {
        let start = self.bytes.len();
        let lines = row.get_ref(column + 1)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
        self.bytes.extend_from_slice(lines.unwrap_or_default());
        let last_batch: Option<i64> = row.get(column)?;
        self.histories.push(Stored {
            key: row.get(0)?,
            customer,
            last_batch: last_batch.unwrap_or_default(),
            lines: start..self.bytes.len(),
        });
        Ok(())
    }

    fn push_unpacked(&mut self, key: i64) {
        let lines = self.bytes.len()..self.bytes.len();
        self.histories.push(Stored { key, customer: None, last_batch: 0, lines });
    }

    /// Calls `visit` with each customer, her key first, and history.
    pub(super) fn histories(
        &self,
        decoder: &Decoder<'_>,
        mut visit: impl FnMut(i64, &CustomerId, &CustomerHistory),
    ) -> Result<(), Fault> {
        let mut history = CustomerHistory::default();
        for stored in &self.histories {
            if let Some(customer) = &stored.customer {
                decoder.history(self.packed(stored), &mut history)?;
                visit(stored.key, customer, &history);
            }
        }
        Ok(())
    }

    /// Calls `visit` with each line.
    pub(super) fn sales(
        &self,
        decoder: &Decoder<'_>,
        mut visit: impl FnMut(&SaleLine),
    ) -> Result<(), Fault> {
        self.histories.iter().try_for_each(|stored| decoder.sales(self.packed(stored), &mut visit))
    }

    fn packed(&self, stored: &Stored) -> Packed<'_> {
        let lines = self.bytes.get(stored.lines.clone()).unwrap_or_default();
        Packed { key: stored.key, last_batch: stored.last_batch, lines }
    }
}

/// The rows that [`Chunk::of_customers`] reads.
pub(super) const CUSTOMERS: &str = "SELECT customer_key, customer_id, last_batch, lines
     FROM customer LEFT JOIN history USING (customer_key) ORDER BY customer_key";

/// The rows that [`Chunk::of_keys`] reads.
pub(super) const KEYS: &str =
    "SELECT customer_key, last_batch, lines FROM history ORDER BY customer_key";

/// A pass over the rows of `sql`.
pub(super) fn pass<T: Send>(
    connection: &Connection,
    sql: &str,
    threads: usize,
    mut next: impl FnMut(&mut Rows<'_>) -> Result<Option<Chunk>, Fault>,
    work: impl Fn(Chunk) -> Result<T, Fault> + Sync,
    sink: impl FnMut(T) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let mut select = connection.prepare(sql)?;
    let mut rows = select.query([])?;
    let passed = in_order(threads, || next(&mut rows), || (), |(), chunk| work(chunk), sink);
    passed.map_err(|broken| match broken {
        Broken::Failed(fault) => fault,
        Broken::Panicked => Fault::Damaged("a thread of the scan broke off".to_owned()),
    })
}
