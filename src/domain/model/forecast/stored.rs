//! Series of versions that were trained before [`crate::model::forecasting`]: their forecasts were
//! stored, with the errors of their backtest.

use serde::{Deserialize, Serialize};

use super::interval::PooledBounds;
use super::scores::Scores;
use super::{Backtest, ForecastModel, Interval, IntervalSource, Method, SeriesForecast};
use crate::dataset::SeriesKey;

/// What such a version keeps of one series, in the unit of its values.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct StoredSeries {
    pub(super) key: SeriesKey,
    pub(super) mean: Vec<f64>,
    pub(super) deviation: Vec<f64>,
    pub(super) closed: Vec<bool>,
    pub(super) scale: Option<f64>,
    pub(super) method: Method,
    pub(super) backtest: Backtest,
    pub(super) scores: Scores,
}

impl ForecastModel {
    /// The stored forecasts of some series.
    pub(super) fn stored(
        &self,
        wanted: &[usize],
        horizon: usize,
        levels: &[f64],
    ) -> Vec<SeriesForecast> {
        let bounds = levels.iter().map(|level| PooledBounds::new(&self.pool, horizon, *level));
        let bounds: Vec<PooledBounds> = bounds.collect();
        let series = wanted.iter().filter_map(|index| self.series.get(*index));
        let answer = |series: &StoredSeries| SeriesForecast {
            key: series.key.clone(),
            first_period: self.end_period,
            mean: series.mean.iter().copied().take(horizon).collect(),
            intervals: bounds.iter().map(|bounds| self.interval(series, horizon, bounds)).collect(),
            method: series.method.clone(),
            weights: Vec::new(),
            backtest_mase: series.backtest.mase,
            components: None,
            effects: Vec::new(),
        };
        series.map(answer).collect()
    }

    fn interval(&self, series: &StoredSeries, horizon: usize, bounds: &PooledBounds) -> Interval {
        let mut interval = Interval {
            level: bounds.level(),
            lower: Vec::with_capacity(horizon),
            upper: Vec::with_capacity(horizon),
            source: IntervalSource::OwnConformal,
            backtest_coverage: None,
        };
        let days = series.deviation.iter().zip(&series.closed);
        let periods = series.mean.iter().zip(days).take(horizon).enumerate();
        for (step, (mean, (deviation, closed))) in periods {
            let (half, source) = if *closed {
                (0.0, IntervalSource::OwnConformal)
            } else {
                bounds.half_width(step, &series.scores, series.scale, *deviation)
            };
            let lowest = if self.non_negative { 0.0 } else { f64::MIN };
            interval.lower.push((mean - half).max(lowest));
            interval.upper.push((mean + half).min(f64::MAX));
            interval.source = interval.source.max(source);
        }
        interval
    }
}
