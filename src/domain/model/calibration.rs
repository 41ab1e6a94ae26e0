//! From scores to probabilities that come true as often as they say.
//!
//! An estimator's own probabilities drift: class weights, regularisation and a moving base rate
//! all bend them. A curve that is fitted on a later period bends them back. There are three, from
//! stiff to supple: Platt's sigmoid (two numbers), beta calibration (three, for probabilities that
//! are bent differently at the two ends), and isotonic regression (any rising curve, for which it
//! takes about a thousand rows). [`Calibration::choose`] takes the one that predicts best within
//! the period itself.

mod beta;
mod choice;
mod isotonic;
mod platt;

use serde::{Deserialize, Serialize};

pub use self::beta::Beta;
pub use self::choice::{CalibrationChoice, CalibrationMethod, CalibrationTrial, CalibrationWindow};
pub use self::isotonic::{InvalidKnots, Isotonic, Knot};
pub use self::platt::{Platt, fit_platt};

/// How log-odds become probabilities.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calibration {
    /// They stay as they are: there were too few later rows to learn from, or nothing to gain.
    Identity,
    /// A sigmoid with fitted slope and intercept.
    Platt(Platt),
    /// A rising curve of straight pieces.
    Isotonic(Isotonic),
    /// A sigmoid of the logarithms of the probability and of its complement.
    Beta(Beta),
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
        Self::base_rate(events as f64, (target.len() - events) as f64)
    }

    /// The probability for a score in log-odds, 0 to 1.
    pub fn apply(&self, log_odds: f64) -> f64 {
        match self {
            Self::Identity => sigmoid(log_odds),
            Self::Platt(platt) => platt.apply(log_odds),
            Self::Isotonic(isotonic) => isotonic.apply(log_odds),
            Self::Beta(beta) => beta.apply(log_odds),
        }
    }

    /// Which method this is.
    pub fn method(&self) -> CalibrationMethod {
        match self {
            Self::Identity => CalibrationMethod::Identity,
            Self::Platt(_) => CalibrationMethod::Platt,
            Self::Isotonic(_) => CalibrationMethod::Isotonic,
            Self::Beta(_) => CalibrationMethod::Beta,
        }
    }

    /// The share of events for every score, as a sigmoid without a slope.
    fn base_rate(events: f64, others: f64) -> Self {
        Self::Platt(Platt { a: 0.0, b: -(events / others).ln() })
    }
}

/// Rows that a curve is fitted to; all slices have one value per row, all values are finite.
#[derive(Clone, Copy, Debug)]
struct Sample<'a> {
    scores: &'a [f64],
    target: &'a [bool],
    weights: &'a [f64],
}

impl<'a> Sample<'a> {
    /// Score, outcome and weight of each row.
    fn rows(self) -> impl Iterator<Item = (f64, bool, f64)> + 'a {
        let rows = self.scores.iter().zip(self.target).zip(self.weights);
        rows.map(|((score, happened), weight)| (*score, *happened, *weight))
    }

    /// Weights of the rows with the event, and of those without.
    fn totals(self) -> (f64, f64) {
        self.rows().fold((0.0, 0.0), |(events, others), (_, happened, weight)| {
            if happened { (events + weight, others) } else { (events, others + weight) }
        })
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

    pub(super) const SCORES: [f64; 12] =
        [-2.0, -1.5, -1.0, -0.5, 0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 2.5, 3.0];
    pub(super) const EVENTS: [bool; 12] =
        [false, false, true, false, false, true, false, true, true, false, true, true];

    #[test]
    fn too_few_rows_leave_scores_alone() {
        assert_eq!(Calibration::fit(&[], &[]), Calibration::Identity);
        assert_eq!(Calibration::fit(&SCORES, &EVENTS), Calibration::Identity);
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
    fn sigmoid_and_log_odds_are_inverse() {
        for x in [-700.0, -3.0, 0.0, 2.5] {
            assert!((log_odds(sigmoid(x)) - x).abs() < 1e-9 * (1.0 + f64::abs(x)));
        }
        assert_eq!(sigmoid(-1e9), 0.0);
    }

    #[test]
    fn stored_forms_stay_readable() {
        for (stored, calibration) in [
            ("\"identity\"", Calibration::Identity),
            (r#"{"platt":{"a":-0.5,"b":0.25}}"#, Calibration::Platt(Platt { a: -0.5, b: 0.25 })),
            (
                r#"{"beta":{"a":0.5,"b":0.25,"c":-1.0}}"#,
                Calibration::Beta(Beta { a: 0.5, b: 0.25, c: -1.0 }),
            ),
            (
                r#"{"isotonic":[{"score":-1.0,"probability":0.25},{"score":2.0,"probability":0.5}]}"#,
                Calibration::Isotonic(
                    Isotonic::from_knots(vec![
                        Knot { score: -1.0, probability: 0.25 },
                        Knot { score: 2.0, probability: 0.5 },
                    ])
                    .unwrap(),
                ),
            ),
        ] {
            assert_eq!(serde_json::to_string(&calibration).unwrap(), stored);
            assert_eq!(serde_json::from_str::<Calibration>(stored).unwrap(), calibration);
        }
    }
}
