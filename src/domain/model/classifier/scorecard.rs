//! The classic retail score: logistic regression on weights of evidence.

use serde::{Deserialize, Serialize};

use super::objective::Coefficients;
use super::validation::{Held, best_of};
use super::{ClassifierEstimator, Verdict};
use crate::dataset::{Dataset, FeatureMatrix, SupervisedData};
use crate::metrics::roc_auc;
use crate::model::preprocessing::locate_columns;
use crate::model::woe::{Binning, Cell, Column, Encoder, Encoding, Settings, Strength};
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
    let bins = bins(settings.max_bins);
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

/// What one column alone says of the outcome, by weights of evidence.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ColumnEvidence {
    /// The column.
    pub column: String,
    /// Its information value; see [`Strength`] for what is much.
    pub information_value: f64,
    /// Area under the ROC curve of its weights of evidence on the same rows, 0.5 to 1.
    pub roc_auc: f64,
}

impl ColumnEvidence {
    /// Area under the ROC curve above which a column says more than one honestly can.
    const SUSPECT_AUC: f64 = 0.95;

    /// Whether it says so much that it may have been filled in after the outcome was known: an
    /// information value above 0.5 (Siddiqi 2006), or an area above 0.95.
    pub fn is_suspect(&self) -> bool {
        Strength::of(self.information_value) == Strength::Suspicious
            || self.roc_auc > Self::SUSPECT_AUC
    }
}

/// What each of the named columns alone says of the outcome, the strongest first.
///
/// # Errors
/// When a column is not there, all rows have one outcome, or `run` was cancelled.
pub fn column_evidence(
    rows: &Dataset,
    names: &[&str],
    run: &FitRun<'_>,
) -> Result<Vec<ColumnEvidence>, FitError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let place = |index| Place { index, levels: rows.features.levels(index).len() as u32 };
    let places = locate_columns(names, &rows.features)?.into_iter().map(place);
    let places: Vec<Place> = places.collect();
    let values: Vec<Values> = places.iter().map(|place| place.values(&rows.features)).collect();
    let columns: Vec<Column<'_>> = values.iter().map(Values::column).collect();
    let encoder = Encoder::fit(&columns, &rows.target, None, &bins(None), run)?;
    let of = |(((place, encoding), values), name): (((&Place, &Encoding), &Values), &&str)| {
        let evidence = |row| encoding.woe(place.cell(row)).unwrap_or_default();
        let scores: Vec<f64> = rows.features.iter_rows().map(evidence).collect();
        let binned = area(&scores, &rows.target);
        ColumnEvidence {
            column: (*name).to_owned(),
            information_value: encoding.information,
            roc_auc: binned.max(values.area(&rows.target)),
        }
    };
    let named = places.iter().zip(&encoder.columns).zip(&values).zip(names);
    let mut evidence: Vec<ColumnEvidence> = named.map(of).collect();
    evidence.sort_by(|a, b| b.information_value.total_cmp(&a.information_value));
    Ok(evidence)
}

/// Area under the ROC curve, in the direction that is better.
fn area(scores: &[f64], target: &[bool]) -> f64 {
    let area = roc_auc(scores, target).unwrap_or(0.5);
    area.max(1.0 - area)
}

impl Values {
    /// How well the values rank as they are, missing numbers left out; categories by their share of
    /// events. Bins hide a value that tells the outcome for sure: they join those of one outcome
    /// with their neighbours.
    fn area(&self, target: &[bool]) -> f64 {
        match self {
            Self::Numbers(values) => {
                let known = values.iter().zip(target).filter(|(value, _)| !value.is_nan());
                let (values, target): (Vec<f64>, Vec<bool>) =
                    known.map(|(value, event)| (f64::from(*value), *event)).unzip();
                area(&values, &target)
            }
            Self::Codes(codes) => {
                let levels = codes.iter().max().map_or(0, |most| *most as usize + 1);
                let mut counts = vec![(0.5, 1.0); levels];
                for (code, event) in codes.iter().zip(target) {
                    if let Some((events, rows)) = counts.get_mut(*code as usize) {
                        *events += f64::from(u8::from(*event));
                        *rows += 1.0;
                    }
                }
                let share = |code: &u32| counts.get(*code as usize).map_or(0.5, |(e, n)| e / n);
                area(&codes.iter().map(share).collect::<Vec<f64>>(), target)
            }
        }
    }
}

/// How columns are cut, into at most `most` bins.
fn bins(most: Option<usize>) -> Settings {
    Settings {
        binning: Binning::Supervised,
        max_bins: most.unwrap_or(8),
        min_bin_share: 0.02,
        monotone: false,
    }
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
