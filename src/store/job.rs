//! A job as a row: its own payload, its state, its lease.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::transaction::Timestamp;

/// A job's id; ids sort by the time of creation.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct JobId(Uuid);

impl JobId {
    /// A new id.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// What a job does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// Loads a file of transactions.
    Import,
    /// Trains a version of a model.
    Training,
    /// Scores all customers into a file.
    Scoring,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits for a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Ended because someone asked.
    Cancelled,
}

impl JobState {
    /// Whether nothing more will happen to the job.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

macro_rules! text_enum {
    ($name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        impl $name {
            /// The name under which it is stored and shown.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            pub(super) fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

text_enum!(JobKind { Import = "import", Training = "training", Scoring = "scoring" });
text_enum!(JobState {
    Queued = "queued",
    Running = "running",
    Succeeded = "succeeded",
    Failed = "failed",
    Cancelled = "cancelled",
});

/// Why a job failed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JobFailure {
    /// A stable name such as `TOO_FEW_ROWS`.
    pub reason: String,
    /// A sentence for people, with the remedy.
    pub message: String,
}

/// A job to be queued.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// What it does.
    pub kind: JobKind,
    /// What it is about: a model's name or a file, for lists.
    pub subject: String,
    /// Everything it needs, as JSON.
    pub payload: String,
    /// The same id again gives the same job; empty means "never the same".
    pub request_id: String,
    /// Digest of what was asked, so that one id cannot stand for two requests.
    pub fingerprint: String,
}

/// A job.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// What it is about.
    pub subject: String,
    /// Everything it needs, as JSON.
    pub payload: String,
    /// The caller's id of the request; may be empty.
    pub request_id: String,
    /// Digest of what was asked.
    pub fingerprint: String,
    /// Where it stands.
    pub state: JobState,
    /// What it is doing.
    pub stage: String,
    /// How much of the stage is done, 0 to 1.
    pub fraction: f64,
    /// How often it was started.
    pub attempt: u32,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it was last started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether someone asked to stop it.
    pub cancel_requested: bool,
    /// Why it failed.
    pub failure: Option<JobFailure>,
    /// What it gave, as JSON.
    pub result: Option<String>,
}

/// Which jobs a list shows.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only of this kind.
    pub kind: Option<JobKind>,
    /// Only about this.
    pub subject: Option<String>,
    /// Only jobs created before this one.
    pub before: Option<JobId>,
    /// At most so many.
    pub limit: u32,
}
