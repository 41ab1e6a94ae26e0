//! Answers from champions: resolve the model, gather the vectors, predict, explain.

mod catalog;
mod error;
mod gather;
mod predictor;

pub use self::catalog::{ModelCatalog, Selector, ServedModel, VersionState};
pub use self::error::ServingError;
pub use self::gather::{FeatureRows, Gathered, Input, RowSource};
pub use self::predictor::{
    Answers, AsOfRule, ForecastAnswer, Note, Predictor, ProbabilityAnswer, Question, Row,
};
pub(crate) use self::predictor::{score_probabilities, score_rfm, score_segments};
