//! The metrics of a version, how sure they are, and what they are compared with.

use std::collections::BTreeMap;

use super::figure::{Axis, Caption, Colour, Figure, Key, Mark, Plot, Shape};
use super::page::{Section, Table};
use super::words::{metric_meaning, metric_name, reference_name};
use super::{ReportError, Subject};
use crate::metrics::{ConfidenceInterval, Measure, MeasureDifference, MeasureInterval};
use crate::model::ModelKind;
use crate::readable::metric;
use crate::repository::Metric;
use crate::training::{Evaluation, ProbabilityEvaluation};

/// What the bootstrap says of the metrics; empty for kinds that have none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sureness<'a> {
    intervals: &'a [MeasureInterval],
    differences: &'a [MeasureDifference],
}

impl<'a> From<&'a ProbabilityEvaluation> for Sureness<'a> {
    fn from(evaluation: &'a ProbabilityEvaluation) -> Self {
        let ProbabilityEvaluation { intervals, differences, .. } = evaluation;
        Self { intervals, differences }
    }
}

impl Sureness<'_> {
    /// The 95 % interval of a metric.
    pub(super) fn of(&self, name: &str) -> Option<ConfidenceInterval> {
        let found = self.intervals.iter().find(|one| measure_name(one.measure) == name);
        found.and_then(|one| one.interval)
    }

    /// The difference to the champion.
    pub(super) fn difference(&self, name: &str) -> Option<ConfidenceInterval> {
        let found = self.differences.iter().find(|one| measure_name(one.measure) == name);
        found.and_then(|one| one.difference)
    }
}

/// The name of a measure among the metrics of a version.
fn measure_name(measure: Measure) -> &'static str {
    match measure {
        Measure::RocAuc => "roc_auc",
        Measure::AveragePrecision => "average_precision",
        Measure::LogLoss => "log_loss",
        Measure::BrierScore => "brier_score",
        Measure::ExpectedCalibrationError => "expected_calibration_error",
        Measure::KsStatistic => "ks",
        Measure::TopDecileLift => "lift_top_decile",
    }
}

/// All metrics, with intervals, baselines and champion beside them; nothing for scores, which are
/// counted and have none.
pub(super) fn section(subject: &Subject) -> Result<Option<Section>, ReportError> {
    if subject.manifest.kind == ModelKind::Rfm {
        return Ok(None);
    }
    let metrics = &subject.manifest.metrics;
    let sureness = match &subject.evaluation {
        Some(Evaluation::Probability(evaluation)) => Sureness::from(evaluation.as_ref()),
        _ => Sureness::default(),
    };
    let mut section = Section::new("metrics", "How good it is");
    if metrics.is_empty() {
        section.note("This version keeps no metrics.");
        return Ok(Some(section));
    }
    if let Some(interval) = sureness.of("roc_auc") {
        section.figure(ranking(metrics, interval)?);
    } else if subject.manifest.label.is_some() {
        section.note(
            "This version keeps no intervals of its metrics; a version that is trained anew does.",
        );
    }
    section.table(table(subject.manifest.kind, metrics, sureness));
    let differences = differences(sureness);
    if !differences.rows.is_empty() {
        section.text(
            "The champion answered the same rows. A difference whose interval holds 0 may be \
             chance.",
        );
        section.table(differences);
    }
    Ok(Some(section))
}

/// One row per metric.
fn table(kind: ModelKind, metrics: &BTreeMap<String, Metric>, sureness: Sureness<'_>) -> Table {
    let caption = match kind {
        ModelKind::Segments => "Metrics",
        _ => "Metrics on rows that were not learned from",
    };
    let mut others: Vec<&str> = Vec::new();
    for name in metrics.values().flat_map(|metric| metric.references.keys()) {
        if !others.contains(&name.as_str()) {
            others.push(name);
        }
    }
    let with_intervals = !sureness.intervals.is_empty();
    let names: Vec<String> =
        others.iter().map(|other| format!(">{}", reference_name(other))).collect();
    let fixed = ["metric", "better", ">this version"].into_iter();
    let interval = with_intervals.then_some(">95 % interval");
    let columns = fixed.chain(interval).chain(names.iter().map(String::as_str));
    let mut table = Table::new(caption, columns.chain(["what it says"]));
    for (name, row) in metrics {
        let better = if row.higher_is_better { "higher" } else { "lower" };
        let mut cells = vec![metric_name(name).to_owned(), better.to_owned(), metric(row.value)];
        if with_intervals {
            cells.push(sureness.of(name).map_or_else(|| "-".to_owned(), |one| range(&one)));
        }
        cells.extend(others.iter().map(|other| {
            row.references.get(*other).map_or_else(|| "-".to_owned(), |value| metric(*value))
        }));
        cells.push(metric_meaning(name).to_owned());
        table.row(cells);
    }
    table
}

