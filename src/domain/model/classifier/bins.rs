//! Columns as small whole numbers.
//!
//! A split only needs the order of the values, so every column is cut into at most 256 bins by
//! its own quantiles. Equal values always share a bin, and every border lies strictly between two
//! values that occur.

use crate::model::{FitError, FitRun};

/// The training rows of the chosen columns, each value replaced by the number of its bin.
pub(super) struct Bins {
    columns: Vec<BinnedColumn>,
}

/// One column.
pub(super) struct BinnedColumn {
    /// Where the column stands in the feature matrix.
    pub(super) index: usize,
    /// Borders in rising order; bin `b` holds the values from border `b - 1` to below border `b`.
    pub(super) borders: Vec<f64>,
    /// The bin of each row.
    pub(super) codes: Vec<u8>,
}

impl Bins {
    /// Of row-major `values`.
    pub(super) fn of(values: &[f32], width: usize, run: &FitRun<'_>) -> Result<Self, FitError> {
        let bin = |index: usize| {
            run.check()?;
            let column = values.iter().skip(index).step_by(width).copied();
            Ok(BinnedColumn::of(index, &column.collect::<Vec<_>>()))
        };
        Ok(Self { columns: (0..width).map(bin).collect::<Result<_, FitError>>()? })
    }

    pub(super) fn columns(&self) -> &[BinnedColumn] {
        &self.columns
    }
}

impl BinnedColumn {
    /// Most bins of a column, so that a code fits in a byte.
    pub(super) const MOST: usize = 256;

    fn of(index: usize, values: &[f32]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f32::total_cmp);
        let borders = borders(&sorted);
        let code = |value: f32| borders.partition_point(|border| *border <= f64::from(value)) as u8;
        Self { index, codes: values.iter().map(|value| code(*value)).collect(), borders }
    }
}

/// A border after each distinct value or, when there are too many of those, after each value
/// that ends one of 256 equal shares of the rows.
fn borders(sorted: &[f32]) -> Vec<f64> {
    let runs: Vec<&[f32]> = sorted.chunk_by(|a, b| a == b).collect();
    let share = if runs.len() <= BinnedColumn::MOST {
        0.0
    } else {
        sorted.len() as f64 / BinnedColumn::MOST as f64
    };
    let mut borders = Vec::new();
    let (mut seen, mut due) = (0.0, share);
    for pair in runs.windows(2) {
        let [run, next] = pair else { continue };
        seen += run.len() as f64;
        let (Some(low), Some(high)) = (run.first(), next.first()) else {
            continue;
        };
        if seen >= due && borders.len() + 1 < BinnedColumn::MOST {
            borders.push(between(f64::from(*low), f64::from(*high)));
            due = seen + share;
        }
    }
    borders
}

/// The middle of two numbers, rounded to as few decimals as keep it strictly between them, so
/// that rules can be read.
fn between(low: f64, high: f64) -> f64 {
    let middle = low + (high - low) / 2.0;
    let rounded = |decimals: i32| {
        let unit = 10f64.powi(decimals);
        (middle * unit).round() / unit
    };
    let mut candidates = (0..=9).map(rounded);
    let fits = |candidate: &f64| low < *candidate && *candidate < high;
    candidates.find(fits).unwrap_or(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bin(values: Vec<f32>) -> BinnedColumn {
        BinnedColumn::of(0, &values)
    }

    #[test]
    fn few_distinct_values_get_a_bin_each() {
        let column = bin(vec![3.0, 1.0, 3.0, 2.0, 1.0]);
        assert_eq!(column.borders, [1.5, 2.5]);
        assert_eq!(column.codes, [2, 0, 2, 1, 0]);
        assert_eq!(bin(vec![-0.0, 0.0, 7.0]).borders, [4.0]);
        assert!(bin(vec![5.0; 9]).borders.is_empty());
    }

    #[test]
    fn neighbouring_floats_are_told_apart() {
        let low = 16_777_214.0f32;
        let column = bin(vec![low, low + 1.0, 1e-30, 1.000_000_1e-30]);
        assert_eq!(column.codes, [2, 3, 0, 1]);
        let largest = bin(vec![f32::MIN, f32::MAX]);
        assert_eq!((largest.borders, largest.codes), (vec![0.0], vec![0, 1]));
    }

    #[test]
    fn many_values_get_equal_shares_and_ties_stay_together() {
        let column = bin((0..10_000).map(|i| (i % 5_000) as f32).collect());
        assert!(column.borders.len() > 240 && column.borders.len() < BinnedColumn::MOST);
        let mut counts = [0usize; BinnedColumn::MOST];
        for code in &column.codes {
            counts[usize::from(*code)] += 1;
        }
        assert!(counts.iter().all(|count| *count <= 80 && count % 2 == 0));
    }

    #[test]
    fn a_heavy_value_does_not_swallow_the_rest() {
        let mut values = vec![0.0f32; 9_000];
        values.extend((1..=1_000).map(|i| i as f32));
        let column = bin(values);
        assert_eq!(column.borders[0], 0.5);
        assert!(column.borders.len() >= 20, "{}", column.borders.len());
    }

    #[test]
    fn borders_are_short_and_strictly_between() {
        assert_eq!(between(31.0, 32.0), 31.5);
        assert_eq!(between(100.0, 250.0), 175.0);
        assert_eq!(between(0.1, 0.2), 0.15);
        let (low, high) = (f64::from(0.3f32), f64::from(0.3f32.next_up()));
        let border = between(low, high);
        assert!(low < border && border < high);
    }
}
