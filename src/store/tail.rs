//! Lines that were accepted and not packed yet.
//!
//! In the database they are one blob per commit, in the order of arrival, so that a commit writes a
//! few neighbouring pages. In memory they are sorted runs, each by customer, that are merged as they
//! grow: a customer's part is found in about ten places at most. A [`Tail`] never changes; whoever
//! holds one keeps what it saw.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::bytes::{Bytes, put};
use super::error::Fault;
use super::packed::{damaged, open, seal};
use super::record::Record;

const VERSION: u8 = 1;
const WHAT: &str = "a batch of the tail";

/// What a commit did to one customer's history.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    /// A new line.
    Add = 0,
    /// A new line in the place of the current one of the same number.
    Correct = 1,
    /// The current line of this number went to another customer; it ends when that became known.
    End = 2,
}

/// One change, where it stands in a [`Run`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Slot {
    pub(super) customer: i64,
    pub(super) batch: i64,
    start: u32,
    pub(super) occurred_at: i64,
}

/// Changes of consecutive commits, sorted by customer.
#[derive(Debug, Default)]
pub(super) struct Run {
    slots: Vec<Slot>,
    bytes: Vec<u8>,
    /// Hashes of the orders with numbered lines, and whose they are.
    orders: Vec<(u64, i64)>,
    last_batch: i64,
}

impl Run {
    /// The run of one stored batch.
    pub(super) fn read(batch: i64, blob: &[u8]) -> Result<Self, Fault> {
        let mut bytes = open(VERSION, blob, WHAT)?;
        let mut builder = BatchBuilder::default();
        let count = bytes.number().ok_or_else(|| damaged(WHAT))?;
        for _ in 0..count {
            let (customer, change, record) = read_change(&mut bytes)?;
            builder.push(customer, change, &record);
        }
        Ok(builder.run(batch))
    }

    fn merge(&self, later: &Self) -> Self {
        let mut merged = Self {
            slots: Vec::with_capacity(self.slots.len() + later.slots.len()),
            bytes: Vec::with_capacity(self.bytes.len() + later.bytes.len()),
            orders: Vec::with_capacity(self.orders.len() + later.orders.len()),
            last_batch: later.last_batch,
        };
        merged.bytes.extend_from_slice(&self.bytes);
        merged.bytes.extend_from_slice(&later.bytes);
        let shift = self.bytes.len() as u32;
        let moved = later.slots.iter().map(|slot| Slot { start: slot.start + shift, ..*slot });
        merge_sorted(self.slots.iter().copied(), moved, &mut merged.slots);
        let (own, others) = (self.orders.iter().copied(), later.orders.iter().copied());
        merge_sorted(own, others, &mut merged.orders);
        merged.orders.dedup();
        merged
    }

    fn of(&self, customer: i64) -> &[Slot] {
        let start = self.slots.partition_point(|slot| slot.customer < customer);
        let rest = self.slots.get(start..).unwrap_or_default();
        let length = rest.iter().take_while(|slot| slot.customer == customer).count();
        rest.get(..length).unwrap_or_default()
    }

    fn change(&self, slot: &Slot) -> Result<(Change, Record<'_>), Fault> {
        let bytes = self.bytes.get(slot.start as usize..).unwrap_or_default();
        let (_, change, record) = read_change(&mut Bytes::new(bytes))?;
        Ok((change, record))
    }

    /// This run without a customer's changes.
    pub(super) fn without(&self, customer: i64) -> Result<Self, Fault> {
        let mut rest = BatchBuilder::default();
        let mut batches = Vec::with_capacity(self.slots.len());
        for slot in self.slots.iter().filter(|slot| slot.customer != customer) {
            let (change, record) = self.change(slot)?;
            rest.push(slot.customer, change, &record);
            batches.push(slot.batch);
        }
        // The slots come in order, so only the orders are to be sorted.
        let mut run = rest.unsorted(self.last_batch);
        run.orders.sort_unstable();
        run.orders.dedup();
        for (slot, batch) in run.slots.iter_mut().zip(batches) {
            slot.batch = batch;
        }
        Ok(run)
    }

