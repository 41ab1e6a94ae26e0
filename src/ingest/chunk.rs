//! Lines that come over a stream, a chunk at a time.

use crate::store::{AppendOutcome, NewLine, StoreError, TransactionStore};
use crate::transaction::{InvalidLine, LineDraft, OccurrenceCounter};

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
#[derive(Debug, Default)]
pub struct StreamIngest {
    seen: OccurrenceCounter,
}

/// A chunk whose lines were checked and are ready to be stored.
#[derive(Debug, Default)]
pub struct CheckedChunk {
    lines: Vec<NewLine>,
    refusals: Vec<ChunkRefusal>,
}

impl StreamIngest {
    /// Checks the lines of the next chunk, which must be in the reporting `currency`.
    pub fn check(&mut self, drafts: Vec<LineDraft>, currency: &str) -> CheckedChunk {
        let mut chunk =
            CheckedChunk { lines: Vec::with_capacity(drafts.len()), refusals: Vec::new() };
        for (row, draft) in drafts.into_iter().enumerate() {
            match draft.check(currency) {
                Ok(line) => chunk.lines.push(NewLine::new(line, &mut self.seen)),
                Err(problem) => chunk.refusals.push(ChunkRefusal { row, problem }),
            }
        }
        chunk
    }
}

impl CheckedChunk {
    /// Stores the lines of some chunks that keep the contract, in one commit; when this returns they
    /// are on the medium and every later answer sees them.
    ///
    /// # Errors
    /// When the medium fails; then no line of any chunk was stored.
    pub fn store(
        chunks: Vec<Self>,
        store: &TransactionStore,
    ) -> Result<Vec<ChunkOutcome>, StoreError> {
        let (lines, refusals): (Vec<_>, Vec<_>) =
            chunks.into_iter().map(|chunk| (chunk.lines, chunk.refusals)).unzip();
        let appended = store.append_chunks(lines)?;
        Ok(appended.iter().zip(refusals).map(|(lines, refused)| outcome(lines, refused)).collect())
    }
}

fn outcome(lines: &[AppendOutcome], refusals: Vec<ChunkRefusal>) -> ChunkOutcome {
    let count = |wanted| lines.iter().filter(|outcome| **outcome == wanted).count() as u32;
    ChunkOutcome {
        accepted: count(AppendOutcome::Accepted),
        duplicates: count(AppendOutcome::Duplicate),
        corrected: count(AppendOutcome::Corrected),
        refusals,
    }
}
