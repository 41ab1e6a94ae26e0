//! How serving fails.

use crate::model::{ModelKind, PredictError};
use crate::repository::{ModelName, RepositoryError};
use crate::store::StoreError;
use crate::transaction::InvalidTime;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// The model answers another question.
    #[error("model {model} is of kind {found}; this call needs {expected}")]
    WrongKind {
        /// The model.
        model: ModelName,
        /// The kind that the call is for.
        expected: ModelKind,
        /// The kind of the model.
        found: ModelKind,
    },
    /// The version's features are not those that this program computes.
    #[error(
        "model {model} version {version} was trained on features of an older schema; train it again"
    )]
    OldSchema {
        /// The model.
        model: ModelName,
        /// The version.
        version: u64,
    },
    /// The caller's vectors are of another schema.
    #[error(
        "features.schema_digest: the model was trained on {expected}, the vectors are of {found}; get the features again"
    )]
    SchemaDigest {
        /// The model's digest.
        expected: String,
        /// The caller's digest.
        found: String,
    },
    /// The caller's block is no matrix of the model's features.
    #[error("features.{field}: {problem}")]
    FeatureBlock {
        /// `columns`, `row_count` or `values`.
        field: &'static str,
        /// What was expected and what was found.
        problem: String,
    },
    /// The model takes columns that only the caller has.
    #[error(
        "model {model} was trained on a table: send rows with its columns as table or features, not customers or lines"
    )]
    NeedsTable {
        /// The model.
        model: ModelName,
    },
    /// The model forecasts series.
    #[error(
        "model {model} forecasts series and takes no vectors; ask patron.v1.PredictionService/Forecast"
    )]
    NoVectors {
        /// The model.
        model: ModelName,
    },
    /// The caller's table lacks a column, or has it twice.
    #[error("table.columns: {problem}")]
    Table {
        /// What was expected and what was found.
        problem: String,
    },
    /// A value of the caller's table is not of its column's type.
    #[error("table.columns: row {row}, column {column}: expected {expected}, found {found:?}")]
    Cell {
        /// The row, from 0.
        row: usize,
        /// The column.
        column: String,
        /// What the model takes.
        expected: &'static str,
        /// What there was.
        found: String,
    },
    /// The model refused the input.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// The repository failed, or does not have it.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The caller's deadline passed.
    #[error("the deadline passed before the answer was there")]
    DeadlineExceeded,
    /// The caller went away.
    #[error("the call was cancelled")]
    Cancelled,
    /// The schema's time zone is not known here.
    #[error(transparent)]
    Time(#[from] InvalidTime),
}
