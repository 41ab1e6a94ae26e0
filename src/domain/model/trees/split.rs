//! The best split of a node, from its histogram.

use super::binned::Binned;
use super::categories;
use super::histogram::Histogram;
use super::node::CategorySet;
use super::quantized::{Quantized, Scale, Stats, Sums, Tally as _};
use super::table::MISSING_BIN;

/// What a split shall make large: the sum of the scores of the leaves.
///
/// `gradient` is the sum of negative gradients of the loss, or the weight of the events.
pub(super) trait Criterion: Copy + Sync {
    /// The best value of a leaf.
    fn value(&self, gradient: f64, weight: f64) -> f64;

    /// The score of a leaf that has its best value.
    fn score(&self, gradient: f64, weight: f64) -> f64;

    /// The score of a leaf that has some other value.
    fn score_at(&self, gradient: f64, weight: f64, value: f64) -> f64;

    /// The same with a further penalty on the square of leaf values.
    fn smoothed(self, l2: f64) -> Self;

    /// Whether no split can improve on a leaf.
    fn is_settled(&self, gradient: f64, weight: f64) -> bool;
}

/// Second-order gain `G^2 / (H + l2)` (Chen & Guestrin 2016, equation 7, twice over). With
/// events as gradients, weights as Hessians and no penalty, differences of it are half the
/// decrease of the weighted Gini impurity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newton {
    pub(super) l2: f64,
    /// Whether gradients are events, so that a node of one outcome is settled.
    pub(super) events: bool,
}

/// Log-likelihood of the events, in nats times weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entropy;

impl Criterion for Newton {
    #[inline]
    fn value(&self, gradient: f64, weight: f64) -> f64 {
        let weight = weight + self.l2;
        if weight > 0.0 { gradient / weight } else { 0.0 }
    }

    #[inline]
    fn score(&self, gradient: f64, weight: f64) -> f64 {
        let weight = weight + self.l2;
        if weight > 0.0 { gradient * gradient / weight } else { 0.0 }
    }

    #[inline]
    fn score_at(&self, gradient: f64, weight: f64, value: f64) -> f64 {
        value * (2.0 * gradient - (weight + self.l2) * value)
    }

    fn smoothed(self, l2: f64) -> Self {
        Self { l2: self.l2 + l2, ..self }
    }

    fn is_settled(&self, gradient: f64, weight: f64) -> bool {
        self.events && (gradient <= 0.0 || gradient >= weight)
    }
}

impl Criterion for Entropy {
    #[inline]
    fn value(&self, gradient: f64, weight: f64) -> f64 {
        if weight > 0.0 { gradient / weight } else { 0.0 }
    }

    #[inline]
    fn score(&self, gradient: f64, weight: f64) -> f64 {
        self.score_at(gradient, weight, self.value(gradient, weight))
    }

    #[inline]
    fn score_at(&self, gradient: f64, weight: f64, value: f64) -> f64 {
        let part = |weight: f64, share: f64| if weight > 0.0 { weight * share.ln() } else { 0.0 };
        part(gradient, value) + part(weight - gradient, 1.0 - value)
    }

    fn smoothed(self, _l2: f64) -> Self {
        self
    }

    fn is_settled(&self, gradient: f64, weight: f64) -> bool {
        gradient <= 0.0 || gradient >= weight
    }
}

/// What every node of a tree must keep to.
#[derive(Clone, Debug)]
pub(super) struct Growth {
    pub(super) max_depth: usize,
    pub(super) max_leaves: usize,
    pub(super) min_rows: u64,
    pub(super) min_weight: f64,
    /// A split must gain more than this.
    pub(super) min_gain: f64,
    /// Added to weights where categories are ordered and their splits compared.
    pub(super) category_l2: f64,
    /// Directions by column, or none.
    pub(super) monotone: Vec<i8>,
}

impl Growth {
    /// Most nodes of a tree of so many rows.
    pub(super) fn most_nodes(&self, rows: usize) -> usize {
        let leaves = (rows as u64 / self.min_rows.max(1)).max(1);
        let deepest = 1u64.checked_shl(self.max_depth as u32).unwrap_or(u64::MAX);
        2 * leaves.min(deepest).min(self.max_leaves as u64).min(1 << 32) as usize
    }
}

/// Values that the leaves below a node may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Bounds {
    pub(super) const NONE: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY };

    pub(super) fn clamp(self, value: f64) -> f64 {
        value.max(self.low).min(self.high)
    }

    /// Bounds of the left and the right child of a split in a direction.
    pub(super) fn parted(self, direction: i8, middle: f64) -> (Self, Self) {
        match direction {
            1.. => (Self { high: middle, ..self }, Self { low: middle, ..self }),
            0 => (self, self),
            _ => (Self { low: middle, ..self }, Self { high: middle, ..self }),
        }
    }
}

/// Which bins go left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Left {
    /// Those up to this one.
    UpTo(usize),
    /// Those of these categories.
    Among(CategorySet),
}

/// A split that could be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) column: usize,
    pub(super) left: Left,
    pub(super) missing_left: bool,
    pub(super) gain: f64,
    /// The sums of the left child.
    pub(super) sums: Sums,
}

/// The search over one node.
pub(super) struct Search<'a, C> {
    pub(super) binned: &'a Binned,
    pub(super) growth: &'a Growth,
    pub(super) criterion: C,
    pub(super) scale: Scale,
    pub(super) total: Sums,
    pub(super) bounds: Bounds,
}

