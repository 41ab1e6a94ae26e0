//! Classes that can be told apart: then the likelihood has no finite optimum (Albert and Anderson
//! 1984).
//!
//! The certificate is a direction that moves no row with weight to the wrong side and at least
//! one to the right side. Newton's iterates supply the candidates: on separated classes each step
//! adds about 1 to the margins of the rows that are told apart, while the part of the step that
//! moves other rows dies out with them.

use super::Separation;
use super::problem::Problem;
use super::wide::{self, Spread};
use crate::model::{FitError, FitRun};

/// A full Newton step that changes no linear predictor by more is in the region of quadratic
/// convergence (the loss is self-concordant, Bach 2010), so that a finite optimum is near.
pub(super) const NEAR: f64 = 0.5;

/// Share of the largest change by which a row may move to the wrong side: the overlap that is too
/// small for doubles to tell from none.
const AGAINST: f64 = 1e-6;

/// Share of the largest change that makes a column one that runs away.
const RUNS: f64 = 1e-3;

impl Spread {
    /// Whether the step is a certificate of separation.
    pub(super) fn separates(&self) -> bool {
        self.largest > NEAR && self.least >= -AGAINST * self.largest
    }
}

impl Problem<'_> {
    /// How `step` changes the linear predictors; only bounded where the bound says that it is
    /// small.
    ///
    /// # Errors
    /// When the run was cancelled.
    pub(super) fn spread(&self, step: &[f64], run: &FitRun<'_>) -> Result<Spread, FitError> {
        let bound = self.reach(step);
        if bound <= NEAR {
            return Ok(Spread { least: -bound, largest: bound });
        }
        wide::spread(self, step, run)
    }
}

/// Names the columns that `direction`, the intercept first, moves.
pub(super) fn separation(problem: &Problem<'_>, direction: &[f64], complete: bool) -> Separation {
    let slopes = direction.iter().skip(1).zip(&problem.largest);
    let mut moves: Vec<(usize, f64)> =
        slopes.map(|(slope, largest)| slope.abs() * largest).enumerate().collect();
    moves.sort_by(|(_, left), (_, right)| right.total_cmp(left));
    let most = moves.first().map_or(0.0, |(_, most)| *most);
    let running = moves.into_iter().take_while(|(_, change)| *change > RUNS * most);
    Separation { complete, columns: running.map(|(column, _)| column).collect() }
}
