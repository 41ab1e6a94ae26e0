//! The stored tree.

use serde::{Deserialize, Serialize};

use super::checks::DEEPEST;
use super::table::{MOST_COLUMNS, level};

/// A binary tree in one list, the root first, parents before children, siblings side by side.
///
/// It can only be had in good order: what is read from a file passes [`Tree::new`] first.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Stored")]
pub struct Tree {
    width: usize,
    nodes: Vec<Node>,
}

/// A place in the tree and the training rows that reach it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Node {
    /// Training rows here.
    pub rows: u64,
    /// Their weight: the sum of row weights, bootstrap counts included.
    pub weight: f64,
    /// What a row that ends here is given: a share of events, or a step of the raw score.
    pub value: f64,
    /// How the rows part; none in a leaf.
    pub split: Option<Split>,
}

/// How rows part.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Split {
    /// The column that is asked.
    pub column: usize,
    /// Who goes left.
    pub test: Test,
    /// Whether a missing value goes left. A category that the node has not seen is missing.
    pub missing_left: bool,
    /// By how much the criterion falls, in the criterion's own unit times weight.
    pub gain: f64,
    /// The left child; the right one follows it.
    pub left: usize,
}

/// Who goes left.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum Test {
    /// Values below this. `f64::MAX` parts what is there from what is missing.
    Below(f64),
    /// These categories. Apart, for there are few such nodes and the set is large.
    Among(Box<CategorySet>),
}

/// A set of category codes; bit `code % 64` of word `code / 64` tells whether a code is in it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CategorySet(pub [u64; 4]);

/// Why a stored tree cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DamagedTree {
    /// There is no root, or no column, or more columns than a table can have.
    #[error("a tree of {nodes} nodes over {width} columns; expected some of each, not too many")]
    Size {
        /// Nodes.
        nodes: usize,
        /// Columns.
        width: usize,
    },
    /// The children do not follow, or are not where they belong.
    #[error("node {node}: expected children at {expected}, found {found}")]
    Children {
        /// The parent.
        node: usize,
        /// Where they belong.
        expected: usize,
        /// Where they are said to be.
        found: usize,
    },
    /// Nodes that no parent names.
    #[error("expected {expected} nodes, found {found}")]
    Orphans {
        /// Nodes that parents name, and the root.
        expected: usize,
        /// Nodes in the list.
        found: usize,
    },
    /// A column beyond the table.
    #[error("node {node}: expected a column below {width}, found {found}")]
    Column {
        /// The node.
        node: usize,
        /// Columns of the table.
        width: usize,
        /// The column.
        found: usize,
    },
    /// A number that is not finite, or a negative weight.
    #[error("node {node}: expected finite numbers and a weight of 0 or more")]
    Number {
        /// The node.
        node: usize,
    },
    /// A tree over other columns than the rest.
    #[error("expected trees over {expected} columns, found one over {found}")]
    Width {
        /// Columns of the model.
        expected: usize,
        /// Columns of the tree.
        found: usize,
    },
    /// Deeper than any tree that is grown here.
    #[error("node {node}: deeper than {limit} splits")]
    Depth {
        /// The node.
        node: usize,
        /// Deepest leaf allowed.
        limit: usize,
    },
}

#[derive(Deserialize)]
struct Stored {
    width: usize,
    nodes: Vec<Node>,
}

impl TryFrom<Stored> for Tree {
    type Error = DamagedTree;

    fn try_from(stored: Stored) -> Result<Self, DamagedTree> {
        Self::new(stored.width, stored.nodes)
    }
}

impl Tree {
    /// A tree over tables of `width` columns.
    ///
    /// # Errors
    /// Unless every node but the root is the child of one earlier node, columns exist, numbers
    /// are finite and no leaf is deeper than 64 splits.
    pub fn new(width: usize, mut nodes: Vec<Node>) -> Result<Self, DamagedTree> {
        // Room left over would be kept as long as the tree is, by an allocator that shrinks nothing.
        let mut exact = Vec::with_capacity(nodes.len());
        exact.append(&mut nodes);
        let tree = Self { width, nodes: exact };
        tree.validate()?;
        Ok(tree)
    }

    /// Number of columns of the tables it answers for.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All nodes, the root first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Number of leaves.
    pub fn leaves(&self) -> usize {
        self.nodes.iter().filter(|node| node.split.is_none()).count()
    }

