//! Growing a tree.
//!
//! The smaller child of a split is counted, the larger one is what is left of its parent, unless
//! that is small itself. Without
//! a limit on leaves the newest node is split first, which keeps few histograms; with a limit the
//! node that gains most is split first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use rand::seq::index::sample;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::histogram::{BINS, Histogram, Source};
use super::node::{Node, Split, Test, Tree};
use super::partition::{Sides, part};
use super::quantized::{Quantized, Sums, Tally as _};
use super::split::{Bounds, Criterion, Growth, Left, Plan, Search};
use super::table::MISSING_BIN;
use crate::model::FitError;

/// Grows one tree.
pub(super) struct Grower<'a, C, Q> {
    pub(super) source: Source<'a, Q>,
    pub(super) growth: &'a Growth,
    pub(super) criterion: C,
    /// The columns that splits may ask, rising.
    pub(super) columns: Vec<usize>,
    /// How many of them each node draws; none: all.
    pub(super) drawn: Option<Draw>,
}

/// Columns drawn anew for every node.
pub(super) struct Draw {
    pub(super) columns: usize,
    pub(super) random: Xoshiro256PlusPlus,
}

/// Rows to grow a tree on, and room for half of them.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) rows: Vec<u32>,
    pub(super) spare: Vec<u32>,
}

/// A grown tree and where its rows went.
pub(super) struct Grown {
    pub(super) tree: Tree,
    /// The training rows, leaf by leaf.
    pub(super) lists: Lists,
    /// For each node the part of the rows that reaches it.
    pub(super) ranges: Vec<Range<usize>>,
}

/// Most nodes that room is made for before any is there.
const MOST_ROOM: usize = 1_024;

/// A node before anyone looked for its split.
struct Place {
    node: usize,
    depth: usize,
    range: Range<usize>,
    sums: Sums,
    bounds: Bounds,
}

/// A node that will be split, unless the leaves run out.
struct Open<T> {
    place: Place,
    plan: Plan,
    /// None where its children are counted anew.
    histogram: Option<Histogram<T>>,
    priority: f64,
}

/// Rows of a node from which its histogram is kept for its larger child. Fewer are counted again,
/// which takes no longer, and the nodes that wait to be split need less room.
const KEPT_ROWS: usize = 512;

/// Everything that changes while the tree grows.
struct Growing {
    nodes: Vec<Node>,
    lists: Lists,
    ranges: Vec<Range<usize>>,
}

