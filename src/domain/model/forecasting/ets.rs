//! The exponential smoothing pool, selected by AICc (Hyndman and Khandakar, "Automatic time series
//! forecasting", Journal of Statistical Software 27, 2008).
//!
//! Members: no or a damped trend, no or a season of up to 24 periods, each on the values and, when
//! all are positive, on their logarithms. The latter stand for the models with multiplicative error
//! and season: components multiply, forecasts stay positive, and the likelihoods compare through
//! the Jacobian; unlike those models they stay linear in the starting states and cannot explode
//! through a seasonal state near zero.

use serde::{Deserialize, Serialize};

use super::linear::Smoothing;
use super::seasonal::{LONGEST, SeasonalSmoothing, Workspace};

/// Squared errors below this share of the values' squares are rounding.
const ROUNDING: f64 = 1e-14;

/// A fitted pool: its best model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Ets {
    logarithmic: bool,
    form: Form,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
enum Form {
    Plain(Smoothing),
    Seasonal(SeasonalSmoothing),
}

impl Form {
    fn error(&self) -> (f64, usize) {
        match self {
            Self::Plain(form) => (form.error, form.parameters),
            Self::Seasonal(form) => (form.error, form.estimated),
        }
    }
}

impl Ets {
    /// Fits the pool; `length` is 1 for values without season. `additive` leaves the logarithms
    /// out.
    pub(super) fn fit(values: &[f64], length: usize, additive: bool, work: &mut Workspace) -> Self {
        let mut best = None;
        consider(&mut best, values, length, false, work);
        if !additive && values.iter().all(|value| *value > 0.0) {
            let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
            consider(&mut best, &logs, length, true, work);
        }
        let fallback = || Self { logarithmic: false, form: Form::Plain(Smoothing::simple(values)) };
        best.map_or_else(fallback, |(ets, _)| ets)
    }

    /// Writes the next `path.len()` values.
    pub(super) fn forecast(&self, path: &mut [f64]) {
        match &self.form {
            Form::Plain(form) => form.forecast(path),
            Form::Seasonal(form) => form.forecast(path),
        }
        if self.logarithmic {
            for value in path {
                *value = value.exp();
            }
        }
    }

    /// Takes the next value in, with the parameters as they are. A logarithmic model keeps still
    /// when the value is not positive: it has no place in it.
    pub(super) fn update(&mut self, value: f64) {
        let value = if self.logarithmic { value.ln() } else { value };
        if value.is_finite() {
            match &mut self.form {
                Form::Plain(form) => form.update(value),
                Form::Seasonal(form) => form.update(value),
            }
        }
    }
}

/// Fits all forms to the values as they are given and keeps the one of smallest AICc.
fn consider(
    best: &mut Option<(Ets, f64)>,
    values: &[f64],
    length: usize,
    logarithmic: bool,
    work: &mut Workspace,
) {
    let jacobian = if logarithmic { 2.0 * values.iter().sum::<f64>() } else { 0.0 };
    let squares: f64 = values.iter().map(|value| value * value).sum();
    let mut add = |form: Form| {
        let (error, parameters) = form.error();
        let error = error.max(ROUNDING * squares);
        let score = aicc(error, values.len(), parameters).map(|score| score + jacobian);
        if let Some(score) = score.filter(|score| best.as_ref().is_none_or(|best| *score < best.1))
        {
            *best = Some((Ets { logarithmic, form }, score));
        }
    };
    add(Form::Plain(Smoothing::simple(values)));
    add(Form::Plain(Smoothing::damped(values)));
    if (2..=LONGEST).contains(&length) && values.len() >= 2 * length {
        for trend in [false, true] {
            add(Form::Seasonal(SeasonalSmoothing::fit(values, length, trend, work)));
        }
    }
}

/// n ln(SSE / n) + 2 k n / (n - k - 1), with the variance among the k parameters; `None` when there
/// are too few values for them.
fn aicc(error: f64, count: usize, parameters: usize) -> Option<f64> {
    let (n, k) = (count as f64, parameters as f64 + 1.0);
    (n > k + 1.0).then(|| n * (error / n).ln() + 2.0 * k * n / (n - k - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between -1 and 1 that look random (Park and Miller's generator).
    fn noise(state: &mut u64) -> f64 {
        *state = *state * 48_271 % 2_147_483_647;
        *state as f64 / 1_073_741_823.5 - 1.0
    }

    fn fit(values: &[f64], additive: bool) -> Ets {
        Ets::fit(values, 4, additive, &mut Workspace::default())
    }

    #[test]
    fn a_growing_season_is_taken_for_multiplicative() {
        let mut random = 5;
        let season = [0.7, 1.0, 1.5, 0.8];
        let values: Vec<f64> = (0..80)
            .map(|t| 1.02_f64.powi(t) * season[t as usize % 4] * (0.02 * noise(&mut random)).exp())
            .collect();
        let found = fit(&values, false);
        assert!(found.logarithmic && matches!(found.form, Form::Seasonal(_)));
        let mut path = [0.0; 4];
        found.forecast(&mut path);
        for (step, (value, season)) in path.iter().zip(season).enumerate() {
            let truth = 1.02_f64.powi(80 + step as i32) * season;
            assert!((value / truth - 1.0).abs() < 0.1, "{value} {truth}");
        }
        assert!(!fit(&values, true).logarithmic);
    }

    #[test]
    fn a_constant_spread_around_a_level_is_taken_for_plain_and_additive() {
        let mut random = 5;
        let values: Vec<f64> = (0..200).map(|_| 3.0 * noise(&mut random)).collect();
        let found = fit(&values, false);
        assert!(!found.logarithmic && matches!(found.form, Form::Plain(_)), "{found:?}");
    }

    #[test]
    fn aicc_of_a_known_case() {
        // n ln(SSE / n) = 20 ln(0.5); k = 3: 2 k + 2 k (k + 1) / (n - k - 1) = 7.5.
        let expected = 20.0 * 0.5_f64.ln() + 7.5;
        assert!((aicc(10.0, 20, 2).unwrap() - expected).abs() < 1e-12);
        assert_eq!(aicc(10.0, 4, 2), None);
    }

    #[test]
    fn a_zero_leaves_a_logarithmic_model_as_it_is() {
        let values: Vec<f64> = (0..24).map(|t| f64::from(t % 4 + 1) * 1.1_f64.powi(t)).collect();
        let mut found = fit(&values, false);
        assert!(found.logarithmic);
        found.update(0.0);
        let mut path = [0.0; 2];
        found.forecast(&mut path);
        assert!(path.iter().all(|value| value.is_finite() && *value > 0.0));
    }
}
