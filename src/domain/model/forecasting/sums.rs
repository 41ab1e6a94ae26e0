//! Forecasts of sums of series.
//!
//! The expected value of a sum is the sum of expected values; its interval is not the sum of
//! intervals, because errors cancel as far as series are independent. So the errors of the sum at
//! the same origins are scored like those of a series; its scale is what independent series would
//! give, the root of the sum of squared spreads.

use super::answer::{Interval, Width};
use super::conformal::{Origin, Scores, Unit};
use super::panel::{PanelFit, SeriesFit};
use super::settings::{ForecastError, check_level};

/// Scores of sums that are wanted before those of single series join them.
const WANTED: usize = 100;

impl PanelFit {
    /// The expected value of the sum of some series over the next `horizon` periods.
    ///
    /// # Errors
    /// [`ForecastError::UnknownSeries`].
    pub fn sum_point(&self, group: &[usize], horizon: usize) -> Result<Vec<f64>, ForecastError> {
        let mut total = vec![0.0; horizon];
        for index in group {
            for (sum, value) in total.iter_mut().zip(self.point(*index, horizon)?) {
                *sum += value;
            }
        }
        Ok(total)
    }

    /// The interval of each group's sum over the fitted horizon, of a level of 0.5 to 0.99.
    ///
    /// # Errors
    /// As [`Self::sum_widths`].
    pub fn sum_intervals(
        &self,
        groups: &[Vec<usize>],
        level: f64,
    ) -> Result<Vec<Interval>, ForecastError> {
        let widths = self.sum_widths(groups, level)?;
        let pairs = groups.iter().zip(&widths);
        pairs
            .map(|(group, width)| {
                let path = self.sum_point(group, self.settings.horizon)?;
                Ok(self.around(&path, width, level))
            })
            .collect()
    }

    /// How far the interval of each group's sum reaches. Scores are pooled over the groups; below
    /// 100 those of all single series join them.
    ///
    /// # Errors
    /// [`ForecastError::UnknownSeries`], [`ForecastError::Setting`] for the level.
    pub fn sum_widths(
        &self,
        groups: &[Vec<usize>],
        level: f64,
    ) -> Result<Vec<Width>, ForecastError> {
        check_level(level)?;
        let horizon = self.settings.horizon;
        let mut units =
            groups.iter().map(|group| self.sum_unit(group)).collect::<Result<Vec<Unit>, _>>()?;
        let scores: usize = units.iter().map(|unit| unit.origins.len() * horizon).sum();
        if scores < WANTED {
            let singles = (0..self.series.len()).map(|index| self.sum_unit(&[index]));
            units.extend(singles.collect::<Result<Vec<Unit>, _>>()?);
        }
        let conformal = Scores::of(&units, horizon).without(None);
        let halves = conformal.half_widths(level);
        let own = units.iter().take(groups.len());
        Ok(own.map(|unit| Width::new(&halves, std::iter::repeat(conformal.spread(unit)))).collect())
    }

    /// A sum as conformal prediction gets it: errors at the origins that all its series with a
    /// backtest share.
    fn sum_unit(&self, group: &[usize]) -> Result<Unit, ForecastError> {
        let series =
            group.iter().map(|index| self.find(*index)).collect::<Result<Vec<&SeriesFit>, _>>()?;
        let tested = series.iter().filter(|one| !one.held_out.is_empty());
        let spread = |one: &&SeriesFit| one.spread * one.unit;
        let scale = series.iter().map(spread).fold(0.0, f64::hypot);
        let tested_scale = tested.clone().map(spread).fold(0.0, f64::hypot);
        // Series without backtest err like the others.
        let rest = if tested_scale > 0.0 { scale / tested_scale } else { 1.0 };
        let shared = tested.clone().min_by_key(|one| one.held_out.len());
        let held_out = shared.map(|one| one.held_out.as_slice()).unwrap_or_default();
        let mut origins = Vec::with_capacity(held_out.len());
        for back in held_out {
            let mut errors = vec![0.0; self.settings.horizon];
            let mut complete = true;
            for one in tested.clone() {
                let own = one.origin_errors(*back, self.settings.horizon);
                complete &= !own.is_empty();
                for (sum, error) in errors.iter_mut().zip(own) {
                    *sum += f64::from(*error) * one.unit * rest;
                }
            }
            if complete {
                origins.push(Origin { scale, errors });
            }
        }
        Ok(Unit { scale, origins })
    }
}

impl SeriesFit {
    /// Errors from the origin that held so many values back; empty when there is none.
    fn origin_errors(&self, held_out: usize, horizon: usize) -> &[f32] {
        let origin = self.held_out.iter().position(|own| *own == held_out);
        origin.and_then(|origin| self.errors.chunks_exact(horizon).nth(origin)).unwrap_or_default()
    }
}
