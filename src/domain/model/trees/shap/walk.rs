//! One tree, made ready for explaining, and rows that go through it side by side.
//!
//! Going down, every node gets the product of its path's factors at each point of the rule; going
//! up, every edge hands on the sum of `value times product` over the leaves below. Where a column
//! comes again on a path its earlier factor is taken out. Each lane of a vector is another row: rows
//! take the same steps and differ in which of two factors an edge gives them. Products and sums are
//! rounded one by one, so a row's parts are the same bytes at any number of lanes.
#![expect(
    clippy::indexing_slicing,
    reason = "Tree::new checked the places of nodes and columns; room is made for all of them"
)]

use std::slice;

use pulp::Simd;

use super::super::node::{Split, Test, Tree};
use super::quadrature::Rule;

/// Numbers of points that code is made for. More points than needed do no harm.
const POINTS: [usize; 6] = [2, 4, 6, 8, 16, 32];

/// Least share of the weight that stands for a way nobody went, so that it can be divided by.
const LEAST_SHARE: f64 = 1e-100;

/// A tree with all that does not depend on the row.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// The mean of the leaves by weight.
    pub(super) base: f64,
    points: usize,
    nodes: Vec<Step>,
    /// An [`Edge`] for each node and point: of the edge above the node.
    edges: Vec<Edge>,
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

/// What an edge gives at one point of the rule: to rows that do not go its way, and to those that do.
#[derive(Clone, Copy, Debug)]
struct Edge {
    factor: [f64; 2],
    /// One over the factor.
    inverse: [f64; 2],
    /// What the column gets of a product that has the factor.
    share: [f64; 2],
}

/// Room for one tree.
#[derive(Debug)]
pub(super) struct Scratch<S: Simd> {
    /// Whether a row meets every condition on the path that asks the column of the edge above.
    meets: Vec<S::m64s>,
    /// For each node and point the product of the path, then the sum over the leaves below.
    sums: Vec<S::f64s>,
}

