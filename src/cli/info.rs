//! `patron info`: what the server is and what it takes.

use clap::Args;
use serde_json::{Value, json};

use crate::grpc::proto::{AsOfRule, GetServerInfoRequest, GetServerInfoResponse, ServerLimits};
use crate::readable::count;

use super::client::Session;
use super::exit::Failure;
use super::output::Report;
use super::table::Fields;
use super::values::short_name;

/// Arguments of `patron info`.
#[derive(Args, Clone, Debug)]
pub(super) struct InfoArgs {}

/// Asks the server what it is.
pub(super) async fn run(_: InfoArgs, session: &mut Session) -> Result<(), Failure> {
    let services = session.connect().await?;
    let info = services.server().get_server_info(GetServerInfoRequest {}).await?;
    session.output.report(&info.into_inner())?;
    Ok(())
}

impl Report for GetServerInfoResponse {
    fn json(&self) -> Value {
        json!({
            "version": self.version,
            "time_zone": self.time_zone,
            "currency": self.currency,
            "as_of_rule": as_of_rule(self.as_of_rule()),
            "limits": self.limits.as_ref().map(limits_json),
            "extensions": self.extensions,
            "service_config": serde_json::from_str::<Value>(&self.service_config_json).ok(),
        })
    }

    fn text(&self) -> String {
        let mut fields = Fields::default();
        fields.add("version", &self.version);
        fields.add("time zone", &self.time_zone);
        fields.add("currency", &self.currency);
        fields.add("as of", as_of_rule(self.as_of_rule()));
        if let Some(limits) = &self.limits {
            fields.add("message", format_args!("{} bytes", count(limits.max_message_bytes)));
            fields.add("rows of a call", count(limits.max_rows.into()));
            fields.add("page", count(limits.max_page_size.into()));
            fields.add("calls of a connection", count(limits.max_streams_per_connection.into()));
            fields.add("metadata", format_args!("{} bytes", count(limits.max_header_bytes.into())));
            fields.add("time of a call", format_args!("{} s", limits.max_call_seconds));
            fields.add("calls at work", count(limits.max_inflight_calls.into()));
            fields.add("rows at work", count(limits.max_inflight_rows.into()));
        }
        fields.add("extensions", self.extensions.join(", "));
        fields.to_string()
    }
}

fn as_of_rule(rule: AsOfRule) -> String {
    short_name(rule.as_str_name(), "AS_OF_RULE_")
}

fn limits_json(limits: &ServerLimits) -> Value {
    json!({
        "max_message_bytes": limits.max_message_bytes,
        "max_rows": limits.max_rows,
        "max_page_size": limits.max_page_size,
        "max_streams_per_connection": limits.max_streams_per_connection,
        "max_header_bytes": limits.max_header_bytes,
        "max_call_seconds": limits.max_call_seconds,
        "max_inflight_calls": limits.max_inflight_calls,
        "max_inflight_rows": limits.max_inflight_rows,
    })
}
