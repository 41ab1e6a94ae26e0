//! Answers from champions: resolve the model, gather the vectors, predict, explain.

mod catalog;
mod columns;
mod error;
mod gather;
mod limit;
mod panel;
mod predictor;
mod rate;
mod statistics;
mod vectors;

pub use self::catalog::{ModelCatalog, Selector, ServedModel, VersionState};
pub use self::error::ServingError;
pub use self::gather::{Cells, FeatureRows, Gathered, Input, RowSource, TableColumn, TableRows};
pub use self::limit::CallLimit;
pub(crate) use self::panel::{Panel, PanelRows};
pub use self::predictor::{Answers, AsOfRule, Note, Predictor, Question, Row};
pub(crate) use self::predictor::{Explain, answer_probabilities, answer_rfm, answer_segments};
pub use self::rate::{Costs, Way};
pub use self::statistics::{
    DurationTotal, InferenceStatistics, InferenceTimer, StatisticsSnapshot,
};
pub use self::vectors::{CallerRows, VectorAnswers};
