//! One tree, made ready for explaining.
//!
//! Going down, every node gets the product of its path's factors at each point of the rule; going
//! up, every edge hands on the sum of `value times product` over the leaves below. Where a column
//! comes again on a path its earlier factor is taken out.

use super::super::node::{Split, Tree};
use super::quadrature::Rule;

/// Numbers of points that code is made for. More points than needed do no harm.
const POINTS: [usize; 8] = [1, 2, 3, 4, 6, 8, 16, 32];

/// Least share of the weight that stands for a way nobody went, so that it can be divided by.
const LEAST_SHARE: f64 = 1e-100;

/// A tree with all that does not depend on the row.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// The mean of the leaves by weight.
    pub(super) base: f64,
    points: usize,
    nodes: Vec<Step>,
    /// Six numbers for each node and point, by kind and then by point: factor, its inverse, and
    /// share of the edge above if the row does not go its way, then the same three if it does.
    factors: Vec<f64>,
}

/// A node and the edge above it.
#[derive(Clone, Debug)]
struct Step {
    /// The column that the parent asks.
    column: usize,
    parent: usize,
    /// The nearest node above whose edge asks the same column.
    earlier: Option<usize>,
    split: Option<Split>,
    value: f64,
}

/// Room for the products and sums of one row.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Whether the row meets every condition on the path that asks the column of the edge above.
    meets: Vec<bool>,
    products: Vec<f64>,
    sums: Vec<f64>,
}

impl Walk {
    pub(super) fn of(tree: &Tree, factor: f64) -> Self {
        let mut nodes: Vec<Step> = tree.nodes().iter().map(|node| Step::of(node, factor)).collect();
        let mut shares = vec![1.0; nodes.len()];
        let mut reach = vec![1.0; nodes.len()];
        let mut distinct = vec![0usize; nodes.len()];
        for (index, node) in tree.nodes().iter().enumerate() {
            let Some(split) = &node.split else { continue };
            let earlier = edge_above(&nodes, index, split.column);
            let before = earlier.and_then(|edge| shares.get(edge)).copied().unwrap_or(1.0);
            let above = distinct.get(index).copied().unwrap_or(0) + usize::from(earlier.is_none());
            let reached = reach.get(index).copied().unwrap_or(1.0);
            for child in [split.left, split.left + 1] {
                let weight = tree.nodes().get(child).map_or(0.0, |child| child.weight);
                let share = if node.weight > 0.0 { weight / node.weight } else { 0.5 };
                put(&mut shares, child, (before * share).max(LEAST_SHARE));
                put(&mut reach, child, reached * share);
                put(&mut distinct, child, above);
                if let Some(step) = nodes.get_mut(child) {
                    (step.column, step.parent, step.earlier) = (split.column, index, earlier);
                }
            }
        }
        let leaves = nodes.iter().zip(&reach).filter(|(step, _)| step.split.is_none());
        let base = leaves.map(|(step, reach)| step.value * reach).sum();
        let needed = distinct.into_iter().max().unwrap_or(0).div_ceil(2);
        let points = POINTS.into_iter().find(|points| *points >= needed).unwrap_or(32);
        let rule = Rule::of(points);
        let factors = shares.iter().flat_map(|share| factors(&rule, *share)).collect();
        Self { base, points, nodes, factors }
    }

    /// Adds the parts of this tree's answer for a row to those of its columns.
    pub(super) fn add(&self, row: &[f32], columns: &mut [f64], scratch: &mut Scratch) {
        match self.points {
            1 => self.add_at::<1>(row, columns, scratch),
            2 => self.add_at::<2>(row, columns, scratch),
            3 => self.add_at::<3>(row, columns, scratch),
            4 => self.add_at::<4>(row, columns, scratch),
            6 => self.add_at::<6>(row, columns, scratch),
            8 => self.add_at::<8>(row, columns, scratch),
            16 => self.add_at::<16>(row, columns, scratch),
            _ => self.add_at::<32>(row, columns, scratch),
        }
    }

