//! The human-readable account of one version: what it is, what it was made from, how good it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dataset::InputSchema;
use crate::feature::FeatureSchema;
use crate::model::{GoldenInputs, ModelKind};
use crate::transaction::{ImportReport, Timestamp};

use super::name::{ModelName, Version};

/// The manifest format that this program writes.
pub const MANIFEST_VERSION: u32 = 1;

/// One version of one model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Manifest {
    /// Format of this file.
    pub manifest_version: u32,
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// What it answers.
    pub kind: ModelKind,
    /// The algorithm, as in the recipe.
    pub algorithm: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// The program that trained it.
    pub code_version: String,
    /// The job that trained it.
    pub training_job: String,
    /// The recipe in full.
    pub recipe: String,
    /// Seed of all random choices.
    pub seed: u64,
    /// What the feature vectors mean; `None` for forecasts.
    pub feature_schema: Option<FeatureSchema>,
    /// Digest of `feature_schema`.
    pub feature_schema_digest: Option<String>,
    /// The columns that the caller brought, after those of `feature_schema` in a row; `None` where
    /// there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<InputSchema>,
    /// The transactions, or the table, it was trained on.
    pub data: DataLineage,
    /// What a probability is the probability of; `None` for segments and forecasts.
    pub label: Option<LabelWindow>,
    /// The model was trained on customers who bought in so many days; `None` for forecasts.
    pub active_days: Option<u32>,
    /// The version that took in what was new since, where nothing was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_from: Option<Version>,
    /// Whether the algorithm converged.
    pub converged: bool,
    /// The metrics of the hold-out by name.
    pub metrics: BTreeMap<String, Metric>,
    /// Whether it may be promoted, and why not.
    pub gate: Gate,
    /// SHA-256 of `model.bin`, 64 hex digits.
    pub model_sha256: String,
    /// Rows that must answer the same when the version is loaded.
    pub golden: GoldenRows,
}

/// The transactions behind a version.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct DataLineage {
    /// Digest of all lines in the store at the time, or SHA-256 of the table.
    pub digest: String,
    /// Digest of all attributes of customers, where some were used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes_digest: Option<String>,
    /// How many lines, or rows, there were.
    pub lines: u64,
    /// How many customers, or keys.
    pub customers: u64,
    /// Nothing known at or after this instant was used.
    pub as_of: Timestamp,
    /// As-of dates whose rows estimated the parameters.
    pub train_snapshots: Vec<Timestamp>,
    /// As-of dates whose rows calibrated the probabilities.
    pub calibration_snapshots: Vec<Timestamp>,
    /// As-of date of the rows that were only evaluated on.
    pub holdout: Option<Timestamp>,
    /// Whose segments the lines were grouped by, where they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<SegmentsLineage>,
    /// Reports of the imports that filled the store.
    pub imports: Vec<ImportReport>,
}

/// The version whose segments group the series of a forecast.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SegmentsLineage {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// Each customer is in the segment that she was in then.
    pub as_of: Timestamp,
}

/// Event, horizon and population of a probability.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LabelWindow {
    /// The event in words.
    pub event: String,
    /// Days after the as-of date in which it may happen.
    pub horizon_days: u32,
    /// For which customers the probability holds, in words.
    pub population: String,
}

/// A metric of the hold-out, with what it is compared to.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Metric {
    /// The version's value.
    pub value: f64,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// The same metric of baselines and of the champion, by name.
    #[serde(default)]
    pub references: BTreeMap<String, f64>,
}

/// The decision about promotion.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Gate {
    /// Whether it passed.
    pub passed: bool,
    /// Why, or why not.
    pub reason: String,
}

/// Golden inputs and the answers they had.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct GoldenRows {
    /// The inputs.
    pub inputs: GoldenInputs,
    /// One list of numbers per input.
    pub answers: Vec<Vec<f64>>,
}

impl GoldenRows {
    /// Whether `answers` are those that were stored, up to the last digits in which mathematical
    /// libraries of different machines differ.
    pub fn match_answers(&self, answers: &[Vec<f64>]) -> bool {
        const TOLERANCE: f64 = 1e-9;
        let close = |a: f64, b: f64| (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1.0);
        self.answers.len() == answers.len()
            && self.answers.iter().zip(answers).all(|(expected, found)| {
                expected.len() == found.len()
                    && expected.iter().zip(found).all(|(a, b)| close(*a, *b))
            })
    }
}
