//! One start of Lloyd's algorithm.

use rayon::prelude::*;

use super::Settings;
use super::farthest::{Far, farthest};
use super::frame::{BLOCK_ROWS, PANEL};
use super::packed::{Block, Packed};
use super::sums::Sums;
use super::tile::{SearchTiles, nearest};
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

/// Bytes that the sums of the blocks that are worked on at a time may take, within limits.
const WAVE_BYTES: usize = 8 << 20;

/// Iterates from `centres`, which are in the frame of the rows. `enough` is the sum of squared
/// moves at which the start has converged.
pub(super) fn fit(
    packed: &Packed<'_>,
    mut centres: Vec<f64>,
    settings: &Settings,
    enough: f64,
    run: &FitRun<'_>,
) -> Result<Ended, FitError> {
    let mut state = Lloyd::new(packed, centres.len(), run);
    for iteration in 1..=settings.max_iterations {
        run.check()?;
        run.progress.report("cluster", iteration as f64 / settings.max_iterations as f64);
        let moved = state.assign(&centres)?;
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

struct Lloyd<'a> {
    packed: &'a Packed<'a>,
    run: &'a FitRun<'a>,
    labels: Vec<u32>,
    sums: Sums,
    /// Whether rows were ever taken out of `sums`, which leaves rounding errors.
    stale: bool,
    wave: Vec<Partial>,
}

/// What one block does to the sums.
struct Partial {
    change: Sums,
    moved: usize,
    labels: Vec<u32>,
    distances: Vec<f32>,
}

/// The centres after a pass.
struct Next {
    centres: Vec<f64>,
    refilled: bool,
}

impl<'a> Lloyd<'a> {
    fn new(packed: &'a Packed<'a>, values: usize, run: &'a FitRun<'a>) -> Self {
        let sums = Sums::new(values / packed.width(), packed.width());
        let partial = || Partial {
            change: sums.clone(),
            moved: 0,
            labels: vec![NONE; BLOCK_ROWS],
            distances: vec![0.0; BLOCK_ROWS],
        };
        let blocks = (WAVE_BYTES / (values * size_of::<f64>())).clamp(8, 256);
        let wave = (0..blocks.min(packed.blocks())).map(|_| partial()).collect();
        let labels = vec![NONE; packed.rows()];
        Self { packed, run, labels, sums, stale: false, wave }
    }

    /// Gives each row its nearest centre. How many rows changed theirs.
    fn assign(&mut self, centres: &[f64]) -> Result<usize, FitError> {
        let tiles = SearchTiles::of(centres, self.packed.width());
        let again = self.labels.first().is_some_and(|label| *label != NONE);
        let moved = self.waves(|block, labels, partial| partial.assign(&block, &tiles, labels))?;
        self.stale |= again && moved > 0;
        Ok(moved)
    }

    /// The sums anew from the labels.
    fn sum_again(&mut self) -> Result<(), FitError> {
        self.sums.clear();
        self.waves(|block, labels, partial| {
            for (row, label) in labels.iter().enumerate() {
                partial.change.put(*label, block.row(row), block.weight(row));
            }
            partial.moved = labels.len();
        })?;
        self.stale = false;
        Ok(())
    }

    /// Works on some blocks at a time and adds their changes in the order of the blocks.
    fn waves(
        &mut self,
        work: impl Fn(Block<'_>, &mut [u32], &mut Partial) + Sync,
    ) -> Result<usize, FitError> {
        let (packed, run, mut moved) = (self.packed, self.run, 0);
        let size = self.wave.len();
        for (index, labels) in self.labels.chunks_mut(BLOCK_ROWS * size).enumerate() {
            let blocks = labels.par_chunks_mut(BLOCK_ROWS).zip(&mut self.wave).enumerate();
            let blocks = blocks.map(|(block, (labels, partial))| {
                run.check()?;
                partial.clear();
                work(packed.block(index * size + block), labels, partial);
                Ok::<usize, FitError>(1)
            });
            let worked = blocks.try_reduce(|| 0, |a, b| Ok(a + b))?;
            for partial in self.wave.iter().take(worked).filter(|partial| partial.moved > 0) {
                self.sums.add(&partial.change);
                moved += partial.moved;
            }
        }
        Ok(moved)
    }

    /// The means; a cluster without rows takes the row that lies farthest from its own centre, and
    /// that row's cluster gives it away, as in scikit-learn.
    fn next(&self, centres: &[f64]) -> Result<Next, FitError> {
        let empty = self.sums.empty();
        if empty.is_empty() {
            return Ok(Next { centres: self.sums.means(centres), refilled: false });
        }
        let far = farthest(self.packed, centres, &self.labels, empty.len(), self.run)?;
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

impl Partial {
    fn clear(&mut self) {
        if self.moved > 0 {
            self.change.clear();
            self.moved = 0;
        }
    }

    fn assign(&mut self, block: &Block<'_>, tiles: &SearchTiles, labels: &mut [u32]) {
        let places = block.rows.next_multiple_of(PANEL);
        let mut found = std::mem::take(&mut self.labels);
        if let Some(found) = found.get_mut(..places) {
            nearest(block.panels, tiles, found, &mut self.distances);
        }
        let panels = labels.chunks_mut(PANEL).zip(found.chunks(PANEL)).enumerate();
        for (panel, (labels, found)) in panels {
            if !found.starts_with(labels) {
                self.move_rows(block, panel * PANEL, labels, found);
            }
        }
        self.labels = found;
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
