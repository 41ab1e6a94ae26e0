//! Meters of one method, under the names that dashboards for gRPC know.

use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Status codes of gRPC.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// What a method is called in labels.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct MethodName {
    /// `unary`, `client_stream`, `server_stream` or `bidi_stream`.
    pub grpc_type: &'static str,
    /// `patron.v1.PredictionService` for example.
    pub grpc_service: String,
    /// `PredictChurn` for example.
    pub grpc_method: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct EndLabels {
    grpc_type: &'static str,
    grpc_service: String,
    grpc_method: String,
    grpc_code: &'static str,
}

/// The meters of all methods, and what makes those of one.
#[derive(Clone, Debug)]
pub(super) struct MethodFamilies {
    started: Family<MethodName, Counter>,
    received: Family<MethodName, Counter>,
    sent: Family<MethodName, Counter>,
    handled: Family<EndLabels, Counter>,
    handling: Family<EndLabels, Histogram, Seconds>,
}

/// Makes histograms of seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seconds;

impl MetricConstructor<Histogram> for Seconds {
    /// From 10 microseconds to half a minute, each bucket half as wide again as the one before: an
    /// answer takes less than the first bucket of the usual 5 ms.
    fn new_metric(&self) -> Histogram {
        Histogram::new((0..38).map(|step| 10e-6 * 1.5_f64.powi(step)))
    }
}

impl MethodFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            started: Family::default(),
            received: Family::default(),
            sent: Family::default(),
            handled: Family::default(),
            handling: Family::new_with_constructor(Seconds),
        };
        let Self { started, received, sent, handled, handling } = &families;
        registry.register("grpc_server_started", "Calls begun", started.clone());
        registry.register("grpc_server_handled", "Calls ended, by status code", handled.clone());
        registry.register("grpc_server_handling_seconds", "Time of a call", handling.clone());
        registry.register("grpc_server_msg_received", "Messages received", received.clone());
        registry.register("grpc_server_msg_sent", "Messages sent", sent.clone());
        families
    }

    pub(super) fn method(&self, name: MethodName) -> MethodMeter {
        MethodMeter {
            started: self.started.get_or_create_owned(&name),
            received: self.received.get_or_create_owned(&name),
            sent: self.sent.get_or_create_owned(&name),
            ends: CODES.map(|_| OnceLock::new()),
            families: self.clone(),
            name,
        }
    }
}

/// The meters of one method, at hand without looking them up.
#[derive(Debug)]
pub struct MethodMeter {
    name: MethodName,
    started: Counter,
    received: Counter,
    sent: Counter,
    ends: [OnceLock<(Counter, Histogram)>; CODES.len()],
    families: MethodFamilies,
}

impl MethodMeter {
    /// A call began.
    pub fn started(&self) {
        self.started.inc();
    }

    /// Messages came.
    pub fn received(&self, messages: u64) {
        self.received.inc_by(messages);
    }

    /// Messages went.
    pub fn sent(&self, messages: u64) {
        self.sent.inc_by(messages);
    }

    /// A call ended with a status code. A code that gRPC does not know counts as unknown.
    pub fn handled(&self, code: i32, took: Duration) {
        let known = usize::try_from(code).ok().filter(|code| *code < CODES.len());
        let code = known.unwrap_or(2);
        let (Some(end), Some(text)) = (self.ends.get(code), CODES.get(code)) else { return };
        let (count, seconds) = end.get_or_init(|| self.end(text));
        count.inc();
        seconds.observe(took.as_secs_f64());
    }

    fn end(&self, grpc_code: &'static str) -> (Counter, Histogram) {
        let MethodName { grpc_type, grpc_service, grpc_method } = self.name.clone();
        let labels = EndLabels { grpc_type, grpc_service, grpc_method, grpc_code };
        let MethodFamilies { handled, handling, .. } = &self.families;
        (handled.get_or_create_owned(&labels), handling.get_or_create_owned(&labels))
    }
}
