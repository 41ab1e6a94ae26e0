//! The tree in words.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::tree::Tree;

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

/// A range of one column: `at_least <= value < below`, open where an end is missing.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Condition {
    /// Name of the column.
    pub column: String,
    /// Lower end, in raw units, included.
    pub at_least: Option<f64>,
    /// Upper end, in raw units, not included.
    pub below: Option<f64>,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = &self.column;
        match (self.at_least, self.below) {
            (Some(low), Some(high)) => write!(f, "{low} <= {column} < {high}"),
            (Some(low), None) => write!(f, "{column} >= {low}"),
            (None, Some(high)) => write!(f, "{column} < {high}"),
            (None, None) => f.write_str(column),
        }
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

/// The leaves from left to right; `columns` names the columns of the feature matrix.
pub(super) fn rules(tree: &Tree, columns: &[String]) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut open = vec![(0, Vec::new())];
    while let Some((index, conditions)) = open.pop() {
        let Some(node) = tree.node(index) else {
            continue;
        };
        let Some(split) = &node.split else {
            rules.push(Rule {
                conditions,
                rows: node.rows,
                events: node.events,
                probability: tree.probability(node),
            });
            continue;
        };
        let column = columns.get(split.column).map_or("", String::as_str);
        let low = narrowed(&conditions, column, None, Some(split.threshold));
        let high = narrowed(&conditions, column, Some(split.threshold), None);
        open.push((split.right, high));
        open.push((split.left, low));
    }
    rules
}

/// The conditions with a further bound. A later bound on a path is always the tighter one.
fn narrowed(
    conditions: &[Condition],
    column: &str,
    at_least: Option<f64>,
    below: Option<f64>,
) -> Vec<Condition> {
    let mut conditions = conditions.to_vec();
    match conditions.iter_mut().find(|found| found.column == column) {
        Some(found) => {
            found.at_least = at_least.or(found.at_least);
            found.below = below.or(found.below);
        }
        None => conditions.push(Condition { column: column.to_owned(), at_least, below }),
    }
    conditions
}
