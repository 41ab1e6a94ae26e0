//! One series, fitted and backtested, before its members are weighted.

use super::backtest::{Backtest, Task, mean_change, mean_change_around_drift};
use super::correction::Corrections;
use super::fallback::Fallback;
use super::member::Member;
use super::model::{Plan, SeriesModel};
use super::prepare::Prepared;
use super::seasonal::Workspace;
use super::settings::{ExternalMember, Settings};
use super::weights::combine;

/// Part of the scaled error's scale that the interval's scale does not fall below.
const SMALLEST_SCALE: f64 = 0.02;
/// Share of the changes around the drift, against all of the change, in the logarithm of the
/// interval's scale: a steady drift is forecast, but the errors of a series with one are larger.
const DRIFTLESS_SHARE: f64 = 0.25;
/// Part of the change that the change around the drift does not fall below.
const SMALLEST_DRIFTLESS: f64 = 0.05;

/// What all series are fitted with.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) settings: &'a Settings,
    /// Number of series, or more than any panel has when a member forecasts elsewhere.
    pub(super) size: usize,
    pub(super) elsewhere: &'a [(Member, &'a dyn ExternalMember)],
}

/// A series whose members are fitted.
pub(super) struct Candidate<'a> {
    pub(super) prepared: &'a Prepared<'a>,
    pub(super) corrections: Option<&'a Corrections>,
    pub(super) members: Vec<Member>,
    pub(super) model: SeriesModel,
    /// Members that were replaced.
    pub(super) replaced: Vec<Fallback>,
    pub(super) backtest: Backtest,
    /// Scale of the scaled errors; 0 when the series never moves.
    pub(super) scale: f64,
    /// Scale of the intervals: with all values, and at each origin.
    pub(super) interval_scale: f64,
    pub(super) origin_scales: Vec<f64>,
}

impl<'a> Candidate<'a> {
    /// Fits the series of an index, without the effects that `corrections` knows of.
    pub(super) fn new(
        prepared: &'a Prepared<'a>,
        index: usize,
        corrections: Option<&'a Corrections>,
        around: Surroundings<'_>,
    ) -> Self {
        let Surroundings { settings, size, elsewhere } = around;
        let horizon = settings.horizon;
        let named: Vec<Member> = elsewhere.iter().map(|(member, _)| *member).collect();
        let members = prepared.kind.members(settings.method, &named);
        let plan = Plan { members: &members, season_lengths: &settings.season_lengths };
        let unit = prepared.unit;
        let task = Task { plan: &plan, horizon, series: size, index, unit, elsewhere };
        let mut values = prepared.values();
        let scale = mean_change(&values, settings.season_length());
        let full = corrections.map(|own| &own.full);
        full.into_iter().for_each(|own| own.clean_past(&mut values, |_| None));
        let mut work = Workspace::default();
        let (mut model, adjusted) = SeriesModel::fit(&values, &plan, horizon, &mut work);
        model.hand_in(task.elsewhere(values.len(), 0, full));
        let mut paths = vec![0.0; members.len() * horizon];
        let bits = model.paths(horizon, &mut paths);
        let wild = members.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
        let replaced = wild.map(|(_, member)| Fallback::Implausible { member: *member }).collect();
        values.clear();
        values.extend(prepared.from(0));
        let early = corrections.map(|own| &own.early);
        early.into_iter().for_each(|own| own.clean_past(&mut values, |_| None));
        let backtest = task.backtest(&values, early, &mut work);
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
        Self {
            prepared,
            corrections,
            members,
            model,
            replaced,
            backtest,
            scale,
            interval_scale,
            origin_scales,
        }
    }

    /// By origin, the errors of each member.
    fn origins(&self, horizon: usize) -> impl Iterator<Item = &[f32]> {
        self.backtest.errors.chunks_exact(horizon * self.members.len())
    }

    /// Mean absolute (or for intermittent demand root mean squared) error of each member over the
    /// scale; empty without backtest.
    pub(super) fn losses(&self, horizon: usize, squared: bool) -> Vec<f64> {
        if self.scale <= 0.0 || self.backtest.held_out.is_empty() {
            return Vec::new();
        }
        let loss = |member: usize| {
            let paths = self.origins(horizon).filter_map(|o| o.chunks_exact(horizon).nth(member));
            let errors = paths.flatten().map(|error| f64::from(*error));
            self.loss(errors, squared)
        };
        (0..self.members.len()).map(loss).collect()
    }

    /// The loss of errors at all origins.
    pub(super) fn loss(&self, errors: impl Iterator<Item = f64>, squared: bool) -> f64 {
        let size = |error: f64| if squared { error * error } else { error.abs() };
        let (sum, count) =
            errors.fold((0.0, 0.0), |(sum, count), error| (sum + size(error), count + 1.0_f64));
        let mean = sum / count.max(1.0);
        let loss = if squared { mean.sqrt() } else { mean } / self.scale;
        if loss.is_finite() { loss } else { f64::INFINITY }
    }

    /// Signed errors of the weighted combination, by origin and step.
    pub(super) fn combined(&self, weights: &[f64], settings: &Settings) -> Vec<f32> {
        let horizon = settings.horizon;
        let mut combined = Vec::with_capacity(self.backtest.held_out.len() * horizon);
        for (errors, held_out) in self.origins(horizon).zip(&self.backtest.held_out) {
            let actual = self.prepared.from(self.prepared.count() - held_out).take(horizon);
            for (actual, error) in actual.zip(combine(errors, horizon, weights)) {
                // A forecast below zero would have been given as zero.
                let clipped = settings.non_negative && actual - error < 0.0;
                combined.push(if clipped { actual } else { error } as f32);
            }
        }
        combined
    }
}
