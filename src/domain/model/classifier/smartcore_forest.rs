//! The adapter of smartcore's random forest.
//!
//! What the library does and this file makes harmless: its classifier only votes, so a forest of
//! regression trees on 0 and 1 is asked, whose means are probabilities; a fit cannot be cancelled
//! and uses one thread, so trees are asked for one by one; its stored form does not survive its
//! releases, so the trees are taken over into ours.

use std::fmt::Display;

use rayon::prelude::*;
use serde::Deserialize;
use smartcore::ensemble::random_forest_regressor::{
    RandomForestRegressor, RandomForestRegressorParameters,
};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::model::trees::forest::Forest;
use crate::model::trees::{Node, Split, Test, Tree};
use crate::model::{FitError, FitRun};

const NAME: &str = "smartcore-forest";

/// How the forest is grown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) trees: usize,
    pub(super) max_depth: usize,
    pub(super) min_leaf: usize,
}

type Grown = RandomForestRegressor<f32, f64, DenseMatrix<f32>, Vec<f64>>;

/// What the library writes of a forest.
#[derive(Deserialize)]
struct StoredForest {
    forest_regressor: StoredTrees,
}

#[derive(Deserialize)]
struct StoredTrees {
    trees: Vec<StoredTree>,
}

#[derive(Deserialize)]
struct StoredTree {
    nodes: Vec<StoredNode>,
}

#[derive(Deserialize)]
struct StoredNode {
    output: f64,
    split_feature: usize,
    split_value: Option<f64>,
    split_score: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

/// Grows a forest on row-major `values`, all finite.
pub(super) fn fit(
    values: &[f32],
    width: usize,
    target: &[bool],
    limits: Limits,
    run: &FitRun<'_>,
) -> Result<Forest, FitError> {
    let matrix = DenseMatrix::new(target.len(), width, values.to_vec(), false).map_err(refused)?;
    let outcomes: Vec<f64> = target.iter().map(|event| f64::from(u8::from(*event))).collect();
    let grow = |number: usize| {
        run.check()?;
        let parameters = RandomForestRegressorParameters {
            max_depth: u16::try_from(limits.max_depth).ok(),
            min_samples_leaf: limits.min_leaf,
            min_samples_split: 2 * limits.min_leaf,
            n_trees: 1,
            m: Some((width as f64).sqrt().round().max(1.0) as usize),
            keep_samples: false,
            seed: run.seed.wrapping_add(number as u64),
        };
        let grown = Grown::fit(&matrix, &outcomes, parameters).map_err(refused)?;
        take_over(&grown, values, width)
    };
    let trees = (0..limits.trees).into_par_iter().map(grow).collect::<Result<_, FitError>>()?;
    Ok(Forest { width, trees })
}

/// The library's one tree in our form; the rows of its nodes are counted here.
fn take_over(grown: &Grown, values: &[f32], width: usize) -> Result<Tree, FitError> {
    let json = serde_json::to_value(grown).map_err(refused)?;
    let stored: StoredForest = serde_json::from_value(json).map_err(refused)?;
    let stored = stored.forest_regressor.trees.into_iter().next();
    let stored = stored.ok_or_else(|| refused("a forest without a tree"))?.nodes;
    // From the root down, so that siblings stand side by side and unreachable nodes go.
    let mut order = vec![0];
    let mut nodes: Vec<Node> = Vec::with_capacity(stored.len());
    let mut at = 0;
    while let Some(node) = order.get(at).and_then(|index| stored.get(*index)) {
        let split = match (node.true_child, node.false_child, node.split_value) {
            (Some(left), Some(right), Some(value)) => {
                order.extend([left, right]);
                let gain = node.split_score.unwrap_or_default().max(0.0);
                let (column, left) = (node.split_feature, order.len() - 2);
                // The library sends values up to this one to the left, we those below.
                let test = Test::Below(value.next_up());
                Some(Split { column, test, missing_left: true, gain, left })
            }
            _ => None,
        };
        nodes.push(Node { rows: 0, weight: 0.0, value: node.output, split });
        at += 1;
    }
    count(&mut nodes, values, width);
    Tree::new(width, nodes).map_err(refused)
}

fn count(nodes: &mut [Node], values: &[f32], width: usize) {
    for row in values.chunks_exact(width.max(1)) {
        let mut at = 0;
        while let Some(node) = nodes.get_mut(at) {
            node.rows += 1;
            node.weight += 1.0;
            let Some(split) = &node.split else { break };
            let value = row.get(split.column).copied().unwrap_or(f32::NAN);
            at = split.left + usize::from(!split.goes_left(value));
        }
    }
}

fn refused(error: impl Display) -> FitError {
    FitError::Algorithm { algorithm: NAME, message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_taken_over_answer_as_the_library_does() {
        let rows = 600;
        let values: Vec<f32> = (0..rows)
            .flat_map(|row| [(row * 37 % 101) as f32 / 10.0, (row % 7) as f32, (row % 2) as f32])
            .collect();
        let target: Vec<bool> =
            values.chunks(3).map(|row| row[0] + row[1] * row[2] > 6.0).collect();
        let limits = Limits { trees: 1, max_depth: 6, min_leaf: 5 };
        let run = FitRun::quiet(3);
        let forest = fit(&values, 3, &target, limits, &run).unwrap();
        let matrix = DenseMatrix::new(rows, 3, values.clone(), false).unwrap();
        let outcomes: Vec<f64> = target.iter().map(|event| f64::from(u8::from(*event))).collect();
        let parameters = RandomForestRegressorParameters {
            max_depth: Some(6),
            min_samples_leaf: 5,
            min_samples_split: 10,
            n_trees: 1,
            m: Some(2),
            keep_samples: false,
            seed: 3,
        };
        let expected =
            Grown::fit(&matrix, &outcomes, parameters).unwrap().predict(&matrix).unwrap();
        for (row, expected) in values.chunks(3).zip(expected) {
            assert!((forest.predict_row(row) - expected).abs() < 1e-12);
        }
        assert!(forest.trees[0].leaves() > 4);
    }
}
