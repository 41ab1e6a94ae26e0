//! RFM: recency, frequency and monetary value as scores, and a name for every combination.
//!
//! Each of the three is cut at quantiles of the training customers into scores from 1 to 5, 5
//! being the best. The edges are frozen in the model: a customer's score moves when she does, not
//! because others did. The three scores make a cell such as `555`, and every cell has one name,
//! see [`RfmSegment`].

mod edges;
mod naming;

use serde::{Deserialize, Serialize};

pub use self::edges::{RfmBand, RfmEdges};
pub use self::naming::{RfmNaming, RfmSegment};
use super::preprocessing::{check_columns, locate_columns};
use super::segments::median;
use super::{Estimator, FitError, FitRun, Model, PredictError};
use crate::dataset::FeatureMatrix;

/// Settings of an RFM model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RfmEstimator {
    /// Column with the time since the last purchase; less is better.
    pub recency: String,
    /// Column with the number of purchases; more is better.
    pub frequency: String,
    /// Column with what was spent; more is better.
    pub monetary: String,
    /// How many scores each gets, 2 to 9; 5 is usual.
    pub scores: u8,
}

/// A fitted RFM model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RfmModel {
    /// All columns of the matrix it was fitted on, in order.
    input: Vec<String>,
    naming: RfmNaming,
    recency: Dimension,
    frequency: Dimension,
    monetary: Dimension,
    sizes: Vec<RfmSize>,
}

/// A column and its edges.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Dimension {
    index: usize,
    edges: RfmEdges,
}

/// How many training customers a segment had.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct RfmSize {
    /// The segment.
    pub segment: RfmSegment,
    /// Training rows in it.
    pub size: u64,
    /// Its share of the training rows, 0 to 1.
    pub share: f64,
}

/// What the customers of a segment have in common.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct RfmProfile {
    /// The segment.
    pub segment: RfmSegment,
    /// Medians of recency, frequency and monetary value.
    pub medians: [f64; 3],
    /// Their share of all monetary value; `None` when all of it is not above zero.
    pub monetary_share: Option<f64>,
}

/// Where a customer belongs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RfmAssignment {
    /// The recency score and the values that get it.
    pub recency: RfmBand,
    /// The frequency score and the values that get it.
    pub frequency: RfmBand,
    /// The monetary score and the values that get it.
    pub monetary: RfmBand,
    /// The three scores in this order, such as `555` for the best.
    pub cell: String,
    /// The name of the cell.
    pub segment: RfmSegment,
}

impl Estimator for RfmEstimator {
    type Data = FeatureMatrix;
    type Model = RfmModel;

    /// # Errors
    /// [`FitError::Setting`] for a number of scores out of range or one column given twice,
    /// [`FitError::UnknownColumn`], [`FitError::TooFew`] without rows, [`FitError::Algorithm`] for
    /// a missing value in one of the three columns, [`FitError::Cancelled`].
    fn fit(&self, data: &FeatureMatrix, run: &FitRun<'_>) -> Result<RfmModel, FitError> {
        let indices = self.check(data)?;
        let [recency, frequency, monetary] = indices;
        let cut = |index: usize, edges: fn(Vec<f64>, u8) -> RfmEdges| {
            run.check()?;
            let values: Vec<f64> = data.column(index).map(f64::from).collect();
            if let Some(row) = values.iter().position(|value| !value.is_finite()) {
                let message = not_finite(row, data.columns().get(index));
                return Err(FitError::Algorithm { algorithm: "rfm", message });
            }
            Ok(Dimension { index, edges: edges(values, self.scores) })
        };
        let mut model = RfmModel {
            input: data.columns().to_vec(),
            naming: RfmNaming::CURRENT,
            recency: cut(recency, RfmEdges::less_is_better)?,
            frequency: cut(frequency, RfmEdges::more_is_better)?,
            monetary: cut(monetary, RfmEdges::more_is_better)?,
            sizes: Vec::new(),
        };
        run.check()?;
        run.progress.report("fit", 0.5);
        model.sizes = model.count(data);
        run.check()?;
        run.progress.report("fit", 1.0);
        Ok(model)
    }
}

impl RfmEstimator {
    /// The places of the three columns.
    fn check(&self, data: &FeatureMatrix) -> Result<[usize; 3], FitError> {
        if !(2..=9).contains(&self.scores) {
            return Err(FitError::Setting {
                name: "scores",
                expected: "2 to 9".to_owned(),
                found: self.scores.to_string(),
            });
        }
        let names = [&*self.recency, &*self.frequency, &*self.monetary];
        let indices = locate_columns(&names, data)?;
        if data.rows() == 0 {
            return Err(FitError::TooFew { what: "rows", expected: 1, found: 0 });
        }
        let found = indices.len();
        indices.try_into().map_err(|_| FitError::TooFew { what: "columns", expected: 3, found })
    }
}

