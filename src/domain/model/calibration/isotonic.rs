//! Isotonic regression.

use serde::{Deserialize, Serialize};

use super::Sample;

/// The rising curve that fits best, by straight lines between knots and level outside of them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Vec<Knot>", into = "Vec<Knot>")]
pub struct Isotonic {
    knots: Vec<Knot>,
}

/// A point of the curve.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Knot {
    /// Score in log-odds.
    pub score: f64,
    /// Probability, above 0 and below 1.
    pub probability: f64,
}

/// Neighbouring scores that share a probability.
#[derive(Clone, Copy, Debug)]
struct Block {
    first_score: f64,
    last_score: f64,
    events: f64,
    weight: f64,
}

impl Isotonic {
    /// A curve through knots of rising score and probability.
    ///
    /// # Errors
    /// Without a knot, when scores do not rise or probabilities fall, and for a value that is not
    /// finite or a probability of 0 or 1.
    pub fn from_knots(knots: Vec<Knot>) -> Result<Self, InvalidKnots> {
        let valid = |knot: &Knot| {
            knot.score.is_finite() && knot.probability > 0.0 && knot.probability < 1.0
        };
        let rising = knots.is_sorted_by(|a, b| a.score < b.score && a.probability <= b.probability);
        let good = rising && !knots.is_empty() && knots.iter().all(valid);
        if good { Ok(Self { knots }) } else { Err(InvalidKnots) }
    }

    /// The points of the curve, by rising score.
    pub fn knots(&self) -> &[Knot] {
        &self.knots
    }

    /// The probability for a score, above 0 and below 1.
    pub fn apply(&self, score: f64) -> f64 {
        let at = self.knots.partition_point(|knot| knot.score < score);
        let below = at.checked_sub(1).and_then(|at| self.knots.get(at));
        match (below, self.knots.get(at)) {
            (Some(below), Some(above)) => between(below, above, score),
            (Some(end), None) | (None, Some(end)) => end.probability,
            (None, None) => f64::NAN,
        }
    }

    /// Pools adjacent violators (Barlow et al. 1972, by least squares, as scikit-learn's
    /// `IsotonicRegression`): scores are sorted, equal ones taken together, and neighbours merged
    /// until the rates of events rise. Only the ends of each level piece are kept.
    ///
    /// A level piece without an event, or with nothing but events, has a rate of 0 or 1, which no
    /// finite number of rows can show. Such a piece of weight `w` gets `1 / (w + 2)` or
    /// `(w + 1) / (w + 2)`, the rule of succession, or its neighbour's rate where that is nearer
    /// to 0 or 1. `None` without weight.
    pub(super) fn fit(sample: Sample<'_>) -> Option<Self> {
        let blocks = pool(blocks_of(sample));
        let mut knots = Vec::with_capacity(2 * blocks.len());
        for (place, block) in blocks.iter().enumerate() {
            let neighbour = |step: usize| blocks.get(place.wrapping_add(step)).map(Block::rate);
            let probability = block.held_rate(neighbour(usize::MAX), neighbour(1));
            knots.push(Knot { score: block.first_score, probability });
            if block.last_score > block.first_score {
                knots.push(Knot { score: block.last_score, probability });
            }
        }
        Self::from_knots(knots).ok()
    }
}

impl Block {
    fn rate(&self) -> f64 {
        self.events / self.weight
    }

    /// The rate, held off 0 and 1 but not past the neighbours.
    fn held_rate(&self, before: Option<f64>, after: Option<f64>) -> f64 {
        let rate = self.rate();
        if rate <= 0.0 {
            (1.0 / (self.weight + 2.0)).min(after.unwrap_or(1.0))
        } else if rate >= 1.0 {
            ((self.weight + 1.0) / (self.weight + 2.0)).max(before.unwrap_or(0.0))
        } else {
            rate
        }
    }

    fn merge(&mut self, next: &Self) {
        self.last_score = next.last_score;
        self.events += next.events;
        self.weight += next.weight;
    }
}

/// One block per score, rising; rows without weight are passed over.
fn blocks_of(sample: Sample<'_>) -> Vec<Block> {
    let counted = sample.rows().filter(|(.., weight)| *weight > 0.0);
    let row = |(score, happened, weight): (f64, bool, f64)| {
        let events = if happened { weight } else { 0.0 };
        Block { first_score: score, last_score: score, events, weight }
    };
    let mut rows: Vec<Block> = counted.map(row).collect();
    rows.sort_by(|a, b| a.first_score.total_cmp(&b.first_score));
    rows.dedup_by(|next, kept| {
        let same = next.first_score == kept.first_score;
        if same {
            kept.merge(next);
        }
        same
    });
    rows
}

/// Merges neighbours until rates rise.
fn pool(blocks: Vec<Block>) -> Vec<Block> {
    let mut pooled: Vec<Block> = Vec::new();
    for mut block in blocks {
        while let Some(mut before) = pooled.pop_if(|before| before.rate() >= block.rate()) {
            before.merge(&block);
            block = before;
        }
        pooled.push(block);
    }
    pooled
}

/// On the straight line between two knots. Halves keep differences of huge scores finite.
fn between(below: &Knot, above: &Knot, score: f64) -> f64 {
    let width = above.score / 2.0 - below.score / 2.0;
    let part = if width > 0.0 { (score / 2.0 - below.score / 2.0) / width } else { 1.0 };
    // Rounding may lead past an end; the curve must not fall there.
    let value = (1.0 - part) * below.probability + part * above.probability;
    value.max(below.probability).min(above.probability)
}

