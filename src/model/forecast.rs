//! Sales forecasts: one future per series, with intervals that were checked against the past.
//!
//! Most methods are those of [`crate::model::forecasting`] (`ensemble`); theta alone, ridge on lags
//! and seasonal naive are fitted here. Fitting trims leading zeros, takes out days on which a shop never opens, forecasts with the
//! recipe's method or with a simpler one that it names, and repeats all of that from past origins
//! (`backtest`) to learn how large errors are. Predicting reads what fitting stored.

mod backtest;
mod closed_days;
mod ensemble;
mod fitting;
mod interval;
mod naive;
mod path;
mod point;
mod ridge_lags;
mod scores;
mod season;
mod smartcore_ridge;
#[cfg(test)]
mod tests;
mod theta;

use std::fmt;

use serde::{Deserialize, Serialize};

use self::ensemble::{Ensemble, EnsembleRecipe};
use self::fitting::{fit_panel, pooled};
use self::interval::PooledBounds;
use self::point::PointRecipe;
use self::scores::Scores;
use crate::dataset::{Frequency, Panel, SeriesKey};
use crate::model::{Estimator, FitError, FitRun, Model, PredictError, forecasting};

/// Farthest horizon of a recipe, in periods.
const HORIZON_LIMIT: usize = 400;

/// The methods a recipe can name.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForecastAlgorithm {
    /// All models that suit a series, weighted by their backtest; the default.
    #[default]
    Ensemble,
    /// Exponential smoothing, selected by AICc.
    Ets,
    /// Exponential smoothing with a damped trend on deseasonalised values.
    Damped,
    /// Complex exponential smoothing on deseasonalised values.
    Ces,
    /// Autoregression of changes on deseasonalised values.
    Autoregression,
    /// Smoothing of sums over several periods, for demand with many zeros.
    Imapa,
    /// Smoothing of the probability and the size of a demand, for demand with many zeros.
    Tsb,
    /// The dynamic optimised theta model on deseasonalised values.
    Theta,
    /// smartcore's ridge regression on lags and the position in the season.
    RidgeLags,
    /// The last season again: the baseline.
    SeasonalNaive,
}

impl ForecastAlgorithm {
    /// The name in a recipe.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ensemble => "ensemble",
            Self::Ets => "ets",
            Self::Damped => "damped",
            Self::Ces => "ces",
            Self::Autoregression => "autoregression",
            Self::Imapa => "imapa",
            Self::Tsb => "tsb",
            Self::Theta => "theta",
            Self::RidgeLags => "ridge-lags",
            Self::SeasonalNaive => "seasonal-naive",
        }
    }
}

impl ForecastAlgorithm {
    /// How the kernel of [`crate::model::forecasting`] is asked; `None` for what is not its own.
    const fn kernel(self) -> Option<forecasting::Method> {
        use forecasting::{Member, Method};
        Some(match self {
            Self::Ensemble => Method::Ensemble,
            Self::Ets => Method::Single(Member::Ets),
            Self::Damped => Method::Single(Member::Damped),
            Self::Ces => Method::Single(Member::Ces),
            Self::Autoregression => Method::Single(Member::Autoregression),
            Self::Imapa => Method::Single(Member::Imapa),
            Self::Tsb => Method::Single(Member::Tsb),
            Self::Theta | Self::RidgeLags | Self::SeasonalNaive => return None,
        })
    }
}

impl fmt::Display for ForecastAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A forecast recipe that is not fitted yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ForecastEstimator {
    /// The method to try first on every series.
    pub algorithm: ForecastAlgorithm,
    /// Periods to forecast, 1 to 400.
    pub horizon: usize,
    /// Periods of a season, 1 to 400; `None` for [`Frequency::season_length`]. With 7 on a daily
    /// panel, weekdays without any sale count as closed.
    pub season_length: Option<usize>,
    /// Whether forecasts and interval bounds below zero become zero: right for sales, wrong for
    /// margins.
    pub non_negative: bool,
}

impl Estimator for ForecastEstimator {
    type Data = Panel;
    type Model = ForecastModel;

