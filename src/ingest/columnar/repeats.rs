//! Lines that come again: duplicates and corrections by order and line number.
//!
//! Nearly all orders come once, as a run of rows with rising line numbers. So only runs are
//! compared; the lines themselves are looked at again where two runs of one order overlap.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::io;

use super::ReadHistoriesError;
use super::line::Line;
use super::names::{FoldHasher, FoldMap};
use super::piece::{Block, Partitions};
use super::storage::Storage;

/// Lines that are compared at a time; the rest waits for another pass over all lines.
const PASS_LINES: u64 = 4_000_000;

type FoldSet<T> = HashSet<T, BuildHasherDefault<FoldHasher>>;

/// The runs of one piece: order, and first and last line number in the halves of a word.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<[u64; 2]>,
    open: Option<(u64, u32, u32)>,
}

impl Runs {
    /// Adds the next numbered line.
    pub(super) fn push(&mut self, order: u64, line_number: u32) {
        match &mut self.open {
            Some((known, _, last)) if *known == order && *last < line_number => *last = line_number,
            open => {
                let ended = open.replace((order, line_number, line_number));
                self.runs.extend(ended.map(packed));
            }
        }
    }

    /// All runs; the next line begins a new one.
    pub(super) fn take(&mut self) -> Vec<[u64; 2]> {
        self.runs.extend(self.open.take().map(packed));
        std::mem::take(&mut self.runs)
    }
}

fn packed((order, first, last): (u64, u32, u32)) -> [u64; 2] {
    [order, u64::from(first) << 32 | u64::from(last)]
}

/// What became of lines whose order and line number came more than once.
#[derive(Debug, Default)]
pub(super) struct Fates {
    suspects: FoldSet<u64>,
    /// Block and row -> when a correction took the line's place; none for a duplicate.
    fates: FoldMap<u64, Option<i64>>,
    pub(super) duplicates: u64,
    pub(super) corrected: u64,
}

impl Fates {
    /// Compares the lines of all `blocks` whose `runs` overlap; `go_on` may break off.
    pub(super) fn of(
        blocks: &[Block],
        runs: &[Block],
        partitions: Partitions,
        storage: &Storage,
        go_on: &dyn Fn() -> Result<(), ReadHistoriesError>,
    ) -> Result<Self, ReadHistoriesError> {
        let mut fates = Self::default();
        for partition in 0..partitions.count() {
            go_on()?;
            fates.suspect(partition, runs, storage)?;
        }
        if fates.suspects.is_empty() {
            return Ok(fates);
        }
        let mut lines = 0;
        each_line(blocks, storage, go_on, |_, line| lines += u64::from(fates.is_suspect(line)))?;
        let passes = lines.div_ceil(PASS_LINES).max(1);
        for pass in 0..passes {
            let mut versions = Vec::new();
            each_line(blocks, storage, go_on, |at, line| {
                if fates.is_suspect(line) && line.order % passes == pass {
                    versions.push((at, *line));
                }
            })?;
            fates.decide(versions);
        }
        Ok(fates)
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
        !self.suspects.is_empty() && line.is_numbered && self.suspects.contains(&line.order)
    }

    /// Finds the orders of one partition that have overlapping runs.
    fn suspect(&mut self, partition: usize, runs: &[Block], storage: &Storage) -> io::Result<()> {
        let mut seen = FoldSet::default();
        let mut again = FoldSet::default();
        each_run(partition, runs, storage, |order, _| {
            if !seen.insert(order) {
                again.insert(order);
            }
        })?;
        if again.is_empty() {
            return Ok(());
        }
        let mut ranges = Vec::new();
        each_run(partition, runs, storage, |order, range| {
            if again.contains(&order) {
                ranges.push((order, range));
            }
        })?;
        ranges.sort_unstable();
        let mut last = (0, 0);
        for (order, range) in ranges {
            let (first_line, last_line) = (range >> 32, range & u64::from(u32::MAX));
            if last.0 == order && first_line <= last.1 {
                self.suspects.insert(order);
            }
            let reached = if last.0 == order { last.1 } else { 0 };
            last = (order, reached.max(last_line));
        }
        Ok(())
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
    mut visit: impl FnMut(u64, u64),
) -> io::Result<()> {
    let mut buffer = Vec::new();
    for block in runs {
        let words = block.partition(partition, 2, storage, &mut buffer)?;
        let (runs, _) = words.as_chunks::<2>();
        runs.iter().for_each(|[order, range]| visit(*order, *range));
    }
    Ok(())
}

fn each_line(
    blocks: &[Block],
    storage: &Storage,
    go_on: &dyn Fn() -> Result<(), ReadHistoriesError>,
    mut visit: impl FnMut(u64, &Line),
) -> Result<(), ReadHistoriesError> {
    let mut buffer = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        go_on()?;
        for partition in 0..block.bounds.len().saturating_sub(1) {
            for line in block.lines(partition, storage, &mut buffer)? {
                visit(place(number, &line), &line);
            }
        }
    }
    Ok(())
}
