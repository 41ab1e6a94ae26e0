//! Passes over all rows: cut into blocks whose size depends on the data only, summed in order, so
//! that the number of threads changes no bit.

use pulp::Arch;
use rayon::prelude::*;

use super::problem::Problem;
use super::tile::{Scratch, Sums, TILE, Tile, stride};
use crate::model::{FitError, FitRun};

/// Fewest rows of a block: about 100 microseconds at 20 columns.
const BLOCK: usize = 32 * TILE;

/// Most memory of all blocks' sums, bytes.
const SUMS: usize = 64 << 20;

/// Loss and derivatives of the penalty-free objective at one point.
#[derive(Debug)]
pub(super) struct Moments {
    /// Weighted negative log-likelihood.
    pub(super) loss: f64,
    /// By intercept and slopes.
    pub(super) gradient: Vec<f64>,
    /// Symmetric, row-major, the intercept first.
    pub(super) hessian: Vec<f64>,
    /// Smallest linear predictor in the direction of the outcome over all rows with weight: above
    /// 0 only if the point separates the classes.
    pub(super) margin: f64,
}

impl Moments {
    /// Whether nothing overflowed.
    pub(super) fn is_finite(&self) -> bool {
        let sums = self.gradient.iter().chain(&self.hessian);
        self.loss.is_finite() && sums.fold(0.0, |probe, value| probe + value * 0.0) == 0.0
    }
}

/// Moments at `point`, the intercept first, over one of every `every` tiles of rows.
///
/// # Errors
/// When the run was cancelled.
pub(super) fn moments(
    problem: &Problem<'_>,
    point: &[f64],
    every: usize,
    run: &FitRun<'_>,
) -> Result<Moments, FitError> {
    let width = problem.width;
    let (intercept, slopes) = point.split_first().map_or((0.0, point), |(a, b)| (*a, b));
    let mut padded = slopes.to_vec();
    padded.resize(stride(width), 0.0);
    let block = block_rows(problem.rows(), width, every);
    let sum_block = |scratch: &mut Scratch, index: usize| {
        let mut sums = Sums::new(width);
        let end = problem.rows().min((index + 1) * block);
        for first in (index * block..end).step_by(TILE * every) {
            run.check()?;
            let rows = first..end.min(first + TILE);
            let values = problem.values.get(rows.start * width..rows.end * width);
            Arch::new().dispatch(Tile {
                rows: values.unwrap_or_default(),
                width,
                target: problem.target.get(rows.clone()).unwrap_or_default(),
                weights: problem.weights.and_then(|weights| weights.get(rows)),
                intercept,
                slopes: &padded,
                scratch,
                sums: &mut sums,
            });
        }
        Ok(sums)
    };
    let blocks = (0..problem.rows().div_ceil(block)).into_par_iter();
    let blocks = blocks.map_init(|| Scratch::new(width), sum_block);
    let blocks: Vec<Sums> = blocks.collect::<Result<_, FitError>>()?;
    let mut sums = Sums::new(width);
    blocks.iter().for_each(|block| sums.add(block));
    Ok(unpack(&sums, width))
}

fn block_rows(rows: usize, width: usize, every: usize) -> usize {
    let bytes = (width + 4) * stride(width) * size_of::<f64>();
    let most = (SUMS / bytes).clamp(8, 512);
    rows.div_ceil(most).max(BLOCK * every).next_multiple_of(TILE * every)
}

/// Puts the sums into symmetric form.
fn unpack(sums: &Sums, width: usize) -> Moments {
    let size = width + 1;
    let stride = stride(width);
    let (weighted, residual) = sums.weighted.split_at_checked(stride).unwrap_or_default();
    let mut hessian = vec![0.0; size * size];
    let first = std::iter::once(&sums.curvature).chain(weighted).take(size);
    hessian.iter_mut().zip(first).for_each(|(to, from)| *to = *from);
    for (column, row) in sums.moments.chunks_exact(stride).take(width).enumerate() {
        let upper = row.get(column..width).unwrap_or_default();
        let start = (column + 1) * size + column + 1;
        let target = hessian.get_mut(start..).unwrap_or_default();
        target.iter_mut().zip(upper).for_each(|(to, from)| *to = *from);
    }
    mirror(&mut hessian, size);
    let gradient = std::iter::once(&sums.residual).chain(residual).take(size).copied().collect();
    Moments { loss: sums.loss, gradient, hessian, margin: sums.margin }
}

