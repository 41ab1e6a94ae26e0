//! The methods that a recipe can name.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::forecasting;

/// The methods a recipe can name.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForecastAlgorithm {
    /// All models that suit a series, weighted by their backtest; the default.
    #[default]
    Ensemble,
    /// Exponential smoothing, selected by AICc.
    Ets,
    /// Exponential smoothing with a damped trend on deseasonalised values.
    Damped,
    /// Complex exponential smoothing on deseasonalised values.
    Ces,
    /// Autoregression of changes on deseasonalised values.
    Autoregression,
    /// Smoothing of sums over several periods, for demand with many zeros.
    Imapa,
    /// Smoothing of the probability and the size of a demand, for demand with many zeros.
    Tsb,
    /// The dynamic optimised theta model on deseasonalised values.
    Theta,
    /// smartcore's ridge regression on lags and the position in the season.
    RidgeLags,
    /// The last season again: the baseline.
    SeasonalNaive,
}

impl ForecastAlgorithm {
    /// The name in a recipe.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ensemble => "ensemble",
            Self::Ets => "ets",
            Self::Damped => "damped",
            Self::Ces => "ces",
            Self::Autoregression => "autoregression",
            Self::Imapa => "imapa",
            Self::Tsb => "tsb",
            Self::Theta => "theta",
            Self::RidgeLags => "ridge-lags",
            Self::SeasonalNaive => "seasonal-naive",
        }
    }
}

impl ForecastAlgorithm {
    /// How the kernel is asked.
    pub(super) const fn method(self) -> forecasting::Method {
        use forecasting::{Member, Method};
        match self {
            Self::Ensemble => Method::Ensemble,
            Self::Ets => Method::Single(Member::Ets),
            Self::Damped => Method::Single(Member::Damped),
            Self::Ces => Method::Single(Member::Ces),
            Self::Autoregression => Method::Single(Member::Autoregression),
            Self::Imapa => Method::Single(Member::Imapa),
            Self::Tsb => Method::Single(Member::Tsb),
            Self::Theta => Method::Single(Member::Theta),
            Self::RidgeLags => Method::Single(Member::External),
            Self::SeasonalNaive => Method::Single(Member::SeasonalNaive),
        }
    }
}

impl fmt::Display for ForecastAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Whether gradient boosting over all series may take part in an ensemble.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoostingChoice {
    /// It does not.
    #[default]
    Off,
    /// In panels of at least 10 series and 2,000 rows it is fitted, and counts where the backtest
    /// gains from it.
    Auto,
}
