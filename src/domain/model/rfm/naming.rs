//! A name for every cell.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The table that names cells. A name without the version of its table means nothing, because
/// tables change, so the version is stored with every model.
///
/// Version 1, by recency score (down) and the mean of frequency and monetary score (across), on a
/// scale of 1 to 5:
///
/// | R | below 2 | 2 to below 3 | 3 to below 4 | 4 and above |
/// |---|---|---|---|---|
/// | 5 | New Customers | Potential Loyalists | Loyal | Champions |
/// | 4 | Promising | Potential Loyalists | Loyal | Champions |
/// | 3 | About To Sleep | Needing Attention | Needing Attention | Loyal |
/// | 2 | Hibernating | About To Sleep | At Risk | At Risk |
/// | 1 | Lost | Hibernating | At Risk | Can't Lose Them |
///
/// With another number of scores `n`, a score `s` stands at `1 + 4 (s - 1) / (n - 1)` of this
/// scale; recency is rounded, a half upwards.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum RfmNaming {
    /// Version 1.
    #[serde(rename = "1")]
    V1,
}

/// The name of a group of cells.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RfmSegment {
    /// Bought lately, often and much.
    Champions,
    /// Buy regularly and well.
    Loyal,
    /// Bought lately and more than once or twice.
    PotentialLoyalists,
    /// Bought for the first time just now.
    NewCustomers,
    /// Bought lately, little so far.
    Promising,
    /// Middling in everything, and not lately.
    NeedingAttention,
    /// Little, and not for a while.
    AboutToSleep,
    /// Were good customers, and not for long.
    AtRisk,
    /// Were among the best, and have been away longest.
    CantLoseThem,
    /// Bought little, long ago.
    Hibernating,
    /// Bought least, longest ago.
    Lost,
}

impl RfmNaming {
    /// The table that new models get.
    pub const CURRENT: Self = Self::V1;

    /// The segment of a cell: scores of recency, frequency and monetary value, each 1 to
    /// `scores`; scores beyond are taken as the nearest.
    pub fn segment(self, cell: [u8; 3], scores: u8) -> RfmSegment {
        let most = scores.max(2);
        let fives =
            |score: u8| 1.0 + 4.0 * f64::from(score.clamp(1, most) - 1) / f64::from(most - 1);
        let [recency, frequency, monetary] = cell.map(fives);
        let value = f64::midpoint(frequency, monetary);
        match self {
            Self::V1 => version_1(recency, value),
        }
    }
}

fn version_1(recency: f64, value: f64) -> RfmSegment {
    use RfmSegment::*;
    let row = if recency >= 4.5 {
        [NewCustomers, PotentialLoyalists, Loyal, Champions]
    } else if recency >= 3.5 {
        [Promising, PotentialLoyalists, Loyal, Champions]
    } else if recency >= 2.5 {
        [AboutToSleep, NeedingAttention, NeedingAttention, Loyal]
    } else if recency >= 1.5 {
        [Hibernating, AboutToSleep, AtRisk, AtRisk]
    } else {
        [Lost, Hibernating, AtRisk, CantLoseThem]
    };
    let [low, middling, good, best] = row;
    if value < 2.0 {
        low
    } else if value < 3.0 {
        middling
    } else if value < 4.0 {
        good
    } else {
        best
    }
}

impl fmt::Display for RfmNaming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V1 => f.pad("1"),
        }
    }
}

impl RfmSegment {
    /// All of them, the most valuable relation first.
    pub const ALL: [Self; 11] = [
        Self::Champions,
        Self::Loyal,
        Self::PotentialLoyalists,
        Self::NewCustomers,
        Self::Promising,
        Self::NeedingAttention,
        Self::AboutToSleep,
        Self::AtRisk,
        Self::CantLoseThem,
        Self::Hibernating,
        Self::Lost,
    ];

    /// The name in plain English.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Champions => "Champions",
            Self::Loyal => "Loyal",
            Self::PotentialLoyalists => "Potential Loyalists",
            Self::NewCustomers => "New Customers",
            Self::Promising => "Promising",
            Self::NeedingAttention => "Needing Attention",
            Self::AboutToSleep => "About To Sleep",
            Self::AtRisk => "At Risk",
            Self::CantLoseThem => "Can't Lose Them",
            Self::Hibernating => "Hibernating",
            Self::Lost => "Lost",
        }
    }
}

impl fmt::Display for RfmSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
