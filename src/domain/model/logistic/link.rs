//! The logistic link of one row: exponential and logarithm without branches, so that a loop over
//! rows becomes vector code under whatever instructions the caller enabled.

/// What one row adds, at unit weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// Natural logarithm of 1 / probability of the outcome that happened.
    pub(super) loss: f64,
    /// Derivative of the loss by the linear predictor: probability minus outcome.
    pub(super) residual: f64,
    /// Second derivative: p (1 - p).
    pub(super) curvature: f64,
}

/// The link at `margin`, the linear predictor times `sign`: 1 for an event, else -1.
///
/// Both tails keep their relative accuracy. A margin that is not finite gives a loss that is not.
#[inline(always)]
pub(super) fn link(margin: f64, sign: f64) -> Link {
    let decay = exp_of_negative(-margin.abs());
    let likely = 1.0 / (1.0 + decay);
    let unlikely = decay * likely;
    let missed = if margin >= 0.0 { unlikely } else { likely };
    // The product is 0, or NaN where `max` would have hidden an overflow.
    let loss = (-margin).max(0.0) + ln_one_plus(decay) + 0.0 * margin;
    Link { loss, residual: -sign * missed, curvature: likely * unlikely }
}

/// Taylor coefficients of the exponential, 1/13! down to 1/0!, the even powers' beside the odd
/// powers': the rest is below 1e-17 for |x| <= ln(2) / 2.
const EXPONENTIAL: [[f64; 2]; 7] = [
    [1.0 / 479_001_600.0, 1.0 / 6_227_020_800.0],
    [1.0 / 3_628_800.0, 1.0 / 39_916_800.0],
    [1.0 / 40_320.0, 1.0 / 362_880.0],
    [1.0 / 720.0, 1.0 / 5_040.0],
    [1.0 / 24.0, 1.0 / 120.0],
    [0.5, 1.0 / 6.0],
    [1.0, 1.0],
];

/// Coefficients of artanh(x) / x in powers of x^2, 1/35 down to 1, in the same order: the rest is
/// below 1e-17 for x <= 1/3.
const AREA_TANGENT: [[f64; 2]; 9] = [
    [1.0 / 33.0, 1.0 / 35.0],
    [1.0 / 29.0, 1.0 / 31.0],
    [1.0 / 25.0, 1.0 / 27.0],
    [1.0 / 21.0, 1.0 / 23.0],
    [1.0 / 17.0, 1.0 / 19.0],
    [1.0 / 13.0, 1.0 / 15.0],
    [1.0 / 9.0, 1.0 / 11.0],
    [1.0 / 5.0, 1.0 / 7.0],
    [1.0, 1.0 / 3.0],
];

/// ln(2) with zeros at the end, so that small multiples are exact, and the rest of ln(2).
const LN_2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];

/// exp(x) for x <= 0; below -708 as at -708.
#[inline(always)]
fn exp_of_negative(x: f64) -> f64 {
    // Adding it leaves the nearest whole number in the low bits.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let [high, low] = LN_2;
    let x = x.max(-708.0);
    let shifted = x * std::f64::consts::LOG2_E + SHIFT;
    let power = shifted - SHIFT;
    let rest = (x - power * high) - power * low;
    polynomial(&EXPONENTIAL, rest) * f64::from_bits((shifted.to_bits().wrapping_add(1_023)) << 52)
}

/// ln(1 + x) for 0 <= x <= 1, by the series of 2 artanh(x / (2 + x)).
#[inline(always)]
fn ln_one_plus(x: f64) -> f64 {
    let ratio = x / (2.0 + x);
    2.0 * ratio * polynomial(&AREA_TANGENT, ratio * ratio)
}

/// Two Horner schemes in the square, so that neither waits for the other.
#[inline(always)]
fn polynomial<const N: usize>(coefficients: &[[f64; 2]; N], x: f64) -> f64 {
    let square = x * x;
    let (mut evens, mut odds) = (0.0, 0.0);
    for [even, odd] in coefficients {
        evens = evens * square + even;
        odds = odds * square + odd;
    }
    evens + x * odds
}

#[cfg(test)]
mod tests {
    use super::{exp_of_negative, link, ln_one_plus};

    #[test]
    fn exponential_and_logarithm_are_those_of_the_standard_library() {
        for step in 0..=200_000 {
            let x = -700.0 * f64::from(step) / 200_000.0;
            let (found, expected) = (exp_of_negative(x), x.exp());
            assert!((found / expected - 1.0).abs() < 1e-15, "{x} {found} {expected}");
            let share = f64::from(step) / 200_000.0;
            let (found, expected) = (ln_one_plus(share), share.ln_1p());
            assert!((found - expected).abs() <= 1e-15 * expected, "{share} {found} {expected}");
        }
    }

    #[test]
    fn tails_are_exact_and_overflow_is_seen() {
        let lost = link(-1e300, 1.0);
        assert_eq!((lost.loss, lost.residual), (1e300, -1.0));
        let won = link(50.0, -1.0);
        assert!((won.loss / (-50.0_f64).exp() - 1.0).abs() < 1e-14);
        assert!((won.residual / (-50.0_f64).exp() - 1.0).abs() < 1e-14);
        assert_eq!(link(0.0, 1.0).curvature, 0.25);
        for margin in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!link(margin, 1.0).loss.is_finite(), "{margin}");
        }
    }
}
