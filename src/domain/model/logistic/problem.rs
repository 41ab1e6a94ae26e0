//! Checked data of a fit.

use super::{ALGORITHM, Rows};
use crate::model::{FitError, FitRun};

/// Rows per look at the cancel flag while the input is checked.
const CHECKED_AT_ONCE: usize = 1 << 22;

/// Rows, outcomes and weights that fit together; every number finite, both outcomes present.
#[derive(Debug)]
pub(super) struct Problem<'a> {
    pub(super) values: &'a [f32],
    pub(super) width: usize,
    pub(super) target: &'a [bool],
    pub(super) weights: Option<&'a [f64]>,
    /// Sum of the weights.
    pub(super) total: f64,
    /// Sum of the weights of the events.
    pub(super) events: f64,
    /// Largest absolute value of each column.
    pub(super) largest: Vec<f64>,
}

impl<'a> Problem<'a> {
    pub(super) fn new(
        rows: Rows<'a>,
        target: &'a [bool],
        weights: Option<&'a [f64]>,
        run: &FitRun<'_>,
    ) -> Result<Self, FitError> {
        let Rows { values, width } = rows;
        check_shapes(rows, target, weights)?;
        let largest = largest(values, width, run)?;
        let (total, events) = check_weights(target, weights)?;
        Ok(Self { values, width, target, weights, total, events, largest })
    }

    pub(super) fn rows(&self) -> usize {
        self.target.len()
    }

    /// Log odds of the event without any column.
    pub(super) fn log_odds(&self) -> f64 {
        (self.events / (self.total - self.events)).ln()
    }

    /// Bound of the change of any row's linear predictor by `step`, the intercept first.
    pub(super) fn reach(&self, step: &[f64]) -> f64 {
        let (intercept, slopes) = step.split_first().map_or((0.0, step), |(a, b)| (a.abs(), b));
        let slopes = slopes.iter().zip(&self.largest);
        slopes.fold(intercept, |sum, (slope, largest)| sum + slope.abs() * largest)
    }
}

fn check_shapes(rows: Rows<'_>, target: &[bool], weights: Option<&[f64]>) -> Result<(), FitError> {
    if rows.width == 0 {
        return Err(FitError::TooFew { what: "columns", expected: 1, found: 0 });
    }
    if target.is_empty() {
        return Err(FitError::TooFew { what: "rows", expected: 1, found: 0 });
    }
    if target.len().checked_mul(rows.width) != Some(rows.values.len()) {
        let (found, count, width) = (rows.values.len(), target.len(), rows.width);
        return Err(refused(format!(
            "expected {count} rows of {width} values for {count} outcomes, found {found} values"
        )));
    }
    if let Some(weights) = weights
        && weights.len() != target.len()
    {
        let (expected, found) = (target.len(), weights.len());
        return Err(refused(format!("expected {expected} weights, one per row, found {found}")));
    }
    Ok(())
}

fn largest(values: &[f32], width: usize, run: &FitRun<'_>) -> Result<Vec<f64>, FitError> {
    let at_once = (CHECKED_AT_ONCE / width).max(1);
    let mut largest = vec![0.0_f32; width];
    for (part, rows) in values.chunks(at_once * width).enumerate() {
        run.check()?;
        let mut probe = 0.0;
        for row in rows.chunks_exact(width) {
            for (largest, value) in largest.iter_mut().zip(row) {
                *largest = largest.max(value.abs());
                // 0, or NaN for a value that is not finite.
                probe += value * 0.0;
            }
        }
        if probe != 0.0 {
            return Err(not_finite(rows, width, part * at_once));
        }
    }
    Ok(largest.into_iter().map(f64::from).collect())
}

fn not_finite(rows: &[f32], width: usize, before: usize) -> FitError {
    let index = rows.iter().position(|value| !value.is_finite()).unwrap_or_default();
    let value = rows.get(index).copied().unwrap_or_default();
    let (row, column) = (before + index / width, index % width);
    refused(format!("row {row}, column {column}: expected a finite number, found {value}"))
}

/// The sums of all weights and of those of the events.
fn check_weights(target: &[bool], weights: Option<&[f64]>) -> Result<(f64, f64), FitError> {
    let (total, events, no_event, no_other) = if let Some(weights) = weights {
        let wrong = |weight: &f64| !(weight.is_finite() && *weight >= 0.0);
        if let Some(row) = weights.iter().position(wrong) {
            let weight = weights.get(row).copied().unwrap_or_default();
            return Err(refused(format!(
                "weight of row {row}: expected a finite number of at least 0, found {weight}"
            )));
        }
        let of = |outcome: bool| target.iter().zip(weights).filter(move |(y, _)| **y == outcome);
        let sum_of = |outcome: bool| of(outcome).map(|(_, weight)| weight).sum::<f64>();
        let (events, others) = (sum_of(true), sum_of(false));
        (events + others, events, events <= 0.0, others <= 0.0)
    } else {
        let events = target.iter().filter(|event| **event).count();
        (target.len() as f64, events as f64, events == 0, events == target.len())
    };
    if !total.is_finite() {
        return Err(refused("the weights sum to infinity; divide them by a number".to_owned()));
    }
    match (no_event, no_other) {
        (true, true) => Err(refused("every weight is 0; at least one row must count".to_owned())),
        (false, false) => Ok((total, events)),
        (_, outcome) => Err(FitError::OneClass { rows: target.len(), outcome }),
    }
}

pub(super) fn refused(message: String) -> FitError {
    FitError::Algorithm { algorithm: ALGORITHM, message }
}
