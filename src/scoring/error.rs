//! How scoring fails.

use std::path::PathBuf;

use crate::ingest::ReadFileError;
use crate::model::{FitError, ModelKind};
use crate::repository::ModelName;
use crate::serving::ServingError;
use crate::store::StoreError;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum ScoringError {
    /// Forecasts are not about customers.
    #[error(
        "models: {model} is of kind {kind}, which is about series and not about customers; ask it with `patron forecast` or the RPC Forecast"
    )]
    Kind {
        /// The model.
        model: ModelName,
        /// Its kind.
        kind: ModelKind,
    },
    /// The file could not be written.
    #[error("{path}: {problem}")]
    Output {
        /// The file.
        path: PathBuf,
        /// The operating system's or the format's words.
        problem: String,
    },
    /// Another run writes the same file.
    #[error("{path}: another run is writing this file; wait for it or name another file")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The table cannot be read.
    #[error("{path}: {source}")]
    Table {
        /// The table.
        path: PathBuf,
        /// What is wrong with it.
        source: ReadFileError,
    },
    /// The table lacks a column.
    #[error("{path}: expected a column {column:?}, found {}", header.join(", "))]
    NoColumn {
        /// The table.
        path: PathBuf,
        /// The column that the key or a model needs.
        column: String,
        /// What it has.
        header: Vec<String>,
    },
    /// A model could not answer.
    #[error(transparent)]
    Serving(#[from] ServingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Someone asked to stop; there is no file.
    #[error("cancelled")]
    Cancelled,
}

impl From<FitError> for ScoringError {
    fn from(_: FitError) -> Self {
        Self::Cancelled
    }
}
