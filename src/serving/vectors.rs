//! Questions in vectors that the caller has, to a version of whatever kind that takes them.

use crate::dataset::InputColumn;
use crate::model::{FittedModel, Probability, RfmAssignment, SegmentAssignment};

use super::gather::from_block;
use super::predictor::{Explain, answer_probabilities, answer_rfm, answer_segments};
use super::{CallLimit, FeatureRows, Gathered, Row, ServedModel, ServingError, TableRows};

/// Rows that the caller brings whole.
#[derive(Clone, Debug)]
pub enum CallerRows {
    /// Vectors.
    Features(FeatureRows),
    /// Columns of a table.
    Table(TableRows),
}

/// The answers to vectors, by the kind of the model.
#[derive(Clone, Debug)]
pub enum VectorAnswers {
    /// Of churn and propensity.
    Probabilities(Vec<Row<Probability>>),
    /// Of segments.
    Segments(Vec<Row<SegmentAssignment>>),
    /// Of scores of recency, frequency and monetary value.
    Rfm(Vec<Row<Option<RfmAssignment>>>),
}

impl VectorAnswers {
    /// The answers of a model to no rows; `None` for a model that takes no vectors.
    pub fn none_of(model: &FittedModel) -> Option<Self> {
        match model {
            FittedModel::Churn(_) | FittedModel::Propensity(_) => {
                Some(Self::Probabilities(Vec::new()))
            }
            FittedModel::Segments(_) => Some(Self::Segments(Vec::new())),
            FittedModel::Rfm(_) => Some(Self::Rfm(Vec::new())),
            FittedModel::Forecast(_) => None,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Probabilities(rows) => rows.len(),
            Self::Segments(rows) => rows.len(),
            Self::Rfm(rows) => rows.len(),
        }
    }
}

impl ServedModel {
    /// The columns of a row, in order; none for a model that takes no vectors.
    ///
    /// # Errors
    /// When the features are not those that this program computes.
    pub fn input_columns(&self) -> Result<Vec<InputColumn>, ServingError> {
        match self.model() {
            FittedModel::Forecast(_) => Ok(Vec::new()),
            _ => Ok(self.columns()?.described()),
        }
    }

    /// Checks rows and brings them into the model's order.
    ///
    /// # Errors
    /// When they are not the model's, or the model takes no vectors.
    pub fn take(&self, rows: &CallerRows) -> Result<Gathered, ServingError> {
        if let FittedModel::Forecast(_) = self.model() {
            return Err(self.takes_no_vectors());
        }
        match rows {
            CallerRows::Features(block) => from_block(self, block),
            CallerRows::Table(table) => self.columns()?.encode(table),
        }
    }

    /// The answers to vectors that [`ServedModel::take`] made, unless nobody waits for them.
    ///
    /// # Errors
    /// When they are not the model's, or the model takes no vectors.
    pub fn answer(
        &self,
        gathered: &Gathered,
        limit: &CallLimit,
    ) -> Result<VectorAnswers, ServingError> {
        limit.check()?;
        let explain = Explain { reasons: 0, limit };
        match self.model() {
            FittedModel::Churn(_) | FittedModel::Propensity(_) => {
                answer_probabilities(self, gathered, explain).map(VectorAnswers::Probabilities)
            }
            FittedModel::Segments(_) => {
                answer_segments(self, gathered, explain).map(VectorAnswers::Segments)
            }
            FittedModel::Rfm(_) => answer_rfm(self, gathered, explain).map(VectorAnswers::Rfm),
            FittedModel::Forecast(_) => Err(self.takes_no_vectors()),
        }
    }

    fn takes_no_vectors(&self) -> ServingError {
        ServingError::NoVectors { model: self.manifest().model.clone() }
    }
}
