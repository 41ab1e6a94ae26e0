//! What a status says: code, reason, fields.

use prost::Message as _;
use tonic::Status;
use tonic_types::StatusExt as _;

/// `INVALID_ARGUMENT INVALID_FIELD page_size`: the code, the reason of the domain `patron`, and the
/// bad fields or the missing resource.
pub(crate) fn told(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no reason: {status:?}"));
    assert_eq!(info.domain, "patron", "{status:?}");
    let mut told = vec![code_name(status), info.reason.clone()];
    if let Some(request) = details.bad_request() {
        told.extend(request.field_violations.iter().map(|violation| violation.field.clone()));
    }
    if let Some(resource) = details.resource_info() {
        told.push(format!("{} {:?}", resource.resource_type, resource.resource_name));
    }
    told.join(" ")
}

/// The reason alone.
pub(crate) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// The status that a job, a row or an item carries.
pub(crate) fn carried(status: &tonic_types::Status) -> Status {
    let code = tonic::Code::from_i32(status.code);
    Status::with_details(code, status.message.clone(), status.encode_to_vec().into())
}

/// `FAILED_PRECONDITION` for `FailedPrecondition`.
fn code_name(status: &Status) -> String {
    let mut name = String::new();
    for letter in format!("{:?}", status.code()).chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
