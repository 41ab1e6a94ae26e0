//! Forecasting the past from a few origins, to learn how far each member errs.
//!
//! Parameters are fitted once, at the earliest origin; from there states roll forward. That costs
//! one more fit per series, however many origins there are, and no origin sees what comes after it.

use super::correction::Correction;
use super::member::Member;
use super::model::{Plan, SeriesModel};
use super::seasonal::Workspace;
use super::settings::ExternalMember;

/// Fewest values to forecast from.
const FEWEST_VALUES: usize = 6;
/// Origins of a series in a panel that is large enough, each a horizon apart.
const ORIGINS: usize = 3;
/// Most origins of a series in a small panel.
const MOST_ORIGINS: usize = 24;
/// Origins that all series together shall have.
const WANTED_ORIGINS: usize = 120;

/// How many values are held back at each origin, from the earliest to the latest origin: three
/// horizons apart, or more and closer ones when there are few series to pool. Six values stay
/// before the earliest one, and two cycles of each season that the series has two cycles of:
/// without them the past would be forecast in another way than the future.
pub(super) fn held_out(
    count: usize,
    horizon: usize,
    season_lengths: &[usize],
    series: usize,
) -> Vec<usize> {
    let found = season_lengths.iter().filter(|length| count >= 2 * **length);
    let fewest = found.max().map_or(0, |length| 2 * length).max(FEWEST_VALUES);
    let Some(spare) = count.checked_sub(fewest + horizon) else {
        return Vec::new();
    };
    let wanted = (WANTED_ORIGINS / series.max(1)).clamp(ORIGINS, MOST_ORIGINS);
    let (step, most) = if wanted == ORIGINS {
        (horizon, ORIGINS)
    } else {
        // Parameters come from the earliest origin, so half of the history stays before it.
        let room = spare.min((count / 2).saturating_sub(horizon));
        let step = (room / (wanted - 1)).clamp(1, horizon);
        (step, wanted.min(room / step + 1))
    };
    let back = (0..most).map(|index| index * step).take_while(|back| *back <= spare);
    let mut held_out: Vec<usize> = back.map(|back| horizon + back).collect();
    held_out.reverse();
    held_out
}

/// Signed errors (actual less forecast) of every member from every origin.
#[derive(Clone, Debug, Default)]
pub(super) struct Backtest {
    /// Values held back at each origin, descending.
    pub(super) held_out: Vec<usize>,
    /// By origin, member and step; NaN where a member had no forecast.
    pub(super) errors: Vec<f32>,
}

/// What the backtest of a series shares with its final fit.
pub(super) struct Task<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) horizon: usize,
    /// Of the panel.
    pub(super) series: usize,
    /// Index of the series and what its values were divided by.
    pub(super) index: usize,
    pub(super) unit: f64,
    /// Members that forecast elsewhere, in the order of the plan.
    pub(super) elsewhere: &'a [(Member, &'a dyn ExternalMember)],
}

