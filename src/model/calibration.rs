//! From scores to probabilities that come true as often as they say.
//!
//! An estimator's own probabilities drift: class weights, regularisation and a moving base rate
//! all bend them. Platt scaling fits two numbers on a later period and bends them back. It is
//! chosen over isotonic regression because it needs tens of rows where that needs about a thousand.

use serde::{Deserialize, Serialize};

/// How log-odds become probabilities.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calibration {
    /// They stay as they are: there were too few later rows to learn from.
    Identity,
    /// A sigmoid with fitted slope and intercept.
    Platt(Platt),
}

/// `P(event | s) = 1 / (1 + exp(a s + b))`; `a` is negative when higher scores mean more events.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Platt {
    /// Minus the slope.
    pub a: f64,
    /// Minus the intercept.
    pub b: f64,
}

impl Calibration {
    /// Fewest rows with, and fewest without, the event that a sigmoid is fitted to: ten of the
    /// rarer outcome, the usual floor for a slope.
    pub const FEWEST_OF_EACH: usize = 10;

    /// Fits a sigmoid to the log-odds `scores`, or leaves them as they are when there are fewer
    /// than [`Calibration::FEWEST_OF_EACH`] rows of either outcome.
    ///
    /// Scores that rank the wrong way round carry nothing over to the later period; they get the
    /// period's base rate rather than a slope that would contradict the model's reasons.
    pub fn fit(scores: &[f64], target: &[bool]) -> Self {
        let events = target.iter().filter(|happened| **happened).count();
        let rarer = events.min(target.len() - events);
        if rarer < Self::FEWEST_OF_EACH || scores.len() != target.len() {
            return Self::Identity;
        }
        let platt = fit_platt(scores, target);
        if platt.a < 0.0 {
            return Self::Platt(platt);
        }
        let odds = events as f64 / (target.len() - events) as f64;
        Self::Platt(Platt { a: 0.0, b: -odds.ln() })
    }

    /// The probability for a score in log-odds, 0 to 1.
    pub fn apply(&self, log_odds: f64) -> f64 {
        match self {
            Self::Identity => sigmoid(log_odds),
            Self::Platt(platt) => platt.apply(log_odds),
        }
    }
}

impl Platt {
    /// The probability for a score, 0 to 1.
    pub fn apply(&self, score: f64) -> f64 {
        sigmoid(-(self.a * score + self.b))
    }
}

/// Fits Platt's sigmoid by Newton's method with backtracking (Platt 1999 as corrected by Lin, Lin
/// and Weng 2007). The targets are pulled towards the middle, `(N+ + 1) / (N+ + 2)` and
/// `1 / (N- + 2)`, which keeps the slope finite on separable scores. Pairs beyond the shorter
/// slice are passed over.
pub fn fit_platt(scores: &[f64], target: &[bool]) -> Platt {
    let problem = PlattProblem::new(scores, target);
    let mut at = problem.start();
    let mut value = problem.value(at);
    for _ in 0..PlattProblem::MOST_ITERATIONS {
        let Some((next, next_value)) = problem.step(at, value) else {
            break;
        };
        (at, value) = (next, next_value);
    }
    at
}

struct PlattProblem<'a> {
    scores: &'a [f64],
    target: &'a [bool],
    high: f64,
    low: f64,
}

impl<'a> PlattProblem<'a> {
    const MOST_ITERATIONS: usize = 100;
    const SHORTEST_STEP: f64 = 1e-10;
    /// Added to the diagonal of the Hessian, so that it can always be inverted.
    const RIDGE: f64 = 1e-12;
    const GRADIENT_TOLERANCE: f64 = 1e-10;

    fn new(scores: &'a [f64], target: &'a [bool]) -> Self {
        let positives = target.iter().filter(|happened| **happened).count() as f64;
        let negatives = target.len() as f64 - positives;
        Self {
            scores,
            target,
            high: (positives + 1.0) / (positives + 2.0),
            low: 1.0 / (negatives + 2.0),
        }
    }

    fn start(&self) -> Platt {
        let positives = self.target.iter().filter(|happened| **happened).count() as f64;
        let negatives = self.target.len() as f64 - positives;
        Platt { a: 0.0, b: ((negatives + 1.0) / (positives + 1.0)).ln() }
    }

    /// Pairs of score and pulled-in target.
    fn pairs(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let pairs = self.scores.iter().zip(self.target);
        pairs.map(|(score, happened)| (*score, if *happened { self.high } else { self.low }))
    }

