//! What an answer is made of: Shapley values of trees.
//!
//! A column's share is its mean effect over all orders in which columns can become known, where
//! a column that is not known yet goes both ways, by the weight of the training rows
//! (path-dependent TreeSHAP, Lundberg et al. 2020, algorithm 2). Along a path the leaf's part in
//! the share of column `j` is `v (o_j - z_j)` times the integral over `t` from 0 to 1 of the
//! product of `o_k t + z_k (1 - t)` over the path's other columns `k`, with `z` the share of the
//! weight that goes the path's way and `o` whether the row does. The integrand is a polynomial,
//! so a Gauss-Legendre rule of half as many points as the path has columns is exact, and every
//! node is met once: linear in the size of a tree where algorithm 2 needs the square of its depth.

mod quadrature;
mod walk;

use rayon::prelude::*;

use self::walk::Walk;
use super::boosting::Boosting;
use super::forest::Forest;
use super::node::Tree;
use crate::model::PredictError;

/// Rows that one task explains; a tree stays in the cache while they go through.
const BLOCK: usize = 64;

/// Trees made ready for explaining.
#[derive(Clone, Debug)]
pub struct Explainer {
    width: usize,
    base: f64,
    walks: Vec<Walk>,
}

/// The parts of one answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The mean answer over the training rows, by their weight.
    pub base: f64,
    /// What each column adds; base and columns add up to the answer.
    pub columns: Vec<f64>,
}

impl Explainer {
    /// Explains the share of events that a decision tree answers with.
    pub fn of_tree(tree: &Tree) -> Self {
        Self::new(std::slice::from_ref(tree), tree.width(), 0.0, 1.0)
    }

    /// Explains the probability that a forest answers with.
    pub fn of_forest(forest: &Forest) -> Self {
        let share = 1.0 / (forest.trees.len() as f64).max(1.0);
        Self::new(&forest.trees, forest.width, 0.0, share)
    }

    /// Explains the raw score of a boosted model: log-odds for log-loss.
    pub fn of_boosting(model: &Boosting) -> Self {
        Self::new(&model.trees, model.width, model.initial, 1.0)
    }

    /// The mean answer over the training rows, by their weight.
    pub fn base(&self) -> f64 {
        self.base
    }

    /// The parts of the answer for one row. A column beyond the end of the row is missing.
    pub fn row(&self, row: &[f32]) -> Explanation {
        let mut columns = vec![0.0; self.width];
        let mut scratch = walk::Scratch::default();
        for walk in &self.walks {
            walk.add(row, &mut columns, &mut scratch);
        }
        Explanation { base: self.base, columns }
    }

    /// The parts of the answers for all rows of row-major `values`, in their order.
    ///
    /// # Errors
    /// When `values` are not whole rows of the width that the trees were grown on.
    pub fn rows(&self, values: &[f32]) -> Result<Vec<Explanation>, PredictError> {
        if !values.len().is_multiple_of(self.width) {
            return Err(PredictError::Columns {
                expected: self.width,
                found: values.len() % self.width,
                detail: "the last row is not whole".to_owned(),
            });
        }
        let blank = Explanation { base: self.base, columns: vec![0.0; self.width] };
        let mut parts = vec![blank; values.len() / self.width];
        let blocks = values.par_chunks(BLOCK * self.width).zip(parts.par_chunks_mut(BLOCK));
        blocks.for_each(|(values, parts)| {
            let mut scratch = walk::Scratch::default();
            for walk in &self.walks {
                for (row, part) in values.chunks_exact(self.width).zip(parts.iter_mut()) {
                    walk.add(row, &mut part.columns, &mut scratch);
                }
            }
        });
        Ok(parts)
    }

    fn new(trees: &[Tree], width: usize, initial: f64, factor: f64) -> Self {
        let ready = |tree: &Tree| Walk::of(tree, factor);
        let walks: Vec<Walk> = trees.iter().map(ready).collect();
        let base = initial + walks.iter().map(|walk| walk.base).sum::<f64>();
        Self { width: width.max(1), base, walks }
    }
}
