//! Rows of the training window that are held back to choose settings by.

use crate::dataset::Dataset;
use crate::metrics::log_loss;
use crate::model::FitError;
use crate::model::calibration::sigmoid;

/// The share of customers that are held back where there is no later snapshot.
const SHARE: u64 = 5;

/// The training rows in two parts that share no outcome.
pub(super) struct Held {
    /// What candidates learn from.
    pub(super) earlier: Dataset,
    /// What they are judged by.
    pub(super) later: Dataset,
}

impl Held {
    /// Holds back the last snapshot, and leaves out those whose outcomes reach into it. Where
    /// nothing is left before it, a fifth of the customers is held back instead. `None` when a part
    /// would lack one of the outcomes.
    pub(super) fn of(train: &Dataset, horizon_days: u32) -> Option<Self> {
        Self::by_time(train, horizon_days).or_else(|| Self::by_customer(train))
    }

    fn by_time(train: &Dataset, horizon_days: u32) -> Option<Self> {
        let (last, before) = train.snapshots.split_last()?;
        let is_closed = |as_of: crate::transaction::Timestamp| {
            as_of.plus_days(i64::from(horizon_days)) <= last.as_of
        };
        let closed = before.iter().filter(|snapshot| is_closed(snapshot.as_of));
        let earlier: Vec<usize> = closed.flat_map(|snapshot| snapshot.rows.clone()).collect();
        let later: Vec<usize> = last.rows.clone().collect();
        Self::parts(train, &earlier, &later)
    }

    fn by_customer(train: &Dataset) -> Option<Self> {
        let group = |row: &usize| train.groups.get(*row).copied().unwrap_or(*row as u64);
        // A group is a hash or a number; mixing makes neighbours fall apart.
        let is_later = |row: &usize| {
            (group(row).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).is_multiple_of(SHARE)
        };
        let (later, earlier): (Vec<usize>, Vec<usize>) =
            (0..train.target.len()).partition(is_later);
        Self::parts(train, &earlier, &later)
    }

    fn parts(train: &Dataset, earlier: &[usize], later: &[usize]) -> Option<Self> {
        let held = Self { earlier: train.select(earlier), later: train.select(later) };
        let has_both = |part: &Dataset| (1..part.target.len()).contains(&part.positives());
        (has_both(&held.earlier) && has_both(&held.later)).then_some(held)
    }
}

/// The candidate whose scores, in log-odds, have the lowest log loss, and that loss; the first of
/// equals.
pub(super) fn best_of<T: Clone>(
    candidates: Vec<T>,
    target: &[bool],
    scores: impl Fn(&T) -> Result<Vec<f64>, FitError>,
) -> Result<(T, f64), FitError> {
    let mut best: Option<(T, f64)> = None;
    for candidate in candidates {
        let probabilities: Vec<f64> = scores(&candidate)?.into_iter().map(sigmoid).collect();
        let loss = log_loss(&probabilities, target).unwrap_or(f64::INFINITY);
        if best.as_ref().is_none_or(|(_, least)| loss < *least) {
            best = Some((candidate, loss));
        }
    }
    best.ok_or(FitError::TooFew { what: "candidates", expected: 1, found: 0 })
}
