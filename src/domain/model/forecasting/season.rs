//! Taking seasons out before a model without season and putting them back afterwards.
//!
//! Whether there is one is decided by M4's test: the autocorrelation at the season's lag is larger
//! than 1.645 (90 %) times its standard error (Bartlett's formula). The shape may change over the
//! years: what the trend leaves is smoothed exponentially for each position of the season, in both
//! directions for the past and forward for the future, with the one rate that forecasts the
//! detrended values best. Rate 0 is classical decomposition (Hyndman and Athanasopoulos,
//! "Forecasting: principles and practice", section 3.4). Last, indices are shrunk towards no season
//! as far as they are noise (Miller and Williams, "Shrinkage estimators of time series seasonal
//! factors", International Journal of Forecasting 19, 2003).

use serde::{Deserialize, Serialize};

const CRITICAL: f64 = 1.645;
/// A seasonal factor below this one would blow up what it divides.
const SMALLEST_FACTOR: f64 = 0.01;
/// Rates at which a season may change from cycle to cycle.
const RATES: [f64; 6] = [0.0, 0.05, 0.1, 0.2, 0.3, 0.5];

/// The seasons of a series, from the next period on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Seasons(Vec<Season>);

/// What one season does to a value.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Season {
    form: Form,
    /// Factors of mean 1 or indices of sum 0, from the next period's on.
    indices: Vec<f64>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
enum Form {
    Additive,
    Multiplicative,
}

impl Form {
    /// The index that changes nothing.
    fn neutral(self) -> f64 {
        match self {
            Self::Additive => 0.0,
            Self::Multiplicative => 1.0,
        }
    }

    fn take(self, value: f64, index: f64) -> f64 {
        match self {
            Self::Additive => value - index,
            Self::Multiplicative => value / index,
        }
    }

    fn put(self, value: f64, index: f64) -> f64 {
        match self {
            Self::Additive => value + index,
            Self::Multiplicative => value * index,
        }
    }
}

impl Seasons {
    /// Finds the seasons of `values`, shortest first, and takes them out of it. Each needs two
    /// complete cycles; `lengths` ascends.
    pub(super) fn remove(values: &mut [f64], lengths: &[usize]) -> Self {
        Self(lengths.iter().filter_map(|length| Season::remove(values, *length)).collect())
    }

    /// The value of the next period without its seasons; moves on by one period.
    pub(super) fn adjust(&mut self, value: f64) -> f64 {
        let mut value = value;
        for season in &mut self.0 {
            value = season.form.take(value, season.indices.first().copied().unwrap_or_default());
            season.indices.rotate_left(1);
        }
        value
    }

    /// Puts the seasons into the next periods.
    pub(super) fn restore(&self, path: &mut [f64]) {
        for season in self.0.iter().rev() {
            for (value, index) in path.iter_mut().zip(season.indices.iter().cycle()) {
                *value = season.form.put(*value, *index);
            }
        }
    }

    /// Takes the seasons out of the next periods.
    pub(super) fn strip(&self, path: &mut [f64]) {
        for season in &self.0 {
            for (value, index) in path.iter_mut().zip(season.indices.iter().cycle()) {
                *value = season.form.take(*value, *index);
            }
        }
    }

    /// The product of the multiplicative factors `ahead` periods after the next one; negative for
    /// periods of the past.
    pub(super) fn factor(&self, ahead: i64) -> f64 {
        let factors = self.0.iter().filter(|season| season.form == Form::Multiplicative);
        let at = factors.filter_map(|season| {
            let position = ahead.rem_euclid(season.indices.len().max(1) as i64) as usize;
            season.indices.get(position)
        });
        at.product()
    }
}

impl Season {
    fn remove(values: &mut [f64], length: usize) -> Option<Self> {
        if length < 2 || values.len() < 2 * length || !is_seasonal(values, length) {
            return None;
        }
        let shape = values
            .iter()
            .all(|value| *value > 0.0)
            .then(|| Shape::of(values, length, Form::Multiplicative))
            .filter(|shape| shape.past.iter().chain(&shape.next).all(|f| *f >= SMALLEST_FACTOR))
            .unwrap_or_else(|| Shape::of(values, length, Form::Additive));
        for (value, index) in values.iter_mut().zip(&shape.past) {
            *value = shape.form.take(*value, *index);
        }
        let mut indices = shape.next;
        indices.rotate_left(values.len() % length);
        Some(Self { form: shape.form, indices })
    }
}

/// The indices of every past period and of the next cycle, by position of the season.
#[derive(Debug)]
struct Shape {
    form: Form,
    past: Vec<f64>,
    next: Vec<f64>,
}

