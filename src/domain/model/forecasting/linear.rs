//! Innovations state space models with two states (Hyndman, Koehler, Ord and Snyder, "Forecasting
//! with exponential smoothing: the state space approach", 2008, chapter 3):
//!
//! ```text
//! y(t) = w'x(t-1) + e(t)        x(t) = F x(t-1) + g e(t)
//! ```
//!
//! For given F, g and w the errors are linear in the starting state x(0), so one pass and a 2 x 2
//! system give the best start exactly (concentration); only the smoothing parameters are searched.

use serde::{Deserialize, Serialize};

use super::search::minimise;

/// Determinants below this share of the diagonal mean that only one start can be told.
const SINGULAR: f64 = 1e-10;
/// Ranges of the smoothing parameters; the one of phi after Hyndman and others (2008), section 2.5.
pub(super) const ALPHA: (f64, f64) = (1e-3, 0.999);
/// Beta over alpha.
pub(super) const BETA: (f64, f64) = (1e-4, 1.0);
pub(super) const PHI: (f64, f64) = (0.8, 0.98);
/// Real and imaginary part of the complex parameter, around the stable region.
const COMPLEX: [(f64, f64); 2] = [(0.01, 2.5), (0.5, 1.5)];

/// A state of level and slope, or whatever two states a model has.
type State = [f64; 2];

/// F, g and w of a model.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Transition {
    matrix: [State; 2],
    gain: State,
    observe: State,
}

impl Transition {
    /// Simple exponential smoothing, ETS(A,N,N).
    pub(super) fn level(alpha: f64) -> Self {
        Self { matrix: [[1.0, 0.0], [0.0, 0.0]], gain: [alpha, 0.0], observe: [1.0, 0.0] }
    }

    /// Damped trend, ETS(A,Ad,N); `beta` is the gain of the slope.
    fn damped(alpha: f64, beta: f64, phi: f64) -> Self {
        Self { matrix: [[1.0, phi], [0.0, phi]], gain: [alpha, beta], observe: [1.0, phi] }
    }

    /// Complex exponential smoothing (Svetunkov, Kourentzes and Ord, "Complex exponential
    /// smoothing", Naval Research Logistics 69, 2022, equation 8) with parameter a0 + i a1.
    fn complex(a0: f64, a1: f64) -> Self {
        Self {
            matrix: [[1.0, a1 - 1.0], [1.0, 1.0 - a0]],
            gain: [a0 - a1, a0 + a1],
            observe: [1.0, 0.0],
        }
    }

    /// F - g w': what carries a state on while errors count against the data.
    fn closed_loop(&self) -> [State; 2] {
        let [row, other] = self.matrix;
        let [w0, w1] = self.observe;
        let [g0, g1] = self.gain;
        [[row[0] - g0 * w0, row[1] - g0 * w1], [other[0] - g1 * w0, other[1] - g1 * w1]]
    }

    fn predict(&self, state: State) -> f64 {
        self.observe[0] * state[0] + self.observe[1] * state[1]
    }

    fn advance(&self, state: State, error: f64) -> State {
        let [row, other] = self.matrix;
        [
            row[0] * state[0] + row[1] * state[1] + self.gain[0] * error,
            other[0] * state[0] + other[1] * state[1] + self.gain[1] * error,
        ]
    }
}

/// The best start for a transition, the state it ends in and the squared errors it leaves.
#[derive(Clone, Copy, Debug)]
struct Concentrated {
    state: State,
    error: f64,
}