impl<C: Criterion, Q: Quantized> Grower<'_, C, Q> {
    /// Grows a tree on some rows.
    pub(super) fn grow(mut self, mut lists: Lists) -> Result<Grown, FitError> {
        let sums = self.source.quantized.total(&lists.rows);
        lists.spare.clear();
        lists.spare.reserve_exact(lists.rows.len() / 2);
        let range = 0..lists.rows.len();
        let room = self.growth.most_nodes(range.len()).min(MOST_ROOM);
        let (nodes, ranges) = (Vec::with_capacity(room), Vec::with_capacity(room));
        let mut growing = Growing { nodes, lists, ranges };
        let root = Place { node: 0, depth: 0, range, sums, bounds: Bounds::NONE };
        self.plant(&mut growing, &root);
        let mut open = BinaryHeap::new();
        let mut leaves = 1;
        if leaves < self.growth.max_leaves && self.may_split(&root) {
            let columns = self.columns_of_node();
            let histogram = self.source.histogram(&growing.lists.rows, &columns);
            open.extend(self.opened(root, histogram, &columns));
        }
        while leaves < self.growth.max_leaves {
            let Some(next) = open.pop() else { break };
            self.source.run.check()?;
            let children = self.split(&mut growing, &next);
            leaves += 1;
            if leaves < self.growth.max_leaves {
                open.extend(self.look_at(&growing.lists.rows, next.histogram, children));
            }
        }
        self.source.run.check()?;
        growing.finish(self.source.binned.width())
    }

    /// Adds the node of a place, a leaf for now.
    fn plant(&self, growing: &mut Growing, place: &Place) {
        let stats = self.source.quantized.scale().stats(place.sums);
        let value = self.criterion.value(stats.gradient, stats.weight);
        let value = place.bounds.clamp(value);
        growing.nodes.push(Node { rows: stats.rows, weight: stats.weight, value, split: None });
        growing.ranges.push(place.range.clone());
    }

    fn may_split(&self, place: &Place) -> bool {
        let stats = self.source.quantized.scale().stats(place.sums);
        place.depth < self.growth.max_depth
            && stats.rows >= 2 * self.growth.min_rows
            && !self.criterion.is_settled(stats.gradient, stats.weight)
    }

    fn columns_of_node(&mut self) -> Vec<usize> {
        let Some(draw) = &mut self.drawn else {
            return self.columns.clone();
        };
        let picked = sample(&mut draw.random, self.columns.len(), draw.columns);
        let mut picked: Vec<usize> =
            picked.iter().filter_map(|place| self.columns.get(place).copied()).collect();
        picked.sort_unstable();
        picked
    }

    /// The node with its best split, if it has one.
    fn opened(
        &self,
        place: Place,
        histogram: Histogram<Q::Tally>,
        columns: &[usize],
    ) -> Option<Open<Q::Tally>> {
        let search = Search {
            binned: self.source.binned,
            growth: self.growth,
            criterion: self.criterion,
            scale: self.source.quantized.scale(),
            total: place.sums,
            bounds: place.bounds,
        };
        let plan = search.best(self.source.quantized, &histogram, columns)?;
        let kept = self.drawn.is_none() && place.range.len() >= KEPT_ROWS;
        let histogram = kept.then_some(histogram);
        let first = self.growth.max_leaves == usize::MAX;
        let priority = if first { place.node as f64 } else { plan.gain };
        Some(Open { place, plan, histogram, priority })
    }

    /// Parts the rows of a node and plants its children.
    fn split(&self, growing: &mut Growing, open: &Open<Q::Tally>) -> [Place; 2] {
        let Open { place, plan, .. } = open;
        let sides = Sides { lane: self.source.binned.lane(plan.column), left: sides_of(plan) };
        let range = place.range.clone();
        let Lists { rows, spare } = &mut growing.lists;
        let Some(rows) = rows.get_mut(range.clone()) else {
            return [0, 1].map(|_| place.emptied());
        };
        let border = range.start + part(rows, spare, &sides, self.source.parallel);
        let left = growing.nodes.len();
        let (low, high) = self.child_bounds(place, plan);
        let child =
            |node, range, sums, bounds| Place { node, depth: place.depth + 1, range, sums, bounds };
        let children = [
            child(left, range.start..border, plan.sums, low),
            child(left + 1, border..range.end, place.sums.less(plan.sums), high),
        ];
        children.iter().for_each(|child| self.plant(growing, child));
        if let Some(node) = growing.nodes.get_mut(place.node) {
            node.split = Some(self.stored(plan, left));
        }
        children
    }

    /// Values left and right of a split in a direction stay on their side of the middle
    /// between the two, however the children are split later.
    fn child_bounds(&self, place: &Place, plan: &Plan) -> (Bounds, Bounds) {
        let direction = self.growth.monotone.get(plan.column).copied().unwrap_or(0);
        let value = |sums: Sums| {
            let stats = self.source.quantized.scale().stats(sums);
            place.bounds.clamp(self.criterion.value(stats.gradient, stats.weight))
        };
        let right = place.sums.less(plan.sums);
        place.bounds.parted(direction, f64::midpoint(value(plan.sums), value(right)))
    }

    fn stored(&self, plan: &Plan, left: usize) -> Split {
        let test = match plan.left {
            Left::UpTo(bin) => {
                let border = self.source.binned.borders(plan.column).get(bin).copied();
                Test::Below(border.unwrap_or(f64::MAX))
            }
            Left::Among(set) => Test::Among(Box::new(set)),
        };
        let Plan { column, missing_left, gain, .. } = *plan;
        Split { column, test, missing_left, gain, left }
    }

    /// The children that can be split further.
    fn look_at(
        &mut self,
        rows: &[u32],
        parent: Option<Histogram<Q::Tally>>,
        children: [Place; 2],
    ) -> Vec<Open<Q::Tally>> {
        let may = children.each_ref().map(|child| self.may_split(child));
        let Some(parent) = parent else {
            let children = children.into_iter().zip(may).filter(|(_, may)| *may);
            return children.filter_map(|(child, _)| self.look_afresh(rows, child)).collect();
        };
        let [left, right] = children;
        let (small, large, may_small, may_large) = if left.range.len() <= right.range.len() {
            (left, right, may[0], may[1])
        } else {
            (right, left, may[1], may[0])
        };
        if !may_small && !may_large {
            return Vec::new();
        }
        let here = rows.get(small.range.clone()).unwrap_or_default();
        let counted = self.source.histogram(here, &self.columns);
        let mut rest = parent;
        if may_large {
            rest.subtract(&counted);
        }
        let look = |may: bool, place, histogram| {
            if may { self.opened(place, histogram, &self.columns) } else { None }
        };
        let both = if self.source.parallel && may_small && may_large {
            rayon::join(|| look(true, small, counted), || look(true, large, rest))
        } else {
            (look(may_small, small, counted), look(may_large, large, rest))
        };
        both.0.into_iter().chain(both.1).collect()
    }

    /// A node whose rows are counted, by columns of its own if it draws some.
    fn look_afresh(&mut self, rows: &[u32], place: Place) -> Option<Open<Q::Tally>> {
        let columns = self.columns_of_node();
        let here = rows.get(place.range.clone()).unwrap_or_default();
        let histogram = self.source.histogram(here, &columns);
        self.opened(place, histogram, &columns)
    }
}

impl Grown {
    /// The training rows that reach a node.
    pub(super) fn rows_at(&self, node: usize) -> &[u32] {
        let range = self.ranges.get(node).cloned().unwrap_or_default();
        self.lists.rows.get(range).unwrap_or_default()
    }
}

impl Growing {
    fn finish(self, width: usize) -> Result<Grown, FitError> {
        let tree = Tree::new(width, self.nodes).map_err(|error| FitError::Algorithm {
            algorithm: "trees",
            message: error.to_string(),
        })?;
        Ok(Grown { tree, lists: self.lists, ranges: self.ranges })
    }
}

impl Place {
    fn emptied(&self) -> Self {
        Self { range: 0..0, sums: Sums::default(), ..*self }
    }
}

impl<T> Ord for Open<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_priority = self.priority.total_cmp(&other.priority);
        by_priority.then(other.place.node.cmp(&self.place.node))
    }
}

impl<T> PartialOrd for Open<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Eq for Open<T> {}

impl<T> PartialEq for Open<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

/// Which bins go left.
fn sides_of(plan: &Plan) -> [bool; BINS] {
    let mut left = [false; BINS];
    for (code, left) in (0..=MISSING_BIN).zip(&mut left) {
        *left = match plan.left {
            _ if code == MISSING_BIN => plan.missing_left,
            Left::UpTo(bin) => usize::from(code) <= bin,
            Left::Among(set) => set.has(code),
        };
    }
    left
}
