//! The kernel of [`crate::model::forecasting`] behind a model: groups of series of one season,
//! weekdays on which a shop never opens.

use serde::{Deserialize, Serialize};

use super::closed_days::ClosedDays;
use super::{
    Backtest, ForecastAlgorithm, Interval, IntervalSource, MemberWeight, Method, SeriesForecast,
};
use crate::dataset::{Panel, Series, SeriesKey};
use crate::model::forecasting::{
    self, Control, ForecastError, Member, PanelFit, Settings, fit_panel,
};
use crate::model::{FitError, FitRun};

/// Fitted series in the order of their keys.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Ensemble {
    parts: Vec<PanelFit>,
    series: Vec<Place>,
}

/// Where the fit of a series is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Place {
    key: SeriesKey,
    part: usize,
    index: usize,
    closed: ClosedDays,
    /// Periods since its first value, closed ones too.
    periods: usize,
}

/// What a recipe says about all series.
#[derive(Clone, Copy, Debug)]
pub(super) struct EnsembleRecipe {
    pub(super) method: forecasting::Method,
    pub(super) horizon: usize,
    pub(super) season_length: usize,
    /// Whether the periods are days of a week, so that weekdays may be closed.
    pub(super) weekdays: bool,
    pub(super) non_negative: bool,
}

struct Watched<'a, 'b>(&'a FitRun<'b>);

impl Control for Watched<'_, '_> {
    fn is_cancelled(&self) -> bool {
        self.0.cancel.is_cancelled()
    }

    fn progress(&self, done: usize, of: usize) {
        self.0.progress.report("fit", done as f64 / of.max(1) as f64);
    }
}

impl Ensemble {
    /// Fits all series; those with equally many open positions in a season are fitted together.
    pub(super) fn fit(
        panel: &Panel,
        recipe: &EnsembleRecipe,
        run: &FitRun<'_>,
    ) -> Result<Self, FitError> {
        let mut lengths: Vec<usize> = Vec::new();
        let mut values: Vec<Vec<Vec<f64>>> = Vec::new();
        let mut places = Vec::with_capacity(panel.series().len());
        for series in panel.series() {
            let sold = since_first_sale(series);
            let closed = if recipe.weekdays {
                ClosedDays::find(sold, recipe.season_length)
            } else {
                ClosedDays::none(recipe.season_length)
            };
            let length = closed.open_length();
            let known = lengths.iter().position(|other| *other == length);
            let part = known.unwrap_or(lengths.len());
            if known.is_none() {
                lengths.push(length);
                values.push(Vec::new());
            }
            let own = values.get_mut(part).map(|own| {
                own.push(closed.open_values(sold));
                own.len() - 1
            });
            let index = own.unwrap_or_default();
            let (key, periods) = (series.key.clone(), sold.len());
            places.push(Place { key, part, index, closed, periods });
        }
        let fit = |(length, values): (&usize, &Vec<Vec<f64>>)| {
            let settings = Settings {
                horizon: recipe.horizon,
                season_lengths: vec![*length],
                non_negative: recipe.non_negative,
                method: recipe.method,
            };
            let values: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
            run.install(|| fit_panel(&values, &settings, &Watched(run)).map_err(failure))
        };
        let parts = lengths.iter().zip(&values).map(fit).collect::<Result<_, _>>()?;
        Ok(Self { parts, series: places })
    }

    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = &SeriesKey> {
        self.series.iter().map(|place| &place.key)
    }

    pub(super) fn find(&self, key: &SeriesKey) -> Option<usize> {
        self.series.binary_search_by(|place| place.key.cmp(key)).ok()
    }

    /// Who answers for a series, and what was done differently.
    pub(super) fn method(&self, index: usize, algorithm: ForecastAlgorithm) -> Option<Method> {
        let place = self.series.get(index)?;
        let fallbacks = self.parts.get(place.part)?.fallbacks(place.index).ok()?;
        let reasons: Vec<String> = fallbacks.iter().map(ToString::to_string).collect();
        let fallback = (!reasons.is_empty()).then(|| reasons.join("; "));
        Some(Method { algorithm, fallback })
    }

