//! Platt's sigmoid.

use serde::{Deserialize, Serialize};

use super::{Sample, sigmoid};
use crate::metrics::logistic::{LogisticRow, LogisticSearch};
use crate::model::{FitError, FitRun};

/// `P(event | s) = 1 / (1 + exp(a s + b))`; `a` is negative when higher scores mean more events.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Platt {
    /// Minus the slope.
    pub a: f64,
    /// Minus the intercept.
    pub b: f64,
}

impl Platt {
    /// The probability for a score, 0 to 1.
    pub fn apply(&self, score: f64) -> f64 {
        sigmoid(-(self.a * score + self.b))
    }

    /// The sigmoid of weighted rows, and whether the search came to rest.
    pub(super) fn fit(sample: Sample<'_>, run: &FitRun<'_>) -> Result<(Self, bool), FitError> {
        let rows = rows(sample);
        let mut search = LogisticSearch::new(&rows);
        while search.step() {
            run.check()?;
        }
        let (curve, converged) = search.finish();
        Ok((Self { a: -curve.first, b: -curve.constant }, converged))
    }
}

/// Fits Platt's sigmoid by Newton's method with backtracking (Platt 1999 as corrected by Lin, Lin
/// and Weng 2007). The targets are pulled towards the middle, `(N+ + 1) / (N+ + 2)` and
/// `1 / (N- + 2)`, which keeps the slope finite on separable scores. Pairs beyond the shorter
/// slice are passed over.
pub fn fit_platt(scores: &[f64], target: &[bool]) -> Platt {
    let weights = vec![1.0; scores.len()];
    let rows = rows(Sample { scores, target, weights: &weights });
    let mut search = LogisticSearch::new(&rows);
    while search.step() {}
    let (curve, _) = search.finish();
    Platt { a: -curve.first, b: -curve.constant }
}

/// Scores nearer to 0 are taken for 0.
const SMALLEST: f64 = 1e-200;

fn rows(sample: Sample<'_>) -> Vec<LogisticRow> {
    let (events, others) = sample.totals();
    let (high, low) = ((events + 1.0) / (events + 2.0), 1.0 / (others + 2.0));
    let row = |(score, happened, weight): (f64, bool, f64)| LogisticRow {
        // A slope that tells such scores from 0 would not be finite.
        first: if score.abs() < SMALLEST { 0.0 } else { score },
        second: 0.0,
        target: if happened { high } else { low },
        weight,
    };
    sample.rows().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{EVENTS, SCORES};
    use super::*;

    #[test]
    fn scores_at_the_end_of_a_double_give_a_finite_curve() {
        let platt = fit_platt(&[-7.8e-310, -0.0], &[false, true]);
        assert!(platt.a.is_finite() && platt.b.is_finite(), "{platt:?}");
        assert!((platt.apply(0.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn platt_agrees_with_scikit_learn() {
        let platt = fit_platt(&SCORES, &EVENTS);
        // Its solver stops a little before the optimum.
        assert!((platt.a - -0.519_156_833_7).abs() < 5e-8, "{platt:?}");
        assert!((platt.b - 0.254_619_296_0).abs() < 5e-8, "{platt:?}");
    }

    #[test]
    fn separable_scores_of_any_size_give_a_finite_rising_sigmoid() {
        for scale in [1e-6, 1.0, 1e3, 1e9, 1e30, 1e300] {
            let scores: Vec<f64> = (0..40).map(|i| f64::from(i - 20) * scale).collect();
            let target: Vec<bool> = (0..40).map(|i| i >= 20).collect();
            let platt = fit_platt(&scores, &target);
            assert!(platt.a.is_finite() && platt.b.is_finite() && platt.a < 0.0);
            assert!(platt.apply(scores[39]) > 0.9, "{scale} {platt:?}");
        }
    }

    #[test]
    fn equal_scores_give_the_pulled_base_rate() {
        let target: Vec<bool> = (0..40).map(|i| i < 10).collect();
        let platt = fit_platt(&[3.0; 40], &target);
        let expected = (10.0 * 11.0 / 12.0 + 30.0 / 32.0) / 40.0;
        assert!((platt.apply(3.0) - expected).abs() < 1e-9, "{platt:?}");
    }

    #[test]
    fn calibrated_mean_equals_the_event_rate() {
        let scores: Vec<f64> = (0..2000).map(|i| f64::from(i % 97) / 20.0).collect();
        let target: Vec<bool> = (0..2000).map(|i| (i * 7919) % 100 < i % 97).collect();
        let platt = fit_platt(&scores, &target);
        let mean = scores.iter().map(|s| platt.apply(*s)).sum::<f64>() / 2000.0;
        let rate = target.iter().filter(|t| **t).count() as f64 / 2000.0;
        assert!((mean - rate).abs() < 1e-3, "{mean} {rate}");
    }

    #[test]
    fn a_weight_counts_like_repeated_rows() {
        let weights: Vec<f64> = (0..12).map(|i| f64::from(1 + i % 3)).collect();
        let sample = Sample { scores: &SCORES, target: &EVENTS, weights: &weights };
        let (platt, converged) = Platt::fit(sample, &FitRun::quiet(0)).unwrap();
        let (mut scores, mut target) = (Vec::new(), Vec::new());
        for (row, weight) in weights.iter().enumerate() {
            for _ in 0..*weight as usize {
                scores.push(SCORES[row]);
                target.push(EVENTS[row]);
            }
        }
        let repeated = fit_platt(&scores, &target);
        assert!(converged && (platt.a - repeated.a).abs() < 1e-12);
        assert!((platt.b - repeated.b).abs() < 1e-12);
    }
}