    /// Fits every series. No content of a series is an error: where the recipe's method cannot be
    /// trusted, a simpler one answers and [`Method::fallback`] says why.
    ///
    /// # Errors
    /// [`FitError::Setting`] for a horizon or season length out of range, [`FitError::TooFew`] for
    /// a panel without series, [`FitError::Cancelled`].
    fn fit(&self, data: &Panel, run: &FitRun<'_>) -> Result<ForecastModel, FitError> {
        let frequency = data.frequency();
        let season_length = self.season_length.unwrap_or(frequency.season_length());
        within_limit("horizon", self.horizon)?;
        within_limit("season_length", season_length)?;
        if data.series().is_empty() {
            return Err(FitError::TooFew { what: "series", expected: 1, found: 0 });
        }
        let weekdays = frequency == Frequency::Daily && season_length == 7;
        let (mut series, mut ensemble) = (Vec::new(), None);
        match self.algorithm.kernel() {
            Some(method) => {
                let recipe = EnsembleRecipe {
                    method,
                    horizon: self.horizon,
                    season_length,
                    weekdays,
                    non_negative: self.non_negative,
                };
                ensemble = Some(Ensemble::fit(data, &recipe, run)?);
            }
            None => {
                let recipe = PointRecipe {
                    algorithm: self.algorithm,
                    season_length,
                    weekdays,
                    non_negative: self.non_negative,
                };
                series = fit_panel(data, &recipe, self.horizon, run)?;
            }
        }
        Ok(ForecastModel {
            algorithm: self.algorithm,
            frequency,
            end_period: data.end_period(),
            horizon: self.horizon,
            season_length,
            non_negative: self.non_negative,
            pool: pooled(&series, self.horizon),
            series,
            ensemble,
        })
    }
}

fn within_limit(name: &'static str, found: usize) -> Result<(), FitError> {
    if (1..=HORIZON_LIMIT).contains(&found) {
        return Ok(());
    }
    Err(FitError::Setting {
        name,
        expected: format!("1 to {HORIZON_LIMIT} periods"),
        found: found.to_string(),
    })
}

/// The futures of all series of a panel.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ForecastModel {
    algorithm: ForecastAlgorithm,
    frequency: Frequency,
    end_period: i32,
    horizon: usize,
    season_length: usize,
    non_negative: bool,
    pool: Scores,
    series: Vec<FittedSeries>,
    /// What the kernel fitted; then there are no `series`.
    #[serde(default)]
    ensemble: Option<Ensemble>,
}

/// What fitting keeps of one series, in the unit of its values.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct FittedSeries {
    key: SeriesKey,
    mean: Vec<f64>,
    deviation: Vec<f64>,
    closed: Vec<bool>,
    scale: Option<f64>,
    method: Method,
    backtest: Backtest,
    scores: Scores,
}

/// How a series was forecast from its own past.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Backtest {
    /// Origins that were forecast from, each with a fresh fit; 0 to 40.
    pub origins: usize,
    /// Periods that were forecast, over all origins.
    pub errors: usize,
    /// Mean absolute scaled error of the recipe over them, each error over the scale known at its
    /// origin. `None` for a series that is too short or never moved.
    pub mase: Option<f64>,
    /// The same for the seasonal naive forecast from the same origins.
    pub naive_mase: Option<f64>,
}

impl ForecastModel {
    /// The recipe's method.
    pub fn algorithm(&self) -> ForecastAlgorithm {
        self.algorithm
    }

    /// Length of a period.
    pub fn frequency(&self) -> Frequency {
        self.frequency
    }

    /// The first period after the data, which is the first that is forecast.
    pub fn end_period(&self) -> i32 {
        self.end_period
    }

    /// Farthest period that can be asked for, at least 1.
    pub fn horizon(&self) -> usize {
        self.horizon
    }

    /// Periods of a season.
    pub fn season_length(&self) -> usize {
        self.season_length
    }

    /// The series, in the order of their keys.
    pub fn keys(&self) -> Vec<&SeriesKey> {
        match &self.ensemble {
            Some(ensemble) => ensemble.keys().collect(),
            None => self.series.iter().map(|series| &series.key).collect(),
        }
    }

    fn len(&self) -> usize {
        self.ensemble.as_ref().map_or(self.series.len(), |ensemble| ensemble.keys().len())
    }

    /// Which method answers for a series; `None` for an unknown one.
    pub fn method(&self, key: &SeriesKey) -> Option<Method> {
        let index = self.find(key)?;
        match &self.ensemble {
            Some(ensemble) => ensemble.method(index, self.algorithm),
            None => self.series.get(index).map(|series| series.method.clone()),
        }
    }

    /// How a series was forecast from its own past; `None` for an unknown one.
    pub fn backtest(&self, key: &SeriesKey) -> Option<Backtest> {
        let index = self.find(key)?;
        match &self.ensemble {
            Some(ensemble) => ensemble.backtest(index),
            None => self.series.get(index).map(|series| series.backtest),
        }
    }

    fn find(&self, key: &SeriesKey) -> Option<usize> {
        match &self.ensemble {
            Some(ensemble) => ensemble.find(key),
            None => self.series.binary_search_by(|series| series.key.cmp(key)).ok(),
        }
    }

