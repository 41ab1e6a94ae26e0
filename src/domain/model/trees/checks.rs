//! What is asked of settings, targets and weights before work begins.

use super::binned::Binned;
use super::table::Sample;
use crate::model::FitError;

/// Largest absolute target or weight, so that no sum of squares overflows.
const LARGEST: f64 = 1e50;

/// Deepest tree.
pub(super) const DEEPEST: usize = 64;

/// Data that cannot be worked with.
pub(super) fn refused(message: String) -> FitError {
    FitError::Algorithm { algorithm: "trees", message }
}

/// A setting within its range.
pub(super) fn within(
    name: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
) -> Result<(), FitError> {
    if range.contains(&value) {
        return Ok(());
    }
    let expected = format!("{} to {}", range.start(), range.end());
    Err(FitError::Setting { name, expected, found: value.to_string() })
}

/// One target and one weight per row, and the rows that count.
pub(super) fn rows_that_count<T>(sample: &Sample<'_, T>) -> Result<Vec<u32>, FitError> {
    let rows = sample.binned.rows();
    if sample.target.len() != rows {
        let found = sample.target.len();
        return Err(refused(format!("expected {rows} targets, found {found}")));
    }
    let Some(weights) = sample.weights else {
        return if rows == 0 { Err(too_few()) } else { Ok((0..rows as u32).collect()) };
    };
    if weights.len() != rows {
        return Err(refused(format!("expected {rows} weights, found {}", weights.len())));
    }
    if let Some(row) = weights.iter().position(|weight| !(0.0..=LARGEST).contains(weight)) {
        let found = weights.get(row).copied().unwrap_or(f64::NAN);
        return Err(refused(format!("row {row}: expected a weight of 0 or more, found {found}")));
    }
    let counts = (0u32..).zip(weights).filter(|(_, weight)| **weight > 0.0);
    let counts: Vec<u32> = counts.map(|(row, _)| row).collect();
    if counts.is_empty() { Err(too_few()) } else { Ok(counts) }
}

/// Every target finite and from `least` on.
pub(super) fn targets(target: &[f64], least: f64) -> Result<(), FitError> {
    let bad = |value: &f64| value.abs() > LARGEST || *value < least || value.is_nan();
    let Some(row) = target.iter().position(bad) else {
        return Ok(());
    };
    let found = target.get(row).copied().unwrap_or(f64::NAN);
    Err(refused(format!("row {row}: expected a target from {least} to {LARGEST}, found {found}")))
}

/// One direction per column, or none at all; categories have no direction.
pub(super) fn monotone(directions: &[i8], binned: &Binned) -> Result<(), FitError> {
    let setting = |expected: String, found: String| {
        Err(FitError::Setting { name: "monotone", expected, found })
    };
    if !directions.is_empty() && directions.len() != binned.width() {
        let expected = format!("none or one for each of {} columns", binned.width());
        return setting(expected, directions.len().to_string());
    }
    for (column, direction) in directions.iter().enumerate() {
        let categorical = binned.column(column).is_some_and(|bins| bins.categorical);
        if !(-1..=1).contains(direction) || (categorical && *direction != 0) {
            let expected = if categorical { "0" } else { "-1, 0 or 1" };
            return setting(format!("{expected} for column {column}"), direction.to_string());
        }
    }
    Ok(())
}

fn too_few() -> FitError {
    FitError::TooFew { what: "rows with a weight", expected: 1, found: 0 }
}