/// One pass: (a0, b0) runs from the first value as level, (a1, b1) and (a2, b2) carry what one unit of
/// either starting state adds to the forecasts.
fn concentrate(values: &[f64], transition: &Transition) -> Concentrated {
    let [[d00, d01], [d10, d11]] = transition.closed_loop();
    let [w0, w1] = transition.observe;
    let [g0, g1] = transition.gain;
    let (mut a0, mut b0) = (values.first().copied().unwrap_or_default(), 0.0);
    let (mut a1, mut b1) = (1.0, 0.0);
    let (mut a2, mut b2) = (0.0, 1.0);
    let (mut squares, mut one_error, mut two_error) = (0.0, 0.0, 0.0);
    let (mut one_one, mut one_two, mut two_two) = (0.0, 0.0, 0.0);
    for value in values {
        let error = value - (w0 * a0 + w1 * b0);
        let one = w0 * a1 + w1 * b1;
        let two = w0 * a2 + w1 * b2;
        squares += error * error;
        one_error += one * error;
        one_one += one * one;
        one_two += one * two;
        two_error += two * error;
        two_two += two * two;
        (a0, b0) = (d00 * a0 + d01 * b0 + g0 * value, d10 * a0 + d11 * b0 + g1 * value);
        (a1, b1) = (d00 * a1 + d01 * b1, d10 * a1 + d11 * b1);
        (a2, b2) = (d00 * a2 + d01 * b2, d10 * a2 + d11 * b2);
    }
    let determinant = one_one * two_two - one_two * one_two;
    let (one, two) = if determinant > SINGULAR * one_one * two_two {
        (
            (two_two * one_error - one_two * two_error) / determinant,
            (one_one * two_error - one_two * one_error) / determinant,
        )
    } else if one_one > 0.0 {
        (one_error / one_one, 0.0)
    } else {
        (0.0, 0.0)
    };
    let error = squares - one * one_error - two * two_error;
    Concentrated {
        state: [a0 + one * a1 + two * a2, b0 + one * b1 + two * b2],
        error: if error.is_finite() { error.max(0.0) } else { f64::MAX },
    }
}

/// A fitted model: its transition and the state after the last value.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Smoothing {
    transition: Transition,
    state: State,
    /// Sum of squared one-step errors of the fit.
    pub(super) error: f64,
    /// Parameters and starting states that were estimated.
    pub(super) parameters: usize,
}

impl Smoothing {
    fn new(values: &[f64], transition: Transition, parameters: usize) -> Self {
        let best = concentrate(values, &transition);
        Self { transition, state: best.state, error: best.error, parameters }
    }

    /// Simple exponential smoothing.
    pub(super) fn simple(values: &[f64]) -> Self {
        let mut error =
            |x: &[f64; 4]| concentrate(values, &Transition::level(within(ALPHA, x[0]))).error;
        let [alpha, ..] = minimise(&mut error, 1, [0.3, 0.0, 0.0, 0.0]);
        Self::new(values, Transition::level(within(ALPHA, alpha)), 2)
    }

    /// Damped trend.
    pub(super) fn damped(values: &[f64]) -> Self {
        let transition = |x: &[f64; 4]| {
            let alpha = within(ALPHA, x[0]);
            Transition::damped(alpha, within(BETA, x[1]) * alpha, within(PHI, x[2]))
        };
        let mut error = |x: &[f64; 4]| concentrate(values, &transition(x)).error;
        let best = minimise(&mut error, 3, [0.3, 0.1, 0.9, 0.0]);
        Self::new(values, transition(&best), 5)
    }

    /// Complex exponential smoothing with a stable parameter.
    pub(super) fn complex(values: &[f64]) -> Self {
        let transition =
            |x: &[f64; 4]| Transition::complex(within(COMPLEX[0], x[0]), within(COMPLEX[1], x[1]));
        let mut error = |x: &[f64; 4]| {
            let candidate = transition(x);
            if stable(&candidate) { concentrate(values, &candidate).error } else { f64::INFINITY }
        };
        let best = minimise(&mut error, 2, [0.5, 0.5, 0.0, 0.0]);
        Self::new(values, transition(&best), 4)
    }

    /// Writes the next `path.len()` values.
    pub(super) fn forecast(&self, path: &mut [f64]) {
        let mut state = self.state;
        for value in path {
            *value = self.transition.predict(state);
            state = self.transition.advance(state, 0.0);
        }
    }

    /// Takes the next value in, with the parameters as they are.
    pub(super) fn update(&mut self, value: f64) {
        let error = value - self.transition.predict(self.state);
        self.state = self.transition.advance(self.state, error);
    }

    /// The level the model stands at.
    pub(super) fn level(&self) -> f64 {
        self.state[0]
    }
}

/// A share of a range.
pub(super) fn within(range: (f64, f64), share: f64) -> f64 {
    range.0 + (range.1 - range.0) * share
}

