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
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
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

/// The runs of one piece.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Run>,
    open: Option<Run>,
}

impl Runs {
    /// Adds the next numbered line.
    pub(super) fn push(&mut self, order: u64, line_number: u32) {
        match &mut self.open {
            Some(run) if run.order == order && run.last < line_number => run.last = line_number,
            open => {
                let ended = open.replace(Run { order, first: line_number, last: line_number });
                self.runs.extend(ended);
            }
        }
    }

    /// All runs; the next line begins a new one.
    pub(super) fn take(&mut self) -> Vec<Run> {
        self.runs.extend(self.open.take());
        std::mem::take(&mut self.runs)
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
        for partition in 0..partitions.count() {
            go_on()?;
            lines += fates.suspect(partition, runs, storage)?;
        }
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
        in_order(threads, next, Vec::new, work, sink).map_err(|broken| match broken {
            Broken::Failed(error) => error,
            Broken::Panicked => ReadHistoriesError::Thread,
        })?;
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

    /// Finds the orders of one partition that have overlapping runs, and about how many lines they
    /// have: no fewer than there are.
    fn suspect(&mut self, partition: usize, runs: &[Block], storage: &Storage) -> io::Result<u64> {
        let mut seen = FoldSet::default();
        let mut again = FoldSet::default();
        each_run(partition, runs, storage, |run| {
            if !seen.insert(run.order) {
                again.insert(run.order);
            }
        })?;
        if again.is_empty() {
            return Ok(0);
        }
        let mut ranges = Vec::new();
        each_run(partition, runs, storage, |run| {
            if again.contains(&run.order) {
                ranges.push(run);
            }
        })?;
        ranges.sort_unstable_by_key(|run| (run.order, run.first, run.last));
        let mut lines = 0;
        for ranges in ranges.chunk_by(|a, b| a.order == b.order) {
            let Some((first_last, order)) = shared(ranges) else { continue };
            self.suspects.insert(order, first_last);
            lines += ranges.iter().map(|run| run.count_within(first_last)).sum::<u64>();
        }
        Ok(lines)
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

/// A line's block and row as one number; blocks are in the order of the files.
fn place(block: usize, line: &Line) -> u64 {
    (block as u64) << 32 | u64::from(line.row)
}

fn each_run(
    partition: usize,
    runs: &[Block],
    storage: &Storage,
    mut visit: impl FnMut(Run),
) -> io::Result<()> {
    let mut buffer = Vec::new();
    for block in runs {
        let mut bytes = Bytes::new(block.partition(partition, storage, &mut buffer)?);
        while !bytes.rest().is_empty() {
            visit(Run::read(&mut bytes).ok_or(io::ErrorKind::InvalidData)?);
        }
    }
    Ok(())
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
