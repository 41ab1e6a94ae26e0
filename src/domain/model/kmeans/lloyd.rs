//! One start of Lloyd's algorithm.

use rayon::prelude::*;

use super::Settings;
use super::farthest::{Far, farthest};
use super::frame::{BLOCK_ROWS, PANEL};
use super::groups::Groups;
use super::packed::{Block, Packed};
use super::skim::{Skim, shared_rows};
use super::sums::Sums;
use super::tile::nearest;
use crate::model::{FitError, FitRun};

/// Where a start ended.
pub(super) struct Ended {
    /// In the frame of the rows.
    pub(super) centres: Vec<f64>,
    pub(super) iterations: usize,
    pub(super) converged: bool,
    /// A buffer of one label per row; those of the last pass.
    pub(super) labels: Vec<u32>,
}

/// The label of a row that has none yet.
const NONE: u32 = u32::MAX;

/// Passes after which rows are sorted. The next one looks at all centres, so this must be seldom.
const SORTED_AFTER: [usize; 4] = [2, 7, 20, 60];

/// Parts that the rows are cut into: each has sums of its own.
const FEWEST_PARTS: usize = 4;
const MOST_PARTS: usize = 64;

/// Rows per cluster in a part, within those limits: its sums take a 64th of the memory of its rows.
const ROWS_OF_CLUSTER: usize = 128;

/// Iterates from `centres`, which are in the frame of the rows. `enough` is the sum of squared
/// moves at which the start has converged.
pub(super) fn fit(
    packed: &mut Packed<'_>,
    mut centres: Vec<f64>,
    settings: &Settings,
    enough: f64,
    run: &FitRun<'_>,
) -> Result<Ended, FitError> {
    let mut state = Lloyd::new(packed, &centres, run);
    for iteration in 1..=settings.max_iterations {
        run.check()?;
        run.progress.report("cluster", iteration as f64 / settings.max_iterations as f64);
        let moved = state.assign(&centres)?;
        state.sort = state.groups.group_moves.len() > 1 && SORTED_AFTER.contains(&iteration);
        let mut next = state.next(&centres)?;
        let mut converged = next.settled(&centres, moved, enough);
        if state.stale && (converged || iteration == settings.max_iterations) {
            state.sum_again()?;
            next = state.next(&centres)?;
            converged = next.settled(&centres, moved, enough);
        }
        centres = next.centres;
        if converged || iteration == settings.max_iterations {
            return Ok(Ended { centres, iterations: iteration, converged, labels: state.labels });
        }
    }
    Ok(Ended { centres, iterations: 0, converged: false, labels: state.labels })
}

struct Lloyd<'a, 'p> {
    packed: &'a mut Packed<'p>,
    run: &'a FitRun<'a>,
    labels: Vec<u32>,
    groups: Groups,
    /// See [`Skim`]. None until rows were sorted: they would not pay.
    gaps: Vec<f32>,
    gaps_of_block: usize,
    /// Whether rows are to be sorted before the next pass.
    sort: bool,
    sums: Sums,
    /// Whether rows were ever taken out of `sums`, which leaves rounding errors.
    stale: bool,
    blocks_of_part: usize,
    parts: Vec<Part>,
}

/// What the rows of a part do to the sums.
struct Part {
    change: Sums,
    moved: usize,
}

/// The centres after a pass.
struct Next {
    centres: Vec<f64>,
    refilled: bool,
}

impl<'a, 'p> Lloyd<'a, 'p> {
    fn new(packed: &'a mut Packed<'p>, centres: &[f64], run: &'a FitRun<'a>) -> Self {
        let width = packed.width();
        let groups = Groups::of(centres, width);
        let sums = Sums::new(centres.len() / width, width);
        let parts = packed.rows() / (ROWS_OF_CLUSTER * (centres.len() / width));
        let parts = parts.clamp(FEWEST_PARTS, MOST_PARTS);
        let blocks_of_part = packed.blocks().div_ceil(parts).max(1);
        let part = || Part { change: sums.clone(), moved: 0 };
        let parts = (0..packed.blocks().div_ceil(blocks_of_part)).map(|_| part()).collect();
        let gaps_of_block = BLOCK_ROWS / shared_rows() * groups.group_moves.len();
        Self {
            run,
            labels: vec![NONE; packed.rows()],
            gaps: Vec::new(),
            gaps_of_block,
            sort: false,
            groups,
            sums,
            stale: false,
            blocks_of_part,
            parts,
            packed,
        }
    }

