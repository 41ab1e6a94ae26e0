//! One series, one answer: the recipe's method, or the next one that can be trusted.

use super::ForecastAlgorithm;
use super::closed_days::ClosedDays;
use super::naive::seasonal_naive;
use super::path::Path;
use super::ridge_lags::ridge_lags;
use super::season::Season;
use super::smartcore_ridge::RidgeRefused;
use super::theta::{FEWEST, theta};

/// What a recipe says about every series.
#[derive(Clone, Copy, Debug)]
pub(super) struct PointRecipe {
    /// The method to try first.
    pub(super) algorithm: ForecastAlgorithm,
    /// Periods of a season, at least 1.
    pub(super) season_length: usize,
    /// Whether the periods are days of a week, so that weekdays may be closed.
    pub(super) weekdays: bool,
    /// Whether no mean may lie below zero.
    pub(super) non_negative: bool,
}

/// The future of a series and who foretold it.
#[derive(Clone, Debug)]
pub(super) struct PointForecast {
    /// Mean and deviation of each period.
    pub(super) path: Path,
    /// Periods in which the shop is closed.
    pub(super) closed: Vec<bool>,
    /// The method that answered.
    pub(super) algorithm: ForecastAlgorithm,
    /// Why it is not the recipe's.
    pub(super) fallback: Option<Distrust>,
}

/// Why a method did not answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Distrust {
    /// Nothing was ever recorded.
    #[error("the series has no value, so the forecast is zero")]
    Empty,
    /// Nothing was ever sold.
    #[error("every value is zero, so the forecast is zero")]
    AllZero,
    /// There is nothing to learn.
    #[error("every value is the same, so it is repeated")]
    Constant,
    /// Too little history.
    #[error(
        "the history is too short for {algorithm}: expected at least {expected} values, found {found}"
    )]
    TooShort {
        /// The method.
        algorithm: ForecastAlgorithm,
        /// Values it takes.
        expected: usize,
        /// Values there are.
        found: usize,
    },
    /// Too little history for a row per column.
    #[error("the history of {found} values is too short for the lags of ridge-lags")]
    TooFewLags {
        /// Values there are.
        found: usize,
    },
    /// Not finite, beyond the mean +- 10 ranges, or more than five times the largest value.
    #[error("the forecast of {algorithm} left the range of the history")]
    Wild {
        /// The method.
        algorithm: ForecastAlgorithm,
    },
    /// The regression was refused.
    #[error("ridge-lags was refused: {0}")]
    Ridge(#[from] RidgeRefused),
}

impl PointRecipe {
    /// Forecasts the `horizon` periods after `values`, which are of about unit size and begin with
    /// the first sale.
    pub(super) fn forecast(&self, values: &[f64], horizon: usize) -> PointForecast {
        let closed = if self.weekdays {
            ClosedDays::find(values, self.season_length)
        } else {
            ClosedDays::none(self.season_length)
        };
        let open = closed.open_values(values);
        let season_length = closed.open_length();
        let (path, algorithm, fallback) = self.first_trusted(&open, season_length, horizon);
        let path = if self.non_negative { path.at_least_zero() } else { path };
        let start = values.len();
        PointForecast {
            path: Path {
                mean: closed.spread(&path.mean, start, horizon),
                deviation: closed.spread(&path.deviation, start, horizon),
            },
            closed: (start..start + horizon).map(|t| closed.contains(t)).collect(),
            algorithm,
            fallback,
        }
    }

    /// Tries the recipe's method, then theta, then the seasonal naive forecast, which always
    /// answers.
    fn first_trusted(
        &self,
        values: &[f64],
        season_length: usize,
        horizon: usize,
    ) -> (Path, ForecastAlgorithm, Option<Distrust>) {
        let tried: &[ForecastAlgorithm] = match self.algorithm {
            ForecastAlgorithm::RidgeLags => {
                &[ForecastAlgorithm::RidgeLags, ForecastAlgorithm::Theta]
            }
            ForecastAlgorithm::SeasonalNaive => &[],
            _ => &[ForecastAlgorithm::Theta],
        };
        let mut reason = None;
        for algorithm in tried {
            let path = nothing_to_learn(values)
                .and_then(|()| self.attempt(*algorithm, values, season_length, horizon));
            match path {
                Ok(path) if !is_wild(&path, values) => return (path, *algorithm, reason),
                Ok(_) => reason = reason.or(Some(Distrust::Wild { algorithm: *algorithm })),
                Err(distrust) => reason = reason.or(Some(distrust)),
            }
        }
        let path = seasonal_naive(values, season_length, horizon);
        (path, ForecastAlgorithm::SeasonalNaive, reason)
    }

