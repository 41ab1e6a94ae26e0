//! Scores that are sums: logistic regression on standardised columns.

use ndarray::ArcArray2;
use serde::{Deserialize, Serialize};

use super::linfa_regression;
use super::objective::{Coefficients, Objective};
use super::validation::{Held, best_of};
use super::{ClassifierAlgorithm, ClassifierEstimator, Verdict};
use crate::dataset::{FeatureMatrix, SupervisedData};
use crate::model::preprocessing::{Standardizer, WeightedSum};
use crate::model::{FitError, FitRun, logistic};

/// Penalties that are tried where none is given.
const PENALTIES: [f64; 4] = [1.0, 0.1, 10.0, 100.0];
const MAX_ITERATIONS: u64 = 300;
const TOLERANCE: f64 = 1e-6;

/// A weighted sum of standardised columns.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Linear {
    standardizer: Standardizer,
    coefficients: Coefficients,
    /// Standard errors of the slopes; empty when there are none.
    errors: Vec<Option<f64>>,
}

/// Rows that one fit sees, with the penalties it is given.
struct Task<'a> {
    features: &'a FeatureMatrix,
    target: &'a [bool],
    l2: f64,
}

/// Fits on all training rows, with the penalty that predicts best within the training window when
/// the settings give none.
pub(super) fn fit(
    estimator: &ClassifierEstimator,
    data: &SupervisedData,
    run: &FitRun<'_>,
) -> Result<(Linear, Verdict), FitError> {
    let mut notes = Vec::new();
    let l2 = match estimator.settings.l2 {
        Some(l2) => l2,
        None => tuned(estimator, data, run, &mut notes)?,
    };
    let task = Task { features: &data.train.features, target: &data.train.target, l2 };
    let (linear, mut verdict) = fit_with(estimator, &task, run)?;
    verdict.notes.extend(notes);
    Ok((linear, verdict))
}

fn tuned(
    estimator: &ClassifierEstimator,
    data: &SupervisedData,
    run: &FitRun<'_>,
    notes: &mut Vec<String>,
) -> Result<f64, FitError> {
    let Some(Held { earlier, later }) = Held::of(&data.train, data.horizon_days) else {
        return Ok(1.0);
    };
    let scores = |l2: &f64| {
        let task = Task { features: &earlier.features, target: &earlier.target, l2: *l2 };
        let (linear, _) = fit_with(estimator, &task, run)?;
        Ok(linear.scores(&later.features))
    };
    let (l2, loss) = best_of(PENALTIES.to_vec(), &later.target, scores)?;
    notes.push(format!(
        "l2 = {l2}: log loss {loss:.4} on rows held back within the training window"
    ));
    Ok(l2)
}

fn fit_with(
    estimator: &ClassifierEstimator,
    task: &Task<'_>,
    run: &FitRun<'_>,
) -> Result<(Linear, Verdict), FitError> {
    let standardizer = Standardizer::fit(&estimator.columns, task.features)?;
    match estimator.algorithm {
        ClassifierAlgorithm::LinfaLogistic => by_linfa(estimator, task, standardizer, run),
        _ => by_newton(estimator, task, standardizer, run),
    }
}

fn by_newton(
    estimator: &ClassifierEstimator,
    task: &Task<'_>,
    standardizer: Standardizer,
    run: &FitRun<'_>,
) -> Result<(Linear, Verdict), FitError> {
    let settings = &estimator.settings;
    let rows = task.features.iter_rows();
    let values: Vec<f32> =
        rows.flat_map(|row| standardizer.transform_row(row)).map(|value| value as f32).collect();
    let rows = logistic::Rows { values: &values, width: standardizer.width() };
    let settings = logistic::Settings {
        l2: task.l2,
        l1: settings.l1.unwrap_or_default(),
        max_iterations: settings.max_iterations.unwrap_or(MAX_ITERATIONS) as usize,
        tolerance: settings.tolerance.unwrap_or(TOLERANCE),
    };
    let fit = logistic::fit(rows, task.target, None, &settings, run)?;
    let names: Vec<&str> = standardizer.column_names().collect();
    let name = |column: &usize| names.get(*column).copied().unwrap_or_default();
    let mut notes = Vec::new();
    if let Some(separation) = &fit.separation {
        let columns: Vec<&str> = separation.columns.iter().take(5).map(name).collect();
        let part = if separation.complete { "all" } else { "some" };
        let columns = columns.join(", ");
        notes.push(format!(
            "the classes of {part} rows are told apart without error by {columns}; raise l2"
        ));
    }
    if !fit.collinear.is_empty() {
        let columns: Vec<&str> = fit.collinear.iter().map(name).collect();
        notes.push(format!(
            "left out, since the columns before explain them: {}",
            columns.join(", ")
        ));
    }
    let verdict = Verdict { converged: fit.converged, iterations: fit.iterations as u64, notes };
    let errors = fit.standard_errors.map(|errors| errors.coefficients).unwrap_or_default();
    let coefficients = Coefficients { slopes: fit.coefficients, intercept: fit.intercept };
    Ok((Linear { standardizer, coefficients, errors }, verdict))
}

