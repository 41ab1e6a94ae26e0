//! The line that would set probabilities right.

use serde::{Deserialize, Serialize};

use super::logistic::{LogisticRow, LogisticSearch};

/// Cox's recalibration of a model: `ln(o / (1 - o)) = intercept + slope ln(p / (1 - p))` between
/// the probabilities `p` it gave and the odds `o` that came true (Cox 1958, equation 12).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct CalibrationLine {
    /// 1 is perfect, below 1 the probabilities are too extreme, above 1 too timid, below 0 they
    /// rank backwards.
    pub slope: f64,
    /// 0 is perfect. With a slope of 1: above 0 the probabilities are too low, in log-odds.
    pub intercept: f64,
}

/// Probabilities are held this far off 0 and 1, as in [`super::log_loss`].
const CLIP: f64 = 1e-15;

/// Slope and intercept of Cox's recalibration, by largest likelihood. `weights` (one per row, 0 or
/// more) count rows several times.
///
/// `None` without both outcomes, when all probabilities are equal, when the probabilities separate
/// the outcomes (the slope has no bound), for unequal lengths, and for values that are no
/// probabilities or no weights.
pub fn calibration_slope_intercept(
    probabilities: &[f64],
    target: &[bool],
    weights: Option<&[f64]>,
) -> Option<CalibrationLine> {
    let rows = rows(probabilities, target, weights)?;
    let mut counted = rows.iter().filter(|row| row.weight > 0.0);
    let first = counted.next()?;
    if counted.all(|row| row.first == first.first) {
        return None;
    }
    let mut search = LogisticSearch::new(&rows);
    while search.step() {}
    let (curve, converged) = search.finish();
    converged.then_some(CalibrationLine { slope: curve.first, intercept: curve.constant })
}

fn rows(
    probabilities: &[f64],
    target: &[bool],
    weights: Option<&[f64]>,
) -> Option<Vec<LogisticRow>> {
    let same_length = weights.is_none_or(|weights| weights.len() == target.len());
    if probabilities.len() != target.len() || !same_length {
        return None;
    }
    let row = |(index, (probability, happened)): (usize, (&f64, &bool))| {
        let weight = weights.map_or(Some(1.0), |weights| weights.get(index).copied())?;
        let valid = (0.0..=1.0).contains(probability) && weight.is_finite() && weight >= 0.0;
        let held = probability.clamp(CLIP, 1.0 - CLIP);
        let target = f64::from(u8::from(*happened));
        let first = (held / (1.0 - held)).ln();
        valid.then_some(LogisticRow { first, second: 0.0, target, weight })
    };
    probabilities.iter().zip(target).enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f64; 12] = [-2.0, -1.5, -1.0, -0.5, 0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 2.5, 3.0];
    /// Of scikit-learn's logistic regression without a penalty.
    const SLOPE: f64 = 0.754_880_793_6;
    const INTERCEPT: f64 = -0.369_296_013_3;
    const EVENTS: [u8; 12] = [0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1];

    #[test]
    fn twice_the_log_odds_have_half_the_slope() {
        let target = EVENTS.map(|event| event == 1);
        let line = |factor: f64| {
            let probabilities = SCORES.map(|s| 1.0 / (1.0 + (-factor * s).exp()));
            calibration_slope_intercept(&probabilities, &target, None).unwrap()
        };
        let (one, two) = (line(1.0), line(2.0));
        assert!((one.slope - SLOPE).abs() < 1e-8, "{one:?}");
        assert!((one.intercept - INTERCEPT).abs() < 1e-8, "{one:?}");
        assert!((two.slope - SLOPE / 2.0).abs() < 1e-8);
        assert!((two.intercept - INTERCEPT).abs() < 1e-8);
    }

    #[test]
    fn a_weight_counts_like_repeated_rows() {
        let (probabilities, target) = ([0.1, 0.1, 0.6, 0.6], [true, false, true, false]);
        let line =
            calibration_slope_intercept(&probabilities, &target, Some(&[1.0, 9.0, 6.0, 4.0]));
        let line = line.unwrap();
        assert!((line.slope - 1.0).abs() < 1e-12 && line.intercept.abs() < 1e-12, "{line:?}");
    }

    #[test]
    fn undefined_is_none() {
        let none = |probabilities: &[f64], target: &[bool]| {
            assert_eq!(calibration_slope_intercept(probabilities, target, None), None);
        };
        none(&[], &[]);
        none(&[0.2, 0.4], &[true]);
        none(&[0.3, 0.3, 0.3], &[true, false, true]);
        none(&[0.2, 0.4, 0.6], &[true, true, true]);
        none(&[0.2, 0.4, 0.6, 0.8], &[false, false, true, true]);
        none(&[0.2, f64::NAN, 0.4], &[true, false, true]);
        none(&[0.2, 1.5, 0.4], &[true, false, true]);
        let negative = Some(&[1.0, -1.0, 1.0][..]);
        assert_eq!(
            calibration_slope_intercept(&[0.2, 0.4, 0.3], &[true, false, true], negative),
            None
        );
    }
}
