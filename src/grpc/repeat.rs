//! Calls that are sent again under the same `request_id` change nothing and answer as before.

use prost::Message;
use sha2::{Digest, Sha256};
use tonic::{Code, Status};

use crate::store::ControlStore;

use super::convert::check_request_id;
use super::status::{from_store, status};

/// A digest of what a request asks.
pub(super) fn fingerprint(request: &impl Message) -> String {
    let digest: [u8; 32] = Sha256::digest(request.encode_to_vec()).into();
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Refuses a request id that stood for another request.
pub(super) fn reused(request_id: &str) -> Status {
    let message = format!(
        "request_id {request_id} was used for another request in the last 24 hours; use a new one"
    );
    status(Code::AlreadyExists, "REQUEST_ID_REUSED", message)
}

/// Does `work` once per request id; an empty id means every time.
pub(super) fn once<Answer: Message + Default>(
    control: &ControlStore,
    method: &str,
    request_id: &str,
    request: &impl Message,
    work: impl FnOnce() -> Result<Answer, Status>,
) -> Result<Answer, Status> {
    check_request_id(request_id)?;
    if request_id.is_empty() {
        return work();
    }
    let fingerprint = fingerprint(request);
    let before = control.answered(method, request_id).map_err(|error| from_store(&error))?;
    if let Some((known, answer)) = before {
        if known != fingerprint {
            return Err(reused(request_id));
        }
        if let Ok(answer) = Answer::decode(answer.as_slice()) {
            return Ok(answer);
        }
    }
    let answer = work()?;
    let bytes = answer.encode_to_vec();
    control
        .remember(method, request_id, &fingerprint, &bytes)
        .map_err(|error| from_store(&error))?;
    Ok(answer)
}
