//! What is set in a tree after it has grown.

use super::super::grow::Grown;
use super::super::split::Bounds;
use super::loss::median;

/// Gives every node the weighted median of its rows, kept within the bounds that monotone
/// columns ask for; `residual` tells the value and the weight of a row.
pub(super) fn set_medians(
    grown: &mut Grown,
    monotone: &[i8],
    residual: impl Fn(u32) -> (f64, f64),
) {
    let count = grown.tree.nodes().len();
    let median_at = |node: usize| {
        let mut rows: Vec<(f64, f64)> =
            grown.rows_at(node).iter().map(|row| residual(*row)).collect();
        median(&mut rows)
    };
    let mut bounds = vec![Bounds::NONE; count];
    let mut values = vec![0.0; count];
    for (index, node) in grown.tree.nodes().iter().enumerate() {
        let own = bounds.get(index).copied().unwrap_or(Bounds::NONE);
        let Some(split) = &node.split else {
            if let Some(value) = values.get_mut(index) {
                *value = own.clamp(median_at(index));
            }
            continue;
        };
        let direction = monotone.get(split.column).copied().unwrap_or(0);
        let mut parted = (own, own);
        if direction != 0 {
            let [low, high] = [split.left, split.left + 1].map(|child| own.clamp(median_at(child)));
            parted = own.parted(direction, f64::midpoint(low, high));
        }
        for (bounds, parted) in bounds.iter_mut().skip(split.left).zip([parted.0, parted.1]) {
            *bounds = parted;
        }
    }
    for (node, value) in grown.tree.nodes_mut().iter_mut().zip(values) {
        node.value = value;
    }
}

/// Gives every node the weight of its rows, which so far was the sum of their Hessians.
pub(super) fn set_weights(grown: &mut Grown, weights: Option<&[f64]>) {
    let Some(weights) = weights else {
        grown.tree.nodes_mut().iter_mut().for_each(|node| node.weight = node.rows as f64);
        return;
    };
    let mut sums = vec![0.0; grown.tree.nodes().len()];
    for (index, node) in grown.tree.nodes().iter().enumerate().rev() {
        let sum: f64 = match &node.split {
            Some(split) => sums.iter().skip(split.left).take(2).sum(),
            None => {
                let rows = grown.rows_at(index).iter();
                rows.filter_map(|row| weights.get(*row as usize)).sum()
            }
        };
        if let Some(place) = sums.get_mut(index) {
            *place = sum;
        }
    }
    for (node, sum) in grown.tree.nodes_mut().iter_mut().zip(sums) {
        node.weight = sum;
    }
}
