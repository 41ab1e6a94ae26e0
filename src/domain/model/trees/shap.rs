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

use pulp::{Arch, Simd, WithSimd};

use self::walk::{Scratch, Walk};
use super::boosting::Boosting;
use super::forest::Forest;
use super::node::Tree;

/// Rows for which a tree stays in the cache.
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
        let blank = || Explanation { base: self.base, columns: Vec::new() };
        self.rows(&[row]).pop().unwrap_or_else(blank)
    }

    /// The parts of the answers for rows, in their order; each as [`Explainer::row`] gives it.
    pub fn rows<R: AsRef<[f32]>>(&self, rows: &[R]) -> Vec<Explanation> {
        let parts = rows.chunks(BLOCK).flat_map(|rows| {
            let rows = rows.iter().map(AsRef::as_ref).collect();
            Arch::new().dispatch(Pass { explainer: self, rows })
        });
        parts.map(|columns| Explanation { base: self.base, columns }).collect()
    }

    fn new(trees: &[Tree], width: usize, initial: f64, factor: f64) -> Self {
        let ready = |tree: &Tree| Walk::of(tree, factor);
        let walks: Vec<Walk> = trees.iter().map(ready).collect();
        let base = initial + walks.iter().map(|walk| walk.base).sum::<f64>();
        Self { width: width.max(1), base, walks }
    }
}

/// Rows on their way through all trees: as many side by side as a vector has lanes.
struct Pass<'a> {
    explainer: &'a Explainer,
    rows: Vec<&'a [f32]>,
}

impl WithSimd for Pass<'_> {
    /// What each column adds, row by row.
    type Output = Vec<Vec<f64>>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<Vec<f64>> {
        let Explainer { width, walks, .. } = self.explainer;
        let groups = self.rows.len().div_ceil(S::F64_LANES);
        let mut values = vec![f64::NAN; groups * width * S::F64_LANES];
        let mut parts = vec![0.0; values.len()];
        // Group by group, column by column, lane by lane.
        let lane = |row: usize| {
            (row / S::F64_LANES * width * S::F64_LANES + row % S::F64_LANES, S::F64_LANES)
        };
        for (index, row) in self.rows.iter().enumerate() {
            let (start, step) = lane(index);
            let places = values.iter_mut().skip(start).step_by(step).take(*width);
            places.zip(*row).for_each(|(place, value)| *place = f64::from(*value));
        }
        let mut scratch = Scratch::<S>::new();
        for walk in walks {
            let values = S::as_simd_f64s(&values).0.chunks_exact(*width);
            let parts = S::as_mut_simd_f64s(&mut parts).0.chunks_exact_mut(*width);
            for (values, parts) in values.zip(parts) {
                walk.add(simd, values, parts, &mut scratch);
            }
        }
        let of_row = |index| {
            let (start, step) = lane(index);
            parts.iter().skip(start).step_by(step).take(*width).copied().collect()
        };
        (0..self.rows.len()).map(of_row).collect()
    }
}
