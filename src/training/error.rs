//! How training fails.

use crate::dataset::{InvalidMatrix, InvalidPanel};
use crate::model::{FitError, PredictError};
use crate::repository::RepositoryError;
use crate::store::StoreError;
use crate::transaction::InvalidTime;

use super::panel::{EventsError, SegmentsError, SeriesTableError};
use super::recipe::InvalidRecipe;
use super::table::TableError;

/// Why no version was made. The repository is as it was.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The recipe does not hold.
    #[error("recipe: {0}")]
    Recipe(#[from] InvalidRecipe),
    /// The history is too short for the recipe's windows.
    #[error(
        "the history of {history_days:.0} days is too short: the recipe needs {needed_days} days for one training snapshot, the gap and the hold-out; shorten horizon_days or import more history"
    )]
    HistoryTooShort {
        /// Days from the first line to the as-of date.
        history_days: f64,
        /// Days that are needed.
        needed_days: i64,
    },
    /// There is nothing to learn from.
    #[error("there are no transactions before {as_of}; import some first")]
    NoData {
        /// The as-of date.
        as_of: String,
    },
    /// No customer is in the population.
    #[error("no customer bought in the {active_days} days before {as_of}; widen active_days")]
    NoPopulation {
        /// The recipe's population.
        active_days: u32,
        /// The as-of date.
        as_of: String,
    },
    /// The version keeps no reference population.
    #[error(
        "{model}/{version} keeps no reference population; train it again, or name a model of features"
    )]
    NoReference {
        /// The model.
        model: String,
        /// The version.
        version: u64,
    },
    /// There is nothing that could take in new periods.
    #[error("there is no champion that could be updated; train the model first")]
    NoUpdate,
    /// The estimator refused the data.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// A fitted model did not answer its own evaluation.
    #[error("evaluation: {0}")]
    Predict(#[from] PredictError),
    /// The recipe's table cannot be learned from.
    #[error("table: {0}")]
    Table(#[from] TableError),
    /// The recipe's table has no series for it.
    #[error("table: {0}")]
    SeriesTable(#[from] SeriesTableError),
    /// The recipe's file of events holds none.
    #[error("events_file: {0}")]
    Events(#[from] EventsError),
    /// The recipe groups series by segments that are not there.
    #[error("series.model: {0}")]
    Segments(#[from] SegmentsError),
    /// The recipe names an attribute that no customer has.
    #[error(
        "attributes: there is no {name:?}; imported are: {}",
        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
    )]
    UnknownAttribute {
        /// The recipe's word.
        name: String,
        /// The attributes that there are.
        known: Vec<String>,
    },
    /// An attribute that would stand beside a feature of the same name.
    #[error("attributes: {name} is the name of a derived feature; import it under another name")]
    AttributeName {
        /// The name.
        name: String,
    },
    /// Features were not a matrix.
    #[error("features: {0}")]
    Matrix(#[from] InvalidMatrix),
    /// Series were not a panel.
    #[error("series: {0}")]
    Panel(#[from] InvalidPanel),
    /// The shop's time zone is not known.
    #[error(transparent)]
    Time(#[from] InvalidTime),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

impl TrainingError {
    /// Whether someone asked to stop.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Fit(FitError::Cancelled) | Self::Store(StoreError::Cancelled))
    }
}
