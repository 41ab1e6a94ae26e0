//! The stored tree: counts in every node, thresholds in raw units.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::probability::bounded_log_odds;

/// A binary tree in one list, parents before children, the root first.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

/// Training rows that reach a place in the tree, and how they part there.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Node {
    pub(super) rows: u64,
    pub(super) events: u64,
    pub(super) split: Option<Split>,
}

/// Rows whose value lies below the threshold go left.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Split {
    /// Where the column stands in the feature matrix.
    pub(super) column: usize,
    /// In raw units, strictly between two values of the training rows.
    pub(super) threshold: f64,
    /// Decrease of the balanced Gini impurity.
    pub(super) gain: f64,
    pub(super) left: usize,
    pub(super) right: usize,
}

impl Tree {
    /// Rows of the base rate that every node is thought to hold beside its own (m-estimate,
    /// Cestnik 1990). It keeps pure leaves off 0 and 1 and leaves the root exactly at the base rate.
    const PRIOR_ROWS: f64 = 2.0;

    pub(super) fn new(nodes: Vec<Node>) -> Self {
        Self { nodes }
    }

    pub(super) fn root(&self) -> Option<&Node> {
        self.nodes.first()
    }

    pub(super) fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)
    }

    pub(super) fn leaves(&self) -> usize {
        let leaves = self.nodes.iter().filter(|node| node.split.is_none());
        leaves.count()
    }

    pub(super) fn depth(&self) -> usize {
        let mut depths = vec![0; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            let depth = depths.get(index).copied().unwrap_or(0);
            for child in node.split.iter().flat_map(|split| [split.left, split.right]) {
                if let Some(place) = depths.get_mut(child) {
                    *place = depth + 1;
                }
            }
        }
        depths.into_iter().max().unwrap_or(0)
    }

    /// Share of events in a node, pulled towards the base rate by [`Tree::PRIOR_ROWS`].
    pub(super) fn probability(&self, node: &Node) -> f64 {
        let base = self.root().map_or(0.5, Node::rate);
        (node.events as f64 + Self::PRIOR_ROWS * base) / (node.rows as f64 + Self::PRIOR_ROWS)
    }

    /// Log-odds of the event over all training rows.
    pub(super) fn base_score(&self) -> f64 {
        self.root().map_or(0.0, |root| self.log_odds(root))
    }

    /// Log-odds of the event in the leaf that a row of the feature matrix reaches.
    pub(super) fn score(&self, row: &[f32]) -> f64 {
        let leaf = self.path(row).last();
        leaf.map_or(0.0, |leaf| self.log_odds(leaf))
    }

    /// Change of the log-odds along a row's path, by column of the feature matrix.
    pub(super) fn contributions(&self, row: &[f32]) -> BTreeMap<usize, f64> {
        let mut changes = BTreeMap::new();
        let nodes: Vec<&Node> = self.path(row).collect();
        for pair in nodes.windows(2) {
            if let [node, child] = pair
                && let Some(split) = &node.split
            {
                let change = self.log_odds(child) - self.log_odds(node);
                *changes.entry(split.column).or_insert(0.0) += change;
            }
        }
        changes
    }

    /// Impurity decreases times rows, by column of the feature matrix.
    pub(super) fn gains(&self) -> BTreeMap<usize, f64> {
        let mut gains = BTreeMap::new();
        for node in &self.nodes {
            if let Some(split) = &node.split {
                *gains.entry(split.column).or_insert(0.0) += split.gain * node.rows as f64;
            }
        }
        gains
    }

    fn log_odds(&self, node: &Node) -> f64 {
        bounded_log_odds(self.probability(node))
    }

    /// The nodes from the root to a row's leaf. A column beyond the end of the row ends the path.
    fn path<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = &'a Node> + 'a {
        std::iter::successors(self.root(), move |node| {
            let split = node.split.as_ref()?;
            let value = f64::from(*row.get(split.column)?);
            let below = value < split.threshold;
            self.nodes.get(if below { split.left } else { split.right })
        })
    }
}

impl Node {
    fn rate(&self) -> f64 {
        self.events as f64 / (self.rows as f64).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(rows: u64, events: u64, split: Option<(usize, f64, usize, usize)>) -> Node {
        let split = split.map(|(column, threshold, left, right)| Split {
            column,
            threshold,
            gain: 0.1,
            left,
            right,
        });
        Node { rows, events, split }
    }

    fn tree() -> Tree {
        Tree::new(vec![
            node(100, 20, Some((1, 5.0, 1, 2))),
            node(60, 0, None),
            node(40, 20, Some((0, 0.5, 3, 4))),
            node(10, 10, None),
            node(30, 10, None),
        ])
    }

    #[test]
    fn a_value_equal_to_the_threshold_goes_right() {
        let tree = tree();
        assert_eq!(tree.score(&[0.0, 4.9]), tree.score(&[1.0, -9.0]));
        assert!(tree.score(&[0.0, 5.0]) > tree.score(&[0.5, 5.0]));
        assert_eq!((tree.leaves(), tree.depth()), (3, 2));
    }

    #[test]
    fn root_is_the_base_rate_and_pure_leaves_stay_off_the_ends() {
        let tree = tree();
        assert!((tree.base_score() - (0.2f64 / 0.8).ln()).abs() < 1e-12);
        assert_eq!(tree.probability(&tree.nodes[1]), 0.4 / 62.0);
        assert_eq!(tree.probability(&tree.nodes[3]), 10.4 / 12.0);
    }

    #[test]
    fn contributions_add_up_to_the_leaf() {
        let tree = tree();
        for row in [[0.0, 0.0], [0.0, 9.0], [1.0, 9.0]] {
            let sum: f64 = tree.contributions(&row).values().sum();
            assert!((tree.base_score() + sum - tree.score(&row)).abs() < 1e-12);
        }
    }
}
