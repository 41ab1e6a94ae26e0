//! Rows as the distance tile wants them: moved, scaled, and columns together.

use rayon::prelude::*;

use super::points::Points;
use crate::model::{FitError, FitRun};

/// Rows of a panel: three vectors of 16, six of 8.
pub(super) const PANEL: usize = 48;

/// Rows of a block, the unit of work of a thread.
pub(super) const BLOCK_ROWS: usize = 16 * PANEL;

/// Rows that an origin is taken from.
const ORIGIN_ROWS: usize = 1_001;

/// Power of two of the largest value of rows in their own frame. Squares can be added without
/// overflow, and values 1e30 times smaller still have squares above 0.
const ROWS_EXPONENT: i32 = 48;

/// Power of two of the largest centre in the frame of centres, so that rows may lie a billion
/// times farther out.
const CENTRES_EXPONENT: i32 = 30;

/// Squared length beyond which a row is too far out for f32.
pub(super) const MOST_NORM: f32 = 1.3e36;

/// Where the origin lies and what the unit is. The scale is a power of two, so only the subtraction
/// rounds.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    scale: f32,
    /// Scaled, one per column.
    origin: Vec<f32>,
}

impl Frame {
    /// For rows whose largest magnitude is known. The origin is the median of evenly spaced rows:
    /// inside the data, and unmoved by a few huge values.
    pub(super) fn of_points(points: Points<'_>, largest: f32) -> Self {
        let step = points.rows().div_ceil(ORIGIN_ROWS).max(1);
        let scale = scale(f64::from(largest), ROWS_EXPONENT);
        let mut values = Vec::with_capacity(ORIGIN_ROWS);
        let column = |column| {
            let rows = points.values().chunks_exact(points.width()).step_by(step);
            values.clear();
            values.extend(rows.filter_map(|row| row.get(column).copied()));
            median(&mut values) * scale
        };
        Self { scale, origin: (0..points.width()).map(column).collect() }
    }

    /// For centres, which are all that is known when a few rows are to be assigned.
    pub(super) fn of_centres(centres: &[f64], width: usize) -> Self {
        let mut values = Vec::with_capacity(centres.len() / width);
        let column = |column| {
            let rows = centres.chunks_exact(width);
            values.clear();
            values.extend(rows.filter_map(|row| row.get(column).map(|value| *value as f32)));
            median(&mut values)
        };
        let origin: Vec<f32> = (0..width).map(column).collect();
        let moves = centres.chunks_exact(width).flat_map(|row| row.iter().zip(&origin));
        let largest = moves.fold(0.0, |most: f64, (c, o)| most.max((c - f64::from(*o)).abs()));
        let scale = scale(largest, CENTRES_EXPONENT);
        Self { scale, origin: origin.iter().map(|value| value * scale).collect() }
    }

    /// Centres of rows in this frame, in the units of the rows.
    pub(super) fn restore(&self, centres: &[f64]) -> Vec<f64> {
        let origin = self.origin.iter().cycle();
        let restore = |(c, o): (&f64, &f32)| (c + f64::from(*o)) / f64::from(self.scale);
        centres.iter().zip(origin).map(restore).collect()
    }

    /// Centres in the units of the rows, in this frame.
    pub(super) fn place(&self, centres: &[f64]) -> Vec<f64> {
        let origin = self.origin.iter().cycle();
        let place = |(c, o): (&f64, &f32)| c * f64::from(self.scale) - f64::from(*o);
        centres.iter().zip(origin).map(place).collect()
    }

    /// Values of one panel: the columns one after the other, [`PANEL`] rows each.
    pub(super) fn panel_len(&self) -> usize {
        self.origin.len() * PANEL
    }

    /// Fills panels with rows; places beyond the last row become 0.
    pub(super) fn pack(&self, rows: &[f32], panels: &mut [f32]) {
        let width = self.origin.len();
        let panels = panels.chunks_exact_mut(self.panel_len());
        for (rows, panel) in rows.chunks(PANEL * width).zip(panels) {
            self.pack_panel(rows.chunks_exact(width), panel);
        }
    }

    /// The same for at most [`PANEL`] rows from anywhere.
    pub(super) fn pack_panel<'a>(
        &self,
        rows: impl ExactSizeIterator<Item = &'a [f32]>,
        panel: &mut [f32],
    ) {
        let (columns, _) = panel.as_chunks_mut::<PANEL>();
        if rows.len() < PANEL {
            columns.iter_mut().for_each(|column| column.fill(0.0));
        }
        for (lane, row) in rows.enumerate().take(PANEL) {
            for ((column, value), origin) in columns.iter_mut().zip(row).zip(&self.origin) {
                if let Some(to) = column.get_mut(lane) {
                    *to = value * self.scale - origin;
                }
            }
        }
    }

    /// All rows as panels.
    pub(super) fn pack_all(
        &self,
        points: Points<'_>,
        run: &FitRun<'_>,
    ) -> Result<Vec<f32>, FitError> {
        let panels = points.rows().div_ceil(PANEL);
        let mut packed = vec![0.0; panels * self.panel_len()];
        let blocks = packed.par_chunks_mut(self.panel_len() * (BLOCK_ROWS / PANEL));
        let rows = points.values().par_chunks(points.width() * BLOCK_ROWS);
        blocks.zip(rows).try_for_each(|(block, rows)| {
            run.check()?;
            self.pack(rows, block);
            Ok::<(), FitError>(())
        })?;
        Ok(packed)
    }
}

/// Values of one row of a panel.
pub(super) fn lane(panel: &[f32], row: usize) -> impl Iterator<Item = f64> + '_ {
    let columns = panel.chunks_exact(PANEL);
    columns.filter_map(move |column| column.get(row)).map(|value| f64::from(*value))
}

/// The middle value, the lower of two.
fn median(values: &mut [f32]) -> f32 {
    let middle = values.len().saturating_sub(1) / 2;
    if middle >= values.len() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// The power of two that brings `largest` below `2^exponent`, as far as f32 has it.
fn scale(largest: f64, exponent: i32) -> f32 {
    if largest == 0.0 {
        return 1.0;
    }
    let power = exponent - largest.log2().floor() as i32 - 1;
    2.0_f32.powi(power.clamp(-120, 120))
}