impl Shape {
    /// Twice: the second time the trend comes from values without season, whose mean needs no whole
    /// cycle and so reaches both ends.
    fn of(values: &[f64], length: usize, form: Form) -> Self {
        let half = length / 2;
        let trend = centred_mean(values, length);
        let mut detrended = vec![None; values.len()];
        for ((cell, value), trend) in detrended.iter_mut().zip(values).skip(half).zip(&trend) {
            *cell = Some(form.take(*value, *trend));
        }
        let first = Self::smooth(&detrended, length, form);
        let indices = values.iter().zip(&first.past);
        let adjusted: Vec<f64> = indices.map(|(value, index)| form.take(*value, *index)).collect();
        let trend = shrinking_mean(&adjusted, half);
        for ((cell, value), trend) in detrended.iter_mut().zip(values).zip(&trend) {
            *cell = Some(form.take(*value, *trend));
        }
        Self::smooth(&detrended, length, form)
    }

    fn smooth(detrended: &[Option<f64>], length: usize, form: Form) -> Self {
        let rate = best_rate(detrended, length);
        let keep = 1.0 - rate;
        let mut past = vec![0.0; detrended.len()];
        let mut next = Vec::with_capacity(length);
        let mut forward = Vec::with_capacity(detrended.len() / length + 1);
        for position in 0..length {
            let values = detrended.iter().skip(position).step_by(length);
            let mut seen = Discounted::default();
            forward.clear();
            for value in values.clone() {
                seen.add(*value, keep);
                forward.push(seen);
            }
            next.push(seen.mean());
            let mut later = Discounted::default();
            let cells = past.iter_mut().skip(position).step_by(length);
            for ((cell, value), earlier) in cells.zip(values).zip(&forward).rev() {
                *cell = (earlier.sum + later.sum * keep) / (earlier.weight + later.weight * keep);
                later.add(*value, keep);
            }
        }
        let mut shape = Self { form, past, next };
        shape.normalise(length);
        shape.shrink(detrended, length, keep);
        shape
    }

    /// Indices of a whole cycle around each period leave its mean alone.
    fn normalise(&mut self, length: usize) {
        let around = self.past.windows(length);
        let means: Vec<f64> = around.map(mean).collect();
        let last = means.len().saturating_sub(1);
        for (t, index) in self.past.iter_mut().enumerate() {
            let cycle = t.saturating_sub(length / 2).min(last);
            *index = self.form.take(*index, means.get(cycle).copied().unwrap_or_default());
        }
        let cycle = mean(&self.next);
        for index in &mut self.next {
            *index = self.form.take(*index, cycle);
        }
    }

    /// James and Stein's estimator over the positions, with the variance of an index from what it
    /// leaves unexplained over the number of cycles that it effectively averages.
    fn shrink(&mut self, detrended: &[Option<f64>], length: usize, keep: f64) {
        let pairs = detrended.iter().zip(&self.past);
        let errors = pairs.filter_map(|(value, index)| value.map(|value| (value - index).powi(2)));
        let (sum, count) = errors.fold((0.0, 0.0), |(sum, count), e| (sum + e, count + 1.0));
        let length = length as f64;
        let variance = sum / (count - length).max(1.0);
        let cycles = count / length;
        let cycles = if keep < 1.0 { cycles.min((1.0 + keep) / (1.0 - keep)) } else { cycles };
        let neutral = self.form.neutral();
        let signal: f64 = self.next.iter().map(|index| (index - neutral).powi(2)).sum();
        let noise = (length - 3.0).max(0.0) * variance / cycles;
        let share = if signal > 0.0 { (1.0 - noise / signal).max(0.0) } else { 0.0 };
        for index in self.next.iter_mut().chain(&mut self.past) {
            *index = neutral + share * (*index - neutral);
        }
    }
}

/// An exponentially weighted sum and its weight.
#[derive(Clone, Copy, Debug, Default)]
struct Discounted {
    sum: f64,
    weight: f64,
}

impl Discounted {
    fn add(&mut self, value: Option<f64>, keep: f64) {
        self.sum = self.sum * keep + value.unwrap_or_default();
        self.weight = self.weight * keep + f64::from(u8::from(value.is_some()));
    }

    fn mean(&self) -> f64 {
        self.sum / self.weight
    }
}

/// The rate whose indices forecast the detrended values of the next cycle with the smallest squared
/// error.
fn best_rate(detrended: &[Option<f64>], length: usize) -> f64 {
    let mut best = (f64::INFINITY, 0.0);
    for rate in RATES {
        let mut error = 0.0;
        for position in 0..length {
            let mut seen = Discounted::default();
            for value in detrended.iter().skip(position).step_by(length) {
                if let Some(value) = value.filter(|_| seen.weight > 0.0) {
                    error += (value - seen.mean()).powi(2);
                }
                seen.add(*value, 1.0 - rate);
            }
        }
        if error < best.0 {
            best = (error, rate);
        }
    }
    best.1
}

