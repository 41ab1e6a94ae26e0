//! Passes over all histories, decoded on several threads.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use rusqlite::{Connection, Row, Rows};

use crate::transaction::{CustomerHistory, CustomerId};

use super::decode::{Decoder, Packed, SaleLine};
use super::error::Fault;
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

    /// Calls `visit` with each customer and history.
    pub(super) fn histories(
        &self,
        decoder: &Decoder<'_>,
        mut visit: impl FnMut(&CustomerId, &CustomerHistory),
    ) -> Result<(), Fault> {
        let mut history = CustomerHistory::default();
        for stored in &self.histories {
            if let Some(customer) = &stored.customer {
                decoder.history(self.packed(stored), &mut history)?;
                visit(customer, &history);
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

/// Runs `work` on every item of `next` on `threads` threads and hands the results to `sink` in the
/// order of the items. A few items per thread are in memory at a time.
pub(super) fn in_order<I: Send, T: Send>(
    threads: usize,
    mut next: impl FnMut() -> Result<Option<I>, Fault>,
    work: impl Fn(I) -> Result<T, Fault> + Sync,
    mut sink: impl FnMut(T) -> ControlFlow<()>,
) -> Result<(), Fault> {
    if threads <= 1 {
        while let Some(item) = next()? {
            if sink(work(item)?).is_break() {
                break;
            }
        }
        return Ok(());
    }
    let (items, taken) = channel::<(usize, I)>();
    let (done, results) = channel();
    let taken = Mutex::new(taken);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (taken, done, work) = (&taken, done.clone(), &work);
            scope.spawn(move || work_off(taken, &done, work));
        }
        drop(done);
        Passing { items: Some(items), results, waiting: BTreeMap::new(), sent: 0, passed: 0 }.run(
            threads * 3,
            &mut next,
            &mut sink,
        )
    })
}

fn work_off<I, T>(
    items: &Mutex<Receiver<(usize, I)>>,
    done: &Sender<(usize, Result<T, Fault>)>,
    work: impl Fn(I) -> Result<T, Fault>,
) {
    loop {
        let next = items.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, item)) = next else {
            return;
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| work(item)));
        let outcome = outcome
            .unwrap_or_else(|_| Err(Fault::Damaged("a thread of the scan broke off".to_owned())));
        if done.send((number, outcome)).is_err() {
            return;
        }
    }
}

/// Items out, results back in order.
struct Passing<I, T> {
    items: Option<Sender<(usize, I)>>,
    results: Receiver<(usize, Result<T, Fault>)>,
    waiting: BTreeMap<usize, T>,
    sent: usize,
    passed: usize,
}

impl<I, T> Passing<I, T> {
    fn run(
        mut self,
        in_flight: usize,
        next: &mut impl FnMut() -> Result<Option<I>, Fault>,
        sink: &mut impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        loop {
            while self.sent - self.passed < in_flight
                && let Some(items) = &self.items
            {
                match next()?.map(|item| items.send((self.sent, item))) {
                    Some(Ok(())) => self.sent += 1,
                    _ => self.items = None,
                }
            }
            if self.passed == self.sent {
                return Ok(());
            }
            if self.pass_on(sink)?.is_break() {
                return Ok(());
            }
        }
    }

    /// Waits for one result and hands on what is due.
    fn pass_on(
        &mut self,
        sink: &mut impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Fault> {
        let Ok((number, result)) = self.results.recv() else {
            return Err(Fault::Damaged("the threads of the scan are gone".to_owned()));
        };
        self.waiting.insert(number, result?);
        while let Some(result) = self.waiting.remove(&self.passed) {
            self.passed += 1;
            if sink(result).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
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
    in_order(threads, || next(&mut rows), work, sink)
}
