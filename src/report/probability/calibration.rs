//! Whether the probabilities come true as often as they say.

use super::NOT_KEPT;
use crate::metrics::{CalibrationLine, ReliabilityBin};
use crate::model::{CalibrationMethod, CalibrationTrial};
use crate::readable::{count, metric, percent};
use crate::report::figure::{Axis, Caption, Colour, Figure, Key, Mark, Plot, Shape};
use crate::report::page::{Section, Table};
use crate::report::{ReportError, Subject};
use crate::training::ProbabilityEvaluation;

/// A calibration error that nobody notices, and one that spoils sums of money.
const GOOD: f64 = 0.03;
const FAIR: f64 = 0.07;

/// Whether the probabilities may be taken at their word, in one sentence.
pub(in crate::report) fn verdict(evaluation: &ProbabilityEvaluation) -> String {
    let error = evaluation.metrics.get("expected_calibration_error").map(|metric| metric.value);
    let Some(error) = error else {
        return "It is not known: this version keeps no calibration error.".to_owned();
    };
    let miss = percent(error);
    if error <= GOOD {
        format!("Yes. On rows it had never seen they missed what came true by {miss} on average.")
    } else if error <= FAIR {
        format!(
            "For most purposes. They missed what came true by {miss} on average: take them as \
             rough shares, and the order of the list at its word."
        )
    } else {
        format!(
            "With care. They missed what came true by {miss} on average: use the order of the \
             list, and do not multiply the probabilities by money."
        )
    }
}

/// The reliability diagram, and what calibration changed.
pub(super) fn section(
    subject: &Subject,
    evaluation: &ProbabilityEvaluation,
) -> Result<Section, ReportError> {
    let mut section = Section::new("calibration", "May I trust the probabilities?");
    section.text(verdict(evaluation));
    if evaluation.reliability.is_empty() {
        section.note("This version keeps no reliability diagram.");
    } else {
        section.figure(reliability(subject, &evaluation.reliability)?);
    }
    match &evaluation.calibration_line {
        Some(line) => section.text(line_text(*line)),
        None => section.note(format!(
            "This version keeps no slope and intercept of its calibration; {NOT_KEPT}"
        )),
    }
    section.text(format!("Calibration: {}.", evaluation.calibration));
    if evaluation.calibration_trials.is_empty() {
        section.note(
            "What calibration changed was not kept: there was no choice, or an earlier program \
             trained it.",
        );
    } else {
        section.table(trials(&evaluation.calibration_trials));
    }
    Ok(section)
}

fn line_text(line: CalibrationLine) -> String {
    let CalibrationLine { slope, intercept } = line;
    let spread = if slope < 0.8 {
        "the probabilities are too extreme: high ones too high, low ones too low"
    } else if slope > 1.25 {
        "the probabilities are too timid: high ones too low, low ones too high"
    } else {
        "the probabilities are neither too extreme nor too timid"
    };
    let level = if intercept > 0.15 {
        "and too low on the whole"
    } else if intercept < -0.15 {
        "and too high on the whole"
    } else {
        "and right on the whole"
    };
    format!(
        "Slope {slope:.2} and intercept {intercept:+.2} of the outcomes on the predicted log-odds \
         (1 and 0 are perfect): {spread}, {level}."
    )
}

fn reliability(subject: &Subject, bins: &[ReliabilityBin]) -> Result<Figure, ReportError> {
    let noun = subject.noun();
    let number = format!(">{noun}s");
    let columns = [">predicted", ">came true", number.as_str()];
    let mut table = Table::new("Predicted and observed", columns);
    for bin in bins {
        table.row([percent(bin.mean_predicted), percent(bin.observed), count(bin.count)]);
    }
    let widest =
        bins.iter().map(|bin| (bin.mean_predicted - bin.observed).abs()).fold(0.0_f64, f64::max);
    let caption = Caption {
        id: "reliability".to_owned(),
        title: "Reliability diagram".to_owned(),
        description: format!(
            "{} groups of {noun}s by predicted probability. The largest distance between what was \
             predicted and what came true is {}.",
            bins.len(),
            percent(widest)
        ),
        reading: format!(
            "Each point is a group of {noun}s with similar probabilities. On the dashed line a \
             prediction of 30 % came true for 30 of 100. Points above it: more happened than was \
             said. The bars below tell how many {noun}s the group has."
        ),
    };
    let legend = vec![
        Key {
            shape: Shape::Points,
            colour: Colour::Blue,
            label: "a group: predicted, and what came true",
        },
        Key { shape: Shape::Dashes, colour: Colour::Ink, label: "perfect" },
        Key { shape: Shape::Area, colour: Colour::Orange, label: "size of the group" },
    ];
    Figure::new(caption, &reliability_plot(bins), legend, Some(table))
}

/// Height of the bar of the largest group.
const TALLEST: f64 = 0.15;

/// Predicted against observed, with the sizes of the groups as bars at the bottom.
pub(in crate::report) fn reliability_plot(bins: &[ReliabilityBin]) -> Plot {
    let largest = bins.iter().map(|bin| bin.count).max().unwrap_or(1).max(1) as f64;
    let mut marks: Vec<Mark> = bins
        .iter()
        .map(|bin| Mark::Bar {
            from: (bin.mean_predicted - 0.012, 0.0),
            to: (bin.mean_predicted + 0.012, TALLEST * bin.count as f64 / largest),
            colour: Colour::Orange,
            opacity: 0.7,
        })
        .collect();
    let points: Vec<(f64, f64)> =
        bins.iter().map(|bin| (bin.mean_predicted, bin.observed)).collect();
    marks.push(Mark::Dashes { points: vec![(0.0, 0.0), (1.0, 1.0)], colour: Colour::Ink });
    marks.push(Mark::Line { points: points.clone(), colour: Colour::Blue });
    marks.push(Mark::Points { points, colour: Colour::Blue });
    Plot::new(Axis::share("predicted probability"), Axis::share("came true"), marks)
}

fn trials(trials: &[CalibrationTrial]) -> Table {
    let columns = ["calibration", ">log loss", ">Brier score", ">calibration error"];
    let mut table =
        Table::new("Before calibration and after, on later rows of the training", columns);
    for trial in trials {
        let name = match trial.method {
            CalibrationMethod::Identity => "before: none",
            CalibrationMethod::Platt => "Platt (a logistic curve)",
            CalibrationMethod::Beta => "beta (a curve with three parameters)",
            CalibrationMethod::Isotonic => "isotonic (steps)",
        };
        table.row([
            name.to_owned(),
            metric(trial.log_loss),
            metric(trial.brier_score),
            percent(trial.expected_calibration_error),
        ]);
    }
    table
}
