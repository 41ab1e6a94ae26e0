//! Answers from champions: resolve the model, gather the vectors, predict, explain.

mod catalog;
mod columns;
mod error;
mod gather;
mod limit;
mod predictor;

pub use self::catalog::{ModelCatalog, Selector, ServedModel, VersionState};
pub use self::error::ServingError;
pub(crate) use self::gather::Batch;
pub use self::gather::{Cells, FeatureRows, Gathered, Input, RowSource, TableColumn, TableRows};
pub use self::limit::CallLimit;
pub use self::predictor::{
    Answers, AsOfRule, ForecastAnswer, Note, Predictor, ProbabilityAnswer, Question, Row,
};
pub(crate) use self::predictor::{score_probabilities, score_rfm, score_segments};
