//! The adapter of linfa-trees.
//!
//! The library is asked for one thing, the best border of one column within one node, and never
//! grows a tree. That makes its defects harmless, each of which was reproduced: it skips a border
//! when the last row before it belongs to another node (so that 0/1 columns are hardly ever split
//! below the root), merges leaves of the same majority (so that nothing below the base rate is
//! ever told apart), breaks ties by hash order, holds values closer than `1e-5` for equal, does
//! not stop at any depth, and panics on empty input.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_trees::{DecisionTree, SplitQuality};
use ndarray::{Array1, Array2};

use super::grow::Counts;
use crate::model::FitError;

/// Weight of each outcome in a node. All sums of weights are whole numbers that a 32-bit float
/// holds exactly, so a side is balanced only if it carries no information at all, and the
/// library's choice of a majority is never a matter of rounding.
const OUTCOME_WEIGHT: f64 = 4_194_304.0;

/// Far below any gain that the caller accepts, far above the rounding of one.
const SMALLEST_DECREASE: f64 = 5e-7;

/// How many of a node's `groups`, given in rising order of value, go left for the largest decrease of Gini impurity, with both outcomes
/// weighing the same; `None` when no border decreases it.
pub(super) fn best_border(groups: &[Counts]) -> Result<Option<usize>, FitError> {
    let total = total(groups);
    if groups.len() < 2 || total.with == 0 || total.without == 0 {
        return Ok(None);
    }
    let stump = DecisionTree::params()
        .split_quality(SplitQuality::Gini)
        .max_depth(Some(1))
        .min_impurity_decrease(SMALLEST_DECREASE)
        .fit(&points(groups, total))
        .map_err(|error| FitError::Algorithm {
            algorithm: "linfa-tree",
            message: error.to_string(),
        })?;
    let root = stump.root_node();
    if root.is_leaf() {
        return Ok(None);
    }
    let (_, border, _) = root.split();
    let left = groups.len().min(1 + border.floor().max(0.0) as usize);
    Ok((left < groups.len()).then_some(left))
}

fn total(groups: &[Counts]) -> Counts {
    Counts {
        without: groups.iter().map(|group| group.without).sum(),
        with: groups.iter().map(|group| group.with).sum(),
    }
}

/// Up to two weighted points per group, at the group's number: its rows without and with the
/// event. Groups are one apart, so none is ever taken for its neighbour.
fn points(groups: &[Counts], total: Counts) -> DatasetBase<Array2<f64>, Array1<bool>> {
    let (mut places, mut outcomes, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    let mut without = Share::of(total.without);
    let mut with = Share::of(total.with);
    for (group, counts) in groups.iter().enumerate() {
        let parts = [(false, without.take(counts.without)), (true, with.take(counts.with))];
        for (outcome, weight) in parts.into_iter().filter(|(_, weight)| *weight > 0.0) {
            places.push(group as f64);
            outcomes.push(outcome);
            weights.push(weight);
        }
    }
    let records = Array1::from(places).insert_axis(ndarray::Axis(1));
    DatasetBase::new(records, Array1::from(outcomes)).with_weights(Array1::from(weights))
}

/// Hands out [`OUTCOME_WEIGHT`] in whole numbers, in proportion to rows: the sum so far is always
/// the rounded true sum.
struct Share {
    of: f64,
    rows: u64,
    given: f64,
}

impl Share {
    fn of(rows: u64) -> Self {
        Self { of: rows as f64, rows: 0, given: 0.0 }
    }

    fn take(&mut self, rows: u64) -> f32 {
        self.rows += rows;
        let due = (OUTCOME_WEIGHT * self.rows as f64 / self.of).round();
        let part = due - self.given;
        self.given = due;
        part as f32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::grow::balanced_gain;
    use super::*;

    fn counts(pairs: &[(u64, u64)]) -> Vec<Counts> {
        let count = |(without, with): &(u64, u64)| Counts { without: *without, with: *with };
        pairs.iter().map(count).collect()
    }

    #[test]
    fn nothing_to_choose_is_none() {
        for groups in [&[][..], &[(3, 4)], &[(3, 0), (4, 0)], &[(0, 2), (0, 9)]] {
            assert_eq!(best_border(&counts(groups)), Ok(None));
        }
        assert_eq!(best_border(&counts(&[(30, 10), (60, 20), (3, 1)])), Ok(None));
    }

    #[test]
    fn sides_of_the_same_majority_are_parted() {
        assert_eq!(best_border(&counts(&[(99, 1), (95, 5), (80, 20)])), Ok(Some(2)));
        assert_eq!(best_border(&counts(&[(1, 900), (0, 900), (0, 900)])), Ok(Some(1)));
    }

    #[test]
    fn counts_beyond_a_float_are_handled() {
        let groups = counts(&[(3_000_000_000, 5), (1_000_000_000, 3_000_000_000)]);
        assert_eq!(best_border(&groups), Ok(Some(1)));
    }

    proptest! {
        #[test]
        fn chosen_border_has_the_largest_gain(
            pairs in prop::collection::vec((0u64..50, 0u64..50), 2..40)
        ) {
            let groups = counts(&pairs);
            prop_assume!(pairs.iter().any(|p| p.0 > 0) && pairs.iter().any(|p| p.1 > 0));
            let gains = (1..groups.len()).map(|left| balanced_gain(&groups, left));
            let largest = gains.filter(|gain| gain.is_finite()).fold(0.0, f64::max);
            match best_border(&groups).unwrap() {
                Some(left) => prop_assert!(largest - balanced_gain(&groups, left) < 1e-6),
                None => prop_assert!(largest < 1e-6),
            }
        }
    }
}
