//! Which model answered, from which data.

use serde_json::{Value, json};

use crate::grpc::proto::ServedBy;

use super::super::table::Fields;
use super::super::values::{given, time, time_json};

/// Which model answered, for people.
pub(super) fn served_text(served: &ServedBy) -> String {
    let mut fields = Fields::default();
    fields.add("model", format_args!("{}/{}", served.model, served.version));
    fields.add_some("as of", time(served.as_of.as_ref()));
    fields.add_some("predicts", given(&served.event));
    fields.to_string()
}

/// Which model answered, for programs.
pub(in crate::cli) fn served_json(served: &ServedBy) -> Value {
    json!({
        "model": served.model,
        "version": served.version,
        "model_digest": served.model_digest,
        "schema_digest": given(&served.schema_digest),
        "as_of": time_json(served.as_of.as_ref()),
        "newest_line_time": time_json(served.newest_line_time.as_ref()),
        "trained_as_of": time_json(served.trained_as_of.as_ref()),
        "event": given(&served.event),
        "horizon_days": served.horizon_days,
        "population": given(&served.population),
        "calibration_error": served.calibration_error,
        "request_id": served.request_id,
    })
}
