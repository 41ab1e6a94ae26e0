//! Whom to choose: gains, lift, and how the scores are spread.

use super::NOT_KEPT;
use crate::metrics::{DecileGain, ScoreBin};
use crate::readable::{count, percent};
use crate::report::figure::{Axis, Caption, Colour, Figure, Key, Mark, Plot, Shape};
use crate::report::page::{Section, Table};
use crate::report::words::{counted, whole_percent};
use crate::report::{ReportError, Subject};
use crate::training::ProbabilityEvaluation;

/// How much of the events the top of the list holds, and who is there.
pub(super) fn section(
    subject: &Subject,
    evaluation: &ProbabilityEvaluation,
) -> Result<Section, ReportError> {
    let mut section = Section::new("choosing", "Whom to choose");
    if evaluation.gains.is_empty() {
        section.note("There are no gains: only one outcome occurred.");
    } else {
        section.figure(gains(subject, &evaluation.gains)?);
        section.figure(lift(&evaluation.gains)?);
    }
    if evaluation.scores.is_empty() {
        section.note(format!("This version keeps no distribution of its scores; {NOT_KEPT}"));
    } else {
        section.figure(scores(subject, &evaluation.scores)?);
    }
    Ok(section)
}

fn gains(subject: &Subject, deciles: &[DecileGain]) -> Result<Figure, ReportError> {
    let noun = subject.noun();
    let mut table = Table::new("Gain", [">best-scored", ">share of all events among them"]);
    for decile in deciles {
        table.row([whole_percent(decile.share), percent(decile.gain)]);
    }
    let at = |share: f64| {
        deciles.iter().find(|decile| decile.share >= share - 1e-9).map_or(0.0, |decile| decile.gain)
    };
    let caption = Caption {
        id: "gains".to_owned(),
        title: "Gains: how many of the events the top of the list holds".to_owned(),
        description: format!(
            "The best-scored 10 % hold {} of all events, 20 % hold {}, 50 % hold {}.",
            percent(at(0.1)),
            percent(at(0.2)),
            percent(at(0.5))
        ),
        reading: format!(
            "Go right to the share of {noun}s you can afford to contact, then up: so many of all \
             events you reach. On the dashed line a random choice would be as good."
        ),
    };
    let legend = vec![
        Key { shape: Shape::Line, colour: Colour::Blue, label: "chosen by this version" },
        Key { shape: Shape::Dashes, colour: Colour::Ink, label: "chosen at random" },
    ];
    Figure::new(caption, &gains_plot(deciles), legend, Some(table))
}

/// Gains from nothing to everything, over those of chance.
pub(in crate::report) fn gains_plot(deciles: &[DecileGain]) -> Plot {
    let points: Vec<(f64, f64)> = [(0.0, 0.0)]
        .into_iter()
        .chain(deciles.iter().map(|decile| (decile.share, decile.gain)))
        .collect();
    let marks = vec![
        Mark::Dashes { points: vec![(0.0, 0.0), (1.0, 1.0)], colour: Colour::Ink },
        Mark::Line { points: points.clone(), colour: Colour::Blue },
        Mark::Points { points, colour: Colour::Blue },
    ];
    Plot::new(Axis::share("best-scored"), Axis::share("share of all events"), marks)
}

