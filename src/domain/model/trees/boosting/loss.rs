//! What boosting brings down.

use serde::{Deserialize, Serialize};

use super::super::checks::{refused, targets, within};
use crate::model::FitError;

/// A loss of a raw score `f` against a target `y`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub enum Loss {
    /// `-y ln p - (1 - y) ln (1 - p)` with `p = 1 / (1 + exp(-f))`; targets from 0 to 1.
    #[default]
    LogLoss,
    /// `(y - f)^2 / 2`.
    Squared,
    /// `|y - f|`; leaves are medians (Friedman 2001, algorithm 3).
    Absolute,
    /// `-y exp((1 - q) f) / (1 - q) + exp((2 - q) f) / (2 - q)` for a mean of `exp(f)` and a
    /// variance in proportion to the mean to the power `q`: Poisson counts at 1, sums of purchases
    /// between, gamma amounts at 2 (Jorgensen 1987). Targets from 0 on, above 0 at power 2.
    Tweedie {
        /// The power `q`, 1 to 2.
        power: f64,
    },
}

/// Largest exponent that is taken, so that nothing overflows.
const LARGEST_EXPONENT: f64 = 100.0;

/// Least share that stands for "never" in a starting score.
const LEAST_SHARE: f64 = 1e-9;

impl Loss {
    /// Targets and power within their range.
    pub(super) fn check(self, target: &[f64]) -> Result<(), FitError> {
        match self {
            Self::LogLoss => match target.iter().position(|y| !(0.0..=1.0).contains(y)) {
                Some(row) => {
                    Err(refused(format!("row {row}: expected a target from 0 to 1 for log-loss")))
                }
                None => Ok(()),
            },
            Self::Squared | Self::Absolute => targets(target, f64::MIN),
            Self::Tweedie { power } => {
                within("power", power, 1.0..=2.0)?;
                targets(target, if power < 2.0 { 0.0 } else { f64::MIN_POSITIVE })
            }
        }
    }

    /// The negative gradient and the Hessian by the raw score. Absolute errors have no curvature:
    /// it is taken as 1, and the leaves are set afterwards.
    #[inline]
    pub(super) fn derivatives(self, target: f64, raw: f64) -> [f64; 2] {
        match self {
            Self::LogLoss => {
                let p = self.mean(raw);
                [target - p, p * (1.0 - p)]
            }
            Self::Squared => [target - raw, 1.0],
            Self::Absolute => {
                let residual = target - raw;
                [if residual == 0.0 { 0.0 } else { residual.signum() }, 1.0]
            }
            Self::Tweedie { power } => {
                let low = target * bounded_exp((1.0 - power) * raw);
                let high = bounded_exp((2.0 - power) * raw);
                [low - high, (power - 1.0) * low + (2.0 - power) * high]
            }
        }
    }

    /// The largest gradient and Hessian that a row can have, if that is known.
    pub(super) fn largest_derivatives(self) -> Option<[f64; 2]> {
        match self {
            Self::LogLoss => Some([1.0, 0.25]),
            Self::Absolute => Some([1.0, 1.0]),
            Self::Squared | Self::Tweedie { .. } => None,
        }
    }

    /// The loss of one row; for Tweedie half the deviance up to a term of the target alone.
    #[inline]
    pub fn of(self, target: f64, raw: f64) -> f64 {
        match self {
            // ln(1 + exp(f)) - y f, which never overflows when written so.
            Self::LogLoss => raw.max(0.0) + (-raw.abs()).exp().ln_1p() - target * raw,
            Self::Squared => (target - raw).powi(2) / 2.0,
            Self::Absolute => (target - raw).abs(),
            Self::Tweedie { power } => {
                let part = |exponent: f64| {
                    if exponent == 0.0 { raw } else { bounded_exp(exponent * raw) / exponent }
                };
                part(2.0 - power) - target * part(1.0 - power)
            }
        }
    }

    /// The expected target at a raw score.
    #[inline]
    pub(super) fn mean(self, raw: f64) -> f64 {
        match self {
            Self::LogLoss => 1.0 / (1.0 + (-raw).exp()),
            Self::Squared | Self::Absolute => raw,
            Self::Tweedie { .. } => bounded_exp(raw),
        }
    }

