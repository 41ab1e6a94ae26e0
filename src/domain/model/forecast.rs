//! Sales forecasts: one future per series, with intervals that were checked against the past.
//!
//! The methods are those of [`crate::model::forecasting`]; ridge regression on lags takes part as
//! its external member. Fitting trims leading zeros, takes out days on which a shop never opens and
//! makes parts and totals agree. Versions from before the kernel answer what they stored.

mod algorithm;
mod closed_days;
mod coherence;
mod fitted;
mod fitting;
mod interval;
mod known;
mod ridge_lags;
mod scores;
mod smartcore_ridge;
mod stored;
#[cfg(test)]
mod tests;
mod watched;

use serde::{Deserialize, Serialize};

pub use self::algorithm::{BoostingChoice, ForecastAlgorithm};
pub use self::coherence::Coherence;
use self::fitted::{Ask, Fitted};
use self::fitting::Plan;
pub use self::known::{InvalidPlan, PlannedPeriod};
use self::scores::Scores;
use self::stored::StoredSeries;
pub use self::watched::{Watched, forecast_failure};
use crate::dataset::{Frequency, Panel, Regressor, SeriesKey};
use crate::model::forecasting::Effect;
use crate::model::{Estimator, FitError, FitRun, Model, PredictError};

/// Farthest horizon of a recipe, in periods.
const HORIZON_LIMIT: usize = 400;

/// A forecast recipe that is not fitted yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ForecastEstimator {
    /// Who forecasts.
    pub algorithm: ForecastAlgorithm,
    /// Periods to forecast, 1 to 400.
    pub horizon: usize,
    /// Periods of a season, 1 to 400; `None` for [`Frequency::season_length`]. With 7 on a daily
    /// panel, weekdays without any sale count as closed.
    pub season_length: Option<usize>,
    /// Whether forecasts and interval bounds below zero become zero: right for sales, wrong for
    /// margins.
    pub non_negative: bool,
    /// How series are made to agree with the total, where the panel has one.
    pub coherence: Coherence,
    /// The groups of series that each add up to the total.
    pub groups: Vec<String>,
    /// Whether the columns of the panel that are known in advance take part.
    pub regressors: bool,
    /// Whether gradient boosting over all series may take part in an ensemble.
    pub boosting: BoostingChoice,
}

impl Estimator for ForecastEstimator {
    type Data = Panel;
    type Model = ForecastModel;

    /// Fits every series. No content of a series is an error: what was done differently for one is
    /// told by [`Method::fallback`].
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
        let plan = Plan {
            algorithm: self.algorithm,
            horizon: self.horizon,
            season_length,
            weekdays: frequency == Frequency::Daily && season_length == 7,
            non_negative: self.non_negative,
            coherence: self.coherence,
            groups: self.groups.clone(),
            regressors: self.regressors,
            boosting: self.boosting,
        };
        Ok(ForecastModel {
            algorithm: self.algorithm,
            frequency,
            end_period: data.end_period(),
            horizon: self.horizon,
            season_length,
            non_negative: self.non_negative,
            ensemble: Some(Fitted::fit(data, &plan, run)?),
            pool: Scores::default(),
            series: Vec::new(),
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
    /// What the kernel fitted; `None` in versions from before it.
    #[serde(default)]
    ensemble: Option<Fitted>,
    /// Errors of all series of such a version.
    #[serde(default, skip_serializing_if = "Scores::is_empty")]
    pool: Scores,
    /// The series of such a version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    series: Vec<StoredSeries>,
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
            Some(fitted) => fitted.keys().collect(),
            None => self.series.iter().map(|series| &series.key).collect(),
        }
    }

    fn len(&self) -> usize {
        self.ensemble.as_ref().map_or(self.series.len(), |fitted| fitted.keys().len())
    }

    /// Which method answers for a series; `None` for an unknown one.
    pub fn method(&self, key: &SeriesKey) -> Option<Method> {
        let index = self.find(key)?;
        match &self.ensemble {
            Some(fitted) => fitted.method(index, self.algorithm),
            None => self.series.get(index).map(|series| series.method.clone()),
        }
    }

    /// How a series was forecast from its own past; `None` for an unknown one.
    pub fn backtest(&self, key: &SeriesKey) -> Option<Backtest> {
        let index = self.find(key)?;
        match &self.ensemble {
            Some(fitted) => fitted.backtest(index),
            None => self.series.get(index).map(|series| series.backtest),
        }
    }

    fn find(&self, key: &SeriesKey) -> Option<usize> {
        match &self.ensemble {
            Some(fitted) => fitted.find(key),
            None => self.series.binary_search_by(|series| series.key.cmp(key)).ok(),
        }
    }

