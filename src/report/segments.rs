//! Segments: who is in them, and what sets them apart.

use super::figure::{Axis, Caption, Colour, Figure, Key, Mark, Plot, Shape};
use super::page::{Section, Table};
use super::words::plain;
use super::{ReportError, Subject};
use crate::model::{FittedModel, Segment, SegmentsModel, Tried};
use crate::readable::{count, figure, metric, percent};
use crate::training::SegmentsEvaluation;

/// Standard deviations at which the colour of a heat map is full.
const FULL: f64 = 1.5;

/// Sizes, profiles, and how the number of segments was chosen.
pub(super) fn sections(
    subject: &Subject,
    evaluation: &SegmentsEvaluation,
) -> Result<Vec<Section>, ReportError> {
    let mut profiles = Section::new("profiles", "The segments");
    let sizes: Vec<(&str, u64, f64)> =
        evaluation.segments.iter().map(|one| (one.name.as_str(), one.size, one.share)).collect();
    profiles.figure(size_figure(&sizes)?);
    let mut descriptions = Table::new("What sets each apart", ["segment", "in words"]);
    for segment in &evaluation.segments {
        descriptions.row([segment.name.clone(), segment.description.clone()]);
    }
    profiles.table(descriptions);
    match &subject.model {
        Ok(FittedModel::Segments(model)) => {
            profiles.figure(heat_map(evaluation, model)?);
        }
        Ok(_) => profiles.note("The model file is not one of segments: there is no heat map."),
        Err(reason) => profiles.note(format!("There is no heat map: {reason}")),
    }
    profiles.table(medians(evaluation));
    let mut choice = Section::new("choice", "How many segments");
    if evaluation.tried.len() > 1 {
        choice.figure(elbow(evaluation)?);
    } else {
        choice.note(format!(
            "There are {} segments because the recipe says so, or the numbers that were tried were \
             not kept.",
            evaluation.segments.len()
        ));
    }
    Ok(vec![profiles, choice])
}

/// A bar per segment, as long as its share.
pub(super) fn size_figure(sizes: &[(&str, u64, f64)]) -> Result<Figure, ReportError> {
    let mut table = Table::new("Sizes", ["segment", ">customers", ">share"]);
    for (name, size, share) in sizes {
        table.row([(*name).to_owned(), count(*size), percent(*share)]);
    }
    let largest = sizes.iter().max_by(|a, b| a.2.total_cmp(&b.2));
    let caption = Caption {
        id: "sizes".to_owned(),
        title: "How large they are".to_owned(),
        description: largest.map_or_else(String::new, |(name, size, share)| {
            format!("The largest is {name} with {} customers, {}.", count(*size), percent(*share))
        }),
        reading: "Share of the customers in each. A segment of a few is for a phone call, one of \
                  thousands for a campaign."
            .to_owned(),
    };
    Figure::new(caption, &sizes_plot(sizes), Vec::new(), Some(table))
}

/// One bar per segment.
pub(super) fn sizes_plot(sizes: &[(&str, u64, f64)]) -> Plot {
    let longest = sizes.iter().map(|(_, _, share)| *share).fold(0.0_f64, f64::max);
    let bar = |(row, (_, _, share)): (usize, &(&str, u64, f64))| Mark::Bar {
        from: (0.0, row as f64 + 0.2),
        to: (*share, row as f64 + 0.8),
        colour: Colour::Blue,
        opacity: 1.0,
    };
    let marks = sizes.iter().enumerate().map(bar).collect();
    let x =
        Axis::numbers("share of the customers", (0.0, longest * 1.05), super::words::whole_percent);
    Plot::new(x, Axis::rows(sizes.iter().map(|(name, _, _)| *name)), marks)
}

fn medians(evaluation: &SegmentsEvaluation) -> Table {
    let names: Vec<String> = evaluation.columns.iter().map(|name| format!(">{name}")).collect();
    let columns = ["segment"].into_iter().chain(names.iter().map(String::as_str));
    let mut table = Table::new("Medians of each segment", columns);
    for Segment { name, medians, .. } in &evaluation.segments {
        table.row([name.clone()].into_iter().chain(medians.iter().map(|value| figure(*value))));
    }
    table
}

fn heat_map(evaluation: &SegmentsEvaluation, model: &SegmentsModel) -> Result<Figure, ReportError> {
    let names: Vec<String> = evaluation.columns.iter().map(|name| format!(">{name}")).collect();
    let columns = ["segment"].into_iter().chain(names.iter().map(String::as_str));
    let mut table = Table::new("Centres, and the average of the shop", columns);
    for segment in model.segments() {
        let centre = segment.centroid.iter().map(|value| figure(*value));
        table.row([segment.name.clone()].into_iter().chain(centre));
    }
    let average = model.average();
    table.row(["average customer".to_owned()].into_iter().chain(average.into_iter().map(figure)));
    let rows: Vec<(&str, &[f64])> =
        model.segments().iter().map(|one| one.name.as_str()).zip(model.centres()).collect();
    let strongest = |(name, values): &(&str, &[f64])| {
        let column =
            values.iter().zip(&evaluation.columns).max_by(|a, b| a.0.abs().total_cmp(&b.0.abs()));
        column.map(|(value, column)| {
            let side = if *value > 0.0 { "above" } else { "below" };
            format!("{name} is farthest {side} the average in {}", plain(column))
        })
    };
    let told: Vec<String> = rows.iter().filter_map(strongest).collect();
    let caption = Caption {
        id: "heat-map".to_owned(),
        title: "What sets them apart from the average customer".to_owned(),
        description: format!("{}.", told.join("; ")),
        reading: "Each cell tells how far a segment lies from the average customer, in standard \
                  deviations: + and blue is more, - and orange-red is less, 0 is like everybody. \
                  Read a row to learn what a segment is like."
            .to_owned(),
    };
    let legend = vec![
        Key { shape: Shape::Area, colour: Colour::Blue, label: "more than the average" },
        Key { shape: Shape::Area, colour: Colour::Vermilion, label: "less than the average" },
    ];
    let plot = heat_plot(&evaluation.columns, &rows);
    Figure::new(caption, &plot, legend, Some(table))
}

