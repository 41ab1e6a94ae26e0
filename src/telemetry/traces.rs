//! Traces of calls, for a collector that speaks OTLP over gRPC.
//!
//! A span names the method and the outcome as the semantic conventions of OpenTelemetry for RPC
//! servers do. Nothing of a customer stands in it.

use std::time::{Duration, SystemTime};

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span};

/// How long a batch may take on its way to the collector.
const SEND: Duration = Duration::from_secs(5);
/// How long the last batch may take when the server goes.
const LAST: Duration = Duration::from_secs(2);
const NAME: &str = env!("CARGO_PKG_NAME");

/// Where traces go, and how many.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// Address of the collector, `http://127.0.0.1:4317` for example.
    pub endpoint: String,
    /// Share of the traces that begin here, from 0 to 1. A caller's own trace goes on as its caller
    /// decided.
    pub ratio: f64,
}

/// Header of the trace that a caller is in, by the recommendation Trace Context of the W3C.
pub const TRACE_PARENT: &str = "traceparent";
/// Header of what others add to it.
pub const TRACE_STATE: &str = "tracestate";

/// What a caller says of its trace.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceHeaders<'a> {
    /// [`TRACE_PARENT`].
    pub parent: Option<&'a str>,
    /// [`TRACE_STATE`].
    pub state: Option<&'a str>,
}

/// The collector cannot be addressed.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent to {endpoint}: {problem}; see telemetry.traces_endpoint")]
pub struct InvalidCollector {
    endpoint: String,
    problem: ExporterBuildError,
}

/// Records spans and sends them in batches, on a thread of its own. A collector that is away costs
/// spans and nothing else.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    ratio: f64,
}

/// One call, until it ends; nothing where it is not recorded.
#[derive(Debug)]
pub struct CallSpan(Option<Span>);

/// The span that others are a part of.
#[derive(Clone, Debug)]
pub struct TraceParent(SpanContext);

/// What a version answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// Its model.
    pub model: &'a str,
    /// Its number.
    pub version: u64,
    /// Rows of the answer.
    pub rows: usize,
    /// How long it took.
    pub took: Duration,
}

impl Traces {
    /// Begins to record. Wants the context of the runtime on which the server runs.
    ///
    /// # Errors
    /// When the address of the collector is none; whether it is there shows later.
    pub fn start(settings: &TraceSettings) -> Result<Self, InvalidCollector> {
        let endpoint = settings.endpoint.clone();
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint.clone())
            .with_timeout(SEND)
            .build()
            .map_err(|problem| InvalidCollector { endpoint, problem })?;
        let resource = Resource::builder()
            .with_service_name(NAME)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(resource)
            .build();
        let tracer = provider.tracer(NAME);
        Ok(Self { provider, tracer, ratio: settings.ratio })
    }

    /// A call of `service/method` that arrived now, as a part of the caller's trace where it has one.
    ///
    /// Whether it is recorded is decided first: a span that is made and then dropped costs a small
    /// call an eighth of its time.
    pub fn call(&self, (service, method): (&str, &str), caller: TraceHeaders<'_>) -> CallSpan {
        let parent = caller.context();
        if !is_recorded(&parent, self.ratio) {
            return CallSpan(None);
        }
        let attributes = vec![
            KeyValue::new("rpc.system", "grpc"),
            KeyValue::new("rpc.service", service.to_owned()),
            KeyValue::new("rpc.method", method.to_owned()),
        ];
        let span = self
            .tracer
            .span_builder(format!("{service}/{method}"))
            .with_kind(SpanKind::Server)
            .with_attributes(attributes);
        CallSpan(Some(span.start_with_context(&self.tracer, &parent)))
    }

    /// Work of a version that ended now, as a part of a call.
    pub fn answered(&self, parent: &TraceParent, answered: Answered<'_>) {
        if !parent.0.is_sampled() {
            return;
        }
        let Answered { model, version, rows, took } = answered;
        let parent = Context::new().with_remote_span_context(parent.0.clone());
        let end = SystemTime::now();
        let attributes = vec![
            KeyValue::new("patron.model", model.to_owned()),
            KeyValue::new("patron.version", version.cast_signed()),
            KeyValue::new("patron.rows", rows as i64),
        ];
        let span = self
            .tracer
            .span_builder("predict")
            .with_start_time(end.checked_sub(took).unwrap_or(end))
            .with_attributes(attributes);
        span.start_with_context(&self.tracer, &parent).end_with_timestamp(end);
    }

    /// Sends what is left. Waits for the network.
    pub fn stop(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

impl CallSpan {
    /// What the work on the call is a part of.
    pub fn parent(&self) -> TraceParent {
        let context = self.0.as_ref().map(Span::span_context);
        TraceParent(context.cloned().unwrap_or(SpanContext::NONE))
    }

    /// Ends the call with its gRPC code. `fault` says that the server is to blame for it.
    pub fn end(self, request_id: &str, code: i32, fault: bool) {
        let Some(mut span) = self.0 else { return };
        span.set_attribute(KeyValue::new("rpc.grpc.status_code", i64::from(code)));
        span.set_attribute(KeyValue::new("patron.request_id", request_id.to_owned()));
        if fault {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// A caller's trace goes on as its caller decided; of the others a share begins here.
fn is_recorded(parent: &Context, ratio: f64) -> bool {
    let span = parent.span();
    let of_caller = span.span_context();
    if of_caller.is_valid() { of_caller.is_sampled() } else { rand::random::<f64>() < ratio }
}

impl TraceHeaders<'_> {
    fn context(&self) -> Context {
        match self.parent {
            Some(_) => TraceContextPropagator::new().extract(self),
            None => Context::new(),
        }
    }
}

impl Extractor for TraceHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACE_PARENT => self.parent,
            TRACE_STATE => self.state,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACE_PARENT, TRACE_STATE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_decides_where_it_has_a_trace_and_the_ratio_otherwise() {
        let recorded = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let not_recorded = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        for (ratio, parent, expected) in [
            (0.0, None, false),
            (1.0, None, true),
            (0.0, Some(recorded), true),
            (1.0, Some(not_recorded), false),
            (0.0, Some("nonsense"), false),
            (1.0, Some("nonsense"), true),
        ] {
            let context = TraceHeaders { parent, state: None }.context();
            assert_eq!(is_recorded(&context, ratio), expected, "{ratio} {parent:?}");
        }
    }
}
