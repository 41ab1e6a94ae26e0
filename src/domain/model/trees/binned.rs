//! Columns as small whole numbers.
//!
//! A split only needs the order of the values. Every column is cut into at most 255 bins, and
//! bin 255 holds the missing values. Codes of four neighbouring columns lie together, so that
//! one read serves four histograms.

use std::sync::{Mutex, PoisonError};

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::checks::within;
use super::table::{MISSING_BIN, Table, level};
use crate::model::{FitError, FitRun};

/// Columns whose codes lie together.
pub(super) const GROUP: usize = 4;

/// Rows that are looked at to find the borders of a column.
const MOST_SORTED: usize = 1 << 18;

/// Rows that one task encodes.
const BLOCK: usize = 8_192;

/// Training rows, each value replaced by the number of its bin.
#[derive(Clone, Debug)]
pub struct Binned {
    rows: usize,
    columns: Vec<ColumnBins>,
    groups: Vec<Vec<u32>>,
}

/// The codes of one column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane<'a> {
    /// Those of its group, by row.
    codes: &'a [u32],
    /// Place of the column in the group.
    place: usize,
}

impl Lane<'_> {
    /// The code of a row.
    #[inline]
    pub(super) fn code(&self, row: usize) -> Option<u8> {
        Some((self.codes.get(row)? >> (8 * self.place)) as u8)
    }
}

/// How one column was cut.
#[derive(Clone, Debug)]
pub(super) struct ColumnBins {
    /// Whether the bins are category codes.
    pub(super) categorical: bool,
    /// Bins that may hold a value, from bin 0.
    pub(super) bins: usize,
    /// Borders in rising order; bin `b` holds the values from border `b - 1` to below border `b`.
    pub(super) borders: Vec<f64>,
}

/// Finds the bin of a value.
struct Encoder {
    categorical: bool,
    /// For each border the smallest `f32` that is not below it.
    ceilings: Vec<f32>,
}

impl Binned {
    /// Cuts every column of `table` into at most `max_bins` bins, 2 to 255.
    ///
    /// A column with no more distinct values than that gets a bin for each, otherwise bins of
    /// about equally many rows. A border lies halfway between neighbouring values. The borders of
    /// a table of more than 262,144 rows come from as many rows, drawn evenly by the run's seed.
    ///
    /// # Errors
    /// When `max_bins` is out of range or `run` was cancelled.
    pub fn of(table: &Table<'_>, max_bins: usize, run: &FitRun<'_>) -> Result<Self, FitError> {
        within("max_bins", max_bins as f64, 2.0..=f64::from(MISSING_BIN))?;
        let room = (0..table.width().div_ceil(GROUP)).map(|_| vec![0; table.rows()]);
        let (columns, mut groups) = cut(table, max_bins, room.collect(), run)?;
        run.progress.report("bin", 0.5);
        for (group, codes) in groups.iter_mut().enumerate() {
            encode(table, &columns, group * GROUP, codes, run)?;
        }
        run.progress.report("bin", 1.0);
        Ok(Self { rows: table.rows(), columns, groups })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The borders of a column in rising order, none for categories.
    pub fn borders(&self, column: usize) -> &[f64] {
        self.column(column).map_or(&[], |bins| &bins.borders)
    }

    pub(super) fn column(&self, column: usize) -> Option<&ColumnBins> {
        self.columns.get(column)
    }

    /// The codes by group of columns, then by row; that of the first column in the lowest bits.
    pub(super) fn groups(&self) -> &[Vec<u32>] {
        &self.groups
    }

    /// The codes of `column`.
    pub(super) fn lane(&self, column: usize) -> Lane<'_> {
        let codes = self.groups.get(column / GROUP).map_or(&[][..], Vec::as_slice);
        Lane { codes, place: column % GROUP }
    }
}

impl ColumnBins {
    /// From the picked rows, or from all; `room` is for as many.
    fn of(
        table: &Table<'_>,
        column: usize,
        picked: Option<&[u32]>,
        max_bins: usize,
        room: &mut [u32],
    ) -> Self {
        if table.is_categorical(column) {
            let bins = table.column(column).filter_map(level).max();
            let bins = bins.map_or(0, |level| usize::from(level) + 1);
            return Self { categorical: true, bins, borders: Vec::new() };
        }
        let mut count = 0;
        let mut put = |value: f32| {
            if let Some(place) = room.get_mut(count).filter(|_| !value.is_nan()) {
                *place = rank(value);
                count += 1;
            }
        };
        match picked {
            None => table.column(column).for_each(&mut put),
            Some(rows) => rows.iter().for_each(|row| put(table.value(*row as usize, column))),
        }
        let ranks = room.get_mut(..count).unwrap_or_default();
        ranks.sort_unstable();
        let borders = borders(ranks, max_bins);
        Self { categorical: false, bins: borders.len() + 1, borders }
    }
}

