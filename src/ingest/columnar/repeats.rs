//! Lines that come again: duplicates and corrections by order and line number.
//!
//! Nearly all orders come once, as a run of rows with rising line numbers. So only runs are
//! compared; the lines themselves are looked at again where two runs of one order overlap.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::io;
use std::ops::ControlFlow;

use super::ReadHistoriesError;
use super::line::Line;
use super::names::{FoldHasher, FoldMap};
use super::piece::{Block, Partitions};
use super::scatter::Scatter;
use super::storage::Storage;
use crate::parallel::{Broken, in_order};
use crate::store::bytes::{Bytes, put};

/// Lines that are compared at a time; the rest waits for another pass over all lines.
const PASS_LINES: u64 = 4_000_000;

type FoldSet<T> = HashSet<T, BuildHasherDefault<FoldHasher>>;

/// Lines of one order with rising numbers, one row after the other.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Run {
    pub(super) order: u64,
    first: u32,
    last: u32,
}

impl Run {
    /// Appends the run to `bytes`.
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.order.to_le_bytes());
        put(bytes, self.first.into());
        put(bytes, (self.last - self.first).into());
    }

    /// How many of its numbers may be from a first to a last one.
    fn count_within(&self, (first, last): (u32, u32)) -> u64 {
        let end = u64::from(self.last.min(last)) + 1;
        end.saturating_sub(self.first.max(first).into())
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let order = u64::from_le_bytes(bytes.take(8)?.try_into().ok()?);
        let first = bytes.symbol()?;
        Some(Self { order, first, last: first.checked_add(bytes.symbol()?)? })
    }
}

/// The first and the last number that two runs of one order share, and the order. The runs are
/// sorted.
fn shared(runs: &[Run]) -> Option<((u32, u32), u64)> {
    let (first, others) = runs.split_first()?;
    let mut reached = first.last;
    let mut shared: Option<(u32, u32)> = None;
    for run in others {
        if run.first <= reached {
            let (low, high) = shared.unwrap_or((run.first, 0));
            shared = Some((low.min(run.first), high.max(run.last.min(reached))));
        }
        reached = reached.max(run.last);
    }
    Some((shared?, first.order))
}

/// The runs of one piece, by the partitions of their orders.
#[derive(Debug)]
pub(super) struct Runs {
    partitions: Partitions,
    ended: Scatter<()>,
    open: Option<Run>,
}

impl Runs {
    pub(super) fn new(partitions: Partitions) -> Self {
        Self { partitions, ended: Scatter::new(partitions.count(), ()), open: None }
    }

    /// Adds the next numbered line.
    pub(super) fn push(&mut self, order: u64, line_number: u32) {
        match &mut self.open {
            Some(run) if run.order == order && run.last < line_number => run.last = line_number,
            _ => {
                self.end();
                self.open = Some(Run { order, first: line_number, last: line_number });
            }
        }
    }

    /// Forgets all runs.
    pub(super) fn clear(&mut self) {
        self.open = None;
        self.ended.clear();
    }

    /// The bytes of all runs and the bounds of the partitions; the next line begins a new run.
    pub(super) fn take(&mut self) -> (Vec<u8>, Vec<u32>) {
        self.end();
        self.ended.take()
    }

    fn end(&mut self) {
        let Some(run) = self.open.take() else { return };
        self.ended.push(self.partitions.of_order(run.order), &(), |(), (), bytes| run.write(bytes));
    }
}

/// What became of lines whose order and line number came more than once.
#[derive(Debug, Default)]
pub(super) struct Fates {
    /// Orders with overlapping runs, and the line numbers from the first to the last that two of
    /// their runs share: all others came once.
    suspects: FoldMap<u64, (u32, u32)>,
    /// Block and row -> when a correction took the line's place; none for a duplicate.
    fates: FoldMap<u64, Option<i64>>,
    pub(super) duplicates: u64,
    pub(super) corrected: u64,
}