    /// The changes as they are stored, where the run is one batch.
    pub(super) fn blob(&self) -> Vec<u8> {
        sealed_blob(self.slots.len(), &self.bytes)
    }

    fn is_within_reach(&self, later: &Self) -> bool {
        self.bytes.len() + later.bytes.len() < u32::MAX as usize
    }
}

fn sealed_blob(changes: usize, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(bytes.len() + 4);
    put(&mut body, changes as u64);
    body.extend_from_slice(bytes);
    seal(VERSION, &body)
}

fn read_change<'a>(bytes: &mut Bytes<'a>) -> Result<(i64, Change, Record<'a>), Fault> {
    let mut read = || {
        let customer = i64::from_le_bytes(bytes.take(8)?.try_into().ok()?);
        let change = match bytes.take(1)? {
            [0] => Change::Add,
            [1] => Change::Correct,
            [2] => Change::End,
            _ => return None,
        };
        Some((customer, change, Record::read(bytes, &Record::default())?))
    };
    read().ok_or_else(|| damaged(WHAT))
}

fn merge_sorted<T: Copy + Ord>(
    earlier: impl Iterator<Item = T>,
    later: impl Iterator<Item = T>,
    merged: &mut Vec<T>,
) {
    let (mut earlier, mut later) = (earlier.peekable(), later.peekable());
    while let (Some(a), Some(b)) = (earlier.peek(), later.peek()) {
        merged.extend(if a <= b { earlier.next() } else { later.next() });
    }
    merged.extend(earlier);
    merged.extend(later);
}

/// The changes of one commit while it is put together.
#[derive(Debug, Default)]
pub(super) struct BatchBuilder {
    slots: Vec<Slot>,
    bytes: Vec<u8>,
    orders: Vec<(u64, i64)>,
}