impl<C: Criterion> Search<'_, C> {
    /// The split with the largest gain over the listed columns; the first one of equals.
    pub(super) fn best<Q: Quantized>(
        &self,
        quantized: &Q,
        histogram: &Histogram<Q::Tally>,
        columns: &[usize],
    ) -> Option<Plan> {
        let mut best = None;
        for (place, column) in columns.iter().enumerate() {
            let (Some(bins), Some(cut)) = (histogram.column(place), self.binned.column(*column))
            else {
                continue;
            };
            let bins = bins.map(|tally| quantized.sums(tally));
            let missing = bins.get(usize::from(MISSING_BIN)).copied().unwrap_or_default();
            let held = bins.get(..cut.bins).unwrap_or_default();
            let found = if cut.categorical {
                categories::best(self, held, missing)
            } else {
                self.best_border(held, missing, self.direction(*column))
            };
            let gain = best.map_or(f64::NEG_INFINITY, |best: Plan| best.gain);
            if let Some(plan) = found
                && plan.gain > gain
            {
                best = Some(Plan { column: *column, ..plan });
            }
        }
        let floor = self.growth.min_gain.max(self.parent_score().abs() * 1e-12);
        best.filter(|plan| plan.gain > floor)
    }

    /// The best border between two bins, with missing values on either side.
    fn best_border(&self, bins: &[Sums], missing: Sums, direction: i8) -> Option<Plan> {
        let parent = self.parent_score();
        let mut best: Option<Plan> = None;
        for missing_left in [false, true] {
            if missing_left && missing.is_empty() {
                break;
            }
            let mut left = if missing_left { missing } else { Sums::default() };
            for (bin, sums) in bins.iter().enumerate() {
                if sums.is_empty() {
                    continue;
                }
                left.add(*sums);
                let right = self.total.less(left);
                if self.scale.rows(right) < self.growth.min_rows {
                    break;
                }
                let Some(score) = self.score(self.criterion, left, right, direction) else {
                    continue;
                };
                let gain = score - parent;
                if best.is_none_or(|best| gain > best.gain) {
                    let side = Left::UpTo(bin);
                    best = Some(Plan { column: 0, left: side, missing_left, gain, sums: left });
                }
            }
        }
        best.map(|plan| self.with_default_side(plan, missing))
    }

    /// Without missing values the larger child takes those that may come.
    pub(super) fn with_default_side(&self, plan: Plan, missing: Sums) -> Plan {
        let right = self.total.less(plan.sums);
        let larger = self.scale.rows(plan.sums) >= self.scale.rows(right);
        let missing_left = if missing.is_empty() { larger } else { plan.missing_left };
        Plan { missing_left, ..plan }
    }

    /// The score of two children, if they may be.
    #[inline]
    pub(super) fn score(&self, by: C, left: Sums, right: Sums, direction: i8) -> Option<f64> {
        let (left, right) = (self.scale.stats(left), self.scale.stats(right));
        let enough = |side: Stats| {
            side.rows >= self.growth.min_rows && side.weight >= self.growth.min_weight
        };
        if !enough(left) || !enough(right) {
            return None;
        }
        if self.growth.monotone.is_empty() {
            let score = by.score(left.gradient, left.weight);
            return Some(score + by.score(right.gradient, right.weight));
        }
        let value = |side: Stats| self.bounds.clamp(by.value(side.gradient, side.weight));
        let (low, high) = (value(left), value(right));
        if f64::from(direction) * (high - low) < 0.0 {
            return None;
        }
        let score = by.score_at(left.gradient, left.weight, low);
        Some(score + by.score_at(right.gradient, right.weight, high))
    }

    /// The score of the node as a leaf.
    pub(super) fn parent_score(&self) -> f64 {
        self.score_as_leaf(self.criterion)
    }

    /// The score of the node as a leaf by some criterion.
    pub(super) fn score_as_leaf(&self, by: C) -> f64 {
        let Stats { gradient, weight, .. } = self.scale.stats(self.total);
        if self.growth.monotone.is_empty() {
            return by.score(gradient, weight);
        }
        by.score_at(gradient, weight, self.bounds.clamp(by.value(gradient, weight)))
    }

    fn direction(&self, column: usize) -> i8 {
        self.growth.monotone.get(column).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_newton_gain_is_the_gini_decrease() {
        // 8 rows with 4 events, parted 3 + 1 events of 4: 8 * 0.5 - 4 * 0.375 * 2 = 1.
        let gini = Newton { l2: 0.0, events: true };
        let gain =
            2.0 * gini.score(3.0, 4.0) + 2.0 * gini.score(1.0, 4.0) - 2.0 * gini.score(4.0, 8.0);
        assert!((gain - 1.0).abs() < 1e-15);
        assert_eq!(gini.value(0.0, 0.0), 0.0);
        assert!(gini.is_settled(0.0, 3.0) && gini.is_settled(3.0, 3.0));
    }

    #[test]
    fn entropy_of_a_pure_leaf_is_nothing() {
        assert_eq!(Entropy.score(0.0, 5.0), 0.0);
        assert_eq!(Entropy.score(5.0, 5.0), 0.0);
        assert!((Entropy.score(2.0, 4.0) - 4.0 * 0.5f64.ln()).abs() < 1e-15);
    }
}