impl Model for RfmModel {
    type Input = FeatureMatrix;
    type Output = RfmAssignment;

    fn predict(&self, input: &FeatureMatrix) -> Result<Vec<RfmAssignment>, PredictError> {
        check_columns(&self.input, input.columns())?;
        let answer = |(row, values)| {
            self.assign(values).map_err(|index| PredictError::Columns {
                expected: self.input.len(),
                found: input.width(),
                detail: not_finite(row, self.input.get(index)),
            })
        };
        input.iter_rows().enumerate().map(answer).collect()
    }
}

impl RfmModel {
    /// The version of the table that names cells.
    pub fn naming(&self) -> RfmNaming {
        self.naming
    }

    /// The edges of recency, frequency and monetary value.
    pub fn edges(&self) -> [&RfmEdges; 3] {
        [&self.recency.edges, &self.frequency.edges, &self.monetary.edges]
    }

    /// The segments that had training customers, in the order of [`RfmSegment::ALL`].
    pub fn sizes(&self) -> &[RfmSize] {
        &self.sizes
    }

    /// The profiles of the segments that have rows in `data`, in the order of
    /// [`RfmSegment::ALL`].
    ///
    /// # Errors
    /// When the columns are not those of the fit, or a value is missing.
    pub fn profiles(&self, data: &FeatureMatrix) -> Result<Vec<RfmProfile>, PredictError> {
        let answers = self.predict(data)?;
        let total: f64 = answers.iter().map(|answer| answer.monetary.value).sum();
        let profile = |segment: RfmSegment| {
            let rows = || answers.iter().filter(move |answer| answer.segment == segment);
            let spent: f64 = rows().map(|answer| answer.monetary.value).sum();
            let medians = [
                median(rows().map(|answer| answer.recency.value).collect())?,
                median(rows().map(|answer| answer.frequency.value).collect())?,
                median(rows().map(|answer| answer.monetary.value).collect())?,
            ];
            let monetary_share = (total > 0.0).then(|| spent / total);
            Some(RfmProfile { segment, medians, monetary_share })
        };
        Ok(RfmSegment::ALL.into_iter().filter_map(profile).collect())
    }

    /// The answer for a row, or the place of the column whose value is missing.
    fn assign(&self, row: &[f32]) -> Result<RfmAssignment, usize> {
        let band = |dimension: &Dimension| {
            dimension.value(row).map(|value| dimension.edges.band(value)).ok_or(dimension.index)
        };
        let recency = band(&self.recency)?;
        let frequency = band(&self.frequency)?;
        let monetary = band(&self.monetary)?;
        let segment = self.name([recency.score, frequency.score, monetary.score]);
        let cell = format!("{}{}{}", recency.score, frequency.score, monetary.score);
        Ok(RfmAssignment { recency, frequency, monetary, cell, segment })
    }

    fn name(&self, cell: [u8; 3]) -> RfmSegment {
        self.naming.segment(cell, self.recency.edges.scores())
    }

    fn count(&self, data: &FeatureMatrix) -> Vec<RfmSize> {
        let dimensions = [&self.recency, &self.frequency, &self.monetary];
        let mut sizes = RfmSegment::ALL.map(|segment| RfmSize { segment, size: 0, share: 0.0 });
        for row in data.iter_rows() {
            let score = |of: &Dimension| of.value(row).map_or(1, |value| of.edges.score(value));
            let segment = self.name(dimensions.map(score));
            if let Some(entry) = sizes.iter_mut().find(|entry| entry.segment == segment) {
                entry.size += 1;
            }
        }
        let rows = data.rows().max(1) as f64;
        let share = |entry: RfmSize| RfmSize { share: entry.size as f64 / rows, ..entry };
        sizes.into_iter().filter(|entry| entry.size > 0).map(share).collect()
    }
}

impl Dimension {
    /// Its finite value in a row.
    fn value(&self, row: &[f32]) -> Option<f64> {
        row.get(self.index).copied().map(f64::from).filter(|value| value.is_finite())
    }
}

fn not_finite(row: usize, column: Option<&String>) -> String {
    let column = column.map_or("", String::as_str);
    format!("row {row}, column {column}: expected a finite number")
}

#[cfg(test)]
mod tests;
