//! The nearest centre of each row, with exact distances.

use rayon::prelude::*;

use super::frame::{BLOCK_ROWS, Frame, PANEL};
use super::points::{Points, refused, squared_distance};
use super::tile::{SearchTiles, nearest};
use crate::model::{FitError, FitRun};

/// Where rows belong.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// Place of the nearest centre, per row; the first on a tie.
    pub labels: Vec<u32>,
    /// Squared distance to it, in the units of the rows.
    pub distances: Vec<f64>,
}

/// Assigns each row to the nearest of `centres` (clusters x width, row-major). A row's answer does
/// not depend on the other rows.
///
/// # Errors
/// When a value is not finite, the centres do not have the width of the rows, or `run` was
/// cancelled.
pub fn assign(
    points: Points<'_>,
    centres: &[f64],
    run: &FitRun<'_>,
) -> Result<Assignment, FitError> {
    points.largest(run)?;
    let search = Search::new(centres, points.width())?;
    let mut labels = vec![0; points.rows()];
    let mut distances = vec![0.0; points.rows()];
    if points.rows() <= BLOCK_ROWS {
        search.block(points.values(), &mut Room::new(&search), &mut labels, &mut distances);
        return Ok(Assignment { labels, distances });
    }
    let rows = points.values().par_chunks(points.width() * BLOCK_ROWS);
    let places = labels.par_chunks_mut(BLOCK_ROWS).zip(distances.par_chunks_mut(BLOCK_ROWS));
    rows.zip(places).try_for_each_init(
        || Room::new(&search),
        |room, (rows, (labels, distances))| {
            run.check()?;
            search.block(rows, room, labels, distances);
            Ok::<(), FitError>(())
        },
    )?;
    Ok(Assignment { labels, distances })
}

/// Writes the labels of finite rows; gives each block's inertia, in their order.
pub(super) fn measure(
    points: Points<'_>,
    weights: Option<&[f64]>,
    centres: &[f64],
    labels: &mut [u32],
    run: &FitRun<'_>,
) -> Result<Vec<f64>, FitError> {
    let search = Search::new(centres, points.width())?;
    let rows = points.values().par_chunks(points.width() * BLOCK_ROWS);
    let blocks = rows.zip(labels.par_chunks_mut(BLOCK_ROWS)).enumerate();
    let inertia = blocks.map_init(
        || (Room::new(&search), vec![0.0; BLOCK_ROWS]),
        |(room, distances), (index, (rows, labels))| {
            run.check()?;
            search.block(rows, room, labels, distances);
            let distances = distances.iter().take(labels.len());
            let Some(weights) = weights else { return Ok(distances.sum::<f64>()) };
            let weights = weights.iter().skip(index * BLOCK_ROWS);
            Ok(distances.zip(weights).map(|(distance, weight)| distance * weight).sum())
        },
    );
    inertia.collect()
}

/// Centres, ready for rows of any size.
struct Search<'a> {
    centres: &'a [f64],
    width: usize,
    frame: Frame,
    tiles: SearchTiles,
}

/// What a thread needs for a panel of rows.
struct Room {
    panel: Vec<f32>,
    labels: [u32; PANEL],
    distances: [f32; PANEL],
}

impl Room {
    fn new(search: &Search<'_>) -> Self {
        let panel = vec![0.0; search.frame.panel_len()];
        Self { panel, labels: [0; PANEL], distances: [0.0; PANEL] }
    }
}

impl<'a> Search<'a> {
    fn new(centres: &'a [f64], width: usize) -> Result<Self, FitError> {
        if centres.is_empty() || !centres.len().is_multiple_of(width) {
            let found = centres.len();
            return Err(refused(format!(
                "expected centres of {width} columns, at least one, found {found} values"
            )));
        }
        let bad = centres.iter().position(|value| !(*value as f32).is_finite());
        if let Some(place) = bad {
            let (centre, column) = (place / width, place % width);
            let message =
                format!("centre {centre}, column {column}: expected a number of f32's range");
            return Err(refused(message));
        }
        let frame = Frame::of_centres(centres, width);
        let tiles = SearchTiles::of(&frame.place(centres), width);
        Ok(Self { centres, width, frame, tiles })
    }

    /// Labels and exact squared distances of rows.
    fn block(&self, rows: &[f32], room: &mut Room, labels: &mut [u32], distances: &mut [f64]) {
        let panels = rows.chunks(PANEL * self.width);
        let places = labels.chunks_mut(PANEL).zip(distances.chunks_mut(PANEL));
        for (rows, (labels, distances)) in panels.zip(places) {
            self.panel(rows, room, labels, distances);
        }
    }

    /// The same for at most a panel.
    fn panel(&self, rows: &[f32], room: &mut Room, labels: &mut [u32], distances: &mut [f64]) {
        let rows = rows.chunks_exact(self.width);
        self.frame.pack_panel(rows.clone(), &mut room.panel);
        nearest(&room.panel, &self.tiles, &mut room.labels, &mut room.distances);
        let found = room.labels.iter().zip(&room.distances);
        let places = labels.iter_mut().zip(distances);
        for ((row, (label, about)), (to, distance)) in rows.zip(found).zip(places) {
            // Too far out for f32, differences of the distances mean nothing either way.
            *to = if about.is_finite() { *label } else { self.exact(row) };
            let start = *to as usize * self.width;
            let centre = self.centres.get(start..start + self.width).unwrap_or_default();
            *distance = squared_distance(row, centre);
        }
    }

    /// The nearest centre in f64.
    fn exact(&self, row: &[f32]) -> u32 {
        let mut best = (0, f64::INFINITY);
        for (label, centre) in (0..).zip(self.centres.chunks_exact(self.width)) {
            let distance = squared_distance(row, centre);
            if distance < best.1 {
                best = (label, distance);
            }
        }
        best.0
    }
}
