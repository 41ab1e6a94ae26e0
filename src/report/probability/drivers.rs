//! What the probabilities depend on.

use super::NOT_KEPT;
use crate::model::{ColumnEvidence, DependenceCurve, Rule};
use crate::readable::{count, figure, metric, percent};
use crate::report::figure::{Axis, Caption, Colour, Figure, Mark, Plot, Ticks};
use crate::report::page::{Section, Table};
use crate::report::words::{condition, plain};
use crate::report::{ReportError, Subject};
use crate::training::ProbabilityEvaluation;

/// Columns that are drawn.
const DRAWN: usize = 12;
/// Rules that are told.
const RULES: usize = 8;

/// Weights, curves, rules, and columns that know too much.
pub(super) fn section(
    subject: &Subject,
    evaluation: &ProbabilityEvaluation,
) -> Result<Section, ReportError> {
    let mut section = Section::new("drivers", "What drives it");
    let mut weights: Vec<(&str, f64)> =
        evaluation.importance.iter().map(|(name, weight)| (name.as_str(), *weight)).collect();
    weights.sort_by(|a, b| b.1.total_cmp(&a.1));
    if weights.iter().all(|(_, weight)| *weight <= 0.0) {
        section.note("No column carries weight: everybody gets the same probability.");
    } else {
        section.figure(importance(&weights)?);
    }
    if evaluation.dependence.is_empty() {
        section.note(format!("This version keeps no partial dependence; {NOT_KEPT}"));
    } else {
        section.heading("How the probability moves with each");
        section.text(
            "The mean probability when the column had the value for everybody, all else as it is. \
             It tells what the model does, not what an offer would change.",
        );
        for (index, curve) in evaluation.dependence.iter().enumerate() {
            if curve.points.len() > 1 {
                section.figure(dependence(index, curve)?);
            }
        }
    }
    section.table(coefficients(evaluation));
    section.table(rules(&evaluation.rules, subject.noun()));
    if !evaluation.suspects.is_empty() {
        section.heading("Columns that may know the outcome");
        section.note(
            "These columns alone say so much of the outcome that they may have been filled in \
             after it was known. See that they were known at the time of the prediction; if not, \
             exclude them and train again: the figures of this page are then too good.",
        );
        section.table(suspects(&evaluation.suspects));
    }
    Ok(section)
}

fn importance(weights: &[(&str, f64)]) -> Result<Figure, ReportError> {
    let total: f64 = weights.iter().map(|(_, weight)| weight.max(0.0)).sum();
    let shares: Vec<(&str, f64)> =
        weights.iter().map(|(name, weight)| (*name, weight.max(0.0) / total)).collect();
    let mut table = Table::new("Weight of the columns", ["column", ">weight", ">share of all"]);
    for ((name, weight), (_, share)) in weights.iter().zip(&shares) {
        if *share > 0.0 {
            table.row([(*name).to_owned(), metric(*weight), percent(*share)]);
        }
    }
    let drawn: Vec<(&str, f64)> =
        shares.iter().copied().filter(|(_, share)| *share > 0.0).take(DRAWN).collect();
    let (first, share) = drawn.first().copied().unwrap_or_default();
    let caption = Caption {
        id: "importance".to_owned(),
        title: "Which columns weigh most".to_owned(),
        description: format!(
            "{first} weighs most with {} of all weight; {} columns are drawn.",
            percent(share),
            drawn.len()
        ),
        reading: "The longer the bar, the more the probabilities depend on the column. Where two \
                  columns tell the same, they share the weight. It does not say in which direction; \
                  the curves below do."
            .to_owned(),
    };
    Figure::new(caption, &weights_plot(&drawn), Vec::new(), Some(table))
}

/// One bar per column.
pub(in crate::report) fn weights_plot(weights: &[(&str, f64)]) -> Plot {
    let longest = weights.iter().map(|(_, share)| *share).fold(0.0_f64, f64::max);
    let bar = |(row, (_, share)): (usize, &(&str, f64))| Mark::Bar {
        from: (0.0, row as f64 + 0.2),
        to: (*share, row as f64 + 0.8),
        colour: Colour::Blue,
        opacity: 1.0,
    };
    let marks = weights.iter().enumerate().map(bar).collect();
    let x = Axis::numbers(
        "share of all weight",
        (0.0, longest * 1.05),
        crate::report::words::whole_percent,
    );
    Plot::new(x, Axis::rows(weights.iter().map(|(name, _)| *name)), marks)
}

