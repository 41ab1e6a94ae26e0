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

use super::seasonal::dot;

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

/// The indices of every past period, and of the next cycle by position of the season.
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
        let first = length / 2;
        let over = |values: &[f64], trend: &[f64]| -> Vec<f64> {
            values.iter().zip(trend).map(|(value, trend)| form.take(*value, *trend)).collect()
        };
        let trend = centred_mean(values, length);
        let detrended = over(values.get(first..).unwrap_or_default(), &trend);
        let shape =
            Self::smooth(&Detrended { first, of: values.len(), known: detrended }, length, form);
        let trend = shrinking_mean(&over(values, &shape.past), first);
        let detrended = over(values, &trend);
        Self::smooth(&Detrended { first: 0, of: values.len(), known: detrended }, length, form)
    }

    fn smooth(detrended: &Detrended, length: usize, form: Form) -> Self {
        let rate = best_rate(&detrended.known, length);
        let keep = 1.0 - rate;
        let mut shape = detrended.smoothed(length, form, keep);
        shape.normalise(length);
        shape.shrink(detrended, length, keep);
        shape
    }

    /// Indices of a whole cycle around each period leave its mean alone.
    fn normalise(&mut self, length: usize) {
        let means = running_means(&self.past, length);
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
    fn shrink(&mut self, detrended: &Detrended, length: usize, keep: f64) {
        let past = self.past.get(detrended.first..).unwrap_or_default();
        let errors = detrended.known.iter().zip(past).map(|(value, index)| (value - index).powi(2));
        let sum: f64 = errors.sum();
        let (count, length) = (detrended.known.len() as f64, length as f64);
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

/// Values without their trend, where there is one: at least one whole cycle.
#[derive(Debug)]
struct Detrended {
    /// The period of the first one.
    first: usize,
    /// How many periods there are, with those before and after.
    of: usize,
    known: Vec<f64>,
}

impl Detrended {
    /// For every period the discounted mean over the same position of all cycles, in both
    /// directions, and for the next cycle over those before it. Periods without a value have the
    /// mean of the nearest one with a value.
    fn smoothed(&self, length: usize, form: Form, keep: f64) -> Shape {
        let weights = weights(self.known.len() / length + 1, keep);
        let weight = |seen: usize| weights.get(seen).copied().unwrap_or(1.0);
        // Sums up to each value, its own included.
        let mut past = Vec::with_capacity(self.of);
        past.resize(self.first, 0.0);
        let mut sums = vec![0.0; length];
        for cycle in self.known.chunks(length) {
            for (sum, value) in sums.iter_mut().zip(cycle) {
                *sum = *sum * keep + value;
            }
            past.extend(sums.iter().take(cycle.len()));
        }
        let (cycles, rest) = (self.known.len() / length, self.known.len() % length);
        let seen = |place: usize| if place < rest { cycles + 1 } else { cycles };
        let means = sums.iter().enumerate().map(|(place, sum)| sum / weight(seen(place)));
        // From the position of the first value to the first position.
        let mut next: Vec<f64> = means.collect();
        next.rotate_right(self.first % length);
        // What comes later, value by value, joins them.
        sums.fill(0.0);
        let known = past.get_mut(self.first..).unwrap_or_default();
        let pairs = known.chunks_mut(length).zip(self.known.chunks(length));
        for (number, (own, values)) in pairs.enumerate().rev() {
            let earlier = weight(number + 1);
            let (last, later) =
                (weight(cycles.saturating_sub(number)), weight(cycles.saturating_sub(number + 1)));
            let (long, short) = (1.0 / (earlier + last * keep), 1.0 / (earlier + later * keep));
            let parts = own.iter_mut().zip(values).zip(&mut sums).enumerate();
            for (place, ((own, value), sum)) in parts {
                let inverse = if place < rest { long } else { short };
                *own = (*own + *sum * keep) * inverse;
                *sum = *sum * keep + value;
            }
        }
        for (t, own) in past.iter_mut().take(self.first).enumerate() {
            let place = (length - (self.first - t) % length) % length;
            *own = sums.get(place).copied().unwrap_or_default() / weight(seen(place));
        }
        let tail = next.iter().cycle().skip(past.len() % length);
        past.extend(tail.take(self.of - past.len()));
        Shape { form, past, next }
    }
}

/// The weight of so many values in a discounted sum.
fn weights(most: usize, keep: f64) -> Vec<f64> {
    let weights = std::iter::successors(Some(0.0), |weight| Some(weight * keep + 1.0));
    weights.take(most + 1).collect()
}

/// The rate whose indices forecast the detrended values of the next cycle with the smallest squared
/// error.
fn best_rate(detrended: &[f64], length: usize) -> f64 {
    let mut best = (f64::INFINITY, 0.0);
    let (mut sums, mut errors) = (vec![0.0; length], vec![0.0; length]);
    for rate in RATES {
        let keep = 1.0 - rate;
        sums.fill(0.0);
        errors.fill(0.0);
        let weights = weights(detrended.len() / length, keep);
        for (cycle, weight) in detrended.chunks(length).zip(weights) {
            // The first cycle is forecast by nothing.
            let (inverse, counts) = if weight > 0.0 { (1.0 / weight, 1.0) } else { (0.0, 0.0) };
            for ((value, sum), error) in cycle.iter().zip(&mut sums).zip(&mut errors) {
                let miss: f64 = value - *sum * inverse;
                *error += counts * miss * miss;
                *sum = *sum * keep + value;
            }
        }
        let error = errors.iter().sum();
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
    let correlation = |lag: usize| dot(centred.get(lag..).unwrap_or_default(), &centred) / variance;
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
    let half = length / 2;
    let whole = running_means(values, length);
    if length % 2 == 1 {
        return whole;
    }
    let later = values.iter().skip(2 * half).zip(values);
    let means = whole.iter().zip(later);
    means.map(|(mean, (last, first))| mean + (last - first) / (2 * length) as f64).collect()
}

/// Mean of up to `half` values on either side, as many on both; fewer towards the ends.
pub(super) fn shrinking_mean(values: &[f64], half: usize) -> Vec<f64> {
    let last = values.len().saturating_sub(1);
    let half = half.min(last / 2);
    let start = (0..half).map(|t| mean(values.get(..2 * t + 1).unwrap_or_default()));
    let end = (0..half).rev().map(|t| mean(values.get(last - 2 * t..).unwrap_or_default()));
    start.chain(running_means(values, 2 * half + 1)).chain(end).collect()
}

/// The mean of each so many values that follow one another.
fn running_means(values: &[f64], count: usize) -> Vec<f64> {
    let mut means = vec![0.0; (values.len() + 1).saturating_sub(count)];
    for first in 0..count {
        for (sum, value) in means.iter_mut().zip(values.get(first..).unwrap_or_default()) {
            *sum += value;
        }
    }
    means.iter_mut().for_each(|sum| *sum /= count as f64);
    means
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
