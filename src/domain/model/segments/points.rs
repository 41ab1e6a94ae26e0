//! Standardised rows, and distances between them.

use std::collections::BTreeSet;

use crate::dataset::FeatureMatrix;
use crate::model::preprocessing::Standardizer;

/// Rows x width standardised values, row-major.
pub(super) struct Points {
    values: Vec<f64>,
    width: usize,
}

impl Points {
    pub(super) fn of(standardizer: &Standardizer, matrix: &FeatureMatrix) -> Self {
        let rows = matrix.iter_rows();
        Self {
            values: rows.flat_map(|row| standardizer.transform_row(row)).collect(),
            width: standardizer.width(),
        }
    }

    pub(super) fn new(values: Vec<f64>, width: usize) -> Self {
        Self { values, width }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn rows(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    pub(super) fn iter(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.width.max(1))
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        let start = row * self.width;
        self.values.get(start..start + self.width).unwrap_or_default()
    }

    /// The given rows, in that order.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|row| self.row(*row)).copied();
        Self::new(values.collect(), self.width)
    }

    /// How many different rows there are, counted up to `enough`.
    pub(super) fn distinct(&self, enough: usize) -> usize {
        let mut seen = BTreeSet::new();
        for row in self.iter() {
            // Adding zero turns -0 into 0, so that equal values have equal bits.
            seen.insert(row.iter().map(|value| (value + 0.0).to_bits()).collect::<Vec<_>>());
            if seen.len() >= enough {
                break;
            }
        }
        seen.len()
    }
}

pub(super) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// The nearest of `centres` (row-major, `point.len()` wide), the first on a tie, and the squared
/// distance to it.
pub(super) fn nearest(point: &[f64], centres: &[f64]) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (index, centre) in centres.chunks_exact(point.len().max(1)).enumerate() {
        let distance = squared_distance(point, centre);
        if distance < best.1 {
            best = (index, distance);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_rows_are_counted_up_to_the_limit() {
        let points = Points::new(vec![0.0, 1.0, -0.0, 1.0, 2.0, 1.0, 3.0, 3.0], 2);
        assert_eq!(points.distinct(10), 3);
        assert_eq!(points.distinct(2), 2);
    }

    #[test]
    fn the_first_of_equal_centres_is_nearest() {
        assert_eq!(nearest(&[1.0], &[5.0, 0.0, 2.0]), (1, 1.0));
    }
}
