//! Who changed what: into the audit trail, and into the log for those who collect it there.

use tonic::Status;

use crate::access::Principal;
use crate::app::App;
use crate::grpc::status::from_store;
use crate::store::Change;

/// Writes down a change. Neither names a customer.
pub(in crate::grpc) fn audit(
    app: &App,
    caller: &Principal,
    action: &str,
    (subject, detail): (&str, &str),
) -> Result<(), Status> {
    let who = caller.to_string();
    tracing::info!(target: "patron::audit", who, action, subject, detail, "a change");
    let recorded = app.control().record(&Change { who: &who, action, subject, detail });
    recorded.map_err(|error| from_store(&error))
}

/// Writes down that a job was queued or cancelled; one that was only checked has no id.
pub(in crate::grpc) fn audit_job(
    app: &App,
    caller: &Principal,
    action: &str,
    (subject, job_id): (&str, &str),
) -> Result<(), Status> {
    if job_id.is_empty() { Ok(()) } else { audit(app, caller, action, (subject, job_id)) }
}
