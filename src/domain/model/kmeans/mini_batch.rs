//! Mini-batches (Sculley 2010, algorithm 1): centres move by the rows of small random samples, each
//! cluster with a rate of one over the weight it has seen.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::frame::{BLOCK_ROWS, Frame, PANEL};
use super::lloyd::Ended;
use super::packed::{Block, Packed};
use super::points::Points;
use super::sums::Sums;
use super::tile::{SearchTiles, nearest};
use super::{Settings, seeding};
use crate::model::{FitError, FitRun};

/// Batches without a lower smoothed inertia after which a start has converged, as in scikit-learn.
const PATIENCE: usize = 10;

/// Rows per cluster that the starting centres are drawn from, at least.
const START_ROWS: usize = 30;

/// A fit by samples.
pub(super) struct Batches<'a> {
    pub(super) points: Points<'a>,
    pub(super) weights: Option<&'a [f64]>,
    pub(super) settings: &'a Settings,
    pub(super) frame: &'a Frame,
    pub(super) run: &'a FitRun<'a>,
}

/// A random sample of rows.
struct Sample {
    rows: Vec<f32>,
    weights: Option<Vec<f64>>,
}

impl Batches<'_> {
    /// One start with batches of `size` rows.
    pub(super) fn fit(&self, size: usize, seed: u64) -> Result<Ended, FitError> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut centres = self.start(size, &mut random)?;
        let mut seen = vec![0.0; self.settings.clusters];
        let epoch = self.points.rows().div_ceil(size);
        let most = self.settings.max_iterations.saturating_mul(epoch);
        let mut watch = Watch::new(size, self.points.rows());
        for step in 1..=most {
            self.run.check()?;
            self.run.progress.report("cluster", step as f64 / most as f64);
            let (sums, inertia) = self.sums(&self.sample(size, &mut random), &centres)?;
            let weight: f64 = sums.weights().sum();
            learn(&mut centres, &mut seen, &sums, self.points.width());
            if weight > 0.0 && watch.stalls(inertia / weight) {
                return Ok(self.ended(centres, step, true));
            }
        }
        Ok(self.ended(centres, most, false))
    }

    fn ended(&self, centres: Vec<f64>, iterations: usize, converged: bool) -> Ended {
        Ended { centres, iterations, converged, labels: vec![0; self.points.rows()] }
    }

    /// Starting centres out of a sample.
    fn start(&self, size: usize, random: &mut Xoshiro256PlusPlus) -> Result<Vec<f64>, FitError> {
        let clusters = self.settings.clusters;
        let most = (3 * size).max(START_ROWS * clusters).min(self.points.rows());
        let sample = self.sample(most, random);
        let points = Points::new(&sample.rows, self.points.width())?;
        let packed = Packed::new(self.frame.clone(), points, sample.weights.as_deref(), self.run)?;
        seeding::draw(&packed, clusters, self.settings.seeding, random.r#gen(), self.run)
    }

    /// Rows drawn with replacement.
    fn sample(&self, size: usize, random: &mut Xoshiro256PlusPlus) -> Sample {
        let rows = self.points.rows().max(1);
        let drawn: Vec<usize> = (0..size).map(|_| random.gen_range(0..rows)).collect();
        let weight = |weights: &[f64], row: usize| weights.get(row).copied().unwrap_or(0.0);
        let weights = self.weights.map(|w| drawn.iter().map(|row| weight(w, *row)).collect());
        Sample { rows: self.points.select(&drawn), weights }
    }

    /// Sums of the sample by nearest centre, and its inertia in the frame's unit.
    fn sums(&self, sample: &Sample, centres: &[f64]) -> Result<(Sums, f64), FitError> {
        let width = self.points.width();
        let points = Points::new(&sample.rows, width)?;
        let packed = Packed::new(self.frame.clone(), points, sample.weights.as_deref(), self.run)?;
        let tiles = SearchTiles::of(centres, width);
        let clusters = self.settings.clusters;
        let blocks = packed.map(self.run, |block| of_block(block, &tiles, clusters, width))?;
        let mut total = (Sums::new(clusters, width), 0.0);
        for (sums, inertia) in &blocks {
            total.0.add(sums);
            total.1 += inertia;
        }
        Ok(total)
    }
}

fn of_block(block: Block<'_>, tiles: &SearchTiles, clusters: usize, width: usize) -> (Sums, f64) {
    let mut labels = [0; BLOCK_ROWS];
    let mut distances = [0.0; BLOCK_ROWS];
    let places = block.rows.next_multiple_of(PANEL);
    if let Some(labels) = labels.get_mut(..places) {
        nearest(block.panels, tiles, labels, &mut distances);
    }
    let mut sums = Sums::new(clusters, width);
    let mut inertia = 0.0;
    for (row, (label, distance)) in labels.iter().zip(distances).take(block.rows).enumerate() {
        sums.put(*label, block.row(row), block.weight(row));
        inertia += f64::from(distance) * block.weight(row);
    }
    (sums, inertia)
}

/// Moves each centre towards the batch's mean by the batch's share of all it has seen.
fn learn(centres: &mut [f64], seen: &mut [f64], batch: &Sums, width: usize) {
    let clusters = centres.chunks_exact_mut(width).zip(seen);
    for ((centre, seen), (sums, weight)) in clusters.zip(batch.values().zip(batch.weights())) {
        if weight > 0.0 {
            *seen += weight;
            for (value, sum) in centre.iter_mut().zip(sums) {
                *value += (sum - weight * *value) / *seen;
            }
        }
    }
}

/// Watches the exponentially smoothed inertia.
struct Watch {
    share: f64,
    smooth: Option<f64>,
    best: f64,
    since: usize,
}

impl Watch {
    fn new(size: usize, rows: usize) -> Self {
        let share = (2.0 * size as f64 / (rows as f64 + 1.0)).min(1.0);
        Self { share, smooth: None, best: f64::INFINITY, since: 0 }
    }

    /// Whether it has not fallen for a while.
    fn stalls(&mut self, inertia: f64) -> bool {
        let smooth = self.smooth.map_or(inertia, |old| old + self.share * (inertia - old));
        self.smooth = Some(smooth);
        if smooth < self.best {
            (self.best, self.since) = (smooth, 0);
        } else {
            self.since += 1;
        }
        self.since >= PATIENCE
    }
}
