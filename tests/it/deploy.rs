//! What a dashboard and alert rules name, the server must have: a metric that was renamed would leave
//! an empty panel and an alert that never comes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use patron::config::{Config, RawConfig};

use crate::meters::NAMES;

#[test]
fn dashboard_and_alerts_name_only_metrics_that_there_are() {
    let named = named_metrics();
    assert!(named.len() > NAMES.len() / 2, "{named:?}");
    let is_known = |name: &str| {
        let mut ends = ["", "_bucket", "_sum", "_count"].into_iter();
        ends.any(|end| name.strip_suffix(end).is_some_and(|base| NAMES.contains(&base)))
    };
    let unknown: Vec<&String> = named.iter().filter(|name| !is_known(name)).collect();
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

#[test]
fn the_sample_configuration_holds() {
    let sample = deployed("patron.toml");
    let raw = RawConfig::read(Some(("patron.toml", &sample)), |_| None);
    let config = Config::check(&raw).unwrap();
    assert_eq!(config.listen.port(), 50_051);
    assert!(config.metrics_listen.is_some() && config.tls.is_some());
    let misspelt = sample.replace("drain_seconds", "drain_second");
    assert!(Config::check(&RawConfig::read(Some(("patron.toml", &misspelt)), |_| None)).is_err());
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