impl BatchBuilder {
    pub(super) fn push(&mut self, customer: i64, change: Change, record: &Record<'_>) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&customer.to_le_bytes());
        self.bytes.push(change as u8);
        record.write(&Record::default(), &mut self.bytes);
        self.slots.push(Slot { customer, batch: 0, start, occurred_at: record.occurred_at });
        if record.is_numbered() && change != Change::End {
            let order = (record.order_key().raw(), customer);
            if self.orders.last() != Some(&order) {
                self.orders.push(order);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The changes as they are stored.
    pub(super) fn blob(&self) -> Vec<u8> {
        sealed_blob(self.slots.len(), &self.bytes)
    }

    /// The changes as they are looked up, under the number of their commit.
    pub(super) fn run(self, batch: i64) -> Run {
        let mut run = self.unsorted(batch);
        run.slots.sort_unstable();
        run.orders.sort_unstable();
        run.orders.dedup();
        run
    }

    fn unsorted(self, batch: i64) -> Run {
        let Self { mut slots, bytes, orders } = self;
        slots.iter_mut().for_each(|slot| slot.batch = batch);
        Run { slots, bytes, orders, last_batch: batch }
    }
}

/// All lines that are not packed, as of one commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    /// Grows when histories changed by other means than commits and packing.
    pub(super) epoch: i64,
    /// The last commit in here.
    pub(super) last_batch: i64,
    runs: Vec<Arc<Run>>,
    /// Leading runs that are being packed and must not grow.
    sealed: usize,
}

impl Tail {
    /// A tail in which everything up to `last_batch` is packed.
    pub(super) fn empty(epoch: i64, last_batch: i64) -> Self {
        Self { epoch, last_batch, ..Self::default() }
    }

    /// This tail and one commit more.
    pub(super) fn with(&self, run: Run) -> Self {
        let mut runs = self.runs.clone();
        let last_batch = run.last_batch;
        runs.push(Arc::new(run));
        while runs.len() >= self.sealed + 2
            && let [.., earlier, later] = runs.as_slice()
            && later.slots.len() * 2 >= earlier.slots.len()
            && earlier.is_within_reach(later)
        {
            let merged = Arc::new(earlier.merge(later));
            runs.truncate(runs.len() - 2);
            runs.push(merged);
        }
        Self { epoch: self.epoch, last_batch, runs, sealed: self.sealed }
    }

    /// This tail, whose runs of today no longer grow; they are what will be packed.
    pub(super) fn sealed(&self) -> Self {
        Self { sealed: self.runs.len(), ..self.clone() }
    }

    /// This tail without the commits up to `batch`, where whole runs end there.
    pub(super) fn after(&self, batch: i64) -> Self {
        let gone = self.runs.iter().take_while(|run| run.last_batch <= batch).count();
        Self {
            runs: self.runs.iter().skip(gone).cloned().collect(),
            sealed: self.sealed.saturating_sub(gone),
            ..*self
        }
    }

    /// This tail in another epoch: histories changed, what is not packed did not.
    pub(super) fn in_epoch(&self, epoch: i64) -> Self {
        Self { epoch, ..self.clone() }
    }

    /// This tail in the next epoch, without a customer's changes.
    pub(super) fn without(&self, customer: i64) -> Result<Self, Fault> {
        let runs = self.runs.iter().map(|run| match run.of(customer).is_empty() {
            true => Ok(Arc::clone(run)),
            false => run.without(customer).map(Arc::new),
        });
        Ok(Self { epoch: self.epoch + 1, runs: runs.collect::<Result<_, Fault>>()?, ..*self })
    }

    /// Every change, in no set order.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.runs.iter().flat_map(|run| &run.slots)
    }

    /// The commits that changed one customer's history.
    pub(super) fn batches_of(&self, customer: i64) -> BTreeSet<i64> {
        self.runs.iter().flat_map(|run| run.of(customer)).map(|slot| slot.batch).collect()
    }

    /// Number of changes.
    pub(super) fn len(&self) -> usize {
        self.runs.iter().map(|run| run.slots.len()).sum()
    }

    /// Bytes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let of = |run: &Arc<Run>| {
            run.bytes.len() + size_of_val(run.slots.as_slice()) + size_of_val(run.orders.as_slice())
        };
        self.runs.iter().map(of).sum()
    }

    /// The changes of one customer in the commits after `after` up to `upto`, in order.
    pub(super) fn changes(
        &self,
        customer: i64,
        after: i64,
        upto: i64,
    ) -> impl Iterator<Item = Result<(Change, Record<'_>), Fault>> {
        self.runs.iter().flat_map(move |run| {
            let slots = run.of(customer).iter();
            let wanted = slots.filter(move |slot| slot.batch > after && slot.batch <= upto);
            wanted.map(|slot| run.change(slot))
        })
    }

    /// The latest sale among the changes of one customer.
    pub(super) fn last_occurred_at(&self, customer: i64) -> Option<i64> {
        let of = |run: &Arc<Run>| run.of(customer).iter().map(|slot| slot.occurred_at).max();
        self.runs.iter().filter_map(of).max()
    }

    /// Customers that have numbered lines under the order of this hash.
    pub(super) fn customers_of_order(&self, order: u64) -> impl Iterator<Item = i64> {
        self.runs.iter().flat_map(move |run| {
            let start = run.orders.partition_point(|(hash, _)| *hash < order);
            let rest = run.orders.iter().skip(start);
            rest.take_while(move |(hash, _)| *hash == order).map(|(_, customer)| *customer)
        })
    }

    /// The customers with changes, in order of their keys, each once.
    pub(super) fn customers(&self) -> Vec<i64> {
        let mut customers: Vec<i64> = Vec::new();
        for run in &self.runs {
            let mut keys: Vec<i64> = run.slots.iter().map(|slot| slot.customer).collect();
            keys.dedup();
            customers.append(&mut keys);
        }
        customers.sort_unstable();
        customers.dedup();
        customers
    }
}

/// Brings a customer's records up to date with one change.
pub(super) fn apply<'a>(records: &mut Vec<Record<'a>>, change: Change, record: Record<'a>) {
    if change != Change::Add {
        let is_replaced =
            |old: &&mut Record<'_>| old.is_current() && old.is_same_numbered_line(&record);
        if let Some(old) = records.iter_mut().rev().find(is_replaced) {
            old.supersede(record.recorded_at);
        }
    }
    if change != Change::End {
        records.push(record);
    }
}
