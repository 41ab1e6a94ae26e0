//! Logistic regression by Newton's method, with l2, l1 or both penalties.
//!
//! [`fit`] minimises over intercept a and slopes b
//!
//! ```text
//! sum_i w_i ln(1 + exp(-s_i (a + x_i b))) + l2 / 2 |b|^2 + l1 |b|_1,   s_i = 1 for an event, else -1
//! ```
//!
//! The intercept is free of penalty. scikit-learn's `C` is 1 / `l2`. Columns should be standardised
//! by the caller: a penalty means the same for each then.
//!
//! | data | method |
//! |---|---|
//! | at most [`DENSE`] columns | Newton (iteratively reweighted least squares) with the exact Hessian |
//! | more | Newton by preconditioned conjugate gradients (Nocedal and Wright 2006, algorithm 7.1) |
//! | `l1` above 0 | proximal Newton with coordinate descent (Friedman, Hastie and Tibshirani 2010), on the columns that take part if there are more than [`DENSE`] |

mod cholesky;
mod conjugate;
mod derivatives;
mod link;
mod newton;
mod pass;
mod problem;
mod proximal;
mod separation;
mod start;
mod tile;
mod wide;

use serde::{Deserialize, Serialize};

use self::problem::Problem;
use crate::model::{FitError, FitRun};

const ALGORITHM: &str = "logistic";

/// Least share of the predicted decrease that a step must bring.
const ARMIJO: f64 = 1e-4;
/// Rounding of a loss, relative.
const ROUNDING: f64 = 1e-12;
/// Halvings before a step is given up.
const HALVINGS: usize = 40;

/// Most columns for which the full Hessian is computed.
pub const DENSE: usize = 256;

/// Most columns that may have a coefficient under `l1`.
pub const ACTIVE: usize = 2_000;

/// Row-major values, `width` to a row. Reading `f32` takes half the memory traffic of `f64`; all
/// sums are `f64`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// All rows, one after the other.
    pub values: &'a [f32],
    /// Columns.
    pub width: usize,
}

/// Hyper-parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Strength of the squared penalty, at least 0: scikit-learn's 1 / `C`.
    pub l2: f64,
    /// Strength of the absolute penalty, at least 0; above 0 it sets coefficients to exactly 0.
    pub l1: f64,
    /// Most Newton iterations, at least 1.
    pub max_iterations: usize,
    /// Converged when no component of the gradient (with `l1`: of the least subgradient), divided
    /// by the total weight, is larger. Above 0; below 1e-13 rounding keeps it out of reach.
    pub tolerance: f64,
}

/// A fitted regression: log odds of the event = intercept + sum of coefficient times value.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Fit {
    /// Log odds where all columns are 0.
    pub intercept: f64,
    /// Change of the log odds per unit of each column.
    pub coefficients: Vec<f64>,
    /// Newton iterations on all rows.
    pub iterations: usize,
    /// Whether the gradient reached the tolerance at a finite optimum.
    pub converged: bool,
    /// Largest component of the gradient (or least subgradient) divided by the total weight.
    pub gradient: f64,
    /// Weighted log-likelihood without the penalties.
    pub log_likelihood: f64,
    /// From the inverse of the Hessian, the squared penalty included. `None` under `l1`, over
    /// [`DENSE`] columns, and for separated classes.
    pub standard_errors: Option<StandardErrors>,
    /// Columns held at 0 because the intercept and the columns before them explain them to 12
    /// digits. Looked for only without penalty and up to [`DENSE`] columns: a penalty gives a
    /// unique answer, conjugate gradients one without components that change no row.
    pub collinear: Vec<usize>,
    /// Without penalty: the classes can be told apart without error on some rows, so that no
    /// finite optimum exists.
    pub separation: Option<Separation>,
}

/// Standard deviations of the estimates.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct StandardErrors {
    /// Of the intercept.
    pub intercept: f64,
    /// Of each coefficient; `None` for a collinear column.
    pub coefficients: Vec<Option<f64>>,
}

/// Coefficients that run away: moving them for ever makes the likelihood grow (Albert and Anderson
/// 1984). The remedy is a larger `l2`, or a coarser column.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Separation {
    /// Whether every row is told apart, or only some are.
    pub complete: bool,
    /// The columns whose coefficients run away, most moved first.
    pub columns: Vec<usize>,
}

impl Fit {
    /// Log odds of the event for one row. Columns that `row` lacks count as 0.
    pub fn log_odds(&self, row: &[f32]) -> f64 {
        let terms = self.coefficients.iter().zip(row);
        terms.fold(self.intercept, |sum, (slope, value)| sum + slope * f64::from(*value))
    }
}

/// Fits `target` on `rows`. Works in the current thread pool; its size changes no bit.
///
/// # Errors
/// When shapes disagree, a value or weight is not finite, a weight is negative, a setting is out
/// of range, the rows with weight have one outcome, sums overflow, more than [`ACTIVE`] columns
/// take part under `l1`, or the run was cancelled. Not converging is no error.
pub fn fit(
    rows: Rows<'_>,
    target: &[bool],
    weights: Option<&[f64]>,
    settings: &Settings,
    run: &FitRun<'_>,
) -> Result<Fit, FitError> {
    settings.check()?;
    let problem = Problem::new(rows, target, weights, run)?;
    let fit = if settings.l1 == 0.0 {
        newton::minimise(&problem, settings, run)
    } else if problem.width <= DENSE {
        proximal::minimise(&problem, settings, run)
    } else {
        proximal::minimise_active(&problem, settings, run)
    }?;
    run.progress.report(ALGORITHM, 1.0);
    Ok(fit)
}

impl Settings {
    fn check(&self) -> Result<(), FitError> {
        let refuse = |name, expected: &str, found: String| {
            Err(FitError::Setting { name, expected: expected.to_owned(), found })
        };
        let penalty = |value: f64| value.is_finite() && value >= 0.0;
        if !penalty(self.l2) {
            return refuse("l2", "a finite number of at least 0", self.l2.to_string());
        }
        if !penalty(self.l1) {
            return refuse("l1", "a finite number of at least 0", self.l1.to_string());
        }
        if self.max_iterations == 0 {
            return refuse("max_iterations", "at least 1", "0".to_owned());
        }
        if !(self.tolerance.is_finite() && self.tolerance > 0.0) {
            return refuse("tolerance", "a finite number above 0", self.tolerance.to_string());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
