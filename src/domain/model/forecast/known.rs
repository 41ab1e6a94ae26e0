//! Columns that are known in advance, as the kernel takes them: rows of the periods in which a
//! series is open, and the plans that a caller brings for the periods to come.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::closed_days::ClosedDays;
use super::fitted::{Fitted, Place};
use crate::dataset::{KnownValues, Panel, Regressor, SeriesKey};
use crate::model::forecasting::{ForecastError, Regressors};

/// What a caller plans for one period of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedPeriod {
    /// The series.
    pub key: SeriesKey,
    /// Number of the period, as the model's frequency counts.
    pub period: i32,
    /// Columns by name, with their planned values.
    pub values: Vec<(String, f64)>,
}

/// Why a plan does not hold. `index` is the position of the planned period at fault.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidPlan {
    /// The model was trained without columns.
    #[error(
        "the model has no regressors; name them in its recipe (regressors = [\"promotion\", \"price\"]) and train again"
    )]
    NoRegressors,
    /// The series is not in the model.
    #[error("series {key}: not in the model")]
    UnknownSeries {
        /// Position in the plan.
        index: usize,
        /// The series.
        key: SeriesKey,
    },
    /// The period is not one that is forecast.
    #[error("expected a day of the {horizon} periods that are forecast")]
    Period {
        /// Position in the plan.
        index: usize,
        /// Periods that are forecast.
        horizon: usize,
    },
    /// The model has no such column, or the series does not have it.
    #[error("regressor {name:?}: expected one of {expected} for {key}")]
    Column {
        /// Position in the plan.
        index: usize,
        /// The series.
        key: SeriesKey,
        /// What was named.
        name: String,
        /// The columns that the series has.
        expected: String,
    },
    /// The value is none of its column.
    #[error("regressor {name}: expected {expected}, found {found}")]
    Value {
        /// Position in the plan.
        index: usize,
        /// The column.
        name: String,
        /// What it may be.
        expected: &'static str,
        /// What came.
        found: f64,
    },
    /// A value is given twice.
    #[error("regressor {name} of {key} is planned twice for this period")]
    Repeated {
        /// Position in the plan.
        index: usize,
        /// The series.
        key: SeriesKey,
        /// The column.
        name: String,
    },
    /// The kernel cannot take it in.
    #[error(transparent)]
    Kernel(#[from] ForecastError),
}

impl InvalidPlan {
    /// Position of the planned period at fault, if it is one of them.
    pub fn index(&self) -> Option<usize> {
        match self {
            Self::NoRegressors | Self::Kernel(_) => None,
            Self::UnknownSeries { index, .. }
            | Self::Period { index, .. }
            | Self::Column { index, .. }
            | Self::Value { index, .. }
            | Self::Repeated { index, .. } => Some(*index),
        }
    }
}

/// Columns of one series over some periods of the calendar.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Columns {
    /// One value per period; a column without values is one that the series does not have.
    values: KnownValues,
}

