//! A job is its own payload.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ingest::{self, ImportError, ImportRequest};
use crate::model::{FitError, FitRun};
use crate::repository::RepositoryError;
use crate::scoring::{Scoring, ScoringError, ScoringRequest};
use crate::serving::{ModelCatalog, ServingError};
use crate::store::{ControlStore, JobFailure, JobKind, NewJob, StoreError, TransactionStore};
use crate::training::{SegmentsError, Training, TrainingError, TrainingRequest};

/// What jobs work on.
#[derive(Clone, Debug)]
pub struct JobContext {
    /// Transactions.
    pub store: Arc<TransactionStore>,
    /// Jobs and audit.
    pub control: Arc<ControlStore>,
    /// Models.
    pub catalog: Arc<ModelCatalog>,
}

/// All kinds of jobs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobPayload {
    /// Loads a file.
    Import(ImportRequest),
    /// Trains a version.
    Training(TrainingRequest),
    /// Scores all customers.
    Scoring(ScoringRequest),
}

impl JobPayload {
    /// The row to be queued, under the caller's request id and the digest of what was asked.
    pub fn into_new_job(self, request_id: &str, fingerprint: &str) -> NewJob {
        let (kind, subject) = match &self {
            Self::Import(request) => {
                let name = request.path.file_name().unwrap_or_default();
                (JobKind::Import, name.to_string_lossy().into_owned())
            }
            Self::Training(request) => (JobKind::Training, request.model.to_string()),
            Self::Scoring(request) => {
                let names: Vec<&str> =
                    request.models.iter().map(|model| model.model.as_str()).collect();
                (JobKind::Scoring, names.join(","))
            }
        };
        let payload = serde_json::to_string(&self).unwrap_or_default();
        let (request_id, fingerprint) = (request_id.to_owned(), fingerprint.to_owned());
        NewJob { kind, subject, payload, request_id, fingerprint }
    }

    /// Does the job and gives its result as JSON; `None` when it was cancelled.
    pub(super) fn run(
        &self,
        context: &JobContext,
        job: &str,
        run: &FitRun<'_>,
    ) -> Result<Option<String>, JobFailure> {
        match self {
            Self::Import(request) => {
                let mut tick = |fraction| {
                    run.progress.report("import", fraction);
                    if run.cancel.is_cancelled() {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                };
                let outcome = ingest::import(&context.store, request, job, &mut tick);
                finish(outcome, |error| matches!(error, ImportError::Cancelled), import_reason)
            }
            Self::Training(request) => {
                let training =
                    Training { store: &context.store, repository: context.catalog.repository() };
                let outcome = training.run(request, job, run);
                finish(outcome, TrainingError::is_cancelled, training_reason)
            }
            Self::Scoring(request) => {
                let scoring = Scoring { store: &context.store, catalog: &context.catalog };
                let outcome = scoring.run(request, job, run);
                finish(outcome, |error| matches!(error, ScoringError::Cancelled), scoring_reason)
            }
        }
    }
}

fn finish<T: Serialize, E: std::error::Error>(
    outcome: Result<T, E>,
    is_cancelled: impl Fn(&E) -> bool,
    reason: impl Fn(&E) -> &'static str,
) -> Result<Option<String>, JobFailure> {
    match outcome {
        Ok(result) => Ok(Some(serde_json::to_string(&result).unwrap_or_default())),
        Err(error) if is_cancelled(&error) => Ok(None),
        Err(error) => {
            Err(JobFailure { reason: reason(&error).to_owned(), message: error.to_string() })
        }
    }
}

fn import_reason(error: &ImportError) -> &'static str {
    match error {
        ImportError::Mapping(_) => "INVALID_MAPPING",
        ImportError::File(_) => "INVALID_FIELD",
        ImportError::Refused { .. } => "TOO_MANY_REFUSALS",
        ImportError::Store(error) => store_reason(error),
        ImportError::Cancelled => "CANCELLED",
    }
}

/// The reason under which callers are told that a training, or what reads like one, failed.
pub fn training_reason(error: &TrainingError) -> &'static str {
    match error {
        TrainingError::Recipe(_)
        | TrainingError::UnknownAttribute { .. }
        | TrainingError::AttributeName { .. } => "INVALID_RECIPE",
        TrainingError::Fit(FitError::Setting { .. } | FitError::UnknownColumn { .. }) => {
            "INVALID_RECIPE"
        }
        TrainingError::Fit(
            FitError::TooFew { .. } | FitError::OneClass { .. } | FitError::NothingNew,
        )
        | TrainingError::HistoryTooShort { .. }
        | TrainingError::NoData { .. }
        | TrainingError::NoPopulation { .. } => "NOT_ENOUGH_DATA",
        TrainingError::Table(_) | TrainingError::SeriesTable(_) | TrainingError::Events(_) => {
            "INVALID_TABLE"
        }
        TrainingError::NoUpdate => "NO_CHAMPION",
        TrainingError::Segments(error) => match error {
            SegmentsError::Missing { problem, .. } | SegmentsError::Gone { problem } => {
                repository_reason(problem)
            }
            SegmentsError::Kind { .. } => "WRONG_MODEL_KIND",
            SegmentsError::OldSchema { .. } => "MODEL_NOT_READY",
        },
        TrainingError::Fit(FitError::NoUpdate { .. }) => "MODEL_NOT_READY",
        TrainingError::NoReference { .. } => "NO_REFERENCE",
        TrainingError::Repository(error) => repository_reason(error),
        TrainingError::Store(error) => store_reason(error),
        _ => "INTERNAL",
    }
}

fn scoring_reason(error: &ScoringError) -> &'static str {
    match error {
        ScoringError::Kind { .. } => "WRONG_MODEL_KIND",
        ScoringError::Output { .. } | ScoringError::InUse { .. } => "INVALID_FIELD",
        ScoringError::Table { .. } | ScoringError::NoColumn { .. } => "INVALID_TABLE",
        ScoringError::Serving(ServingError::Repository(error)) => repository_reason(error),
        ScoringError::Serving(ServingError::Store(error)) | ScoringError::Store(error) => {
            store_reason(error)
        }
        _ => "INTERNAL",
    }
}

fn store_reason(error: &StoreError) -> &'static str {
    match error {
        StoreError::Full { .. } | StoreError::Busy { .. } => "OVERLOADED",
        StoreError::Corrupt { .. }
        | StoreError::Foreign { .. }
        | StoreError::FutureFormat { .. } => "CORRUPT_DATA",
        _ => "INTERNAL",
    }
}

fn repository_reason(error: &RepositoryError) -> &'static str {
    match error {
        RepositoryError::UnknownModel { .. } | RepositoryError::NoRecipe { .. } => {
            "MODEL_NOT_FOUND"
        }
        RepositoryError::UnknownVersion { .. } => "VERSION_NOT_FOUND",
        RepositoryError::UnknownAlias { .. } => "NO_CHAMPION",
        _ => "CORRUPT_DATA",
    }
}