    /// Splits on the way to the deepest leaf.
    pub fn depth(&self) -> usize {
        self.depths().into_iter().max().unwrap_or(0)
    }

    /// The value of the leaf that a row reaches. A column beyond the end of the row is missing.
    pub fn predict_row(&self, row: &[f32]) -> f64 {
        self.nodes.get(self.leaf(row)).map_or(0.0, |node| node.value)
    }

    /// The index of the leaf that a row reaches.
    pub fn leaf(&self, row: &[f32]) -> usize {
        let mut at = 0;
        while let Some(split) = self.nodes.get(at).and_then(|node| node.split.as_ref()) {
            let value = row.get(split.column).copied().unwrap_or(f32::NAN);
            at = split.left + usize::from(!split.goes_left(value));
        }
        at
    }

    /// By how much the criterion fell at splits of each column, in total.
    pub fn gain_importance(&self) -> Vec<f64> {
        let mut gains = vec![0.0; self.width];
        for split in self.nodes.iter().filter_map(|node| node.split.as_ref()) {
            if let Some(gain) = gains.get_mut(split.column) {
                *gain += split.gain;
            }
        }
        gains
    }

    /// Splits above each node.
    pub(super) fn depths(&self) -> Vec<usize> {
        let mut depths = vec![0; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            let below = depths.get(index).copied().unwrap_or(0) + 1;
            if let Some(split) = &node.split {
                depths.iter_mut().skip(split.left).take(2).for_each(|depth| *depth = below);
            }
        }
        depths
    }

    /// All nodes, whose numbers may change as long as they stay finite.
    pub(super) fn nodes_mut(&mut self) -> &mut [Node] {
        &mut self.nodes
    }

    fn validate(&self) -> Result<(), DamagedTree> {
        let (nodes, width) = (self.nodes.len(), self.width);
        if nodes == 0 || width == 0 || width > MOST_COLUMNS {
            return Err(DamagedTree::Size { nodes, width });
        }
        let mut named = vec![false; nodes];
        for (node, place) in self.nodes.iter().enumerate() {
            if !place.is_sound() {
                return Err(DamagedTree::Number { node });
            }
            let Some(split) = &place.split else { continue };
            if split.column >= width {
                return Err(DamagedTree::Column { node, width, found: split.column });
            }
            let found = split.left;
            let children = named.iter_mut().skip(found).take(2);
            let fresh =
                children.map(|named| !std::mem::replace(named, true)).filter(|fresh| *fresh);
            if found <= node || fresh.count() != 2 {
                return Err(DamagedTree::Children { node, expected: node + 1, found });
            }
        }
        let expected = 1 + named.iter().filter(|named| **named).count();
        if expected != nodes {
            return Err(DamagedTree::Orphans { expected, found: nodes });
        }
        match self.depths().iter().position(|depth| *depth > DEEPEST) {
            Some(node) => Err(DamagedTree::Depth { node, limit: DEEPEST }),
            None => Ok(()),
        }
    }
}

impl Node {
    fn is_sound(&self) -> bool {
        let split = self.split.as_ref().is_none_or(|split| {
            let threshold = match split.test {
                Test::Below(threshold) => threshold,
                Test::Among(_) => 0.0,
            };
            split.gain.is_finite() && threshold.is_finite()
        });
        split && self.value.is_finite() && self.weight.is_finite() && self.weight >= 0.0
    }
}

impl Split {
    /// Whether a row with this value goes left.
    pub fn goes_left(&self, value: f32) -> bool {
        match &self.test {
            _ if value.is_nan() => self.missing_left,
            Test::Below(threshold) => f64::from(value) < *threshold,
            Test::Among(set) => level(value).map_or(self.missing_left, |code| set.has(code)),
        }
    }
}

impl CategorySet {
    /// Whether a code is in the set.
    pub fn has(&self, code: u8) -> bool {
        self.0.get(usize::from(code / 64)).is_some_and(|word| word >> (code % 64) & 1 == 1)
    }

    /// Puts a code into the set.
    pub fn insert(&mut self, code: u8) {
        if let Some(word) = self.0.get_mut(usize::from(code / 64)) {
            *word |= 1 << (code % 64);
        }
    }

    /// The codes, rising.
    pub fn codes(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|code| self.has(*code))
    }
}

