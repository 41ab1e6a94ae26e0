//! Fast answers for many rows.

use rayon::prelude::*;

use super::binned::{Binned, Lane, ceiling};
use super::node::{CategorySet, Test, Tree};
use super::table::{MISSING_BIN, level};
use crate::model::PredictError;

/// Rows that one task answers for; all trees see them while they are in the cache.
const BLOCK: usize = 256;

/// Trees with their nodes packed closely, which answer with the sum of their leaves.
#[derive(Clone, Debug)]
pub struct Scorer {
    width: usize,
    roots: Vec<usize>,
    nodes: Vec<Packed>,
    values: Vec<f64>,
    sets: Vec<CategorySet>,
}

/// A node. The left child of 0 marks a leaf.
#[derive(Clone, Copy, Debug, Default)]
struct Packed {
    /// Values below this go left; for categories the place of their set.
    border: Border,
    column: u16,
    missing_left: bool,
    left: u32,
}

#[derive(Clone, Copy, Debug)]
enum Border {
    Below(f32),
    Set(u32),
}

impl Default for Border {
    fn default() -> Self {
        Self::Below(0.0)
    }
}

impl Scorer {
    /// Packs some trees over tables of `width` columns, at least one.
    pub fn of(trees: &[Tree], width: usize) -> Self {
        let width = width.max(1);
        let mut scorer = Self { width, roots: vec![], nodes: vec![], values: vec![], sets: vec![] };
        trees.iter().for_each(|tree| scorer.push(tree));
        scorer
    }

    /// For each row of row-major `values` the sum of the leaves that it reaches.
    ///
    /// # Errors
    /// When `values` are not whole rows of the width that the trees were grown on.
    pub fn sums(&self, values: &[f32]) -> Result<Vec<f64>, PredictError> {
        if !values.len().is_multiple_of(self.width) {
            return Err(PredictError::Columns {
                expected: self.width,
                found: values.len() % self.width,
                detail: "the last row is not whole".to_owned(),
            });
        }
        let mut sums = vec![0.0; values.len() / self.width];
        let rows = values.par_chunks(BLOCK * self.width);
        rows.zip(sums.par_chunks_mut(BLOCK)).for_each(|(rows, sums)| {
            for root in &self.roots {
                for (row, sum) in rows.chunks_exact(self.width).zip(sums.iter_mut()) {
                    *sum += self.value(*root, row);
                }
            }
        });
        Ok(sums)
    }

    fn push(&mut self, tree: &Tree) {
        let root = self.nodes.len();
        self.roots.push(root);
        for node in tree.nodes() {
            self.values.push(node.value);
            let Some(split) = &node.split else {
                self.nodes.push(Packed::default());
                continue;
            };
            let border = match &split.test {
                Test::Below(border) => Border::Below(ceiling(*border)),
                Test::Among(set) => {
                    self.sets.push(**set);
                    Border::Set(self.sets.len() as u32 - 1)
                }
            };
            let left = (root + split.left) as u32;
            let (column, missing_left) = (split.column as u16, split.missing_left);
            self.nodes.push(Packed { border, column, missing_left, left });
        }
    }

    #[inline]
    fn value(&self, root: usize, row: &[f32]) -> f64 {
        let mut at = root;
        while let Some(node) = self.nodes.get(at).filter(|node| node.left != 0) {
            let value = row.get(usize::from(node.column)).copied().unwrap_or(f32::NAN);
            let left = match node.border {
                _ if value.is_nan() => node.missing_left,
                Border::Below(border) => value < border,
                Border::Set(set) => self.set(set, value).unwrap_or(node.missing_left),
            };
            at = node.left as usize + usize::from(!left);
        }
        self.values.get(at).copied().unwrap_or(0.0)
    }

    fn set(&self, set: u32, value: f32) -> Option<bool> {
        let set = self.sets.get(set as usize)?;
        level(value).map(|code| set.has(code))
    }
}

/// A tree that answers for the training rows by their codes.
pub(super) struct CodedTree<'a> {
    nodes: Vec<Option<Coded<'a>>>,
}

struct Coded<'a> {
    lane: Lane<'a>,
    goes_left: CategorySet,
    left: usize,
}

impl<'a> CodedTree<'a> {
    pub(super) fn of(tree: &Tree, binned: &'a Binned) -> Self {
        let coded = |split: &super::node::Split| {
            let mut goes_left = CategorySet::default();
            match &split.test {
                Test::Below(border) => {
                    let borders = binned.borders(split.column);
                    let last = borders.partition_point(|b| b < border);
                    let codes = (0..MISSING_BIN).take(last + 1);
                    codes.for_each(|code| goes_left.insert(code));
                }
                Test::Among(set) => {
                    set.codes()
                        .filter(|code| *code < MISSING_BIN)
                        .for_each(|c| goes_left.insert(c));
                }
            }
            if split.missing_left {
                goes_left.insert(MISSING_BIN);
            }
            Coded { lane: binned.lane(split.column), goes_left, left: split.left }
        };
        Self { nodes: tree.nodes().iter().map(|node| node.split.as_ref().map(coded)).collect() }
    }

    /// The leaf that a training row reaches.
    pub(super) fn leaf(&self, row: usize) -> usize {
        let mut at = 0;
        while let Some(Some(node)) = self.nodes.get(at) {
            let code = node.lane.code(row).unwrap_or(MISSING_BIN);
            at = node.left + usize::from(!node.goes_left.has(code));
        }
        at
    }
}
