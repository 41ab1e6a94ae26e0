//! The Newton step by conjugate gradients with a diagonal preconditioner, from products with the
//! Hessian alone (Nocedal and Wright 2006, algorithm 7.1 with 5.3).

use super::problem::Problem;
use super::wide::{Slope, product};
use crate::model::{FitError, FitRun};

/// Most products per Newton step.
const PRODUCTS: usize = 250;

/// An approximate solution of (Hessian + `l2`) x = `gradient`, the penalty not on the intercept;
/// close enough for superlinear convergence.
///
/// # Errors
/// When the run was cancelled.
pub(super) fn solve(
    (problem, slope, l2): (&Problem<'_>, &Slope, f64),
    gradient: &[f64],
    run: &FitRun<'_>,
) -> Result<Vec<f64>, FitError> {
    let penalties = || std::iter::once(0.0).chain(std::iter::repeat(l2));
    let inverse: Vec<f64> = slope.diagonal.iter().zip(penalties()).map(inverse).collect();
    let mut x = vec![0.0; gradient.len()];
    let mut residual = gradient.to_vec();
    let mut scaled: Vec<f64> = times(&residual, &inverse);
    let mut direction = scaled.clone();
    let mut length = dot(&residual, &scaled);
    let relative = (length.sqrt() / problem.total.sqrt()).sqrt().clamp(1e-6, 0.1);
    let enough = length * relative * relative;
    for _ in 0..PRODUCTS {
        if length.is_nan() || length <= enough {
            break;
        }
        let mut image = product(problem, &slope.curvature, &direction, run)?;
        for ((to, from), penalty) in image.iter_mut().zip(&direction).zip(penalties()) {
            *to += penalty * from;
        }
        let curvature = dot(&direction, &image);
        if curvature.is_nan() || curvature <= 0.0 {
            break;
        }
        let step = length / curvature;
        x.iter_mut().zip(&direction).for_each(|(to, from)| *to += step * from);
        residual.iter_mut().zip(&image).for_each(|(to, from)| *to -= step * from);
        scaled = times(&residual, &inverse);
        let next = dot(&residual, &scaled);
        let ratio = next / length;
        length = next;
        direction.iter_mut().zip(&scaled).for_each(|(to, from)| *to = from + ratio * *to);
    }
    Ok(x)
}

/// 1 / diagonal, or 0 for a column of zeros, whose coefficient then stays where it is.
fn inverse((diagonal, penalty): (&f64, f64)) -> f64 {
    let sum = diagonal + penalty;
    if sum > 0.0 { sum.recip() } else { 0.0 }
}

fn times(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(left, right)| left * right).collect()
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}
