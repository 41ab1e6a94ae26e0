//! The state of the server as meters show it.

use std::sync::{Mutex, PoisonError};

use crate::app::App;
use crate::store::{EndedJob, JobKind};
use crate::telemetry::{JobCount, LoadedModel, Meters, ServerState};
use crate::transaction::{ImportReport, Timestamp};

use super::Flow;

/// Up to when the jobs that ended are counted. They are read where they are kept, so that those
/// of a worker in another process count too.
#[derive(Debug)]
pub(super) struct Counted(Mutex<Timestamp>);

impl Counted {
    /// Counts from now on.
    pub(super) fn from_now() -> Self {
        Self(Mutex::new(Timestamp::now()))
    }
}

/// What is true now. What cannot be read is left out and logged.
pub(super) fn of(app: &App, flow: &Flow) -> ServerState {
    count_jobs(app, flow);
    let (inflight_calls, inflight_rows) = flow.0.admission.at_work();
    let models = app.catalog().loaded();
    let models = models.iter().map(|served| {
        let manifest = served.manifest();
        LoadedModel {
            model: manifest.model.to_string(),
            version: manifest.version,
            load_seconds: served.load_time().as_secs_f64(),
            reads_lines: manifest.feature_schema.is_some(),
        }
    });
    let counts = app.control().job_counts().unwrap_or_else(|error| {
        tracing::error!(%error, "jobs could not be counted");
        Vec::new()
    });
    let jobs = counts.into_iter().map(|jobs| JobCount {
        state: jobs.state.to_string(),
        kind: jobs.kind.to_string(),
        count: jobs.count,
    });
    ServerState {
        inflight_calls,
        inflight_rows,
        models: models.collect(),
        feature_age_seconds: feature_age(app),
        jobs: jobs.collect(),
        tail_bytes: app.store().tail_bytes(),
    }
}

/// Counts the jobs that ended since somebody asked last.
fn count_jobs(app: &App, flow: &Flow) {
    let mut counted = flow.0.counted.0.lock().unwrap_or_else(PoisonError::into_inner);
    let ended = app.control().jobs_ended_after(*counted).unwrap_or_else(|error| {
        tracing::error!(%error, "jobs that ended could not be read");
        Vec::new()
    });
    for job in ended {
        count_job(flow.meters(), &job);
        *counted = job.ended_at;
    }
}

fn count_job(meters: &Meters, job: &EndedJob) {
    meters.job_ended(job.kind.as_str(), job.state.as_str(), job.took);
    let report = job.result.as_deref().filter(|_| job.kind == JobKind::Import);
    let report = report.and_then(|text| serde_json::from_str::<ImportReport>(text).ok());
    if let Some(report) = report {
        meters.ingested("accepted", report.accepted);
        meters.ingested("duplicate", report.duplicates);
        meters.ingested("corrected", report.corrected);
        meters.ingested("refused", report.refused);
    }
}

/// Seconds between the newest stored line and now.
fn feature_age(app: &App) -> Option<f64> {
    let newest = app.predictor().newest_line().unwrap_or_else(|error| {
        tracing::error!(%error, "the store could not be read");
        None
    })?;
    Some((app.store().now().micros() - newest.micros()) as f64 / 1e6)
}
