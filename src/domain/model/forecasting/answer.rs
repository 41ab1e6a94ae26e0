//! What a fitted panel answers about one series.

use serde::{Deserialize, Serialize};

use super::conformal::{HalfWidth, IntervalSource};
use super::effects::Effect;
use super::fallback::Fallback;
use super::member::Member;
use super::panel::{PanelFit, SeriesFit};
use super::regressors::Regressors;
use super::settings::{ForecastError, check_finite, check_level};
use super::weights::combine;

/// New values count at most as this many times the largest one of the fit, so that no state
/// overflows.
const LARGEST: f64 = 1e100;

/// Bounds that shall contain a share of the outcomes.
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
}

/// How far an interval reaches on either side.
#[derive(Clone, Debug, PartialEq)]
pub struct Width {
    /// Of each period of the fitted horizon.
    pub half: Vec<f64>,
    /// Where it comes from; the weakest source when periods differ.
    pub source: IntervalSource,
}

impl Width {
    /// Scores times the spread of each step.
    pub(super) fn new(halves: &[HalfWidth], spreads: impl Iterator<Item = f64>) -> Self {
        // A spread that overflowed makes an infinite or undefined half width.
        let half =
            halves.iter().zip(spreads).map(|(one, spread)| (one.score * spread).min(f64::MAX));
        let sources = halves.iter().map(|one| one.source);
        Self { half: half.collect(), source: sources.max().unwrap_or(IntervalSource::Conformal) }
    }
}

/// The parts of a forecast, which add up to it in every period.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Components {
    /// The first period without its season, in all periods.
    pub level: Vec<f64>,
    /// What has been added to the level since then.
    pub trend: Vec<f64>,
    /// What the season adds.
    pub seasonal: Vec<f64>,
    /// What the regressors add to a period without promotion or holiday and of the usual price;
    /// zeros when they have no part in the forecast.
    pub regressors: Vec<f64>,
}

/// How one series was forecast from its own past.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BacktestReport {
    /// Each member with its weight (sum 1) and its mean absolute scaled error; no error for a
    /// series that is too short or never moves.
    pub members: Vec<MemberReport>,
    /// Mean absolute scaled error of the combination.
    pub mase: Option<f64>,
    /// Values held back at each origin, descending.
    pub held_out: Vec<usize>,
    /// Signed errors (actual less forecast) of the combination from each origin by period.
    pub errors: Vec<Vec<f64>>,
}

/// A member's part in a forecast.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct MemberReport {
    /// Which member.
    pub member: Member,
    /// Its weight, 0 to 1.
    pub weight: f64,
    /// Its mean absolute scaled error over all origins and periods.
    pub mase: Option<f64>,
}

impl PanelFit {
    /// The expected value of the next `horizon` periods, which may go beyond the fitted horizon.
    ///
    /// # Errors
    /// [`ForecastError::UnknownSeries`].
    pub fn point(&self, series: usize, horizon: usize) -> Result<Vec<f64>, ForecastError> {
        Ok(self.find(series)?.point(horizon, self.settings.non_negative))
    }

    /// The interval of a series over the fitted horizon, of a level of 0.5 to 0.99.
    ///
    /// # Errors
    /// [`ForecastError::UnknownSeries`], [`ForecastError::Setting`] for the level.
    pub fn interval(&self, series: usize, level: f64) -> Result<Interval, ForecastError> {
        let mut found = self.intervals(&[series], level)?;
        found.pop().ok_or(ForecastError::UnknownSeries { known: self.series.len(), found: series })
    }

    /// [`Self::interval`] of several series at once.
    ///
    /// # Errors
    /// As [`Self::interval`].
    pub fn intervals(&self, series: &[usize], level: f64) -> Result<Vec<Interval>, ForecastError> {
        let widths = self.widths(series, level)?;
        let pairs = series.iter().zip(&widths);
        pairs
            .map(|(index, width)| {
                let path = self.point(*index, self.settings.horizon)?;
                Ok(self.around(&path, width, level))
            })
            .collect()
    }

    /// How far the intervals of several series reach, without the forecasts they lie around.
    ///
    /// # Errors
    /// As [`Self::interval`].
    pub fn widths(&self, series: &[usize], level: f64) -> Result<Vec<Width>, ForecastError> {
        check_level(level)?;
        let halves = self.conformal.half_widths(level);
        let one = |index: &usize| {
            let fit = self.find(*index)?;
            let spread = fit.spread * fit.unit;
            Ok(Width::new(&halves, (0..).map(|step| spread * fit.factor(step).sqrt())))
        };
        series.iter().map(one).collect()
    }

    /// The interval of this width around expected values.
    pub fn around(&self, path: &[f64], width: &Width, level: f64) -> Interval {
        let lowest = if self.settings.non_negative { 0.0 } else { f64::MIN };
        let ends = || path.iter().zip(&width.half);
        Interval {
            level,
            lower: ends().map(|(value, half)| (value - half).clamp(lowest, f64::MAX)).collect(),
            upper: ends().map(|(value, half)| (value + half).clamp(lowest, f64::MAX)).collect(),
            source: width.source,
        }
    }

    /// Level, trend and season of the forecast.
    ///
    /// # Errors
    /// [`ForecastError::UnknownSeries`].
    pub fn components(&self, series: usize, horizon: usize) -> Result<Components, ForecastError> {
        let fit = self.find(series)?;
        let point = fit.point(horizon, self.settings.non_negative);
        let mut plain: Vec<f64> = point.iter().map(|value| value / fit.unit).collect();
        fit.correction.iter().for_each(|correction| correction.clean(0, &mut plain));
        let mut adjusted = plain.clone();
        fit.model.seasons.strip(&mut adjusted);
        plain.iter_mut().for_each(|value| *value *= fit.unit);
        adjusted.iter_mut().for_each(|value| *value *= fit.unit);
        let level = adjusted.first().copied().unwrap_or_default();
        Ok(Components {
            level: vec![level; horizon],
            trend: adjusted.iter().map(|value| value - level).collect(),
            seasonal: difference(&plain, &adjusted),
            regressors: difference(&point, &plain),
        })
    }

