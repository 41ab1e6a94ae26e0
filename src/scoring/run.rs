//! One pass over the histories, in chunks, through the same code that answers single calls.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{FitError, FitRun, ModelKind, RfmAssignment};
use crate::repository::{AliasName, ModelName, Version};
use crate::serving::{
    Batch, ModelCatalog, Row, Selector, ServedModel, ServingError, score_probabilities, score_rfm,
    score_segments,
};
use crate::store::{Attributes, StoreError, TransactionStore};
use crate::transaction::{
    CustomerHistory, CustomerId, HistoryLine, HistorySource, SymbolTable, Timestamp,
};

use super::output::{Column, ScoreFormat, ScoreWriter};

/// What to score. It is the payload of a scoring job.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScoringRequest {
    /// The models, at least one.
    pub models: Vec<ScoringModel>,
    /// The file to write. A file that is there already is replaced as a whole.
    pub output: PathBuf,
    /// Its format.
    pub format: ScoreFormat,
    /// As of when.
    pub as_of: Timestamp,
    /// Only customers who bought in so many days before.
    pub active_within_days: Option<u32>,
}

/// One model of a scoring run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScoringModel {
    /// The model.
    pub model: ModelName,
    /// Exactly this version.
    pub version: Option<Version>,
    /// The version that this alias points at; `champion` when neither is given.
    pub alias: Option<AliasName>,
}

/// What a run wrote.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ScoringResult {
    /// Customers.
    pub rows: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, 64 hex digits.
    pub sha256: String,
    /// The versions that scored.
    pub models: Vec<ScoredModel>,
}

/// The version that scored.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ScoredModel {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// SHA-256 of its `model.bin`.
    pub sha256: String,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum ScoringError {
    /// Forecasts are not about customers.
    #[error(
        "models: {model} is of kind {kind}; only segments, rfm, churn and propensity score customers"
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

/// Scores from a store and a catalog.
#[derive(Clone, Copy, Debug)]
pub struct Scoring<'a> {
    /// Where the histories are.
    pub store: &'a TransactionStore,
    /// Where the models are.
    pub catalog: &'a ModelCatalog,
}

impl Scoring<'_> {
    /// Writes the file, whole or not at all. Memory holds one chunk of customers.
    ///
    /// # Errors
    /// When a model is not there, the file cannot be written, or `run` was cancelled.
    pub fn run(
        &self,
        request: &ScoringRequest,
        job: &str,
        run: &FitRun<'_>,
    ) -> Result<ScoringResult, ScoringError> {
        let models = self.resolve(&request.models)?;
        let mut reader = self.store.reader()?;
        let customers = reader.summary().customers.max(1);
        let symbols = Arc::clone(reader.symbols());
        let mut writer =
            ScoreWriter::create(&request.output, job, request.format, &columns(&models))?;
        let takes_some = models.iter().any(|served| served.manifest().input_schema.is_some());
        let attributes = if takes_some { reader.attributes()? } else { Attributes::default() };
        let pass = Pass { request, models: &models, symbols: &symbols, attributes: &attributes };
        let mut read = 0_u64;
        let mut outcome = Ok(());
        reader.scan_parallel(
            run.threads,
            Chunk::default,
            |chunk, customer, history| pass.add(chunk, customer, history),
            |chunk| (chunk.read, pass.score(&chunk)),
            |(customers_read, scored)| {
                read += customers_read;
                run.progress.report("score", read as f64 / customers as f64);
                outcome = run.check().map_err(ScoringError::from).and_then(|()| {
                    let (ids, values) = scored?;
                    writer.write(ids, request.as_of, values)
                });
                if outcome.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        )?;
        outcome?;
        run.check()?;
        let written = writer.finish()?;
        Ok(ScoringResult {
            rows: written.rows,
            bytes: written.bytes,
            sha256: written.sha256,
            models: models.iter().map(|served| scored(served)).collect(),
        })
    }

    fn resolve(&self, models: &[ScoringModel]) -> Result<Vec<Arc<ServedModel>>, ScoringError> {
        let one = |wanted: &ScoringModel| {
            let selector = match (wanted.version, wanted.alias.clone()) {
                (Some(version), _) => Selector::Version(version),
                (None, Some(alias)) => Selector::Alias(alias),
                (None, None) => Selector::default(),
            };
            let served = self.catalog.resolve(&wanted.model, &selector)?;
            match served.manifest().kind {
                ModelKind::Forecast => Err(ScoringError::Kind {
                    model: wanted.model.clone(),
                    kind: ModelKind::Forecast,
                }),
                _ => Ok(served),
            }
        };
        models.iter().map(one).collect()
    }
}