impl Fates {
    /// Compares the lines of all `blocks` whose `runs` overlap, on `threads` threads; `go_on` may
    /// break off.
    pub(super) fn of(
        (blocks, runs): (&[Block], &[Block]),
        partitions: Partitions,
        storage: &Storage,
        threads: usize,
        go_on: &dyn Fn() -> Result<(), ReadHistoriesError>,
    ) -> Result<Self, ReadHistoriesError> {
        let mut fates = Self::default();
        let mut lines = 0;
        let mut numbers = 0..partitions.count();
        let next = || go_on().map(|()| numbers.next());
        let work = |search: &mut Search, partition| Ok(search.partition(partition, runs, storage)?);
        let sink = |found: Vec<Suspect>| {
            lines += found.iter().map(|suspect| suspect.lines).sum::<u64>();
            fates.suspects.extend(found.iter().map(|suspect| (suspect.order, suspect.shared)));
            ControlFlow::Continue(())
        };
        in_order(threads, next, Search::default, work, sink).map_err(broken)?;
        if fates.suspects.is_empty() {
            return Ok(fates);
        }
        let passes = lines.div_ceil(PASS_LINES).max(1);
        for pass in 0..passes {
            let versions = fates
                .versions((blocks, storage), threads, go_on, |line| line.order % passes == pass)?;
            fates.decide(versions);
        }
        Ok(fates)
    }

    /// All lines of suspect orders that are `wanted`, with their places.
    fn versions(
        &self,
        (blocks, storage): (&[Block], &Storage),
        threads: usize,
        go_on: &dyn Fn() -> Result<(), ReadHistoriesError>,
        wanted: impl Fn(&Line) -> bool + Sync,
    ) -> Result<Vec<(u64, Line)>, ReadHistoriesError> {
        let mut numbers = blocks.iter().enumerate();
        let next = || go_on().map(|()| numbers.next());
        let work = |buffer: &mut Vec<u8>, (number, block): (usize, &Block)| {
            let mut versions = Vec::new();
            for partition in 0..block.bounds.len().saturating_sub(1) {
                for line in block.lines(partition, storage, buffer)? {
                    let line = line?;
                    if self.is_suspect(&line) && wanted(&line) {
                        versions.push((place(number, &line), line));
                    }
                }
            }
            Ok(versions)
        };
        let mut all = Vec::new();
        let sink = |versions| {
            all.extend::<Vec<(u64, Line)>>(versions);
            ControlFlow::Continue(())
        };
        in_order(threads, next, Vec::new, work, sink).map_err(broken)?;
        Ok(all)
    }

    /// When the line in a block was superseded, if ever; `None` for a line that does not count.
    pub(super) fn superseded_at(&self, block: usize, line: &Line) -> Option<Option<i64>> {
        if !self.is_suspect(line) {
            return Some(None);
        }
        match self.fates.get(&place(block, line)) {
            None => Some(None),
            Some(Some(at)) => Some(Some(*at)),
            Some(None) => None,
        }
    }

    fn is_suspect(&self, line: &Line) -> bool {
        let is_shared = |(first, last): &(u32, u32)| (*first..=*last).contains(&line.line_number);
        !self.suspects.is_empty()
            && line.is_numbered
            && self.suspects.get(&line.order).is_some_and(is_shared)
    }

    /// Goes through the versions of each line in the order of their rows.
    fn decide(&mut self, mut versions: Vec<(u64, Line)>) {
        versions.sort_unstable_by_key(|(at, line)| (line.order, line.line_number, *at));
        let same = |a: &(u64, Line), b: &(u64, Line)| {
            (a.1.order, a.1.line_number) == (b.1.order, b.1.line_number)
        };
        for versions in versions.chunk_by(same).filter(|versions| versions.len() > 1) {
            let mut known = FoldMap::default();
            let mut current: Option<&(u64, Line)> = None;
            for version in versions {
                let (at, line) = version;
                let content = line.content();
                let before = known.get(&content).copied();
                let is_current = current.is_some_and(|(_, current)| current.content() == content);
                // What was known later than an equal earlier version is corrected back to it.
                if is_current || before.is_some_and(|before| line.recorded_at <= before) {
                    self.duplicates += 1;
                    self.fates.insert(*at, None);
                    continue;
                }
                known.insert(content, line.recorded_at);
                if let Some((old_at, old)) = current.replace(version) {
                    self.corrected += 1;
                    self.fates.insert(*old_at, Some(line.recorded_at.max(old.recorded_at)));
                }
            }
        }
    }
}

