//! What was done differently for a series, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::member::Member;

/// A departure from the default way, in the answer of each series it happened to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// The series has no value at all, or only zeros: zero is forecast.
    NothingSold,
    /// All values are the same: it is forecast, with an interval of no width.
    Constant,
    /// Zeros before the first sale were taken for "not yet sold".
    NotYetSold {
        /// How many.
        periods: usize,
    },
    /// Too few values for any model but simple exponential smoothing.
    FewValues {
        /// How many there are.
        found: usize,
    },
    /// Less than two complete seasons: none is part of the forecast.
    FewSeasons {
        /// Periods of the season.
        season_length: usize,
    },
    /// Over 30 % zeros: the models for intermittent demand answer.
    Intermittent,
    /// Too short to hold values back: weights come from the other series.
    PooledWeights,
    /// Nothing to weigh by: the dynamic optimised theta model and exponential smoothing (for
    /// intermittent demand all members) answer in equal parts.
    EqualWeights,
    /// With the regressors the backtest went no better, so they have no part in the forecast.
    RegressorsLeftOut,
    /// A member's forecast left the plausible range; the mean of the theta model and the seasonal
    /// naive forecast took its place.
    Implausible {
        /// Which member.
        member: Member,
    },
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingSold => f.write_str("nothing was sold, so zero is forecast"),
            Self::Constant => f.write_str("all values are the same, so it is forecast to go on"),
            Self::NotYetSold { periods } => {
                write!(f, "{periods} zeros before the first sale count as not yet sold")
            }
            Self::FewValues { found } => {
                write!(f, "only {found} values, so simple exponential smoothing answers")
            }
            Self::FewSeasons { season_length } => {
                write!(f, "less than two seasons of {season_length} periods, so none is forecast")
            }
            Self::Intermittent => f.write_str(
                "over 30 % of the values are zero, so models for intermittent demand answer",
            ),
            Self::PooledWeights => {
                f.write_str("too short for a backtest, so weights come from the other series")
            }
            Self::EqualWeights => {
                f.write_str("nothing to weigh members by, so they answer in equal parts")
            }
            Self::RegressorsLeftOut => {
                f.write_str("regressors did not help in the backtest, so they are left out")
            }
            Self::Implausible { member } => write!(
                f,
                "{member} left the plausible range, so theta and seasonal naive answer for it"
            ),
        }
    }
}