    fn answer(
        &self,
        series: &FittedSeries,
        horizon: usize,
        levels: &[PooledBounds],
    ) -> SeriesForecast {
        SeriesForecast {
            key: series.key.clone(),
            first_period: self.end_period,
            mean: series.mean.iter().copied().take(horizon).collect(),
            intervals: levels.iter().map(|bounds| self.interval(series, horizon, bounds)).collect(),
            method: series.method.clone(),
            weights: Vec::new(),
            backtest_mase: series.backtest.mase,
        }
    }

    fn interval(&self, series: &FittedSeries, horizon: usize, bounds: &PooledBounds) -> Interval {
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

/// Which forecasts are wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForecastQuery {
    /// The series, in the order of the answer; empty for all in the order of their keys.
    pub series: Vec<SeriesKey>,
    /// Periods from the end of the data on, 1 to the model's horizon.
    pub horizon: usize,
    /// Shares of outcomes that intervals shall contain, each 0.5 to 0.99; may be empty.
    pub levels: Vec<f64>,
}

impl Model for ForecastModel {
    type Input = ForecastQuery;
    type Output = SeriesForecast;

    /// One forecast per series of the query.
    ///
    /// # Errors
    /// [`PredictError::Horizon`], [`PredictError::Level`] or [`PredictError::UnknownSeries`].
    fn predict(&self, input: &ForecastQuery) -> Result<Vec<SeriesForecast>, PredictError> {
        let horizon = input.horizon;
        if !(1..=self.horizon).contains(&horizon) {
            return Err(PredictError::Horizon { limit: self.horizon, found: horizon });
        }
        if let Some(found) = input.levels.iter().find(|l| !(0.5..=0.99).contains(*l)) {
            return Err(PredictError::Level { found: *found });
        }
        let unknown = |key: &SeriesKey| PredictError::UnknownSeries {
            key: key.to_string(),
            known: self.len(),
        };
        let wanted: Vec<usize> = if input.series.is_empty() {
            (0..self.len()).collect()
        } else {
            let found = input.series.iter();
            let find = |key: &SeriesKey| self.find(key).ok_or_else(|| unknown(key));
            found.map(find).collect::<Result<_, _>>()?
        };
        if let Some(ensemble) = &self.ensemble {
            let from = (self.algorithm, self.end_period);
            return Ok(ensemble.forecast(&wanted, horizon, &input.levels, from));
        }
        let levels: Vec<PooledBounds> = input
            .levels
            .iter()
            .map(|level| PooledBounds::new(&self.pool, horizon, *level))
            .collect();
        let series = wanted.into_iter().filter_map(|index| self.series.get(index));
        Ok(series.map(|series| self.answer(series, horizon, &levels)).collect())
    }
}

/// The future of one series, in the unit of the panel's measure.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SeriesForecast {
    /// Which series.
    pub key: SeriesKey,
    /// Number of the first period that is forecast.
    pub first_period: i32,
    /// Expected value of each period.
    pub mean: Vec<f64>,
    /// One per level of the query, in its order.
    pub intervals: Vec<Interval>,
    /// Who answered.
    pub method: Method,
    /// The models that were combined, with their weights; empty for a single method.
    pub weights: Vec<MemberWeight>,
    /// [`Backtest::mase`] of the series.
    pub backtest_mase: Option<f64>,
}

/// A model's part in a forecast.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct MemberWeight {
    /// The model.
    pub member: String,
    /// Its weight, 0 to 1; all of a series add up to 1.
    pub weight: f64,
}

/// Bounds that shall contain a share of the outcomes. Of one series, the interval of a higher level
/// contains that of a lower one in every period.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Interval {
    /// The share, 0.5 to 0.99.
    pub level: f64,
    /// Lower bound of each period.
    pub lower: Vec<f64>,
    /// Upper bound of each period.
    pub upper: Vec<f64>,
    /// Where the width comes from; the weakest source when periods differ.
    pub source: IntervalSource,
    /// Share of held-back values of all series that fell into such intervals, for the levels 0.8
    /// and 0.95 of an ensemble; made without the errors they are judged by.
    pub backtest_coverage: Option<f64>,
}

/// Where an interval's width comes from, from the strongest to the weakest.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalSource {
    /// At least 40 backtest errors of the series itself, and enough for the level.
    OwnConformal,
    /// Backtest errors of all series of the panel, each over its series' scale.
    PooledConformal,
    /// The method's own formula for normal errors: not checked against the past.
    Formula,
}

/// Who forecast a series.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Method {
    /// The method that answered.
    pub algorithm: ForecastAlgorithm,
    /// Why it is not the recipe's, in one sentence; `None` when it is.
    pub fallback: Option<String>,
}
