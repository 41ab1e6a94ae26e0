//! Bins of numbers.

use super::bins::{Count, Outcomes, Totals};
use super::monotone::monotone;
use super::{Binning, Content, Settings};

/// Bins that supervised binning starts from, and most that may be asked for.
pub(super) const MOST_BINS: usize = 64;

/// Numbers up to and including `end`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) end: f32,
    pub(super) count: Count,
}

impl Range {
    /// Both, when `next` follows.
    pub(super) fn with(self, next: &Self) -> Self {
        Self { end: next.end, count: self.count.plus(&next.count) }
    }
}

/// Bins in ascending order, the last without end; then missing values if there are any.
pub(super) fn bins(
    values: &[f32],
    outcomes: Outcomes<'_>,
    totals: Totals,
    settings: &Settings,
) -> Vec<(Content, Count)> {
    let (distinct, missing) = distinct(values, outcomes);
    let first = match settings.binning {
        Binning::Quantile => settings.max_bins,
        Binning::Supervised => MOST_BINS,
    };
    let mut ranges = equal_weights(&distinct, first);
    merge_poor(&mut ranges, settings.min_bin_share * totals.weight());
    while ranges.len() > settings.max_bins {
        merge_alike(&mut ranges, totals);
    }
    if settings.monotone {
        ranges = monotone(&ranges, totals);
    }
    let last = ranges.len().saturating_sub(1);
    let content = |(index, range): (usize, Range)| {
        (Content::UpTo((index < last).then_some(range.end)), range.count)
    };
    let ranges = ranges.into_iter().enumerate().map(content);
    let missing = (missing.rows > 0).then_some((Content::Missing, missing));
    ranges.chain(missing).collect()
}

/// Counts of each distinct number in ascending order, and of the missing values.
fn distinct(values: &[f32], outcomes: Outcomes<'_>) -> (Vec<Range>, Count) {
    let mut missing = Count::default();
    let mut rows: Vec<(f32, usize)> = Vec::with_capacity(values.len());
    for (row, value) in values.iter().enumerate() {
        if value.is_nan() {
            missing.add(&outcomes.count(row));
        } else {
            // Makes -0 into 0.
            rows.push((*value + 0.0, row));
        }
    }
    // By row within a value, so that sums of weights have one order.
    rows.sort_unstable_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
    let mut distinct: Vec<Range> = Vec::new();
    for (value, row) in rows {
        let count = outcomes.count(row);
        match distinct.last_mut() {
            Some(range) if range.end == value => range.count.add(&count),
            _ => distinct.push(Range { end: value, count }),
        }
    }
    (distinct, missing)
}

/// At most `bins` ranges of nearly equal weight: each ends where its weight comes nearest to an
/// equal part of what is left, so that a heavy value does not take its neighbours with it.
fn equal_weights(distinct: &[Range], bins: usize) -> Vec<Range> {
    let (Some(first), true) = (distinct.first(), distinct.len() > bins) else {
        return distinct.to_vec();
    };
    let mut rest: f64 = distinct.iter().map(|range| range.count.weight()).sum();
    let mut ranges: Vec<Range> = Vec::new();
    let mut open = *first;
    for next in distinct.iter().skip(1) {
        let part = rest / bins.saturating_sub(ranges.len()).max(1) as f64;
        let (without, with) = (open.count.weight(), open.count.weight() + next.count.weight());
        if ranges.len() + 1 < bins && part - without <= with - part {
            rest -= without;
            ranges.push(open);
            open = *next;
        } else {
            open = open.with(next);
        }
    }
    ranges.push(open);
    ranges
}

/// Merges every range that weighs less than `least` or has one outcome, lightest first, into the
/// neighbour with the nearer event rate, until no such range or only one range is left.
fn merge_poor(ranges: &mut Vec<Range>, least: f64) {
    while ranges.len() > 1 {
        let poor = |range: &Range| range.count.weight() < least || !range.count.has_both();
        let candidates = ranges.iter().enumerate().filter(|(_, range)| poor(range));
        let lightest = candidates
            .min_by(|(_, left), (_, right)| left.count.weight().total_cmp(&right.count.weight()));
        let Some((index, range)) = lightest else { break };
        let distance = |other: Option<&Range>| {
            other.map_or(f64::INFINITY, |other| (other.count.rate() - range.count.rate()).abs())
        };
        let before = index.checked_sub(1);
        let left = distance(before.and_then(|before| ranges.get(before)));
        let right = distance(ranges.get(index + 1));
        merge(ranges, if left <= right { before.unwrap_or_default() } else { index });
    }
}

/// Merges the two neighbours whose merger loses least information value.
fn merge_alike(ranges: &mut Vec<Range>, totals: Totals) {
    let bins = ranges.len();
    let information = |range: &Range| totals.evidence(&range.count, bins).1;
    let losses = ranges.iter().zip(ranges.iter().skip(1)).map(|(left, right)| {
        information(left) + information(right) - information(&left.with(right))
    });
    let least = losses.enumerate().min_by(|(_, left), (_, right)| left.total_cmp(right));
    merge(ranges, least.map_or(0, |(index, _)| index));
}

/// Merges the range at `index` with the next.
fn merge(ranges: &mut Vec<Range>, index: usize) {
    if index + 1 < ranges.len() {
        let next = ranges.remove(index + 1);
        if let Some(range) = ranges.get_mut(index) {
            *range = range.with(&next);
        }
    }
}
