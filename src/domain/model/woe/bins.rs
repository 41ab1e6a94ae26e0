//! Counts of bins and what they say.

use super::{SMOOTHING, refused};
use crate::model::FitError;

/// Outcomes and weights of the rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcomes<'a> {
    pub(super) target: &'a [bool],
    pub(super) weights: Option<&'a [f64]>,
}

impl Outcomes<'_> {
    /// One row as a count. A row that does not exist counts nothing.
    pub(super) fn count(&self, row: usize) -> Count {
        let weight = match self.weights {
            Some(weights) => weights.get(row).copied().unwrap_or_default(),
            None => 1.0,
        };
        match self.target.get(row) {
            Some(true) => Count { rows: 1, events: weight, others: 0.0 },
            Some(false) => Count { rows: 1, events: 0.0, others: weight },
            None => Count::default(),
        }
    }
}

/// Rows and weights of a bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Count {
    pub(super) rows: usize,
    pub(super) events: f64,
    pub(super) others: f64,
}

impl Count {
    pub(super) fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.events += other.events;
        self.others += other.others;
    }

    pub(super) fn plus(mut self, other: &Self) -> Self {
        self.add(other);
        self
    }

    pub(super) fn weight(&self) -> f64 {
        self.events + self.others
    }

    /// Share of events; one half for a bin without weight.
    pub(super) fn rate(&self) -> f64 {
        if self.weight() > 0.0 { self.events / self.weight() } else { 0.5 }
    }

    pub(super) fn has_both(&self) -> bool {
        self.events > 0.0 && self.others > 0.0
    }
}

/// Weights of all rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    events: f64,
    others: f64,
}

impl Totals {
    /// # Errors
    /// When there are no rows, a weight is negative or not finite, or the rows with weight have
    /// one outcome.
    pub(super) fn of(target: &[bool], weights: Option<&[f64]>) -> Result<Self, FitError> {
        if target.is_empty() {
            return Err(FitError::TooFew { what: "rows", expected: 1, found: 0 });
        }
        if let Some(weights) = weights {
            check_weights(weights, target.len())?;
        }
        let outcomes = Outcomes { target, weights };
        let mut all = Count::default();
        (0..target.len()).for_each(|row| all.add(&outcomes.count(row)));
        let Count { events, others, .. } = all;
        if !(events + others).is_finite() {
            return Err(refused("the weights sum to infinity; divide them by a number".to_owned()));
        }
        match (events > 0.0, others > 0.0) {
            (true, true) => Ok(Self { events, others }),
            (false, false) => Err(refused("every weight is 0".to_owned())),
            (outcome, _) => Err(FitError::OneClass { rows: target.len(), outcome }),
        }
    }

    pub(super) fn weight(&self) -> f64 {
        self.events + self.others
    }

    /// Weight of evidence and part of the information value of one of `bins` bins.
    pub(super) fn evidence(&self, count: &Count, bins: usize) -> (f64, f64) {
        let share = |part: f64, all: f64| (part + SMOOTHING) / (all + SMOOTHING * bins as f64);
        let others = share(count.others, self.others);
        let events = share(count.events, self.events);
        let woe = (others / events).ln();
        (woe, (others - events) * woe)
    }
}

fn check_weights(weights: &[f64], rows: usize) -> Result<(), FitError> {
    if weights.len() != rows {
        let found = weights.len();
        return Err(refused(format!("expected {rows} weights, one per row, found {found}")));
    }
    let wrong = |weight: &f64| !(weight.is_finite() && *weight >= 0.0);
    match weights.iter().enumerate().find(|(_, weight)| wrong(weight)) {
        None => Ok(()),
        Some((row, weight)) => Err(refused(format!(
            "weight of row {row}: expected a finite number of at least 0, found {weight}"
        ))),
    }
}
