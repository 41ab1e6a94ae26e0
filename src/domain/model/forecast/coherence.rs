//! Forecasts whose parts add up to the total.

use serde::{Deserialize, Serialize};

use crate::dataset::{SeriesKey, TOTAL};
use crate::model::forecasting::{Constraint, Hierarchy, NodeErrors};

/// How forecasts of groups and of the total are made to agree.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coherence {
    /// The total is the sum of the first grouping of the recipe; other groupings share what they
    /// are off by.
    #[default]
    BottomUp,
    /// All are moved as little as their past errors allow: minimum trace reconciliation.
    MinTrace,
    /// Every series for itself.
    None,
}

/// The groupings of which each covers all of the total, in the order of the recipe; empty when
/// there is nothing to make agree.
pub(super) fn constraints<'a>(
    keys: impl Iterator<Item = &'a SeriesKey> + Clone,
    groups: &[String],
) -> Vec<Constraint> {
    let positions = || keys.clone().enumerate();
    let Some((total, _)) = positions().find(|(_, key)| **key == SeriesKey::total()) else {
        return Vec::new();
    };
    let parts = |group: &String| {
        let own = positions().filter(|(_, key)| key.group == *group && key.group != TOTAL);
        own.map(|(position, _)| position).collect::<Vec<usize>>()
    };
    let groupings = groups.iter().map(parts).filter(|parts| !parts.is_empty());
    groupings.map(|parts| Constraint { total, parts }).collect()
}

impl Coherence {
    /// Expected values that add up; the base as it is where nothing has to.
    pub(super) fn reconcile(
        self,
        base: Vec<Vec<f64>>,
        constraints: Vec<Constraint>,
        errors: impl FnOnce() -> Vec<NodeErrors>,
        non_negative: bool,
    ) -> Vec<Vec<f64>> {
        // All indices come from the same list of series, so nothing can be refused.
        let Ok(hierarchy) = Hierarchy::new(base.len(), constraints) else {
            return base;
        };
        let reconciled = match self {
            Self::None => Ok(base),
            Self::BottomUp => hierarchy.bottom_up(base),
            Self::MinTrace => hierarchy.min_trace(base, &errors(), non_negative),
        };
        reconciled.unwrap_or_default()
    }
}