fn by_linfa(
    estimator: &ClassifierEstimator,
    task: &Task<'_>,
    standardizer: Standardizer,
    run: &FitRun<'_>,
) -> Result<(Linear, Verdict), FitError> {
    let rows = task.features.iter_rows();
    let values = rows.flat_map(|row| standardizer.transform_row(row)).collect();
    let shape = (task.features.rows(), standardizer.width());
    let values = ArcArray2::from_shape_vec(shape, values).map_err(|error| FitError::Algorithm {
        algorithm: "standardise",
        message: error.to_string(),
    })?;
    let objective = Objective::new(values, task.target, task.l2);
    let settings = linfa_regression::Settings {
        l2: task.l2,
        max_iterations: estimator.settings.max_iterations.unwrap_or(MAX_ITERATIONS),
        tolerance: estimator.settings.tolerance.unwrap_or(TOLERANCE),
    };
    let fitted = linfa_regression::fit_coefficients(&settings, &objective, run)?;
    let (converged, iterations) = (fitted.converged, fitted.iterations);
    let verdict = Verdict { converged, iterations, notes: Vec::new() };
    let coefficients = fitted.coefficients;
    Ok((Linear { standardizer, coefficients, errors: Vec::new() }, verdict))
}

impl Linear {
    /// One that was fitted before standard errors were kept.
    pub(super) fn without_errors(standardizer: Standardizer, coefficients: Coefficients) -> Self {
        Self { standardizer, coefficients, errors: Vec::new() }
    }

    pub(super) fn standardizer(&self) -> &Standardizer {
        &self.standardizer
    }

    pub(super) fn score(&self, row: &[f32]) -> f64 {
        self.weighted().of(row) + self.coefficients.intercept
    }

    pub(super) fn scores(&self, matrix: &FeatureMatrix) -> Vec<f64> {
        let mut scores = self.weighted().of_rows(matrix);
        scores.iter_mut().for_each(|score| *score += self.coefficients.intercept);
        scores
    }

    fn weighted(&self) -> WeightedSum<'_> {
        self.standardizer.weighted(&self.coefficients.slopes)
    }

    /// The score of the average training row.
    pub(super) fn base(&self) -> f64 {
        self.coefficients.intercept
    }

    /// What each column of the input adds to [`Linear::base`]; the levels of a category together.
    pub(super) fn parts(&self, row: &[f32], width: usize) -> Vec<f64> {
        let values = self.standardizer.transform_row(row);
        let parts = values.zip(&self.coefficients.slopes).map(|(value, slope)| value * slope);
        self.by_input(parts, width)
    }

    pub(super) fn weights(&self, width: usize) -> Vec<f64> {
        self.by_input(self.coefficients.slopes.iter().map(|slope| slope.abs()), width)
    }

    pub(super) fn coefficients(&self) -> Vec<(String, f64, Option<f64>)> {
        let errors = self.errors.iter().copied().chain(std::iter::repeat(None));
        let slopes = self.coefficients.slopes.iter().copied().zip(errors);
        let names = self.standardizer.column_names().map(str::to_owned);
        names.zip(slopes).map(|(name, (slope, error))| (name, slope, error)).collect()
    }

    fn by_input(&self, parts: impl Iterator<Item = f64>, width: usize) -> Vec<f64> {
        let mut sums = vec![0.0; width];
        for (source, part) in self.standardizer.sources().zip(parts) {
            if let Some(sum) = sums.get_mut(source) {
                *sum += part;
            }
        }
        sums
    }
}
