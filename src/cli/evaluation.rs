//! How good a version is, in tables.

mod curves;

pub(super) use self::curves::columns_table;

use serde_json::{Value, json};

use crate::dataset::SeriesKey;
use crate::grpc::proto::{EvaluationMetric, ModelVersion};
use crate::training::{Evaluation, ForecastEvaluation, RfmEvaluation, SegmentsEvaluation};

use super::table::Table;
use crate::readable::{count, figure, metric, percent};

/// Series that are shown one by one.
const SERIES_SHOWN: usize = 10;

/// Metrics for programs, by name.
pub(super) fn metrics_json(metrics: &[EvaluationMetric]) -> Value {
    let entry = |metric: &EvaluationMetric| {
        let references = metric.references.iter();
        let references = references.map(|other| (other.name.clone(), other.value.into()));
        let value = json!({
            "value": metric.value,
            "higher_is_better": metric.higher_is_better,
            "references": Value::Object(references.collect()),
        });
        (metric.name.clone(), value)
    };
    Value::Object(metrics.iter().map(entry).collect())
}

/// Metrics with what they are compared with, side by side.
pub(super) fn metrics_table(metrics: &[EvaluationMetric]) -> Table {
    let mut others: Vec<&str> = Vec::new();
    for reference in metrics.iter().flat_map(|metric| &metric.references) {
        if !others.contains(&reference.name.as_str()) {
            others.push(&reference.name);
        }
    }
    let names = others.iter().map(|other| format!(">{other}")).collect::<Vec<_>>();
    let fixed = ["metric", "better", ">this version"].into_iter();
    let mut table = Table::new(fixed.chain(names.iter().map(String::as_str)));
    for row in metrics {
        let better = if row.higher_is_better { "higher" } else { "lower" };
        let mut cells = vec![row.name.clone(), better.to_owned(), metric(row.value)];
        cells.extend(others.iter().map(|other| {
            let reference = row.references.iter().find(|reference| reference.name == *other);
            reference.map_or_else(|| "-".to_owned(), |reference| metric(reference.value))
        }));
        table.row(cells);
    }
    table
}

/// Everything worth knowing about a version, for people.
pub(super) fn evaluation_text(version: &ModelVersion) -> String {
    let metrics = metrics_table(&version.metrics);
    let Ok(evaluation) = serde_json::from_str::<Evaluation>(&version.evaluation_json) else {
        // Written by another version of Patron: the metrics are what both know.
        return metrics.to_string();
    };
    match evaluation {
        Evaluation::Probability(evaluation) => curves::text(&evaluation, &metrics),
        Evaluation::Segments(evaluation) => segments_text(&evaluation, &metrics),
        Evaluation::Rfm(evaluation) => rfm_text(&evaluation),
        Evaluation::Forecast(evaluation) => forecast_text(&evaluation, &metrics),
    }
}

fn segments_text(evaluation: &SegmentsEvaluation, metrics: &Table) -> String {
    let rows = count(evaluation.rows as u64);
    let mut profile = Table::new(
        ["segment (medians)", ">customers", ">share"].into_iter().chain(
            evaluation
                .columns
                .iter()
                .map(String::as_str)
                .map(right)
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str),
        ),
    );
    let mut descriptions = Table::new(["segment", "what sets it apart"]);
    for segment in &evaluation.segments {
        let mut cells = vec![segment.name.clone(), count(segment.size), percent(segment.share)];
        cells.extend(segment.medians.iter().map(|median| figure(*median)));
        profile.row(cells);
        descriptions.row([&segment.name, &segment.description]);
    }
    let as_of = evaluation.as_of;
    let tried = tried(evaluation);
    format!("{rows} customers as of {as_of}\n\n{metrics}\n{tried}{profile}\n{descriptions}")
}

/// The numbers of clusters that were tried; nothing where there was no choice.
fn tried(evaluation: &SegmentsEvaluation) -> String {
    if evaluation.tried.len() < 2 {
        return String::new();
    }
    let mut table = Table::new([">clusters", ">silhouette", ">inertia", ""]);
    for one in &evaluation.tried {
        let silhouette = one.silhouette.map_or_else(|| "-".to_owned(), metric);
        let elbow = if evaluation.elbow == Some(one.clusters) { "elbow" } else { "" };
        table.row([one.clusters.to_string(), silhouette, figure(one.inertia), elbow.to_owned()]);
    }
    format!("{table}\n")
}

