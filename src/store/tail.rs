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
use super::state::State;

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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Slot {
    pub(super) customer: i64,
    pub(super) occurred_at: i64,
    /// The commit, by its place in the run.
    segment: u32,
    start: u32,
}

/// The changes of one commit as they are stored, one after the other.
#[derive(Clone, Debug)]
struct Segment {
    batch: i64,
    bytes: Arc<[u8]>,
}

/// Changes of consecutive commits, sorted by customer; a customer's in the order of arrival.
#[derive(Debug, Default)]
pub(super) struct Run {
    slots: Vec<Slot>,
    segments: Vec<Segment>,
    /// Hashes of the orders with numbered lines, and whose they are.
    orders: Vec<(u64, i64)>,
    /// One of sixteen bits per order, by the first bits of its hash: most orders that are looked for
    /// are not here.
    order_bits: Vec<u64>,
    last_batch: i64,
    /// Bytes in memory, about.
    bytes: usize,
}

impl Run {
    /// The run of one stored batch.
    pub(super) fn read(number: i64, blob: &[u8]) -> Result<Self, Fault> {
        let mut bytes = open(VERSION, blob, WHAT)?;
        let count = bytes.number().ok_or_else(|| damaged(WHAT))?;
        let body = bytes.rest();
        let mut batch = BatchBuilder { bytes: body.to_vec(), ..BatchBuilder::default() };
        for _ in 0..count {
            let start = body.len() - bytes.rest().len();
            let (customer, change, record) = read_change(&mut bytes)?;
            batch.note(customer, change, &record, start);
        }
        Ok(batch.run(number))
    }

    /// One run of consecutive ones. The bytes stay where they are.
    fn merge(runs: &[Arc<Self>]) -> Self {
        let sum = |size: fn(&Self) -> usize| runs.iter().map(|run| size(run)).sum::<usize>();
        let mut merged = Self {
            slots: Vec::with_capacity(sum(|run| run.slots.len())),
            segments: Vec::with_capacity(sum(|run| run.segments.len())),
            orders: Vec::with_capacity(sum(|run| run.orders.len())),
            bytes: sum(|run| run.bytes),
            ..Self::default()
        };
        for run in runs {
            let shift = merged.segments.len() as u32;
            merged.segments.extend_from_slice(&run.segments);
            let slots = run.slots.iter();
            merged.slots.extend(slots.map(|slot| Slot { segment: slot.segment + shift, ..*slot }));
            merged.orders.extend_from_slice(&run.orders);
            merged.last_batch = run.last_batch;
        }
        merged.sort();
        merged
    }

    /// Brings slots and orders into their order; both are sorted in parts already.
    fn sort(&mut self) {
        self.slots.sort_by_key(|slot| slot.customer);
        self.orders.sort();
        self.orders.dedup();
        self.order_bits = vec![0; (self.orders.len() / 4).next_power_of_two()];
        for (order, _) in &self.orders {
            let (word, bit) = bit_of(*order, self.order_bits.len());
            if let Some(word) = self.order_bits.get_mut(word) {
                *word |= bit;
            }
        }
    }

    fn may_have_order(&self, order: u64) -> bool {
        let (word, bit) = bit_of(order, self.order_bits.len());
        self.order_bits.get(word).is_some_and(|word| word & bit != 0)
    }

    fn of(&self, customer: i64) -> &[Slot] {
        let start = self.slots.partition_point(|slot| slot.customer < customer);
        let rest = self.slots.get(start..).unwrap_or_default();
        let length = rest.iter().take_while(|slot| slot.customer == customer).count();
        rest.get(..length).unwrap_or_default()
    }

    fn change(&self, slot: &Slot) -> Result<(Change, Record<'_>), Fault> {
        let segment = self.segments.get(slot.segment as usize);
        let bytes = segment.and_then(|segment| segment.bytes.get(slot.start as usize..));
        let bytes = bytes.unwrap_or_default();
        let (_, change, record) = read_change(&mut Bytes::new(bytes))?;
        Ok((change, record))
    }

    /// The commit of a change.
    fn batch(&self, slot: &Slot) -> i64 {
        self.segments.get(slot.segment as usize).map_or(0, |segment| segment.batch)
    }

