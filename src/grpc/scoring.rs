//! `ScoringService`: batch scoring as jobs.

mod request;

use std::path::Path;
use std::sync::Arc;

use tonic::{Code, Request, Response, Status};

use crate::app::App;
use crate::jobs::JobPayload;
use crate::scoring::{ScoreFormat, ScoredModel, ScoringRequest, ScoringResult};
use crate::store::{JobKind, JobRow};

use super::access::{audit_job, caller};
use super::answered;
use super::convert::{Page, check_request_id};
use super::jobs::{self, JobHead, ListOf, Watched};
use super::proto::{self, scoring_service_server::ScoringService};
use super::repeat::{fingerprint, reused};
use super::status::{from_store, invalid_field, status};

use self::request::{asked, payload};

/// Serves batch scoring.
#[derive(Clone, Debug)]
pub(super) struct Scorings {
    app: Arc<App>,
}

impl Scorings {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl ScoringService for Scorings {
    type WatchScoringJobStream = Watched<proto::ScoringJob>;

    async fn create_scoring_job(
        &self,
        request: Request<proto::CreateScoringJobRequest>,
    ) -> Result<Response<proto::ScoringJob>, Status> {
        let caller = caller(&request);
        answered(&self.app, move |app| {
            let job = create(app, request.into_inner())?;
            audit_job(app, &caller, "scoring.create", (&job.output_uri, &job.job_id))?;
            Ok(job)
        })
        .await
    }

    async fn get_scoring_job(
        &self,
        request: Request<proto::GetScoringJobRequest>,
    ) -> Result<Response<proto::ScoringJob>, Status> {
        let proto::GetScoringJobRequest { job_id } = request.into_inner();
        answered(&self.app, move |app| Ok(wire(app, &jobs::find(app, JobKind::Scoring, &job_id)?)))
            .await
    }

    async fn list_scoring_jobs(
        &self,
        request: Request<proto::ListScoringJobsRequest>,
    ) -> Result<Response<proto::ListScoringJobsResponse>, Status> {
        let proto::ListScoringJobsRequest { page_size, page_token, state } = request.into_inner();
        let page = Page::new(page_size, page_token)?;
        answered(&self.app, move |app| {
            let wanted = ListOf { kind: JobKind::Scoring, page, state, subject: String::new() };
            let (found, next_page_token) = jobs::list(app, &wanted)?;
            let jobs = found.iter().map(|job| wire(app, job)).collect();
            Ok(proto::ListScoringJobsResponse { jobs, next_page_token })
        })
        .await
    }

    async fn watch_scoring_job(
        &self,
        request: Request<proto::WatchScoringJobRequest>,
    ) -> Result<Response<Self::WatchScoringJobStream>, Status> {
        let proto::WatchScoringJobRequest { job_id } = request.into_inner();
        jobs::watch(Arc::clone(&self.app), JobKind::Scoring, job_id, wire).await
    }

    async fn cancel_scoring_job(
        &self,
        request: Request<proto::CancelScoringJobRequest>,
    ) -> Result<Response<proto::ScoringJob>, Status> {
        let caller = caller(&request);
        let proto::CancelScoringJobRequest { job_id, request_id } = request.into_inner();
        check_request_id(&request_id)?;
        answered(&self.app, move |app| {
            let job = wire(app, &jobs::cancel(app, JobKind::Scoring, &job_id)?);
            audit_job(app, &caller, "scoring.cancel", (&job.output_uri, &job.job_id))?;
            Ok(job)
        })
        .await
    }
}

fn create(app: &App, request: proto::CreateScoringJobRequest) -> Result<proto::ScoringJob, Status> {
    let fingerprint = fingerprint(&request);
    let (request_id, validate_only) = (request.request_id.clone(), request.validate_only);
    let output_uri = request.output_uri.clone();
    check_request_id(&request_id)?;
    let payload = payload(app, request)?;
    if validate_only {
        check_output(&payload, &output_uri)?;
        return Ok(wire_parts(JobHead::validated(&request_id), payload, None));
    }
    let job = enqueue(app, payload, &request_id, &fingerprint, &output_uri)?;
    if job.fingerprint != fingerprint {
        return Err(reused(&request_id));
    }
    Ok(wire(app, &job))
}

/// A job sent again finds the file that its first sending wrote, and that is no conflict.
fn enqueue(
    app: &App,
    payload: ScoringRequest,
    request_id: &str,
    fingerprint: &str,
    output_uri: &str,
) -> Result<JobRow, Status> {
    let known = if request_id.is_empty() {
        None
    } else {
        let known = app.control().job_of_request(JobKind::Scoring, request_id);
        known.map_err(|error| from_store(&error))?
    };
    if let Some(job) = known {
        return Ok(job);
    }
    check_output(&payload, output_uri)?;
    let job = app.enqueue(JobPayload::Scoring(payload), request_id, fingerprint);
    job.map_err(|error| from_store(&error))
}

fn check_output(request: &ScoringRequest, output_uri: &str) -> Result<(), Status> {
    let path = request.output.as_path();
    if ScoreFormat::of_path(path).is_some_and(|named| named != request.format) {
        let problem = format!("expected the format that {output_uri:?} ends in");
        return Err(invalid_field("format", problem));
    }
    if path.exists() {
        let message = format!("output_uri: {output_uri} exists; name a new file or remove it");
        return Err(status(Code::AlreadyExists, "OUTPUT_EXISTS", message));
    }
    if path.file_name().is_none() || !path.parent().is_some_and(Path::is_dir) {
        let problem =
            format!("expected a file in a directory that the server has, found {output_uri:?}");
        return Err(invalid_field("output_uri", problem));
    }
    Ok(())
}

fn wire(_: &App, job: &JobRow) -> proto::ScoringJob {
    let Ok(JobPayload::Scoring(request)) = serde_json::from_str(&job.payload) else {
        // Not this program's payload: the head is all there is to tell.
        return head(JobHead::of(job));
    };
    let result = job.result.as_deref().and_then(|text| serde_json::from_str(text).ok());
    wire_parts(JobHead::of(job), request, result)
}

fn wire_parts(
    job_head: JobHead,
    request: ScoringRequest,
    result: Option<ScoringResult>,
) -> proto::ScoringJob {
    let written = result.as_ref().map(|result| (result.rows, result.bytes, result.sha256.clone()));
    let (rows_written, output_bytes, output_digest) = written.unwrap_or_default();
    let used = result.map(|result| result.models).unwrap_or_default();
    let wire_used = |used: ScoredModel| proto::ScoredModel {
        model: used.model.into(),
        version: used.version as i64,
        model_digest: used.sha256,
    };
    proto::ScoringJob {
        models_used: used.into_iter().map(wire_used).collect(),
        rows_written,
        output_bytes,
        output_digest,
        ..asked(request, head(job_head))
    }
}

fn head(head: JobHead) -> proto::ScoringJob {
    proto::ScoringJob {
        job_id: head.job_id,
        state: head.state,
        progress: head.progress,
        create_time: head.create_time,
        start_time: head.start_time,
        end_time: head.end_time,
        attempt: head.attempt,
        error: head.error,
        request_id: head.request_id,
        ..proto::ScoringJob::default()
    }
}
