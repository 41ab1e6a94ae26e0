//! `ServerService`: what the server is and what it takes.

use std::sync::Arc;

use serde_json::json;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::config::AsOfSetting;

use super::convert::{LARGEST_PAGE, MOST_ROWS};
use super::flow::{Flow, HEADER_LIST, STREAMS};
use super::proto::{self, server_service_server::ServerService};

/// What the server has beyond the methods themselves.
const EXTENSIONS: [&str; 7] = [
    "float_features",
    "health",
    "open_inference_v2",
    "raw_features",
    "streaming",
    "tables",
    "what_if_histories",
];

/// Serves what is known of the server.
#[derive(Clone, Debug)]
pub(super) struct ServerInfo {
    app: Arc<App>,
    flow: Flow,
}

impl ServerInfo {
    pub(super) fn new(app: Arc<App>, flow: Flow) -> Self {
        Self { app, flow }
    }

    fn limits(&self) -> proto::ServerLimits {
        let config = self.app.config();
        let flow = &config.flow;
        proto::ServerLimits {
            max_message_bytes: config.max_message_bytes as u64,
            max_rows: MOST_ROWS as u32,
            max_page_size: LARGEST_PAGE as u32,
            max_streams_per_connection: STREAMS,
            max_header_bytes: HEADER_LIST,
            max_call_seconds: flow.max_call.as_secs() as u32,
            max_inflight_calls: flow.max_calls as u32,
            max_inflight_rows: flow.max_rows as u32,
        }
    }
}

#[tonic::async_trait]
impl ServerService for ServerInfo {
    async fn get_server_info(
        &self,
        request: Request<proto::GetServerInfoRequest>,
    ) -> Result<Response<proto::GetServerInfoResponse>, Status> {
        let proto::GetServerInfoRequest {} = request.into_inner();
        let config = self.app.config();
        let as_of_rule = match config.as_of {
            AsOfSetting::Now => proto::AsOfRule::Now,
            AsOfSetting::Latest => proto::AsOfRule::Latest,
        };
        Ok(Response::new(proto::GetServerInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time_zone: config.clock.name().to_owned(),
            currency: config.currency.clone(),
            as_of_rule: as_of_rule as i32,
            limits: Some(self.limits()),
            extensions: EXTENSIONS.map(str::to_owned).to_vec(),
            service_config_json: service_config(&self.flow),
        }))
    }
}

/// Calls without side effects that were not taken are sent again, on a connection that waits until
/// there is one. Streams are not: nobody but their sender knows how far they came.
fn service_config(flow: &Flow) -> String {
    let names = flow.methods().repeatable();
    let names =
        names.into_iter().map(|(service, method)| json!({ "service": service, "method": method }));
    let config = json!({
        "methodConfig": [{
            "name": names.collect::<Vec<_>>(),
            "waitForReady": true,
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.2s",
                "maxBackoff": "5s",
                "backoffMultiplier": 2.0,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }],
    });
    config.to_string()
}