fn dependence(index: usize, curve: &DependenceCurve) -> Result<Figure, ReportError> {
    let points: Vec<(f64, f64)> =
        curve.points.iter().map(|point| (f64::from(point.value), point.mean)).collect();
    let mut table = Table::new("Partial dependence", [curve.column.as_str(), ">mean probability"]);
    for (value, mean) in &points {
        table.row([figure(*value), percent(*mean)]);
    }
    let ends = points.first().zip(points.last());
    let low = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|point| point.1).fold(0.0_f64, f64::max);
    let caption = Caption {
        id: format!("dependence-{index}"),
        title: plain(&curve.column),
        description: ends.map_or_else(String::new, |(first, last)| {
            format!(
                "From {} at {} to {} at {}.",
                percent(first.1),
                figure(first.0),
                percent(last.1),
                figure(last.0)
            )
        }),
        reading: format!(
            "The mean probability lies between {} and {}. The values are drawn evenly spaced, from \
             the least to the largest.",
            percent(low),
            percent(high)
        ),
    };
    Figure::new(caption, &dependence_plot(&points), Vec::new(), Some(table))
}

/// The mean probability by value. The values are evenly spaced: the largest often lies so far out
/// that all others would be one.
pub(in crate::report) fn dependence_plot(points: &[(f64, f64)]) -> Plot {
    let low = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|point| point.1).fold(0.0_f64, f64::max);
    let placed: Vec<(f64, f64)> =
        points.iter().enumerate().map(|(at, point)| (at as f64, point.1)).collect();
    let last = points.len().saturating_sub(1);
    let mut named = vec![0, last / 3, last * 2 / 3, last];
    named.dedup();
    let label = |at: usize| Some((at as f64, figure(points.get(at)?.0)));
    let ticks = Ticks::At(named.into_iter().filter_map(label).collect());
    let x = Axis { range: (0.0, last.max(1) as f64), title: "", ticks };
    let room = ((high - low) * 0.1).max(0.01);
    let range = ((low - room).max(0.0), (high + room).min(1.0));
    let y = Axis::numbers("mean probability", range, one_percent);
    let marks = vec![
        Mark::Line { points: placed.clone(), colour: Colour::Blue },
        Mark::Points { points: placed, colour: Colour::Blue },
    ];
    Plot::new(x, y, marks)
}

fn one_percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn coefficients(evaluation: &ProbabilityEvaluation) -> Table {
    let columns = ["column", ">coefficient", ">standard error"];
    let caption = "Standardised coefficients: log-odds for one standard deviation more";
    let mut table = Table::new(caption, columns);
    let mut sorted: Vec<_> = evaluation.coefficients.iter().collect();
    sorted.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    for (name, value, error) in sorted {
        let error = error.map_or_else(|| "-".to_owned(), metric);
        table.row([name.clone(), format!("{value:+.4}"), error]);
    }
    table
}

fn rules(rules: &[Rule], noun: &str) -> Table {
    let number = format!(">{noun}s");
    let columns = ["where", ">probability", number.as_str()];
    let mut table =
        Table::new("The tree in words: its leaves with the highest probability", columns);
    let mut sorted: Vec<&Rule> = rules.iter().collect();
    sorted.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    for rule in sorted.into_iter().take(RULES) {
        let conditions: Vec<String> = rule.conditions.iter().map(condition).collect();
        let text =
            if conditions.is_empty() { "everywhere".to_owned() } else { conditions.join(", ") };
        table.row([text, percent(rule.probability), count(rule.rows)]);
    }
    table
}

fn suspects(suspects: &[ColumnEvidence]) -> Table {
    let columns = ["column", ">information value", ">ROC AUC alone"];
    let mut table = Table::new("Suspects of leakage", columns);
    for one in suspects {
        table.row([one.column.clone(), metric(one.information_value), metric(one.roc_auc)]);
    }
    table
}
