//! All customers, one date, any number of models, one file.
//!
//! A run is one pass: each history is read once, vectors that models share are made once, and the
//! answers come from the functions that answer single calls. The file is there whole or not at
//! all. A run that broke off starts over: what was written of it saw another state of the store,
//! and one file must not hold two.

mod answer;
mod csv;
mod error;
mod output;
mod request;
mod run;
mod table;

pub use self::error::ScoringError;
pub use self::request::{ScoreFormat, ScoredModel, ScoringRequest, ScoringResult, TableSource};
pub use self::run::Scoring;
pub use crate::training::{MOST_REASONS, Population};
