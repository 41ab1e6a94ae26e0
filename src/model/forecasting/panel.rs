//! Fitting all series of a panel, and what is kept of each.

use std::sync::Mutex;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::backtest::{Backtest, Task, mean_change, mean_change_around_drift};
use super::conformal::{Conformal, Origin, Unit, observed_coverage};
use super::fallback::Fallback;
use super::member::Member;
use super::model::{Plan, SeriesModel};
use super::prepare::{Kind, Prepared};
use super::seasonal::Workspace;
use super::settings::{Control, ExternalMember, ForecastError, Settings, check_finite};
use super::weights::{Source, combine, pooled, weights};

/// Part of the scaled error's scale that the interval's scale does not fall below.
const SMALLEST_SCALE: f64 = 0.02;
/// Share of the changes around the drift, against all of the change, in the logarithm of the
/// interval's scale: a steady drift is forecast, but the errors of a series with one are larger.
const DRIFTLESS_SHARE: f64 = 0.25;
/// Part of the change that the change around the drift does not fall below.
const SMALLEST_DRIFTLESS: f64 = 0.05;

/// The fitted series of a panel: forecasts, intervals, sums, weights and past errors.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PanelFit {
    pub(super) settings: Settings,
    pub(super) series: Vec<SeriesFit>,
    pub(super) conformal: Conformal,
    calibration: Calibration,
}

/// Share of held-back values that fell into their interval, 0 to 1, with scores from other origins
/// only; `None` when there were no two origins.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Calibration {
    /// Of the intervals of level 0.8.
    pub at_80: Option<f64>,
    /// Of the intervals of level 0.95.
    pub at_95: Option<f64>,
}

/// What is kept of one series. Errors and spread are in `unit`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct SeriesFit {
    pub(super) unit: f64,
    pub(super) model: SeriesModel,
    pub(super) members: Vec<Member>,
    pub(super) weights: Vec<f64>,
    pub(super) fallbacks: Vec<Fallback>,
    /// Of each member, then of their combination.
    pub(super) mase: Vec<Option<f64>>,
    /// Of errors in the unit of a conformal score.
    pub(super) spread: f64,
    /// Values held back at each origin, descending.
    pub(super) held_out: Vec<usize>,
    /// Signed errors of the combination by origin and step.
    pub(super) errors: Vec<f32>,
}

/// Fits every series on the threads of rayon's current pool; the result does not depend on their
/// number. All series end with the same period. No content of a series is an error.
///
/// # Errors
/// [`ForecastError::Setting`], [`ForecastError::NotFinite`], [`ForecastError::Cancelled`].
pub fn fit_panel(
    series: &[&[f64]],
    settings: &Settings,
    control: &dyn Control,
) -> Result<PanelFit, ForecastError> {
    fit_panel_with(series, settings, None, control)
}

/// [`fit_panel`] with an external member in the ensemble; held-back lengths are then always 1, 2
/// and 3 horizons.
///
/// # Errors
/// As [`fit_panel`].
pub fn fit_panel_with(
    series: &[&[f64]],
    settings: &Settings,
    external: Option<&dyn ExternalMember>,
    control: &dyn Control,
) -> Result<PanelFit, ForecastError> {
    settings.check()?;
    let done = Mutex::new(0_usize);
    let fitted: Result<Vec<Unweighted>, ForecastError> = series
        .par_iter()
        .enumerate()
        .map(|(index, values)| {
            if control.is_cancelled() {
                return Err(ForecastError::Cancelled);
            }
            check_finite(index, values)?;
            let size = if external.is_some() { usize::MAX } else { series.len() };
            let fitted = Unweighted::new(values, settings, index, size, external);
            // Reported under the lock, so that counts never fall.
            if let Ok(mut done) = done.lock() {
                *done += 1;
                control.progress(*done, series.len());
            }
            Ok(fitted)
        })
        .collect();
    Ok(weigh(fitted?, settings))
}

