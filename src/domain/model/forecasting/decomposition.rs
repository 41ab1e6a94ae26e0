//! The past of a series, taken apart.

use serde::{Deserialize, Serialize};

use super::season::{Seasons, shrinking_mean};
use super::settings::{ForecastError, check_finite};

/// Parts of past values, which add up to them in every period.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Decomposition {
    /// Mean of the values without season over one season around each period, fewer at the ends.
    pub trend: Vec<f64>,
    /// What the seasons add; zeros when the series has none.
    pub seasonal: Vec<f64>,
    /// What is left.
    pub remainder: Vec<f64>,
}

impl Decomposition {
    /// Takes `values` apart as the forecasts do it; `season_lengths` ascends.
    ///
    /// # Errors
    /// [`ForecastError::NotFinite`], with series 0.
    pub fn new(values: &[f64], season_lengths: &[usize]) -> Result<Self, ForecastError> {
        check_finite(0, values)?;
        let mut adjusted = values.to_vec();
        Seasons::remove(&mut adjusted, season_lengths);
        let half = season_lengths.last().map_or(1, |length| (length / 2).max(1));
        let trend = shrinking_mean(&adjusted, half);
        let difference = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
        Ok(Self {
            seasonal: difference(values, &adjusted),
            remainder: difference(&adjusted, &trend),
            trend,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_season_comes_apart_and_together() {
        let season = [-2.0, 0.0, 3.0, -1.0];
        let values: Vec<f64> =
            (0..40).map(|t| 0.5 * f64::from(t) - 20.0 + season[t as usize % 4]).collect();
        let found = Decomposition::new(&values, &[4]).unwrap();
        for (t, value) in values.iter().enumerate() {
            let sum = found.trend[t] + found.seasonal[t] + found.remainder[t];
            assert!((sum - value).abs() < 1e-9);
            if (4..36).contains(&t) {
                assert!(
                    (found.seasonal[t] - season[t % 4]).abs() < 0.2,
                    "{t} {}",
                    found.seasonal[t]
                );
                assert!(found.remainder[t].abs() < 0.4);
            }
        }
        assert!(Decomposition::new(&[1.0, f64::NAN], &[4]).is_err());
        assert!(Decomposition::new(&[], &[]).unwrap().trend.is_empty());
    }
}
