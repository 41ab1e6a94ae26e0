//! Beta calibration.

use serde::{Deserialize, Serialize};

use super::{Sample, sigmoid};
use crate::metrics::logistic::{LogisticRow, LogisticSearch};
use crate::model::{FitError, FitRun};

/// `ln(P / (1 - P)) = a ln p - b ln(1 - p) + c` for a model's own probability `p` (Kull, Silva
/// Filho and Flach 2017, equation 3): a sigmoid with a slope of its own at either end. With
/// `a = b = 1` and `c = 0` nothing changes; with `a = b` it is a sigmoid of the log-odds.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Beta {
    /// Slope where events are rare, 0 or more.
    pub a: f64,
    /// Slope where events are frequent, 0 or more.
    pub b: f64,
    /// The intercept.
    pub c: f64,
}

/// What is done about columns with a negative coefficient.
#[derive(Clone, Copy)]
enum Terms {
    Both,
    Rare,
    Frequent,
}

impl Beta {
    /// Answers are held this far off 0 and 1.
    const FARTHEST: f64 = 1e-12;

    /// The probability for a score in log-odds, `1e-12` to `1 - 1e-12`.
    pub fn apply(&self, log_odds: f64) -> f64 {
        let (rare, frequent) = columns(log_odds);
        // 0 times infinity is no number.
        let term = |slope: f64, column: f64| if slope == 0.0 { 0.0 } else { slope * column };
        let z = term(self.a, rare) + term(self.b, frequent) + self.c;
        sigmoid(z).clamp(Self::FARTHEST, 1.0 - Self::FARTHEST)
    }

    /// The curve of largest likelihood, without a penalty. A coefficient that would be negative is
    /// set to 0 and the others are fitted again, as the authors do. `None` when nothing but a
    /// falling curve fits, or when the scores separate the outcomes and no curve is the best.
    pub(super) fn fit(sample: Sample<'_>, run: &FitRun<'_>) -> Result<Option<Self>, FitError> {
        let Some(both) = search(sample, Terms::Both, run)? else { return Ok(None) };
        let refitted = if both.a < 0.0 {
            search(sample, Terms::Frequent, run)?
        } else if both.b < 0.0 {
            search(sample, Terms::Rare, run)?
        } else {
            Some(both)
        };
        Ok(refitted.filter(|beta| beta.a >= 0.0 && beta.b >= 0.0 && beta.a + beta.b > 0.0))
    }
}

/// `None` when the search does not come to rest.
fn search(sample: Sample<'_>, terms: Terms, run: &FitRun<'_>) -> Result<Option<Beta>, FitError> {
    let row = |(score, happened, weight): (f64, bool, f64)| {
        let (rare, frequent) = columns(score);
        let (first, second) = match terms {
            Terms::Both => (rare, frequent),
            Terms::Rare => (rare, 0.0),
            Terms::Frequent => (0.0, frequent),
        };
        LogisticRow { first, second, target: f64::from(u8::from(happened)), weight }
    };
    let rows: Vec<LogisticRow> = sample.rows().map(row).collect();
    let mut search = LogisticSearch::new(&rows);
    while search.step() {
        run.check()?;
    }
    let (curve, converged) = search.finish();
    Ok(converged.then_some(Beta { a: curve.first, b: curve.second, c: curve.constant }))
}

/// `ln p` and `-ln(1 - p)` of the probability with these log-odds, without the detour over `p`,
/// which would lose all digits near 0 and 1.
fn columns(log_odds: f64) -> (f64, f64) {
    let tail = (-log_odds.abs()).exp().ln_1p();
    (log_odds.min(0.0) - tail, log_odds.max(0.0) + tail)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{EVENTS, SCORES};
    use super::*;

    fn fit(scores: &[f64], target: &[bool]) -> Option<Beta> {
        let weights = vec![1.0; scores.len()];
        Beta::fit(Sample { scores, target, weights: &weights }, &FitRun::quiet(0)).unwrap()
    }

    #[test]
    fn beta_agrees_with_the_reference() {
        // scikit-learn's logistic regression without a penalty on both columns.
        let beta = fit(&SCORES, &EVENTS).unwrap();
        assert!((beta.a - 0.840_003_217_8).abs() < 1e-8, "{beta:?}");
        assert!((beta.b - 0.697_706_012_2).abs() < 1e-8, "{beta:?}");
        assert!((beta.c - -0.247_479_709_1).abs() < 1e-8, "{beta:?}");
    }

    #[test]
    fn unbent_probabilities_stay() {
        let beta = Beta { a: 1.0, b: 1.0, c: 0.0 };
        for score in [-20.0, -1.0, 0.0, 0.3, 5.0] {
            assert!((beta.apply(score) - sigmoid(score)).abs() < 1e-12);
        }
        assert_eq!(beta.apply(-1e30), 1e-12);
        assert_eq!(Beta { a: 0.0, ..beta }.apply(f64::NEG_INFINITY), 0.5);
    }

    #[test]
    fn a_negative_slope_is_left_out() {
        // Events grow rarer to the right of 0 and more frequent to its left end.
        let rate = |step: i32| if step < 0 { 60 + step } else { 60 - step / 4 };
        let (mut scores, mut target) = (Vec::new(), Vec::new());
        for step in -40..40 {
            for row in 0..100 {
                scores.push(f64::from(step) / 10.0);
                target.push(row < rate(step));
            }
        }
        let beta = fit(&scores, &target).unwrap();
        assert!(beta.a > 0.0 && beta.b == 0.0, "{beta:?}");
        let falling: Vec<f64> = scores.iter().map(|score| 10.0 - score).collect();
        let backwards: Vec<bool> = falling.iter().map(|score| *score < 9.0).collect();
        assert_eq!(fit(&falling, &backwards), None);
    }

    #[test]
    fn separated_outcomes_have_no_curve() {
        let target = SCORES.map(|score| score > 0.1);
        assert_eq!(fit(&SCORES, &target), None);
        assert_eq!(fit(&SCORES, &[true; 12]), None);
    }
}
