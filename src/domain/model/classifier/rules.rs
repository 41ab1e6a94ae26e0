//! A tree in words.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::trees::PRIOR_ROWS;
use crate::model::calibration::sigmoid;
use crate::model::trees::{self, Tree};

/// A leaf: who gets there, and how often the event followed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Rule {
    /// What a row must meet, all of it; none for a tree without splits. One entry per column.
    pub conditions: Vec<Condition>,
    /// Training rows in the leaf.
    pub rows: u64,
    /// Training rows in the leaf with the event.
    pub events: u64,
    /// Probability of the event in the leaf, uncalibrated, pulled slightly towards the base rate.
    pub probability: f64,
}

/// A range of one column: `at_least <= value < below`, open where an end is missing; or some of its
/// levels.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Condition {
    /// Name of the column.
    pub column: String,
    /// Lower end, in raw units, included.
    pub at_least: Option<f64>,
    /// Upper end, in raw units, not included.
    pub below: Option<f64>,
    /// The levels of a category that meet it; empty for numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub among: Vec<String>,
    /// Whether a missing value meets it too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub or_missing: bool,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = &self.column;
        match (self.at_least, self.below) {
            (Some(low), Some(high)) => write!(f, "{low} <= {column} < {high}"),
            (Some(low), None) => write!(f, "{column} >= {low}"),
            (None, Some(high)) => write!(f, "{column} < {high}"),
            (None, None) if self.among.is_empty() => f.write_str(column),
            (None, None) => write!(f, "{column} in ({})", self.among.join(", ")),
        }?;
        if self.or_missing { f.write_str(" or missing") } else { Ok(()) }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, condition) in self.conditions.iter().enumerate() {
            let and = if index == 0 { "" } else { " and " };
            write!(f, "{and}{condition}")?;
        }
        if self.conditions.is_empty() {
            f.write_str("always")?;
        }
        let rate = 100.0 * self.probability;
        write!(f, ": {rate:.1} % of {} rows", self.rows)
    }
}

/// The leaves from left to right of a tree whose values are log-odds; `name` tells the name of a
/// column of the tree, its levels, and whether it had missing values.
pub(super) fn rules<'a>(
    tree: &Tree,
    name: &impl Fn(usize) -> Option<(&'a str, &'a [String], bool)>,
) -> Vec<Rule> {
    let base = tree.nodes().first().map_or(0.5, |root| sigmoid(root.value));
    let rule = |rule: trees::Rule| {
        let probability = sigmoid(rule.value);
        let events = probability * (rule.weight + PRIOR_ROWS) - PRIOR_ROWS * base;
        Rule {
            conditions: rule.conditions.iter().filter_map(|one| condition(one, name)).collect(),
            rows: rule.rows,
            events: events.round().max(0.0) as u64,
            probability,
        }
    };
    trees::rules(tree).into_iter().map(rule).collect()
}

fn condition<'a>(
    condition: &trees::Condition,
    name: &impl Fn(usize) -> Option<(&'a str, &'a [String], bool)>,
) -> Option<Condition> {
    let (column, levels, has_missing) = name(condition.column)?;
    let allowed = condition.categories.iter().flat_map(|set| set.codes().collect::<Vec<_>>());
    let among = allowed.filter_map(|code| levels.get(usize::from(code)).cloned());
    Some(Condition {
        column: column.to_owned(),
        at_least: condition.at_least,
        below: condition.below,
        among: among.collect(),
        or_missing: has_missing && condition.missing,
    })
}
