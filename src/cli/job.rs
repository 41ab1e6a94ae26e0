//! Jobs of the three kinds, seen alike.

mod outcome;
mod watch;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::app::SCHEDULE_PREFIX;
use crate::grpc::proto::{ImportJob, JobProgress, JobState, ScoringJob, TrainingJob};

use super::exit::Failure;
use super::output::{Output, Report};
use super::status;
use super::table::Fields;
use super::values::{short_name, time_json, time_text};
use crate::readable::percent;

pub(super) use self::outcome::{Outcome, import_report_text};
pub(super) use self::watch::{follow, wait};

/// What a job does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum JobKind {
    /// Loads a file
    Import,
    /// Trains a version
    Training,
    /// Scores all customers
    Scoring,
}

impl JobKind {
    /// All kinds.
    pub(super) const ALL: [Self; 3] = [Self::Import, Self::Training, Self::Scoring];

    /// Its name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Training => "training",
            Self::Scoring => "scoring",
        }
    }
}

/// A job as the server tells it.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) state: JobState,
    pub(super) progress: JobProgress,
    pub(super) times: Times,
    attempt: u32,
    error: Option<tonic_types::Status>,
    request_id: String,
    pub(super) outcome: Outcome,
}

/// When a job was created, started and ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) create: Option<prost_types::Timestamp>,
    start: Option<prost_types::Timestamp>,
    end: Option<prost_types::Timestamp>,
}

impl Job {
    /// What it does.
    pub(super) fn kind(&self) -> JobKind {
        match &self.outcome {
            Outcome::Import { .. } => JobKind::Import,
            Outcome::Training { .. } => JobKind::Training,
            Outcome::Scoring { .. } => JobKind::Scoring,
        }
    }

    /// Who asked for it: a `schedule` or a `call`.
    pub(super) fn origin(&self) -> &'static str {
        if self.request_id.starts_with(SCHEDULE_PREFIX) { "schedule" } else { "call" }
    }

    /// What it is called while it runs.
    fn label(&self) -> String {
        match &self.outcome {
            Outcome::Training { model, .. } => format!("training {model}"),
            Outcome::Import { .. } | Outcome::Scoring { .. } => self.kind().as_str().to_owned(),
        }
    }

    /// Where it stands, in a word.
    pub(super) fn state_name(&self) -> String {
        short_name(self.state.as_str_name(), "JOB_STATE_")
    }

    /// Whether its state will not change any more.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.state, JobState::Succeeded | JobState::Failed | JobState::Cancelled)
    }

    /// An error where it ended without success.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if !matches!(self.state, JobState::Failed | JobState::Cancelled) {
            return Ok(());
        }
        let reason =
            self.error.as_ref().map(|error| format!(": {}", status::describe_stored(error)));
        let (kind, id, state) = (self.kind().as_str(), &self.id, self.state_name());
        Err(Failure::Refused(format!("{kind} job {id} {state}{}", reason.unwrap_or_default())))
    }

    /// Shows it, and fails where it ended without success.
    pub(super) fn conclude(&self, output: &mut Output) -> Result<(), Failure> {
        output.report(self)?;
        self.check()
    }
}

impl From<ImportJob> for Job {
    fn from(job: ImportJob) -> Self {
        Self {
            state: job.state(),
            id: job.job_id,
            progress: job.progress.unwrap_or_default(),
            times: Times { create: job.create_time, start: job.start_time, end: job.end_time },
            attempt: job.attempt,
            error: job.error,
            request_id: job.request_id,
            outcome: Outcome::Import {
                source_uri: job.source_uri,
                report: job.report.map(Box::new),
            },
        }
    }
}

impl From<TrainingJob> for Job {
    fn from(job: TrainingJob) -> Self {
        Self {
            state: job.state(),
            id: job.job_id,
            progress: job.progress.unwrap_or_default(),
            times: Times { create: job.create_time, start: job.start_time, end: job.end_time },
            attempt: job.attempt,
            error: job.error,
            request_id: job.request_id,
            outcome: Outcome::Training {
                model: job.model,
                as_of: job.as_of,
                seed: job.seed,
                recipe_toml: job.recipe_toml,
                result: job.result,
            },
        }
    }
}

impl From<ScoringJob> for Job {
    fn from(job: ScoringJob) -> Self {
        let format = short_name(job.format().as_str_name(), "SCORING_FORMAT_");
        Self {
            state: job.state(),
            id: job.job_id,
            progress: job.progress.unwrap_or_default(),
            times: Times { create: job.create_time, start: job.start_time, end: job.end_time },
            attempt: job.attempt,
            error: job.error,
            request_id: job.request_id,
            outcome: Outcome::Scoring {
                models: job.models,
                used: job.models_used,
                output_uri: job.output_uri,
                format,
                as_of: job.as_of,
                active_within_days: job.active_within_days,
                rows_written: job.rows_written,
                output_bytes: job.output_bytes,
                output_digest: job.output_digest,
            },
        }
    }
}

impl Report for Job {
    fn json(&self) -> Value {
        json!({
            "job_id": self.id,
            "kind": self.kind().as_str(),
            "state": self.state_name(),
            "origin": self.origin(),
            "progress": {
                "stage": self.progress.stage,
                "fraction": self.progress.fraction,
                "message": self.progress.message,
            },
            "create_time": time_json(self.times.create.as_ref()),
            "start_time": time_json(self.times.start.as_ref()),
            "end_time": time_json(self.times.end.as_ref()),
            "attempt": self.attempt,
            "error": self.error.as_ref().map(status::to_json),
            "request_id": self.request_id,
            self.kind().as_str(): self.outcome.json(),
        })
    }

    fn text(&self) -> String {
        let mut fields = Fields::default();
        fields.add("job", format_args!("{} ({})", self.id, self.kind().as_str()));
        fields.add("state", self.state_text());
        fields.add("created", time_text(self.times.create.as_ref()));
        if self.times.start.is_some() {
            fields.add("started", time_text(self.times.start.as_ref()));
        }
        if self.times.end.is_some() {
            fields.add("ended", time_text(self.times.end.as_ref()));
        }
        if self.attempt > 1 {
            fields.add("attempt", self.attempt);
        }
        fields.add_some("error", self.error.as_ref().map(status::describe_stored));
        self.outcome.fields(&mut fields);
        format!("{fields}{}", self.outcome.details())
    }
}

impl Job {
    fn state_text(&self) -> String {
        let state = self.state_name();
        if self.state != JobState::Running {
            return state;
        }
        let JobProgress { stage, fraction, message } = &self.progress;
        format!("{state}, {} {stage} {message}", percent(*fraction)).trim_end().to_owned()
    }
}