/// An order with overlapping runs.
#[derive(Debug)]
struct Suspect {
    order: u64,
    /// The first and the last line number that two of its runs share.
    shared: (u32, u32),
    /// About how many lines it has between them: no fewer than there are.
    lines: u64,
}

/// Searches the orders of one partition after the other for one thread.
#[derive(Debug, Default)]
struct Search {
    buffer: Vec<u8>,
    runs: Vec<Run>,
    seen: FoldSet<u64>,
    again: FoldSet<u64>,
}

impl Search {
    fn partition(
        &mut self,
        partition: usize,
        blocks: &[Block],
        storage: &Storage,
    ) -> io::Result<Vec<Suspect>> {
        let Self { buffer, runs, seen, again } = self;
        runs.clear();
        for block in blocks {
            let mut bytes = Bytes::new(block.partition(partition, storage, buffer)?);
            while !bytes.rest().is_empty() {
                runs.push(Run::read(&mut bytes).ok_or(io::ErrorKind::InvalidData)?);
            }
        }
        seen.clear();
        again.clear();
        again.extend(runs.iter().map(|run| run.order).filter(|order| !seen.insert(*order)));
        runs.retain(|run| again.contains(&run.order));
        runs.sort_unstable_by_key(|run| (run.order, run.first, run.last));
        let suspect = |runs: &[Run]| {
            let (shared, order) = shared(runs)?;
            let lines = runs.iter().map(|run| run.count_within(shared)).sum();
            Some(Suspect { order, shared, lines })
        };
        Ok(runs.chunk_by(|a, b| a.order == b.order).filter_map(suspect).collect())
    }
}

fn broken(broken: Broken<ReadHistoriesError>) -> ReadHistoriesError {
    match broken {
        Broken::Failed(error) => error,
        Broken::Panicked => ReadHistoriesError::Thread,
    }
}

/// A line's block and row as one number; blocks are in the order of the files.
fn place(block: usize, line: &Line) -> u64 {
    (block as u64) << 32 | u64::from(line.row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_two_runs_share_are_suspect() {
        let runs = |ranges: &[(u32, u32)]| -> Vec<Run> {
            ranges
                .iter()
                .map(|(first, last)| Run { order: 7, first: *first, last: *last })
                .collect()
        };
        let of = |ranges: &[(u32, u32)]| shared(&runs(ranges)).map(|(numbers, _)| numbers);
        assert_eq!(of(&[(1, 9)]), None);
        assert_eq!(of(&[(0, 3), (4, 4), (5, 9)]), None);
        assert_eq!(of(&[(0, 3), (3, 3), (5, 9)]), Some((3, 3)));
        assert_eq!(of(&[(1, 9), (2, 3), (5, 12), (12, 12)]), Some((2, 12)));
        assert_eq!(of(&[(0, 0), (0, 0)]), Some((0, 0)));
        assert_eq!(of(&[(0, u32::MAX), (u32::MAX, u32::MAX)]), Some((u32::MAX, u32::MAX)));
        let [run] = runs(&[(4, 8)])[..] else { panic!("one run") };
        let counts = [(0, 3), (0, 4), (5, 6), (8, 20), (9, 9)].map(|range| run.count_within(range));
        assert_eq!(counts, [0, 1, 2, 1, 0]);
        let mut bytes = Vec::new();
        run.write(&mut bytes);
        assert_eq!(Run::read(&mut Bytes::new(&bytes)), Some(run));
    }
}
