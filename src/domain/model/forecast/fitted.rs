//! The kernel of [`crate::model::forecasting`] behind a model: groups of series of one season,
//! weekdays on which a shop never opens, sums that hold.

use serde::{Deserialize, Serialize};

use super::closed_days::ClosedDays;
use super::coherence::{self, Coherence};
use super::known::Columns;
use super::{
    Backtest, Components, ForecastAlgorithm, Interval, IntervalSource, MemberWeight, Method,
    SeriesForecast, SumForecast,
};
use crate::dataset::{Panel, Regressor, SeriesKey};
use crate::model::forecasting::{self, Member, NodeErrors, PanelFit};
use crate::model::{FitError, forecast_failure};

/// The level whose half widths tell how large errors of a series are.
const TYPICAL_LEVEL: f64 = 0.8;

/// Fitted series in the order of their keys.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Fitted {
    pub(super) parts: Vec<PanelFit>,
    pub(super) series: Vec<Place>,
    #[serde(default)]
    pub(super) coherence: Coherence,
    /// The groupings that cover the total.
    #[serde(default)]
    pub(super) groups: Vec<String>,
    /// Expected values that add up, in the order of the series; empty where nothing has to.
    #[serde(default)]
    pub(super) coherent: Vec<Vec<f64>>,
    /// Columns that were known in advance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) regressors: Vec<Regressor>,
}

/// Where the fit of a series is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Place {
    pub(super) key: SeriesKey,
    pub(super) part: usize,
    pub(super) index: usize,
    pub(super) closed: ClosedDays,
    /// Periods since its first value, closed ones too.
    pub(super) periods: usize,
    /// The columns over the periods that are forecast.
    #[serde(default, skip_serializing_if = "Columns::is_empty")]
    pub(super) coming: Columns,
}

/// What is asked about series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) horizon: usize,
    pub(super) levels: &'a [f64],
    pub(super) components: bool,
    pub(super) effects: bool,
    pub(super) algorithm: ForecastAlgorithm,
    pub(super) first_period: i32,
}

/// Half the width of intervals by period, and how they came about.
#[derive(Clone, Debug)]
struct Width {
    half: Vec<f64>,
    source: IntervalSource,
    backtest_coverage: Option<f64>,
}

