//! What a dashboard and alert rules name, the server must have: a metric that was renamed would leave
//! an empty panel and an alert that never comes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every metric that `/metrics` has, as Prometheus stores it.
const METRICS: &[&str] = &[
    "grpc_server_started_total",
    "grpc_server_handled_total",
    "grpc_server_handling_seconds_bucket",
    "grpc_server_handling_seconds_sum",
    "grpc_server_handling_seconds_count",
    "grpc_server_msg_received_total",
    "grpc_server_msg_sent_total",
    "patron_predict_rows_total",
    "patron_inference_seconds_bucket",
    "patron_inference_seconds_sum",
    "patron_inference_seconds_count",
    "patron_queue_seconds_bucket",
    "patron_queue_seconds_sum",
    "patron_queue_seconds_count",
    "patron_inflight_calls",
    "patron_inflight_rows",
    "patron_rejected_total",
    "patron_panics_total",
    "patron_model_loaded",
    "patron_model_load_seconds",
    "patron_feature_age_seconds",
    "patron_jobs",
    "patron_job_seconds_bucket",
    "patron_job_seconds_sum",
    "patron_job_seconds_count",
    "patron_ingest_lines_total",
    "patron_store_tail_bytes",
    "patron_build_info",
];

#[test]
fn dashboard_and_alerts_name_only_metrics_that_there_are() {
    let named = named_metrics();
    assert!(named.len() > METRICS.len() / 2, "{named:?}");
    let unknown: Vec<&String> =
        named.iter().filter(|name| !METRICS.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "no such metrics: {unknown:?}");
}

#[test]
fn every_alert_has_its_place_in_the_runbook() {
    let runbook = fs::read_to_string(root().join("docs/RUNBOOK.md")).unwrap();
    let alerts = deployed("prometheus/alerts.yml");
    let named = |marker: &'static str| {
        alerts.lines().filter_map(move |line| line.trim().strip_prefix(marker)).map(str::to_owned)
    };
    let alerts: Vec<String> = named("- alert: ").collect();
    let anchors: Vec<String> = named("runbook: docs/RUNBOOK.md#").collect();
    let lower: Vec<String> = alerts.iter().map(|alert| alert.to_lowercase()).collect();
    assert_eq!(anchors, lower);
    for alert in alerts {
        assert!(runbook.contains(&format!("### {alert}\n")), "{alert} is not in the runbook");
    }
}

#[test]
fn the_config_map_is_the_sample_configuration() {
    let map = deployed("kubernetes/configmap.yaml");
    let (_, inside) = map.split_once("  patron.toml: |\n").unwrap();
    let inside: Vec<&str> =
        inside.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    let sample = deployed("patron.toml");
    assert_eq!(inside, sample.lines().collect::<Vec<_>>());
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn deployed(path: &str) -> String {
    fs::read_to_string(root().join("deploy").join(path)).unwrap()
}

/// Every metric that the dashboard or an alert names.
fn named_metrics() -> BTreeSet<String> {
    let text = deployed("grafana/patron.json") + &deployed("prometheus/alerts.yml");
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| word.starts_with("patron_") || word.starts_with("grpc_server_");
    words.filter(is_metric).map(str::to_owned).collect()
}
