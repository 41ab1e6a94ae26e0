//! Fitting all series of a panel, and what is kept of each.

use std::sync::Mutex;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::boosting::PooledBoosting;
use super::candidate::{Candidate, Surroundings};
use super::conformal::{Conformal, Origin, Scores, Unit, observed_coverage};
use super::correction::{Correction, Corrections, corrections};
use super::effects::Effect;
use super::fallback::Fallback;
use super::member::Member;
use super::model::SeriesModel;
use super::prepare::Prepared;
use super::regressors::Regressors;
use super::settings::{Control, ExternalMember, ForecastError, Settings, check_finite};
use super::weighing::{Weighed, choose, weigh};
use super::weights::Source;

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
    /// What regressors do to the periods to come, where they have a part in the forecast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) correction: Option<Correction>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) effects: Vec<Effect>,
}

/// What a panel is fitted on.
#[derive(Clone, Copy, Default)]
pub struct Inputs<'a> {
    /// The values of each series; all series end with the same period.
    pub series: &'a [&'a [f64]],
    /// Columns that are known in advance. Their effects are estimated, taken out before the members
    /// forecast and put back, in the series whose backtest it helps.
    pub regressors: Option<&'a Regressors>,
    /// Gradient boosting over the same series; has weight where the backtest gains from it.
    pub boosting: Option<&'a PooledBoosting>,
    /// Another model that joins the ensemble.
    pub external: Option<&'a dyn ExternalMember>,
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
    fit_panel_from(&Inputs { series, external, ..Inputs::default() }, settings, control)
}

/// [`fit_panel`] with all that a panel can be fitted on.
///
/// # Errors
/// As [`fit_panel`], and [`ForecastError::Shape`] for regressors that do not fit the series.
pub fn fit_panel_from(
    inputs: &Inputs<'_>,
    settings: &Settings,
    control: &dyn Control,
) -> Result<PanelFit, ForecastError> {
    settings.check()?;
    let Inputs { series, regressors, boosting, external } = *inputs;
    if let Some(regressors) = regressors {
        regressors.check(series, settings.horizon)?;
    }
    let mut elsewhere: Vec<(Member, &dyn ExternalMember)> = Vec::new();
    elsewhere.extend(boosting.map(|own| (Member::Boosting, own as &dyn ExternalMember)));
    elsewhere.extend(external.map(|own| (Member::External, own)));
    let size = if elsewhere.is_empty() { series.len() } else { usize::MAX };
    let around = Surroundings { settings, size, elsewhere: &elsewhere };
    for (index, values) in series.iter().enumerate() {
        check_finite(index, values)?;
    }
    let prepared: Vec<Prepared<'_>> =
        series.par_iter().map(|values| Prepared::new(values, settings)).collect();
    let rounds = if regressors.is_some() { 2 } else { 1 };
    let watch = Watch { control, done: Mutex::new(0), of: rounds * series.len() };
    let plain = weigh(watch.fit(&prepared, None, around)?, settings);
    let Some(regressors) = regressors else {
        return Ok(finish(plain, &[], settings));
    };
    let corrections = corrections(regressors, &prepared, settings, size);
    let corrected = weigh(watch.fit(&prepared, Some(&corrections), around)?, settings);
    Ok(finish(choose(plain, corrected), &corrections, settings))
}

/// Progress and cancellation of a fit.
struct Watch<'a> {
    control: &'a dyn Control,
    done: Mutex<usize>,
    of: usize,
}

impl Watch<'_> {
    fn fit<'a>(
        &self,
        prepared: &'a [Prepared<'a>],
        corrections: Option<&'a [Corrections]>,
        around: Surroundings<'_>,
    ) -> Result<Vec<Candidate<'a>>, ForecastError> {
        let fit = |(index, one): (usize, &'a Prepared<'a>)| {
            if self.control.is_cancelled() {
                return Err(ForecastError::Cancelled);
            }
            let corrections = corrections.and_then(|all| all.get(index));
            let fitted = Candidate::new(one, index, corrections, around);
            // Reported under the lock, so that counts never fall.
            if let Ok(mut done) = self.done.lock() {
                *done += 1;
                self.control.progress(*done, self.of);
            }
            Ok(fitted)
        };
        prepared.par_iter().enumerate().map(fit).collect()
    }
}

/// Conformal scores, and what is kept of every series.
fn finish(weighed: Vec<Weighed<'_>>, corrections: &[Corrections], settings: &Settings) -> PanelFit {
    let horizon = settings.horizon;
    let (units, mut series): (Vec<Unit>, Vec<SeriesFit>) =
        weighed.into_par_iter().map(|one| (unit(&one, horizon), keep(one, horizon))).unzip();
    for (one, corrections) in series.iter_mut().zip(corrections) {
        one.effects.clone_from(&corrections.effects);
        if one.correction.is_none() && !corrections.is_neutral() {
            one.fallbacks.push(Fallback::RegressorsLeftOut);
        }
    }
    let scores = Scores::of(&units, horizon);
    let conformal = scores.without(None);
    for (one, unit) in series.iter_mut().zip(&units) {
        one.spread = conformal.spread(unit);
    }
    let [at_80, at_95] = observed_coverage(&scores, &units, [0.8, 0.95]);
    let calibration = Calibration { at_80, at_95 };
    PanelFit { settings: settings.clone(), series, conformal, calibration }
}

/// The errors as conformal prediction gets them: over the square root of the factors of season and
/// regressors, because errors grow with the level, but not as much as it does.
fn unit(weighed: &Weighed<'_>, horizon: usize) -> Unit {
    let one = &weighed.candidate;
    let origins = weighed.errors.chunks_exact(horizon).zip(&one.backtest.held_out);
    let origins = origins.zip(&one.origin_scales).map(|((errors, held_out), scale)| {
        let first = one.prepared.count() - held_out;
        let steps = errors.iter().enumerate();
        let over = steps.map(|(step, error)| {
            let season = one.model.seasons.factor(step as i64 - *held_out as i64);
            let effects = one.corrections.map_or(1.0, |own| own.early.factor(first + step));
            f64::from(*error) / (season * effects).sqrt()
        });
        Origin { scale: *scale, errors: over.collect() }
    });
    Unit { scale: one.interval_scale, origins: origins.collect() }
}

fn keep(weighed: Weighed<'_>, horizon: usize) -> SeriesFit {
    let Weighed { candidate: one, weights, source, errors } = weighed;
    let mut mase: Vec<f64> = one.losses(horizon, false);
    let mut fallbacks = one.prepared.fallbacks.clone();
    fallbacks.extend(&one.replaced);
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
    let correction = one.corrections.map(|own| {
        let mut coming = own.full.clone();
        coming.advance(one.prepared.count());
        coming
    });
    SeriesFit {
        unit: one.prepared.unit,
        weights,
        fallbacks,
        mase: mase.iter().map(|mase| mase.is_finite().then_some(*mase)).collect(),
        spread: 0.0,
        held_out: one.backtest.held_out,
        errors,
        members: one.members,
        model: one.model,
        correction,
        effects: Vec::new(),
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
