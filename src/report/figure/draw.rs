//! The SVG of a plot, by the crate plotters.

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{
    Circle, DashedPathElement, DynElement, IntoDynElement, PathElement, Polygon, Rectangle, Text,
};
use plotters::prelude::{Cartesian2d, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle,
};

use super::{Axis, Colour, Mark, Plot, Ticks};
use crate::report::ReportError;

/// Width of every plot. Places are whole numbers, so it is about twice the pixels of a screen.
pub(super) const WIDTH: u32 = 960;

/// Height of a plot whose vertical axis has numbers.
const HEIGHT: u32 = 640;
/// Height of a row of a plot whose vertical axis has names.
const ROW: u32 = 56;
/// Room around a plot.
const MARGIN: u32 = 10;
/// Size of texts; plotters draws them at 1 / 1.24 of it.
const FONT: f64 = 34.0;
/// About the width of a letter.
const LETTER: u32 = 16;
/// Most room for the names of a vertical axis.
const NAMES: u32 = 400;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The height of a plot: one with names has a row for each.
pub(super) fn height(plot: &Plot) -> u32 {
    match &plot.y.ticks {
        Ticks::Numbers(_) => HEIGHT,
        Ticks::At(rows) => room_below(&plot.x) + rows.len() as u32 * ROW + 3 * MARGIN,
    }
}

/// Draws a plot.
pub(super) fn svg(plot: &Plot) -> Result<String, ReportError> {
    let mut text = String::new();
    {
        let size = (WIDTH, height(plot));
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(plot, &root)?;
        root.present()?;
    }
    Ok(text)
}

fn draw(plot: &Plot, root: &Area<'_>) -> Result<(), ReportError> {
    let mut chart = ChartBuilder::on(root)
        .margin(MARGIN)
        .margin_top(2 * MARGIN)
        .margin_right(40)
        .x_label_area_size(room_below(&plot.x))
        .y_label_area_size(room_beside(&plot.y))
        .build_cartesian_2d(span(&plot.x), span(&plot.y))?;
    let (write_x, write_y) = (written(&plot.x), written(&plot.y));
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(rgb(Colour::Grid).mix(0.0))
        .bold_line_style(rgb(Colour::Grid))
        .axis_style(rgb(Colour::Ink))
        .label_style(font())
        .axis_desc_style(font())
        .x_labels(count(&plot.x, 5))
        .y_labels(count(&plot.y, 6))
        .x_label_formatter(&write_x)
        .y_label_formatter(&write_y)
        .set_all_tick_mark_size(6);
    if !plot.x.title.is_empty() {
        mesh.x_desc(plot.x.title);
    }
    if !plot.y.title.is_empty() {
        mesh.y_desc(plot.y.title);
    }
    if matches!(plot.x.ticks, Ticks::At(_)) {
        mesh.disable_x_mesh();
    }
    if matches!(plot.y.ticks, Ticks::At(_)) {
        mesh.disable_y_mesh();
    }
    mesh.draw()?;
    for mark in &plot.marks {
        chart.draw_series(elements(mark))?;
    }
    names(plot, root, &chart)
}

/// The texts of axes that have no numbers.
fn names(plot: &Plot, root: &Area<'_>, chart: &Chart<'_, '_>) -> Result<(), ReportError> {
    let (left, bottom) = (plot.x.range.0, plot.y.range.0);
    if let Ticks::At(labels) = &plot.y.ticks {
        let style = font().pos(Pos::new(HPos::Right, VPos::Center));
        for (at, label) in labels {
            let (x, y) = chart.backend_coord(&(left, *at));
            root.draw_text(label, &style, (x - 12, y))?;
        }
    }
    if let Ticks::At(labels) = &plot.x.ticks {
        let upright = longest(labels) > fitting(labels.len());
        let style = if upright {
            font().pos(Pos::new(HPos::Right, VPos::Center)).transform(FontTransform::Rotate270)
        } else {
            font().pos(Pos::new(HPos::Center, VPos::Top))
        };
        for (at, label) in labels {
            let (x, y) = chart.backend_coord(&(*at, bottom));
            root.draw_text(label, &style, (x, y + 14))?;
        }
    }
    Ok(())
}

