//! One call from its arrival to its end, whichever way it ends.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::telemetry::{CallSpan, TRACE_PARENT, TRACE_STATE, TraceHeaders};

use super::connections::OpenCall;
use super::method::Method;
use super::{Flow, oversize};

const REQUEST_ID: &str = "x-request-id";

/// Counts and logs a call when it is dropped.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) flow: Flow,
    pub(super) method: Arc<Method>,
    pub(super) arrived: Instant,
    request_id: Option<HeaderValue>,
    /// How it ended; `None` where the caller went before it did.
    code: Option<Code>,
    span: Option<CallSpan>,
    /// Keeps its connection from being closed.
    _open: Option<OpenCall>,
}

impl Call {
    /// A call that arrived now. Where the caller gave it no id, it gets one.
    pub(super) fn begin(flow: Flow, request: &mut Parts) -> Self {
        let method = flow.methods().at(request.uri.path());
        method.meter.started();
        let headers = &mut request.headers;
        if !headers.contains_key(REQUEST_ID)
            && let Ok(id) = HeaderValue::from_str(&Uuid::now_v7().to_string())
        {
            headers.insert(REQUEST_ID, id);
        }
        let request_id = headers.get(REQUEST_ID).cloned();
        let open = request.extensions.remove::<OpenCall>();
        let span = flow.traces().map(|traces| traces.call(method.name(), traced(&request.headers)));
        if let Some(span) = &span {
            request.extensions.insert(span.parent());
        }
        Self { flow, method, arrived: Instant::now(), request_id, code: None, span, _open: open }
    }

    /// Takes note of a status in headers or trailers, under the name that it shall have.
    pub(super) fn told(&mut self, headers: &mut HeaderMap) {
        if let Some(code) = oversize::readable(headers, self.flow.0.max_message_bytes) {
            self.code = Some(code);
            if code == Code::ResourceExhausted {
                self.rejected(headers);
            }
        }
    }

    /// Takes note that the call ends with `status`.
    pub(super) fn ends_with(&mut self, code: Code) {
        self.code = Some(code);
    }

    fn rejected(&self, headers: &HeaderMap) {
        let status = Status::from_header_map(headers);
        let info = status.and_then(|status| status.get_details_error_info());
        let reason = info.map_or_else(|| "UNKNOWN".to_owned(), |info| info.reason);
        self.flow.meters().rejected(&reason);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let code = self.code.unwrap_or(Code::Cancelled);
        let took = self.arrived.elapsed();
        self.method.meter.handled(code as i32, took);
        let id = self.request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
        if let Some(span) = self.span.take() {
            span.end(id, code as i32, is_fault(code));
        }
        let (method, micros) = (self.method.path.as_str(), took.as_micros() as u64);
        if matches!(code, Code::Internal | Code::DataLoss | Code::Unknown) {
            tracing::warn!(method, ?code, micros, request_id = id, "call failed");
        } else {
            tracing::debug!(method, ?code, micros, request_id = id, "call ended");
        }
    }
}

/// What the caller says of its trace.
fn traced(headers: &HeaderMap) -> TraceHeaders<'_> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    TraceHeaders { parent: text(TRACE_PARENT), state: text(TRACE_STATE) }
}

/// Whether the server is to blame, by the semantic conventions of OpenTelemetry for RPC servers.
fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}
