//! Models for demand with many zeros.

use serde::{Deserialize, Serialize};

use super::linear::{Smoothing, within};
use super::search::minimise;

/// Most aggregation levels of IMAPA.
const LEVELS: usize = 24;
const RATE: (f64, f64) = (0.01, 0.5);

/// Teunter, Syntetos and Babai, "Intermittent demand: linking forecasting to inventory
/// obsolescence", European Journal of Operational Research 214, 2011: probability and size of a
/// demand are smoothed apart, and the probability falls while nothing sells.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Tsb {
    probability_rate: f64,
    size_rate: f64,
    probability: f64,
    size: f64,
}

impl Tsb {
    /// Rates of smallest squared one-step error, each between 0.01 and 0.5.
    pub(super) fn fit(values: &[f64]) -> Self {
        let sold = values.iter().filter(|value| **value != 0.0);
        let count = sold.clone().count().max(1) as f64;
        let start = Self {
            probability_rate: 0.0,
            size_rate: 0.0,
            probability: count / values.len().max(1) as f64,
            size: sold.sum::<f64>() / count,
        };
        let with = |x: &[f64; 4]| Self {
            probability_rate: within(RATE, x[0]),
            size_rate: within(RATE, x[1]),
            ..start
        };
        let mut error = |x: &[f64; 4]| {
            let mut model = with(x);
            let errors = values.iter().map(|value| {
                let error = value - model.level();
                model.update(*value);
                error * error
            });
            errors.sum()
        };
        let mut fitted = with(&minimise(&mut error, 2, [0.2, 0.2, 0.0, 0.0]));
        for value in values {
            fitted.update(*value);
        }
        fitted
    }

    /// Takes the next value in, with the rates as they are.
    pub(super) fn update(&mut self, value: f64) {
        let sold = f64::from(u8::from(value != 0.0));
        self.probability += self.probability_rate * (sold - self.probability);
        self.size += sold * self.size_rate * (value - self.size);
    }

    /// The expected value of every period to come.
    pub(super) fn level(&self) -> f64 {
        self.probability * self.size
    }
}

/// Petropoulos and Kourentzes, "Forecast combinations for intermittent demand", Journal of the
/// Operational Research Society 66, 2015: simple exponential smoothing of the sums over 1, 2, ...
/// periods up to the mean interval between demands, averaged.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Imapa(Vec<Level>);

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Level {
    periods: usize,
    model: Smoothing,
    /// Sum and count of the periods that do not fill a bucket yet.
    open: (f64, usize),
}

impl Imapa {
    pub(super) fn fit(values: &[f64]) -> Self {
        let sold = values.iter().filter(|value| **value != 0.0).count().max(1);
        let interval = (values.len() as f64 / sold as f64).round() as usize;
        let levels = interval.clamp(1, LEVELS).min(values.len().max(1));
        let level = |periods| {
            // Buckets end with the data, so that none is open.
            let skipped = values.len() % periods;
            let buckets = values.get(skipped..).unwrap_or_default().chunks_exact(periods);
            let sums: Vec<f64> = buckets.map(|bucket| bucket.iter().sum()).collect();
            Level { periods, model: Smoothing::simple(&sums), open: (0.0, 0) }
        };
        Self((1..=levels).map(level).collect())
    }

    /// Takes the next value in, with the parameters as they are.
    pub(super) fn update(&mut self, value: f64) {
        for level in &mut self.0 {
            level.open.0 += value;
            level.open.1 += 1;
            if level.open.1 == level.periods {
                level.model.update(level.open.0);
                level.open = (0.0, 0);
            }
        }
    }

    /// The expected value of every period to come.
    pub(super) fn level(&self) -> f64 {
        let levels = self.0.iter().map(|level| level.model.level() / level.periods as f64);
        levels.sum::<f64>() / self.0.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand() -> Vec<f64> {
        (0..90).map(|t| if t % 3 == 2 { 6.0 } else { 0.0 }).collect()
    }

    #[test]
    fn regular_demand_has_its_mean_rate() {
        assert!((Tsb::fit(&demand()).level() - 2.0).abs() < 0.2);
        assert!((Imapa::fit(&demand()).level() - 2.0).abs() < 0.3);
        assert_eq!(Imapa::fit(&demand()).0.len(), 3);
    }

    #[test]
    fn the_probability_falls_while_nothing_sells() {
        let mut model = Tsb::fit(&demand());
        let before = model.level();
        for _ in 0..100 {
            model.update(0.0);
        }
        assert!(model.level() < 0.5 * before);
    }

    #[test]
    fn buckets_fill_before_they_count() {
        let mut model = Imapa::fit(&demand());
        let before = model.0[2];
        model.update(3.0);
        model.update(3.0);
        assert_eq!(model.0[2].model, before.model);
        model.update(3.0);
        assert_ne!(model.0[2].model, before.model);
        assert_eq!(model.0[2].open, (0.0, 0));
    }

    #[test]
    fn nothing_sold_is_zero() {
        for values in [[].as_slice(), &[0.0; 9]] {
            assert_eq!((Tsb::fit(values).level(), Imapa::fit(values).level()), (0.0, 0.0));
        }
    }
}
