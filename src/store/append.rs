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

/// One call of [`TransactionStore::append`].
#[derive(Debug)]
struct Call {
    lines: Mutex<Vec<NewLine>>,
    size: usize,
    outcome: Mutex<Option<Result<Vec<AppendOutcome>, StoreError>>>,
}

impl Call {
    fn new(lines: Vec<NewLine>) -> Self {
        Self { size: lines.len(), lines: Mutex::new(lines), outcome: Mutex::default() }
    }

    fn outcome(&self) -> MutexGuard<'_, Option<Result<Vec<AppendOutcome>, StoreError>>> {
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
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        self.wait_for_packing()?;
        let call = Arc::new(Call::new(lines));
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
        let lines = group
            .iter()
            .map(|call| mem::take(&mut *call.lines.lock().unwrap_or_else(PoisonError::into_inner)));
        match self.commit(writer, lines.collect()) {
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
        calls: Vec<Vec<NewLine>>,
    ) -> Result<Vec<Vec<AppendOutcome>>, StoreError> {
        let stored = self.write(writer, Durability::Full, |writing| {
            let recorded_at = self.next_instant(&mut writing.state);
            let mut commit = Commit::new(writing);
            let mut outcomes = Vec::with_capacity(calls.len());
            for lines in &calls {
                let each = lines.iter().map(|line| commit.add(line, recorded_at, false));
                outcomes.push(each.collect::<Result<Vec<_>, Fault>>()?);
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