    /// Gives each row its nearest centre. How many rows changed theirs.
    fn assign(&mut self, centres: &[f64]) -> Result<usize, FitError> {
        if self.sort {
            self.groups = Groups::of(centres, self.packed.width());
            self.packed.sort(&mut self.labels, &self.groups.ranks(), self.run)?;
            self.gaps.clear();
            self.gaps.resize(self.packed.blocks() * self.gaps_of_block, -1.0);
        } else {
            self.groups.move_to(centres);
        }
        let again = self.labels.first().is_some_and(|label| *label != NONE);
        let (groups, gaps_of_block) = (&self.groups, self.gaps_of_block);
        let (packed, run, blocks_of_part) = (&*self.packed, self.run, self.blocks_of_part);
        let mut gaps = self.gaps.chunks_mut(gaps_of_block * blocks_of_part);
        let labels = self.labels.chunks_mut(BLOCK_ROWS * blocks_of_part);
        let parts: Vec<_> =
            labels.zip(&mut self.parts).map(|(labels, part)| (labels, part, gaps.next())).collect();
        parts.into_par_iter().enumerate().try_for_each(|(index, (labels, part, gaps))| {
            part.clear();
            let mut gaps = gaps.map(|gaps| gaps.chunks_mut(gaps_of_block));
            let blocks = labels.chunks_mut(BLOCK_ROWS);
            for (block, labels) in (index * blocks_of_part..).zip(blocks) {
                run.check()?;
                let gaps = gaps.as_mut().and_then(Iterator::next);
                part.assign(&packed.block(block), groups, gaps, labels);
            }
            Ok::<(), FitError>(())
        })?;
        let moved = self.add_parts();
        self.stale |= again && moved > 0;
        Ok(moved)
    }

    /// The sums anew from the labels.
    fn sum_again(&mut self) -> Result<(), FitError> {
        self.sums.clear();
        let (packed, run, blocks_of_part) = (&*self.packed, self.run, self.blocks_of_part);
        let parts = self.labels.par_chunks(BLOCK_ROWS * blocks_of_part).zip(&mut self.parts);
        parts.enumerate().try_for_each(|(index, (labels, part))| {
            part.clear();
            for (block, labels) in (index * blocks_of_part..).zip(labels.chunks(BLOCK_ROWS)) {
                run.check()?;
                let block = packed.block(block);
                for (row, label) in labels.iter().enumerate() {
                    part.change.put(*label, block.row(row), block.weight(row));
                }
                part.moved += labels.len();
            }
            Ok::<(), FitError>(())
        })?;
        self.add_parts();
        self.stale = false;
        Ok(())
    }

    /// Adds what the parts change, in their order. How many rows that were.
    fn add_parts(&mut self) -> usize {
        for part in self.parts.iter().filter(|part| part.moved > 0) {
            self.sums.add(&part.change);
        }
        self.parts.iter().map(|part| part.moved).sum()
    }

    /// The means; a cluster without rows takes the row that lies farthest from its own centre, and
    /// that row's cluster gives it away, as in scikit-learn.
    fn next(&self, centres: &[f64]) -> Result<Next, FitError> {
        let empty = self.sums.empty();
        if empty.is_empty() {
            return Ok(Next { centres: self.sums.means(centres), refilled: false });
        }
        let far = farthest(&*self.packed, centres, &self.labels, empty.len(), self.run)?;
        let mut sums = self.sums.clone();
        let mut refilled = false;
        for (cluster, Far { row, .. }) in empty.iter().zip(far) {
            let label = self.labels.get(row).copied().unwrap_or(NONE);
            if sums.rows(label as usize) > 1 {
                let (values, weight) = (self.packed.row(row), self.packed.weight(row));
                sums.take(label, values.iter().copied(), weight);
                sums.put(*cluster, values.into_iter(), weight);
                refilled = true;
            }
        }
        Ok(Next { centres: sums.means(centres), refilled })
    }
}

impl Part {
    fn clear(&mut self) {
        if self.moved > 0 {
            self.change.clear();
            self.moved = 0;
        }
    }

    fn assign(
        &mut self,
        block: &Block<'_>,
        groups: &Groups,
        gaps: Option<&mut [f32]>,
        labels: &mut [u32],
    ) {
        let mut found = [NONE; BLOCK_ROWS];
        let places = block.rows.next_multiple_of(PANEL);
        if let Some(found) = found.get_mut(..places) {
            match gaps {
                Some(gaps) => Skim { panels: block.panels, groups, labels, gaps, found }.run(),
                None => nearest(block.panels, &groups.tiles, found, &mut [0.0; BLOCK_ROWS]),
            }
        }
        let panels = labels.chunks_mut(PANEL).zip(found.chunks(PANEL)).enumerate();
        for (panel, (labels, found)) in panels {
            if !found.starts_with(labels) {
                self.move_rows(block, panel * PANEL, labels, found);
            }
        }
    }

    /// Gives the rows from `first` on the labels that were found.
    fn move_rows(&mut self, block: &Block<'_>, first: usize, labels: &mut [u32], found: &[u32]) {
        for (row, (label, found)) in (first..).zip(labels.iter_mut().zip(found)) {
            if label != found {
                let weight = block.weight(row);
                self.change.shift(*label, *found, block.row(row), weight);
                *label = *found;
                self.moved += 1;
            }
        }
    }
}

impl Next {
    /// Whether the search is over: nothing moves, or not far.
    fn settled(&self, before: &[f64], moved: usize, enough: f64) -> bool {
        if self.refilled {
            return false;
        }
        // Rows are compared with rounded centres: nothing can change while those stay.
        let pairs = || self.centres.iter().zip(before);
        let same = moved == 0 && pairs().all(|(a, b)| *a as f32 == *b as f32);
        same || pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f64>() <= enough
    }
}
