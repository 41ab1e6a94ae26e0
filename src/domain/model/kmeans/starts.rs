//! A fit: its starts, the best of them, and the final measurement.

use rayon::prelude::*;

use super::assign::measure;
use super::farthest::{Far, first};
use super::frame::{BLOCK_ROWS, Frame};
use super::lloyd::{self, Ended};
use super::mini_batch;
use super::packed::Packed;
use super::points::{Points, refused, squared_distance};
use super::{Fit, Settings, seeding};
use crate::model::{FitError, FitRun};

/// Clusters the rows, with `weights` from 0 to 1e100 or all alike.
///
/// # Errors
/// When a setting is out of range, a value is not finite, a weight is out of range, fewer rows than
/// clusters have a weight, or `run` was cancelled.
pub fn fit(
    points: Points<'_>,
    weights: Option<&[f64]>,
    settings: &Settings,
    run: &FitRun<'_>,
) -> Result<Fit, FitError> {
    settings.check()?;
    points.check_weights(weights, settings.clusters)?;
    let frame = Frame::of_points(points, points.largest(run)?);
    let task = Task { points, weights, settings, run };
    if let Some(batch) = settings.batch(points.rows()) {
        let sampled = mini_batch::Batches { points, weights, settings, frame: &frame, run };
        return task.best(|seed| sampled.fit(batch, seed), &frame);
    }
    let start = |seed| {
        // Anew for each start, which sorts the rows.
        let mut packed = Packed::new(frame.clone(), points, weights, run)?;
        let enough = task.enough(&packed)?;
        let centres = seeding::draw(&packed, settings.clusters, settings.seeding, seed, run)?;
        lloyd::fit(&mut packed, centres, settings, enough, run)
    };
    task.best(start, &frame)
}

/// Lloyd's algorithm from the given centres (clusters x width, row-major, in the units of the
/// rows): [`fit`] with one start that is not drawn, always by full passes.
///
/// # Errors
/// Those of [`fit`]; and when the centres are not as many as set, or not finite in f32.
pub fn fit_from(
    points: Points<'_>,
    weights: Option<&[f64]>,
    start: &[f64],
    settings: &Settings,
    run: &FitRun<'_>,
) -> Result<Fit, FitError> {
    settings.check()?;
    points.check_weights(weights, settings.clusters)?;
    let expected = settings.clusters.saturating_mul(points.width());
    let usable = start.iter().all(|value| value.abs() <= f64::from(f32::MAX));
    if start.len() != expected || !usable {
        let message = format!("start: expected {expected} finite values, found {}", start.len());
        return Err(refused(message));
    }
    let largest = start.iter().fold(points.largest(run)?, |most, v| most.max(v.abs() as f32));
    let frame = Frame::of_points(points, largest);
    let task = Task { points, weights, settings, run };
    let mut packed = Packed::new(frame.clone(), points, weights, run)?;
    let enough = task.enough(&packed)?;
    let ended = lloyd::fit(&mut packed, frame.place(start), settings, enough, run)?;
    drop(packed);
    task.finish(ended, &frame)
}

/// What is to be clustered, and how.
struct Task<'a> {
    points: Points<'a>,
    weights: Option<&'a [f64]>,
    settings: &'a Settings,
    run: &'a FitRun<'a>,
}

impl Task<'_> {
    /// The sum of squared moves that ends a start, in the frame of the rows.
    fn enough(&self, packed: &Packed<'_>) -> Result<f64, FitError> {
        if self.settings.tolerance == 0.0 {
            return Ok(0.0);
        }
        Ok(self.settings.tolerance * packed.mean_variance(self.run)?)
    }

    /// The start with the smallest inertia.
    fn best(
        &self,
        start: impl Fn(u64) -> Result<Ended, FitError>,
        frame: &Frame,
    ) -> Result<Fit, FitError> {
        let mut best: Option<Fit> = None;
        for index in 0..self.settings.starts {
            // Seeding mixes its bits, so neighbours draw unrelated numbers.
            let seed =
                self.run.seed.wrapping_add((index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let found = self.finish(start(seed)?, frame)?;
            if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
                best = Some(found);
            }
        }
        best.ok_or(FitError::TooFew { what: "starts", expected: 1, found: 0 })
    }

    /// Measures a start. Where the last move left a cluster without rows it is filled first.
    fn finish(&self, ended: Ended, frame: &Frame) -> Result<Fit, FitError> {
        let mut centres = frame.restore(&ended.centres);
        let mut labels = ended.labels;
        let mut converged = ended.converged;
        let mut inertia = self.measure(&centres, &mut labels)?;
        let mut counts = self.counts(&labels);
        for _ in 0..self.settings.clusters {
            if !self.refill(&mut centres, &labels, &counts)? {
                break;
            }
            converged = false;
            inertia = self.measure(&centres, &mut labels)?;
            counts = self.counts(&labels);
        }
        Ok(Fit { centres, inertia, iterations: ended.iterations, converged, counts, labels })
    }

    fn measure(&self, centres: &[f64], labels: &mut [u32]) -> Result<f64, FitError> {
        Ok(measure(self.points, self.weights, centres, labels, self.run)?.iter().sum())
    }

    fn counts(&self, labels: &[u32]) -> Vec<u64> {
        let mut counts = vec![0; self.settings.clusters];
        for label in labels {
            if let Some(count) = counts.get_mut(*label as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// Puts the centres of clusters without rows onto the rows farthest from their own. Whether
    /// there were both.
    fn refill(
        &self,
        centres: &mut [f64],
        labels: &[u32],
        counts: &[u64],
    ) -> Result<bool, FitError> {
        let empty = counts.iter().filter(|count| **count == 0).count();
        if empty == 0 {
            return Ok(false);
        }
        let width = self.points.width();
        let far = self.farthest(centres, labels, empty)?;
        let places = centres.chunks_exact_mut(width).zip(counts).filter(|(_, count)| **count == 0);
        for ((centre, _), Far { row, .. }) in places.zip(&far) {
            for (to, value) in centre.iter_mut().zip(self.points.row(*row)) {
                *to = f64::from(*value);
            }
        }
        Ok(!far.is_empty())
    }

    fn farthest(&self, centres: &[f64], labels: &[u32], most: usize) -> Result<Vec<Far>, FitError> {
        let width = self.points.width();
        let blocks = self.points.values().par_chunks(width * BLOCK_ROWS);
        let blocks = blocks.zip(labels.par_chunks(BLOCK_ROWS)).enumerate();
        let far = blocks.map(|(block, (rows, labels))| {
            self.run.check()?;
            let rows = (block * BLOCK_ROWS..).zip(rows.chunks_exact(width).zip(labels));
            let far = rows.filter_map(|(row, (values, label))| {
                let start = *label as usize * width;
                let distance = squared_distance(values, centres.get(start..start + width)?);
                let weight = self.weights.map_or(1.0, |w| w.get(row).copied().unwrap_or(0.0));
                (distance > 0.0 && weight > 0.0).then_some(Far { distance, row })
            });
            Ok(first(far.collect(), most))
        });
        let far: Vec<Vec<Far>> = far.collect::<Result<_, FitError>>()?;
        Ok(first(far.into_iter().flatten().collect(), most))
    }
}
