//! The tail of this process, kept up to date with what any process stored.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rusqlite::Connection;

use crate::transaction::Timestamp;

use super::error::Fault;
use super::state::State;
use super::tail::{Run, Tail};

/// The newest [`Tail`] that this process knows.
///
/// A reader takes it before its transaction begins: then it has everything that the transaction may
/// see as not packed, since commits leave the tail only after packing was committed.
#[derive(Debug, Default)]
pub(super) struct Tails {
    newest: ArcSwap<Tail>,
    changing: Mutex<()>,
}

impl Tails {
    /// What is known now.
    pub(super) fn newest(&self) -> Arc<Tail> {
        self.newest.load_full()
    }

    /// The tail as of `state`, which was read in the transaction of `connection`. What other
    /// processes stored is loaded.
    pub(super) fn current(
        &self,
        connection: &Connection,
        state: &State,
    ) -> Result<Arc<Tail>, Fault> {
        self.since(self.newest(), connection, state)
    }

    /// Brings `known` up to `state`.
    pub(super) fn since(
        &self,
        known: Arc<Tail>,
        connection: &Connection,
        state: &State,
    ) -> Result<Arc<Tail>, Fault> {
        if known.reaches(state) {
            return Ok(known);
        }
        let base = match known.epoch == state.epoch && known.last_batch >= state.packed_batch {
            true => Tail::clone(&known),
            false => Tail::empty(state.epoch, state.packed_batch),
        };
        let loaded = Arc::new(load(base, connection)?);
        self.offer(&loaded);
        Ok(loaded)
    }

    /// Adds a commit of this process.
    pub(super) fn push(&self, state: &State, run: Run) {
        self.change(|tail| {
            let follows = tail.epoch == state.epoch && tail.last_batch + 1 == state.last_batch;
            follows.then(|| tail.with(run))
        });
    }

    /// Goes on in a new epoch: histories changed, what is not packed did not.
    pub(super) fn begin_epoch(&self, epoch: i64) {
        self.change(|tail| (tail.epoch + 1 == epoch).then(|| tail.in_epoch(epoch)));
    }

    /// Puts a changed tail in the place of the newest; `None` leaves it.
    pub(super) fn change(&self, change: impl FnOnce(&Tail) -> Option<Tail>) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changed) = change(&self.newest.load()) {
            self.newest.store(Arc::new(changed));
        }
    }

    fn offer(&self, loaded: &Arc<Tail>) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = self.newest.load();
        if (loaded.epoch, loaded.last_batch) > (newest.epoch, newest.last_batch) {
            self.newest.store(Arc::clone(loaded));
        }
    }
}

fn load(mut tail: Tail, connection: &Connection) -> Result<Tail, Fault> {
    let mut select = connection
        .prepare_cached("SELECT batch, changes FROM tail WHERE batch > ?1 ORDER BY batch")?;
    let mut rows = select.query([tail.last_batch])?;
    while let Some(row) = rows.next()? {
        let run =
            Run::read(row.get(0)?, row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
        tail = tail.with(run);
    }
    Ok(tail)
}

/// The latest `recorded_at` that was given out, as far as this process knows.
#[derive(Debug, Default)]
pub(super) struct LatestInstant {
    micros: AtomicI64,
    was_told: AtomicBool,
}

/// A clock that is behind by less is not worth a word, in microseconds.
const SET_BACK: i64 = 1_000_000;

impl LatestInstant {
    pub(super) fn advance(&self, micros: i64) {
        self.micros.fetch_max(micros, Ordering::AcqRel);
    }

    pub(super) fn micros(&self) -> i64 {
        self.micros.load(Ordering::Acquire)
    }

    /// Warns once when the machine's clock stands before what is stored.
    pub(super) fn tell_of_set_back(&self, now: i64, last: i64) {
        let is_behind = last.saturating_sub(now) > SET_BACK;
        if is_behind && !self.was_told.swap(is_behind, Ordering::AcqRel) {
            let last = Timestamp::from_micros(last);
            tracing::warn!(
                %last,
                "the machine's clock was set back; recorded_at stands still until it has caught up"
            );
        }
    }
}
