//! Additive exponential smoothing with a season, ETS(A,N,A) and ETS(A,Ad,A) (Hyndman, Koehler, Ord
//! and Snyder, "Forecasting with exponential smoothing", 2008, table 2.2).
//!
//! The errors are linear in the starting states, and a starting seasonal state acts like the one
//! before it, one period later. One impulse response therefore gives all columns of the least
//! squares problem for the start, and only the smoothing parameters are searched.

mod start;

use serde::{Deserialize, Serialize};

use self::start::{Responses, Start, best};
use super::linear::{ALPHA, BETA, PHI, within};
use super::search::minimise;

/// Longest season whose starting states are estimated.
pub(super) const LONGEST: usize = 24;
/// Added to the diagonal, as a share of its first element: keeps unidentified states finite.
const RIDGE: f64 = 1e-8;

/// Gamma over 1 - alpha.
const GAMMA: (f64, f64) = (1e-4, 0.999);

/// Buffers of a fit, to be used again.
#[derive(Debug, Default)]
pub(super) struct Workspace(Responses);

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Parameters {
    alpha: f64,
    beta: f64,
    gamma: f64,
    phi: f64,
}

impl Parameters {
    /// From the unit cube; without a trend the slope neither starts nor moves.
    fn new(x: &[f64; 4], trend: bool) -> Self {
        let alpha = within(ALPHA, x[0]);
        let gamma = within(GAMMA, x[1]) * (1.0 - alpha);
        if trend {
            Self { alpha, beta: within(BETA, x[2]) * alpha, gamma, phi: within(PHI, x[3]) }
        } else {
            Self { alpha, beta: 0.0, gamma, phi: 0.0 }
        }
    }
}

/// A fitted model: parameters and the states after the last value.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct SeasonalSmoothing {
    parameters: Parameters,
    level: f64,
    slope: f64,
    /// From the next period's on.
    season: Vec<f64>,
    /// Sum of squared one-step errors of the fit.
    pub(super) error: f64,
    /// Parameters and starting states that were estimated.
    pub(super) estimated: usize,
}

impl SeasonalSmoothing {
    /// Fits values with a season of `length`, 2 to [`LONGEST`].
    pub(super) fn fit(values: &[f64], length: usize, trend: bool, work: &mut Workspace) -> Self {
        let dimensions = if trend { 4 } else { 2 };
        let mut start =
            |x: &[f64; 4]| best(&mut work.0, values, length, &Parameters::new(x, trend));
        let mut error = |x: &[f64; 4]| start(x).error;
        let found = minimise(&mut error, dimensions, [0.3, 0.15, 0.1, 0.9]);
        let Start { states, error } = start(&found);
        let mut states = states.into_iter();
        let mut fitted = Self {
            parameters: Parameters::new(&found, trend),
            level: values.first().copied().unwrap_or_default(),
            slope: 0.0,
            season: states.by_ref().take(length).collect(),
            error,
            estimated: dimensions + length + if trend { 2 } else { 1 },
        };
        fitted.slope = states.next().filter(|_| trend).unwrap_or_default();
        for value in values {
            fitted.update(*value);
        }
        fitted
    }

    /// Takes the next value in, with the parameters as they are.
    pub(super) fn update(&mut self, value: f64) {
        let Parameters { alpha, beta, gamma, phi } = self.parameters;
        let trend = phi * self.slope;
        if let Some(season) = self.season.first_mut() {
            let error = value - self.level - trend - *season;
            *season += gamma * error;
            self.level += trend + alpha * error;
            self.slope = trend + beta * error;
        }
        self.season.rotate_left(1);
    }

    /// Writes the next `path.len()` values.
    pub(super) fn forecast(&self, path: &mut [f64]) {
        let (mut level, mut slope) = (self.level, self.slope);
        for (value, season) in path.iter_mut().zip(self.season.iter().cycle()) {
            slope *= self.parameters.phi;
            level += slope;
            *value = level + season;
        }
    }
}

/// Sum of products, in eight independent sums so that it need not wait for each addition.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut left = a.chunks_exact(8);
    let mut right = b.get(..a.len()).unwrap_or_default().chunks_exact(8);
    for (a, b) in left.by_ref().zip(right.by_ref()) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest = left.remainder().iter().zip(right.remainder());
    sums.iter().sum::<f64>() + rest.map(|(a, b)| a * b).sum::<f64>()
}

