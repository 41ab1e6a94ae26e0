//! All rows in their frame, as blocks.

use std::slice::ChunksExact;

use rayon::prelude::*;

use super::frame::{BLOCK_ROWS, Frame, PANEL, lane};
use super::points::Points;
use crate::model::{FitError, FitRun};

/// Rows as panels, with their weights.
pub(super) struct Packed<'a> {
    pub(super) frame: Frame,
    points: Points<'a>,
    panels: Vec<f32>,
    /// Which of [`SORTED_ROWS`] is where, if they were sorted.
    order: Vec<u16>,
    rows: usize,
    weights: Option<&'a [f64]>,
}

/// Rows among which they are sorted.
const SORTED_ROWS: usize = 16 * BLOCK_ROWS;

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
    order: &'a [u16],
    weights: Option<&'a [f64]>,
}

impl<'a> Packed<'a> {
    pub(super) fn new(
        frame: Frame,
        points: Points<'a>,
        weights: Option<&'a [f64]>,
        run: &FitRun<'_>,
    ) -> Result<Self, FitError> {
        let panels = frame.pack_all(points, run)?;
        Ok(Self { frame, points, panels, order: Vec::new(), rows: points.rows(), weights })
    }

    /// Sorts rows by the ranks of their labels, and the labels too, so that rows of a panel have
    /// neighbours in common. Only rows not far from each other change places, which keeps them in
    /// the cache.
    pub(super) fn sort(
        &mut self,
        labels: &mut [u32],
        ranks: &[u32],
        run: &FitRun<'_>,
    ) -> Result<(), FitError> {
        if self.order.is_empty() {
            self.order = (0..self.rows).map(|row| (row % SORTED_ROWS) as u16).collect();
        }
        let panel_len = self.frame.panel_len();
        let panels = self.panels.par_chunks_mut(SORTED_ROWS / PANEL * panel_len);
        let order = self.order.par_chunks_mut(SORTED_ROWS);
        let parts = labels.par_chunks_mut(SORTED_ROWS).zip(order).zip(panels).enumerate();
        let (frame, points) = (&self.frame, self.points);
        parts.try_for_each_init(
            || Counting::new(ranks),
            |counting, (part, ((labels, order), panels))| {
                run.check()?;
                counting.sort(labels, order);
                let start = part * SORTED_ROWS;
                points.fetch(start..start + order.len());
                for (order, panel) in order.chunks(PANEL).zip(panels.chunks_exact_mut(panel_len)) {
                    let rows = order.iter().map(|row| points.row(start + usize::from(*row)));
                    frame.pack_panel(rows, panel);
                }
                Ok::<(), FitError>(())
            },
        )
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn width(&self) -> usize {
        self.frame.panel_len() / PANEL
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
        let order = self.order.get(first..first + rows).unwrap_or_default();
        Block { panels, first, rows, panel_len, order, weights: self.weights }
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
        let Some(weights) = self.weights else { return 1.0 };
        let start = self.first - self.first % SORTED_ROWS;
        let row = self.order.get(row).map_or(self.first + row, |row| start + usize::from(*row));
        weights.get(row).copied().unwrap_or(0.0)
    }

    /// The panels one by one.
    pub(super) fn panels(&self) -> ChunksExact<'a, f32> {
        self.panels.chunks_exact(self.panel_len)
    }

    /// Weights of its rows, not sorted; `None` when all have the same.
    pub(super) fn weights(&self) -> Option<&'a [f64]> {
        self.weights.and_then(|weights| weights.get(self.first..self.first + self.rows))
    }

    /// Sum and sum of squares of each column.
    fn moments(self) -> Vec<(f64, f64)> {
        const LANES: usize = 8;
        let columns = self.panel_len / PANEL;
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

/// Sorts by the rank of the label, equals as they were.
struct Counting<'a> {
    ranks: &'a [u32],
    /// The label of each rank.
    labels: Vec<u32>,
    ends: Vec<u32>,
    order: Vec<u16>,
}

impl<'a> Counting<'a> {
    fn new(ranks: &'a [u32]) -> Self {
        let mut labels = vec![0; ranks.len()];
        for (label, rank) in (0..).zip(ranks) {
            if let Some(place) = labels.get_mut(*rank as usize) {
                *place = label;
            }
        }
        Self { ranks, labels, ends: vec![0; ranks.len() + 1], order: Vec::new() }
    }

    fn rank(&self, label: u32) -> usize {
        self.ranks.get(label as usize).map_or(0, |rank| *rank as usize)
    }

    fn sort(&mut self, labels: &mut [u32], order: &mut [u16]) {
        self.order.clear();
        self.order.extend_from_slice(order);
        self.ends.fill(0);
        for label in &*labels {
            let rank = self.rank(*label);
            if let Some(count) = self.ends.get_mut(rank + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for end in &mut self.ends {
            sum += *end;
            *end = sum;
        }
        // From the start of each rank to its end.
        for (label, place) in labels.iter().zip(&self.order) {
            let rank = self.rank(*label);
            if let Some(end) = self.ends.get_mut(rank)
                && let Some(to) = order.get_mut(*end as usize)
            {
                *to = *place;
                *end += 1;
            }
        }
        let mut rest = labels;
        let mut start = 0;
        for (label, end) in self.labels.iter().zip(&self.ends) {
            let (own, others) = rest.split_at_mut(((end - start) as usize).min(rest.len()));
            own.fill(*label);
            (rest, start) = (others, *end);
        }
    }
}
