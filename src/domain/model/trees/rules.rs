//! A tree in conditions that can be read.

use serde::{Deserialize, Serialize};

use super::node::{CategorySet, Split, Test, Tree};

/// A leaf: who gets there, and what it is given.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Rule {
    /// The index of the leaf among the tree's nodes.
    pub leaf: usize,
    /// What a row must meet, all of it; none for a tree without splits. One entry per column, in
    /// the order in which the tree asks.
    pub conditions: Vec<Condition>,
    /// Training rows in the leaf.
    pub rows: u64,
    /// Their weight.
    pub weight: f64,
    /// The value of the leaf.
    pub value: f64,
}

/// What a column must be: within the interval or the set, or missing where that is allowed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Condition {
    /// The column.
    pub column: usize,
    /// Lower end, included.
    pub at_least: Option<f64>,
    /// Upper end, not included. With `at_least` at `f64::MAX` only missing values remain.
    pub below: Option<f64>,
    /// The categories that are allowed; none: the column holds no categories.
    pub categories: Option<CategorySet>,
    /// Whether a missing value meets the condition.
    pub missing: bool,
}

/// The leaves of a tree from left to right.
pub fn rules(tree: &Tree) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut open = vec![(0, Vec::new())];
    while let Some((leaf, conditions)) = open.pop() {
        let Some(node) = tree.nodes().get(leaf) else { continue };
        let Some(split) = &node.split else {
            let (rows, weight, value) = (node.rows, node.weight, node.value);
            rules.push(Rule { leaf, conditions, rows, weight, value });
            continue;
        };
        open.push((split.left + 1, narrowed(&conditions, split, false)));
        open.push((split.left, narrowed(&conditions, split, true)));
    }
    rules
}

impl Condition {
    /// Whether a value meets the condition.
    pub fn holds(&self, value: f32) -> bool {
        if value.is_nan() {
            return self.missing;
        }
        if let Some(categories) = self.categories {
            return super::table::level(value).map_or(self.missing, |code| categories.has(code));
        }
        let value = f64::from(value);
        self.at_least.is_none_or(|low| low <= value) && self.below.is_none_or(|high| value < high)
    }
}

/// The conditions with the way to a child added. A later bound on a path is the tighter one.
fn narrowed(conditions: &[Condition], split: &Split, left: bool) -> Vec<Condition> {
    let mut conditions = conditions.to_vec();
    let column = split.column;
    if !conditions.iter().any(|condition| condition.column == column) {
        let categories = match split.test {
            Test::Below(_) => None,
            Test::Among(_) => Some(CategorySet([u64::MAX, u64::MAX, u64::MAX, u64::MAX >> 1])),
        };
        let missing = true;
        conditions.push(Condition { column, at_least: None, below: None, categories, missing });
    }
    for condition in conditions.iter_mut().filter(|condition| condition.column == column) {
        condition.missing &= split.missing_left == left;
        match &split.test {
            Test::Below(f64::MAX) if left => {}
            Test::Below(border) if left => condition.below = Some(*border),
            Test::Below(border) => condition.at_least = Some(*border),
            Test::Among(set) => {
                let words = condition.categories.iter_mut().flat_map(|held| &mut held.0);
                words.zip(set.0).for_each(|(word, set)| *word &= if left { set } else { !set });
            }
        }
    }
    conditions
}
