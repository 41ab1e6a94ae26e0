//! Lines that come over a stream, a chunk at a time.

use crate::store::{AppendOutcome, IdentifiedLine, StoreError, TransactionStore};
use crate::transaction::{InvalidLine, LineDraft, OccurrenceCounter, Timestamp};

/// What became of a chunk.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ChunkOutcome {
    /// New lines.
    pub accepted: u32,
    /// Lines that were there already.
    pub duplicates: u32,
    /// Lines that took the place of another.
    pub corrected: u32,
    /// Lines that do not keep the contract; the others were stored all the same.
    pub refusals: Vec<ChunkRefusal>,
}

/// A line of a chunk that was not stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChunkRefusal {
    /// Its position in the chunk, from 0.
    pub row: usize,
    /// Why.
    pub problem: InvalidLine,
}

/// One sender's stream: it remembers how often it met equal lines.
#[derive(Debug)]
pub struct StreamIngest<'a> {
    store: &'a TransactionStore,
    currency: &'a str,
    seen: OccurrenceCounter,
}

impl<'a> StreamIngest<'a> {
    /// A stream into `store`, whose lines are in `currency`.
    pub fn new(store: &'a TransactionStore, currency: &'a str) -> Self {
        Self { store, currency, seen: OccurrenceCounter::default() }
    }

    /// Goes on with what another call on the same stream remembered.
    pub fn resume(store: &'a TransactionStore, currency: &'a str, seen: OccurrenceCounter) -> Self {
        Self { store, currency, seen }
    }

    /// What is to be remembered for [`StreamIngest::resume`].
    pub fn into_seen(self) -> OccurrenceCounter {
        self.seen
    }

    /// Stores the lines of a chunk that keep the contract; when this returns they are on the
    /// medium.
    ///
    /// # Errors
    /// When the medium fails; then no line of the chunk was stored.
    pub fn append(&mut self, drafts: Vec<LineDraft>) -> Result<ChunkOutcome, StoreError> {
        let recorded_at = Timestamp::now();
        let mut outcome = ChunkOutcome::default();
        let mut lines = Vec::with_capacity(drafts.len());
        for (row, draft) in drafts.into_iter().enumerate() {
            match draft.check(self.currency) {
                Ok(line) => {
                    let identity = line.identity(&mut self.seen);
                    lines.push(IdentifiedLine { line, identity, recorded_at });
                }
                Err(problem) => outcome.refusals.push(ChunkRefusal { row, problem }),
            }
        }
        for appended in self.store.append(&lines)? {
            match appended {
                AppendOutcome::Accepted => outcome.accepted += 1,
                AppendOutcome::Duplicate => outcome.duplicates += 1,
                AppendOutcome::Corrected => outcome.corrected += 1,
            }
        }
        Ok(outcome)
    }
}
