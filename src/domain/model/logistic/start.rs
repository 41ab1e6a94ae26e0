//! Where Newton's method starts: a rough fit on a sample of tiles, which leaves two or three full
//! passes instead of seven.

use super::DENSE;
use super::cholesky::Cholesky;
use super::derivatives::Derivatives;
use super::pass::moments;
use super::problem::Problem;
use super::separation::NEAR;
use crate::model::{FitError, FitRun};

/// Rows of the sample.
const SAMPLE: usize = 16_384;

/// Most Newton steps on the sample.
const STEPS: usize = 8;

/// The log odds of the event and no slopes.
pub(super) fn null(problem: &Problem<'_>) -> Vec<f64> {
    let mut point = vec![0.0; problem.width + 1];
    point.iter_mut().take(1).for_each(|intercept| *intercept = problem.log_odds());
    point
}

/// Loss at [`null`], and a little for rounding.
pub(super) fn null_loss(problem: &Problem<'_>) -> f64 {
    let (events, others) = (problem.events, problem.total - problem.events);
    let of = |part: f64| part * (problem.total / part).ln();
    (of(events) + of(others)) * (1.0 + 1e-9)
}

/// The rough optimum of a sample, or [`null`] where there are few rows or many columns.
///
/// # Errors
/// When the run was cancelled.
pub(super) fn point(
    problem: &Problem<'_>,
    l2: f64,
    run: &FitRun<'_>,
) -> Result<Vec<f64>, FitError> {
    let null = null(problem);
    let every = (problem.rows() / SAMPLE.max(32 * problem.width)).min(16);
    if problem.width > DENSE || every < 2 {
        return Ok(null);
    }
    let l2 = l2 / every as f64;
    let mut point = null.clone();
    let mut held = None;
    for _ in 0..STEPS {
        let here = Derivatives::Dense(moments(problem, &point, every, run)?);
        if !here.is_finite() {
            return Ok(null);
        }
        let held = held.get_or_insert_with(|| here.dependent());
        let gradient = here.penalised_gradient(&point, l2);
        let Derivatives::Dense(moments) = here else { return Ok(null) };
        let Some(factors) = Cholesky::new(&moments.penalised_hessian(l2), held) else {
            return Ok(null);
        };
        let step = factors.solve(&gradient);
        point.iter_mut().zip(&step).for_each(|(value, step)| *value -= step);
        if problem.reach(&step) <= NEAR {
            break;
        }
    }
    Ok(point)
}
