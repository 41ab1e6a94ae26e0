//! Messages that are too large, and statuses that are.
//!
//! tonic answers OUT_OF_RANGE, which callers take for a wrong argument, and not what the limit is
//! called. Patron itself never answers OUT_OF_RANGE.

use http::{HeaderMap, HeaderValue};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::grpc::status::DOMAIN;

/// How tonic begins to say it, with and without compression.
const TOLD: [&str; 2] = ["Error, ", "Error decompressing: size limit"];

/// Bytes of a status in headers. Clients take 8 KiB or 16 KiB of headers in all, and see a broken
/// connection instead of a status that is longer.
const LONGEST_STATUS: usize = 4 << 10;
/// What is left of the texts of a longer one: the message, each field, and what is wrong with it.
const MESSAGE: usize = 300;
const FIELD: usize = 64;
const PROBLEM: usize = 120;
/// How many fields.
const FIELDS: usize = 4;

/// Makes the status of headers or trailers one that callers can read. Gives its code.
pub(super) fn readable(headers: &mut HeaderMap, limit: usize) -> Option<Code> {
    let code = renamed(headers, limit)?;
    let length = |name| headers.get(name).map_or(0, HeaderValue::len);
    if length("grpc-message") + length("grpc-status-details-bin") > LONGEST_STATUS
        && let Some(status) = Status::from_header_map(headers)
    {
        put(headers, &shortened(&status));
    }
    Some(code)
}

/// The status with the beginnings of its texts: callers see what they sent in them.
fn shortened(status: &Status) -> Status {
    let told = status.get_error_details();
    let mut details = ErrorDetails::new();
    if let Some(info) = told.error_info() {
        details.set_error_info(&info.reason, &info.domain, info.metadata.clone());
    }
    let fields = told.bad_request().map(|request| request.field_violations.as_slice());
    for violation in fields.unwrap_or_default().iter().take(FIELDS) {
        let (field, problem) = (&violation.field, &violation.description);
        details.add_bad_request_violation(beginning(field, FIELD), beginning(problem, PROBLEM));
    }
    Status::with_error_details(status.code(), beginning(status.message(), MESSAGE), details)
}

fn beginning(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn put(headers: &mut HeaderMap, status: &Status) {
    if let Err(error) = status.add_header(headers) {
        tracing::error!(%error, "a status could not be written");
    }
}

/// Puts RESOURCE_EXHAUSTED with the limit in the place of a status of tonic's that says that a
/// message was too large. Gives the status code that the headers or trailers have now.
fn renamed(headers: &mut HeaderMap, limit: usize) -> Option<Code> {
    let code = Code::from_bytes(headers.get(Status::GRPC_STATUS)?.as_bytes());
    if !matches!(code, Code::OutOfRange | Code::ResourceExhausted) {
        return Some(code);
    }
    let told = Status::from_header_map(headers)?;
    if !TOLD.iter().any(|words| told.message().starts_with(words)) {
        return Some(code);
    }
    let status = too_large(told.message(), limit);
    put(headers, &status);
    Some(status.code())
}

fn too_large(told: &str, limit: usize) -> Status {
    let metadata = [("max_message_bytes".to_owned(), limit.to_string())];
    let details = ErrorDetails::with_error_info("MESSAGE_TOO_LARGE", DOMAIN, metadata);
    let what = told.strip_prefix(TOLD[0]).unwrap_or(told);
    let message = format!(
        "{what}; send fewer rows at a time, or over a stream, or raise server.max_message_bytes ({limit})"
    );
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_status_keeps_its_code_its_reason_and_the_beginnings_of_its_texts() {
        let text = "é".repeat(50_000);
        let mut details = ErrorDetails::with_error_info("INVALID_FIELD", DOMAIN, []);
        for _ in 0..100 {
            details.add_bad_request_violation("model", text.clone());
        }
        let status = Status::with_error_details(Code::InvalidArgument, text, details);
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        assert_eq!(readable(&mut headers, 1), Some(Code::InvalidArgument));
        let bytes: usize = headers.values().map(HeaderValue::len).sum();
        assert!(bytes < 8 << 10, "{bytes}");
        let told = Status::from_header_map(&headers).unwrap();
        let details = told.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "INVALID_FIELD");
        let fields = &details.bad_request().unwrap().field_violations;
        assert_eq!((fields.len(), fields[0].field.as_str()), (FIELDS, "model"));
        assert!(told.message().starts_with('é') && told.message().ends_with("..."));
    }
}