    fn attempt(
        &self,
        algorithm: ForecastAlgorithm,
        values: &[f64],
        season_length: usize,
        horizon: usize,
    ) -> Result<Path, Distrust> {
        let found = values.len();
        match algorithm {
            ForecastAlgorithm::SeasonalNaive => Ok(seasonal_naive(values, season_length, horizon)),
            ForecastAlgorithm::RidgeLags => {
                ridge_lags(values, season_length, self.weekdays, horizon)?
                    .ok_or(Distrust::TooFewLags { found })
            }
            _ => {
                let season = Season::find(values, season_length);
                let path = theta(&season.remove(values), horizon);
                let short = Distrust::TooShort { algorithm, expected: FEWEST, found };
                Ok(season.restore(path.ok_or(short)?, found))
            }
        }
    }
}

fn nothing_to_learn(values: &[f64]) -> Result<(), Distrust> {
    let Some(first) = values.first() else {
        return Err(Distrust::Empty);
    };
    if values.iter().any(|value| value != first) || values.len() == 1 && *first != 0.0 {
        return Ok(());
    }
    Err(if *first == 0.0 { Distrust::AllZero } else { Distrust::Constant })
}

fn is_wild(path: &Path, values: &[f64]) -> bool {
    let fold = |start: f64, pick: fn(f64, f64) -> f64| values.iter().copied().fold(start, pick);
    let (low, high) = (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max));
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let reach = 10.0 * (high - low);
    let limit = 5.0 * low.abs().max(high.abs());
    let tame_mean = |m: &f64| (m - mean).abs() <= reach && m.abs() <= limit;
    let tame = path.mean.iter().all(tame_mean) && path.deviation.iter().all(|d| *d <= 10.0 * reach);
    !tame
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: PointRecipe = PointRecipe {
        algorithm: ForecastAlgorithm::Theta,
        season_length: 7,
        weekdays: true,
        non_negative: true,
    };

    fn reason(values: &[f64]) -> String {
        let answer = RECIPE.forecast(values, 3);
        assert_eq!(answer.algorithm, ForecastAlgorithm::SeasonalNaive);
        answer.fallback.unwrap().to_string()
    }

    #[test]
    fn every_fallback_says_why() {
        assert!(reason(&[]).contains("no value"));
        assert!(reason(&[0.0; 9]).contains("zero"));
        assert!(reason(&[4.0; 9]).contains("same"));
        assert_eq!(
            reason(&[1.0]),
            "the history is too short for theta: expected at least 6 values, found 1"
        );
        let ridge = PointRecipe { algorithm: ForecastAlgorithm::RidgeLags, ..RECIPE };
        let answer = ridge.forecast(&[1.0, 2.0, 3.0, 1.0, 5.0, 2.0, 4.0], 3);
        assert_eq!(answer.algorithm, ForecastAlgorithm::Theta);
        assert_eq!(answer.fallback, Some(Distrust::TooFewLags { found: 7 }));
    }

    #[test]
    fn closed_days_stay_closed_while_sales_grow() {
        let values: Vec<f64> =
            (0..70).map(|t| if t % 7 == 6 { 0.0 } else { 1.0 + f64::from(t) / 10.0 }).collect();
        let answer = RECIPE.forecast(&values, 14);
        assert_eq!(answer.algorithm, ForecastAlgorithm::Theta);
        for (step, mean) in answer.path.mean.iter().enumerate() {
            assert_eq!(answer.closed[step], step % 7 == 6);
            assert_eq!(*mean == 0.0, step % 7 == 6);
            assert!(step % 7 == 6 || (mean - 1.0 - (70 + step) as f64 / 10.0).abs() < 0.5);
        }
    }

    #[test]
    fn wild_is_beyond_ranges_or_five_times_the_largest() {
        let level = |mean, deviation| Path::level(mean, deviation, 1);
        assert!(!is_wild(&level(4.9, 1.0), &[0.0, 1.0]));
        assert!(is_wild(&level(5.1, 1.0), &[0.0, 1.0]));
        assert!(is_wild(&level(1.0, 1.0), &[0.5, 0.51]));
        assert!(is_wild(&level(f64::NAN, 1.0), &[0.0, 1.0]));
        assert!(is_wild(&level(0.5, f64::INFINITY), &[0.0, 1.0]));
    }
}
