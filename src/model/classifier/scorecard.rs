//! The classic retail score: logistic regression on weights of evidence.

use serde::{Deserialize, Serialize};

use super::objective::Coefficients;
use super::validation::{Held, best_of};
use super::{ClassifierEstimator, Verdict};
use crate::dataset::{Dataset, FeatureMatrix, SupervisedData};
use crate::model::preprocessing::locate_columns;
use crate::model::woe::{Binning, Cell, Column, Encoder, Settings, Strength};
use crate::model::{FitError, FitRun, logistic};

/// Penalties that are tried where none is given.
const PENALTIES: [f64; 3] = [1.0, 0.1, 10.0];

/// Bins of each column, and what their evidence weighs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Scorecard {
    columns: Vec<Place>,
    encoder: Encoder,
    coefficients: Coefficients,
}

/// Where a column stands in the matrix.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Place {
    index: usize,
    /// Number of levels, 0 for numbers. A missing category has this code.
    levels: u32,
}

impl Place {
    fn cell(self, row: &[f32]) -> Cell {
        let value = row.get(self.index).copied().unwrap_or(f32::NAN);
        match self.levels {
            0 => Cell::Number(value),
            levels if value.is_nan() => Cell::Code(levels),
            _ => Cell::Code(value as u32),
        }
    }
}

/// The values of a column as the encoder takes them.
enum Values {
    Numbers(Vec<f32>),
    Codes(Vec<u32>),
}

pub(super) fn fit(
    estimator: &ClassifierEstimator,
    data: &SupervisedData,
    run: &FitRun<'_>,
) -> Result<(Scorecard, Verdict), FitError> {
    let mut notes = Vec::new();
    let l2 = match (estimator.settings.l2, Held::of(&data.train, data.horizon_days)) {
        (Some(l2), _) => l2,
        (None, None) => 1.0,
        (None, Some(held)) => {
            let scores = |l2: &f64| {
                let (card, _) = fit_with(estimator, &held.earlier, *l2, run)?;
                Ok(held.later.features.iter_rows().map(|row| card.score(row)).collect())
            };
            let (l2, loss) = best_of(PENALTIES.to_vec(), &held.later.target, scores)?;
            notes.push(format!(
                "l2 = {l2}: log loss {loss:.4} on rows held back within the training window"
            ));
            l2
        }
    };
    let (card, mut verdict) = fit_with(estimator, &data.train, l2, run)?;
    for (column, encoding) in estimator.columns.iter().zip(&card.encoder.columns) {
        if Strength::of(encoding.information) == Strength::Suspicious {
            notes.push(format!(
                "{}: information value {:.2}, suspiciously high; see whether it knows the outcome",
                column.name, encoding.information
            ));
        }
    }
    verdict.notes.extend(notes);
    Ok((card, verdict))
}

fn fit_with(
    estimator: &ClassifierEstimator,
    part: &Dataset,
    l2: f64,
    run: &FitRun<'_>,
) -> Result<(Scorecard, Verdict), FitError> {
    let settings = &estimator.settings;
    let names: Vec<&str> = estimator.columns.iter().map(|column| column.name.as_str()).collect();
    let place = |index: usize| {
        let levels = part.features.levels(index).len() as u32;
        Place { index, levels }
    };
    let columns: Vec<Place> =
        locate_columns(&names, &part.features)?.into_iter().map(place).collect();
    let values: Vec<Values> = columns.iter().map(|column| column.values(&part.features)).collect();
    let bins = Settings {
        binning: Binning::Supervised,
        max_bins: settings.max_bins.unwrap_or(8),
        min_bin_share: 0.02,
        monotone: false,
    };
    let taken: Vec<Column<'_>> = values.iter().map(Values::column).collect();
    let encoder = Encoder::fit(&taken, &part.target, None, &bins, run)?;
    let mut card = Scorecard {
        columns,
        encoder,
        coefficients: Coefficients { slopes: Vec::new(), intercept: 0.0 },
    };
    let rows = part.features.iter_rows();
    let evidence: Vec<f32> =
        rows.flat_map(|row| card.evidence(row)).map(|value| value as f32).collect();
    let rows = logistic::Rows { values: &evidence, width: card.columns.len() };
    let settings = logistic::Settings {
        l2,
        l1: settings.l1.unwrap_or_default(),
        max_iterations: settings.max_iterations.unwrap_or(300) as usize,
        tolerance: settings.tolerance.unwrap_or(1e-6),
    };
    let fit = logistic::fit(rows, &part.target, None, &settings, run)?;
    card.coefficients = Coefficients { slopes: fit.coefficients, intercept: fit.intercept };
    let (converged, iterations) = (fit.converged, fit.iterations as u64);
    Ok((card, Verdict { converged, iterations, notes: Vec::new() }))
}

impl Place {
    fn values(self, features: &FeatureMatrix) -> Values {
        if self.levels == 0 {
            return Values::Numbers(features.column(self.index).collect());
        }
        let code = |value: f32| if value.is_nan() { self.levels } else { value as u32 };
        Values::Codes(features.column(self.index).map(code).collect())
    }
}

impl Values {
    fn column(&self) -> Column<'_> {
        match self {
            Self::Numbers(numbers) => Column::Numeric(numbers),
            Self::Codes(codes) => Column::Categorical(codes),
        }
    }
}

impl Scorecard {
    /// The weight of evidence of each column; 0 for what the fit did not see.
    fn evidence(&self, row: &[f32]) -> Vec<f64> {
        let encodings = self.columns.iter().zip(&self.encoder.columns);
        encodings.map(|(place, encoding)| encoding.woe(place.cell(row)).unwrap_or(0.0)).collect()
    }

    pub(super) fn score(&self, row: &[f32]) -> f64 {
        self.coefficients.score(self.evidence(row).into_iter())
    }

    /// The score of a row without evidence.
    pub(super) fn base(&self) -> f64 {
        self.coefficients.intercept
    }

    pub(super) fn parts(&self, row: &[f32], width: usize) -> Vec<f64> {
        let evidence = self.evidence(row);
        let parts = evidence.iter().zip(&self.coefficients.slopes);
        self.by_input(parts.map(|(evidence, slope)| evidence * slope), width)
    }

    /// The information values.
    pub(super) fn weights(&self, width: usize) -> Vec<f64> {
        self.by_input(self.encoder.columns.iter().map(|encoding| encoding.information), width)
    }

    fn by_input(&self, parts: impl Iterator<Item = f64>, width: usize) -> Vec<f64> {
        let mut by_input = vec![0.0; width];
        for (place, part) in self.columns.iter().zip(parts) {
            if let Some(sum) = by_input.get_mut(place.index) {
                *sum += part;
            }
        }
        by_input
    }
}