impl Task<'_> {
    /// The paths of the members that forecast elsewhere, in the unit of the values and without the
    /// effects that `correction` takes out; empty for one that says nothing or nothing finite.
    pub(super) fn elsewhere(
        &self,
        count: usize,
        held_out: usize,
        correction: Option<&Correction>,
    ) -> Vec<Vec<f64>> {
        let own = self.elsewhere.iter().filter(|(member, _)| self.plan.members.contains(member));
        let paths = own.map(|(_, external)| {
            let mut path = vec![f64::NAN; self.horizon];
            if !external.forecast(self.index, held_out, &mut path) {
                return Vec::new();
            }
            path.iter_mut().for_each(|value| *value /= self.unit);
            if let Some(correction) = correction {
                correction.clean(count - held_out, &mut path);
            }
            if path.iter().all(|value| value.is_finite()) { path } else { Vec::new() }
        });
        paths.collect()
    }

    /// Errors on `values`, which `correction` has taken the effects of regressors from; the errors
    /// are those of the values with them.
    pub(super) fn backtest(
        &self,
        values: &[f64],
        correction: Option<&Correction>,
        work: &mut Workspace,
    ) -> Backtest {
        let Self { plan, horizon, .. } = *self;
        let held_out = held_out(values.len(), horizon, plan.season_lengths, self.series);
        let Some(most) = held_out.first() else {
            return Backtest::default();
        };
        let (known, mut coming) = values.split_at(values.len() - most);
        let (mut model, _) = SeriesModel::fit(known, plan, horizon, work);
        let mut paths = vec![0.0; plan.members.len() * horizon];
        let mut errors = Vec::with_capacity(held_out.len() * paths.len());
        for back in &held_out {
            let (new, rest) = coming.split_at(coming.len() - back);
            model.update(new);
            coming = rest;
            model.hand_in(self.elsewhere(values.len(), *back, correction));
            model.paths(horizon, &mut paths);
            let first = values.len() - back;
            let factor = |step| correction.map_or(1.0, |own| own.factor(first + step));
            for path in paths.chunks_exact(horizon) {
                let pairs = coming.iter().zip(path).enumerate();
                errors.extend(pairs.map(|(step, (a, f))| (factor(step) * (a - f)) as f32));
            }
        }
        Backtest { held_out, errors }
    }
}

/// Mean absolute change over `lag` periods, or over one period before there are two times `lag`
/// values: with a season's length the scale of the mean absolute scaled error (Hyndman and Koehler,
/// "Another look at measures of forecast accuracy", International Journal of Forecasting 22, 2006).
pub(super) fn mean_change(values: &[f64], lag: usize) -> f64 {
    let lag = if values.len() >= 2 * lag { lag.max(1) } else { 1 };
    let later = values.get(lag..).unwrap_or_default();
    let changes = later.iter().zip(values).map(|(a, b)| (a - b).abs());
    changes.sum::<f64>() / later.len().max(1) as f64
}

/// Mean absolute change over `lag` periods around the mean change: what is left of
/// [`mean_change`] without a drift.
pub(super) fn mean_change_around_drift(values: &[f64], lag: usize) -> f64 {
    let lag = if values.len() >= 2 * lag { lag.max(1) } else { 1 };
    let later = values.get(lag..).unwrap_or_default();
    let changes = || later.iter().zip(values).map(|(a, b)| a - b);
    let count = later.len().max(1) as f64;
    let drift = changes().sum::<f64>() / count;
    changes().map(|change| (change - drift).abs()).sum::<f64>() / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_lie_a_horizon_apart_in_a_large_panel() {
        assert_eq!(held_out(100, 12, &[12], 600), [36, 24, 12]);
        assert_eq!(held_out(50, 12, &[12], 600), [24, 12]);
        assert_eq!(held_out(35, 12, &[12], 600), [] as [usize; 0]);
        assert_eq!(held_out(20, 12, &[12], 600), [12]);
        assert_eq!(held_out(3, 12, &[1], 600), [] as [usize; 0]);
    }

    #[test]
    fn a_single_series_has_more_origins_in_its_second_half() {
        let origins = held_out(120, 12, &[12], 1);
        assert_eq!((origins.len(), origins.last()), (MOST_ORIGINS, Some(&12)));
        assert!(origins.first().is_some_and(|most| *most <= 60));
        assert!(held_out(12, 3, &[], 1).len() > 2);
    }

    #[test]
    fn change_falls_back_to_one_period() {
        assert_eq!(mean_change(&[1.0, 3.0, 5.0, 7.0], 2), 4.0);
        assert_eq!(mean_change(&[1.0, 3.0, 5.0], 2), 2.0);
        assert_eq!(mean_change(&[1.0], 2), 0.0);
        assert_eq!(mean_change_around_drift(&[1.0, 3.0, 5.0, 7.0], 2), 0.0);
        assert_eq!(mean_change_around_drift(&[1.0, 2.0, 5.0], 2), 1.0);
    }
}
