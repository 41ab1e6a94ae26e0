//! Columns that are known in advance, beside the series of a panel.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// What a column says about a period.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RegressorKind {
    /// Something happens (1), does not (0), or in part: a holiday, a promotion, the share of items
    /// that are promoted.
    Indicator,
    /// A price above zero. It works by its logarithm, so that its effect is an elasticity.
    Price,
}

impl RegressorKind {
    /// The name in recipes and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Indicator => "indicator",
            Self::Price => "price",
        }
    }

    /// What stands for a period that nobody says anything about: nothing happens, the price stays.
    fn unsaid(self, last: Option<f64>) -> f64 {
        match self {
            Self::Indicator => 0.0,
            Self::Price => last.unwrap_or(1.0),
        }
    }

    /// Whether a column of this kind may hold the value.
    pub fn allows(self, value: f64) -> bool {
        match self {
            Self::Indicator => (0.0..=1.0).contains(&value),
            Self::Price => value.is_finite() && value > 0.0,
        }
    }

    /// The values that [`Self::allows`].
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Indicator => "a number from 0 to 1",
            Self::Price => "a price above 0",
        }
    }
}

/// A column.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Regressor {
    /// The name in answers.
    pub name: String,
    /// What its values say.
    pub kind: RegressorKind,
}

impl Regressor {
    /// The values of the column in some periods, of which the first ones are known.
    pub fn over<'a>(
        &self,
        known: &'a [f64],
        periods: Range<usize>,
    ) -> impl Iterator<Item = f64> + use<'a> {
        let unsaid = self.kind.unsaid(known.last().copied());
        periods.map(move |period| known.get(period).copied().unwrap_or(unsaid))
    }
}

/// The values of every column for one series, each from the series' first period on as far as they
/// are known, usually beyond the end of the series. A column without values is one that the series
/// does not have.
pub type KnownValues = Vec<Vec<f64>>;
