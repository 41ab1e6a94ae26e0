//! Growing a tree node by node.
//!
//! A node's rows are counted by bin and outcome, an algorithm chooses the best border of each
//! column, and the best column is split. Counting ourselves keeps the leaf size exact, lets a
//! cancel through between columns, and leaves nothing to the order of ties: the smallest border
//! of the first column wins.

use super::bins::{BinnedColumn, Bins};
use super::linfa_tree;
use crate::model::trees::{Node, Split, Test, Tree};
use crate::model::{FitError, FitRun};

/// How far a tree grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_depth: usize,
    pub(super) min_leaf: usize,
    /// Least decrease of the impurity of a node in which both outcomes weigh the same.
    pub(super) min_gain: f64,
}

/// Rows without and with the event.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counts {
    pub(super) without: u64,
    pub(super) with: u64,
}

impl Counts {
    pub(super) fn rows(self) -> u64 {
        self.without + self.with
    }

    fn add(&mut self, other: Self) {
        self.without += other.without;
        self.with += other.with;
    }
}

/// Smallest impurity decrease that is told from rounding.
const SMALLEST_GAIN: f64 = 1e-6;

/// Grows the tree, parents before children. The values of its nodes are shares of events.
pub(super) fn grow(
    limits: Limits,
    bins: &Bins,
    target: &[bool],
    run: &FitRun<'_>,
) -> Result<Tree, FitError> {
    let grower = Grower { limits, bins, target, run };
    let rows: Vec<usize> = (0..target.len()).collect();
    let mut nodes = vec![grower.leaf(&rows)];
    let mut open = vec![Open { node: 0, depth: 0, rows }];
    let mut settled = 0;
    while let Some(next) = open.pop() {
        let Some(choice) = grower.choose(&next)? else {
            settled += next.rows.len();
            run.progress.report("grow", settled as f64 / target.len() as f64);
            continue;
        };
        let (left, right) = choice.part(&next.rows);
        let children = nodes.len();
        nodes.extend([grower.leaf(&left), grower.leaf(&right)]);
        if let Some(node) = nodes.get_mut(next.node) {
            node.split = Some(choice.split(children));
        }
        for (node, rows) in [(children + 1, right), (children, left)] {
            let depth = next.depth + 1;
            open.push(Open { node, depth, rows });
        }
    }
    Tree::new(bins.columns().len(), nodes).map_err(|error| FitError::Algorithm {
        algorithm: "linfa-tree",
        message: error.to_string(),
    })
}

/// A node that may still be split.
struct Open {
    node: usize,
    depth: usize,
    rows: Vec<usize>,
}

/// Where a node is split.
struct Choice<'a> {
    column: &'a BinnedColumn,
    /// Rows whose bin is below this go left.
    bin: usize,
    gain: f64,
}

impl Choice<'_> {
    fn part(&self, rows: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let code = |row: &usize| self.column.codes.get(*row).copied().unwrap_or(0);
        rows.iter().partition(|row| usize::from(code(row)) < self.bin)
    }

    fn split(&self, left: usize) -> Split {
        let border = self.column.borders.get(self.bin - 1);
        Split {
            column: self.column.index,
            test: Test::Below(border.copied().unwrap_or(f64::MAX)),
            missing_left: true,
            gain: self.gain,
            left,
        }
    }
}

struct Grower<'a> {
    limits: Limits,
    bins: &'a Bins,
    target: &'a [bool],
    run: &'a FitRun<'a>,
}

impl<'a> Grower<'a> {
    fn leaf(&self, rows: &[usize]) -> Node {
        let events = rows.iter().filter(|row| self.happened(**row)).count() as f64;
        let weight = rows.len() as f64;
        Node { rows: rows.len() as u64, weight, value: events / weight.max(1.0), split: None }
    }

    fn happened(&self, row: usize) -> bool {
        self.target.get(row).copied().unwrap_or(false)
    }

