//! The dynamic optimised theta model (Fiorucci, Pellegrini, Louzada, Petropoulos and Koehler,
//! "Models for optimising the theta method and their relationship to state space models",
//! International Journal of Forecasting 32, 2016, section 3.2).
//!
//! With level l, running mean and running linear trend (intercept A, slope B) of the data so far,
//! the one-step forecast is
//!
//! ```text
//! mu(t) = l(t-1) + (1 - 1/theta) * ((1-alpha)^(t-1) A(t-1) + (1 - (1-alpha)^t)/alpha B(t-1))
//! l(t)  = alpha y(t) + (1-alpha) l(t-1)
//! ```
//!
//! A and B do not depend on the parameters. For a given alpha the errors are therefore linear in
//! the starting level l(0) and in w = 1 - 1/theta: two unknowns that one pass and a 2 x 2 system
//! give exactly. What remains is a search over alpha alone.

mod pass;

use serde::{Deserialize, Serialize};

use self::pass::{Pass, Solution};

const ALPHA: (f64, f64) = (0.05, 0.99);
/// Alphas that are tried together.
const TOGETHER: usize = 8;
/// Parts of the range whose ends are tried first: three times [`TOGETHER`] ends.
const GRID: usize = 3 * TOGETHER - 1;
/// Each leaves two parts in nine of what is left of the range; in the end 0.0002 are left, far less than
/// alpha is uncertain by.
const REFINEMENTS: usize = 4;

/// A fitted model: parameters and the states after the last value.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Theta {
    alpha: f64,
    weight: f64,
    state: State,
    trend: Trend,
}

impl Theta {
    /// Fits values of about unit size. With fewer than three there is no error to learn from, and
    /// the level stays where the last value is.
    pub fn fit(values: &[f64]) -> Self {
        Self::fit_with_error(values).0
    }

    /// The same with the sum of the squared errors from the third value on.
    pub fn fit_with_error(values: &[f64]) -> (Self, f64) {
        let trends = trends(values);
        let mut best: Option<(f64, Solution, State)> = None;
        search(|alphas| {
            let pass = Pass::run(values, &trends, alphas);
            for (lane, alpha) in alphas.into_iter().enumerate() {
                let solution = pass.solution(lane);
                if best.is_none_or(|(_, best, _)| solution.error < best.error) {
                    best = Some((alpha, solution, pass.state(lane)));
                }
            }
            best.map_or(ALPHA.0, |(alpha, ..)| alpha)
        });
        let none = Solution { start: 0.0, weight: 0.0, error: f64::INFINITY };
        let (alpha, solution, state) =
            best.unwrap_or((ALPHA.0, none, State { level: 0.0, decay: 1.0 }));
        let State { level, decay } = state;
        let fitted = Self {
            alpha,
            weight: solution.weight,
            state: State { level: level + decay * solution.start, decay },
            trend: trends.last().copied().unwrap_or_else(|| Trend::start(0.0)),
        };
        (fitted, solution.error)
    }

    /// The smoothing parameter, 0.05 to 0.99.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// Writes the next `path.len()` values.
    pub fn forecast(&self, path: &mut [f64]) {
        let mut next = *self;
        for value in path {
            *value = next.state.level + next.weight * next.state.drift(&next.trend, next.alpha);
            next.update(*value);
        }
    }

    /// Takes the next value in, with the parameters as they are.
    pub fn update(&mut self, value: f64) {
        self.state.observe(value, self.alpha);
        self.trend.observe(value);
    }
}

/// Mean and linear trend of the values so far.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Trend {
    count: f64,
    mean: f64,
    slope: f64,
    intercept: f64,
}

impl Trend {
    fn start(first: f64) -> Self {
        Self { count: 1.0, mean: first, slope: 0.0, intercept: first }
    }

    fn observe(&mut self, value: f64) {
        self.count += 1.0;
        let t = self.count;
        // Divisions that wait for nothing: the sums need not wait for them.
        let (share, scale) = (1.0 / t, 1.0 / (t + 1.0));
        let step = (value - self.mean) * share;
        self.slope = ((t - 2.0) * self.slope + 6.0 * step) * scale;
        self.mean += step;
        self.intercept = self.mean - self.slope * (t + 1.0) / 2.0;
    }
}

/// The trend after each value.
fn trends(values: &[f64]) -> Vec<Trend> {
    let Some((first, rest)) = values.split_first() else {
        return Vec::new();
    };
    let mut trend = Trend::start(*first);
    let mut trends = Vec::with_capacity(values.len());
    trends.push(trend);
    for value in rest {
        trend.observe(*value);
        trends.push(trend);
    }
    trends
}

/// Level, and what is left in it of the starting level: (1-alpha)^t.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct State {
    level: f64,
    decay: f64,
}

impl State {
    /// The factor of w in the next one-step forecast.
    fn drift(&self, trend: &Trend, alpha: f64) -> f64 {
        let next_decay = self.decay * (1.0 - alpha);
        self.decay * trend.intercept + (1.0 - next_decay) / alpha * trend.slope
    }

    fn observe(&mut self, value: f64, alpha: f64) {
        self.level += alpha * (value - self.level);
        self.decay *= 1.0 - alpha;
    }
}

