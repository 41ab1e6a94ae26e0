//! Ridge regression on the last values, those one season ago, and the position in the season.
//!
//! Every row is measured from its own level, the mean of the values just before it, and divided by
//! that level where all values are positive. So one set of weights holds along a growing series,
//! and strong shrinkage ends at the moving mean instead of at zero. Further periods are forecast
//! from the forecasts before them.

#![expect(
    clippy::indexing_slicing,
    reason = "numeric kernel: a row starts at the longest lag, so every lag lies in the history"
)]

use std::f64::consts::TAU;

use super::smartcore_ridge::{Ridge, RidgeRefused};
use crate::model::forecasting::ExternalMember;

/// On standardised columns: as much as ten rows that say "no effect".
const PENALTY: f64 = 10.0;
/// Lags without a season, and most of the near lags with one.
const NEAR: (usize, usize) = (3, 6);
const HARMONICS: usize = 3;
const FEWEST_ROWS: usize = 8;
const DAYS_PER_YEAR: f64 = 365.25;
/// Largest forecast, over the largest value.
const FARTHEST: f64 = 5.0;

/// The regression as a member of an ensemble, of series by their index.
#[derive(Clone, Copy, Debug)]
pub(super) struct RidgeLags<'a> {
    pub(super) values: &'a [&'a [f64]],
    /// Periods of a season, at least 1.
    pub(super) season: usize,
    /// Adds the position in the year to daily series of at least two years.
    pub(super) yearly: bool,
}

impl ExternalMember for RidgeLags<'_> {
    fn forecast(&self, series: usize, held_out: usize, path: &mut [f64]) -> bool {
        let values = self.values.get(series).copied().unwrap_or_default();
        let Some(known) = values.len().checked_sub(held_out).and_then(|count| values.get(..count))
        else {
            return false;
        };
        // Of unit size no square overflows.
        let largest = known.iter().fold(0.0_f64, |size, value| size.max(value.abs()));
        if !(largest >= f64::MIN_POSITIVE && largest.is_finite()) {
            return false;
        }
        let scaled: Vec<f64> = known.iter().map(|value| value / largest).collect();
        let Ok(Some(mean)) = ridge_lags(&scaled, self.season, self.yearly, path.len()) else {
            return false;
        };
        // Beyond this the regression has run away from the series.
        let plausible = mean.iter().all(|value| value.abs() <= FARTHEST);
        for (slot, value) in path.iter_mut().zip(mean) {
            *slot = value * largest;
        }
        plausible
    }
}

/// The next `horizon` values; `Ok(None)` when the series is too short for any lags. `yearly` adds
/// the position in the year to a daily series of at least two years.
fn ridge_lags(
    values: &[f64],
    season_length: usize,
    yearly: bool,
    horizon: usize,
) -> Result<Option<Vec<f64>>, RidgeRefused> {
    let Some(design) = Design::choose(values, season_length, yearly) else {
        return Ok(None);
    };
    let times = design.reach()..values.len();
    let (rows, targets): (Vec<Vec<f64>>, Vec<f64>) = times
        .map(|t| {
            let row = design.row(&values[..t]);
            let target = (values[t] - row.level) / row.unit;
            (row.features, target)
        })
        .unzip();
    let ridge = Ridge::fit(&rows, &targets, PENALTY)?;
    Ok(Some(design.continued(values, &ridge, horizon)))
}

/// Which columns a row has.
struct Design {
    lags: Vec<usize>,
    window: usize,
    /// Length and harmonics of each calendar cycle.
    cycles: Vec<(f64, usize)>,
    relative: bool,
}

struct Row {
    level: f64,
    unit: f64,
    features: Vec<f64>,
}

impl Design {
    /// The seasonal design if its rows are twice its columns, else lags alone, else none.
    fn choose(values: &[f64], season: usize, yearly: bool) -> Option<Self> {
        let relative = values.iter().all(|value| *value > 0.0);
        let mut lags: Vec<usize> = (1..=season.min(NEAR.1)).collect();
        lags.extend([season - 1, season, season + 1]);
        lags.retain(|lag| *lag > 0);
        lags.sort_unstable();
        lags.dedup();
        let mut cycles = vec![(season as f64, HARMONICS.min(season / 2))];
        if yearly && values.len() as f64 >= 2.0 * DAYS_PER_YEAR {
            cycles.push((DAYS_PER_YEAR, HARMONICS));
        }
        let seasonal = Self { lags, window: season, cycles, relative };
        let plain =
            Self { lags: (1..=NEAR.0).collect(), window: NEAR.0, cycles: Vec::new(), relative };
        let fits = |design: &Self| {
            let rows = values.len().saturating_sub(design.reach());
            rows >= FEWEST_ROWS.max(2 * design.width())
        };
        [seasonal, plain]
            .into_iter()
            .find(|design| (season > 1 || design.window > 1) && fits(design))
    }

    fn reach(&self) -> usize {
        self.lags.last().copied().unwrap_or(0).max(self.window)
    }

    fn width(&self) -> usize {
        self.lags.len() + self.cycles.iter().map(|(_, n)| 2 * n).sum::<usize>()
    }

    /// The row of the value that follows `history`.
    fn row(&self, history: &[f64]) -> Row {
        let t = history.len();
        let level = history[t - self.window..].iter().sum::<f64>() / self.window as f64;
        let unit = if self.relative { level } else { 1.0 };
        let lags = self.lags.iter().map(|lag| (history[t - lag] - level) / unit);
        let waves = self.cycles.iter().flat_map(|(length, harmonics)| {
            (1..=*harmonics).flat_map(move |k| {
                let (sine, cosine) = (TAU * k as f64 * t as f64 / length).sin_cos();
                [sine, cosine]
            })
        });
        Row { level, unit, features: lags.chain(waves).collect() }
    }

    fn continued(&self, values: &[f64], ridge: &Ridge, horizon: usize) -> Vec<f64> {
        let mut history = values.to_vec();
        for _ in 0..horizon {
            let row = self.row(&history);
            history.push(row.level + row.unit * ridge.predict(&row.features));
        }
        history.split_off(values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_season_goes_on() {
        let truth = |t: usize| (20.0 + t as f64 / 4.0) * [0.7, 1.0, 1.3, 1.0][t % 4];
        let values: Vec<f64> = (0..80).map(truth).collect();
        let member = RidgeLags { values: &[&values], season: 4, yearly: false };
        let mut path = [0.0; 8];
        assert!(member.forecast(0, 0, &mut path));
        for (step, mean) in path.iter().enumerate() {
            let expected = truth(80 + step);
            assert!((mean / expected - 1.0).abs() < 0.05, "{mean} {expected}");
        }
        let earlier = RidgeLags { values: &[&values[..75]], ..member };
        let (mut held_out, mut cut) = ([0.0; 8], [0.0; 8]);
        assert!(member.forecast(0, 5, &mut held_out) && earlier.forecast(0, 0, &mut cut));
        assert_eq!(held_out, cut, "what is held out is not seen");
        assert!(!member.forecast(0, 75, &mut path), "too short");
        assert!(!member.forecast(0, 81, &mut path) && !member.forecast(1, 0, &mut path));
    }

    #[test]
    fn short_series_have_fewer_columns_or_none() {
        let values: Vec<f64> = (0..16).map(|t| f64::from(t % 3)).collect();
        assert!(ridge_lags(&values, 12, false, 3).unwrap().is_some());
        assert!(ridge_lags(&values[..9], 12, false, 3).unwrap().is_none());
        assert!(ridge_lags(&[], 1, true, 3).unwrap().is_none());
    }
}