    /// This run without a customer's changes.
    pub(super) fn without(&self, customer: i64) -> Result<Self, Fault> {
        let mut rest: Vec<BatchBuilder> = Vec::new();
        rest.resize_with(self.segments.len(), BatchBuilder::default);
        for slot in self.slots.iter().filter(|slot| slot.customer != customer) {
            let (change, record) = self.change(slot)?;
            if let Some(rest) = rest.get_mut(slot.segment as usize) {
                rest.push(slot.customer, change, &record);
            }
        }
        let batches = self.segments.iter().map(|segment| segment.batch);
        let runs = rest.into_iter().zip(batches).map(|(rest, batch)| Arc::new(rest.run(batch)));
        Ok(Self::merge(&runs.collect::<Vec<_>>()))
    }

    /// The changes as they are stored, where the run is one commit.
    pub(super) fn blob(&self) -> Vec<u8> {
        let bytes = self.segments.first().map(|segment| &*segment.bytes);
        sealed_blob(self.slots.len(), bytes.unwrap_or_default())
    }

    /// Runs of one level have up to eight times as many changes as those of the level below.
    fn level(&self) -> u32 {
        self.slots.len().max(1).ilog2() / MERGED.ilog2()
    }
}

/// A level has runs of up to so many times the size of the level below.
const MERGED: usize = 8;

/// The place of an order's bit among so many words, a power of two.
fn bit_of(order: u64, words: usize) -> (usize, u64) {
    let place = (order >> 32) as usize & (words * 64).wrapping_sub(1);
    (place / 64, 1 << (place % 64))
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

/// The changes of one commit while it is put together.
#[derive(Debug, Default)]
pub(super) struct BatchBuilder {
    slots: Vec<Slot>,
    bytes: Vec<u8>,
    orders: Vec<(u64, i64)>,
}

impl BatchBuilder {
    pub(super) fn push(&mut self, customer: i64, change: Change, record: &Record<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&customer.to_le_bytes());
        self.bytes.push(change as u8);
        record.write(&Record::default(), &mut self.bytes);
        self.note(customer, change, record, start);
    }

    /// Notes a change whose bytes begin at `start`.
    fn note(&mut self, customer: i64, change: Change, record: &Record<'_>, start: usize) {
        let (occurred_at, start) = (record.occurred_at, start as u32);
        self.slots.push(Slot { customer, occurred_at, segment: 0, start });
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
        let Self { slots, bytes, orders } = self;
        let size = bytes.len()
            + size_of::<Segment>()
            + size_of_val(slots.as_slice())
            + size_of_val(orders.as_slice()) * 9 / 8;
        let segments = vec![Segment { batch, bytes: bytes.into() }];
        let mut run =
            Run { slots, segments, orders, last_batch: batch, bytes: size, ..Run::default() };
        run.sort();
        run
    }
}

/// All lines that are not packed, as of one commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    /// Grows when histories changed by other means than commits and packing.
    pub(super) epoch: i64,
    /// The last commit in here.
    pub(super) last_batch: i64,
    /// Every commit after this one is in here.
    since: i64,
    runs: Vec<Arc<Run>>,
    /// Leading runs that are being packed and must not grow.
    sealed: usize,
}

impl Tail {
    /// A tail in which everything up to `last_batch` is packed.
    pub(super) fn empty(epoch: i64, last_batch: i64) -> Self {
        Self { epoch, last_batch, since: last_batch, ..Self::default() }
    }

    /// This tail and one commit more.
    pub(super) fn with(&self, run: Run) -> Self {
        let mut runs = self.runs.clone();
        let last_batch = run.last_batch;
        runs.push(Arc::new(run));
        while let Some(start) = self.merged_from(&runs)
            && let Some(small) = runs.get(start..)
        {
            let merged = Arc::new(Run::merge(small));
            runs.truncate(start);
            runs.push(merged);
        }
        Self { last_batch, runs, ..*self }
    }

