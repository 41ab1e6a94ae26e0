//! The one table from errors to `google.rpc.Status`.
//!
//! Every status carries an `ErrorInfo` whose reason is one of `ErrorReason` in the protos; a wrong
//! field is named in a `BadRequest`, a missing thing in a `ResourceInfo`.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::access::{Exceeded, Principal, Role, Unauthenticated};
use crate::app::PathNotAllowed;
use crate::ingest::InvalidMapping;
use crate::model::PredictError;
use crate::repository::{InvalidName, RepositoryError};
use crate::serving::ServingError;
use crate::store::{JobFailure, StoreError};
use crate::training::InvalidRecipe;
use crate::transaction::{InvalidCustomerId, InvalidLine};

/// The domain of every `ErrorInfo`.
pub(super) const DOMAIN: &str = "patron";

/// A status with its reason.
pub(super) fn status(code: Code, reason: &str, message: impl Into<String>) -> Status {
    let details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(code, message, details)
}

/// INVALID_ARGUMENT that names the field.
pub(super) fn invalid(
    reason: &str,
    field: impl Into<String>,
    problem: impl Into<String>,
) -> Status {
    let (field, problem) = (field.into(), problem.into());
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    details.add_bad_request_violation(field.clone(), problem.clone());
    Status::with_error_details(Code::InvalidArgument, format!("{field}: {problem}"), details)
}

/// INVALID_ARGUMENT for a field of no special reason.
pub(super) fn invalid_field(field: impl Into<String>, problem: impl Into<String>) -> Status {
    invalid("INVALID_FIELD", field, problem)
}

/// NOT_FOUND that names the resource.
pub(super) fn not_found(
    reason: &str,
    kind: &str,
    name: &str,
    message: impl Into<String>,
) -> Status {
    let message = message.into();
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    details.set_resource_info(kind, name, "", message.clone());
    Status::with_error_details(Code::NotFound, message, details)
}

/// The code of a reason, for failures that were stored as texts.
pub(super) fn code_of(reason: &str) -> Code {
    match reason {
        "INVALID_FIELD"
        | "INVALID_LINE"
        | "INVALID_CUSTOMER_ID"
        | "INVALID_FEATURE_BLOCK"
        | "INVALID_TABLE"
        | "TOO_MANY_ROWS"
        | "INVALID_PAGE_TOKEN"
        | "INVALID_RECIPE"
        | "INVALID_MAPPING"
        | "WRONG_MODEL_KIND" => Code::InvalidArgument,
        "MODEL_NOT_FOUND" | "VERSION_NOT_FOUND" | "ALIAS_NOT_FOUND" | "JOB_NOT_FOUND"
        | "CUSTOMER_NOT_FOUND" | "SERIES_NOT_FOUND" | "SOURCE_NOT_FOUND" => Code::NotFound,
        "NO_CHAMPION"
        | "UNKNOWN_FEATURE_SCHEMA"
        | "MODEL_NOT_READY"
        | "VERSION_IN_USE"
        | "NOT_ENOUGH_DATA"
        | "GATE_NOT_PASSED"
        | "NO_REFERENCE"
        | "TOO_MANY_REFUSALS" => Code::FailedPrecondition,
        "REQUEST_ID_REUSED" | "OUTPUT_EXISTS" => Code::AlreadyExists,
        "ETAG_MISMATCH" => Code::Aborted,
        "PATH_NOT_ALLOWED" | "PERMISSION_DENIED" => Code::PermissionDenied,
        "UNAUTHENTICATED" => Code::Unauthenticated,
        "RATE_LIMITED" | "OVERLOADED" | "MESSAGE_TOO_LARGE" => Code::ResourceExhausted,
        "SHUTTING_DOWN" => Code::Unavailable,
        "DEADLINE_EXCEEDED" => Code::DeadlineExceeded,
        "CANCELLED" => Code::Cancelled,
        "CORRUPT_DATA" => Code::DataLoss,
        _ => Code::Internal,
    }
}

/// A stored failure as it travels inside a job.
pub(super) fn failure_status(failure: &JobFailure) -> tonic_types::Status {
    use prost::Message as _;
    let status = status(code_of(&failure.reason), &failure.reason, failure.message.clone());
    let details = tonic_types::Status::decode(status.details());
    details.unwrap_or_else(|_| tonic_types::Status {
        code: code_of(&failure.reason) as i32,
        message: failure.message.clone(),
        details: Vec::new(),
    })
}

