//! Histories that were read lately, within a bound of memory.

use std::any::Any;
use std::collections::HashMap;
use std::mem;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::transaction::{CustomerHistory, CustomerId, HistoryLine};

use super::decode::Decoder;
use super::error::Fault;
use super::history::Packed;
use super::tail::Tail;

/// What an entry takes besides its lines, about, in bytes.
const OVERHEAD: usize = 1_024;

/// What is derived from a history takes about so much a line, in bytes.
const DERIVED: usize = 80;

/// The history of a customer, empty when there is none, and what was derived from it: it may be
/// asked about again.
#[derive(Debug, Default)]
pub struct Remembered {
    history: CustomerHistory,
    again: AtomicBool,
    derived: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Remembered {
    /// What `derive` makes of the history, which is made once and kept as long as the history is.
    /// `None` where the history was not asked about before, so that nobody may do so again, or
    /// something of another type was derived from it.
    pub fn derived<T: Any + Send + Sync>(
        &self,
        derive: impl FnOnce(&CustomerHistory) -> T,
    ) -> Option<&T> {
        if !self.again.load(Ordering::Relaxed) {
            return None;
        }
        self.derived.get_or_init(|| Box::new(derive(&self.history))).downcast_ref()
    }
}

impl Deref for Remembered {
    type Target = CustomerHistory;

    fn deref(&self) -> &CustomerHistory {
        &self.history
    }
}

/// A history as of one commit.
#[derive(Clone, Debug)]
struct Cached {
    key: i64,
    batch: i64,
    history: Arc<Remembered>,
}

impl Cached {
    /// The history as of the commit `upto` of `tail`, if nothing changed it.
    fn as_of(&mut self, tail: &Tail, upto: i64) -> Option<Arc<Remembered>> {
        let is_unchanged = self.batch >= tail.since()
            && self.batch <= upto
            && tail.changes(self.key, self.batch, upto).next().is_none();
        is_unchanged.then(|| {
            self.batch = upto;
            self.history.again.store(true, Ordering::Relaxed);
            Arc::clone(&self.history)
        })
    }
}

/// Two generations of histories of one epoch: when the younger one has half of the limit, the older
/// one goes.
#[derive(Debug, Default)]
struct Generations {
    epoch: i64,
    young: HashMap<CustomerId, Cached>,
    old: HashMap<CustomerId, Cached>,
    bytes: usize,
}

/// A cache that gives only what the store would give; off while its limit is 0.
#[derive(Debug, Default)]
pub(super) struct HistoryCache {
    limit: usize,
    generations: Mutex<Generations>,
}

impl HistoryCache {
    /// A cache of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, generations: Mutex::default() }
    }

    /// Whether it keeps anything.
    pub(super) fn is_on(&self) -> bool {
        self.limit > 0
    }

    /// The history as of the commit `upto` of `tail`, if it is known and nothing changed it.
    pub(super) fn find(
        &self,
        customer: &CustomerId,
        tail: &Tail,
        upto: i64,
    ) -> Option<Arc<Remembered>> {
        if !self.is_on() {
            return None;
        }
        let mut generations = self.in_epoch(tail.epoch)?;
        if let Some(cached) = generations.young.get_mut(customer) {
            return cached.as_of(tail, upto);
        }
        let mut cached = generations.old.remove(customer)?;
        let history = cached.as_of(tail, upto)?;
        self.make_room(&mut generations, &history);
        generations.young.insert(customer.clone(), cached);
        Some(history)
    }

    /// The history of a customer whose packed part was read, which is remembered.
    pub(super) fn decode(
        &self,
        customer: &CustomerId,
        packed: Packed<'_>,
        decoder: &Decoder<'_>,
    ) -> Result<Arc<Remembered>, Fault> {
        let mut history = Remembered::default();
        decoder.history(packed, &mut history.history)?;
        let history = Arc::new(history);
        self.keep((customer, packed.key), decoder.tail, decoder.upto, &history);
        Ok(history)
    }

    /// Remembers a history that was read under `key` as of the commit `upto` of `tail`.
    fn keep(
        &self,
        (customer, key): (&CustomerId, i64),
        tail: &Tail,
        upto: i64,
        history: &Arc<Remembered>,
    ) {
        if size(history) > self.limit / 2 {
            return;
        }
        let Some(mut generations) = self.in_epoch(tail.epoch) else { return };
        self.make_room(&mut generations, history);
        let cached = Cached { key, batch: upto, history: Arc::clone(history) };
        generations.young.insert(customer.clone(), cached);
    }

    /// Forgets everything of epochs before this one: somebody may have been erased.
    pub(super) fn begin_epoch(&self, epoch: i64) {
        drop(self.in_epoch(epoch));
    }

    /// What is known of an epoch; `None` once a later one began.
    fn in_epoch(&self, epoch: i64) -> Option<MutexGuard<'_, Generations>> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.epoch < epoch {
            *generations = Generations { epoch, ..Generations::default() };
        }
        (generations.epoch == epoch).then_some(generations)
    }

    fn make_room(&self, generations: &mut Generations, history: &Remembered) {
        if generations.bytes + size(history) > self.limit / 2 {
            generations.old = mem::take(&mut generations.young);
            generations.bytes = 0;
        }
        generations.bytes += size(history);
    }
}

fn size(history: &Remembered) -> usize {
    OVERHEAD + history.lines().len() * (size_of::<HistoryLine>() + DERIVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer(number: usize) -> CustomerId {
        CustomerId::parse(&number.to_string()).unwrap()
    }

    #[test]
    fn memory_stays_within_the_limit_and_what_is_asked_for_stays() {
        let limit = 40 * OVERHEAD;
        let cache = HistoryCache::new(limit);
        let (tail, empty) = (Tail::empty(1, 5), Arc::default());
        for number in 0..1_000 {
            cache.keep((&customer(number), number as i64), &tail, 5, &empty);
            assert!(cache.find(&customer(0), &tail, 5).is_some(), "after {number}");
            let generations = cache.generations.lock().unwrap();
            let entries = generations.young.len() + generations.old.len();
            assert!(entries * OVERHEAD <= limit, "{entries} entries");
        }
        assert!(cache.find(&customer(1), &tail, 5).is_none());
    }

    #[test]
    fn what_may_have_changed_is_not_given() {
        let kept = || {
            let cache = HistoryCache::new(1 << 20);
            cache.keep((&customer(1), 1), &Tail::empty(1, 5), 5, &Arc::default());
            cache
        };
        let knows = |cache: &HistoryCache, epoch, batch| {
            cache.find(&customer(1), &Tail::empty(epoch, batch), batch).is_some()
        };
        assert!(knows(&kept(), 1, 5));
        assert!(!knows(&kept(), 1, 6), "packed since");
        let cache = kept();
        assert!(!knows(&cache, 2, 5), "another epoch");
        assert!(!knows(&cache, 1, 5), "which made it forget");
        let cache = kept();
        cache.begin_epoch(2);
        assert!(!knows(&cache, 1, 5) && !knows(&cache, 2, 5));
        cache.keep((&customer(1), 1), &Tail::empty(1, 5), 5, &Arc::default());
        assert!(!knows(&cache, 1, 5) && !knows(&cache, 2, 5), "read before that epoch");
    }
}