    /// Where the runs begin that are to be merged: the last ones, when those of some level or below
    /// make a run of a higher level. So a change is moved once per level, and there are at most
    /// [`MERGED`] runs of each.
    fn merged_from(&self, runs: &[Arc<Run>]) -> Option<usize> {
        let open = runs.get(self.sealed..)?;
        let levels = 0..=open.iter().map(|run| run.level()).max()?;
        levels.into_iter().find_map(|level| {
            let small = open.iter().rev().take_while(|run| run.level() <= level);
            let (count, changes) =
                small.fold((0, 0), |(count, sum), run| (count + 1, sum + run.slots.len()));
            let is_full = changes >= MERGED.saturating_pow(level + 1);
            (is_full && count > 1).then(|| runs.len() - count)
        })
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
            since: self.since.max(batch),
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

    /// The commit from which on, itself left out, all changes are in here.
    pub(super) fn since(&self) -> i64 {
        self.since
    }

    /// Whether all that is not packed as of `state` is in here.
    pub(super) fn reaches(&self, state: &State) -> bool {
        self.epoch == state.epoch && self.last_batch >= state.last_batch
    }

    /// Every change, in no set order.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.runs.iter().flat_map(|run| &run.slots)
    }

    /// The commits that changed one customer's history.
    pub(super) fn batches_of(&self, customer: i64) -> BTreeSet<i64> {
        let of = |run: &Arc<Run>| {
            run.of(customer).iter().map(|slot| run.batch(slot)).collect::<Vec<_>>()
        };
        self.runs.iter().flat_map(of).collect()
    }

    /// Number of changes.
    pub(super) fn len(&self) -> usize {
        self.runs.iter().map(|run| run.slots.len()).sum()
    }

    /// Bytes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.runs.iter().map(|run| run.bytes).sum()
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
            let wanted = slots.filter(move |slot| {
                let batch = run.batch(slot);
                batch > after && batch <= upto
            });
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
        let runs = self.runs.iter().filter(move |run| run.may_have_order(order));
        runs.flat_map(move |run| {
            let start = run.orders.partition_point(|(hash, _)| *hash < order);
            let rest = run.orders.iter().skip(start);
            rest.take_while(move |(hash, _)| *hash == order).map(|(_, customer)| *customer)
        })
    }

    /// All orders with numbered lines and whose they are, in the order of the table of orders, where
    /// hashes are signed.
    pub(super) fn orders(&self) -> Vec<(i64, i64)> {
        let orders = self.runs.iter().flat_map(|run| &run.orders);
        let mut orders: Vec<(i64, i64)> =
            orders.map(|(order, customer)| (*order as i64, *customer)).collect();
        orders.sort_unstable();
        orders.dedup();
        orders
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

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(number: i64, changes: i64) -> Run {
        let mut batch = BatchBuilder::default();
        for at in 0..changes {
            let record = Record { occurred_at: number, order_id: "o", ..Record::default() };
            batch.push(at % 5, Change::Add, &Record { line_number: Some(at as u32), ..record });
        }
        batch.run(number)
    }

    #[test]
    fn runs_stay_few_and_keep_everything_in_order_whatever_their_sizes() {
        for sizes in [[1, 1, 1, 1], [1, 700, 1, 3], [64, 8, 512, 1], [500, 500, 2, 500]] {
            let mut tail = Tail::default();
            let mut of_first = Vec::new();
            for (number, size) in (1..=800).zip(sizes.into_iter().cycle()) {
                tail = tail.with(batch(number, size));
                of_first.extend((0..size).filter(|at| at % 5 == 0).map(|_| number));
                assert!(tail.runs.len() <= MERGED * 7, "{} runs of {sizes:?}", tail.runs.len());
            }
            let changes = tail.changes(0, 0, i64::MAX).map(|change| change.unwrap().1.occurred_at);
            assert_eq!(changes.collect::<Vec<_>>(), of_first);
            let some = tail.changes(0, 300, 600).map(|change| change.unwrap().1.occurred_at);
            assert!(
                some.eq(of_first.iter().copied().filter(|number| (301..=600).contains(number)))
            );
            assert_eq!(
                tail.customers(),
                if sizes[0] == 1 && sizes[1] == 1 { vec![0] } else { vec![0, 1, 2, 3, 4] }
            );
        }
    }
}
