//! Models that older programs stored.

use serde::Deserialize;

use super::linear::Linear;
use super::objective::Coefficients;
use super::trees::Trees;
use super::{ClassifierAlgorithm, ClassifierModel, Scorer, Verdict};
use crate::model::preprocessing::Standardizer;
use crate::model::probability::{Scale, bounded_log_odds};
use crate::model::trees::{DamagedTree, Node, Split, Test, Tree};

/// Every form that a model file can have.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Stored {
    Current {
        algorithm: ClassifierAlgorithm,
        input: Vec<String>,
        levels: Vec<Vec<String>>,
        scorer: Scorer,
        verdict: Verdict,
        scale: Scale,
    },
    /// Format 1 of churn.
    Logistic {
        standardizer: Standardizer,
        coefficients: Coefficients,
        converged: bool,
        iterations: u64,
        scale: Scale,
    },
    /// Format 1 of propensity.
    Tree { input: Vec<String>, tree: CountedTree, scale: Scale },
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
    type Error = DamagedTree;

    fn try_from(stored: Stored) -> Result<Self, DamagedTree> {
        Ok(match stored {
            Stored::Current { algorithm, input, levels, scorer, verdict, scale } => {
                Self { algorithm, input, levels, scorer, verdict, scale }
            }
            Stored::Logistic { standardizer, coefficients, converged, iterations, scale } => Self {
                algorithm: ClassifierAlgorithm::LinfaLogistic,
                input: standardizer.input_columns().to_vec(),
                levels: Vec::new(),
                scorer: Scorer::Linear(Linear::without_errors(standardizer, coefficients)),
                verdict: Verdict { converged, iterations, notes: Vec::new() },
                scale,
            },
            Stored::Tree { input, tree, scale } => Self {
                algorithm: ClassifierAlgorithm::LinfaTree,
                levels: Vec::new(),
                scorer: Scorer::Trees(Trees::single(tree.in_log_odds(input.len())?)),
                verdict: Verdict { converged: true, iterations: 1, notes: Vec::new() },
                input,
                scale,
            },
        })
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
