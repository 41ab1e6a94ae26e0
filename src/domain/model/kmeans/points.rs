//! The rows, and whether they can be clustered.

use std::ops::Range;

use rayon::prelude::*;

use crate::model::{FitError, FitRun};

/// Rows x width values, row-major.
#[derive(Clone, Copy, Debug)]
pub struct Points<'a> {
    values: &'a [f32],
    width: usize,
}

/// Values between two looks at the cancel token.
const STRIDE: usize = 1 << 18;

/// Largest weight, so that no sum overflows.
const MOST_WEIGHT: f64 = 1e100;

impl<'a> Points<'a> {
    /// Rows of `width` values each. Values are checked where they are used.
    ///
    /// # Errors
    /// When `width` is 0 or `values` does not hold whole rows.
    pub fn new(values: &'a [f32], width: usize) -> Result<Self, FitError> {
        if width == 0 || !values.len().is_multiple_of(width) {
            let expected = format!("whole rows of {width} values, at least 1 wide");
            let found = format!("{} values", values.len());
            return Err(FitError::Setting { name: "points", expected, found });
        }
        Ok(Self { values, width })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// Values of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, row-major.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Reads some rows in their order, so that they are in the cache when they are wanted in another.
    pub(super) fn fetch(&self, rows: Range<usize>) {
        const CACHE_LINE: usize = 64 / size_of::<f32>();
        let values = self.values.get(rows.start * self.width..rows.end * self.width);
        let values = values.unwrap_or_default().iter().step_by(CACHE_LINE);
        std::hint::black_box(values.fold(0, |bits, value| bits | value.to_bits()));
    }

    /// One row; empty beyond the last.
    pub fn row(&self, row: usize) -> &'a [f32] {
        let start = row.saturating_mul(self.width);
        self.values.get(start..start.saturating_add(self.width)).unwrap_or_default()
    }

    /// The given rows, in that order.
    pub(super) fn select(&self, rows: &[usize]) -> Vec<f32> {
        rows.iter().flat_map(|row| self.row(*row)).copied().collect()
    }

    /// The largest magnitude of a value. All values must be finite.
    pub(super) fn largest(&self, run: &FitRun<'_>) -> Result<f32, FitError> {
        if self.values.len() <= STRIDE {
            return finite(largest_bits(self.values)).ok_or_else(|| self.not_finite());
        }
        let parts = self.values.par_chunks(STRIDE);
        let parts = parts.map(|part| run.check().map(|()| largest_bits(part)));
        let bits = parts.try_reduce(|| 0, |a, b| Ok(a.max(b)))?;
        finite(bits).ok_or_else(|| self.not_finite())
    }

    fn not_finite(&self) -> FitError {
        let place = self.values.iter().position(|value| !value.is_finite()).unwrap_or(0);
        let (row, column) = (place / self.width, place % self.width);
        let found = self.values.get(place).copied().unwrap_or(f32::NAN);
        refused(format!("row {row}, column {column}: expected a finite number, found {found}"))
    }

    /// Weights must be one per row, from 0 to 1e100, and enough rows must have one above 0.
    pub(super) fn check_weights(
        &self,
        weights: Option<&[f64]>,
        clusters: usize,
    ) -> Result<(), FitError> {
        let mut found = self.rows();
        if let Some(weights) = weights {
            if weights.len() != found {
                let message = format!("expected {found} weights, found {}", weights.len());
                return Err(refused(message));
            }
            let bad = weights.iter().enumerate().find(|(_, w)| !(0.0..=MOST_WEIGHT).contains(*w));
            if let Some((row, weight)) = bad {
                let message = format!("row {row}: expected a weight of 0 to 1e100, found {weight}");
                return Err(refused(message));
            }
            found = weights.iter().filter(|weight| **weight > 0.0).count();
        }
        if found < clusters {
            let what = "rows with a weight above 0";
            return Err(FitError::TooFew { what, expected: clusters, found });
        }
        Ok(())
    }
}

/// A refusal in this kernel's name.
pub(super) fn refused(message: String) -> FitError {
    FitError::Algorithm { algorithm: "kmeans", message }
}

/// Squared distance of a row to a centre.
pub(super) fn squared_distance(row: &[f32], centre: &[f64]) -> f64 {
    const LANES: usize = 4;
    let (heads, tail) = row.as_chunks::<LANES>();
    let (centre_heads, centre_tail) = centre.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (values, centres) in heads.iter().zip(centre_heads) {
        for ((sum, value), centre) in sums.iter_mut().zip(values).zip(centres) {
            let difference = f64::from(*value) - centre;
            *sum += difference * difference;
        }
    }
    let square = |(value, centre): (&f32, &f64)| (f64::from(*value) - centre).powi(2);
    let [a, b, c, d] = sums;
    (a + b) + (c + d) + tail.iter().zip(centre_tail).map(square).sum::<f64>()
}

/// The bits of the largest magnitude: those of an infinity or more when one is not finite.
fn largest_bits(values: &[f32]) -> u32 {
    values.iter().fold(0, |most, value| most.max(value.to_bits() & 0x7fff_ffff))
}

fn finite(bits: u32) -> Option<f32> {
    Some(f32::from_bits(bits)).filter(|value| value.is_finite())
}