/// Why knots are no curve.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected knots of rising score and probability, strictly between 0 and 1")]
pub struct InvalidKnots;

impl TryFrom<Vec<Knot>> for Isotonic {
    type Error = InvalidKnots;

    fn try_from(knots: Vec<Knot>) -> Result<Self, InvalidKnots> {
        Self::from_knots(knots)
    }
}

impl From<Isotonic> for Vec<Knot> {
    fn from(isotonic: Isotonic) -> Self {
        isotonic.knots
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{EVENTS, SCORES};
    use super::*;

    fn pooled(weights: &[f64]) -> Vec<Block> {
        pool(blocks_of(Sample { scores: &SCORES, target: &EVENTS, weights }))
    }

    fn fit(scores: &[f64], target: &[bool]) -> Option<Isotonic> {
        let weights = vec![1.0; scores.len()];
        Isotonic::fit(Sample { scores, target, weights: &weights })
    }

    fn close(found: impl IntoIterator<Item = f64>, expected: &[f64]) {
        let found: Vec<f64> = found.into_iter().collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn pooling_agrees_with_scikit_learn() {
        let third = 1.0 / 3.0;
        let rates = |blocks: &[Block]| blocks.iter().map(Block::rate).collect::<Vec<_>>();
        let blocks = pooled(&[1.0; 12]);
        close(rates(&blocks), &[0.0, third, 0.5, 2.0 * third, 1.0]);
        close(blocks.iter().map(|block| block.last_score), &[-1.5, 0.0, 0.6, 2.0, 3.0]);
        let weights = [1.0, 2.0, 1.0, 3.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 2.0, 1.0];
        close(rates(&pooled(&weights)), &[0.0, 0.2, third, 2.0 * third, 1.0]);
    }

    #[test]
    fn values_between_knots_agree_with_scikit_learn_but_for_the_ends() {
        let isotonic = fit(&SCORES, &EVENTS).unwrap();
        let scores = isotonic.knots().iter().map(|knot| knot.score);
        close(scores, &[-2.0, -1.5, -1.0, 0.0, 0.3, 0.6, 1.0, 2.0, 2.5, 3.0]);
        let values = [0.1, 0.8, 1.7].map(|score| isotonic.apply(score));
        close(values, &[0.388_888_888_888_888_9, 0.583_333_333_333_333_4, 2.0 / 3.0]);
        // The ends hold two rows each: 1/4 and 3/4 rather than 0 and 1.
        close([-9.0, 9.0, 2.25].map(|score| isotonic.apply(score)), &[0.25, 0.75, 17.0 / 24.0]);
    }

    #[test]
    fn ends_are_held_off_but_never_past_their_neighbours() {
        // 9 of 10 at 0, then one row with the event: 2/3 would be less than 0.9.
        let scores: Vec<f64> = (0..11).map(|row| f64::from(u8::from(row == 10))).collect();
        let target: Vec<bool> = (0..11).map(|row| row != 0).collect();
        close([fit(&scores, &target).unwrap().apply(5.0)], &[0.9]);
        close([fit(&[1.0; 8], &[false; 8]).unwrap().apply(5.0)], &[0.1]);
        close([fit(&[1.0; 8], &[true; 8]).unwrap().apply(5.0)], &[0.9]);
        assert_eq!(fit(&[], &[]), None);
        let without = Sample { scores: &[1.0], target: &[true], weights: &[0.0] };
        assert_eq!(Isotonic::fit(without), None);
    }

    #[test]
    fn huge_scores_do_not_overflow() {
        let isotonic = fit(&[-1.7e308, 1.7e308], &[false, true]).unwrap();
        close([-1.7e308, 0.0, 1.7e308].map(|s| isotonic.apply(s)), &[1.0 / 3.0, 0.5, 2.0 / 3.0]);
    }

    #[test]
    fn broken_knots_are_refused() {
        for stored in [
            "[]",
            r#"[{"score":0.0,"probability":1.0}]"#,
            r#"[{"score":0.0,"probability":0.5},{"score":0.0,"probability":0.6}]"#,
            r#"[{"score":0.0,"probability":0.5},{"score":1.0,"probability":0.4}]"#,
        ] {
            assert!(serde_json::from_str::<Isotonic>(stored).is_err(), "{stored}");
        }
    }

    proptest! {
        #[test]
        fn the_curve_rises_strictly_inside_0_and_1(
            rows in prop::collection::vec((-5i8..5, any::<bool>(), 0u8..4), 1..60),
        ) {
            let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
            let target: Vec<bool> = rows.iter().map(|row| row.1).collect();
            let weights: Vec<f64> = rows.iter().map(|row| f64::from(row.2)).collect();
            let sample = Sample { scores: &scores, target: &target, weights: &weights };
            let Some(isotonic) = Isotonic::fit(sample) else {
                prop_assert!(weights.iter().all(|weight| *weight == 0.0));
                return Ok(());
            };
            let values: Vec<f64> =
                (-60..60).map(|step| isotonic.apply(f64::from(step) / 10.0)).collect();
            prop_assert!(values.is_sorted());
            prop_assert!(values.iter().all(|value| *value > 0.0 && *value < 1.0));
        }
    }
}