fn rfm_text(evaluation: &RfmEvaluation) -> String {
    let mut sizes = Table::new(["segment", ">customers", ">share"]);
    for size in &evaluation.sizes {
        sizes.row([size.segment.to_string(), count(size.size), percent(size.share)]);
    }
    let mut edges = Table::new(["score changes at", "from the worst to the best"]);
    for (name, values) in ["recency", "frequency", "monetary"].into_iter().zip(&evaluation.edges) {
        let values: Vec<String> = values.iter().map(|value| figure(*value)).collect();
        edges.row([name.to_owned(), values.join("  ")]);
    }
    let (rows, as_of) = (count(evaluation.rows as u64), evaluation.as_of);
    let naming = evaluation.naming;
    format!("{rows} customers as of {as_of}, names by table {naming}\n\n{sizes}\n{edges}")
}

fn forecast_text(evaluation: &ForecastEvaluation, metrics: &Table) -> String {
    let (horizon, series) = (evaluation.horizon, evaluation.evaluated);
    let option = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), metric);
    let share = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), percent);
    let mut table =
        Table::new(["series", "method", ">mase", ">smape", ">within 80 %", ">within 95 %"]);
    for one in evaluation.series.iter().take(SERIES_SHOWN) {
        table.row([
            series_name(&one.key.group, &one.key.value),
            one.method.clone(),
            option(one.mase),
            option(one.smape),
            share(one.coverage_80),
            share(one.coverage_95),
        ]);
    }
    let hidden = evaluation.series.len().saturating_sub(SERIES_SHOWN);
    let more = if hidden > 0 { format!("and {hidden} more series\n") } else { String::new() };
    let mut steps = Table::new([">periods ahead", ">mase", ">within 80 %", ">within 95 %"]);
    for one in &evaluation.steps {
        let within = [one.coverage_80, one.coverage_95].map(share);
        let [of_80, of_95] = within;
        steps.row([one.step.to_string(), option(one.mase), of_80, of_95]);
    }
    let steps = if evaluation.steps.is_empty() { String::new() } else { format!("\n{steps}") };
    format!(
        "last {horizon} periods of {series} series, held out\n\n{metrics}\n{table}{more}{steps}"
    )
}

/// A series as it is written on the command line, after its title where that says more.
pub(super) fn series_name(group: &str, value: &str) -> String {
    let key = SeriesKey { group: group.to_owned(), value: value.to_owned() };
    let (written, title) = (key.to_string(), key.title());
    if written == title { written } else { format!("{title} ({written})") }
}

fn right(name: &str) -> String {
    format!(">{name}")
}

#[cfg(test)]
mod tests {
    use crate::grpc::proto::MetricReference;

    use super::*;

    #[test]
    fn baselines_and_champion_stand_beside_the_version() {
        let reference = |name: &str, value| MetricReference { name: name.to_owned(), value };
        let metric = |name: &str, value, higher_is_better, references| EvaluationMetric {
            name: name.to_owned(),
            value,
            higher_is_better,
            references,
        };
        let auc = vec![reference("recency", 0.7), reference("champion", 0.75)];
        let metrics = [
            metric("roc_auc", 0.8, true, auc),
            metric("log_loss", 0.5, false, vec![reference("base_rate", 0.69)]),
        ];
        assert_eq!(
            metrics_table(&metrics).to_string(),
            "metric    better  this version  recency  champion  base_rate\n\
             roc_auc   higher        0.8000   0.7000    0.7500          -\n\
             log_loss  lower         0.5000        -         -     0.6900\n"
        );
        let json = metrics_json(&metrics);
        assert_eq!(json["roc_auc"]["references"]["champion"], 0.75);
    }

    #[test]
    fn a_series_is_written_as_it_is_asked_for() {
        assert_eq!(series_name("total", ""), "total");
        assert_eq!(series_name("country", "France"), "country=France");
        assert_eq!(series_name("product", ""), "all other products (product=)");
        assert_eq!(series_name("category", ""), "all other categories (category=)");
        assert_eq!(series_name("segment", ""), "all other customers (segment=)");
    }

    #[test]
    fn an_unknown_evaluation_still_shows_the_metrics() {
        let version = ModelVersion { evaluation_json: "{}".to_owned(), ..ModelVersion::default() };
        assert_eq!(evaluation_text(&version), "metric  better  this version\n");
    }
}