struct Pass<'a> {
    request: &'a ScoringRequest,
    models: &'a [Arc<ServedModel>],
    symbols: &'a Arc<SymbolTable>,
    attributes: &'a Attributes,
}

/// The customers of a chunk who are to be scored.
#[derive(Default)]
struct Chunk {
    read: u64,
    customers: Vec<(CustomerId, CustomerHistory)>,
}

impl Pass<'_> {
    fn add(&self, chunk: &mut Chunk, customer: &CustomerId, history: &CustomerHistory) {
        chunk.read += 1;
        if self.is_wanted(history) {
            chunk.customers.push((customer.clone(), history.clone()));
        }
    }

    /// Customers who bought before the date, and recently enough where that is asked for.
    fn is_wanted(&self, history: &CustomerHistory) -> bool {
        let as_of = self.request.as_of;
        let days = self.request.active_within_days.map_or(i64::MAX / 2, i64::from);
        let from = as_of.plus_days(-days);
        let counts = |line: &HistoryLine| {
            line.is_purchase() && line.is_visible(as_of) && line.occurred_at >= from
        };
        history.lines().iter().any(counts)
    }

    fn score(&self, chunk: &Chunk) -> Result<(Vec<String>, Vec<Column>), ScoringError> {
        let mut values = Vec::new();
        let batch = Batch {
            symbols: self.symbols,
            customers: &chunk.customers,
            attributes: self.attributes,
            as_of: self.request.as_of,
        };
        for served in self.models {
            values.extend(score(served, &batch)?);
        }
        let ids = chunk.customers.iter().map(|(id, _)| id.as_str().to_owned()).collect();
        Ok((ids, values))
    }
}

/// The columns of one model for a chunk, in the order of [`columns`].
fn score(served: &ServedModel, batch: &Batch<'_>) -> Result<Vec<Column>, ServingError> {
    if served.manifest().kind == ModelKind::Rfm {
        let rows = score_rfm(served, batch)?;
        let text = |read: fn(&RfmAssignment) -> String| {
            let of = |row: &Row<Option<RfmAssignment>>| row.answer.as_ref().map(read);
            Column::Text(rows.iter().map(|row| of(row).unwrap_or_default()).collect())
        };
        return Ok(vec![text(|row| row.segment.to_string()), text(|row| row.cell.clone())]);
    }
    if served.manifest().kind != ModelKind::Segments {
        let rows = score_probabilities(served, batch)?;
        let numbers = |read: fn(&crate::model::Probability) -> f64| {
            Column::Number(rows.iter().map(|row| read(&row.answer.probability)).collect())
        };
        return Ok(vec![numbers(|p| p.probability), numbers(|p| p.percentile)]);
    }
    let rows = score_segments(served, batch)?;
    let names: Vec<&str> = match served.model() {
        crate::model::FittedModel::Segments(model) => {
            model.segments().iter().map(|segment| segment.name.as_str()).collect()
        }
        _ => Vec::new(),
    };
    let name = |segment: u32| names.get(segment as usize).copied().unwrap_or_default().to_owned();
    Ok(vec![
        Column::Text(rows.iter().map(|row| name(row.answer.segment)).collect()),
        Column::Number(rows.iter().map(|row| row.answer.distance).collect()),
        Column::Number(rows.iter().map(|row| row.answer.confidence).collect()),
    ])
}

/// Names of the score columns and whether they hold text.
fn columns(models: &[Arc<ServedModel>]) -> Vec<(String, bool)> {
    let of = |served: &Arc<ServedModel>| {
        let model = &served.manifest().model;
        match served.manifest().kind {
            ModelKind::Segments => vec![
                (format!("{model}_segment"), true),
                (format!("{model}_distance"), false),
                (format!("{model}_confidence"), false),
            ],
            ModelKind::Rfm => {
                vec![(format!("{model}_segment"), true), (format!("{model}_cell"), true)]
            }
            _ => vec![
                (format!("{model}_probability"), false),
                (format!("{model}_percentile"), false),
            ],
        }
    };
    models.iter().flat_map(of).collect()
}

fn scored(served: &ServedModel) -> ScoredModel {
    let manifest = served.manifest();
    ScoredModel {
        model: manifest.model.clone(),
        version: manifest.version,
        sha256: manifest.model_sha256.clone(),
    }
}
