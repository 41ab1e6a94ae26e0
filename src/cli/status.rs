//! Errors of the server, told in full.

use std::error::Error;

use serde_json::{Value, json};
use tonic::Status;
use tonic_types::{ErrorDetails, RpcStatusExt, StatusExt};

/// Whether the error comes from the connection rather than from the server.
pub(super) fn is_transport(status: &Status) -> bool {
    status.source().is_some()
}

/// The message, then every detail on a line of its own.
pub(super) fn describe(status: &Status) -> String {
    if is_transport(status) {
        return format!("the connection broke: {}", causes(status));
    }
    with_details(status.message(), &status.get_error_details())
}

/// The same for the error of a job or of a row.
pub(super) fn describe_stored(status: &tonic_types::Status) -> String {
    with_details(&status.message, &status.get_error_details())
}

/// The error of a job or of a row on one line.
pub(super) fn summary(status: &tonic_types::Status) -> String {
    match reason(status) {
        Some(reason) => format!("{} ({reason})", status.message),
        None => status.message.clone(),
    }
}

/// The error of a job or of a row as JSON.
pub(super) fn to_json(status: &tonic_types::Status) -> Value {
    json!({ "message": status.message, "reason": reason(status) })
}

/// The innermost causes of an error, without saying anything twice.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        if !texts.iter().any(|told| told.contains(&text)) {
            texts.push(text);
        }
        next = cause.source();
    }
    texts.join(": ")
}

fn reason(status: &tonic_types::Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}

fn with_details(message: &str, details: &ErrorDetails) -> String {
    let mut lines = vec![message.to_owned()];
    if let Some(request) = details.bad_request() {
        let told = |text: &str| !text.is_empty() && message.contains(text);
        let fields = request.field_violations.iter();
        let fields = fields.filter(|field| !(told(&field.field) && told(&field.description)));
        lines.extend(fields.map(|field| format!("  {}: {}", field.field, field.description)));
    }
    if let Some(resource) = details.resource_info() {
        lines.push(format!("  {}: {}", resource.resource_type, resource.resource_name));
    }
    if let Some(info) = details.error_info() {
        lines.push(format!("  reason: {}", info.reason));
        let mut metadata: Vec<_> = info.metadata.iter().collect();
        metadata.sort();
        lines.extend(metadata.into_iter().map(|(key, value)| format!("  {key}: {value}")));
    }
    if let Some(delay) = details.retry_info().and_then(|retry| retry.retry_delay) {
        lines.push(format!("  retry after {:.1} s", delay.as_secs_f64()));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Code;

    use super::*;

    #[test]
    fn all_details_are_told() {
        let mut details = ErrorDetails::new();
        details
            .add_bad_request_violation("levels[1]", "expected above 0 and below 1, found 2")
            .set_error_info("INVALID_FIELD", "patron", [("row".to_owned(), "3".to_owned())])
            .set_retry_info(Some(Duration::from_millis(1500)));
        let status =
            Status::with_error_details(Code::InvalidArgument, "the request is wrong", details);
        let told = describe(&status);
        assert_eq!(
            told,
            "the request is wrong\n  levels[1]: expected above 0 and below 1, found 2\n  \
             reason: INVALID_FIELD\n  row: 3\n  retry after 1.5 s"
        );
    }

    #[test]
    fn nothing_is_told_twice() {
        let details = ErrorDetails::with_bad_request_violation("horizon", "expected 1 to 28");
        let message = "horizon: expected 1 to 28";
        let status = Status::with_error_details(Code::InvalidArgument, message, details);
        assert_eq!(describe(&status), message);
    }

    #[test]
    fn a_plain_status_is_its_message() {
        assert_eq!(describe(&Status::internal("it broke")), "it broke");
    }
}
