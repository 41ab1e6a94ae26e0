//! Ridge regression by smartcore, the only place that knows it.
//!
//! smartcore 0.7 does not check for NaN, refuses a constant column only when it standardises
//! itself, and its Cholesky step divides by zero on a matrix without full rank. So shapes and
//! finiteness are checked and columns standardised here; constant columns get weight zero.

use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linear::ridge_regression::{RidgeRegression, RidgeRegressionParameters};

/// A linear function fitted with an L2 penalty.
#[derive(Clone, Debug)]
pub(super) struct Ridge {
    /// One weight per column, in the columns' own units.
    pub(super) weights: Vec<f64>,
    intercept: f64,
}

impl Ridge {
    /// Fits `targets` on `rows`, each of the same width. `penalty` is added to the diagonal of the
    /// standardised columns' cross-products.
    pub(super) fn fit(
        rows: &[Vec<f64>],
        targets: &[f64],
        penalty: f64,
    ) -> Result<Self, RidgeRefused> {
        let width = rows.first().map_or(0, Vec::len);
        let finite = rows.iter().flatten().chain(targets).all(|v| v.is_finite());
        if rows.len() != targets.len() || rows.iter().any(|row| row.len() != width) {
            return Err(RidgeRefused::Shape);
        }
        if !finite || !penalty.is_finite() || penalty <= 0.0 {
            return Err(RidgeRefused::NotFinite);
        }
        let columns: Vec<Column> = (0..width).map(|index| Column::of(rows, index)).collect();
        let varying: Vec<&Column> = columns.iter().filter(|c| c.deviation > 0.0).collect();
        if rows.len() <= varying.len() {
            return Err(RidgeRefused::TooFewRows { rows: rows.len(), columns: varying.len() });
        }
        let centre = mean(targets.iter().copied(), targets.len());
        let solved = solve(rows, targets, &varying, centre, penalty)?;
        let mut weights = vec![0.0; width];
        let mut intercept = centre;
        for (column, weight) in varying.iter().zip(solved) {
            let weight = weight / column.deviation;
            if let Some(slot) = weights.get_mut(column.index) {
                *slot = weight;
            }
            intercept -= weight * column.mean;
        }
        if weights.iter().chain([&intercept]).all(|v| v.is_finite()) {
            Ok(Self { weights, intercept })
        } else {
            Err(RidgeRefused::NotFinite)
        }
    }

    /// The function's value; a missing column counts as zero.
    pub(super) fn predict(&self, row: &[f64]) -> f64 {
        let terms = self.weights.iter().zip(row);
        self.intercept + terms.map(|(weight, value)| weight * value).sum::<f64>()
    }
}

/// Why no regression was fitted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum RidgeRefused {
    /// Rows of different width, or another number of targets.
    #[error("rows and targets do not have one shape")]
    Shape,
    /// Input or result.
    #[error("a number is not finite")]
    NotFinite,
    /// The system would have no unique solution without the penalty.
    #[error("expected more rows than the {columns} columns, found {rows}")]
    TooFewRows {
        /// Rows.
        rows: usize,
        /// Columns that are not constant.
        columns: usize,
    },
    /// smartcore's own words.
    #[error("{0}")]
    Library(String),
}

struct Column {
    index: usize,
    mean: f64,
    deviation: f64,
}

impl Column {
    fn of(rows: &[Vec<f64>], index: usize) -> Self {
        let values = || rows.iter().filter_map(|row| row.get(index).copied());
        let centre = mean(values(), rows.len());
        let variance = mean(values().map(|value| (value - centre).powi(2)), rows.len());
        let deviation = variance.sqrt();
        // Below this the column is constant but for rounding.
        let constant = deviation <= 1e-10 * (1.0 + centre.abs());
        Self { index, mean: centre, deviation: if constant { 0.0 } else { deviation } }
    }
}

fn mean(values: impl Iterator<Item = f64>, count: usize) -> f64 {
    values.sum::<f64>() / count.max(1) as f64
}

fn solve(
    rows: &[Vec<f64>],
    targets: &[f64],
    columns: &[&Column],
    centre: f64,
    penalty: f64,
) -> Result<Vec<f64>, RidgeRefused> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let refused = |failed: smartcore::error::Failed| RidgeRefused::Library(failed.to_string());
    let standardised = rows.iter().flat_map(|row| {
        columns.iter().map(|column| {
            let value = row.get(column.index).copied().unwrap_or_default();
            (value - column.mean) / column.deviation
        })
    });
    let matrix = DenseMatrix::new(rows.len(), columns.len(), standardised.collect(), false);
    let centred: Vec<f64> = targets.iter().map(|target| target - centre).collect();
    let parameters = RidgeRegressionParameters::default().with_alpha(penalty).with_normalize(false);
    let fitted =
        RidgeRegression::fit(&matrix.map_err(refused)?, &centred, parameters).map_err(refused)?;
    Ok(fitted.coefficients().iter().copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<f64>> {
        (0..12).map(|t| vec![f64::from(t), f64::from(t * t % 5), 7.0]).collect()
    }

    #[test]
    fn a_small_penalty_finds_the_plane() {
        let targets: Vec<f64> = rows().iter().map(|r| 2.0 * r[0] - 3.0 * r[1] + 4.0).collect();
        let ridge = Ridge::fit(&rows(), &targets, 1e-9).unwrap();
        assert!((ridge.weights[0] - 2.0).abs() < 1e-6);
        assert!((ridge.weights[1] + 3.0).abs() < 1e-6);
        assert_eq!(ridge.weights[2], 0.0, "a constant column");
        assert!((ridge.predict(&[1.0, 1.0, 7.0]) - 3.0).abs() < 1e-6);
    }

    #[test]
    fn degenerate_input_is_refused_or_shrunk() {
        let one = Ridge::fit(&[vec![1.0]], &[f64::NAN], 1.0);
        assert_eq!(one.unwrap_err(), RidgeRefused::NotFinite);
        let shape = Ridge::fit(&[vec![1.0], vec![1.0, 2.0]], &[1.0, 2.0], 1.0);
        assert_eq!(shape.unwrap_err(), RidgeRefused::Shape);
        let few = Ridge::fit(&[vec![1.0, 2.0], vec![2.0, 1.0]], &[1.0, 2.0], 1.0);
        assert!(matches!(few, Err(RidgeRefused::TooFewRows { .. })));
        let twice: Vec<Vec<f64>> = (0..9).map(|t| vec![f64::from(t); 2]).collect();
        let targets: Vec<f64> = (0..9).map(f64::from).collect();
        let ridge = Ridge::fit(&twice, &targets, 1e-3).unwrap();
        assert!((ridge.weights[0] - ridge.weights[1]).abs() < 1e-6);
        let constant = Ridge::fit(&vec![vec![1.0]; 3], &[1.0, 2.0, 3.0], 1.0).unwrap();
        assert_eq!(constant.predict(&[1.0]), 2.0);
    }
}