/// A status as it travels inside a message.
pub(super) fn rpc_status(status: &Status) -> tonic_types::Status {
    use prost::Message as _;
    match tonic_types::Status::decode(status.details()) {
        Ok(details) if details.code != 0 => details,
        _ => tonic_types::Status {
            code: status.code() as i32,
            message: status.message().to_owned(),
            details: Vec::new(),
        },
    }
}

/// A failed write is told in full to the log and in short to the caller.
pub(super) fn from_store(error: &StoreError) -> Status {
    tracing::error!(%error, "the store failed");
    match error {
        StoreError::Full { .. } => status(
            Code::ResourceExhausted,
            "OVERLOADED",
            "the server's disk is full; nothing of this call was stored",
        ),
        StoreError::Busy { .. } => status(
            Code::Unavailable,
            "OVERLOADED",
            "the store is busy with a long write; try again",
        ),
        StoreError::ReadOnly { .. } => status(
            Code::FailedPrecondition,
            "INTERNAL",
            "the server's data directory is not writable; nothing of this call was stored",
        ),
        StoreError::Io { .. } => status(
            Code::Internal,
            "INTERNAL",
            "the server's disk failed; nothing of this call was stored; the server's log tells more",
        ),
        StoreError::Corrupt { .. }
        | StoreError::Foreign { .. }
        | StoreError::FutureFormat { .. } => status(
            Code::DataLoss,
            "CORRUPT_DATA",
            "the server's data cannot be read; its log tells more",
        ),
        StoreError::Cancelled => status(Code::Cancelled, "CANCELLED", "cancelled"),
        StoreError::Shop { .. } | StoreError::Open { .. } => {
            status(Code::Internal, "INTERNAL", "the store failed; the server's log tells more")
        }
    }
}

/// What the repository's refusal means to a caller.
pub(super) fn from_repository(error: &RepositoryError) -> Status {
    let message = error.to_string();
    match error {
        RepositoryError::UnknownModel { model } => {
            not_found("MODEL_NOT_FOUND", "patron.v1.Model", model.as_str(), message)
        }
        RepositoryError::UnknownVersion { model, version } => {
            let name = format!("{model}/{version}");
            not_found("VERSION_NOT_FOUND", "patron.v1.ModelVersion", &name, message)
        }
        RepositoryError::UnknownAlias { model, alias } if alias.as_str() == "champion" => {
            let message =
                format!("model {model} has no champion yet; train it, or promote a version");
            status(Code::FailedPrecondition, "NO_CHAMPION", message)
        }
        RepositoryError::UnknownAlias { model, alias } => {
            let name = format!("{model}@{alias}");
            not_found("ALIAS_NOT_FOUND", "patron.v1.ModelAlias", &name, message)
        }
        RepositoryError::NoRecipe { .. } => status(
            Code::NotFound,
            "MODEL_NOT_FOUND",
            "the model has no recipe; give one with recipe_toml",
        ),
        RepositoryError::Etag { .. } => status(Code::Aborted, "ETAG_MISMATCH", message),
        RepositoryError::InUse { .. } => {
            status(Code::FailedPrecondition, "VERSION_IN_USE", message)
        }
        RepositoryError::Artifact { .. } | RepositoryError::Mismatch { .. } => {
            tracing::error!(%error, "a version does not load");
            status(Code::DataLoss, "CORRUPT_DATA", message)
        }
        RepositoryError::File { .. } | RepositoryError::Io { .. } => {
            tracing::error!(%error, "the repository failed");
            status(
                Code::Internal,
                "INTERNAL",
                "the model repository failed; the server's log tells more",
            )
        }
    }
}