    /// The best split of a node, if it may have one.
    fn choose(&self, open: &Open) -> Result<Option<Choice<'a>>, FitError> {
        let events = open.rows.iter().filter(|row| self.happened(**row)).count();
        let pure = events == 0 || events == open.rows.len();
        let small = open.rows.len() < 2 * self.limits.min_leaf;
        if pure || small || open.depth >= self.limits.max_depth {
            return Ok(None);
        }
        let floor = self.limits.min_gain.max(SMALLEST_GAIN);
        let mut best: Option<Choice<'a>> = None;
        for column in self.bins.columns() {
            self.run.check()?;
            let Some(choice) = self.border(column, &open.rows)? else {
                continue;
            };
            if choice.gain > best.as_ref().map_or(floor, |best| best.gain) {
                best = Some(choice);
            }
        }
        Ok(best)
    }

    /// The best border of one column.
    fn border(
        &self,
        column: &'a BinnedColumn,
        rows: &[usize],
    ) -> Result<Option<Choice<'a>>, FitError> {
        let counts = self.count(column, rows);
        let groups = Groups::of(&counts, self.limits.min_leaf as u64);
        if groups.counts.len() < 2 {
            return Ok(None);
        }
        let Some(left) = linfa_tree::best_border(&groups.counts)? else {
            return Ok(None);
        };
        let bin = groups.ends.get(left.wrapping_sub(1)).copied();
        let gain = balanced_gain(&groups.counts, left);
        Ok(bin.map(|bin| Choice { column, bin, gain }))
    }

    fn count(&self, column: &BinnedColumn, rows: &[usize]) -> Vec<Counts> {
        let mut counts = vec![Counts::default(); column.borders.len() + 1];
        for row in rows {
            let code = column.codes.get(*row).copied().unwrap_or(0);
            if let Some(count) = counts.get_mut(usize::from(code)) {
                if self.happened(*row) {
                    count.with += 1;
                } else {
                    count.without += 1;
                }
            }
        }
        counts
    }
}

/// Neighbouring bins taken together, so that every group has a row and every border leaves at
/// least `min_leaf` rows on both sides.
struct Groups {
    counts: Vec<Counts>,
    /// The bin after the last one of each group.
    ends: Vec<usize>,
}

impl Groups {
    fn of(bins: &[Counts], min_leaf: u64) -> Self {
        let rows: u64 = bins.iter().map(|bin| bin.rows()).sum();
        let mut groups = Self { counts: Vec::new(), ends: Vec::new() };
        let (mut pending, mut seen) = (Counts::default(), 0);
        for (bin, counts) in bins.iter().enumerate() {
            pending.add(*counts);
            seen += counts.rows();
            let border = seen >= min_leaf && rows - seen >= min_leaf;
            if seen == rows || (border && pending.rows() > 0) {
                groups.counts.push(pending);
                groups.ends.push(bin + 1);
                pending = Counts::default();
            }
            if seen == rows {
                break;
            }
        }
        groups
    }
}

/// Decrease of the Gini impurity when both outcomes weigh 1/2 in the node and the first `left`
/// groups go left: `(p - n)^2 / (2 (p + n) (2 - p - n))`, where `p` and `n` are the shares of the
/// rows with and without the event that go left. Between 0 and 0.5.
pub(super) fn balanced_gain(groups: &[Counts], left: usize) -> f64 {
    let (mut all, mut below) = (Counts::default(), Counts::default());
    for (group, counts) in groups.iter().enumerate() {
        all.add(*counts);
        if group < left {
            below.add(*counts);
        }
    }
    let with = below.with as f64 / all.with as f64;
    let without = below.without as f64 / all.without as f64;
    let sum = with + without;
    (with - without).powi(2) / (2.0 * sum * (2.0 - sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(u64, u64)]) -> Vec<Counts> {
        let count = |(without, with): &(u64, u64)| Counts { without: *without, with: *with };
        pairs.iter().map(count).collect()
    }

    #[test]
    fn groups_leave_enough_rows_on_both_sides() {
        let bins = counts(&[(1, 0), (0, 0), (2, 1), (0, 3), (0, 0), (1, 1), (0, 1)]);
        let groups = Groups::of(&bins, 3);
        assert_eq!(groups.counts, counts(&[(3, 1), (0, 3), (1, 2)]));
        assert_eq!(groups.ends, [3, 4, 7]);
        assert_eq!(Groups::of(&bins, 6).counts.len(), 1);
        assert_eq!(Groups::of(&bins, 1).counts.len(), 5);
    }

    #[test]
    fn balanced_gain_is_the_gini_decrease_of_a_balanced_node() {
        // 4 of each class; left holds 3 without, 1 with: 0.5 - (0.375 + 0.375) / 2.
        let node = counts(&[(3, 1), (1, 3)]);
        assert!((balanced_gain(&node, 1) - 0.125).abs() < 1e-15);
        assert_eq!(balanced_gain(&counts(&[(5, 0), (0, 7)]), 1), 0.5);
        assert_eq!(balanced_gain(&counts(&[(20, 2), (10, 1)]), 1), 0.0);
    }
}