/// Both eigenvalues of the closed loop lie within the unit circle (Jury's conditions).
fn stable(transition: &Transition) -> bool {
    let [[a, b], [c, d]] = transition.closed_loop();
    let (trace, determinant) = (a + d, a * d - b * c);
    determinant.abs() < 1.0 && trace.abs() < 1.0 + determinant
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Annual oil production of Saudi Arabia, 1996 to 2007 (Hyndman and Athanasopoulos,
    /// "Forecasting: principles and practice", section 7.1).
    const OIL: [f64; 12] = [
        446.6565, 454.4733, 455.663, 423.6322, 456.2713, 440.5881, 425.3325, 485.1494, 506.0482,
        526.792, 514.2689, 494.211,
    ];

    /// Numbers between -1 and 1 that look random (Park and Miller's generator).
    fn noise(state: &mut u64) -> f64 {
        *state = *state * 48_271 % 2_147_483_647;
        *state as f64 / 1_073_741_823.5 - 1.0
    }

    /// Squared errors of the recursion as it stands in the book, from a given start.
    fn squared_error(values: &[f64], transition: &Transition, start: State) -> f64 {
        let mut state = start;
        let mut sum = 0.0;
        for value in values {
            let error = value - transition.predict(state);
            sum += error * error;
            state = transition.advance(state, error);
        }
        sum
    }

    #[test]
    fn simple_smoothing_of_the_textbook_series() {
        // statsmodels 0.15.0: alpha .8920006, forecast 496.493482, squared errors 7573.426362.
        let fit = Smoothing::simple(&OIL);
        assert!((fit.error / 7_573.426_362 - 1.0).abs() < 1e-6, "{}", fit.error);
        assert!((fit.level() - 496.493_482).abs() < 0.05, "{}", fit.level());
        assert!((fit.transition.gain[0] - 0.892).abs() < 2e-3);
    }

    #[test]
    fn no_other_start_leaves_smaller_errors() {
        for transition in [Transition::damped(0.4, 0.1, 0.9), Transition::complex(1.3, 1.0)] {
            let best = concentrate(&OIL, &transition);
            for level in 0..60 {
                for other in -20..=20 {
                    let start = [350.0 + 4.0 * f64::from(level), 5.0 * f64::from(other)];
                    assert!(squared_error(&OIL, &transition, start) >= best.error * (1.0 - 1e-9));
                }
            }
        }
        let best = concentrate(&OIL, &Transition::level(0.5));
        assert!(squared_error(&OIL, &Transition::level(0.5), [450.0, 0.0]) >= best.error);
    }

    #[test]
    fn a_simulated_damped_trend_is_found() {
        let truth = Transition::damped(0.5, 0.2, 0.9);
        let mut state = [100.0, 4.0];
        let mut random = 42;
        let mut values = Vec::new();
        for _ in 0..4000 {
            let error = noise(&mut random);
            values.push(truth.predict(state) + error);
            state = truth.advance(state, error);
        }
        let fit = Smoothing::damped(&values);
        let [alpha, beta] = fit.transition.gain;
        assert!((alpha - 0.5).abs() < 0.05 && (beta - 0.2).abs() < 0.05, "{alpha} {beta}");
        assert!((fit.transition.observe[1] - 0.9).abs() < 0.04);
        // Errors between -1 and 1 have variance 1/3.
        assert!((fit.error / 4000.0 - 1.0 / 3.0).abs() < 0.01);
    }

    #[test]
    fn updating_is_the_same_as_passing_over_all_values() {
        let (known, new) = OIL.split_at(8);
        for mut fit in [Smoothing::damped(known), Smoothing::complex(known)] {
            let start = {
                // The start that was concentrated on the known values, by running backwards.
                let [[a, b], [c, d]] = fit.transition.closed_loop();
                let determinant = a * d - b * c;
                known.iter().rev().fold(fit.state, |state, value| {
                    let x = state[0] - fit.transition.gain[0] * value;
                    let y = state[1] - fit.transition.gain[1] * value;
                    [(d * x - b * y) / determinant, (a * y - c * x) / determinant]
                })
            };
            let mut state = start;
            for value in &OIL {
                state = fit.transition.advance(state, value - fit.transition.predict(state));
            }
            for value in new {
                fit.update(*value);
            }
            for (found, expected) in fit.state.iter().zip(state) {
                assert!((found - expected).abs() < 1e-5 * expected.abs().max(1.0));
            }
        }
    }

    #[test]
    fn nothing_and_constants_are_no_trouble() {
        for fit in [Smoothing::simple(&[]), Smoothing::damped(&[]), Smoothing::complex(&[])] {
            assert_eq!(fit.level(), 0.0);
        }
        for fit in [Smoothing::simple(&[7.0; 9]), Smoothing::damped(&[7.0; 9])] {
            let mut path = [0.0; 3];
            fit.forecast(&mut path);
            assert!(path.iter().all(|value| (value - 7.0).abs() < 1e-9), "{path:?}");
        }
    }
}
