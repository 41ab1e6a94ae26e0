//! The meters of one server, in the text format of Prometheus.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor as _};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::method::{MethodFamilies, MethodMeter, MethodName, Seconds};
use super::state::{JobCount, LoadedModel, ServerState};

/// Panics of this process that were contained.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Counts a panic that was contained.
pub fn panicked() {
    PANICS.fetch_add(1, Ordering::Relaxed);
}

/// A gauge of a float.
type FloatGauge = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ModelLabels {
    model: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct VersionLabels {
    model: String,
    version: u64,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ReasonLabels {
    reason: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct JobLabels {
    state: String,
    kind: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct JobEndLabels {
    kind: String,
    outcome: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// All meters of a server. Labels are models, versions, methods, codes, reasons, kinds and states:
/// there are as many series as of those, however many customers and calls there are.
pub struct Meters {
    registry: Mutex<Registry>,
    methods: MethodFamilies,
    rows: Family<VersionLabels, Counter>,
    inference: Family<ModelLabels, Histogram, Seconds>,
    queue: Histogram,
    rejected: Family<ReasonLabels, Counter>,
    panics: Counter,
    job_seconds: Family<JobEndLabels, Histogram, Seconds>,
    lines: Family<OutcomeLabels, Counter>,
    state: StateGauges,
}

/// Gauges that are set when somebody asks.
#[derive(Default)]
struct StateGauges {
    calls: Gauge,
    rows: Gauge,
    loaded: Family<VersionLabels, Gauge>,
    load_seconds: Family<ModelLabels, FloatGauge>,
    feature_age: Family<ModelLabels, FloatGauge>,
    jobs: Family<JobLabels, Gauge>,
    tail: Gauge,
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

impl Meters {
    /// Meters at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let meters = Self {
            methods: MethodFamilies::register(&mut registry),
            registry: Mutex::default(),
            rows: Family::default(),
            inference: Family::new_with_constructor(Seconds),
            queue: Seconds.new_metric(),
            rejected: Family::default(),
            panics: Counter::default(),
            job_seconds: Family::new_with_constructor(Seconds),
            lines: Family::default(),
            state: StateGauges::default(),
        };
        meters.register(&mut registry);
        meters.state.register(&mut registry);
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("patron_build", "The program", Info::new(version));
        *meters.registry.lock().unwrap_or_else(PoisonError::into_inner) = registry;
        meters
    }

    fn register(&self, registry: &mut Registry) {
        let Self { rows, inference, queue, rejected, panics, job_seconds, lines, .. } = self;
        registry.register("patron_predict_rows", "Rows answered", rows.clone());
        let help = "Time to gather and predict the rows of a call or item";
        registry.register("patron_inference_seconds", help, inference.clone());
        let help = "Time from the arrival of a predict call to its beginning";
        registry.register("patron_queue_seconds", help, queue.clone());
        let help = "Calls that were turned away, by the reason they were given";
        registry.register("patron_rejected", help, rejected.clone());
        registry.register("patron_panics", "Panics that were contained", panics.clone());
        registry.register("patron_job_seconds", "Time of a job", job_seconds.clone());
        let help = "Lines that came over streams and from files, by what became of them";
        registry.register("patron_ingest_lines", help, lines.clone());
    }

    /// The meters of a method.
    pub fn method(&self, name: MethodName) -> MethodMeter {
        self.methods.method(name)
    }

    /// A version answered some rows.
    pub fn predicted(&self, model: &str, version: u64, rows: usize, took: Duration) {
        let labels = VersionLabels { model: model.to_owned(), version };
        self.rows.get_or_create(&labels).inc_by(rows as u64);
        let labels = ModelLabels { model: labels.model };
        self.inference.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A predict call waited before it began.
    pub fn waited(&self, waited: Duration) {
        self.queue.observe(waited.as_secs_f64());
    }

    /// A call was turned away for a reason, one of the reasons that the protos list.
    pub fn rejected(&self, reason: &str) {
        self.rejected.get_or_create(&ReasonLabels { reason: reason.to_owned() }).inc();
    }

    /// A job ended.
    pub fn job_ended(&self, kind: &str, outcome: &str, took: Duration) {
        let labels = JobEndLabels { kind: kind.to_owned(), outcome: outcome.to_owned() };
        self.job_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Lines came; `outcome` is what became of them.
    pub fn ingested(&self, outcome: &'static str, lines: u64) {
        if lines > 0 {
            self.lines.get_or_create(&OutcomeLabels { outcome }).inc_by(lines);
        }
    }

    /// All meters as text, with the state of the server now.
    ///
    /// # Errors
    /// When a name or a value cannot be written.
    pub fn text(&self, state: &ServerState) -> Result<String, fmt::Error> {
        // Two who ask at once must not empty each other's gauges.
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.panics.inner().store(PANICS.load(Ordering::Relaxed), Ordering::Relaxed);
        self.state.set(state);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl StateGauges {
    fn register(&self, registry: &mut Registry) {
        let Self { calls, rows, loaded, load_seconds, feature_age, jobs, tail } = self;
        registry.register("patron_inflight_calls", "Predict calls at work", calls.clone());
        registry.register("patron_inflight_rows", "Rows of predict calls at work", rows.clone());
        registry.register("patron_model_loaded", "Versions in memory", loaded.clone());
        let help = "Time to load and check the version that was loaded last";
        registry.register("patron_model_load_seconds", help, load_seconds.clone());
        let help = "Time since the newest stored line that the model can see occurred";
        registry.register("patron_feature_age_seconds", help, feature_age.clone());
        registry.register("patron_jobs", "Jobs, by state and kind", jobs.clone());
        registry.register("patron_store_tail_bytes", "Lines not packed yet", tail.clone());
    }

    fn set(&self, state: &ServerState) {
        let ServerState {
            inflight_calls,
            inflight_rows,
            models,
            feature_age_seconds,
            jobs,
            tail_bytes,
        } = state;
        self.calls.set(*inflight_calls as i64);
        self.rows.set(*inflight_rows as i64);
        self.tail.set(*tail_bytes as i64);
        self.set_models(models, *feature_age_seconds);
        self.jobs.clear();
        for JobCount { state, kind, count } in jobs {
            let labels = JobLabels { state: state.clone(), kind: kind.clone() };
            self.jobs.get_or_create(&labels).set(*count as i64);
        }
    }

    fn set_models(&self, models: &[LoadedModel], feature_age: Option<f64>) {
        self.loaded.clear();
        self.load_seconds.clear();
        self.feature_age.clear();
        for LoadedModel { model, version, load_seconds, reads_lines } in models {
            let labels = VersionLabels { model: model.clone(), version: *version };
            self.loaded.get_or_create(&labels).set(1);
            let labels = ModelLabels { model: labels.model };
            self.load_seconds.get_or_create(&labels).set(*load_seconds);
            if let Some(age) = feature_age.filter(|_| *reads_lines) {
                self.feature_age.get_or_create(&labels).set(age);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What dashboards and alert rules ask for.
    const SERIES: [&str; 20] = [
        r#"grpc_server_started_total{grpc_type="unary",grpc_service="s",grpc_method="m"} 1"#,
        r#"grpc_server_handled_total{grpc_type="unary",grpc_service="s",grpc_method="m",grpc_code="OK"} 1"#,
        r#"grpc_server_handling_seconds_count{grpc_type="unary",grpc_service="s",grpc_method="m",grpc_code="OK"} 1"#,
        r#"grpc_server_msg_received_total{grpc_type="unary",grpc_service="s",grpc_method="m"} 2"#,
        r#"grpc_server_msg_sent_total{grpc_type="unary",grpc_service="s",grpc_method="m"} 3"#,
        r#"patron_predict_rows_total{model="churn",version="7"} 10"#,
        r#"patron_inference_seconds_count{model="churn"} 1"#,
        "patron_queue_seconds_count 1",
        "patron_inflight_calls 4",
        "patron_inflight_rows 5",
        r#"patron_rejected_total{reason="OVERLOADED"} 1"#,
        "patron_panics_total ",
        r#"patron_model_loaded{model="churn",version="7"} 1"#,
        r#"patron_model_load_seconds{model="churn"} 0.5"#,
        r#"patron_feature_age_seconds{model="churn"} 60.0"#,
        r#"patron_jobs{state="queued",kind="training"} 3"#,
        r#"patron_job_seconds_count{kind="training",outcome="succeeded"} 1"#,
        r#"patron_ingest_lines_total{outcome="accepted"} 6"#,
        "patron_store_tail_bytes 9",
        r#"patron_build_info{version=""#,
    ];

    #[test]
    fn every_meter_has_its_name_and_labels() {
        let meters = Meters::new();
        let name = |text: &str| text.to_owned();
        let method = meters.method(MethodName {
            grpc_type: "unary",
            grpc_service: name("s"),
            grpc_method: name("m"),
        });
        method.started();
        method.received(2);
        method.sent(3);
        method.handled(0, Duration::from_micros(50));
        meters.predicted("churn", 7, 10, Duration::from_micros(50));
        meters.waited(Duration::from_micros(5));
        meters.rejected("OVERLOADED");
        meters.job_ended("training", "succeeded", Duration::from_secs(3));
        meters.ingested("accepted", 6);
        meters.ingested("refused", 0);
        let state = ServerState {
            inflight_calls: 4,
            inflight_rows: 5,
            models: vec![LoadedModel {
                model: name("churn"),
                version: 7,
                load_seconds: 0.5,
                reads_lines: true,
            }],
            feature_age_seconds: Some(60.0),
            jobs: vec![JobCount { state: name("queued"), kind: name("training"), count: 3 }],
            tail_bytes: 9,
        };
        let text = meters.text(&state).unwrap();
        for series in SERIES {
            assert!(text.lines().any(|line| line.starts_with(series)), "{series} in\n{text}");
        }
        // What is gone from the state is gone from the text.
        let text = meters.text(&ServerState::default()).unwrap();
        assert!(!text.contains("patron_model_loaded{") && !text.contains("patron_jobs{"), "{text}");
    }
}