impl Columns {
    /// The `periods` periods from `start` on of what is known from a series' first period on.
    pub(super) fn new(
        regressors: &[Regressor],
        known: &[Vec<f64>],
        start: usize,
        periods: usize,
    ) -> Self {
        let column = |(regressor, values): (&Regressor, &Vec<f64>)| -> Vec<f64> {
            if values.is_empty() {
                return Vec::new();
            }
            regressor.over(values, start..start + periods).collect()
        };
        Self { values: regressors.iter().zip(known).map(column).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Rows of the open ones among `periods` periods; the first is at `start` of its series.
    pub(super) fn rows(&self, periods: usize, closed: &ClosedDays, start: usize) -> Vec<f64> {
        let open = (0..periods).filter(|step| !closed.contains(start + step));
        let value = |column: &Vec<f64>, step: usize| column.get(step).copied().unwrap_or(f64::NAN);
        open.flat_map(|step| self.values.iter().map(move |column| value(column, step))).collect()
    }

    /// The names of the columns that the series has.
    fn names(&self, regressors: &[Regressor]) -> String {
        let has = regressors.iter().zip(&self.values).filter(|(_, values)| !values.is_empty());
        has.map(|(regressor, _)| regressor.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Takes in what is planned for a period. `index` is its position in the plan, `seen` holds
    /// what was planned before.
    fn plan(
        &mut self,
        regressors: &[Regressor],
        (index, planned): (usize, &PlannedPeriod),
        step: usize,
        seen: &mut HashSet<(usize, String)>,
    ) -> Result<(), InvalidPlan> {
        let key = &planned.key;
        for (name, value) in &planned.values {
            let expected = self.names(regressors);
            let place = regressors.iter().position(|regressor| regressor.name == *name);
            let kind = place.and_then(|place| regressors.get(place)).map(|one| one.kind);
            let slot = place.and_then(|place| self.values.get_mut(place)?.get_mut(step));
            let (Some(kind), Some(slot)) = (kind, slot) else {
                let (key, name) = (key.clone(), name.clone());
                return Err(InvalidPlan::Column { index, key, name, expected });
            };
            if !kind.allows(*value) {
                let (name, expected, found) = (name.clone(), kind.expected(), *value);
                return Err(InvalidPlan::Value { index, name, expected, found });
            }
            if !seen.insert((step, name.clone())) {
                let (key, name) = (key.clone(), name.clone());
                return Err(InvalidPlan::Repeated { index, key, name });
            }
            *slot = *value;
        }
        Ok(())
    }
}

impl Fitted {
    /// The same fit under a plan for the periods from `first` on; what the plan does not name stays
    /// as it was.
    pub(super) fn planned(
        &self,
        plan: &[PlannedPeriod],
        first: i32,
        horizon: usize,
    ) -> Result<Self, InvalidPlan> {
        if self.regressors.is_empty() {
            return Err(InvalidPlan::NoRegressors);
        }
        let mut fitted = self.clone();
        let mut seen: BTreeMap<usize, HashSet<(usize, String)>> = BTreeMap::new();
        for (index, planned) in plan.iter().enumerate() {
            let unknown = || InvalidPlan::UnknownSeries { index, key: planned.key.clone() };
            let series = self.find(&planned.key).ok_or_else(unknown)?;
            let step =
                planned.period.checked_sub(first).and_then(|step| usize::try_from(step).ok());
            let step = step.filter(|step| *step < horizon);
            let step = step.ok_or(InvalidPlan::Period { index, horizon })?;
            let place = fitted.series.get_mut(series).ok_or_else(unknown)?;
            let seen = seen.entry(series).or_default();
            place.coming.plan(&self.regressors, (index, planned), step, seen)?;
        }
        fitted.take_rows(horizon, |series, place| {
            seen.contains_key(&series).then(|| place.coming.clone())
        })?;
        fitted.settle();
        Ok(fitted)
    }

    /// Takes in the columns, which are those of the fit, of a panel that goes on for `closed` periods
    /// after the ones that the fit has seen, and of the horizon after them.
    pub(super) fn take_known(&mut self, panel: &Panel, closed: usize) -> Result<(), ForecastError> {
        let horizon = self.parts.first().map_or(0, |part| part.settings().horizon);
        if self.regressors.is_empty() {
            return Ok(());
        }
        let from = |place: &Place, back: usize, periods: usize| {
            let index = panel.position(&place.key)?;
            let end = panel.series().get(index)?.values.len();
            let start = end.checked_sub(back)?;
            Some(Columns::new(&self.regressors, panel.known(index), start, periods))
        };
        let all = closed + horizon;
        let rows: Vec<Option<Columns>> =
            self.series.iter().map(|place| from(place, closed, all)).collect();
        let coming: Vec<Option<Columns>> =
            self.series.iter().map(|place| from(place, 0, horizon)).collect();
        self.take_rows(all, |series, _| rows.get(series).cloned().flatten())?;
        for (place, coming) in self.series.iter_mut().zip(coming) {
            place.coming = coming.unwrap_or_default();
        }
        Ok(())
    }

    /// Lets the kernel know the columns of the `periods` coming periods of the series that
    /// `columns` has some for.
    fn take_rows(
        &mut self,
        periods: usize,
        columns: impl Fn(usize, &Place) -> Option<Columns>,
    ) -> Result<(), ForecastError> {
        for (number, part) in self.parts.iter_mut().enumerate() {
            let mut rows = vec![Vec::new(); part.series_count()];
            let own = self.series.iter().enumerate().filter(|(_, place)| place.part == number);
            for (series, place) in own {
                if let (Some(columns), Some(rows)) =
                    (columns(series, place), rows.get_mut(place.index))
                {
                    *rows = columns.rows(periods, &place.closed, place.periods);
                }
            }
            part.plan(&Regressors::new(self.regressors.clone(), rows)?)?;
        }
        Ok(())
    }
}
