//! Lines that arrive: every call is durable when it returns, and calls that come together share
//! one commit.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::transaction::Timestamp;

use super::commit::{AppendOutcome, Commit, NewLine};
use super::database::Durability;
use super::error::Fault;
use super::state::State;
use super::{StoreError, TransactionStore};

/// Lines that one commit takes at most, unless a single call brings more.
const LINES_PER_COMMIT: usize = 50_000;

/// Calls that wait for the next commit.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Arc<Call>>>,
}

/// What became of the lines of each chunk.
type Outcomes = Vec<Vec<AppendOutcome>>;

/// One call of [`TransactionStore::append_chunks`].
#[derive(Debug)]
struct Call {
    chunks: Mutex<Vec<Vec<NewLine>>>,
    size: usize,
    outcome: Mutex<Option<Result<Outcomes, StoreError>>>,
}

impl Call {
    fn new(chunks: Vec<Vec<NewLine>>) -> Self {
        let size = chunks.iter().map(Vec::len).sum();
        Self { size, chunks: Mutex::new(chunks), outcome: Mutex::default() }
    }

    fn outcome(&self) -> MutexGuard<'_, Option<Result<Outcomes, StoreError>>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Arc<Call>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    fn next_group(&self) -> Vec<Arc<Call>> {
        let mut waiting = self.waiting();
        let (mut group, mut lines) = (Vec::new(), 0);
        while let Some(call) =
            waiting.pop_front_if(|call| group.is_empty() || lines + call.size <= LINES_PER_COMMIT)
        {
            lines += call.size;
            group.push(call);
        }
        group
    }
}

impl TransactionStore {
    /// Appends `lines`, recorded now; when this returns they are on the medium and every
    /// [`TransactionStore::reader`] that is opened from then on sees them.
    ///
    /// Calls of several threads that wait for each other are stored in one commit.
    ///
    /// # Errors
    /// When the medium fails; then none of the lines was stored.
    pub fn append(&self, lines: Vec<NewLine>) -> Result<Vec<AppendOutcome>, StoreError> {
        Ok(self.append_chunks(vec![lines])?.pop().unwrap_or_default())
    }

    /// Appends several chunks in one commit; otherwise as [`TransactionStore::append`].
    ///
    /// # Errors
    /// When the medium fails; then no line of any chunk was stored.
    pub fn append_chunks(&self, chunks: Vec<Vec<NewLine>>) -> Result<Outcomes, StoreError> {
        if chunks.iter().all(Vec::is_empty) {
            return Ok(chunks.iter().map(|_| Vec::new()).collect());
        }
        self.wait_for_packing()?;
        let call = Arc::new(Call::new(chunks));
        self.queue.waiting().push_back(Arc::clone(&call));
        loop {
            let writer = self.database.writer();
            if let Some(outcome) = call.outcome().take() {
                return outcome;
            }
            self.commit_group(&writer, &self.queue.next_group());
        }
    }

    fn commit_group(&self, writer: &Connection, group: &[Arc<Call>]) {
        let take = |call: &Arc<Call>| {
            mem::take(&mut *call.chunks.lock().unwrap_or_else(PoisonError::into_inner))
        };
        let calls: Vec<Vec<Vec<NewLine>>> = group.iter().map(take).collect();
        match self.commit(writer, &calls) {
            Ok(outcomes) => {
                for (call, outcomes) in group.iter().zip(outcomes) {
                    *call.outcome() = Some(Ok(outcomes));
                }
            }
            Err(error) => {
                for call in group {
                    *call.outcome() = Some(Err(error.clone()));
                }
            }
        }
    }

    fn commit(
        &self,
        writer: &Connection,
        calls: &[Vec<Vec<NewLine>>],
    ) -> Result<Vec<Outcomes>, StoreError> {
        let stored = self.write(writer, Durability::Full, |writing| {
            let recorded_at = self.next_instant(&mut writing.state);
            let mut commit = Commit::new(writing);
            let mut outcomes = Vec::with_capacity(calls.len());
            for chunks in calls {
                let mut of_call = Outcomes::with_capacity(chunks.len());
                for lines in chunks {
                    let each = lines.iter().map(|line| commit.add(line, recorded_at, false));
                    of_call.push(each.collect::<Result<_, Fault>>()?);
                }
                outcomes.push(of_call);
            }
            let stored = commit.store()?;
            Ok((outcomes, stored, recorded_at))
        });
        let (outcomes, stored, recorded_at) = stored.map_err(|fault| self.database.fault(fault))?;
        if let Some((state, run)) = stored {
            self.tails.push(&state, run);
            self.latest.advance(recorded_at.micros());
            self.ask_for_maintenance();
        }
        Ok(outcomes)
    }

    /// When lines that are stored now became known. Never before what was stored earlier, even when
    /// the machine's clock was set back.
    fn next_instant(&self, state: &mut State) -> Timestamp {
        let now = Timestamp::now().micros();
        self.latest.tell_of_set_back(now, state.last_recorded_at);
        state.last_recorded_at = state.last_recorded_at.max(now);
        Timestamp::from_micros(state.last_recorded_at)
    }
}