/// Asks for a grid of alphas, then for finer ones around the best of all so far, which `ask` gives.
fn search(mut ask: impl FnMut([f64; TOGETHER]) -> f64) {
    let mut ask = |first: f64, step: f64| {
        let mut alphas = [first; TOGETHER];
        for (index, alpha) in alphas.iter_mut().enumerate() {
            *alpha = (first + step * index as f64).clamp(ALPHA.0, ALPHA.1);
        }
        ask(alphas)
    };
    let mut step = (ALPHA.1 - ALPHA.0) / GRID as f64;
    let mut alpha = ALPHA.0;
    for row in 0..3 {
        alpha = ask(ALPHA.0 + step * (row * TOGETHER) as f64, step);
    }
    for _ in 0..REFINEMENTS {
        let low = alpha - step;
        step *= 2.0 / (TOGETHER + 1) as f64;
        alpha = ask(low + step, step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The equations as they stand in the paper, with explicit parameters.
    fn squared_error(values: &[f64], start: f64, alpha: f64, weight: f64) -> f64 {
        let mut level = alpha * values[0] + (1.0 - alpha) * start;
        let (mut mean, mut intercept, mut slope) = (values[0], values[0], 0.0);
        let mut sum = 0.0;
        for (index, value) in values.iter().enumerate().skip(1) {
            let t = (index + 1) as f64;
            let decay = (1.0 - alpha).powf(t - 1.0);
            let trend = decay * intercept + (1.0 - (1.0 - alpha).powf(t)) / alpha * slope;
            let forecast = level + weight * trend;
            if index >= 2 {
                sum += (value - forecast).powi(2);
            }
            level = alpha * value + (1.0 - alpha) * level;
            slope = ((t - 2.0) * slope + 6.0 * (value - mean) / t) / (t + 1.0);
            mean = ((t - 1.0) * mean + value) / t;
            intercept = mean - slope * (t + 1.0) / 2.0;
        }
        sum
    }

    const VALUES: [f64; 12] = [1.1, 0.9, 1.4, 1.3, 1.9, 1.6, 2.2, 2.0, 2.6, 2.1, 2.9, 2.7];

    #[test]
    fn no_point_near_or_far_beats_the_solution() {
        let theta = Theta::fit(&VALUES);
        let trends = trends(&VALUES);
        let solution = Pass::run(&VALUES, &trends, [theta.alpha]).solution(0);
        let start = VALUES[0] + solution.start;
        let own = squared_error(&VALUES, start, theta.alpha, theta.weight);
        assert!((own - solution.error).abs() < 1e-9, "{own} {solution:?}");
        for alpha in 1..99 {
            for weight in 0..=20 {
                for level in -20..=40 {
                    let (alpha, weight) = (f64::from(alpha) / 100.0, f64::from(weight) / 20.0);
                    let other = squared_error(&VALUES, f64::from(level) / 10.0, alpha, weight);
                    assert!(alpha < 0.05 || own <= other + 1e-9, "{alpha} {weight} {level}");
                }
            }
        }
    }

    #[test]
    fn the_running_trend_is_the_regression_line() {
        let line: Vec<f64> = (1..=9).map(|t| 3.0 - 0.25 * f64::from(t)).collect();
        let last = *trends(&line).last().unwrap();
        assert!((last.slope + 0.25).abs() < 1e-12);
        assert!((last.intercept - 3.0).abs() < 1e-12);
    }

    fn forecast(values: &[f64]) -> [f64; 4] {
        let mut path = [0.0; 4];
        Theta::fit(values).forecast(&mut path);
        path
    }

    #[test]
    fn a_line_goes_on_and_a_shift_changes_nothing() {
        let shifted: Vec<f64> = VALUES.iter().map(|value| value + 5.0).collect();
        for (a, b) in forecast(&VALUES).iter().zip(&forecast(&shifted)) {
            assert!((a + 5.0 - b).abs() < 1e-4, "{a} {b}");
        }
        let line: Vec<f64> = (0..20).map(|t| f64::from(t) / 20.0).collect();
        for (found, expected) in forecast(&line).iter().zip([1.0, 1.05, 1.1]) {
            assert!((found - expected).abs() < 0.01, "{found} {expected}");
        }
    }

    /// statsforecast 2.1.1, DynamicOptimizedTheta(season_length=1), finds alpha .1, theta 6.2111
    /// and a starting level of .4054. With them the forecasts are the same, and ours fits better.
    #[test]
    fn the_reference_is_met() {
        let (alpha, weight, start) = (0.1, 1.0 - 1.0 / 6.211_082_652_324_983, 0.405_407_503_304_13);
        let level = alpha * VALUES[0] + (1.0 - alpha) * start;
        let mut theirs = Theta {
            alpha,
            weight,
            state: State { level, decay: 1.0 - alpha },
            trend: Trend::start(VALUES[0]),
        };
        VALUES[1..].iter().for_each(|value| theirs.update(*value));
        let mut path = [0.0; 4];
        theirs.forecast(&mut path);
        let reference = [2.856_555_532_6, 2.974_735_585, 3.089_837_694_8, 3.202_301_345_3];
        for (found, expected) in path.iter().zip(reference) {
            assert!((found / expected - 1.0).abs() < 1e-3, "{found} {expected}");
        }
        let own = Theta::fit(&VALUES);
        let solution = Pass::run(&VALUES, &trends(&VALUES), [own.alpha]).solution(0);
        assert!(solution.error <= squared_error(&VALUES, start, alpha, weight));
    }

    #[test]
    fn few_values_repeat_the_last() {
        assert_eq!(forecast(&[]), [0.0; 4]);
        assert_eq!(forecast(&[3.0]), [3.0; 4]);
        assert!(forecast(&[3.0, 5.0]).iter().all(|value| value.is_finite()));
    }
}