/// A cell per column and segment, in standard deviations from the average.
pub(super) fn heat_plot(columns: &[String], rows: &[(&str, &[f64])]) -> Plot {
    // Segments stand side by side and columns below one another: there are more columns, and a
    // telephone is narrow.
    let cell = |row: usize, column: usize, value: f64| {
        let (left, top) = (row as f64, column as f64);
        let colour = if value < 0.0 { Colour::Vermilion } else { Colour::Blue };
        let opacity = (value.abs() / FULL).min(1.0) * 0.6;
        [
            Mark::Bar {
                from: (left + 0.03, top + 0.04),
                to: (left + 0.97, top + 0.96),
                colour,
                opacity,
            },
            Mark::Text { at: (left + 0.5, top + 0.5), text: signed(value) },
        ]
    };
    let marks = rows.iter().enumerate().flat_map(|(row, (_, values))| {
        values.iter().enumerate().flat_map(move |(column, value)| cell(row, column, *value))
    });
    let x = Axis::columns(rows.iter().map(|(name, _)| *name));
    Plot::new(x, Axis::rows(columns.iter().map(String::as_str)), marks.collect())
}

/// One digit after the point, without a sign where it would be that of nothing.
fn signed(value: f64) -> String {
    if value.abs() < 0.05 { "0.0".to_owned() } else { format!("{value:+.1}") }
}

fn elbow(evaluation: &SegmentsEvaluation) -> Result<Figure, ReportError> {
    let columns = [">segments", ">silhouette", ">inertia", ""];
    let mut table = Table::new("The numbers of segments that were tried", columns);
    let chosen = evaluation.segments.len();
    for one in &evaluation.tried {
        let mut marks = Vec::new();
        if one.clusters == chosen {
            marks.push("chosen");
        }
        if evaluation.elbow == Some(one.clusters) {
            marks.push("elbow");
        }
        if !one.converged {
            marks.push("did not converge");
        }
        let silhouette = one.silhouette.map_or_else(|| "-".to_owned(), metric);
        table.row([one.clusters.to_string(), silhouette, figure(one.inertia), marks.join(", ")]);
    }
    let caption = Caption {
        id: "elbow".to_owned(),
        title: "Why so many".to_owned(),
        description: format!(
            "{chosen} segments have the best silhouette of {} numbers that were tried.{}",
            evaluation.tried.len(),
            evaluation.elbow.map_or_else(String::new, |elbow| {
                format!(" From {elbow} on, more segments explain little more.")
            })
        ),
        reading: "The blue line, the silhouette, decided: the higher, the better the segments are \
                  apart. The dashed line is what is left unexplained, as a share of that with the \
                  fewest segments; where it bends, more segments begin to explain little more."
            .to_owned(),
    };
    let legend = vec![
        Key { shape: Shape::Line, colour: Colour::Blue, label: "silhouette" },
        Key { shape: Shape::Dashes, colour: Colour::Orange, label: "left unexplained" },
    ];
    Figure::new(caption, &elbow_plot(&evaluation.tried), legend, Some(table))
}

/// Silhouette and remaining inertia by the number of clusters.
pub(super) fn elbow_plot(tried: &[Tried]) -> Plot {
    let most = tried.first().map_or(1.0, |first| first.inertia).max(f64::MIN_POSITIVE);
    let at = |one: &Tried| one.clusters as f64;
    let silhouettes: Vec<(f64, f64)> =
        tried.iter().filter_map(|one| Some((at(one), one.silhouette?))).collect();
    let left: Vec<(f64, f64)> = tried.iter().map(|one| (at(one), one.inertia / most)).collect();
    let from = tried.first().map_or(1.0, at);
    let to = tried.last().map_or(2.0, at);
    let marks = vec![
        Mark::Dashes { points: left, colour: Colour::Orange },
        Mark::Line { points: silhouettes.clone(), colour: Colour::Blue },
        Mark::Points { points: silhouettes, colour: Colour::Blue },
    ];
    let x = Axis::numbers("number of segments", (from, to), whole);
    let y = Axis::numbers("", (0.0, 1.0), one_digit);
    Plot::new(x, y, marks)
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn one_digit(value: f64) -> String {
    format!("{value:.1}")
}