    /// Each member with its weight (sum 1) and its past error.
    ///
    /// # Errors
    /// [`ForecastError::UnknownSeries`].
    pub fn members(&self, series: usize) -> Result<Vec<MemberReport>, ForecastError> {
        let fit = self.find(series)?;
        let parts = fit.members.iter().zip(&fit.weights).zip(&fit.mase);
        let report = |((member, weight), mase): ((&Member, &f64), &Option<f64>)| MemberReport {
            member: *member,
            weight: *weight,
            mase: *mase,
        };
        Ok(parts.map(report).collect())
    }

    /// Mean absolute scaled error of the combination in the backtest; none for a series that is too
    /// short or never moves.
    ///
    /// # Errors
    /// [`ForecastError::UnknownSeries`].
    pub fn mase(&self, series: usize) -> Result<Option<f64>, ForecastError> {
        Ok(self.find(series)?.mase.last().copied().flatten())
    }

    /// Members, weights and past errors.
    ///
    /// # Errors
    /// [`ForecastError::UnknownSeries`].
    pub fn backtest(&self, series: usize) -> Result<BacktestReport, ForecastError> {
        let fit = self.find(series)?;
        let origins = fit.errors.chunks_exact(self.settings.horizon);
        let real = |errors: &[f32]| errors.iter().map(|e| f64::from(*e) * fit.unit).collect();
        Ok(BacktestReport {
            members: self.members(series)?,
            mase: self.mase(series)?,
            held_out: fit.held_out.clone(),
            errors: origins.map(real).collect(),
        })
    }

    /// What the regressors do to a series, by column, whether they have a part in the forecast or
    /// not; empty without regressors.
    ///
    /// # Errors
    /// [`ForecastError::UnknownSeries`].
    pub fn effects(&self, series: usize) -> Result<&[Effect], ForecastError> {
        Ok(&self.find(series)?.effects)
    }

    /// Takes other rows of the regressors for the periods to come. A series without rows keeps
    /// those it has; one in which the regressors have no part is not changed by them.
    ///
    /// # Errors
    /// [`ForecastError::Shape`] when there are other columns or other series than in the fit.
    pub fn plan(&mut self, coming: &Regressors) -> Result<(), ForecastError> {
        coming.check_series(self.series.len())?;
        for (index, fit) in self.series.iter_mut().enumerate() {
            let rows = coming.rows(index, 0);
            if let Some(correction) = fit.correction.as_mut().filter(|_| !rows.is_empty()) {
                correction.plan(rows, coming.columns().len())?;
            }
        }
        Ok(())
    }

    /// What was done differently for a series.
    ///
    /// # Errors
    /// [`ForecastError::UnknownSeries`].
    pub fn fallbacks(&self, series: usize) -> Result<&[Fallback], ForecastError> {
        Ok(&self.find(series)?.fallbacks)
    }

    /// Takes new values of a series in, which follow the ones known: states roll forward, while
    /// parameters, weights and the width of intervals stay. To be called for all series alike, so
    /// that sums stay aligned.
    ///
    /// # Errors
    /// [`ForecastError::UnknownSeries`], [`ForecastError::NotFinite`]; nothing has changed then.
    pub fn update(&mut self, series: usize, values: &[f64]) -> Result<(), ForecastError> {
        check_finite(series, values)?;
        let known = self.series.len();
        let fit = self
            .series
            .get_mut(series)
            .ok_or(ForecastError::UnknownSeries { known, found: series })?;
        let scaled = values.iter().map(|value| (value / fit.unit).clamp(-LARGEST, LARGEST));
        let mut values: Vec<f64> = scaled.collect();
        if let Some(correction) = &fit.correction {
            correction.clean_past(&mut values, |periods| Some(fit.plain(periods)));
        }
        fit.correction.iter_mut().for_each(|correction| correction.advance(values.len()));
        fit.model.update(&values);
        Ok(())
    }

    pub(super) fn find(&self, series: usize) -> Result<&SeriesFit, ForecastError> {
        let unknown = ForecastError::UnknownSeries { known: self.series.len(), found: series };
        self.series.get(series).ok_or(unknown)
    }
}

fn difference(values: &[f64], others: &[f64]) -> Vec<f64> {
    values.iter().zip(others).map(|(value, other)| value - other).collect()
}

impl SeriesFit {
    /// The weighted combination, in the unit of the panel.
    pub(super) fn point(&self, horizon: usize, non_negative: bool) -> Vec<f64> {
        if horizon == 0 {
            return Vec::new();
        }
        let lowest = if non_negative { 0.0 } else { f64::MIN };
        let mut point = self.plain(horizon);
        self.correction.iter().for_each(|correction| correction.restore(0, &mut point));
        for value in &mut point {
            *value = (*value * self.unit).clamp(lowest, f64::MAX);
        }
        point
    }

    /// The weighted combination without the effects of regressors, in the unit of the fit.
    fn plain(&self, horizon: usize) -> Vec<f64> {
        let mut paths = vec![0.0; self.members.len() * horizon];
        self.model.paths(horizon, &mut paths);
        combine(&paths, horizon, &self.weights)
    }

    /// What season and regressors multiply the value of a coming period by.
    fn factor(&self, step: usize) -> f64 {
        let effects = self.correction.as_ref().map_or(1.0, |correction| correction.factor(step));
        self.model.seasons.factor(step as i64) * effects
    }
}
