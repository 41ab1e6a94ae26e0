//! Sums by bin, for every column of a node.

use rayon::prelude::*;

use super::binned::{Binned, GROUP, Lane};
use super::quantized::{Quantized, Sums};
use crate::model::FitRun;

/// Bins of a column, the last one for missing values.
pub(super) const BINS: usize = 256;

/// Rows whose sums are unpacked at a time, few enough to stay in the fastest cache.
const UNPACKED: usize = 256;

/// Rows that one task adds. Sums are exact, so the cut leaves no trace in the result.
const BLOCK: usize = 4_096;

/// Nodes of fewer rows are not worth a second thread.
const PARALLEL_ROWS: usize = 4 * BLOCK;

/// One list of sums per column.
#[derive(Clone, Debug)]
pub(super) struct Histogram(Vec<[Sums; BINS]>);

/// What a histogram is made from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) binned: &'a Binned,
    pub(super) quantized: &'a Quantized<'a>,
    /// Whether other threads may help.
    pub(super) parallel: bool,
    pub(super) run: &'a FitRun<'a>,
}

impl Histogram {
    /// The sums of one column, by its place in the list that the histogram was built for.
    pub(super) fn column(&self, place: usize) -> Option<&[Sums; BINS]> {
        self.0.get(place)
    }

    /// Takes away the sums of a child and leaves those of its sibling.
    pub(super) fn subtract(&mut self, child: &Self) {
        for (bins, child) in self.0.iter_mut().zip(&child.0) {
            for (bin, child) in bins.iter_mut().zip(child) {
                *bin = bin.less(*child);
            }
        }
    }

    fn empty(columns: usize) -> Self {
        Self(vec![[Sums::default(); BINS]; columns])
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

impl Source<'_> {
    /// The histogram of some rows over the listed columns. A cancelled run gets it incomplete.
    pub(super) fn histogram(&self, rows: &[u32], columns: &[usize]) -> Histogram {
        let every = columns.len() == self.binned.width();
        let slots = if every { columns.len().next_multiple_of(GROUP) } else { columns.len() };
        let add = |mut histogram: Histogram, rows: &[u32]| {
            if !self.run.cancel.is_cancelled() {
                let list = if every { None } else { Some(columns) };
                self.add_rows(&mut histogram, rows, list);
            }
            histogram
        };
        let empty = || Histogram::empty(slots);
        if self.parallel && rows.len() >= PARALLEL_ROWS {
            return rows.par_chunks(BLOCK).fold(empty, add).reduce(empty, Histogram::add);
        }
        rows.chunks(BLOCK).fold(empty(), add)
    }

    fn add_rows(&self, histogram: &mut Histogram, rows: &[u32], columns: Option<&[usize]>) {
        let mut unpacked = [Sums::default(); UNPACKED];
        for rows in rows.chunks(UNPACKED) {
            let mut places = unpacked.iter_mut();
            self.quantized.unpack(rows, |sums| {
                if let Some(place) = places.next() {
                    *place = sums;
                }
            });
            let Some(columns) = columns else {
                self.add_groups(histogram, rows, &unpacked);
                continue;
            };
            for (column, bins) in columns.iter().zip(&mut histogram.0) {
                add_column(bins, self.binned.lane(*column), rows, &unpacked);
            }
        }
    }

    fn add_groups(&self, histogram: &mut Histogram, rows: &[u32], unpacked: &[Sums; UNPACKED]) {
        let mut left = self.binned.width();
        let groups = histogram.0.as_chunks_mut::<GROUP>().0;
        for (codes, bins) in self.binned.groups().iter().zip(groups) {
            match left {
                1 => add_group::<1>(bins, codes, rows, unpacked),
                2 => add_group::<2>(bins, codes, rows, unpacked),
                3 => add_group::<3>(bins, codes, rows, unpacked),
                _ => add_group::<4>(bins, codes, rows, unpacked),
            }
            left = left.saturating_sub(GROUP);
        }
    }
}

/// Adds rows to the first `WIDTH` columns of a group.
#[inline(never)]
fn add_group<const WIDTH: usize>(
    bins: &mut [[Sums; BINS]; GROUP],
    codes: &[[u8; GROUP]],
    rows: &[u32],
    unpacked: &[Sums; UNPACKED],
) {
    // First all reads of what may be far away: so many more of them wait at once.
    let mut near = [[0; GROUP]; UNPACKED];
    for (place, row) in near.iter_mut().zip(rows) {
        *place = codes.get(*row as usize).copied().unwrap_or_default();
    }
    for (codes, sums) in near.iter().zip(unpacked).take(rows.len()) {
        for (bins, code) in bins.iter_mut().zip(codes).take(WIDTH) {
            if let Some(bin) = bins.get_mut(usize::from(*code)) {
                bin.add(*sums);
            }
        }
    }
}

/// Adds rows to one column.
#[inline(never)]
fn add_column(bins: &mut [Sums; BINS], lane: Lane<'_>, rows: &[u32], unpacked: &[Sums; UNPACKED]) {
    for (row, sums) in rows.iter().zip(unpacked) {
        let code = lane.code(*row as usize).unwrap_or(0);
        if let Some(bin) = bins.get_mut(usize::from(code)) {
            bin.add(*sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::trees::Table;

    #[test]
    fn groups_columns_and_threads_give_the_same_sums() {
        let rows = 20_000usize;
        let values: Vec<f32> = (0..rows * 6).map(|i| ((i * 7_919) % 1_013 % 97) as f32).collect();
        let target: Vec<bool> = (0..rows).map(|row| row % 5 == 1).collect();
        let run = FitRun::quiet(3);
        let binned = Binned::of(&Table::new(&values, 6, &[]).unwrap(), 255, &run).unwrap();
        let quantized = Quantized::of_events(&target, None);
        let source = Source { binned: &binned, quantized: &quantized, parallel: false, run: &run };
        let list: Vec<u32> = (0..rows as u32).filter(|row| row % 9 != 0).collect();
        let every: Vec<usize> = (0..6).collect();
        let whole = source.histogram(&list, &every);
        let parallel = Source { parallel: true, ..source }.histogram(&list, &every);
        assert_eq!(whole.0, parallel.0);
        let some = source.histogram(&list, &[5, 2]);
        assert_eq!((some.0[0], some.0[1]), (whole.0[5], whole.0[2]));
        let total: i64 = whole.0[3].iter().map(|sums| quantized.scale.rows(*sums) as i64).sum();
        assert_eq!(total, list.len() as i64);

        let (first, second) = list.split_at(7_000);
        let mut left = whole.clone();
        left.subtract(&source.histogram(first, &every));
        assert_eq!(left.0, source.histogram(second, &every).0);
    }
}