impl<S: Simd> Scratch<S> {
    pub(super) fn new() -> Self {
        Self { meets: Vec::new(), sums: Vec::new() }
    }
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
        let edges = shares.iter().flat_map(|share| edges(&rule, *share)).collect();
        Self { base, points, nodes, edges }
    }

    /// Adds the parts of this tree's answers to those of each column. Columns that the tree asks must
    /// be among `values` and `columns`.
    #[inline(always)]
    pub(super) fn add<S: Simd>(
        &self,
        simd: S,
        values: &[S::f64s],
        columns: &mut [S::f64s],
        scratch: &mut Scratch<S>,
    ) {
        match self.points {
            2 => self.add_at::<S, 2>(simd, values, columns, scratch),
            4 => self.add_at::<S, 4>(simd, values, columns, scratch),
            6 => self.add_at::<S, 6>(simd, values, columns, scratch),
            8 => self.add_at::<S, 8>(simd, values, columns, scratch),
            16 => self.add_at::<S, 16>(simd, values, columns, scratch),
            _ => self.add_at::<S, 32>(simd, values, columns, scratch),
        }
    }

    #[inline(always)]
    fn add_at<S: Simd, const P: usize>(
        &self,
        simd: S,
        values: &[S::f64s],
        columns: &mut [S::f64s],
        scratch: &mut Scratch<S>,
    ) {
        let count = self.nodes.len();
        if scratch.sums.len() < count * P {
            scratch.sums.resize(count * P, simd.splat_f64s(0.0));
        }
        if scratch.meets.len() < count {
            let none = simd.less_than_f64s(simd.splat_f64s(0.0), simd.splat_f64s(0.0));
            scratch.meets.resize(count, none);
        }
        let edges = self.edges.as_chunks::<P>().0;
        let sums = scratch.sums.as_chunks_mut::<P>().0;
        self.descend(simd, values, edges, &mut scratch.meets, sums);
        self.ascend(simd, columns, edges, &scratch.meets, sums);
    }

    /// The products of all paths, and which conditions the rows meet.
    #[inline(always)]
    fn descend<S: Simd, const P: usize>(
        &self,
        simd: S,
        values: &[S::f64s],
        edges: &[[Edge; P]],
        meets: &mut [S::m64s],
        sums: &mut [[S::f64s; P]],
    ) {
        sums[0] = [simd.splat_f64s(1.0); P];
        for (index, step) in self.nodes.iter().enumerate() {
            let Some(split) = &step.split else { continue };
            let left = goes_left(simd, split, values[split.column]);
            let above = sums[index];
            for (child, goes) in [(split.left, left), (split.left + 1, simd.not_m64s(left))] {
                let (edge, product) = (&edges[child], &mut sums[child]);
                match self.nodes[child].earlier {
                    None => {
                        meets[child] = goes;
                        for point in 0..P {
                            let factor = either(simd, goes, edge[point].factor);
                            product[point] = simd.mul_f64s(above[point], factor);
                        }
                    }
                    Some(earlier) => {
                        let (before, earlier) = (meets[earlier], &edges[earlier]);
                        let met = simd.and_m64s(goes, before);
                        meets[child] = met;
                        for point in 0..P {
                            let factor = either(simd, met, edge[point].factor);
                            let inverse = either(simd, before, earlier[point].inverse);
                            let others = simd.mul_f64s(above[point], inverse);
                            product[point] = simd.mul_f64s(others, factor);
                        }
                    }
                }
            }
        }
    }

    /// The shares of all edges, each from the leaves below it.
    #[inline(always)]
    fn ascend<S: Simd, const P: usize>(
        &self,
        simd: S,
        columns: &mut [S::f64s],
        edges: &[[Edge; P]],
        meets: &[S::m64s],
        sums: &mut [[S::f64s; P]],
    ) {
        for (index, step) in self.nodes.iter().enumerate().rev() {
            let Some(split) = &step.split else { continue };
            let mut part = columns[split.column];
            let mut both = [simd.splat_f64s(0.0); P];
            for child in [split.left, split.left + 1] {
                let step = &self.nodes[child];
                let mut sum = sums[child];
                if step.split.is_none() {
                    let value = simd.splat_f64s(step.value);
                    for sum in &mut sum {
                        *sum = simd.mul_f64s(*sum, value);
                    }
                }
                for point in 0..P {
                    let share = either(simd, meets[child], edges[child][point].share);
                    part = simd.add_f64s(part, simd.mul_f64s(share, sum[point]));
                    both[point] = simd.add_f64s(both[point], sum[point]);
                }
                if let Some(earlier) = step.earlier {
                    for point in 0..P {
                        let share = either(simd, meets[earlier], edges[earlier][point].share);
                        part = simd.sub_f64s(part, simd.mul_f64s(share, sum[point]));
                    }
                }
            }
            columns[split.column] = part;
            sums[index] = both;
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

/// What an edge with this share of the weight gives, at each point.
fn edges(rule: &Rule, share: f64) -> impl Iterator<Item = Edge> {
    rule.points.iter().zip(&rule.weights).map(move |(point, weight)| {
        let factor = [0.0, 1.0].map(|goes| goes * point + share * (1.0 - point));
        let inverse = factor.map(|factor| 1.0 / factor);
        let [stays, goes] = inverse;
        Edge { factor, inverse, share: [-weight * share * stays, weight * (1.0 - share) * goes] }
    })
}

/// Which rows go left.
#[inline(always)]
fn goes_left<S: Simd>(simd: S, split: &Split, values: S::f64s) -> S::m64s {
    match &split.test {
        Test::Below(threshold) => {
            let threshold = simd.splat_f64s(*threshold);
            // No number is neither below nor not below, but NaN is.
            match split.missing_left {
                true => simd.not_m64s(simd.greater_than_or_equal_f64s(values, threshold)),
                false => simd.less_than_f64s(values, threshold),
            }
        }
        Test::Among(_) => {
            let mut values = values;
            for value in
                pulp::bytemuck::cast_slice_mut::<S::f64s, f64>(slice::from_mut(&mut values))
            {
                *value = if split.goes_left(*value as f32) { 1.0 } else { 0.0 };
            }
            simd.greater_than_f64s(values, simd.splat_f64s(0.0))
        }
    }
}

/// The first number for rows that do not go an edge's way, the second for those that do.
#[inline(always)]
fn either<S: Simd>(simd: S, goes: S::m64s, [first, second]: [f64; 2]) -> S::f64s {
    simd.select_f64s(goes, simd.splat_f64s(second), simd.splat_f64s(first))
}

fn put<T>(list: &mut [T], at: usize, value: T) {
    if let Some(place) = list.get_mut(at) {
        *place = value;
    }
}
