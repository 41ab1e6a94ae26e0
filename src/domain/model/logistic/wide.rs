//! Passes whose cost is linear in the number of columns: for data too wide for a Hessian.

use std::slice::{ChunksExact, Iter};

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::link::link;
use super::problem::Problem;
use crate::model::{FitError, FitRun};

/// Most memory of all blocks' sums, bytes.
const SUMS: usize = 64 << 20;

/// Values of a block: about 100 microseconds.
const BLOCK: usize = 1 << 18;

/// Loss and first derivatives at one point.
#[derive(Debug)]
pub(super) struct Slope {
    /// Weighted negative log-likelihood.
    pub(super) loss: f64,
    /// By intercept and slopes.
    pub(super) gradient: Vec<f64>,
    /// Diagonal of the Hessian.
    pub(super) diagonal: Vec<f64>,
    /// Second derivative of each row's loss by its linear predictor.
    pub(super) curvature: Vec<f64>,
    /// Smallest linear predictor in the direction of the outcome over all rows with weight.
    pub(super) margin: f64,
}

/// How a step changes the linear predictors of the rows that have weight.
#[derive(Debug)]
pub(super) struct Spread {
    /// Smallest change in the direction of the outcome.
    pub(super) least: f64,
    /// Largest change either way.
    pub(super) largest: f64,
}

impl Spread {
    /// Of no rows.
    const NONE: Self = Self { least: f64::INFINITY, largest: 0.0 };
}

/// Loss and gradient at `point`, the intercept first.
///
/// # Errors
/// When the run was cancelled.
pub(super) fn slope(
    problem: &Problem<'_>,
    point: &[f64],
    run: &FitRun<'_>,
) -> Result<Slope, FitError> {
    let size = point.len();
    let blocks = by_blocks(problem, run, |rows| SlopeOf { rows, point })?;
    let mut sum = Slope {
        loss: 0.0,
        gradient: vec![0.0; size],
        diagonal: vec![0.0; size],
        curvature: Vec::with_capacity(problem.rows()),
        margin: f64::INFINITY,
    };
    for block in blocks {
        sum.loss += block.loss;
        sum.margin = sum.margin.min(block.margin);
        sum.gradient.iter_mut().zip(&block.gradient).for_each(|(to, from)| *to += from);
        sum.diagonal.iter_mut().zip(&block.diagonal).for_each(|(to, from)| *to += from);
        sum.curvature.extend(block.curvature);
    }
    Ok(sum)
}

/// X' diag(`curvature`) X `direction`, the intercept first.
///
/// # Errors
/// When the run was cancelled.
pub(super) fn product(
    problem: &Problem<'_>,
    curvature: &[f64],
    direction: &[f64],
    run: &FitRun<'_>,
) -> Result<Vec<f64>, FitError> {
    // The rows come with their curvature in place of their weight.
    let weighed = Problem { weights: Some(curvature), largest: Vec::new(), ..*problem };
    let blocks = by_blocks(&weighed, run, |rows| ProductOf { rows, direction })?;
    let mut sum = vec![0.0; direction.len()];
    for block in blocks {
        sum.iter_mut().zip(&block).for_each(|(to, from)| *to += from);
    }
    Ok(sum)
}

/// What `step`, the intercept first, does to the linear predictors.
///
/// # Errors
/// When the run was cancelled.
pub(super) fn spread(
    problem: &Problem<'_>,
    step: &[f64],
    run: &FitRun<'_>,
) -> Result<Spread, FitError> {
    let blocks = by_blocks(problem, run, |rows| SpreadOf { rows, step })?;
    Ok(blocks.iter().fold(Spread::NONE, |all, block| Spread {
        least: all.least.min(block.least),
        largest: all.largest.max(block.largest),
    }))
}

struct Row<'a> {
    values: &'a [f32],
    event: bool,
    weight: f64,
}

/// The rows of a block, in order.
struct Block<'a> {
    values: ChunksExact<'a, f32>,
    target: Iter<'a, bool>,
    weights: Option<Iter<'a, f64>>,
}

impl<'a> Iterator for Block<'a> {
    type Item = Row<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Row<'a>> {
        let (values, event) = (self.values.next()?, *self.target.next()?);
        let weight = match &mut self.weights {
            Some(weights) => *weights.next()?,
            None => 1.0,
        };
        Some(Row { values, event, weight })
    }
}

