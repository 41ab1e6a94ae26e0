//! Autoregression of the changes from one period to the next, around a drift.
//!
//! Coefficients by Burg's method ("Maximum entropy spectral analysis", 37th annual meeting of the
//! Society of Exploration Geophysicists, 1967), which is stable at any length; the order by AICc.

use serde::{Deserialize, Serialize};

/// Highest order.
const HIGHEST_ORDER: usize = 12;
/// Fewest changes for each order.
const CHANGES_PER_ORDER: usize = 4;

/// A fitted model: coefficients, and as many of the latest changes less their drift, the latest
/// first.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Autoregression {
    coefficients: Vec<f64>,
    drift: f64,
    changes: Vec<f64>,
    last: f64,
}

impl Autoregression {
    /// Fits values of any number; below five of them there is a drift only.
    pub(super) fn fit(values: &[f64]) -> Self {
        let later = values.iter().skip(1);
        let mut changes: Vec<f64> = later.zip(values).map(|(later, value)| later - value).collect();
        let mean = changes.iter().sum::<f64>() / changes.len().max(1) as f64;
        let best = Burg::fit(&changes, mean);
        // Positive part of James and Stein's estimator: the drift as far as it is not noise.
        let gain = 1.0 - best.coefficients.iter().sum::<f64>();
        let noise = best.variance / (gain * gain * changes.len().max(1) as f64);
        let share = if mean == 0.0 { 0.0 } else { (1.0 - noise / (mean * mean)).max(0.0) };
        let drift = share * mean;
        changes.reverse();
        changes.truncate(best.coefficients.len());
        changes.iter_mut().for_each(|change| *change -= drift);
        let last = values.last().copied().unwrap_or_default();
        Self { coefficients: best.coefficients, drift, changes, last }
    }

    /// Writes the next `path.len()` values.
    pub(super) fn forecast(&self, path: &mut [f64]) {
        let mut next = self.clone();
        for value in path {
            let pairs = next.coefficients.iter().zip(&next.changes);
            *value = next.last + next.drift + pairs.map(|(a, b)| a * b).sum::<f64>();
            next.update(*value);
        }
    }

    /// Takes the next value in, with the parameters as they are.
    pub(super) fn update(&mut self, value: f64) {
        if !self.changes.is_empty() {
            self.changes.rotate_right(1);
        }
        if let Some(latest) = self.changes.first_mut() {
            *latest = value - self.last - self.drift;
        }
        self.last = value;
    }
}

/// Coefficients of the order of smallest AICc, and the variance of what they leave.
#[derive(Debug)]
struct Burg {
    variance: f64,
    coefficients: Vec<f64>,
}

impl Burg {
    fn fit(changes: &[f64], mean: f64) -> Self {
        let count = changes.len() as f64;
        let score = |variance: f64, order: usize| {
            // The mean and the variance are parameters, too.
            let parameters = order as f64 + 2.0;
            let penalty = 2.0 * parameters * count / (count - parameters - 1.0).max(0.5);
            count * variance.max(f64::MIN_POSITIVE).ln() + penalty
        };
        let mut forward: Vec<f64> = changes.iter().map(|change| change - mean).collect();
        let mut backward = forward.clone();
        let squares: f64 = forward.iter().map(|change| change * change).sum();
        let mut variance = squares / count.max(1.0);
        let mut best = Self { variance, coefficients: Vec::new() };
        let mut smallest = score(variance, 0);
        let mut coefficients = Vec::new();
        for order in 1..=HIGHEST_ORDER.min(changes.len() / CHANGES_PER_ORDER) {
            // The forward error of a period meets the backward error of the one before.
            let ahead = forward.get_mut(order..).unwrap_or_default();
            let behind = backward.get(order - 1..).unwrap_or_default();
            let (mut product, mut power) = (0.0, 0.0);
            for (forward, backward) in ahead.iter().zip(behind) {
                product += forward * backward;
                power += forward * forward + backward * backward;
            }
            if power <= 0.0 {
                break;
            }
            let reflection = 2.0 * product / power;
            let mut before = behind.first().copied().unwrap_or_default();
            let behind = backward.get_mut(order..).unwrap_or_default();
            for (forward, backward) in ahead.iter_mut().zip(behind) {
                let (f, b) = (*forward, before);
                before = *backward;
                *forward = f - reflection * b;
                *backward = b - reflection * f;
            }
            let reversed: Vec<f64> = coefficients.iter().rev().copied().collect();
            for (own, other) in coefficients.iter_mut().zip(reversed) {
                *own -= reflection * other;
            }
            coefficients.push(reflection);
            variance *= 1.0 - reflection * reflection;
            let found = score(variance, order);
            if found < smallest {
                smallest = found;
                best = Self { variance, coefficients: coefficients.clone() };
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between -1 and 1 that look random (Park and Miller's generator).
    fn noise(state: &mut u64) -> f64 {
        *state = *state * 48_271 % 2_147_483_647;
        *state as f64 / 1_073_741_823.5 - 1.0
    }

    /// Changes follow 0.6 and -0.3 times the last two, around a drift.
    fn simulated(drift: f64, count: usize) -> Vec<f64> {
        let mut random = 77;
        let (mut value, mut last, mut before) = (100.0, 0.0, 0.0);
        let step = |_| {
            (last, before) = (0.6 * last - 0.3 * before + noise(&mut random), last);
            value += last + drift;
            value
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn simulated_coefficients_and_drift_are_found() {
        let found = Autoregression::fit(&simulated(0.5, 4000));
        assert!((found.coefficients[0] - 0.6).abs() < 0.05, "{found:?}");
        assert!((found.coefficients[1] + 0.3).abs() < 0.05, "{found:?}");
        assert!((found.drift - 0.5).abs() < 0.05, "{found:?}");
    }

    #[test]
    fn updating_is_the_same_as_knowing() {
        let values = simulated(0.5, 200);
        let (known, new) = values.split_at(150);
        let mut rolled = Autoregression::fit(known);
        for value in new {
            rolled.update(*value);
        }
        let changes = values.windows(2).rev().map(|pair| pair[1] - pair[0] - rolled.drift);
        let expected: Vec<f64> = changes.take(rolled.coefficients.len()).collect();
        assert_eq!(rolled.changes, expected);
        assert_eq!(rolled.last, values[199]);
    }

    #[test]
    fn few_values_and_constants_are_repeated() {
        for values in [[].as_slice(), &[3.0], &[3.0, 3.0], &[3.0; 30]] {
            let mut path = [0.0; 3];
            Autoregression::fit(values).forecast(&mut path);
            assert_eq!(path, [values.last().copied().unwrap_or(0.0); 3]);
        }
    }
}