/// Whether all trees are over tables of `width` columns, at least one.
pub(super) fn same_width(trees: &[Tree], width: usize) -> Result<(), DamagedTree> {
    let mut widths = trees.iter().map(Tree::width);
    match widths.find(|found| *found != width) {
        Some(found) => Err(DamagedTree::Width { expected: width, found }),
        None if width == 0 => Err(DamagedTree::Size { nodes: 0, width }),
        None => Ok(()),
    }
}

/// The gains of some trees by column, added up.
pub(super) fn gains(trees: &[Tree], width: usize) -> Vec<f64> {
    let mut gains = vec![0.0; width];
    for tree in trees {
        for (gain, more) in gains.iter_mut().zip(tree.gain_importance()) {
            *gain += more;
        }
    }
    gains
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(split: Option<(usize, usize)>) -> Node {
        let test = Test::Below(0.5);
        let split =
            split.map(|(column, left)| Split { column, test, missing_left: true, gain: 1.0, left });
        Node { rows: 4, weight: 4.0, value: 0.25, split }
    }

    fn sound() -> Vec<Node> {
        vec![node(Some((1, 1))), node(None), node(Some((0, 3))), node(None), node(None)]
    }

    #[test]
    fn a_damaged_list_is_refused() {
        assert!(Tree::new(2, sound()).is_ok());
        let damaged = |change: fn(&mut Vec<Node>)| {
            let mut nodes = sound();
            change(&mut nodes);
            Tree::new(2, nodes).unwrap_err()
        };
        let children = |error| matches!(error, DamagedTree::Children { .. });
        assert!(children(damaged(|nodes| nodes[2] = node(Some((0, 2))))), "its own child");
        assert!(children(damaged(|nodes| nodes[2] = node(Some((0, 0))))), "back to the root");
        assert!(children(damaged(|nodes| nodes[2] = node(Some((0, 4))))), "beyond the end");
        assert!(children(damaged(|nodes| nodes[0] = node(Some((0, usize::MAX))))));
        assert!(children(damaged(|nodes| nodes[0] = node(Some((0, 3))))), "two parents");
        let found = damaged(|nodes| nodes.push(node(None)));
        assert_eq!(found, DamagedTree::Orphans { expected: 5, found: 6 });
        let column = damaged(|nodes| nodes[0] = node(Some((2, 1))));
        assert!(matches!(column, DamagedTree::Column { found: 2, .. }));
        let value = damaged(|nodes| nodes[1].value = f64::NAN);
        assert_eq!(value, DamagedTree::Number { node: 1 });
        assert!(matches!(damaged(|nodes| nodes[1].weight = -1.0), DamagedTree::Number { .. }));
        assert!(matches!(damaged(Vec::clear), DamagedTree::Size { .. }));
    }

    #[test]
    fn a_bottomless_list_is_refused() {
        let chain = |depth: usize| {
            let links = (1..depth).flat_map(|at| [node(Some((0, 2 * at + 1))), node(None)]);
            let links = std::iter::once(node(Some((0, 1)))).chain(links);
            Tree::new(1, links.chain([node(None), node(None)]).collect())
        };
        assert_eq!(chain(64).unwrap().depth(), 64);
        assert_eq!(chain(65).unwrap_err(), DamagedTree::Depth { node: 129, limit: 64 });
    }

    #[test]
    fn a_damaged_file_is_refused_and_a_sound_one_comes_back() {
        let tree = Tree::new(2, vec![node(Some((1, 1))), node(None), node(None)]).unwrap();
        let text = serde_json::to_string(&tree).unwrap();
        assert_eq!(serde_json::from_str::<Tree>(&text).unwrap(), tree);
        let looped = text.replace("\"left\":1", "\"left\":0");
        let error = serde_json::from_str::<Tree>(&looped).unwrap_err().to_string();
        assert!(error.contains("node 0: expected children"), "{error}");
    }

    #[test]
    fn a_short_row_takes_the_missing_way() {
        let mut nodes = vec![node(Some((1, 1))), node(None), node(None)];
        nodes[1].value = 1.0;
        let tree = Tree::new(2, nodes).unwrap();
        assert_eq!(tree.leaf(&[9.0]), 1);
        assert_eq!(tree.leaf(&[9.0, 0.5]), 2);
        assert_eq!(tree.predict_row(&[9.0, 0.4]), 1.0);
        assert_eq!((tree.leaves(), tree.depth()), (2, 1));
    }
}
