//! Forecasting the past from several origins, each with a fresh fit on what was known then.

use super::naive::seasonal_naive;
use super::point::PointRecipe;
use super::scores::Scores;
use crate::model::{FitError, FitRun};

/// Most origins of one series.
const ORIGINS: usize = 40;
/// Most errors of one series: a long horizon gets fewer origins.
const ERRORS: usize = 2000;
/// Origins that even the longest horizon gets, if the history allows.
const FEWEST_ORIGINS: usize = 8;
/// Fewest values to forecast from.
const FEWEST_VALUES: usize = 6;
/// Scales below this share of the largest value are rounding, not movement.
const SMALLEST_SCALE: f64 = 1e-9;

/// Errors of the recipe and of the seasonal naive forecast, both over the scale at their origin.
#[derive(Clone, Debug)]
pub(super) struct Rolling {
    /// Origins with at least one error.
    pub(super) origins: usize,
    /// The recipe's errors.
    pub(super) scores: Scores,
    /// The seasonal naive forecast's mean error.
    pub(super) naive: Option<f64>,
}

/// Forecasts from evenly spaced origins in the second half of `values`, and not before two seasons
/// where the series is long enough. Closed days do not count.
///
/// # Errors
/// When `run` was cancelled.
pub(super) fn backtest(
    values: &[f64],
    recipe: &PointRecipe,
    horizon: usize,
    run: &FitRun<'_>,
) -> Result<Rolling, FitError> {
    let mut rolling = Rolling { origins: 0, scores: Scores::empty(horizon), naive: None };
    let mut naive = Scores::empty(horizon);
    for origin in origins(values.len(), recipe.season_length, horizon) {
        run.check()?;
        let (known, coming) = values.split_at(origin);
        let coming = coming.get(..horizon).unwrap_or(coming);
        let Some(scale) = scale(known, recipe.season_length) else {
            continue;
        };
        let forecast = recipe.forecast(known, coming.len());
        let baseline = seasonal_naive(known, recipe.season_length, coming.len());
        let means = forecast.path.mean.iter().zip(&baseline.mean);
        let periods = coming.iter().zip(means).zip(&forecast.closed).enumerate();
        for (step, ((actual, (mean, naive_mean)), closed)) in periods {
            if !closed {
                rolling.scores.push(step, (actual - mean) / scale);
                naive.push(step, (actual - naive_mean) / scale);
            }
        }
        rolling.origins += 1;
    }
    rolling.scores = rolling.scores.sorted();
    rolling.naive = naive.mean();
    Ok(rolling)
}

/// How many values are known at each origin, from the latest to the earliest.
fn origins(length: usize, season_length: usize, horizon: usize) -> impl Iterator<Item = usize> {
    let two_seasons = 2 * season_length;
    let mut first = FEWEST_VALUES.max(length / 2);
    if two_seasons <= length * 4 / 5 {
        first = first.max(two_seasons);
    }
    let usable = length.saturating_sub(first);
    let allowed = (ERRORS / horizon.max(1)).clamp(FEWEST_ORIGINS, ORIGINS);
    let count = usable.min(allowed);
    (0..count).map(move |index| length - 1 - index * usable / count)
}

/// Mean absolute change over a season, or over one period before there are two seasons: the scale
/// of the mean absolute scaled error. `None` when the series hardly moves.
pub(super) fn scale(values: &[f64], season_length: usize) -> Option<f64> {
    let lag = if values.len() >= 2 * season_length { season_length } else { 1 };
    let later = values.get(lag..).filter(|later| !later.is_empty())?;
    let changes = later.iter().zip(values).map(|(a, b)| (a - b).abs());
    let mean = changes.sum::<f64>() / later.len() as f64;
    let largest = values.iter().fold(0.0_f64, |size, value| size.max(value.abs()));
    (mean > SMALLEST_SCALE * largest).then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::forecast::ForecastAlgorithm;

    #[test]
    fn origins_leave_enough_and_are_bounded() {
        assert_eq!(origins(9, 1, 3).collect::<Vec<_>>(), [8, 7, 6]);
        assert_eq!(origins(30, 12, 3).collect::<Vec<_>>(), [29, 28, 27, 26, 25, 24]);
        assert_eq!(origins(6, 1, 3).count(), 0);
        let many: Vec<usize> = origins(1000, 7, 14).collect();
        assert_eq!((many.len(), many[0]), (ORIGINS, 999));
        assert!(many[ORIGINS - 1] >= 500 && many.windows(2).all(|pair| pair[1] < pair[0]));
        assert_eq!(origins(5000, 7, 400).count(), FEWEST_ORIGINS);
    }

    #[test]
    fn the_naive_recipe_scores_like_its_baseline() {
        let recipe = PointRecipe {
            algorithm: ForecastAlgorithm::SeasonalNaive,
            season_length: 1,
            weekdays: false,
            non_negative: false,
        };
        // Every step changes by 1, so the scale is 1 at any origin.
        let values: Vec<f64> = (0..12).map(f64::from).collect();
        let rolling = backtest(&values, &recipe, 2, &FitRun::quiet(1)).unwrap();
        assert_eq!((rolling.origins, rolling.scores.count()), (6, 11));
        // Six errors of 1 and five of 2.
        assert!((rolling.scores.mean().unwrap() - 16.0 / 11.0).abs() < 1e-12);
        assert_eq!(rolling.naive, rolling.scores.mean());
        assert_eq!(scale(&[3.0; 5], 1), None);
    }

    #[test]
    fn a_cancelled_run_stops() {
        let run = FitRun::quiet(1);
        run.cancel.cancel();
        let recipe = PointRecipe {
            algorithm: ForecastAlgorithm::Theta,
            season_length: 1,
            weekdays: false,
            non_negative: false,
        };
        let values: Vec<f64> = (0..12).map(f64::from).collect();
        let stopped = backtest(&values, &recipe, 2, &run);
        assert_eq!(stopped.unwrap_err(), FitError::Cancelled);
    }
}
