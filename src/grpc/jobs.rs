//! What the three job services share: the head of a job, lists, watching.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};

use crate::app::App;
use crate::store::{JobFilter, JobId, JobKind, JobRow, JobState};
use crate::transaction::Timestamp;

use super::blocking;
use super::convert::{Page, wire_time};
use super::proto;
use super::status::{failure_status, from_store, invalid_field, not_found};

/// Between two looks at a job that is watched.
const WATCH: Duration = Duration::from_millis(200);
/// Rows that are read at a time while a list is filtered.
const LIST_CHUNK: u32 = 200;

/// A stream of states of one job.
pub(super) type Watched<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A request to a kind of jobs for a list.
pub(super) struct ListOf {
    pub(super) kind: JobKind,
    pub(super) page: Page,
    pub(super) state: i32,
    pub(super) subject: String,
}

/// One job of a kind.
pub(super) fn find(app: &App, kind: JobKind, id: &str) -> Result<JobRow, Status> {
    let missing = || {
        let message = format!("there is no {kind} job {id}");
        not_found("JOB_NOT_FOUND", "patron.v1.Job", id, message)
    };
    let parsed: JobId = id.parse().map_err(|_| missing())?;
    let job = app.control().job(parsed).map_err(|error| from_store(&error))?;
    job.filter(|job| job.kind == kind).ok_or_else(missing)
}

/// Asks a job to stop.
pub(super) fn cancel(app: &App, kind: JobKind, id: &str) -> Result<JobRow, Status> {
    let job = find(app, kind, id)?;
    let cancelled = app.control().cancel(job.id).map_err(|error| from_store(&error))?;
    Ok(cancelled.unwrap_or(job))
}

/// A page of jobs, latest first, and the token of the next.
pub(super) fn list(app: &App, wanted: &ListOf) -> Result<(Vec<JobRow>, String), Status> {
    let state = wanted_state(wanted.state)?;
    let mut before = match wanted.page.token.as_str() {
        "" => None,
        token => Some(token.parse::<JobId>().map_err(|_| wanted.page.refuse())?),
    };
    let mut found = Vec::new();
    loop {
        let filter = JobFilter {
            kind: Some(wanted.kind),
            subject: Some(wanted.subject.clone()).filter(|subject| !subject.is_empty()),
            before,
            limit: LIST_CHUNK,
        };
        let chunk = app.control().jobs(&filter).map_err(|error| from_store(&error))?;
        let is_last = chunk.len() < LIST_CHUNK as usize;
        before = chunk.last().map(|job| job.id);
        found.extend(chunk.into_iter().filter(|job| state.is_none_or(|state| job.state == state)));
        if is_last || found.len() > wanted.page.size {
            break;
        }
    }
    let more = found.len() > wanted.page.size;
    found.truncate(wanted.page.size);
    let token = found.last().filter(|_| more).map(|job| job.id.to_string());
    Ok((found, token.unwrap_or_default()))
}

/// Sends a job whenever it changes, until it is final or nobody listens.
pub(super) async fn watch<T: Send + 'static>(
    app: Arc<App>,
    kind: JobKind,
    id: String,
    convert: impl Fn(&App, &JobRow) -> T + Send + Sync + 'static,
) -> Result<Response<Watched<T>>, Status> {
    let look = move |app: Arc<App>, id: String| async move {
        blocking(move || find(&app, kind, &id)).await
    };
    let mut job = look(Arc::clone(&app), id.clone()).await?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            if sender.send(Ok(convert(&app, &job))).await.is_err() || job.state.is_final() {
                return;
            }
            let shown = job.clone();
            while job == shown {
                if sender.is_closed() {
                    return;
                }
                tokio::time::sleep(WATCH).await;
                match look(Arc::clone(&app), id.clone()).await {
                    Ok(now) => job = now,
                    Err(status) => {
                        // The caller may be gone by now, and then nobody needs to know.
                        let _ = sender.send(Err(status)).await;
                        return;
                    }
                }
            }
        }
    });
    Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
}

/// The fields that all jobs have.
pub(super) struct JobHead {
    pub(super) job_id: String,
    pub(super) state: i32,
    pub(super) progress: Option<proto::JobProgress>,
    pub(super) create_time: Option<prost_types::Timestamp>,
    pub(super) start_time: Option<prost_types::Timestamp>,
    pub(super) end_time: Option<prost_types::Timestamp>,
    pub(super) attempt: u32,
    pub(super) error: Option<tonic_types::Status>,
    pub(super) request_id: String,
}

impl JobHead {
    pub(super) fn of(job: &JobRow) -> Self {
        let message = match job.state {
            JobState::Running if job.cancel_requested => "stopping".to_owned(),
            JobState::Running => format!("{} {:.0} %", job.stage, job.fraction * 100.0),
            state => state.to_string(),
        };
        Self {
            job_id: job.id.to_string(),
            state: wire_state(job.state) as i32,
            progress: Some(proto::JobProgress {
                stage: job.stage.clone(),
                fraction: job.fraction,
                message,
            }),
            create_time: Some(wire_time(job.created_at)),
            start_time: job.started_at.map(wire_time),
            end_time: job.ended_at.map(wire_time),
            attempt: job.attempt,
            error: job.failure.as_ref().map(failure_status),
            request_id: job.request_id.clone(),
        }
    }

    /// The head of a job that was only checked, not queued.
    pub(super) fn validated(request_id: &str) -> Self {
        Self {
            job_id: String::new(),
            state: proto::JobState::Unspecified as i32,
            progress: None,
            create_time: Some(wire_time(Timestamp::now())),
            start_time: None,
            end_time: None,
            attempt: 0,
            error: None,
            request_id: request_id.to_owned(),
        }
    }
}

pub(super) fn wire_state(state: JobState) -> proto::JobState {
    match state {
        JobState::Queued => proto::JobState::Queued,
        JobState::Running => proto::JobState::Running,
        JobState::Succeeded => proto::JobState::Succeeded,
        JobState::Failed => proto::JobState::Failed,
        JobState::Cancelled => proto::JobState::Cancelled,
    }
}

fn wanted_state(wire: i32) -> Result<Option<JobState>, Status> {
    match proto::JobState::try_from(wire) {
        Ok(proto::JobState::Unspecified) => Ok(None),
        Ok(proto::JobState::Queued) => Ok(Some(JobState::Queued)),
        Ok(proto::JobState::Running) => Ok(Some(JobState::Running)),
        Ok(proto::JobState::Succeeded) => Ok(Some(JobState::Succeeded)),
        Ok(proto::JobState::Failed) => Ok(Some(JobState::Failed)),
        Ok(proto::JobState::Cancelled) => Ok(Some(JobState::Cancelled)),
        Err(_) => Err(invalid_field("state", format!("expected a known state, found {wire}"))),
    }
}