fn elements<'a>(
    mark: &Mark,
) -> impl Iterator<Item = DynElement<'static, SVGBackend<'a>, (f64, f64)>> + use<'a> {
    let line = |colour: Colour| ShapeStyle::from(rgb(colour)).stroke_width(4);
    let filled = |colour: Colour, opacity| ShapeStyle::from(rgb(colour).mix(opacity)).filled();
    let drawn = match mark {
        Mark::Line { points, colour } => {
            vec![PathElement::new(points.clone(), line(*colour)).into_dyn()]
        }
        Mark::Dashes { points, colour } => {
            vec![DashedPathElement::new(points.clone(), 12, 10, line(*colour)).into_dyn()]
        }
        Mark::Points { points, colour } => {
            let point = |at: &(f64, f64)| Circle::new(*at, 9, filled(*colour, 1.0)).into_dyn();
            points.iter().map(point).collect()
        }
        Mark::Band { points, colour, opacity } => {
            let lower = points.iter().map(|(at, lower, _)| (*at, *lower));
            let upper = points.iter().rev().map(|(at, _, upper)| (*at, *upper));
            let outline: Vec<(f64, f64)> = lower.chain(upper).collect();
            vec![Polygon::new(outline, filled(*colour, *opacity)).into_dyn()]
        }
        Mark::Bar { from, to, colour, opacity } => {
            vec![Rectangle::new([*from, *to], filled(*colour, *opacity)).into_dyn()]
        }
        Mark::Text { at, text } => {
            let style = font().pos(Pos::new(HPos::Center, VPos::Center));
            vec![Text::new(text.clone(), *at, style).into_dyn()]
        }
    };
    drawn.into_iter()
}

fn span(axis: &Axis) -> std::ops::Range<f64> {
    let (from, to) = axis.range;
    from..to
}

fn count(axis: &Axis, usual: usize) -> usize {
    if matches!(axis.ticks, Ticks::At(_)) { 0 } else { usual }
}

fn written(axis: &Axis) -> impl Fn(&f64) -> String + use<> {
    let write = match axis.ticks {
        Ticks::Numbers(write) => write,
        Ticks::At(_) => |_| String::new(),
    };
    move |value| write(*value)
}

fn room_beside(axis: &Axis) -> u32 {
    match &axis.ticks {
        Ticks::Numbers(_) if axis.title.is_empty() => 110,
        Ticks::Numbers(_) => 150,
        Ticks::At(labels) => (longest(labels) as u32 * LETTER + 24).min(NAMES),
    }
}

fn room_below(axis: &Axis) -> u32 {
    match &axis.ticks {
        Ticks::At(labels) if longest(labels) > fitting(labels.len()) => {
            (longest(labels) as u32 * LETTER + 24).min(NAMES)
        }
        _ if axis.title.is_empty() => 56,
        _ => 100,
    }
}

fn longest(labels: &[(f64, String)]) -> usize {
    labels.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0)
}

/// How many letters a name may have to stand level below its column.
fn fitting(columns: usize) -> usize {
    (WIDTH / LETTER * 3 / 5) as usize / columns.max(1)
}

fn font() -> TextStyle<'static> {
    FontDesc::new(FontFamily::SansSerif, FONT, FontStyle::Normal).color(&rgb(Colour::Ink))
}

fn rgb(colour: Colour) -> RGBColor {
    match colour {
        Colour::Ink => RGBColor(0x1A, 0x1A, 0x1A),
        Colour::Grid => RGBColor(0xD9, 0xD9, 0xD9),
        Colour::Blue => RGBColor(0x00, 0x72, 0xB2),
        Colour::Orange => RGBColor(0xE6, 0x9F, 0x00),
        Colour::Vermilion => RGBColor(0xD5, 0x5E, 0x00),
        Colour::Green => RGBColor(0x00, 0x9E, 0x73),
    }
}

impl Colour {
    /// The colour in a page, as plotters writes it.
    pub(in crate::report) fn hex(self) -> String {
        let RGBColor(red, green, blue) = rgb(self);
        format!("#{red:02X}{green:02X}{blue:02X}")
    }
}