    pub(super) fn backtest(&self, index: usize) -> Option<Backtest> {
        let place = self.series.get(index)?;
        let report = self.parts.get(place.part)?.backtest(place.index).ok()?;
        let naive = report.members.iter().find(|one| one.member == Member::SeasonalNaive);
        Some(Backtest {
            origins: report.held_out.len(),
            errors: report.errors.iter().map(Vec::len).sum(),
            mase: report.mase,
            naive_mase: naive.and_then(|naive| naive.mase),
        })
    }

    /// The next `horizon` periods of some series with intervals of these levels.
    pub(super) fn forecast(
        &self,
        wanted: &[usize],
        horizon: usize,
        levels: &[f64],
        from: (ForecastAlgorithm, i32),
    ) -> Vec<SeriesForecast> {
        let mut answers = vec![None; wanted.len()];
        for (number, part) in self.parts.iter().enumerate() {
            let own = wanted.iter().enumerate().filter_map(|(position, index)| {
                let place = self.series.get(*index).filter(|place| place.part == number)?;
                Some((position, *index, place))
            });
            let own: Vec<(usize, usize, &Place)> = own.collect();
            let indices: Vec<usize> = own.iter().map(|(_, _, place)| place.index).collect();
            // Quantiles are those of all series: taken once per level.
            let intervals = levels.iter().map(|level| part.intervals(&indices, *level));
            let Ok(intervals) = intervals.collect::<Result<Vec<_>, _>>() else {
                continue;
            };
            for (nth, (position, index, place)) in own.into_iter().enumerate() {
                let of_levels = intervals.iter().filter_map(|of_level| of_level.get(nth));
                let answer = self.answer((index, place), part, of_levels, horizon, from);
                if let Some(slot) = answers.get_mut(position) {
                    *slot = answer;
                }
            }
        }
        answers.into_iter().flatten().collect()
    }

    fn answer<'a>(
        &self,
        (index, place): (usize, &Place),
        part: &PanelFit,
        intervals: impl Iterator<Item = &'a forecasting::Interval>,
        horizon: usize,
        (algorithm, first_period): (ForecastAlgorithm, i32),
    ) -> Option<SeriesForecast> {
        let spread = |open: &[f64]| place.closed.spread(open, place.periods, horizon);
        let calibration = part.calibration();
        let interval = |interval: &forecasting::Interval| Interval {
            level: interval.level,
            backtest_coverage: match interval.level {
                0.8 => calibration.at_80,
                0.95 => calibration.at_95,
                _ => None,
            },
            lower: spread(&interval.lower),
            upper: spread(&interval.upper),
            source: match interval.source {
                forecasting::IntervalSource::Conformal => IntervalSource::PooledConformal,
                forecasting::IntervalSource::Extrapolated
                | forecasting::IntervalSource::Formula => IntervalSource::Formula,
            },
        };
        let report = part.backtest(place.index).ok()?;
        let weights = report.members.iter().filter(|member| member.weight > 0.0);
        let weights = weights.map(|member| MemberWeight {
            member: member.member.name().to_owned(),
            weight: member.weight,
        });
        Some(SeriesForecast {
            key: place.key.clone(),
            first_period,
            mean: spread(&part.point(place.index, horizon).ok()?),
            intervals: intervals.map(interval).collect(),
            method: self.method(index, algorithm)?,
            weights: weights.collect(),
            backtest_mase: report.mase,
        })
    }
}

/// Leading zeros mean "not yet sold"; weekdays are counted from the first sale. A series of zeros
/// alone stays as it is.
fn since_first_sale(series: &Series) -> &[f64] {
    let first = series.values.iter().position(|value| *value != 0.0);
    series.values.get(first.unwrap_or(0)..).unwrap_or(&series.values)
}

fn failure(error: ForecastError) -> FitError {
    match error {
        ForecastError::Cancelled => FitError::Cancelled,
        ForecastError::Setting { name, expected, found } => {
            FitError::Setting { name, expected, found }
        }
        other => FitError::Algorithm { algorithm: "forecast", message: other.to_string() },
    }
}
