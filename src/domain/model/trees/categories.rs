//! Splits of categories.
//!
//! With the categories in the order of their mean gradient, the best of the many subsets is one
//! that begins the list (Fisher 1958; Breiman et al. 1984, theorem 4.5). Missing values are a
//! category of their own.

use super::node::CategorySet;
use super::quantized::{Sums, Tally as _};
use super::split::{Criterion, Left, Plan, Search};
use super::table::MISSING_BIN;

/// The best split of a column of categories.
pub(super) fn best<C: Criterion>(
    search: &Search<'_, C>,
    bins: &[Sums],
    missing: Sums,
) -> Option<Plan> {
    let l2 = search.growth.category_l2;
    let by = search.criterion.smoothed(l2);
    let parent = search.score_as_leaf(by);
    let codes = (0..MISSING_BIN).zip(bins.iter().copied());
    let codes = codes.chain([(MISSING_BIN, missing)]).filter(|(_, sums)| !sums.is_empty());
    let rate = |(code, sums): (u8, Sums)| {
        let stats = search.scale.stats(sums);
        let weight = stats.weight + l2;
        let rate = if weight > 0.0 { stats.gradient / weight } else { 0.0 };
        (rate, code, sums)
    };
    let mut ordered: Vec<(f64, u8, Sums)> = codes.map(rate).collect();
    ordered.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let (mut set, mut left) = (CategorySet::default(), Sums::default());
    let mut best: Option<Plan> = None;
    for (_, code, sums) in &ordered {
        left.add(*sums);
        set.insert(*code);
        let right = search.total.less(left);
        let Some(score) = search.score(by, left, right, 0) else {
            continue;
        };
        let gain = score - parent;
        if best.is_none_or(|best| gain > best.gain) {
            let missing_left = set.has(MISSING_BIN);
            let side = Left::Among(set);
            best = Some(Plan { column: 0, left: side, missing_left, gain, sums: left });
        }
    }
    let plan = search.with_default_side(best?, missing);
    Some(Plan { left: with_absent(plan, bins), ..plan })
}

/// Categories that the node has not seen go where missing values go.
fn with_absent(plan: Plan, bins: &[Sums]) -> Left {
    let Left::Among(seen) = plan.left else {
        return plan.left;
    };
    let mut set = CategorySet::default();
    for code in 0..MISSING_BIN {
        let absent = bins.get(usize::from(code)).is_none_or(|sums| sums.is_empty());
        if if absent { plan.missing_left } else { seen.has(code) } {
            set.insert(code);
        }
    }
    Left::Among(set)
}
