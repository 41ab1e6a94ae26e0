//! Scores in points.

use serde::{Deserialize, Serialize};

use super::{ALGORITHM, refused};
use crate::model::FitError;

/// Turns log odds into points: score = offset + factor * ln(odds), where the odds are of the
/// non-event against the event, so that more points mean less risk (Siddiqi 2006, chapter 6).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Scorecard {
    /// Score at even odds.
    pub offset: f64,
    /// Points per unit of log odds: points to double the odds / ln(2).
    pub factor: f64,
}

impl Scorecard {
    /// The scale on which `base_odds` (non-events per event) score `base_score`, and
    /// `double` points more mean twice the odds.
    ///
    /// # Errors
    /// When a number is not finite, or `base_odds` or `double` is not above 0.
    pub fn new(base_score: f64, base_odds: f64, double: f64) -> Result<Self, FitError> {
        let factor = double / std::f64::consts::LN_2;
        let offset = base_score - factor * base_odds.ln();
        let positive = base_odds > 0.0 && double > 0.0;
        if positive && factor.is_finite() && offset.is_finite() {
            Ok(Self { offset, factor })
        } else {
            Err(refused(format!(
                "expected finite points, odds and points to double them, the last two above 0; \
                 found {base_score}, {base_odds} and {double} for {ALGORITHM}"
            )))
        }
    }

    /// Score at the natural logarithm of the odds of the non-event.
    pub fn score(&self, log_odds: f64) -> f64 {
        self.offset + self.factor * log_odds
    }
}
