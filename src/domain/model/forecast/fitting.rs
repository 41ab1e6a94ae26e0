//! Fitting the series of a panel: which are fitted together, and on what.

use super::closed_days::ClosedDays;
use super::coherence::Coherence;
use super::fitted::{Fitted, Place};
use super::known::Columns;
use super::ridge_lags::RidgeLags;
use super::{BoostingChoice, ForecastAlgorithm};
use crate::dataset::{Panel, Regressor, Series};
use crate::model::forecasting::{
    ExternalMember, Inputs, PanelFit, PooledBoosting, Regressors, Settings, fit_panel_from,
};
use crate::model::{FitError, FitRun, Watched, forecast_failure};

/// What a recipe says about all series.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) algorithm: ForecastAlgorithm,
    pub(super) horizon: usize,
    pub(super) season_length: usize,
    /// Whether the periods are days of a week, so that weekdays may be closed.
    pub(super) weekdays: bool,
    pub(super) non_negative: bool,
    pub(super) coherence: Coherence,
    pub(super) groups: Vec<String>,
    /// Whether the columns of the panel take part.
    pub(super) regressors: bool,
    pub(super) boosting: BoostingChoice,
}

/// Series with equally many open positions in a season.
struct Part {
    length: usize,
    values: Vec<Vec<f64>>,
    /// Rows of the columns, from each first value over the horizon.
    rows: Vec<Vec<f64>>,
}

impl Fitted {
    /// Fits all series; those with equally many open positions in a season are fitted together.
    pub(super) fn fit(panel: &Panel, plan: &Plan, run: &FitRun<'_>) -> Result<Self, FitError> {
        let regressors = if plan.regressors { panel.regressors() } else { &[] };
        let mut parts: Vec<Part> = Vec::new();
        let mut places = Vec::with_capacity(panel.series().len());
        for (nth, series) in panel.series().iter().enumerate() {
            let sold = since_first_sale(series);
            let closed = if plan.weekdays {
                ClosedDays::find(sold, plan.season_length)
            } else {
                ClosedDays::none(plan.season_length)
            };
            let length = closed.open_length();
            let known = parts.iter().position(|other| other.length == length);
            let part = known.unwrap_or(parts.len());
            if known.is_none() {
                parts.push(Part { length, values: Vec::new(), rows: Vec::new() });
            }
            let (start, end) = (series.values.len() - sold.len(), series.values.len());
            let columns = panel.known(nth);
            let own = parts.get_mut(part).map(|own| {
                own.values.push(closed.open_values(sold));
                // As many seasons as have so many open periods.
                let ahead = (plan.horizon.div_ceil(length) + 1) * closed.season_length();
                let periods = sold.len() + ahead;
                let past = Columns::new(regressors, columns, start, periods);
                own.rows.push(past.rows(periods, &closed, 0));
                own.values.len() - 1
            });
            let index = own.unwrap_or_default();
            let coming = Columns::new(regressors, columns, end, plan.horizon);
            let (key, periods) = (series.key.clone(), sold.len());
            places.push(Place { key, part, index, closed, periods, coming });
        }
        let fit = |part: &Part| run.install(|| part.fit(regressors, plan, run));
        let mut fitted = Self {
            parts: parts.iter().map(fit).collect::<Result<_, _>>()?,
            series: places,
            coherence: plan.coherence,
            groups: plan.groups.clone(),
            coherent: Vec::new(),
            regressors: regressors.to_vec(),
        };
        fitted.settle();
        Ok(fitted)
    }
}

impl Part {
    fn fit(
        &self,
        regressors: &[Regressor],
        plan: &Plan,
        run: &FitRun<'_>,
    ) -> Result<PanelFit, FitError> {
        let settings = Settings {
            horizon: plan.horizon,
            season_lengths: vec![self.length],
            non_negative: plan.non_negative,
            method: plan.algorithm.method(),
        };
        let values: Vec<&[f64]> = self.values.iter().map(Vec::as_slice).collect();
        let known = (!regressors.is_empty())
            .then(|| Regressors::new(regressors.to_vec(), self.rows.clone()))
            .transpose()
            .map_err(forecast_failure)?;
        let boosting = match (plan.boosting, plan.algorithm) {
            (BoostingChoice::Auto, ForecastAlgorithm::Ensemble) => {
                PooledBoosting::fit(&values, known.as_ref(), &settings, run)?
            }
            _ => None,
        };
        let ridge = RidgeLags { values: &values, season: self.length, yearly: plan.weekdays };
        let external = (plan.algorithm == ForecastAlgorithm::RidgeLags)
            .then_some(&ridge as &dyn ExternalMember);
        let inputs = Inputs {
            series: &values,
            regressors: known.as_ref(),
            boosting: boosting.as_ref(),
            external,
        };
        fit_panel_from(&inputs, &settings, &Watched(run)).map_err(forecast_failure)
    }
}

/// Leading zeros mean "not yet sold"; weekdays are counted from the first sale. A series of zeros
/// alone stays as it is.
fn since_first_sale(series: &Series) -> &[f64] {
    let first = series.values.iter().position(|value| *value != 0.0);
    series.values.get(first.unwrap_or(0)..).unwrap_or(&series.values)
}