impl Fitted {
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = &SeriesKey> + Clone {
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

    /// Whether every series of the groups that add up to the total is known, so that they still do.
    pub(super) fn covers(&self, panel: &Panel) -> bool {
        let mut series = panel.series().iter();
        self.coherent.is_empty()
            || series.all(|one| {
                !self.groups.contains(&one.key.group)
                    || self.find(&one.key).is_some()
                    || one.values.iter().all(|value| *value == 0.0)
            })
    }

    /// Takes in the values of all periods of the panel from `first` on. A series that the panel
    /// does not have sold nothing.
    pub(super) fn update(&mut self, panel: &Panel, first: i32) -> Result<(), FitError> {
        let coming = usize::try_from(panel.end_period() - first).unwrap_or_default();
        self.take_known(panel, coming).map_err(forecast_failure)?;
        for place in &mut self.series {
            let mut values = vec![0.0; coming];
            if let Some(series) = panel.find(&place.key) {
                let known = values.iter_mut().rev().zip(series.values.iter().rev());
                known.for_each(|(value, known)| *value = *known);
            }
            let open = values.iter().enumerate();
            let open = open.filter(|(nth, _)| !place.closed.contains(place.periods + nth));
            let open: Vec<f64> = open.map(|(_, value)| *value).collect();
            if let Some(part) = self.parts.get_mut(place.part) {
                part.update(place.index, &open).map_err(forecast_failure)?;
            }
            place.periods += coming;
        }
        self.settle();
        Ok(())
    }

    /// Makes the expected values add up.
    pub(super) fn settle(&mut self) {
        self.coherent.clear();
        let constraints = coherence::constraints(self.keys(), &self.groups);
        if self.coherence == Coherence::None || constraints.is_empty() {
            return;
        }
        let horizon = self.parts.first().map_or(0, |part| part.settings().horizon);
        let base = (0..self.series.len()).map(|index| self.base(index, horizon)).collect();
        let errors = || self.errors();
        let non_negative = self.parts.iter().any(|part| part.settings().non_negative);
        let mut coherent =
            self.coherence.reconcile(base, constraints.clone(), errors, non_negative);
        if self.coherence == Coherence::MinTrace {
            // A day on which nothing is ever sold stays one; what was put there goes to the others.
            for (place, row) in self.series.iter().zip(&mut coherent) {
                let steps = row.iter_mut().enumerate();
                let closed = steps.filter(|(step, _)| place.closed.contains(place.periods + step));
                closed.for_each(|(_, value)| *value = 0.0);
            }
            coherent = Coherence::BottomUp.reconcile(coherent, constraints, Vec::new, non_negative);
        }
        self.coherent = coherent;
    }

    /// Past errors from the origins that all series share. Series that are closed on other days
    /// share none.
    fn errors(&self) -> Vec<NodeErrors> {
        let alike = self.series.windows(2).all(|pair| match pair {
            [one, next] => one.opens_with(next),
            _ => true,
        });
        let reports = self.series.iter().map(|place| {
            let part = self.parts.get(place.part).filter(|_| alike)?;
            part.backtest(place.index).ok().filter(|report| !report.held_out.is_empty())
        });
        let reports: Vec<_> = reports.collect();
        let shared = reports.iter().flatten().min_by_key(|report| report.held_out.len());
        let shared = shared.map(|report| report.held_out.clone()).unwrap_or_default();
        let all: Vec<usize> = (0..self.series.len()).collect();
        let widths = self.widths(&all, TYPICAL_LEVEL);
        // That of the first open period: a closed one has no width.
        let open = |width: &Width| width.half.iter().copied().find(|half| *half > 0.0);
        let spreads = widths.iter().map(|width| open(width).unwrap_or_default());
        let pairs = reports.iter().zip(spreads);
        let node = |(report, spread): (&Option<forecasting::BacktestReport>, f64)| {
            let of_origin = |held_out: &usize| {
                let report = report.as_ref()?;
                let origin = report.held_out.iter().position(|own| own == held_out)?;
                report.errors.get(origin).cloned()
            };
            let errors: Option<Vec<Vec<f64>>> = shared.iter().map(of_origin).collect();
            NodeErrors { errors: errors.unwrap_or_default().concat(), spread }
        };
        pairs.map(node).collect()
    }

    /// What the kernel expects of a series.
    fn base(&self, index: usize, horizon: usize) -> Vec<f64> {
        let Some(place) = self.series.get(index) else {
            return Vec::new();
        };
        let point = self.parts.get(place.part).and_then(|p| p.point(place.index, horizon).ok());
        place.spread(&point.unwrap_or_default(), horizon)
    }

    /// What is expected of a series, made to add up with the others.
    fn mean(&self, index: usize, horizon: usize) -> Vec<f64> {
        match self.coherent.get(index) {
            Some(coherent) => coherent.iter().copied().take(horizon).collect(),
            None => self.base(index, horizon),
        }
    }

    /// Half widths of the intervals of some series.
    fn widths(&self, wanted: &[usize], level: f64) -> Vec<Width> {
        let mut widths = vec![None; wanted.len()];
        for (number, part) in self.parts.iter().enumerate() {
            let own = wanted.iter().enumerate().filter_map(|(position, index)| {
                let place = self.series.get(*index).filter(|place| place.part == number)?;
                Some((position, place))
            });
            let own: Vec<(usize, &Place)> = own.collect();
            let indices: Vec<usize> = own.iter().map(|(_, place)| place.index).collect();
            // Quantiles are those of all series: taken once per level.
            let found = part.widths(&indices, level).unwrap_or_default();
            for ((position, place), width) in own.into_iter().zip(&found) {
                if let Some(slot) = widths.get_mut(position) {
                    *slot = Some(place.width(width, observed(part, level)));
                }
            }
        }
        widths.into_iter().flatten().collect()
    }

    /// Half width of the interval of a sum. Errors of series that are open on the same days cancel
    /// as they did in the past; widths of others are added, which is never too narrow.
    fn sum_width(&self, group: &[usize], level: f64) -> Width {
        let horizon = self.parts.first().map_or(0, |part| part.settings().horizon);
        let nothing = Width {
            half: vec![0.0; horizon],
            source: IntervalSource::OwnConformal,
            backtest_coverage: None,
        };
        let mut alike: Vec<Vec<&Place>> = Vec::new();
        for place in group.iter().filter_map(|index| self.series.get(*index)) {
            let with =
                |others: &&mut Vec<&Place>| others.first().is_some_and(|one| one.opens_with(place));
            match alike.iter_mut().find(with) {
                Some(others) => others.push(place),
                None => alike.push(vec![place]),
            }
        }
        let widths = alike.iter().filter_map(|places| {
            let first = places.first()?;
            let part = self.parts.get(first.part)?;
            let indices: Vec<usize> = places.iter().map(|place| place.index).collect();
            let width = part.sum_widths(std::slice::from_ref(&indices), level).ok()?.pop()?;
            Some(first.width(&width, None))
        });
        widths.fold(nothing, |sum, width| Width {
            half: sum.half.iter().zip(&width.half).map(|(a, b)| a + b).collect(),
            source: sum.source.max(width.source),
            backtest_coverage: None,
        })
    }

    /// The next periods of some series.
    pub(super) fn forecast(&self, wanted: &[usize], ask: &Ask<'_>) -> Vec<SeriesForecast> {
        let of_levels = ask.levels.iter().map(|level| (*level, self.widths(wanted, *level)));
        let of_levels: Vec<(f64, Vec<Width>)> = of_levels.collect();
        let answers = wanted.iter().enumerate().map(|(nth, index)| {
            let place = self.series.get(*index)?;
            let part = self.parts.get(place.part)?;
            let members = part.members(place.index).ok()?;
            let mean = self.mean(*index, ask.horizon);
            let summed = self.parts_of(*index);
            let intervals = of_levels.iter().filter_map(|(level, widths)| {
                let own = widths.get(nth)?;
                Some(match &summed {
                    Some(parts) => self.around(&mean, &self.sum_width(parts, *level), *level),
                    None => self.around(&mean, own, *level),
                })
            });
            let intervals = intervals.collect();
            let weights = members.iter().filter(|member| member.weight > 0.0);
            let weights = weights.map(|member| MemberWeight {
                member: member.member.name().to_owned(),
                weight: member.weight,
            });
            Some(SeriesForecast {
                key: place.key.clone(),
                first_period: ask.first_period,
                components: if ask.components { self.components(*index, &mean) } else { None },
                mean,
                intervals,
                method: self.method(*index, ask.algorithm)?,
                weights: weights.collect(),
                backtest_mase: part.mase(place.index).ok()?,
                effects: if ask.effects {
                    part.effects(place.index).ok()?.to_vec()
                } else {
                    Vec::new()
                },
            })
        });
        answers.flatten().collect()
    }

    /// The series whose sum a bottom-up total is.
    fn parts_of(&self, index: usize) -> Option<Vec<usize>> {
        let is_total = self.series.get(index).is_some_and(|place| place.key == SeriesKey::total());
        if !is_total || self.coherence != Coherence::BottomUp || self.coherent.is_empty() {
            return None;
        }
        let constraints = coherence::constraints(self.keys(), &self.groups);
        let own = constraints.into_iter().find(|constraint| constraint.total == index)?;
        Some(own.parts)
    }

    /// The sum of some series.
    pub(super) fn sum(&self, group: &[usize], horizon: usize, levels: &[f64]) -> SumForecast {
        let mut mean = vec![0.0; horizon];
        for index in group {
            for (sum, value) in mean.iter_mut().zip(self.mean(*index, horizon)) {
                *sum += value;
            }
        }
        let interval = |level: &f64| self.around(&mean, &self.sum_width(group, *level), *level);
        SumForecast { intervals: levels.iter().map(interval).collect(), mean }
    }

    fn around(&self, mean: &[f64], width: &Width, level: f64) -> Interval {
        let non_negative = self.parts.iter().any(|part| part.settings().non_negative);
        let lowest = if non_negative { 0.0 } else { f64::MIN };
        let ends = || mean.iter().zip(&width.half);
        Interval {
            level,
            lower: ends().map(|(mean, half)| (mean - half).clamp(lowest, f64::MAX)).collect(),
            upper: ends().map(|(mean, half)| (mean + half).clamp(lowest, f64::MAX)).collect(),
            source: width.source,
            backtest_coverage: width.backtest_coverage,
        }
    }

    fn components(&self, index: usize, mean: &[f64]) -> Option<Components> {
        let place = self.series.get(index)?;
        let horizon = mean.len();
        let found = self.parts.get(place.part)?.components(place.index, horizon).ok()?;
        let spread = |open: &[f64]| place.spread(open, horizon);
        let (level, trend) = (spread(&found.level), spread(&found.trend));
        let (seasonal, regressors) = (spread(&found.seasonal), spread(&found.regressors));
        let parts = level.iter().zip(&trend).zip(seasonal.iter().zip(&regressors)).zip(mean);
        let adjustment = parts.map(|(((level, trend), (seasonal, regressors)), mean)| {
            let moved = mean - (level + trend + seasonal + regressors);
            if self.coherent.is_empty() { 0.0 } else { moved }
        });
        Some(Components { adjustment: adjustment.collect(), level, trend, seasonal, regressors })
    }
}

impl Place {
    /// Whether both are open in the same periods, so that their errors can be compared.
    fn opens_with(&self, other: &Self) -> bool {
        let season = self.closed.season_length();
        let mut ahead = 0..season;
        self.part == other.part
            && ahead.all(|step| {
                self.closed.contains(self.periods + step)
                    == other.closed.contains(other.periods + step)
            })
    }

    /// Puts what stands for open positions into calendar periods.
    fn spread(&self, open: &[f64], horizon: usize) -> Vec<f64> {
        self.closed.spread(open, self.periods, horizon)
    }

    fn width(&self, width: &forecasting::Width, backtest_coverage: Option<f64>) -> Width {
        Width {
            half: self.spread(&width.half, width.half.len()),
            source: match width.source {
                forecasting::IntervalSource::Conformal => IntervalSource::PooledConformal,
                forecasting::IntervalSource::Extrapolated
                | forecasting::IntervalSource::Formula => IntervalSource::Formula,
            },
            backtest_coverage,
        }
    }
}

/// How often intervals of this level held in the backtest of single series, where it was counted.
fn observed(part: &PanelFit, level: f64) -> Option<f64> {
    match level {
        0.8 => part.calibration().at_80,
        0.95 => part.calibration().at_95,
        _ => None,
    }
}
