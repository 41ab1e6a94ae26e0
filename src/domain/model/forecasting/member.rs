//! The models that are combined, behind one type.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::autoregression::Autoregression;
use super::ets::Ets;
use super::intermittent::{Imapa, Tsb};
use super::linear::Smoothing;
use super::seasonal::Workspace;
use super::theta::Theta;

/// A model that can forecast alone or as a member of the ensemble.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Member {
    /// The dynamic optimised theta model on values without season.
    Theta,
    /// Exponential smoothing, selected by AICc.
    Ets,
    /// Exponential smoothing with a damped trend on values without season.
    Damped,
    /// Complex exponential smoothing on values without season.
    Ces,
    /// Autoregression of changes, on values without season.
    Autoregression,
    /// The last season again.
    SeasonalNaive,
    /// Simple exponential smoothing on the values as they are.
    Simple,
    /// Exponential smoothing without multiplicative models.
    AdditiveEts,
    /// Smoothing of sums over several periods, for values with many zeros.
    Imapa,
    /// Smoothing of probability and size of a demand, for values with many zeros.
    Tsb,
    /// Gradient boosting over all series of the panel.
    Boosting,
    /// Forecasts handed in by the caller.
    External,
}

impl Member {
    /// The name in a recipe.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Theta => "theta",
            Self::Ets => "ets",
            Self::Damped => "damped",
            Self::Ces => "ces",
            Self::Autoregression => "autoregression",
            Self::SeasonalNaive => "seasonal-naive",
            Self::Simple => "simple",
            Self::AdditiveEts => "additive-ets",
            Self::Imapa => "imapa",
            Self::Tsb => "tsb",
            Self::Boosting => "boosting",
            Self::External => "external",
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a member is fitted on.
#[derive(Debug)]
pub(super) struct Views<'a> {
    /// The values as they are.
    pub(super) values: &'a [f64],
    /// The values without their seasons.
    pub(super) adjusted: &'a [f64],
    /// Periods of the season that exponential smoothing shall handle itself; 1 when it gets the
    /// values without season.
    pub(super) own_season: usize,
    /// Periods of the season that is repeated.
    pub(super) season_length: usize,
}

/// A fitted member.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) enum Fitted {
    /// On values without season.
    Theta(Theta),
    /// On values without season.
    Smoothing(Smoothing),
    /// On values without season.
    Autoregression(Autoregression),
    /// On values without season.
    AdjustedEts(Ets),
    /// On the values as they are.
    Ets(Ets),
    /// The last season, from the next period's value on.
    Naive(Vec<f64>),
    /// On the values as they are.
    Simple(Smoothing),
    /// On the values as they are.
    Imapa(Imapa),
    /// On the values as they are.
    Tsb(Tsb),
    /// The forecast of the periods to come that was handed in.
    #[serde(alias = "External")]
    Elsewhere(Vec<f64>),
}

impl Fitted {
    pub(super) fn fit(member: Member, views: &Views<'_>, work: &mut Workspace) -> Self {
        let Views { values, adjusted, own_season, season_length } = *views;
        match member {
            Member::Theta => Self::Theta(Theta::fit(adjusted)),
            Member::Damped => Self::Smoothing(Smoothing::damped(adjusted)),
            Member::Autoregression => Self::Autoregression(Autoregression::fit(adjusted)),
            Member::Ces => Self::Smoothing(Smoothing::complex(adjusted)),
            Member::Ets | Member::AdditiveEts if own_season > 1 => {
                Self::Ets(Ets::fit(values, own_season, member == Member::AdditiveEts, work))
            }
            Member::Ets | Member::AdditiveEts => {
                Self::AdjustedEts(Ets::fit(adjusted, 1, member == Member::AdditiveEts, work))
            }
            Member::SeasonalNaive => {
                let length = if values.len() < season_length { 1 } else { season_length };
                let start = values.len().saturating_sub(length);
                let last = values.get(start..).filter(|last| !last.is_empty());
                Self::Naive(last.unwrap_or(&[0.0]).to_vec())
            }
            Member::Simple => Self::Simple(Smoothing::simple(values)),
            Member::Imapa => Self::Imapa(Imapa::fit(values)),
            Member::Tsb => Self::Tsb(Tsb::fit(values)),
            Member::Boosting | Member::External => Self::Elsewhere(Vec::new()),
        }
    }

    /// Works on values without season.
    pub(super) fn is_adjusted(&self) -> bool {
        matches!(
            self,
            Self::Theta(_) | Self::Smoothing(_) | Self::Autoregression(_) | Self::AdjustedEts(_)
        )
    }

    /// Writes the next `path.len()` values, without their season if it [`Self::is_adjusted`].
    pub(super) fn forecast(&self, path: &mut [f64]) {
        match self {
            Self::Theta(model) => model.forecast(path),
            Self::Autoregression(model) => model.forecast(path),
            Self::Smoothing(model) | Self::Simple(model) => model.forecast(path),
            Self::AdjustedEts(model) | Self::Ets(model) => model.forecast(path),
            Self::Naive(last) => {
                for (value, last) in path.iter_mut().zip(last.iter().cycle()) {
                    *value = *last;
                }
            }
            Self::Imapa(model) => path.fill(model.level()),
            Self::Tsb(model) => path.fill(model.level()),
            Self::Elsewhere(given) => {
                let missing = std::iter::repeat(&f64::NAN);
                for (value, given) in path.iter_mut().zip(given.iter().chain(missing)) {
                    *value = *given;
                }
            }
        }
    }

    /// Takes the next value in, with the parameters as they are.
    pub(super) fn update(&mut self, value: f64, adjusted: f64) {
        match self {
            Self::Theta(model) => model.update(adjusted),
            Self::Autoregression(model) => model.update(adjusted),
            Self::Smoothing(model) => model.update(adjusted),
            Self::AdjustedEts(model) => model.update(adjusted),
            Self::Ets(model) => model.update(value),
            Self::Naive(last) => {
                if let Some(first) = last.first_mut() {
                    *first = value;
                }
                last.rotate_left(1);
            }
            Self::Simple(model) => model.update(value),
            Self::Imapa(model) => model.update(value),
            Self::Tsb(model) => model.update(value),
            Self::Elsewhere(given) => {
                if !given.is_empty() {
                    given.remove(0);
                }
            }
        }
    }
}