fn lift(deciles: &[DecileGain]) -> Result<Figure, ReportError> {
    let own = own_lifts(deciles);
    let mut table = Table::new("Lift", ["tenth of the list", ">its lift", ">lift up to here"]);
    for (number, (decile, own)) in deciles.iter().zip(&own).enumerate() {
        table.row([
            (number + 1).to_string(),
            format!("{own:.2}"),
            format!("{:.2}", decile.cumulative_lift),
        ]);
    }
    let first = own.first().copied().unwrap_or_default();
    let last = own.last().copied().unwrap_or_default();
    let caption = Caption {
        id: "lift".to_owned(),
        title: "Lift by tenths of the list".to_owned(),
        description: format!(
            "The best-scored tenth has {first:.2} times the average rate of events, the last tenth \
             {last:.2} times."
        ),
        reading: "How many times the average rate of events each tenth of the list has, the \
                  best-scored first. A good list falls from left to right; where a bar falls below \
                  the dashed line, contacting at random would do better."
            .to_owned(),
    };
    let tallest = own.iter().copied().fold(1.0_f64, f64::max) * 1.1;
    let bar = |(index, lift): (usize, &f64)| Mark::Bar {
        from: (index as f64 + 0.12, 0.0),
        to: (index as f64 + 0.88, *lift),
        colour: Colour::Blue,
        opacity: 1.0,
    };
    let mut marks: Vec<Mark> = own.iter().enumerate().map(bar).collect();
    let end = own.len() as f64;
    marks.push(Mark::Dashes { points: vec![(0.0, 1.0), (end, 1.0)], colour: Colour::Ink });
    let names: Vec<String> = (1..=own.len()).map(|tenth| tenth.to_string()).collect();
    let x = Axis::columns(names.iter().map(String::as_str));
    let y = Axis::numbers("times the average", (0.0, tallest), one_digit);
    let legend = vec![
        Key {
            shape: Shape::Area,
            colour: Colour::Blue,
            label: "tenth of the list, best-scored first",
        },
        Key { shape: Shape::Dashes, colour: Colour::Ink, label: "average" },
    ];
    Figure::new(caption, &Plot::new(x, y, marks), legend, Some(table))
}

/// The lift of each tenth by itself.
fn own_lifts(deciles: &[DecileGain]) -> Vec<f64> {
    let mut before = (0.0, 0.0);
    let own = |decile: &DecileGain| {
        let width = decile.share - before.0;
        let lift = if width > 0.0 { (decile.gain - before.1) / width } else { 0.0 };
        before = (decile.share, decile.gain);
        lift
    };
    deciles.iter().map(own).collect()
}

fn one_digit(value: f64) -> String {
    format!("{value:.1}")
}

fn scores(subject: &Subject, bins: &[ScoreBin]) -> Result<Figure, ReportError> {
    let noun = subject.noun();
    let number = format!(">{noun}s");
    let columns = ["probability", number.as_str(), ">with the event"];
    let mut table = Table::new("Distribution of the scores", columns);
    for bin in bins.iter().filter(|bin| bin.rows > 0) {
        let range = format!("{} to {}", whole_percent(bin.at_least), whole_percent(bin.below));
        table.row([range, count(bin.rows), count(bin.events)]);
    }
    let fullest = bins.iter().max_by_key(|bin| bin.rows);
    let caption = Caption {
        id: "scores".to_owned(),
        title: "Distribution of the scores".to_owned(),
        description: fullest.map_or_else(String::new, |bin| {
            format!(
                "The largest group, {}, has a probability from {} to {}.",
                counted(bin.rows, noun),
                whole_percent(bin.at_least),
                whole_percent(bin.below)
            )
        }),
        reading: format!(
            "How many {noun}s got which probability, and how many of them had the event. A model \
             that knows little puts everybody into the middle; a good one has the event to the \
             right and the others to the left."
        ),
    };
    let legend = vec![
        Key { shape: Shape::Area, colour: Colour::Vermilion, label: "had the event" },
        Key { shape: Shape::Area, colour: Colour::Blue, label: "had not" },
    ];
    Figure::new(caption, &scores_plot(bins), legend, Some(table))
}

/// Bars of rows with the event, and of those without it on top.
pub(in crate::report) fn scores_plot(bins: &[ScoreBin]) -> Plot {
    let tallest = bins.iter().map(|bin| bin.rows).max().unwrap_or(1).max(1) as f64;
    let bars = bins.iter().filter(|bin| bin.rows > 0).flat_map(|bin| {
        let gap = (bin.below - bin.at_least) * 0.06;
        let (left, right) = (bin.at_least + gap, bin.below - gap);
        let bar = |from: u64, to: u64, colour| Mark::Bar {
            from: (left, from as f64),
            to: (right, to as f64),
            colour,
            opacity: 1.0,
        };
        [bar(0, bin.events, Colour::Vermilion), bar(bin.events, bin.rows, Colour::Blue)]
    });
    let y = Axis::numbers("how many", (0.0, tallest * 1.05), whole);
    Plot::new(Axis::share("predicted probability"), y, bars.collect())
}

fn whole(value: f64) -> String {
    count(value.max(0.0).round() as u64)
}
