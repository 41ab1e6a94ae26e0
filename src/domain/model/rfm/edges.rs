//! Where one score ends and the next begins.

use serde::{Deserialize, Serialize};

/// Edges between scores, at quantiles of the training customers.
///
/// Equal values always get the same score. When many customers share a value, it fills the room of
/// several scores, and all of them get the score of the worst of these: of six in ten customers
/// without a repeat purchase each gets 1 for frequency, and the scores 2 and 3 do not exist. So a
/// score of 4 still means "better than six in ten", whatever the ties.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "StoredEdges")]
pub struct RfmEdges {
    direction: Direction,
    scores: u8,
    /// From the worst to the best.
    edges: Vec<Edge>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Direction {
    MoreIsBetter,
    LessIsBetter,
}

/// The last value of a score on the side of the better ones.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Edge {
    value: f64,
    /// The score of values beyond it.
    beyond: u8,
}

/// A score and the values that get it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct RfmBand {
    /// The score, 1 to the number of scores, the highest being the best.
    pub score: u8,
    /// The customer's value.
    pub value: f64,
    /// The edge towards worse values, which is not part of the band; `None` when there is none.
    pub worse_than: Option<f64>,
    /// The edge towards better values, which is part of the band; `None` when there is none.
    pub up_to: Option<f64>,
}

impl RfmEdges {
    /// Edges of values of which more is better, for 2 or more scores.
    pub(super) fn more_is_better(values: Vec<f64>, scores: u8) -> Self {
        Self::of(Direction::MoreIsBetter, values, scores)
    }

    /// Edges of values of which less is better, for 2 or more scores.
    pub(super) fn less_is_better(values: Vec<f64>, scores: u8) -> Self {
        Self::of(Direction::LessIsBetter, values, scores)
    }

    /// The edge below score `s` is the value that at least the share `(s - 1) / scores` of the
    /// customers do not surpass (Hyndman and Fan 1996, type 1). Edges with nothing beyond are left
    /// out.
    fn of(direction: Direction, mut values: Vec<f64>, scores: u8) -> Self {
        values.sort_by(|a, b| direction.rank(*a).total_cmp(&direction.rank(*b)));
        let mut edges: Vec<Edge> = Vec::new();
        let best = values.last().copied();
        for beyond in 2..=scores {
            let place = (values.len() * usize::from(beyond - 1)).div_ceil(usize::from(scores));
            let edge = place.checked_sub(1).and_then(|place| values.get(place)).copied();
            let Some(value) = edge.filter(|edge| best.is_some_and(|best| best != *edge)) else {
                continue;
            };
            match edges.last_mut() {
                Some(last) if last.value == value => last.beyond = beyond,
                _ => edges.push(Edge { value, beyond }),
            }
        }
        Self { direction, scores, edges }
    }

    /// How many scores were asked for.
    pub fn scores(&self) -> u8 {
        self.scores
    }

    /// The scores that exist, from the worst to the best.
    pub fn existing_scores(&self) -> impl Iterator<Item = u8> + '_ {
        [1].into_iter().chain(self.edges.iter().map(|edge| edge.beyond))
    }

    /// The different edges, from the worst to the best; one less than [`Self::existing_scores`].
    pub fn values(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        self.edges.iter().map(|edge| edge.value)
    }

    /// The score of a value.
    pub fn score(&self, value: f64) -> u8 {
        let passed = self.passed(value);
        passed.checked_sub(1).and_then(|last| self.edges.get(last)).map_or(1, |edge| edge.beyond)
    }

    /// The score of a value and the values that share it.
    pub fn band(&self, value: f64) -> RfmBand {
        let passed = self.passed(value);
        let worse = passed.checked_sub(1).and_then(|last| self.edges.get(last));
        RfmBand {
            score: worse.map_or(1, |edge| edge.beyond),
            value,
            worse_than: worse.map(|edge| edge.value),
            up_to: self.edges.get(passed).map(|edge| edge.value),
        }
    }

    /// How many edges a value lies beyond.
    fn passed(&self, value: f64) -> usize {
        let rank = self.direction.rank(value);
        self.edges.partition_point(|edge| self.direction.rank(edge.value) < rank)
    }
}

impl Direction {
    /// A number that rises from worse to better.
    fn rank(self, value: f64) -> f64 {
        match self {
            Self::MoreIsBetter => value,
            Self::LessIsBetter => -value,
        }
    }
}

#[derive(Deserialize)]
struct StoredEdges {
    direction: Direction,
    scores: u8,
    edges: Vec<Edge>,
}

impl TryFrom<StoredEdges> for RfmEdges {
    type Error = &'static str;

    fn try_from(stored: StoredEdges) -> Result<Self, Self::Error> {
        let StoredEdges { direction, scores, edges } = stored;
        let better = |a: &Edge, b: &Edge| {
            direction.rank(a.value) < direction.rank(b.value) && a.beyond < b.beyond
        };
        let inside = |edge: &Edge| (2..=scores).contains(&edge.beyond) && edge.value.is_finite();
        let good =
            (2..=9).contains(&scores) && edges.is_sorted_by(better) && edges.iter().all(inside);
        if good { Ok(Self { direction, scores, edges }) } else { Err("edges out of order") }
    }
}
