//! The penalised log loss, so that convergence is judged here and not by a library.

use ndarray::{ArcArray1, ArcArray2};
use serde::{Deserialize, Serialize};

use crate::model::calibration::sigmoid;

/// What a logistic regression has learned, on standardised columns.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Coefficients {
    pub(super) slopes: Vec<f64>,
    pub(super) intercept: f64,
}

impl Coefficients {
    /// Log-odds of the event.
    pub(super) fn score(&self, row: impl Iterator<Item = f64>) -> f64 {
        let products = row.zip(&self.slopes).map(|(value, slope)| value * slope);
        self.intercept + products.sum::<f64>()
    }
}

/// `sum of log losses + l2 / 2 * sum of squared slopes` over rows x width standardised values.
pub(super) struct Objective {
    pub(super) values: ArcArray2<f64>,
    pub(super) target: ArcArray1<bool>,
    l2: f64,
}

impl Objective {
    pub(super) fn new(values: ArcArray2<f64>, target: &[bool], l2: f64) -> Self {
        Self { values, target: target.iter().copied().collect(), l2 }
    }

    pub(super) fn rows(&self) -> usize {
        self.target.len()
    }

    pub(super) fn width(&self) -> usize {
        self.values.ncols()
    }

    /// The largest component of the gradient at a point, divided by the number of rows.
    pub(super) fn largest_slope(&self, at: &Coefficients) -> f64 {
        let mut gradient: Vec<f64> = at.slopes.iter().map(|slope| self.l2 * slope).collect();
        let mut by_intercept = 0.0;
        for (row, happened) in self.values.rows().into_iter().zip(&self.target) {
            let event = if *happened { 1.0 } else { 0.0 };
            let error = sigmoid(at.score(row.iter().copied())) - event;
            by_intercept += error;
            for (sum, value) in gradient.iter_mut().zip(row) {
                *sum += error * value;
            }
        }
        let components = gradient.into_iter().chain([by_intercept]);
        components.map(f64::abs).fold(0.0, f64::max) / self.rows() as f64
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;

    #[test]
    fn slope_is_zero_at_the_known_optimum() {
        // One binary column: the unpenalised optimum is the log-odds of each half.
        let values = arr2(&[[0.0], [0.0], [0.0], [0.0], [1.0], [1.0], [1.0], [1.0]]);
        let target = [true, false, false, false, true, true, true, false];
        let objective = Objective::new(values.into_shared(), &target, 0.0);
        let optimum = Coefficients {
            slopes: vec![3f64.ln() - (1.0 / 3.0f64).ln()],
            intercept: (1.0 / 3.0f64).ln(),
        };
        assert!(objective.largest_slope(&optimum) < 1e-15);
        let elsewhere = Coefficients { slopes: vec![0.0], intercept: 0.0 };
        assert_eq!(objective.largest_slope(&elsewhere), 0.125);
    }
}