/// M4's test at 90 %.
fn is_seasonal(values: &[f64], length: usize) -> bool {
    let mean = mean(values);
    let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let variance: f64 = centred.iter().map(|value| value * value).sum();
    if variance <= 0.0 {
        return false;
    }
    let correlation = |lag: usize| {
        let later = centred.get(lag..).unwrap_or_default();
        later.iter().zip(&centred).map(|(a, b)| a * b).sum::<f64>() / variance
    };
    let before: f64 = (1..length).map(|lag| correlation(lag).powi(2)).sum();
    let error = ((1.0 + 2.0 * before) / values.len() as f64).sqrt();
    correlation(length).abs() > CRITICAL * error
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Mean over one season around each value, from `length / 2` to as much before the end. An even
/// season takes half of both outermost values.
pub(super) fn centred_mean(values: &[f64], length: usize) -> Vec<f64> {
    let width = 2 * (length / 2) + 1;
    let means = values.windows(width).map(|around| {
        let sum: f64 = around.iter().sum();
        let ends = around.first().into_iter().chain(around.last()).sum::<f64>() / 2.0;
        (sum - if length.is_multiple_of(2) { ends } else { 0.0 }) / length as f64
    });
    means.collect()
}

/// Mean of up to `half` values on either side, as many on both; fewer towards the ends.
pub(super) fn shrinking_mean(values: &[f64], half: usize) -> Vec<f64> {
    let last = values.len().saturating_sub(1);
    let means = (0..values.len()).map(|t| {
        let reach = half.min(t).min(last - t);
        mean(values.get(t - reach..=t + reach).unwrap_or_default())
    });
    means.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removed(values: &[f64], lengths: &[usize]) -> (Seasons, Vec<f64>) {
        let mut adjusted = values.to_vec();
        (Seasons::remove(&mut adjusted, lengths), adjusted)
    }

    #[test]
    fn a_multiplicative_season_is_recovered() {
        let factors = [0.5, 1.0, 1.5, 1.0];
        let values: Vec<f64> = (0..25).map(|t| 8.0 * factors[t % 4]).collect();
        let (mut seasons, adjusted) = removed(&values, &[4]);
        assert!(adjusted.iter().all(|value| (value - 8.0).abs() < 1e-9), "{adjusted:?}");
        let mut path = [8.0; 3];
        seasons.restore(&mut path);
        for (found, expected) in path.iter().zip([8.0, 12.0, 8.0]) {
            assert!((found - expected).abs() < 1e-9);
        }
        assert!((seasons.factor(1) - 1.5).abs() < 1e-9 && (seasons.factor(-1) - 0.5).abs() < 1e-9);
        seasons.strip(&mut path);
        assert!(path.iter().all(|value| (value - 8.0).abs() < 1e-9));
        assert!((seasons.adjust(8.0) - 8.0).abs() < 1e-9);
        assert!((seasons.adjust(12.0) - 8.0).abs() < 1e-9);
    }

    #[test]
    fn values_with_zeros_are_decomposed_additively() {
        let values: Vec<f64> = (0..21).map(|t| [0.0, 3.0, 6.0][t % 3]).collect();
        let (seasons, adjusted) = removed(&values, &[3]);
        assert_eq!(seasons.0[0].form, Form::Additive);
        assert!(adjusted.iter().all(|value| (value - 3.0).abs() < 1e-9));
        assert_eq!(seasons.factor(0), 1.0);
    }

    #[test]
    fn two_seasons_come_apart() {
        let week = [3.0, 1.0, 0.0, 0.0, -1.0, -1.0, -2.0];
        let year: Vec<f64> =
            (0..52).map(|t| 6.0 * (f64::from(t) / 52.0 * std::f64::consts::TAU).sin()).collect();
        let values: Vec<f64> = (0..364).map(|t| week[t % 7] + year[t % 52] - 2.0).collect();
        let (seasons, adjusted) = removed(&values, &[7, 52]);
        assert_eq!(seasons.0.len(), 2);
        assert!(adjusted.iter().all(|value| (value + 2.0).abs() < 0.3), "{adjusted:?}");
    }

    #[test]
    fn a_season_that_changes_is_followed() {
        let values: Vec<f64> = (0..120)
            .map(|t| {
                let grown = f64::from(t / 4) / 30.0;
                100.0 + [10.0, -10.0, 5.0, -5.0][t as usize % 4] * (1.0 + 2.0 * grown)
            })
            .collect();
        let (seasons, _) = removed(&values, &[4]);
        let mut path = [100.0; 1];
        seasons.restore(&mut path);
        assert!((path[0] - 130.0).abs() < 2.5, "{path:?}");
    }

    #[test]
    fn too_short_or_without_pattern_is_absent() {
        for (values, length) in
            [(vec![1.0, 2.0, 1.0, 2.0, 1.0], 3), (vec![5.0; 40], 4), (vec![1.0, 2.0, 3.0], 1)]
        {
            assert_eq!(removed(&values, &[length]), (Seasons::default(), values));
        }
    }
}
