//! A plot as data, so that tests can compare it with the evaluation.

/// Colours that colour-blind people can tell apart (Okabe and Ito 2008), and those of text and
/// lines, which the page's style changes for a dark screen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::report) enum Colour {
    /// Text and axes.
    Ink,
    /// Lines behind everything.
    Grid,
    /// The version.
    Blue,
    /// What the version is compared with.
    Orange,
    /// Less, worse, or the event.
    Vermilion,
    /// What came true.
    Green,
}

/// Something that is drawn.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) enum Mark {
    /// A line through points.
    Line { points: Vec<(f64, f64)>, colour: Colour },
    /// A dashed line through points.
    Dashes { points: Vec<(f64, f64)>, colour: Colour },
    /// Filled circles.
    Points { points: Vec<(f64, f64)>, colour: Colour },
    /// The room between two lines: place, lower, upper.
    Band { points: Vec<(f64, f64, f64)>, colour: Colour, opacity: f64 },
    /// A filled rectangle between two corners.
    Bar { from: (f64, f64), to: (f64, f64), colour: Colour, opacity: f64 },
    /// A text around a place.
    Text { at: (f64, f64), text: String },
}

/// What stands along an axis.
#[derive(Clone, Debug)]
pub(in crate::report) enum Ticks {
    /// Round numbers, written by a function.
    Numbers(fn(f64) -> String),
    /// Texts at places.
    At(Vec<(f64, String)>),
}

/// One axis.
#[derive(Clone, Debug)]
pub(in crate::report) struct Axis {
    /// Where it begins and ends; the vertical one at the bottom.
    pub(in crate::report) range: (f64, f64),
    pub(in crate::report) title: &'static str,
    pub(in crate::report) ticks: Ticks,
}

/// A plot.
#[derive(Clone, Debug)]
pub(in crate::report) struct Plot {
    pub(in crate::report) x: Axis,
    pub(in crate::report) y: Axis,
    pub(in crate::report) marks: Vec<Mark>,
}

impl Axis {
    /// An axis of numbers. A range without length is widened.
    pub(in crate::report) fn numbers(
        title: &'static str,
        range: (f64, f64),
        write: fn(f64) -> String,
    ) -> Self {
        let (least, most) = range;
        let range = if most - least > f64::EPSILON * least.abs().max(1.0) {
            range
        } else {
            (least - 0.5, least + 0.5)
        };
        Self { range, title, ticks: Ticks::Numbers(write) }
    }

    /// From 0 % to 100 %.
    pub(in crate::report) fn share(title: &'static str) -> Self {
        Self::numbers(title, (0.0, 1.0), whole_percent)
    }

    /// A vertical axis with a row for each name, the first at the top; row `n` is centred at
    /// `n + 0.5`.
    pub(in crate::report) fn rows<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let ticks = labels(names);
        Self { range: (ticks.len().max(1) as f64, 0.0), title: "", ticks: Ticks::At(ticks) }
    }

    /// A horizontal axis with a column for each name.
    pub(in crate::report) fn columns<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let ticks = labels(names);
        Self { range: (0.0, ticks.len().max(1) as f64), title: "", ticks: Ticks::At(ticks) }
    }
}

impl Plot {
    /// A plot; one whose vertical axis has names gets a row for each.
    pub(in crate::report) fn new(x: Axis, y: Axis, marks: Vec<Mark>) -> Self {
        Self { x, y, marks }
    }
}

/// A share without digits after the point.
fn whole_percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Longest name along an axis.
const LONGEST: usize = 24;

fn labels<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(f64, String)> {
    names.enumerate().map(|(at, name)| (at as f64 + 0.5, shortened(name))).collect()
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    name.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_without_length_is_widened() {
        let axis = |range| Axis::numbers("", range, whole_percent).range;
        assert_eq!((axis((3.0, 3.0)), axis((0.0, 2.0))), ((2.5, 3.5), (0.0, 2.0)));
    }

    #[test]
    fn names_are_rows_from_the_top_and_not_too_long() {
        let long = "a".repeat(40);
        let axis = Axis::rows(["first", &long].into_iter());
        assert_eq!(axis.range, (2.0, 0.0));
        let Ticks::At(labels) = axis.ticks else { panic!("names") };
        assert_eq!(labels[0], (0.5, "first".to_owned()));
        assert_eq!(labels[1].1.chars().count(), LONGEST);
    }
}