/// Why there is no prediction.
pub(super) fn from_serving(error: &ServingError) -> Status {
    let message = error.to_string();
    match error {
        ServingError::WrongKind { .. } => invalid("WRONG_MODEL_KIND", "model", message),
        ServingError::OldSchema { .. } => {
            status(Code::FailedPrecondition, "UNKNOWN_FEATURE_SCHEMA", message)
        }
        ServingError::SchemaDigest { .. } => {
            status(Code::FailedPrecondition, "UNKNOWN_FEATURE_SCHEMA", message)
        }
        ServingError::FeatureBlock { field, problem } => {
            invalid("INVALID_FEATURE_BLOCK", format!("features.{field}"), problem.clone())
        }
        ServingError::NoVectors { .. } => invalid("WRONG_MODEL_KIND", "model", message),
        ServingError::NeedsTable { .. } => invalid("INVALID_TABLE", "input", message),
        ServingError::Table { problem } => {
            invalid("INVALID_TABLE", "table.columns", problem.clone())
        }
        ServingError::Cell { .. } => {
            invalid("INVALID_TABLE", "table.columns", after_name(&message))
        }
        ServingError::Predict(error) => from_predict(error),
        ServingError::Repository(error) => from_repository(error),
        ServingError::Store(error) => from_store(error),
        ServingError::DeadlineExceeded => {
            status(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message)
        }
        ServingError::Cancelled => status(Code::Cancelled, "CANCELLED", message),
        ServingError::Time(_) => status(Code::DataLoss, "CORRUPT_DATA", message),
    }
}

fn from_predict(error: &PredictError) -> Status {
    let message = error.to_string();
    match error {
        PredictError::Columns { .. } => {
            invalid("INVALID_FEATURE_BLOCK", "features.columns", message)
        }
        PredictError::UnknownSeries { key, .. } => {
            not_found("SERIES_NOT_FOUND", "patron.v1.SeriesKey", key, message)
        }
        PredictError::NoSums => status(Code::FailedPrecondition, "MODEL_NOT_READY", message),
        // These messages begin with the field's name, which the violation carries anyway.
        PredictError::Horizon { .. } => invalid_field("horizon", after_name(&message)),
        PredictError::Level { .. } => invalid_field("levels", after_name(&message)),
    }
}

/// A message without the field that it begins with.
pub(super) fn after_name(message: &str) -> &str {
    message.split_once(": ").map_or(message, |(_, problem)| problem)
}

/// Nobody who is known.
pub(super) fn unauthenticated(error: &Unauthenticated) -> Status {
    status(Code::Unauthenticated, "UNAUTHENTICATED", error.to_string())
}

/// Somebody who may not call this. Tells nothing of what the call was about.
pub(super) fn permission_denied(principal: &Principal, path: &str, role: Option<Role>) -> Status {
    let name = principal.name();
    let message = match role {
        Some(role) => format!("{name} may not call {path}; it needs the role {role}"),
        None => format!("{path}: there is no such method here"),
    };
    status(Code::PermissionDenied, "PERMISSION_DENIED", message)
}

/// Somebody who sent too much.
pub(super) fn rate_limited(exceeded: &Exceeded, principal: &Principal) -> Status {
    let message = format!("{}: {exceeded}", principal.name());
    let mut details = ErrorDetails::with_error_info("RATE_LIMITED", DOMAIN, HashMap::new());
    details.add_quota_failure_violation(principal.name(), exceeded.to_string());
    details.set_retry_info(Some(exceeded.retry_after));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// A file outside the allowed directories.
pub(super) fn from_path(error: &PathNotAllowed) -> Status {
    status(Code::PermissionDenied, "PATH_NOT_ALLOWED", error.to_string())
}

/// A recipe that does not hold.
pub(super) fn from_recipe(error: &InvalidRecipe) -> Status {
    invalid("INVALID_RECIPE", "recipe_toml", error.to_string())
}

/// A mapping that does not hold: one violation per problem.
pub(super) fn from_mapping(error: &InvalidMapping) -> Status {
    let mut details = ErrorDetails::with_error_info("INVALID_MAPPING", DOMAIN, HashMap::new());
    for problem in &error.problems {
        details.add_bad_request_violation("mapping_toml", problem.clone());
    }
    Status::with_error_details(Code::InvalidArgument, format!("mapping_toml: {error}"), details)
}

/// A text that is no name.
pub(super) fn from_name(field: &str, error: &InvalidName) -> Status {
    invalid_field(field, error.to_string())
}

/// A text that is no customer key.
pub(super) fn from_customer_id(field: impl Into<String>, error: InvalidCustomerId) -> Status {
    invalid("INVALID_CUSTOMER_ID", field, error.to_string())
}

/// A line that does not keep the contract.
pub(super) fn from_line(path: &str, error: &InvalidLine) -> Status {
    invalid("INVALID_LINE", format!("{path}.{}", error.field()), error.to_string())
}
