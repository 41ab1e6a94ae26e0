//! All rows in their frame, as blocks.

use std::slice::ChunksExact;

use rayon::prelude::*;

use super::frame::{BLOCK_ROWS, Frame, PANEL, lane};
use super::points::Points;
use crate::model::{FitError, FitRun};

/// Rows as panels, with their weights.
pub(super) struct Packed<'a> {
    pub(super) frame: Frame,
    panels: Vec<f32>,
    rows: usize,
    weights: Option<&'a [f64]>,
}

/// [`BLOCK_ROWS`] rows, fewer in the last block.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    /// Whole panels; see [`Frame::pack`].
    pub(super) panels: &'a [f32],
    /// Place of the first row among all.
    pub(super) first: usize,
    /// How many there are.
    pub(super) rows: usize,
    panel_len: usize,
    weights: Option<&'a [f64]>,
}

impl<'a> Packed<'a> {
    pub(super) fn new(
        frame: Frame,
        points: Points<'_>,
        weights: Option<&'a [f64]>,
        run: &FitRun<'_>,
    ) -> Result<Self, FitError> {
        let panels = frame.pack_all(points, run)?;
        Ok(Self { frame, panels, rows: points.rows(), weights })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn width(&self) -> usize {
        self.frame.panel_len() / PANEL - 1
    }

    pub(super) fn blocks(&self) -> usize {
        self.rows.div_ceil(BLOCK_ROWS)
    }

    pub(super) fn block(&self, index: usize) -> Block<'_> {
        let panel_len = self.frame.panel_len();
        let len = panel_len * (BLOCK_ROWS / PANEL);
        let panels = self.panels.chunks(len).nth(index).unwrap_or_default();
        let first = index * BLOCK_ROWS;
        let rows = self.rows.saturating_sub(first).min(BLOCK_ROWS);
        let weights = self.weights.and_then(|weights| weights.get(first..first + rows));
        Block { panels, first, rows, panel_len, weights }
    }

    /// What `work` makes of each block, in their order.
    pub(super) fn map<T: Send>(
        &self,
        run: &FitRun<'_>,
        work: impl Fn(Block<'_>) -> T + Sync,
    ) -> Result<Vec<T>, FitError> {
        let blocks = (0..self.blocks()).into_par_iter();
        blocks.map(|index| run.check().map(|()| work(self.block(index)))).collect()
    }

    /// One row, as it was packed.
    pub(super) fn row(&self, row: usize) -> Vec<f64> {
        self.block(row / BLOCK_ROWS).row(row % BLOCK_ROWS).collect()
    }

    /// Weight of one row.
    pub(super) fn weight(&self, row: usize) -> f64 {
        self.block(row / BLOCK_ROWS).weight(row % BLOCK_ROWS)
    }

    /// Mean of the variances of the columns, every row counted once.
    pub(super) fn mean_variance(&self, run: &FitRun<'_>) -> Result<f64, FitError> {
        let width = self.width();
        let (mut sums, mut squares) = (vec![0.0; width], vec![0.0; width]);
        for moments in self.map(run, |block| block.moments())? {
            for ((sum, square), (more, more_square)) in
                sums.iter_mut().zip(&mut squares).zip(moments)
            {
                *sum += more;
                *square += more_square;
            }
        }
        let rows = self.rows as f64;
        let variance =
            |(sum, square): (&f64, &f64)| (square / rows - (sum / rows).powi(2)).max(0.0);
        Ok(sums.iter().zip(&squares).map(variance).sum::<f64>() / width as f64)
    }
}

impl<'a> Block<'a> {
    /// Values of a row.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = f64> + '_ {
        let start = row / PANEL * self.panel_len;
        let panel = self.panels.get(start..start + self.panel_len).unwrap_or_default();
        lane(panel, row % PANEL)
    }

    /// Weight of a row.
    pub(super) fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights.get(row).copied().unwrap_or(0.0))
    }

    /// The panels one by one.
    pub(super) fn panels(&self) -> ChunksExact<'a, f32> {
        self.panels.chunks_exact(self.panel_len)
    }

    /// Weights of its rows; `None` when all have the same.
    pub(super) fn weights(&self) -> Option<&'a [f64]> {
        self.weights
    }

    /// Sum and sum of squares of each column.
    fn moments(self) -> Vec<(f64, f64)> {
        const LANES: usize = 8;
        let columns = self.panel_len / PANEL - 1;
        let mut moments = vec![([0.0_f64; LANES], [0.0_f64; LANES]); columns];
        for panel in self.panels() {
            for (column, (sums, squares)) in panel.chunks_exact(PANEL).zip(&mut moments) {
                for values in column.as_chunks::<LANES>().0 {
                    for ((sum, square), value) in sums.iter_mut().zip(&mut *squares).zip(values) {
                        let value = f64::from(*value);
                        *sum += value;
                        *square += value * value;
                    }
                }
            }
        }
        moments.iter().map(|(sums, squares)| (sums.iter().sum(), squares.iter().sum())).collect()
    }
}