/// A series before its members are weighted.
struct Unweighted {
    prepared: Prepared,
    members: Vec<Member>,
    model: SeriesModel,
    backtest: Backtest,
    /// Scale of the scaled errors; 0 when the series never moves.
    scale: f64,
    /// Scale of the intervals: with all values, and at each origin.
    interval_scale: f64,
    origin_scales: Vec<f64>,
}

impl Unweighted {
    fn new(
        values: &[f64],
        settings: &Settings,
        index: usize,
        size: usize,
        external: Option<&dyn ExternalMember>,
    ) -> Self {
        let mut prepared = Prepared::new(values, settings);
        let horizon = settings.horizon;
        let members = prepared.kind.members(settings.method, external.is_some());
        let plan = Plan { members: &members, season_lengths: &settings.season_lengths };
        let task =
            Task { plan: &plan, horizon, series: size, index, unit: prepared.unit, external };
        let mut work = Workspace::default();
        let (mut model, adjusted) = SeriesModel::fit(&prepared.values, &plan, horizon, &mut work);
        model.hand_in(task.external_path(0));
        let mut paths = vec![0.0; members.len() * horizon];
        let replaced = model.paths(horizon, &mut paths);
        let wild = members.iter().enumerate().filter(|(bit, _)| replaced >> bit & 1 == 1);
        prepared
            .fallbacks
            .extend(wild.map(|(_, member)| Fallback::Implausible { member: *member }));
        let backtest = task.backtest(&prepared.values, &mut work);
        let scale = mean_change(&prepared.values, settings.season_length());
        // What a series does within half a horizon, its season apart, tells its noise and its
        // wandering together.
        let interval_scale = |count: usize| {
            let known = adjusted.get(..count).unwrap_or_default();
            let lag = (horizon / 2).min(count / 2);
            let change = mean_change(known, lag);
            let driftless = mean_change_around_drift(known, lag).max(SMALLEST_DRIFTLESS * change);
            let blended = change.powf(1.0 - DRIFTLESS_SHARE) * driftless.powf(DRIFTLESS_SHARE);
            blended.max(SMALLEST_SCALE * scale)
        };
        let held_out = backtest.held_out.iter();
        let origin_scales = held_out.map(|back| interval_scale(adjusted.len() - back)).collect();
        let interval_scale = interval_scale(adjusted.len());
        Self { prepared, members, model, backtest, scale, interval_scale, origin_scales }
    }

    /// By origin, the errors of each member.
    fn origins(&self, horizon: usize) -> impl Iterator<Item = &[f32]> {
        self.backtest.errors.chunks_exact(horizon * self.members.len())
    }

    /// Mean absolute (or for intermittent demand root mean squared) error of each member over the
    /// scale; empty without backtest.
    fn losses(&self, horizon: usize, squared: bool) -> Vec<f64> {
        if self.scale <= 0.0 || self.backtest.held_out.is_empty() {
            return Vec::new();
        }
        let loss = |member: usize| {
            let paths = self.origins(horizon).filter_map(|o| o.chunks_exact(horizon).nth(member));
            let errors = paths.flatten().map(|error| f64::from(*error));
            let sum: f64 = errors.map(|e| if squared { e * e } else { e.abs() }).sum();
            let mean = sum / (self.backtest.held_out.len() * horizon) as f64;
            let loss = if squared { mean.sqrt() } else { mean } / self.scale;
            if loss.is_finite() { loss } else { f64::INFINITY }
        };
        (0..self.members.len()).map(loss).collect()
    }

    /// Signed errors of the weighted combination, by origin and step.
    fn combined(&self, weights: &[f64], settings: &Settings) -> Vec<f32> {
        let horizon = settings.horizon;
        let mut combined = Vec::with_capacity(self.backtest.held_out.len() * horizon);
        for (errors, held_out) in self.origins(horizon).zip(&self.backtest.held_out) {
            let start = self.prepared.values.len() - held_out;
            let actual = self.prepared.values.iter().skip(start).take(horizon);
            for (step, actual) in actual.enumerate() {
                let paths = errors.chunks_exact(horizon);
                let values = paths.filter_map(|path| path.get(step));
                let error = combine(values.map(|error| f64::from(*error)), weights);
                // A forecast below zero would have been given as zero.
                let clipped = settings.non_negative && actual - error < 0.0;
                combined.push(if clipped { *actual } else { error } as f32);
            }
        }
        combined
    }
}

