//! All customers, one date, any number of models, one file.

mod output;
mod run;

pub use self::output::ScoreFormat;
pub use self::run::{
    ScoredModel, Scoring, ScoringError, ScoringModel, ScoringRequest, ScoringResult,
};
