//! Tallies by bin, for every column of a node.

use rayon::prelude::*;

use super::binned::{Binned, GROUP, Lane};
use super::quantized::{Quantized, Tally};
use crate::model::FitRun;

/// Bins of a column, the last one for missing values.
pub(super) const BINS: usize = 256;

/// Rows whose tallies are read at a time, few enough to stay in the fastest cache.
const AT_A_TIME: usize = 256;

/// Rows that one task adds. Sums are exact, so the cut leaves no trace in the result.
const BLOCK: usize = 4_096;

/// Nodes of fewer rows are not worth a second thread.
const PARALLEL_ROWS: usize = 4 * BLOCK;

/// Tallies by bin, one list per column.
#[derive(Clone, Debug)]
pub(super) struct Histogram<T>(Vec<[T; BINS]>);

/// What a histogram is made from.
pub(super) struct Source<'a, Q> {
    pub(super) binned: &'a Binned,
    pub(super) quantized: &'a Q,
    /// Whether other threads may help.
    pub(super) parallel: bool,
    pub(super) run: &'a FitRun<'a>,
}

impl<T: Tally> Histogram<T> {
    /// The tallies of one column, by its place in the list that the histogram was built for.
    pub(super) fn column(&self, place: usize) -> Option<&[T; BINS]> {
        self.0.get(place)
    }

    /// Takes away the tallies of a child and leaves those of its sibling.
    pub(super) fn subtract(&mut self, child: &Self) {
        for (bins, child) in self.0.iter_mut().zip(&child.0) {
            for (bin, child) in bins.iter_mut().zip(child) {
                *bin = bin.less(*child);
            }
        }
    }

    fn empty(columns: usize) -> Self {
        Self(vec![[T::default(); BINS]; columns])
    }

    fn add(mut self, other: Self) -> Self {
        for (bins, other) in self.0.iter_mut().zip(&other.0) {
            for (bin, other) in bins.iter_mut().zip(other) {
                bin.add(*other);
            }
        }
        self
    }
}

impl<Q: Quantized> Source<'_, Q> {
    /// The histogram of some rows over the listed columns. A cancelled run gets it incomplete.
    pub(super) fn histogram(&self, rows: &[u32], columns: &[usize]) -> Histogram<Q::Tally> {
        let every = columns.len() == self.binned.width();
        let slots = if every { columns.len().next_multiple_of(GROUP) } else { columns.len() };
        let add = |mut histogram: Histogram<Q::Tally>, rows: &[u32]| {
            if !self.run.cancel.is_cancelled() {
                let list = if every { None } else { Some(columns) };
                self.add_rows(&mut histogram, rows, list);
            }
            histogram
        };
        let empty = || Histogram::empty(slots);
        if self.parallel && rows.len() >= PARALLEL_ROWS {
            // No more parts than threads, for each has a histogram of its own.
            let parts = rows.par_chunks(rows.len().div_ceil(rayon::current_num_threads()));
            let parts = parts.map(|rows| rows.chunks(BLOCK).fold(empty(), add));
            return parts.reduce_with(Histogram::add).unwrap_or_else(empty);
        }
        rows.chunks(BLOCK).fold(empty(), add)
    }

    fn add_rows(
        &self,
        histogram: &mut Histogram<Q::Tally>,
        rows: &[u32],
        columns: Option<&[usize]>,
    ) {
        let mut tallies = [Q::Tally::default(); AT_A_TIME];
        for rows in rows.chunks(AT_A_TIME) {
            for (tally, row) in tallies.iter_mut().zip(rows) {
                *tally = self.quantized.tally(*row);
            }
            let Some(columns) = columns else {
                self.add_groups(histogram, rows, &tallies);
                continue;
            };
            for (column, bins) in columns.iter().zip(&mut histogram.0) {
                add_column(bins, self.binned.lane(*column), rows, &tallies);
            }
        }
    }

    fn add_groups(
        &self,
        histogram: &mut Histogram<Q::Tally>,
        rows: &[u32],
        tallies: &[Q::Tally; AT_A_TIME],
    ) {
        let mut left = self.binned.width();
        let groups = histogram.0.as_chunks_mut::<GROUP>().0;
        for (codes, bins) in self.binned.groups().iter().zip(groups) {
            match left {
                1 => add_group::<1, _>(bins, codes, rows, tallies),
                2 => add_group::<2, _>(bins, codes, rows, tallies),
                3 => add_group::<3, _>(bins, codes, rows, tallies),
                _ => add_group::<4, _>(bins, codes, rows, tallies),
            }
            left = left.saturating_sub(GROUP);
        }
    }
}

impl<Q> Clone for Source<'_, Q> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Q> Copy for Source<'_, Q> {}

/// Adds rows to the first `WIDTH` columns of a group.
#[inline(never)]
fn add_group<const WIDTH: usize, T: Tally>(
    bins: &mut [[T; BINS]; GROUP],
    codes: &[u32],
    rows: &[u32],
    tallies: &[T; AT_A_TIME],
) {
    // First all reads of what may be far away: so many more of them wait at once.
    let mut near = [0; AT_A_TIME];
    for (place, row) in near.iter_mut().zip(rows) {
        *place = codes.get(*row as usize).copied().unwrap_or_default();
    }
    for (codes, tally) in near.iter().zip(tallies).take(rows.len()) {
        for (bins, code) in bins.iter_mut().zip(codes.to_le_bytes()).take(WIDTH) {
            if let Some(bin) = bins.get_mut(usize::from(code)) {
                bin.add(*tally);
            }
        }
    }
}

/// Adds rows to one column.
#[inline(never)]
fn add_column<T: Tally>(
    bins: &mut [T; BINS],
    lane: Lane<'_>,
    rows: &[u32],
    tallies: &[T; AT_A_TIME],
) {
    for (row, tally) in rows.iter().zip(tallies) {
        let code = lane.code(*row as usize).unwrap_or(0);
        if let Some(bin) = bins.get_mut(usize::from(code)) {
            bin.add(*tally);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::trees::Table;
    use crate::model::trees::quantized::Events;

    #[test]
    fn groups_columns_and_threads_give_the_same_sums() {
        let rows = 20_000usize;
        let values: Vec<f32> = (0..rows * 6).map(|i| ((i * 7_919) % 1_013 % 97) as f32).collect();
        let target: Vec<bool> = (0..rows).map(|row| row % 5 == 1).collect();
        let run = FitRun::quiet(3);
        let binned = Binned::of(&Table::new(&values, 6, &[]).unwrap(), 255, &run).unwrap();
        let quantized = Events::of(&target);
        let source = Source { binned: &binned, quantized: &quantized, parallel: false, run: &run };
        let list: Vec<u32> = (0..rows as u32).filter(|row| row % 9 != 0).collect();
        let every: Vec<usize> = (0..6).collect();
        let whole = source.histogram(&list, &every);
        let parallel = Source { parallel: true, ..source }.histogram(&list, &every);
        assert_eq!(whole.0, parallel.0);
        let some = source.histogram(&list, &[5, 2]);
        assert_eq!((some.0[0], some.0[1]), (whole.0[5], whole.0[2]));
        let rows = |tally| quantized.scale().rows(quantized.sums(tally));
        let total: u64 = whole.0[3].iter().map(|tally| rows(*tally)).sum();
        assert_eq!(total, list.len() as u64);

        let (first, second) = list.split_at(7_000);
        let mut left = whole.clone();
        left.subtract(&source.histogram(first, &every));
        assert_eq!(left.0, source.histogram(second, &every).0);
    }
}