fn differences(sureness: Sureness<'_>) -> Table {
    let columns = ["metric", ">this version less champion", ">95 % interval", "what that says"];
    let mut table = Table::new("Difference to the champion", columns);
    for one in sureness.differences {
        let Some(found) = one.difference else { continue };
        let signed = |value: f64| format!("{value:+.4}");
        let better = (found.estimate > 0.0) == one.measure.higher_is_better();
        let verdict = if found.lower <= 0.0 && found.upper >= 0.0 {
            "may be chance"
        } else if better {
            "better"
        } else {
            "worse"
        };
        table.row([
            metric_name(measure_name(one.measure)).to_owned(),
            signed(found.estimate),
            format!("{} to {}", signed(found.lower), signed(found.upper)),
            verdict.to_owned(),
        ]);
    }
    table
}

fn range(interval: &ConfidenceInterval) -> String {
    format!("{} to {}", metric(interval.lower), metric(interval.upper))
}

/// How well it ranks, with its interval, beside what it is compared with.
fn ranking(
    metrics: &BTreeMap<String, Metric>,
    interval: ConfidenceInterval,
) -> Result<Figure, ReportError> {
    let references: Vec<(&str, f64)> = metrics
        .get("roc_auc")
        .map(|metric| metric.references.iter().map(|(name, value)| (name.as_str(), *value)))
        .map(Iterator::collect)
        .unwrap_or_default();
    let mut table = Table::new("Area under the ROC curve", ["who ranks", ">ROC AUC"]);
    table.row([
        "this version".to_owned(),
        format!("{} ({})", metric(interval.estimate), range(&interval)),
    ]);
    for (name, value) in &references {
        table.row([reference_name(name).to_owned(), metric(*value)]);
    }
    let caption = Caption {
        id: "ranking".to_owned(),
        title: "How well it ranks, against simpler ways".to_owned(),
        description: format!(
            "Area under the ROC curve: this version {}, 95 % interval {}; {}.",
            metric(interval.estimate),
            range(&interval),
            references
                .iter()
                .map(|(name, value)| format!("{} {}", reference_name(name), metric(*value)))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        reading: "Farther right is better; at 0.5 one might as well toss a coin. The bar is where \
                  the value may lie: a baseline to the left of the whole bar is clearly beaten."
            .to_owned(),
    };
    let plot = ranking_plot(interval, &references);
    let legend = vec![
        Key {
            shape: Shape::Points,
            colour: Colour::Blue,
            label: "this version, with its 95 % interval",
        },
        Key { shape: Shape::Points, colour: Colour::Orange, label: "what it is compared with" },
    ];
    Figure::new(caption, &plot, legend, Some(table))
}

/// The version in the first row, then what it is compared with.
pub(super) fn ranking_plot(interval: ConfidenceInterval, references: &[(&str, f64)]) -> Plot {
    let row = |index: usize| index as f64 + 0.5;
    let mut marks = vec![
        Mark::Bar {
            from: (interval.lower, 0.4),
            to: (interval.upper, 0.6),
            colour: Colour::Blue,
            opacity: 0.45,
        },
        Mark::Points { points: vec![(interval.estimate, row(0))], colour: Colour::Blue },
    ];
    marks.extend(references.iter().enumerate().map(|(index, (_, value))| Mark::Points {
        points: vec![(*value, row(index + 1))],
        colour: Colour::Orange,
    }));
    let values = references.iter().map(|(_, value)| *value).chain([interval.lower, 0.5]);
    let least = values.fold(f64::INFINITY, f64::min).min(0.5);
    let names =
        ["this version"].into_iter().chain(references.iter().map(|(name, _)| reference_name(name)));
    let x = Axis::numbers("area under the ROC curve", (least - 0.02, 1.0), two_digits);
    Plot::new(x, Axis::rows(names), marks)
}

fn two_digits(value: f64) -> String {
    format!("{value:.2}")
}
