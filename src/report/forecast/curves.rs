//! What is drawn of forecasts.

use crate::dataset::Frequency;
use crate::model::SeriesForecast;
use crate::readable::count;
use crate::report::figure::{Axis, Colour, Mark, Plot, Ticks};
use crate::report::words::period;
use crate::training::{SeriesExample, StepEvaluation};

/// Periods that have a text below.
const DATES: i32 = 3;

/// What was sold, what would have been forecast of it, and what is to come.
pub(in crate::report) fn ahead_plot(
    answer: &SeriesForecast,
    example: Option<&SeriesExample>,
    frequency: Option<Frequency>,
) -> Plot {
    let mut marks = Vec::new();
    // The wide band first, so that the narrow one lies on it.
    for interval in answer.intervals.iter().rev() {
        let bounds = interval.lower.iter().zip(&interval.upper).enumerate();
        let points = bounds.map(|(step, (lower, upper))| {
            (f64::from(answer.first_period + step as i32), *lower, *upper)
        });
        let opacity = if interval.level < 0.9 { 0.3 } else { 0.15 };
        marks.push(Mark::Band { points: points.collect(), colour: Colour::Blue, opacity });
    }
    if let Some(example) = example {
        marks.push(Mark::Line {
            points: run(example.first_period, &example.values),
            colour: Colour::Ink,
        });
        let first = answer.first_period - example.forecast.len() as i32;
        marks.push(Mark::Dashes { points: run(first, &example.forecast), colour: Colour::Green });
    }
    marks.push(Mark::Line { points: run(answer.first_period, &answer.mean), colour: Colour::Blue });
    let first = example.map_or(answer.first_period, |example| example.first_period);
    let last = answer.first_period + answer.mean.len() as i32 - 1;
    let (low, high) = extent(&marks);
    let x = Axis {
        range: (f64::from(first), f64::from(last.max(first + 1))),
        title: "",
        ticks: Ticks::At(dates(first, last, frequency)),
    };
    Plot::new(x, Axis::numbers("", (low.min(0.0), high * 1.05), short), marks)
}

/// Values at consecutive periods.
fn run(first: i32, values: &[f64]) -> Vec<(f64, f64)> {
    values.iter().enumerate().map(|(at, value)| (f64::from(first + at as i32), *value)).collect()
}

/// The least and the largest value that is drawn.
fn extent(marks: &[Mark]) -> (f64, f64) {
    let mut extent = (0.0_f64, f64::MIN_POSITIVE);
    let mut take = |value: f64| extent = (extent.0.min(value), extent.1.max(value));
    for mark in marks {
        match mark {
            Mark::Line { points, .. }
            | Mark::Dashes { points, .. }
            | Mark::Points { points, .. } => {
                points.iter().for_each(|point| take(point.1));
            }
            Mark::Band { points, .. } => points.iter().for_each(|(_, lower, upper)| {
                take(*lower);
                take(*upper);
            }),
            Mark::Bar { .. } | Mark::Text { .. } => {}
        }
    }
    extent
}

/// A few periods by name, not at the very ends, where a name would not fit.
fn dates(first: i32, last: i32, frequency: Option<Frequency>) -> Vec<(f64, String)> {
    let length = last - first;
    let place = |number: i32| first + length * (2 * number + 1) / (2 * DATES);
    let mut places: Vec<i32> = (0..DATES).map(place).collect();
    places.dedup();
    places.into_iter().map(|at| (f64::from(at), period(at, frequency))).collect()
}

/// A value of an axis with few digits: `12k`, `1.5M`.
fn short(value: f64) -> String {
    let size = value.abs();
    if size >= 1e6 {
        format!("{:.1}M", value / 1e6)
    } else if size >= 1e4 {
        format!("{:.0}k", value / 1e3)
    } else if size >= 10.0 || value.fract() == 0.0 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", count(size.round() as u64))
    } else {
        format!("{value:.1}")
    }
}

/// The mean scaled error by how far ahead, over the line of the naive forecast.
pub(in crate::report) fn steps_plot(steps: &[StepEvaluation]) -> Plot {
    let points: Vec<(f64, f64)> =
        steps.iter().filter_map(|step| Some((step.step as f64, step.mase?))).collect();
    let last = steps.last().map_or(2.0, |step| step.step as f64).max(2.0);
    let highest = points.iter().map(|point| point.1).fold(1.0_f64, f64::max);
    let marks = vec![
        Mark::Dashes { points: vec![(1.0, 1.0), (last, 1.0)], colour: Colour::Ink },
        Mark::Line { points: points.clone(), colour: Colour::Blue },
        Mark::Points { points, colour: Colour::Blue },
    ];
    let x = Axis::numbers("periods ahead", (1.0, last), |value| format!("{value:.0}"));
    let y = Axis::numbers("scaled error", (0.0, highest * 1.1), |value| format!("{value:.1}"));
    Plot::new(x, y, marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_short() {
        let texts = [1_234_567.0, 45_678.0, 1_234.0, 3.0, 0.25, -20.0].map(short);
        assert_eq!(texts, ["1.2M", "46k", "1,234", "3", "0.2", "-20"]);
    }

    #[test]
    fn dates_lie_within() {
        let places: Vec<f64> = dates(10, 70, None).into_iter().map(|(at, _)| at).collect();
        assert_eq!(places, [20.0, 40.0, 60.0]);
        assert_eq!(dates(5, 5, None).len(), 1);
    }
}
