//! Positions of the season in which nothing is ever sold, such as the Sundays of a shop.
//!
//! They are taken out before a method sees the series and put back as exact zeros: a trend model
//! would spread them over the week, and one zero forbids a multiplicative season.

use serde::{Deserialize, Serialize};

/// Seasons that it takes before a position can count as closed.
const FEWEST_SEASONS: usize = 4;
/// A position is closed when zeros alone would come about there by chance at most this often, given
/// the share of zeros in the other positions.
const CHANCE: f64 = 0.001;

/// Which positions of the season are closed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct ClosedDays {
    closed: Vec<bool>,
}

impl ClosedDays {
    /// No position is closed in a season of `length` periods.
    pub(super) fn none(length: usize) -> Self {
        Self { closed: vec![false; length.max(1)] }
    }

    /// Finds the closed positions of `values`, counted from its first value.
    pub(super) fn find(values: &[f64], length: usize) -> Self {
        let length = length.max(1);
        let always_zero = |position: usize| {
            let mut on_position = values.iter().skip(position).step_by(length);
            on_position.all(|value| *value == 0.0)
        };
        let closed: Vec<bool> = (0..length).map(always_zero).collect();
        let found = Self { closed };
        let open = found.open_values(values);
        let zeros = open.iter().filter(|value| **value == 0.0).count();
        let share = zeros as f64 / open.len().max(1) as f64;
        let seasons = values.len() / length;
        let enough = seasons >= FEWEST_SEASONS && !open.is_empty();
        if enough && share.powf(seasons as f64) <= CHANCE { found } else { Self::none(length) }
    }

    /// Whether the period at `position` is closed.
    pub(super) fn contains(&self, position: usize) -> bool {
        let index = position % self.season_length();
        self.closed.get(index).copied().unwrap_or_default()
    }

    /// Length of a season, at least 1.
    pub(super) fn season_length(&self) -> usize {
        self.closed.len().max(1)
    }

    /// Length of a season of open positions only, at least 1.
    pub(super) fn open_length(&self) -> usize {
        self.closed.iter().filter(|closed| !**closed).count().max(1)
    }

    /// The values of the open positions.
    pub(super) fn open_values(&self, values: &[f64]) -> Vec<f64> {
        let positions = values.iter().enumerate();
        positions
            .filter(|(position, _)| !self.contains(*position))
            .map(|(_, value)| *value)
            .collect()
    }

    /// Spreads what stands for open positions over the `horizon` periods from `start` on, zero on
    /// closed ones.
    pub(super) fn spread(&self, open: &[f64], start: usize, horizon: usize) -> Vec<f64> {
        let mut open = open.iter();
        (start..start + horizon)
            .map(|position| {
                if self.contains(position) { 0.0 } else { open.next().copied().unwrap_or_default() }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_sunday_is_taken_out_and_put_back() {
        let values: Vec<f64> = (0..28).map(|t| f64::from(t % 7)).collect();
        let closed = ClosedDays::find(&values, 7);
        assert!(closed.contains(35) && !closed.contains(36));
        assert_eq!(closed.open_length(), 6);
        assert_eq!(closed.open_values(&values[..8]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(closed.spread(&[8.0, 9.0], 27, 3), [8.0, 0.0, 9.0]);
    }

    #[test]
    fn rare_sales_are_not_closed_days() {
        let mut values = vec![0.0; 42];
        values[10] = 1.0;
        values[25] = 2.0;
        assert_eq!(ClosedDays::find(&values, 7), ClosedDays::none(7));
        assert_eq!(ClosedDays::find(&[0.0, 1.0, 0.0, 1.0], 2), ClosedDays::none(2));
        assert_eq!(ClosedDays::find(&[], 7), ClosedDays::none(7));
    }
}