    fn add_at<const P: usize>(&self, row: &[f32], columns: &mut [f64], scratch: &mut Scratch) {
        let count = self.nodes.len();
        scratch.meets.clear();
        scratch.meets.resize(count, true);
        scratch.products.resize(count * P, 1.0);
        scratch.sums.clear();
        scratch.sums.resize(count * P, 0.0);
        let factors = self.factors.as_chunks::<P>().0.as_chunks::<6>().0;
        let products = scratch.products.as_chunks_mut::<P>().0;
        let sums = scratch.sums.as_chunks_mut::<P>().0;
        self.descend(row, factors, products, &mut scratch.meets);
        for (index, step) in self.nodes.iter().enumerate().skip(1).rev() {
            let mut sum = sums.get(index).copied().unwrap_or([0.0; P]);
            if step.split.is_none() {
                let product = products.get(index).copied().unwrap_or([0.0; P]);
                sum = product.map(|product| step.value * product);
            }
            let mut part = dot(edge(factors, &scratch.meets, index).2, &sum);
            if let Some(earlier) = step.earlier {
                part -= dot(edge(factors, &scratch.meets, earlier).2, &sum);
            }
            if let Some(column) = columns.get_mut(step.column) {
                *column += part;
            }
            if let Some(parent) = sums.get_mut(step.parent) {
                parent.iter_mut().zip(sum).for_each(|(parent, sum)| *parent += sum);
            }
        }
    }

    /// The products of all paths, and which conditions the row meets.
    fn descend<const P: usize>(
        &self,
        row: &[f32],
        factors: &[[[f64; P]; 6]],
        products: &mut [[f64; P]],
        meets: &mut [bool],
    ) {
        products.iter_mut().take(1).for_each(|root| *root = [1.0; P]);
        for (index, step) in self.nodes.iter().enumerate() {
            let Some(split) = &step.split else { continue };
            let value = row.get(split.column).copied().unwrap_or(f32::NAN);
            let left = split.goes_left(value);
            let above = products.get(index).copied().unwrap_or([1.0; P]);
            for (child, goes) in [(split.left, left), (split.left + 1, !left)] {
                let earlier = self.nodes.get(child).and_then(|child| child.earlier);
                let met = earlier.is_none_or(|edge| meets.get(edge).copied().unwrap_or(true));
                put(meets, child, goes && met);
                let mut product = above;
                let (factor, _, _) = edge(factors, meets, child);
                product.iter_mut().zip(factor).for_each(|(product, factor)| *product *= factor);
                if let Some(earlier) = earlier {
                    let (_, inverse, _) = edge(factors, meets, earlier);
                    product.iter_mut().zip(inverse).for_each(|(product, by)| *product *= by);
                }
                if let Some(place) = products.get_mut(child) {
                    *place = product;
                }
            }
        }
    }
}

impl Step {
    fn of(node: &super::super::node::Node, factor: f64) -> Self {
        let (split, value) = (node.split.clone(), factor * node.value);
        Self { column: 0, parent: 0, earlier: None, split, value }
    }
}

/// The nearest node from `index` up whose edge asks `column`.
fn edge_above(nodes: &[Step], index: usize, column: usize) -> Option<usize> {
    let mut at = index;
    while at != 0 {
        let step = nodes.get(at)?;
        if step.column == column {
            return Some(at);
        }
        at = step.parent;
    }
    None
}

/// Factor, inverse and share for a row that does not go the way of an edge, and for one that does.
fn factors(rule: &Rule, share: f64) -> Vec<f64> {
    let mut all = Vec::with_capacity(6 * rule.points.len());
    for goes in [0.0, 1.0] {
        let factor = |point: &f64| goes * point + share * (1.0 - point);
        all.extend(rule.points.iter().map(factor));
        all.extend(rule.points.iter().map(|point| 1.0 / factor(point)));
        let points = rule.points.iter().zip(&rule.weights);
        all.extend(points.map(|(point, weight)| weight * (goes - share) / factor(point)));
    }
    all
}

/// The three kinds of factors of the edge above a node.
#[inline]
fn edge<'a, const P: usize>(
    factors: &'a [[[f64; P]; 6]],
    meets: &[bool],
    node: usize,
) -> (&'a [f64; P], &'a [f64; P], &'a [f64; P]) {
    let zero = const { &[[0.0; P]; 6] };
    let [a, b, c, d, e, f] = factors.get(node).unwrap_or(zero);
    if meets.get(node).copied().unwrap_or(true) { (d, e, f) } else { (a, b, c) }
}

fn dot<const P: usize>(a: &[f64; P], b: &[f64; P]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn put<T>(list: &mut [T], at: usize, value: T) {
    if let Some(place) = list.get_mut(at) {
        *place = value;
    }
}
