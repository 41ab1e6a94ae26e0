//! Churn: how likely a customer is to stay away, by logistic regression.
//!
//! Columns are standardised, coefficients are fitted with an L2 penalty, and the score's log-odds
//! are calibrated on a later period. Because the score is a sum, every answer explains itself
//! exactly: a column adds its coefficient times how far the customer is from the average.

mod linfa_logistic;
mod objective;

use ndarray::ArcArray2;
use serde::{Deserialize, Serialize};

use self::linfa_logistic::fit_coefficients;
use self::objective::{Coefficients, Objective};
use super::preprocessing::{ColumnChoice, Standardizer};
use super::probability::{Contribution, Prior, Probability, Scale, check_supervised, strongest};
use super::{Calibration, Estimator, FitError, FitRun, Model, PredictError};
use crate::dataset::{FeatureMatrix, SupervisedData};

/// Who fits the coefficients.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChurnAlgorithm {
    /// The crate linfa-logistic: L-BFGS.
    #[default]
    LinfaLogistic,
}

/// Settings of a churn model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ChurnEstimator {
    /// Who fits the coefficients.
    pub algorithm: ChurnAlgorithm,
    /// Columns to use.
    pub columns: Vec<ColumnChoice>,
    /// Strength of the L2 penalty, 0 or more. The fit minimises
    /// `sum of log losses + l2 / 2 * sum of squared standardised coefficients`, without the
    /// intercept: scikit-learn's `C` is `1 / l2`.
    pub l2: f64,
    /// Most iterations of the solver, at least 1.
    pub max_iterations: u64,
    /// The fit has converged when no component of the gradient of the penalised loss, divided by
    /// the number of rows, is larger than this. Above 0.
    pub tolerance: f64,
}

/// A fitted churn model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ChurnModel {
    algorithm: ChurnAlgorithm,
    standardizer: Standardizer,
    coefficients: Coefficients,
    converged: bool,
    iterations: u64,
    scale: Scale,
}

impl Estimator for ChurnEstimator {
    type Data = SupervisedData;
    type Model = ChurnModel;

    fn fit(&self, data: &SupervisedData, run: &FitRun<'_>) -> Result<ChurnModel, FitError> {
        self.check()?;
        run.check()?;
        check_supervised(data)?;
        let standardizer = Standardizer::fit(&self.columns, &data.train.features)?;
        let values = standardize(&standardizer, &data.train.features)?;
        let objective = Objective::new(values, &data.train.target, self.l2);
        let fitted = match self.algorithm {
            ChurnAlgorithm::LinfaLogistic => fit_coefficients(self, &objective, run)?,
        };
        let scores = |matrix| scores(&standardizer, &fitted.coefficients, matrix);
        let train_scores = scores(&data.train.features);
        let later_scores = scores(&data.calibration.features);
        let scale = Scale::fit(data, &train_scores, &later_scores, run)?;
        Ok(ChurnModel {
            algorithm: self.algorithm,
            standardizer,
            coefficients: fitted.coefficients,
            converged: fitted.converged,
            iterations: fitted.iterations,
            scale,
        })
    }
}

impl ChurnEstimator {
    fn check(&self) -> Result<(), FitError> {
        let setting = |name, expected: &str, found: String| FitError::Setting {
            name,
            expected: expected.to_owned(),
            found,
        };
        if !(self.l2.is_finite() && self.l2 >= 0.0) {
            return Err(setting("l2", "0 or more", self.l2.to_string()));
        }
        if !(self.tolerance.is_finite() && self.tolerance > 0.0) {
            return Err(setting("tolerance", "above 0", self.tolerance.to_string()));
        }
        if self.max_iterations == 0 {
            return Err(setting("max_iterations", "at least 1", "0".to_owned()));
        }
        Ok(())
    }
}

/// What an algorithm hands back.
struct Fitted {
    coefficients: Coefficients,
    converged: bool,
    iterations: u64,
}

/// The training rows, standardised: rows x width.
fn standardize(
    standardizer: &Standardizer,
    matrix: &FeatureMatrix,
) -> Result<ArcArray2<f64>, FitError> {
    let rows = matrix.iter_rows();
    let values = rows.flat_map(|row| standardizer.transform_row(row)).collect();
    let shape = (matrix.rows(), standardizer.width());
    ArcArray2::from_shape_vec(shape, values).map_err(|error| FitError::Algorithm {
        algorithm: "standardise",
        message: error.to_string(),
    })
}

fn scores(
    standardizer: &Standardizer,
    coefficients: &Coefficients,
    matrix: &FeatureMatrix,
) -> Vec<f64> {
    let rows = matrix.iter_rows();
    rows.map(|row| coefficients.score(standardizer.transform_row(row))).collect()
}

impl Model for ChurnModel {
    type Input = FeatureMatrix;
    type Output = Probability;

    fn predict(&self, input: &FeatureMatrix) -> Result<Vec<Probability>, PredictError> {
        self.standardizer.check(input)?;
        let scores = scores(&self.standardizer, &self.coefficients, input);
        Ok(scores.into_iter().map(|score| self.scale.answer(score)).collect())
    }
}

impl ChurnModel {
    /// Who fitted it.
    pub fn algorithm(&self) -> ChurnAlgorithm {
        self.algorithm
    }

    /// Names of the columns in use, in order.
    pub fn column_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.standardizer.column_names()
    }

    /// The numbers that standardise the columns.
    pub fn standardizer(&self) -> &Standardizer {
        &self.standardizer
    }

    /// Change of the log-odds of the event per standard deviation of the (transformed) column.
    pub fn coefficients(&self) -> Vec<(String, f64)> {
        let names = self.column_names().map(str::to_owned);
        names.zip(self.coefficients.slopes.iter().copied()).collect()
    }

    /// Log-odds of the event for the average training row, uncalibrated.
    pub fn intercept(&self) -> f64 {
        self.coefficients.intercept
    }

    /// Whether the gradient fell below the tolerance within the iterations allowed.
    pub fn converged(&self) -> bool {
        self.converged
    }

    /// Iterations the solver was given.
    pub fn iterations(&self) -> u64 {
        self.iterations
    }

    /// How scores become probabilities.
    pub fn calibration(&self) -> &Calibration {
        self.scale.calibration()
    }

    /// The answer for a customer without history.
    pub fn prior(&self) -> Prior {
        self.scale.prior()
    }

    /// The columns that move this row's uncalibrated log-odds most, at most `top`. All of them
    /// together add up to the row's log-odds less [`ChurnModel::intercept`].
    ///
    /// Empty for a row that could not come from the fitted matrix (another width, not finite).
    pub fn explain(&self, row: &[f32], top: usize) -> Vec<Contribution> {
        if !self.standardizer.accepts(row) {
            return Vec::new();
        }
        let values = self.standardizer.transform_row(row);
        let parts = values.zip(&self.coefficients.slopes).map(|(z, slope)| z * slope);
        let columns = self.column_names().zip(self.standardizer.raw(row));
        let contribution = |((column, value), contribution): ((&str, f64), f64)| Contribution {
            column: column.to_owned(),
            value,
            contribution,
        };
        strongest(columns.zip(parts).map(contribution).collect(), top)
    }

    /// Share of each column in the sum of absolute standardised coefficients, largest first.
    pub fn importance(&self) -> Vec<(String, f64)> {
        let mut shares = self.coefficients();
        let sum: f64 = shares.iter().map(|(_, slope)| slope.abs()).sum();
        for (_, slope) in &mut shares {
            *slope = if sum > 0.0 { slope.abs() / sum } else { 0.0 };
        }
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        shares
    }
}