impl Encoder {
    fn of(bins: &ColumnBins) -> Self {
        let ceilings = bins.borders.iter().map(|border| ceiling(*border)).collect();
        Self { categorical: bins.categorical, ceilings }
    }

    #[inline]
    fn code(&self, value: f32) -> u8 {
        if value.is_nan() {
            return MISSING_BIN;
        }
        if self.categorical {
            return level(value).unwrap_or(MISSING_BIN);
        }
        self.ceilings.partition_point(|ceiling| *ceiling <= value) as u8
    }
}

/// Cuts all columns. Values are sorted where the codes will be: `room` has a list for each group, as
/// long as there are rows, and is given back.
fn cut(
    table: &Table<'_>,
    max_bins: usize,
    room: Vec<Vec<u32>>,
    run: &FitRun<'_>,
) -> Result<(Vec<ColumnBins>, Vec<Vec<u32>>), FitError> {
    let groups = room.len();
    let room = Mutex::new(room);
    let room_now = || room.lock().unwrap_or_else(PoisonError::into_inner);
    let picked = picked_rows(table.rows(), run.seed);
    let cut = |column: usize| {
        run.check()?;
        let lent = room_now().pop();
        // More threads than groups have room of their own, for the rows that are looked at.
        let mut lent = lent.unwrap_or_else(|| vec![0; table.rows().min(MOST_SORTED)]);
        let bins = ColumnBins::of(table, column, picked.as_deref(), max_bins, &mut lent);
        room_now().push(lent);
        Ok(bins)
    };
    let columns = (0..table.width()).into_par_iter().map(cut);
    let columns = columns.collect::<Result<_, FitError>>()?;
    let mut room = room.into_inner().unwrap_or_else(PoisonError::into_inner);
    room.retain(|room| room.len() == table.rows());
    room.truncate(groups);
    Ok((columns, room))
}

/// Writes the codes of the group of columns that begins at `first`.
fn encode(
    table: &Table<'_>,
    columns: &[ColumnBins],
    first: usize,
    codes: &mut [u32],
    run: &FitRun<'_>,
) -> Result<(), FitError> {
    let columns: Vec<Encoder> = columns.iter().skip(first).take(GROUP).map(Encoder::of).collect();
    let block = |(values, codes): (&[f32], &mut [u32])| {
        run.check()?;
        for (row, codes) in values.chunks_exact(table.width()).zip(codes) {
            let here = row.iter().skip(first).zip(&columns).zip(0..);
            let shifted = here
                .map(|((value, encoder), place)| u32::from(encoder.code(*value)) << (8 * place));
            *codes = shifted.fold(0, |all, code| all | code);
        }
        Ok(())
    };
    let values = table.values().par_chunks(BLOCK * table.width());
    values.zip(codes.par_chunks_mut(BLOCK)).map(block).collect()
}