    /// The raw score that fits all rows best; pairs of target and weight.
    pub(super) fn best_constant(self, rows: &mut [(f64, f64)]) -> f64 {
        let weight: f64 = rows.iter().map(|(_, weight)| weight).sum();
        let mean = rows.iter().map(|(target, row)| target * (row / weight)).sum::<f64>();
        match self {
            Self::LogLoss => {
                let share = mean.clamp(LEAST_SHARE, 1.0 - LEAST_SHARE);
                (share / (1.0 - share)).ln()
            }
            Self::Squared => mean,
            Self::Absolute => median(rows),
            Self::Tweedie { .. } => mean.max(LEAST_SHARE).ln(),
        }
    }

    /// Largest step of a raw score in one leaf. Where a score is an exponent, a Newton step from
    /// a flat place can be far too long.
    pub(super) fn longest_step(self) -> f64 {
        match self {
            Self::LogLoss => 30.0,
            Self::Squared | Self::Absolute => f64::INFINITY,
            Self::Tweedie { .. } => 5.0,
        }
    }
}

/// The weighted median of pairs of value and weight: the middle of the values at which half the
/// weight is reached and passed.
pub(super) fn median(rows: &mut [(f64, f64)]) -> f64 {
    rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let half = rows.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut below = 0.0;
    let mut reached: Option<f64> = None;
    for (value, weight) in rows.iter() {
        if let Some(reached) = reached {
            return f64::midpoint(reached, *value);
        }
        below += weight;
        if below > half {
            return *value;
        }
        if below == half {
            reached = Some(*value);
        }
    }
    reached.unwrap_or(0.0)
}

fn bounded_exp(exponent: f64) -> f64 {
    exponent.clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOSSES: [Loss; 6] = [
        Loss::LogLoss,
        Loss::Squared,
        Loss::Absolute,
        Loss::Tweedie { power: 1.0 },
        Loss::Tweedie { power: 1.5 },
        Loss::Tweedie { power: 2.0 },
    ];

    #[test]
    fn derivatives_are_those_of_the_loss() {
        for loss in LOSSES {
            for (target, raw) in [(0.25, -1.5), (1.0, 0.3), (0.5, 2.0)] {
                let at = |raw: f64| loss.of(target, raw);
                let [gradient, hessian] = loss.derivatives(target, raw);
                let slope = (at(raw + 1e-5) - at(raw - 1e-5)) / 2e-5;
                assert!((slope + gradient).abs() < 1e-7, "{loss:?} {slope} {gradient}");
                if loss != Loss::Absolute {
                    let bend = |raw| -loss.derivatives(target, raw)[0];
                    let curve = (bend(raw + 1e-5) - bend(raw - 1e-5)) / 2e-5;
                    assert!((curve - hessian).abs() < 1e-7, "{loss:?} {curve} {hessian}");
                }
            }
        }
    }

    #[test]
    fn the_best_constant_is_best() {
        for loss in LOSSES {
            let rows = [(0.1, 1.0), (0.9, 2.0), (0.4, 0.5), (0.7, 1.0)];
            let best = loss.best_constant(&mut rows.clone());
            let total = |raw| rows.iter().map(|(y, w)| w * loss.of(*y, raw)).sum::<f64>();
            assert!(total(best) <= total(best + 0.01) && total(best) <= total(best - 0.01));
        }
    }

    #[test]
    fn medians_weigh() {
        assert_eq!(median(&mut [(3.0, 1.0), (1.0, 1.0), (2.0, 1.0)]), 2.0);
        assert_eq!(median(&mut [(3.0, 1.0), (1.0, 1.0)]), 2.0);
        assert_eq!(median(&mut [(3.0, 5.0), (1.0, 1.0), (2.0, 1.0)]), 3.0);
        assert_eq!(median(&mut []), 0.0);
    }

    #[test]
    fn extreme_scores_stay_finite() {
        for loss in LOSSES {
            for raw in [-1e6, -800.0, 800.0, 1e6] {
                let [gradient, hessian] = loss.derivatives(1.0, raw);
                assert!(gradient.is_finite() && hessian.is_finite() && hessian >= 0.0);
                assert!(loss.of(1.0, raw).is_finite() && loss.mean(raw).is_finite());
            }
        }
    }
}
