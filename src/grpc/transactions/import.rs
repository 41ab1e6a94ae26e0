//! Imports of files as jobs.

use tonic::Status;

use crate::app::App;
use crate::ingest::{ImportRequest, check_mapping};
use crate::jobs::JobPayload;
use crate::store::JobRow;
use crate::transaction::{ImportReport, Refusal};

use crate::grpc::convert::{check_request_id, required_path, wire_time};
use crate::grpc::jobs::JobHead;
use crate::grpc::proto;
use crate::grpc::repeat::{fingerprint, reused};
use crate::grpc::status::{from_mapping, from_path, from_store, invalid_field, not_found};

/// Rows that may be refused when the request does not say, in percent.
const DEFAULT_REFUSED_PERCENT: f64 = 1.0;

/// Checks a request and queues the job.
pub(super) fn create(
    app: &App,
    request: proto::ImportTransactionsRequest,
) -> Result<proto::ImportJob, Status> {
    let fingerprint = fingerprint(&request);
    let proto::ImportTransactionsRequest {
        source_uri,
        mapping_toml,
        max_refused_percent,
        request_id,
        validate_only,
    } = request;
    check_request_id(&request_id)?;
    let limit = max_refused_percent.unwrap_or(DEFAULT_REFUSED_PERCENT);
    if !(0.0..=100.0).contains(&limit) {
        let problem = format!("expected 0 to 100, found {limit}");
        return Err(invalid_field("max_refused_percent", problem));
    }
    check_mapping(&mapping_toml).map_err(|error| from_mapping(&error))?;
    let path = required_path("source_uri", &source_uri)?;
    let path = app.allowed_path(path).map_err(|error| from_path(&error))?;
    if !path.is_file() {
        let message = format!("source_uri: the server finds no file {}", path.display());
        return Err(not_found("SOURCE_NOT_FOUND", "file", &source_uri, message));
    }
    if validate_only {
        return Ok(wire_parts(app, JobHead::validated(&request_id), source_uri, None));
    }
    let payload = ImportRequest {
        path,
        mapping: mapping_toml,
        max_refused_percent: limit,
        currency: app.config().currency.clone(),
    };
    let job = app.enqueue(JobPayload::Import(payload), &request_id, &fingerprint);
    let job = job.map_err(|error| from_store(&error))?;
    if job.fingerprint != fingerprint {
        return Err(reused(&request_id));
    }
    Ok(wire(app, &job))
}

/// A job for the wire.
pub(super) fn wire(app: &App, job: &JobRow) -> proto::ImportJob {
    let source = match serde_json::from_str(&job.payload) {
        Ok(JobPayload::Import(request)) => request.path.to_string_lossy().into_owned(),
        _ => job.subject.clone(),
    };
    let report = job.result.as_deref().and_then(|text| serde_json::from_str(text).ok());
    wire_parts(app, JobHead::of(job), source, report)
}

/// A job for a list.
pub(super) fn without_refusals(mut job: proto::ImportJob) -> proto::ImportJob {
    if let Some(report) = &mut job.report {
        report.first_refusals.clear();
    }
    job
}

fn wire_parts(
    app: &App,
    head: JobHead,
    source_uri: String,
    report: Option<ImportReport>,
) -> proto::ImportJob {
    proto::ImportJob {
        job_id: head.job_id,
        state: head.state,
        progress: head.progress,
        create_time: head.create_time,
        start_time: head.start_time,
        end_time: head.end_time,
        attempt: head.attempt,
        error: head.error,
        request_id: head.request_id,
        source_uri,
        report: report.map(|report| wire_report(report, &app.config().currency)),
    }
}

fn wire_report(report: ImportReport, currency: &str) -> proto::ImportReport {
    let refusal = |refusal: Refusal| proto::LineRefusal {
        row: refusal.row,
        field: refusal.field,
        message: refusal.message,
    };
    let count = |(reason, count)| proto::RefusalCount { reason, count };
    proto::ImportReport {
        source: report.source,
        source_digest: report.source_sha256.unwrap_or_default(),
        rows_read: report.rows_read,
        accepted: report.accepted,
        duplicates: report.duplicates,
        corrected: report.corrected,
        refused: report.refused,
        repeated_rows: report.repeated_rows,
        anonymous: report.anonymous,
        returns: report.returns,
        cancellations: report.cancellations,
        price_not_positive: report.price_not_positive,
        customers: report.customers,
        orders: report.orders,
        products: report.products,
        first_occurred_at: report.first_occurred_at.map(wire_time),
        last_occurred_at: report.last_occurred_at.map(wire_time),
        revenue_micros: report.revenue.micros(),
        units_thousandths: report.units.thousandths(),
        currency: currency.to_owned(),
        recorded_at_rule: report.recorded_at_rule,
        refusals_by_reason: report.refusals_by_reason.into_iter().map(count).collect(),
        first_refusals: report.first_refusals.into_iter().map(refusal).collect(),
    }
}