/// Weights, errors of the combinations and conformal scores.
fn weigh(fitted: Vec<Unweighted>, settings: &Settings) -> PanelFit {
    let horizon = settings.horizon;
    let losses: Vec<Vec<f64>> = fitted
        .iter()
        .map(|one| one.losses(horizon, one.prepared.kind == Kind::Intermittent))
        .collect();
    let pool = |kind: Kind| {
        let pairs = fitted.iter().zip(&losses);
        let own = pairs.filter(|(one, loss)| one.prepared.kind == kind && !loss.is_empty());
        let own: Vec<&[f64]> = own.map(|(_, loss)| loss.as_slice()).collect();
        pooled(&own, own.first().map_or(0, |loss| loss.len()))
    };
    let regular = pool(Kind::Regular);
    let intermittent = pool(Kind::Intermittent);
    let mut units = Vec::with_capacity(fitted.len());
    let mut series = Vec::with_capacity(fitted.len());
    for (one, losses) in fitted.into_iter().zip(&losses) {
        let pool = match one.prepared.kind {
            Kind::Regular => regular.as_deref(),
            Kind::Intermittent => intermittent.as_deref(),
            Kind::Few => None,
        };
        let (weights, source) = weights(&one.members, losses, pool);
        let errors = one.combined(&weights, settings);
        units.push(unit(&one, &errors, horizon));
        series.push(keep(one, weights, source, errors, horizon));
    }
    let conformal = Conformal::new(&units, horizon);
    for (one, unit) in series.iter_mut().zip(&units) {
        one.spread = conformal.spread(unit);
    }
    let calibration = Calibration {
        at_80: observed_coverage(&units, horizon, 0.8),
        at_95: observed_coverage(&units, horizon, 0.95),
    };
    PanelFit { settings: settings.clone(), series, conformal, calibration }
}

/// The errors as conformal prediction gets them: over the square root of the seasonal factor,
/// because errors grow with the level, but not as much as it does.
fn unit(one: &Unweighted, errors: &[f32], horizon: usize) -> Unit {
    let origins = errors.chunks_exact(horizon).zip(&one.backtest.held_out);
    let origins = origins.zip(&one.origin_scales).map(|((errors, held_out), scale)| {
        let steps = errors.iter().enumerate();
        let over = steps.map(|(step, error)| {
            let factor = one.model.seasons.factor(step as i64 - *held_out as i64);
            f64::from(*error) / factor.sqrt()
        });
        Origin { scale: *scale, errors: over.collect() }
    });
    Unit { scale: one.interval_scale, origins: origins.collect() }
}

fn keep(
    one: Unweighted,
    weights: Vec<f64>,
    source: Source,
    errors: Vec<f32>,
    horizon: usize,
) -> SeriesFit {
    let mut mase: Vec<f64> = one.losses(horizon, false);
    let Prepared { unit, mut fallbacks, .. } = one.prepared;
    match source {
        // Members agree on a series that never moves, so weights do not matter.
        _ if one.scale <= 0.0 => {}
        Source::Backtest => {}
        Source::Panel => fallbacks.push(Fallback::PooledWeights),
        Source::Equal => fallbacks.push(Fallback::EqualWeights),
    }
    let absolute: f64 = errors.iter().map(|error| f64::from(error.abs())).sum();
    let own = absolute / errors.len().max(1) as f64 / one.scale;
    mase.resize(one.members.len(), f64::NAN);
    mase.push(own);
    SeriesFit {
        unit,
        weights,
        fallbacks,
        mase: mase.iter().map(|mase| mase.is_finite().then_some(*mase)).collect(),
        spread: 0.0,
        held_out: one.backtest.held_out,
        errors,
        members: one.members,
        model: one.model,
    }
}

impl PanelFit {
    /// What the panel was fitted with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many series there are.
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// How often intervals held in the backtest.
    pub fn calibration(&self) -> Calibration {
        self.calibration
    }
}
