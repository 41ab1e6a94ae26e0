//! Counts of the rows that were read.

use std::collections::BTreeMap;

use super::line::Line;
use crate::transaction::{Refusal, Timestamp};

/// How many refusals are repeated word for word, as in an import report.
const FIRST_REFUSALS: usize = 20;

/// What the files held. All but `rows_read` and the refusals describe the rows that were not
/// refused.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HistoryCounts {
    /// Rows that were read, refused ones included.
    pub rows_read: u64,
    /// Lines that are neither duplicates nor corrections.
    pub accepted: u64,
    /// Lines whose order and line number were there already, with the same content.
    pub duplicates: u64,
    /// Lines that took the place of another with the same order and line number.
    pub corrected: u64,
    /// Lines without a customer; they are in no history.
    pub anonymous: u64,
    /// Rows that do not keep the contract.
    pub refused: u64,
    /// Refused rows by the key of the reason.
    pub refusals_by_reason: BTreeMap<String, u64>,
    /// The first 20 refused rows. Rows are counted from 1 over all files, one after the other.
    pub first_refusals: Vec<Refusal>,
    /// Distinct customers: as many as there are histories.
    pub customers: u64,
    /// Time of the earliest line.
    pub first_occurred_at: Option<Timestamp>,
    /// Time of the latest line.
    pub last_occurred_at: Option<Timestamp>,
}

/// Counts of some pieces.
#[derive(Debug, Default)]
pub(super) struct Tally {
    lines: u64,
    anonymous: u64,
    refused: u64,
    reasons: BTreeMap<&'static str, u64>,
    refusals: Vec<Refusal>,
    times: Option<(i64, i64)>,
}

impl Tally {
    /// Counts a line.
    pub(super) fn observe(&mut self, line: &Line) {
        self.lines += 1;
        self.anonymous += u64::from(line.is_anonymous());
        let at = line.occurred_at;
        let (first, last) = self.times.unwrap_or((at, at));
        self.times = Some((first.min(at), last.max(at)));
    }

    /// Counts a row that makes no line; `row` counts from 1.
    pub(super) fn refuse(
        &mut self,
        row: u64,
        field: String,
        reason: &'static str,
        message: String,
    ) {
        self.refused += 1;
        *self.reasons.entry(reason).or_default() += 1;
        if self.refusals.len() < FIRST_REFUSALS {
            self.refusals.push(Refusal { row, field, message });
        }
    }

    /// Adds what was counted in the pieces that follow.
    pub(super) fn add(&mut self, next: Self) {
        self.lines += next.lines;
        self.anonymous += next.anonymous;
        self.refused += next.refused;
        for (reason, rows) in next.reasons {
            *self.reasons.entry(reason).or_default() += rows;
        }
        let room = FIRST_REFUSALS.saturating_sub(self.refusals.len());
        self.refusals.extend(next.refusals.into_iter().take(room));
        self.times = match (self.times, next.times) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }

    /// The counts, given how many of the lines are duplicates and corrections.
    pub(super) fn finish(self, duplicates: u64, corrected: u64, customers: u64) -> HistoryCounts {
        let reasons = self.reasons.into_iter().map(|(reason, rows)| (reason.to_owned(), rows));
        HistoryCounts {
            rows_read: self.lines + self.refused,
            accepted: self.lines - duplicates - corrected,
            duplicates,
            corrected,
            anonymous: self.anonymous,
            refused: self.refused,
            refusals_by_reason: reasons.collect(),
            first_refusals: self.refusals,
            customers,
            first_occurred_at: self.times.map(|(first, _)| Timestamp::from_micros(first)),
            last_occurred_at: self.times.map(|(_, last)| Timestamp::from_micros(last)),
        }
    }
}