/// [`slope`] of a block.
struct SlopeOf<'a> {
    rows: Block<'a>,
    point: &'a [f64],
}

impl WithSimd for SlopeOf<'_> {
    type Output = Slope;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Slope {
        let zeros = || vec![0.0; self.point.len()];
        let (mut gradient, mut diagonal) = (zeros(), zeros());
        let (mut loss, mut margin, mut curvature) = (0.0, f64::INFINITY, Vec::new());
        for Row { values, event, weight } in self.rows {
            let sign = if event { 1.0 } else { -1.0 };
            let at = sign * predictor(values, self.point);
            let link = link(at, sign);
            loss += weight * link.loss;
            add(&mut gradient, weight * link.residual, values, |value| value);
            add(&mut diagonal, weight * link.curvature, values, |value| value * value);
            curvature.push(weight * link.curvature);
            if weight > 0.0 {
                margin = margin.min(at);
            }
        }
        Slope { loss, gradient, diagonal, curvature, margin }
    }
}

/// [`product`] of a block whose weights are the curvature.
struct ProductOf<'a> {
    rows: Block<'a>,
    direction: &'a [f64],
}

impl WithSimd for ProductOf<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f64> {
        let mut sum = vec![0.0; self.direction.len()];
        for Row { values, weight, .. } in self.rows {
            add(&mut sum, weight * predictor(values, self.direction), values, |value| value);
        }
        sum
    }
}

/// [`spread`] of a block.
struct SpreadOf<'a> {
    rows: Block<'a>,
    step: &'a [f64],
}

impl WithSimd for SpreadOf<'_> {
    type Output = Spread;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Spread {
        let mut spread = Spread::NONE;
        for Row { values, event, .. } in self.rows.filter(|row| row.weight > 0.0) {
            let change = predictor(values, self.step);
            spread.least = spread.least.min(if event { change } else { -change });
            spread.largest = spread.largest.max(change.abs());
        }
        spread
    }
}

/// What the work on each block gives, in order. Its code is compiled for each instruction set, which
/// a closure's would not be.
fn by_blocks<'a, W: WithSimd<Output: Send>>(
    problem: &'a Problem<'_>,
    run: &FitRun<'_>,
    work: impl Fn(Block<'a>) -> W + Sync,
) -> Result<Vec<W::Output>, FitError> {
    let width = problem.width;
    let most = (SUMS / (2 * (width + 1) * size_of::<f64>())).clamp(8, 512);
    let rows = problem.rows().div_ceil(most).max((BLOCK / width).max(1));
    let weights = |index: usize| problem.weights.and_then(|all| all.chunks(rows).nth(index));
    let values = problem.values.par_chunks(rows * width);
    let blocks = values.zip(problem.target.par_chunks(rows)).enumerate();
    let blocks = blocks.map(|(index, (values, target))| {
        run.check()?;
        let values = values.chunks_exact(width);
        let weights = weights(index).map(<[f64]>::iter);
        let block = Block { values, target: target.iter(), weights };
        Ok(Arch::new().dispatch(work(block)))
    });
    blocks.collect()
}

/// Intercept plus the sum of products, in eight interleaved parts.
#[inline(always)]
fn predictor(values: &[f32], point: &[f64]) -> f64 {
    let (intercept, slopes) = point.split_first().map_or((0.0, point), |(a, b)| (*a, b));
    let (values, values_rest) = values.as_chunks::<8>();
    let (slopes, slopes_rest) = slopes.as_chunks::<8>();
    let mut parts = [0.0; 8];
    for (values, slopes) in values.iter().zip(slopes) {
        for ((part, value), slope) in parts.iter_mut().zip(values).zip(slopes) {
            *part += f64::from(*value) * slope;
        }
    }
    let rest = values_rest.iter().zip(slopes_rest);
    let rest: f64 = rest.map(|(value, slope)| f64::from(*value) * slope).sum();
    intercept + parts.iter().sum::<f64>() + rest
}

/// Adds `factor` to the first sum and `factor` times `of` each value to the others.
#[inline(always)]
fn add(sums: &mut [f64], factor: f64, values: &[f32], of: impl Fn(f64) -> f64) {
    if let Some((intercept, sums)) = sums.split_first_mut() {
        *intercept += factor;
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += factor * of(f64::from(*value));
        }
    }
}
