//! Whether today's customers are still those that the version was judged on.

use super::figure::{Axis, Caption, Colour, Figure, Key, Mark, Plot, Shape};
use super::page::{Section, Table};
use super::words::{date, metric_name};
use super::{DriftPart, ReportError, Subject};
use crate::metrics::{Drift, DriftVerdict};
use crate::model::ModelKind;
use crate::readable::{count, metric, percent};
use crate::training::{ClosedWindow, DriftReport, FeatureDrift};

/// Features that are drawn.
const DRAWN: usize = 12;

/// The drift, or how to see it.
pub(super) fn section(subject: &Subject) -> Result<Section, ReportError> {
    let mut section = Section::new("drift", "Does it still fit?");
    if subject.manifest.kind == ModelKind::Forecast {
        section.text(
            "Drift is measured for models of customers. For a forecast, train again when new \
             periods are complete and see whether its backtest holds.",
        );
        return Ok(section);
    }
    if subject.is_of_table() {
        section.text(
            "Drift is measured for models of the shop's customers. For a table of cases, train on \
             a newer table and compare the versions.",
        );
        return Ok(section);
    }
    match &subject.drift {
        DriftPart::Measured(report) => measured(&mut section, subject, report)?,
        DriftPart::Impossible(reason) => {
            section.note(format!("Drift could not be measured: {reason}."));
        }
        DriftPart::NotAsked => {
            let name = &subject.manifest.model;
            let version = subject.manifest.version;
            section.text(format!(
                "This page was made without looking at today's customers. To see whether they \
                 have moved: patron models drift {name}/{version}"
            ));
        }
    }
    Ok(section)
}

fn measured(
    section: &mut Section,
    subject: &Subject,
    report: &DriftReport,
) -> Result<(), ReportError> {
    let moved = |verdict| report.features.iter().filter(|one| one.drift.verdict == verdict).count();
    let (major, moderate) = (moved(DriftVerdict::Major), moved(DriftVerdict::Moderate));
    let head = format!(
        "{} customers as of {}, against those of {}. ",
        count(report.rows as u64),
        date(report.as_of, &subject.clock),
        date(report.reference_as_of, &subject.clock)
    );
    let verdict = if major > 0 {
        format!(
            "{major} of {} figures have moved much: train again, and take the answers with care \
             until then.",
            report.features.len()
        )
    } else if moderate > 0 {
        format!(
            "{moderate} of {} figures have moved somewhat: train again soon.",
            report.features.len()
        )
    } else {
        "Nothing has moved more than chance explains: it still fits.".to_owned()
    };
    section.text(head + &verdict);
    if !report.features.is_empty() {
        section.figure(index_figure(&report.features)?);
    }
    if let Some(window) = &report.closed {
        section.table(closed_window(subject, window));
    }
    Ok(())
}

fn index_figure(features: &[FeatureDrift]) -> Result<Figure, ReportError> {
    let columns = ["column", ">index", ">noise", ">missing now", "verdict"];
    let mut table = Table::new("Population stability index", columns);
    for one in features {
        let Drift { index, noise, verdict, current_missing, .. } = one.drift;
        let verdict = match verdict {
            DriftVerdict::Stable => "stable",
            DriftVerdict::Moderate => "moved somewhat",
            DriftVerdict::Major => "moved much",
        };
        let missing = percent(current_missing);
        table.row([one.name.clone(), metric(index), metric(noise), missing, verdict.to_owned()]);
    }
    let drawn = features.get(..DRAWN).unwrap_or(features);
    let caption = Caption {
        id: "stability-index".to_owned(),
        title: "How far each has moved".to_owned(),
        description: drawn.first().map_or_else(String::new, |first| {
            format!("{} has an index of {}.", first.name, metric(first.drift.index))
        }),
        reading: "The population stability index: 0 is unmoved, above the dashed line at 0.1 \
                  somewhat, above that at 0.25 much. The orange part is what chance alone may do."
            .to_owned(),
    };
    let legend = vec![
        Key { shape: Shape::Area, colour: Colour::Blue, label: "index" },
        Key { shape: Shape::Area, colour: Colour::Orange, label: "noise" },
        Key { shape: Shape::Dashes, colour: Colour::Ink, label: "usual limits" },
    ];
    Figure::new(caption, &index_plot(drawn), legend, Some(table))
}

/// A bar per feature, with its noise and the usual limits.
pub(super) fn index_plot(features: &[FeatureDrift]) -> Plot {
    let (moderate, major) = Drift::LIMITS;
    let longest = features.iter().map(|one| one.drift.index.max(one.drift.noise));
    let longest = longest.fold(major, f64::max) * 1.05;
    let rows = features.len() as f64;
    let mut marks = Vec::new();
    for (row, one) in features.iter().enumerate() {
        let bar = |to: f64, top: f64, bottom: f64, colour| Mark::Bar {
            from: (0.0, row as f64 + top),
            to: (to, row as f64 + bottom),
            colour,
            opacity: 1.0,
        };
        marks.push(bar(one.drift.index, 0.15, 0.6, Colour::Blue));
        marks.push(bar(one.drift.noise, 0.65, 0.85, Colour::Orange));
    }
    for limit in [moderate, major] {
        let points = vec![(limit, 0.0), (limit, rows)];
        marks.push(Mark::Dashes { points, colour: Colour::Ink });
    }
    let x = Axis::numbers("population stability index", (0.0, longest), two_digits);
    Plot::new(x, Axis::rows(features.iter().map(|one| one.name.as_str())), marks)
}

fn two_digits(value: f64) -> String {
    format!("{value:.2}")
}

fn closed_window(subject: &Subject, window: &ClosedWindow) -> Table {
    let caption = format!(
        "Answers as of {} for {} customers, whose outcomes are known now",
        date(window.as_of, &subject.clock),
        count(window.rows as u64)
    );
    let mut table = Table::new(&caption, ["metric", "better", ">then", ">when it was trained"]);
    for (name, one) in &window.metrics {
        let better = if one.higher_is_better { "higher" } else { "lower" };
        let before = one.on_holdout.map_or_else(|| "-".to_owned(), metric);
        table.row([metric_name(name).to_owned(), better.to_owned(), metric(one.value), before]);
    }
    table
}
