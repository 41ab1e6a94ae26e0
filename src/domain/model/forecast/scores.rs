//! Scaled absolute errors of a backtest, and what they say about future errors.
//!
//! Split conformal prediction (Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, "Distribution-free
//! predictive inference for regression", 2018): of n exchangeable errors the one of rank
//! ceil((n+1) * level) bounds the next one with at least that probability. When the rank is larger
//! than n the data cannot support the level; then errors of neighbouring horizons join in.

use serde::{Deserialize, Serialize};

/// Errors by horizon, ascending.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Scores(Vec<Vec<f32>>);

/// The answer of a set of scores for one horizon and level.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bound {
    /// The scaled error that the level allows, when the scores support the level.
    pub(super) supported: Option<f64>,
    /// What a higher level must not undercut: the largest error that answers for a lower one.
    pub(super) floor: f64,
}

impl Scores {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bound for a horizon and level. The window of horizons grows until it holds `wanted`
    /// errors and they support the level; at its widest `enough` errors will do.
    pub(super) fn bound(&self, step: usize, level: f64, wanted: usize, enough: usize) -> Bound {
        let mut floor: f64 = 0.0;
        let widest = 1 + step / 3;
        for radius in 0..=widest {
            let scores = self.window(step, radius);
            let fewest = if radius == widest { enough } else { wanted };
            if scores.len() < fewest.max(1) {
                continue;
            }
            let rank = ((scores.len() + 1) as f64 * level).ceil() as usize;
            if let Some(score) = scores.get(rank.saturating_sub(1)) {
                let supported = Some(f64::from(*score).max(floor));
                return Bound { supported, floor };
            }
            floor = floor.max(scores.last().copied().map_or(0.0, f64::from));
        }
        Bound { supported: None, floor }
    }

    fn window(&self, step: usize, radius: usize) -> Vec<f32> {
        let end = (step + radius + 1).min(self.0.len());
        let horizons = self.0.get(step.saturating_sub(radius)..end);
        let mut joined = horizons.unwrap_or_default().concat();
        if radius > 0 {
            joined.sort_by(f32::total_cmp);
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each horizon so many errors, 1, 2, 3 and so on.
    fn scores(counts: &[usize]) -> Scores {
        Scores(
            counts.iter().map(|count| (1..=*count).map(|error| error as f32).collect()).collect(),
        )
    }

    #[test]
    fn the_rank_is_that_of_split_conformal_prediction() {
        let supported = |level| scores(&[99]).bound(0, level, 40, 40).supported;
        assert_eq!(supported(0.8), Some(80.0));
        assert_eq!(supported(0.801), Some(81.0));
        assert_eq!(supported(0.99), Some(99.0));
        assert_eq!(scores(&[98]).bound(0, 0.99, 40, 40).supported, None);
    }

    #[test]
    fn the_window_widens_and_higher_levels_never_undercut() {
        let scores = scores(&[50, 60, 5]);
        let mut before = 0.0;
        for percent in 50..=99 {
            let bound = scores.bound(0, f64::from(percent) / 100.0, 40, 40);
            let half = bound.supported.unwrap_or(bound.floor);
            assert!(half >= before, "{percent}");
            before = half;
        }
        assert_eq!(scores.bound(0, 0.99, 40, 40).supported, Some(60.0));
        assert_eq!(scores.bound(2, 0.5, 100, 66).supported, None);
        assert!(scores.bound(2, 0.5, 100, 65).supported.is_some());
        assert_eq!(scores.bound(9, 0.5, 1, 1).supported, None);
    }
}