    /// Cross-entropy at a point, in the form that neither overflows nor cancels.
    fn value(&self, at: Platt) -> f64 {
        let loss = |(score, target): (f64, f64)| {
            let z = at.a * score + at.b;
            if z >= 0.0 {
                target * z + (-z).exp().ln_1p()
            } else {
                (target - 1.0) * z + z.exp().ln_1p()
            }
        };
        self.pairs().map(loss).sum()
    }

    /// A better point and its value, or `None` at the optimum.
    fn step(&self, at: Platt, value: f64) -> Option<(Platt, f64)> {
        let (mut h11, mut h22, mut h21) = (Self::RIDGE, Self::RIDGE, 0.0);
        let (mut g1, mut g2) = (0.0, 0.0);
        for (score, target) in self.pairs() {
            let p = at.apply(score);
            let weight = p * (1.0 - p);
            h11 += score * score * weight;
            h22 += weight;
            h21 += score * weight;
            g1 += score * (target - p);
            g2 += target - p;
        }
        if g1.abs() < Self::GRADIENT_TOLERANCE && g2.abs() < Self::GRADIENT_TOLERANCE {
            return None;
        }
        let determinant = h11 * h22 - h21 * h21;
        let da = -(h22 * g1 - h21 * g2) / determinant;
        let db = -(-h21 * g1 + h11 * g2) / determinant;
        self.search(at, value, (da, db), g1 * da + g2 * db)
    }

    /// Halves the step until the value falls enough (Armijo's rule).
    fn search(
        &self,
        at: Platt,
        value: f64,
        direction: (f64, f64),
        slope: f64,
    ) -> Option<(Platt, f64)> {
        let mut length = 1.0;
        while length >= Self::SHORTEST_STEP {
            let next = Platt { a: at.a + length * direction.0, b: at.b + length * direction.1 };
            let next_value = self.value(next);
            if next_value < value + 1e-4 * length * slope {
                return Some((next, next_value));
            }
            length /= 2.0;
        }
        None
    }
}

/// `1 / (1 + exp(-x))`, without overflow.
pub(super) fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// `ln(p / (1 - p))`, infinite at 0 and 1.
pub(super) fn log_odds(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f64; 12] = [-2.0, -1.5, -1.0, -0.5, 0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 2.5, 3.0];
    const EVENTS: [u8; 12] = [0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1];

    #[test]
    fn platt_agrees_with_scikit_learn() {
        let platt = fit_platt(&SCORES, &EVENTS.map(|event| event == 1));
        // Its solver stops a little before the optimum, ours at a gradient below 1e-10.
        assert!((platt.a - -0.519_156_833_7).abs() < 5e-8, "{platt:?}");
        assert!((platt.b - 0.254_619_296_0).abs() < 5e-8, "{platt:?}");
    }

    #[test]
    fn separable_scores_of_any_size_give_a_finite_rising_sigmoid() {
        for scale in [1e-6, 1.0, 1e3, 1e9] {
            let scores: Vec<f64> = (0..40).map(|i| f64::from(i - 20) * scale).collect();
            let target: Vec<bool> = (0..40).map(|i| i >= 20).collect();
            let platt = fit_platt(&scores, &target);
            assert!(platt.a.is_finite() && platt.b.is_finite() && platt.a < 0.0);
            assert!(platt.apply(scores[39]) > 0.9, "{scale} {platt:?}");
        }
    }

    #[test]
    fn too_few_rows_leave_scores_alone() {
        assert_eq!(Calibration::fit(&[], &[]), Calibration::Identity);
        let target = EVENTS.map(|event| event == 1);
        assert_eq!(Calibration::fit(&SCORES, &target), Calibration::Identity);
        assert_eq!(Calibration::Identity.apply(0.0), 0.5);
    }

    #[test]
    fn scores_that_rank_backwards_give_the_base_rate() {
        let scores: Vec<f64> = (0..100).map(f64::from).collect();
        let target: Vec<bool> = (0..100).map(|i| i < 25).collect();
        let calibration = Calibration::fit(&scores, &target);
        assert!((calibration.apply(-3.0) - 0.25).abs() < 1e-12);
        assert!((calibration.apply(70.0) - 0.25).abs() < 1e-12);
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
    fn sigmoid_and_log_odds_are_inverse() {
        for x in [-700.0, -3.0, 0.0, 2.5] {
            assert!((log_odds(sigmoid(x)) - x).abs() < 1e-9 * (1.0 + f64::abs(x)));
        }
        assert_eq!(sigmoid(-1e9), 0.0);
    }
}
