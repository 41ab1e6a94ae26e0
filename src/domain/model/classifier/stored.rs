//! Models that older programs stored.

use serde::Deserialize;

use super::linear::Linear;
use super::objective::Coefficients;
use super::trees::Trees;
use super::{ClassifierAlgorithm, ClassifierModel, Scorer, Verdict};
use crate::model::preprocessing::Standardizer;
use crate::model::probability::{Scale, bounded_log_odds};
use crate::model::trees::{DamagedTree, Node, Split, Test, Tree};

/// Every form that a model file can have: that of today first, then what format 1 of churn and of
/// propensity had in its place.
#[derive(Deserialize)]
pub(super) struct Stored {
    algorithm: ClassifierAlgorithm,
    #[serde(default)]
    input: Vec<String>,
    #[serde(default)]
    levels: Vec<Vec<String>>,
    #[serde(default)]
    scorer: Option<Scorer>,
    #[serde(default)]
    verdict: Verdict,
    scale: Scale,
    #[serde(default)]
    standardizer: Option<Standardizer>,
    #[serde(default)]
    coefficients: Option<Coefficients>,
    #[serde(default)]
    converged: bool,
    #[serde(default)]
    iterations: u64,
    #[serde(default)]
    tree: Option<CountedTree>,
}

/// Why a stored model cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidModel {
    /// Nothing in it could score a row.
    #[error("expected a scorer, coefficients or a tree, found none")]
    NoScorer,
    /// Its tree is damaged.
    #[error(transparent)]
    Tree(#[from] DamagedTree),
}

/// A tree of numbers of rows and events.
#[derive(Deserialize)]
pub(super) struct CountedTree {
    nodes: Vec<CountedNode>,
}

#[derive(Deserialize)]
struct CountedNode {
    rows: u64,
    events: u64,
    split: Option<CountedSplit>,
}

/// The right child follows the left one.
#[derive(Deserialize)]
struct CountedSplit {
    column: usize,
    threshold: f64,
    gain: f64,
    left: usize,
}

impl TryFrom<Stored> for ClassifierModel {
    type Error = InvalidModel;

    fn try_from(stored: Stored) -> Result<Self, InvalidModel> {
        let Stored { algorithm, mut input, levels, mut verdict, scale, .. } = stored;
        let scorer = match (stored.scorer, stored.standardizer, stored.coefficients, stored.tree) {
            (Some(scorer), ..) => scorer,
            (None, Some(standardizer), Some(coefficients), _) => {
                input = standardizer.input_columns().to_vec();
                verdict.converged = stored.converged;
                verdict.iterations = stored.iterations;
                Scorer::Linear(Linear::without_errors(standardizer, coefficients))
            }
            (None, _, _, Some(tree)) => {
                verdict = Verdict { converged: true, iterations: 1, notes: Vec::new() };
                Scorer::Trees(Trees::single(tree.in_log_odds(input.len())?))
            }
            (None, ..) => return Err(InvalidModel::NoScorer),
        };
        Ok(Self { algorithm, input, levels, scorer, verdict, scale })
    }
}

impl CountedTree {
    /// Every node was thought to hold two rows of the base rate beside its own.
    fn in_log_odds(&self, width: usize) -> Result<Tree, DamagedTree> {
        let base = self.nodes.first().map_or(0.5, |root| root.events as f64 / root.rows as f64);
        let node = |node: &CountedNode| {
            let share = (node.events as f64 + 2.0 * base) / (node.rows as f64 + 2.0);
            let split = node.split.as_ref().map(|split| Split {
                column: split.column,
                test: Test::Below(split.threshold),
                missing_left: true,
                gain: split.gain,
                left: split.left,
            });
            let value = bounded_log_odds(share);
            Node { rows: node.rows, weight: node.rows as f64, value, split }
        };
        Tree::new(width, self.nodes.iter().map(node).collect())
    }
}