    /// Takes in the periods that closed since the model's last one: states roll forward, while
    /// parameters, weights and the width of intervals stay. Series that are new in the panel are
    /// left out; one that the panel does not have sold nothing.
    ///
    /// # Errors
    /// [`FitError::NoUpdate`] when the model was not made for it, or the panel is of another
    /// frequency; [`FitError::TooFew`] when no period has closed.
    pub fn updated(&self, panel: &Panel) -> Result<Self, FitError> {
        let refused = |reason: &'static str| FitError::NoUpdate { reason };
        let Some(fitted) = &self.ensemble else {
            return Err(refused("the version is from before updates"));
        };
        if self.algorithm == ForecastAlgorithm::RidgeLags {
            return Err(refused("ridge-lags cannot take in single periods"));
        }
        if panel.frequency() != self.frequency {
            return Err(refused("the periods have another length than those of the model"));
        }
        if panel.end_period() <= self.end_period {
            return Err(FitError::NothingNew);
        }
        if !fitted.covers(panel) {
            return Err(refused("a group has sales that no series of the model covers"));
        }
        if !fitted.regressors.is_empty() && panel.regressors() != fitted.regressors {
            return Err(refused("its regressors or events are not those of the model"));
        }
        let mut fitted = fitted.clone();
        fitted.update(panel, self.end_period)?;
        Ok(Self { ensemble: Some(fitted), end_period: panel.end_period(), ..self.clone() })
    }

    /// The columns that were known in advance.
    pub fn regressors(&self) -> &[Regressor] {
        self.ensemble.as_ref().map_or(&[], |fitted| &fitted.regressors)
    }

    /// The same model under a plan for the periods to come. What the plan does not name stays as
    /// the training assumed it: no promotion, the last usual price, the events of the recipe.
    ///
    /// # Errors
    /// The first planned period that does not hold.
    pub fn planned(&self, plan: &[PlannedPeriod]) -> Result<Self, InvalidPlan> {
        let fitted = self.ensemble.as_ref().ok_or(InvalidPlan::NoRegressors)?;
        let fitted = fitted.planned(plan, self.end_period, self.horizon)?;
        Ok(Self { ensemble: Some(fitted), ..self.clone() })
    }

    /// Forecasts of sums of series, each with its own intervals, because errors cancel.
    ///
    /// # Errors
    /// As [`Model::predict`]; [`PredictError::NoSums`] when the version cannot.
    pub fn sums(
        &self,
        groups: &[Vec<SeriesKey>],
        horizon: usize,
        levels: &[f64],
    ) -> Result<Vec<SumForecast>, PredictError> {
        self.check(horizon, levels)?;
        let fitted = self.ensemble.as_ref().ok_or(PredictError::NoSums)?;
        let sum = |group: &Vec<SeriesKey>| {
            let indices = self.indices(group)?;
            Ok(fitted.sum(&indices, horizon, levels))
        };
        groups.iter().map(sum).collect()
    }

    fn check(&self, horizon: usize, levels: &[f64]) -> Result<(), PredictError> {
        if !(1..=self.horizon).contains(&horizon) {
            return Err(PredictError::Horizon { limit: self.horizon, found: horizon });
        }
        match levels.iter().find(|level| !(0.5..=0.99).contains(*level)) {
            Some(found) => Err(PredictError::Level { found: *found }),
            None => Ok(()),
        }
    }

    fn indices(&self, keys: &[SeriesKey]) -> Result<Vec<usize>, PredictError> {
        let unknown = |key: &SeriesKey| PredictError::UnknownSeries {
            key: key.to_string(),
            known: self.len(),
        };
        keys.iter().map(|key| self.find(key).ok_or_else(|| unknown(key))).collect()
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
    /// Whether level, trend and season are wanted.
    pub components: bool,
    /// Whether the effects of the columns that are known in advance are wanted.
    pub effects: bool,
}

impl Model for ForecastModel {
    type Input = ForecastQuery;
    type Output = SeriesForecast;

    /// One forecast per series of the query.
    ///
    /// # Errors
    /// [`PredictError::Horizon`], [`PredictError::Level`] or [`PredictError::UnknownSeries`].
    fn predict(&self, input: &ForecastQuery) -> Result<Vec<SeriesForecast>, PredictError> {
        self.check(input.horizon, &input.levels)?;
        let wanted: Vec<usize> = if input.series.is_empty() {
            (0..self.len()).collect()
        } else {
            self.indices(&input.series)?
        };
        let ask = Ask {
            horizon: input.horizon,
            levels: &input.levels,
            components: input.components,
            effects: input.effects,
            algorithm: self.algorithm,
            first_period: self.end_period,
        };
        Ok(match &self.ensemble {
            Some(fitted) => fitted.forecast(&wanted, &ask),
            None => self.stored(&wanted, input.horizon, &input.levels),
        })
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
    /// The parts of the expected values, where they were asked for and the version knows them.
    pub components: Option<Components>,
    /// What each column that is known in advance does, where that was asked for.
    pub effects: Vec<Effect>,
}

/// The parts of expected values, which add up to them in every period.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Components {
    /// The first period without its season, in all periods.
    pub level: Vec<f64>,
    /// What has been added to the level since then.
    pub trend: Vec<f64>,
    /// What the season adds.
    pub seasonal: Vec<f64>,
    /// What promotions, prices and events add to a period without any and of the usual price.
    #[serde(default)]
    pub regressors: Vec<f64>,
    /// What was added so that parts and totals agree.
    pub adjustment: Vec<f64>,
}

/// The future of a sum of series.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SumForecast {
    /// Expected value of each period: the sum of those of the series.
    pub mean: Vec<f64>,
    /// One per level, in the order they were asked for.
    pub intervals: Vec<Interval>,
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