/// Copies the upper triangle below the diagonal.
fn mirror(matrix: &mut [f64], size: usize) {
    for row in 0..size {
        let (above, below) = matrix.split_at_mut((row + 1) * size);
        let from = above.get(row * size + row + 1..).unwrap_or_default();
        let to = below.chunks_exact_mut(size).filter_map(|line| line.get_mut(row));
        to.zip(from).for_each(|(to, from)| *to = *from);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rows;
    use super::super::problem::Problem;
    use super::moments;
    use crate::model::FitRun;

    /// Plain sums in the order of the rows.
    fn naive(problem: &Problem<'_>, point: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
        let size = problem.width + 1;
        let (mut loss, mut gradient, mut hessian) = (0.0, vec![0.0; size], vec![0.0; size * size]);
        for (index, row) in problem.values.chunks(problem.width).enumerate() {
            let x: Vec<f64> = [1.0].into_iter().chain(row.iter().map(|v| f64::from(*v))).collect();
            let eta: f64 = x.iter().zip(point).map(|(x, b)| x * b).sum();
            let p = 1.0 / (1.0 + (-eta).exp());
            let y = f64::from(u8::from(problem.target[index]));
            let weight = problem.weights.map_or(1.0, |weights| weights[index]);
            loss -= weight * if y > 0.5 { p.ln() } else { (1.0 - p).ln() };
            for i in 0..size {
                gradient[i] += weight * (p - y) * x[i];
                for j in 0..size {
                    hessian[i * size + j] += weight * p * (1.0 - p) * x[i] * x[j];
                }
            }
        }
        (loss, gradient, hessian)
    }

    #[test]
    fn every_width_and_remainder_agrees_with_plain_sums() {
        for (rows, width) in [(1, 1), (63, 2), (64, 3), (65, 4), (130, 5), (100, 11), (99, 12)]
            .into_iter()
            .chain([(97, 13), (70, 20), (200, 23), (129, 24), (66, 25), (70, 40), (65, 67)])
        {
            let value = |i: usize| (i as f32 * 0.737).sin();
            let values: Vec<f32> = (0..rows * width).map(value).collect();
            let mut target: Vec<bool> = (0..rows).map(|i| i % 3 == 0).collect();
            let weights: Vec<f64> = (0..rows).map(|i| (i % 4) as f64 + 0.5).collect();
            let values = if rows == 1 {
                target.push(false);
                [values.clone(), values].concat()
            } else {
                values
            };
            let weights = if rows == 1 { vec![1.0, 2.0] } else { weights };
            for weights in [None, Some(&weights[..])] {
                let rows = Rows { values: &values, width };
                let run = FitRun::quiet(1);
                let problem = Problem::new(rows, &target, weights, &run).unwrap();
                let point: Vec<f64> = (0..=width).map(|i| (i as f64).cos() / 4.0).collect();
                let found = moments(&problem, &point, 1, &run).unwrap();
                let (loss, gradient, hessian) = naive(&problem, &point);
                let near = |a: f64, b: f64| (a - b).abs() < 1e-11 * (1.0 + b.abs());
                assert!(near(found.loss, loss), "{width} {} {loss}", found.loss);
                let pairs = found.gradient.iter().zip(&gradient);
                assert!(pairs.clone().all(|(a, b)| near(*a, *b)), "{width} {pairs:?}");
                let mut pairs = found.hessian.iter().zip(&hessian);
                assert!(pairs.all(|(a, b)| near(*a, *b)), "{width}");
            }
        }
    }
}
