//! Which forecasts are too wild to be given.

use serde::{Deserialize, Serialize};

/// How far from the mean, in ranges of the past values.
const RANGES: f64 = 10.0;
/// How far above the largest value, as a multiple of it.
const TIMES: f64 = 5.0;
/// Part of the largest value that is never wild: a constant series has no range.
const ROUNDING: f64 = 1e-9;

/// What the past says about the values to come.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Plausible {
    count: f64,
    mean: f64,
    lowest: f64,
    highest: f64,
}

impl Plausible {
    pub(super) fn of(values: &[f64]) -> Self {
        let mut own = Self { count: 0.0, mean: 0.0, lowest: f64::MAX, highest: f64::MIN };
        for value in values {
            own.update(*value);
        }
        own
    }

    pub(super) fn update(&mut self, value: f64) {
        self.count += 1.0;
        self.mean += (value - self.mean) / self.count;
        self.lowest = self.lowest.min(value);
        self.highest = self.highest.max(value);
    }

    /// All values are finite, within ten ranges of the mean and, where the past was positive, not
    /// above five times its maximum.
    pub(super) fn holds(&self, path: &[f64]) -> bool {
        let (low, high) = self.limits();
        path.iter().all(|value| (low..=high).contains(value))
    }

    /// The nearest plausible value; the mean for what is no number.
    pub(super) fn hold(&self, value: f64) -> f64 {
        let (low, high) = self.limits();
        if value.is_nan() { self.mean } else { value.max(low).min(high) }
    }

    /// Lowest and highest plausible value.
    fn limits(&self) -> (f64, f64) {
        if self.count == 0.0 {
            return (0.0, 0.0);
        }
        let largest = self.highest.abs().max(self.lowest.abs());
        let range = RANGES * (self.highest - self.lowest).max(ROUNDING * largest);
        let high = self.mean + range;
        let high = if self.highest > 0.0 { high.min(TIMES * self.highest) } else { high };
        (self.mean - range, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wild_is_outside_ten_ranges_or_five_maxima() {
        let sales = Plausible::of(&[10.0, 20.0, 30.0]);
        assert!(sales.holds(&[0.0, 150.0, -180.0]));
        assert!(!sales.holds(&[151.0]));
        assert!(!sales.holds(&[-181.0]));
        assert!(!sales.holds(&[f64::NAN]));
        assert_eq!((sales.hold(1e9), sales.hold(f64::NAN)), (150.0, 20.0));
        let losses = Plausible::of(&[-10.0, -20.0]);
        assert!(losses.holds(&[80.0]) && !losses.holds(&[86.0]));
    }

    #[test]
    fn a_constant_or_an_empty_past_has_room_for_rounding_only() {
        let constant = Plausible::of(&[7.0; 5]);
        assert!(constant.holds(&[7.0 + 1e-12]) && !constant.holds(&[7.1]));
        assert_eq!(Plausible::of(&[]).hold(3.0), 0.0);
    }
}