/// Solves a symmetric positive definite system in place; `matrix` holds its lower triangle by rows
/// and gets `ridge` times its first element added to the diagonal. False when it is not positive
/// definite.
pub(super) fn cholesky_solve(matrix: &mut [f64], right: &mut [f64], ridge: f64) -> bool {
    let size = right.len();
    let ridge = ridge * matrix.first().copied().unwrap_or_default();
    if size == 0 {
        return true;
    }
    for row in 0..size {
        let (above, current) = matrix.split_at_mut(row * size);
        for (column, factors) in above.chunks_exact(size).enumerate() {
            let (known, cells) = current.split_at_mut(column);
            let (factors, pivot) = factors.split_at(column);
            if let (Some(cell), Some(pivot)) = (cells.first_mut(), pivot.first()) {
                *cell = (*cell - dot(known, factors)) / pivot;
            }
        }
        let (known, cells) = current.split_at_mut(row);
        let square = dot(known, known);
        let Some(cell) = cells.first_mut() else { return false };
        let pivot = *cell + ridge - square;
        if pivot.is_nan() || pivot <= 0.0 {
            return false;
        }
        *cell = pivot.sqrt();
    }
    // Forward: L z = right.
    for (row, factors) in matrix.chunks_exact(size).enumerate() {
        let (known, coming) = right.split_at_mut(row);
        if let (Some(x), Some(pivot)) = (coming.first_mut(), factors.get(row)) {
            *x = (*x - dot(known, factors.get(..row).unwrap_or_default())) / pivot;
        }
    }
    // Backward: L' x = z.
    for (row, factors) in matrix.chunks_exact(size).enumerate().rev() {
        let (before, coming) = right.split_at_mut(row);
        if let (Some(x), Some(pivot)) = (coming.first_mut(), factors.get(row)) {
            *x /= pivot;
            for (before, factor) in before.iter_mut().zip(factors.iter()) {
                *before -= factor * *x;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between -1 and 1 that look random (Park and Miller's generator).
    fn noise(state: &mut u64) -> f64 {
        *state = *state * 48_271 % 2_147_483_647;
        *state as f64 / 1_073_741_823.5 - 1.0
    }

    /// A simulated model.
    fn simulated(parameters: Parameters, season: &[f64], count: usize) -> Vec<f64> {
        let mut random = 99;
        let mut model = SeasonalSmoothing {
            parameters,
            level: 50.0,
            slope: 0.5,
            season: season.to_vec(),
            error: 0.0,
            estimated: 0,
        };
        let value = |_| {
            let mut next = [0.0];
            model.forecast(&mut next);
            let value = next[0] + noise(&mut random);
            model.update(value);
            value
        };
        (0..count).map(value).collect()
    }

    const SEASON: [f64; 4] = [5.0, -3.0, 1.0, -3.0];

    #[test]
    fn no_other_start_leaves_smaller_errors() {
        let parameters = Parameters { alpha: 0.3, beta: 0.1, gamma: 0.2, phi: 0.9 };
        let values = simulated(parameters, &SEASON, 40);
        let found = best(&mut Responses::default(), &values, 4, &parameters);
        let (best, start) = (found.error, found.states);
        let error = |start: &[f64]| {
            let mut model = SeasonalSmoothing {
                parameters,
                level: values[0],
                slope: start[4],
                season: start[..4].to_vec(),
                error: 0.0,
                estimated: 0,
            };
            let squares = values.iter().map(|value| {
                let mut next = [0.0];
                model.forecast(&mut next);
                model.update(*value);
                (value - next[0]).powi(2)
            });
            squares.sum::<f64>()
        };
        assert!((error(&start) - best).abs() < 1e-5 * best, "{} {best}", error(&start));
        for index in 0..5 {
            for step in [-0.3, 0.3] {
                let mut other = start;
                other[index] += step;
                assert!(error(&other) > best);
            }
        }
    }

    #[test]
    fn simulated_parameters_are_found() {
        let truth = Parameters { alpha: 0.4, beta: 0.0, gamma: 0.25, phi: 0.0 };
        let values = simulated(truth, &SEASON, 3000);
        let fit = SeasonalSmoothing::fit(&values, 4, false, &mut Workspace::default());
        assert!((fit.parameters.alpha - 0.4).abs() < 0.05, "{:?}", fit.parameters);
        assert!((fit.parameters.gamma - 0.25).abs() < 0.05, "{:?}", fit.parameters);
        assert!((fit.error / 3000.0 - 1.0 / 3.0).abs() < 0.01);
    }

    #[test]
    fn a_season_without_noise_goes_on() {
        let values: Vec<f64> = (0..24).map(|t| 20.0 + SEASON[t % 4]).collect();
        let fit = SeasonalSmoothing::fit(&values, 4, true, &mut Workspace::default());
        let mut path = [0.0; 6];
        fit.forecast(&mut path);
        for (step, value) in path.iter().enumerate() {
            assert!((value - 20.0 - SEASON[step % 4]).abs() < 1e-3, "{path:?}");
        }
    }

    #[test]
    fn a_system_is_solved_or_refused() {
        let mut matrix = [4.0, 0.0, 0.0, 2.0, 5.0, 0.0, 1.0, 3.0, 6.0];
        let mut right = [11.0, 21.0, 25.0];
        assert!(cholesky_solve(&mut matrix, &mut right, 0.0));
        for (found, expected) in right.iter().zip([1.0, 2.0, 3.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
        assert!(!cholesky_solve(&mut [1.0, 0.0, 2.0, 1.0], &mut [1.0, 1.0], 0.0));
        assert!(!cholesky_solve(&mut [f64::NAN], &mut [1.0], 0.0));
        assert!(cholesky_solve(&mut [], &mut [], 0.0));
    }
}