/// One row at random from each of [`MOST_SORTED`] stretches of equal length; none picked: all.
fn picked_rows(rows: usize, seed: u64) -> Option<Vec<u32>> {
    if rows <= MOST_SORTED {
        return None;
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let start = |stretch: usize| (stretch as u64 * rows as u64 / MOST_SORTED as u64) as usize;
    Some((0..MOST_SORTED).map(|at| random.gen_range(start(at)..start(at + 1)) as u32).collect())
}

/// The bit of the sign.
const SIGN: u32 = 1 << 31;

/// A number that rises with the value, which is no NaN; one for both zeros. Whole numbers are sorted
/// faster.
#[inline]
fn rank(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// The value of a rank.
fn ranked(rank: u32) -> f64 {
    f64::from(f32::from_bits(if rank & SIGN == 0 { !rank } else { rank & !SIGN }))
}

/// A border after each distinct value or, when there are too many of those, wherever the values
/// since the last border are an equal share of what was left. A value that is a share of its own
/// gets a bin of its own.
fn borders(sorted: &[u32], max_bins: usize) -> Vec<f64> {
    let runs = || sorted.chunk_by(|a, b| a == b);
    let every = runs().nth(max_bins).is_none();
    let mut borders = Vec::with_capacity(max_bins);
    let (mut left, mut bins, mut pending) = (sorted.len(), max_bins, 0);
    for (run, next) in runs().zip(runs().skip(1)) {
        pending += run.len();
        let full = pending * bins >= left || next.len() * bins >= left;
        let (Some(low), Some(high)) = (run.first(), next.first()) else {
            continue;
        };
        if bins > 1 && (every || full) {
            borders.push(f64::midpoint(ranked(*low), ranked(*high)));
            left -= pending;
            bins -= 1;
            pending = 0;
        }
    }
    borders.shrink_to_fit();
    borders
}

/// The smallest `f32` that is not below `border`.
pub(super) fn ceiling(border: f64) -> f32 {
    let near = border as f32;
    if f64::from(near) < border { near.next_up() } else { near }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(binned: &Binned) -> Vec<u8> {
        (0..binned.rows()).map(|row| binned.lane(0).code(row).unwrap()).collect()
    }

    fn bin(values: &[f32], max_bins: usize) -> (Vec<f64>, Vec<u8>) {
        let table = Table::new(values, 1, &[]).unwrap();
        let binned = Binned::of(&table, max_bins, &FitRun::quiet(1)).unwrap();
        let codes = codes(&binned);
        (binned.borders(0).to_vec(), codes)
    }

    #[test]
    fn few_distinct_values_get_a_bin_each() {
        let (borders, codes) = bin(&[3.0, 1.0, f32::NAN, 3.0, 2.0, 1.0], 255);
        assert_eq!(borders, [1.5, 2.5]);
        assert_eq!(codes, [2, 0, 255, 2, 1, 0]);
        assert_eq!(bin(&[-0.0, 0.0, 7.0, 7.0], 255).0, [3.5]);
        assert!(bin(&[5.0; 9], 255).0.is_empty());
        assert_eq!(bin(&[f32::NAN; 3], 255), (vec![], vec![255; 3]));
    }

    #[test]
    fn neighbouring_floats_are_told_apart() {
        let low = 16_777_214.0f32;
        let (_, codes) = bin(&[low, low + 1.0, 1e-30, 1e-30f32.next_up()], 255);
        assert_eq!(codes, [2, 3, 0, 1]);
        let (borders, codes) = bin(&[f32::MIN, f32::MAX], 255);
        assert_eq!((borders, codes), (vec![0.0], vec![0, 1]));
    }

    #[test]
    fn many_values_get_equal_shares_and_ties_stay_together() {
        let values: Vec<f32> = (0..10_000).map(|i| (i % 5_000) as f32).collect();
        let (borders, codes) = bin(&values, 100);
        assert_eq!(borders.len(), 99);
        let mut counts = [0; 256];
        codes.iter().for_each(|code| counts[usize::from(*code)] += 1);
        assert!(counts[..100].iter().all(|count| *count == 100), "{counts:?}");
    }

    #[test]
    fn a_heavy_value_gets_a_bin_of_its_own() {
        let mut values: Vec<f32> = (1..=500).map(|i| -(i as f32)).collect();
        values.extend([0.0f32; 9_000]);
        values.extend((1..=500).map(|i| i as f32));
        let (borders, _) = bin(&values, 101);
        assert!(borders.contains(&-0.5) && borders.contains(&0.5));
        assert!(borders.len() > 90, "{}", borders.len());
    }

    #[test]
    fn large_tables_take_a_sample_and_split_counts_exactly() {
        let values: Vec<f32> = (0..600_000).map(|i| (i % 7) as f32).collect();
        assert_eq!(bin(&values, 255).0, [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]);
    }

    #[test]
    fn more_threads_than_groups_cut_the_same() {
        let rows = MOST_SORTED + 40_000;
        let values: Vec<f32> = (0..rows * 8).map(|i| ((i * 7_919) % 65_537) as f32).collect();
        let table = Table::new(&values, 8, &[]).unwrap();
        let binned = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Binned::of(&table, 255, &FitRun::quiet(1)).unwrap())
        };
        let (one, many) = (binned(1), binned(8));
        assert_eq!(one.groups, many.groups);
        assert!(one.groups.iter().all(|codes| codes.len() == rows));
    }

    #[test]
    fn codes_are_their_own_bins() {
        let values = [3.0, 0.0, f32::NAN, 254.0];
        let table = Table::new(&values, 1, &[0]).unwrap();
        let binned = Binned::of(&table, 255, &FitRun::quiet(1)).unwrap();
        let codes = codes(&binned);
        assert_eq!(codes, [3, 0, 255, 254]);
        assert_eq!(binned.columns[0].bins, 255);
    }
}
