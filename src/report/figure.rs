//! Figures: what is drawn, as data, and the SVG of it.

mod draw;
mod plot;

pub(super) use self::plot::{Axis, Colour, Mark, Plot, Ticks};

use super::ReportError;
use super::page::Table;

/// A figure with everything that helps to read it.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// Unique on the page.
    pub(super) id: String,
    pub(super) title: String,
    /// What it shows, for those who cannot see it.
    pub(super) description: String,
    /// How to read it, in plain language.
    pub(super) reading: String,
    pub(super) legend: Vec<Key>,
    /// The drawing; made by the plotting library, which escapes all texts.
    pub(super) svg: String,
    pub(super) width: u32,
    pub(super) height: u32,
    /// The same as figures.
    pub(super) table: Option<Table>,
}

/// One entry of a legend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Key {
    pub(super) shape: Shape,
    pub(super) colour: Colour,
    pub(super) label: &'static str,
}

/// What an entry of a legend looks like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    Line,
    Dashes,
    Points,
    Area,
}

/// The texts of a figure.
#[derive(Clone, Debug)]
pub(super) struct Caption {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) reading: String,
}

impl Figure {
    /// Draws a plot.
    ///
    /// # Errors
    /// When the plotting library fails.
    pub(super) fn new(
        caption: Caption,
        plot: &Plot,
        legend: Vec<Key>,
        table: Option<Table>,
    ) -> Result<Self, ReportError> {
        let Caption { id, title, description, reading } = caption;
        let (width, height) = (draw::WIDTH, draw::height(plot));
        let svg = draw::svg(plot)?;
        Ok(Self { id, title, description, reading, legend, svg, width, height, table })
    }
}

impl Shape {
    /// Its name in the template.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Dashes => "dashes",
            Self::Points => "points",
            Self::Area => "area",
        }
    }
}
