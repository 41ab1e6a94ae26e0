//! The objective and its derivatives at one point, dense or wide.

use super::DENSE;
use super::cholesky::Cholesky;
use super::pass::{Moments, moments};
use super::problem::Problem;
use super::wide::{Slope, slope};
use crate::model::{FitError, FitRun};

/// Loss, gradient and what is needed for the Hessian, without penalties.
#[derive(Debug)]
pub(super) enum Derivatives {
    /// With the Hessian.
    Dense(Moments),
    /// With the curvature of each row, for products with the Hessian.
    Linear(Slope),
}

impl Derivatives {
    /// At `point`, the intercept first.
    ///
    /// # Errors
    /// When the run was cancelled.
    pub(super) fn at(
        problem: &Problem<'_>,
        point: &[f64],
        run: &FitRun<'_>,
    ) -> Result<Self, FitError> {
        Ok(if problem.width <= DENSE {
            Self::Dense(moments(problem, point, 1, run)?)
        } else {
            Self::Linear(slope(problem, point, run)?)
        })
    }

    pub(super) fn loss(&self) -> f64 {
        match self {
            Self::Dense(moments) => moments.loss,
            Self::Linear(slope) => slope.loss,
        }
    }

    /// Smallest linear predictor in the direction of the outcome.
    pub(super) fn margin(&self) -> f64 {
        match self {
            Self::Dense(moments) => moments.margin,
            Self::Linear(slope) => slope.margin,
        }
    }

    /// Whether nothing overflowed.
    pub(super) fn is_finite(&self) -> bool {
        match self {
            Self::Dense(moments) => moments.is_finite(),
            Self::Linear(slope) => {
                let mut sums = slope.gradient.iter().chain(&slope.diagonal);
                slope.loss.is_finite() && sums.all(|sum| sum.is_finite())
            }
        }
    }

    /// Loss plus squared penalty.
    pub(super) fn objective(&self, point: &[f64], l2: f64) -> f64 {
        let square: f64 = point.iter().skip(1).map(|slope| slope * slope).sum();
        self.loss() + 0.5 * l2 * square
    }

    /// Gradient of the loss plus squared penalty.
    pub(super) fn penalised_gradient(&self, point: &[f64], l2: f64) -> Vec<f64> {
        let gradient = match self {
            Self::Dense(moments) => &moments.gradient,
            Self::Linear(slope) => &slope.gradient,
        };
        let mut gradient = gradient.clone();
        let slopes = gradient.iter_mut().zip(point).skip(1);
        slopes.for_each(|(sum, slope)| *sum += l2 * slope);
        gradient
    }

    /// Marks the variables that are a combination of those before them; none if wide.
    pub(super) fn dependent(&self) -> Vec<bool> {
        match self {
            Self::Dense(moments) => {
                let mut held = vec![false; moments.gradient.len()];
                Cholesky::mark_dependent(&moments.hessian, &mut held);
                held
            }
            Self::Linear(slope) => vec![false; slope.gradient.len()],
        }
    }
}

impl Moments {
    /// Hessian of the loss plus squared penalty.
    pub(super) fn penalised_hessian(&self, l2: f64) -> Vec<f64> {
        let size = self.gradient.len();
        let mut hessian = self.hessian.clone();
        hessian.iter_mut().step_by(size + 1).skip(1).for_each(|diagonal| *diagonal += l2);
        hessian
    }
}
