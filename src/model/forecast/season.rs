//! Taking the season out before a trend model and putting it back afterwards.
//!
//! Whether there is one is decided by M4's test: the autocorrelation at the season's lag is larger
//! than 1.645 (90 %) times its standard error (Bartlett's formula); the shape by classical
//! decomposition (Hyndman and Athanasopoulos, "Forecasting: principles and practice", section
//! 3.4): centred moving average, then the mean of what it leaves for each position.

#![expect(
    clippy::indexing_slicing,
    reason = "numeric kernel: every index is bounded by the length it is taken from"
)]

use super::path::Path;

const CRITICAL: f64 = 1.645;
/// A seasonal factor below this one would blow up what it divides.
const SMALLEST_FACTOR: f64 = 0.01;

/// What a season does to a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Season {
    /// There is none.
    Absent,
    /// Adds the index of the position; the indices sum to zero.
    Additive(Vec<f64>),
    /// Multiplies by the factor of the position; the factors have mean 1.
    Multiplicative(Vec<f64>),
}

impl Season {
    /// Finds the season of `values`, which needs two complete ones.
    pub(super) fn find(values: &[f64], length: usize) -> Self {
        if length < 2 || values.len() < 2 * length || !is_seasonal(values, length) {
            return Self::Absent;
        }
        let trend = centred_mean(values, length);
        if values.iter().all(|value| *value > 0.0) {
            let factors = multiplicative(values, &trend, length);
            if factors.iter().all(|factor| *factor >= SMALLEST_FACTOR) {
                return Self::Multiplicative(factors);
            }
        }
        Self::Additive(additive(values, &trend, length))
    }

    /// The values without the season.
    pub(super) fn remove(&self, values: &[f64]) -> Vec<f64> {
        let positions = values.iter().enumerate();
        match self {
            Self::Absent => values.to_vec(),
            Self::Additive(indices) => {
                positions.map(|(t, value)| value - indices[t % indices.len()]).collect()
            }
            Self::Multiplicative(factors) => {
                positions.map(|(t, value)| value / factors[t % factors.len()]).collect()
            }
        }
    }

    /// Puts the season into the periods from position `start` on.
    pub(super) fn restore(&self, mut path: Path, start: usize) -> Path {
        match self {
            Self::Absent => {}
            Self::Additive(indices) => {
                for (step, mean) in path.mean.iter_mut().enumerate() {
                    *mean += indices[(start + step) % indices.len()];
                }
            }
            Self::Multiplicative(factors) => {
                for (step, mean) in path.mean.iter_mut().enumerate() {
                    *mean *= factors[(start + step) % factors.len()];
                }
                for (step, deviation) in path.deviation.iter_mut().enumerate() {
                    *deviation *= factors[(start + step) % factors.len()];
                }
            }
        }
        path
    }
}

fn is_seasonal(values: &[f64], length: usize) -> bool {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let variance: f64 = centred.iter().map(|value| value * value).sum();
    if variance <= 0.0 {
        return false;
    }
    let correlation = |lag: usize| {
        let later = centred[lag..].iter();
        later.zip(&centred).map(|(a, b)| a * b).sum::<f64>() / variance
    };
    let before: f64 = (1..length).map(|lag| correlation(lag).powi(2)).sum();
    let error = ((1.0 + 2.0 * before) / values.len() as f64).sqrt();
    correlation(length).abs() > CRITICAL * error
}

/// Mean over one season around each value, from `length / 2` to as much before the end. An even
/// season takes half of both outermost values.
fn centred_mean(values: &[f64], length: usize) -> Vec<f64> {
    let half = length / 2;
    (half..values.len() - half)
        .map(|t| {
            let around = &values[t - half..=t + half];
            let sum: f64 = around.iter().sum();
            let excess =
                if length.is_multiple_of(2) { (around[0] + around[2 * half]) / 2.0 } else { 0.0 };
            (sum - excess) / length as f64
        })
        .collect()
}

fn multiplicative(values: &[f64], trend: &[f64], length: usize) -> Vec<f64> {
    let mut factors = by_position(values, trend, length, |value, trend| value / trend);
    let mean = factors.iter().sum::<f64>() / length as f64;
    for factor in &mut factors {
        *factor /= mean;
    }
    factors
}

fn additive(values: &[f64], trend: &[f64], length: usize) -> Vec<f64> {
    let mut indices = by_position(values, trend, length, |value, trend| value - trend);
    let mean = indices.iter().sum::<f64>() / length as f64;
    for index in &mut indices {
        *index -= mean;
    }
    indices
}

/// Mean detrended value of each position. Two complete seasons leave at least one for each.
fn by_position(
    values: &[f64],
    trend: &[f64],
    length: usize,
    detrend: impl Fn(f64, f64) -> f64,
) -> Vec<f64> {
    let half = length / 2;
    let mut sums = vec![0.0; length];
    let mut counts = vec![0_u32; length];
    for (offset, trend) in trend.iter().enumerate() {
        let t = offset + half;
        sums[t % length] += detrend(values[t], *trend);
        counts[t % length] += 1;
    }
    let means = sums.iter().zip(&counts);
    means.map(|(sum, count)| sum / f64::from((*count).max(1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multiplicative_season_is_recovered() {
        let factors = [0.5, 1.0, 1.5, 1.0];
        let values: Vec<f64> = (0..24).map(|t| 8.0 * factors[t % 4]).collect();
        let season = Season::find(&values, 4);
        let Season::Multiplicative(found) = &season else {
            panic!("{season:?}");
        };
        for (found, expected) in found.iter().zip(factors) {
            assert!((found - expected).abs() < 1e-12);
        }
        assert!(season.remove(&values).iter().all(|v| (v - 8.0).abs() < 1e-9));
        let path = season.restore(Path::level(8.0, 1.0, 3), 25);
        assert_eq!(path.mean, [8.0, 12.0, 8.0]);
        assert_eq!(path.deviation, [1.0, 1.5, 1.0]);
    }

    #[test]
    fn values_with_zeros_are_decomposed_additively() {
        let values: Vec<f64> = (0..21).map(|t| [0.0, 3.0, 6.0][t % 3]).collect();
        let Season::Additive(found) = Season::find(&values, 3) else {
            panic!("additive expected");
        };
        for (found, expected) in found.iter().zip([-3.0, 0.0, 3.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn too_short_or_without_pattern_is_absent() {
        assert_eq!(Season::find(&[1.0, 2.0, 1.0, 2.0, 1.0], 3), Season::Absent);
        assert_eq!(Season::find(&[5.0; 40], 4), Season::Absent);
        assert_eq!(Season::find(&[1.0, 2.0, 3.0], 1), Season::Absent);
    }
}
