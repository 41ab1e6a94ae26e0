//! What rows cost, learnt from those that were answered.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many rows back the memory goes, about.
const MEMORY: f64 = 4_096.0;
/// From so many rows on, what a question costs beside its rows does not count.
const MANY: usize = 16;

/// How the vectors of a question come to be, and what is done with them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Way {
    /// Whether they are computed from histories.
    pub reads_histories: bool,
    /// Whether reasons are told.
    pub explains: bool,
}

impl Way {
    /// What a row costs before any was answered: of the order that logistic regressions and small
    /// forests have.
    fn guess(self) -> Duration {
        let row = if self.reads_histories { 60_000 } else { 1_000 };
        Duration::from_nanos(if self.explains { 8 * row } else { row })
    }
}

/// The costs of one version, by [`Way`].
#[derive(Debug, Default)]
pub struct Costs {
    vectors: Cost,
    explained_vectors: Cost,
    histories: Cost,
    explained_histories: Cost,
}

/// The cost of one way.
#[derive(Debug, Default)]
struct Cost {
    few: Rate,
    many: Rate,
}

/// Nanoseconds and rows; what is long ago counts less.
#[derive(Debug, Default)]
struct Rate(Mutex<(f64, f64)>);

impl Costs {
    /// Takes note of an answer.
    pub fn learn(&self, way: Way, rows: usize, took: Duration) {
        let Cost { few, many } = self.of(way);
        if rows < MANY { few } else { many }.learn(rows, took);
    }

    /// How long an answer of so many rows will take.
    pub fn estimate(&self, way: Way, rows: usize) -> Duration {
        let Cost { few, many } = self.of(way);
        let row = if rows < MANY { few } else { many }.row().unwrap_or_else(|| way.guess());
        row.saturating_mul(u32::try_from(rows).unwrap_or(u32::MAX))
    }

    fn of(&self, way: Way) -> &Cost {
        match (way.reads_histories, way.explains) {
            (false, false) => &self.vectors,
            (false, true) => &self.explained_vectors,
            (true, false) => &self.histories,
            (true, true) => &self.explained_histories,
        }
    }
}

impl Rate {
    fn learn(&self, rows: usize, took: Duration) {
        let rows = rows as f64;
        let kept = MEMORY / (MEMORY + rows);
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sums.0 = sums.0.mul_add(kept, took.as_nanos() as f64);
        sums.1 = sums.1.mul_add(kept, rows);
    }

    fn row(&self) -> Option<Duration> {
        let (nanos, rows) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (rows > 0.0).then(|| Duration::from_nanos((nanos / rows) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: Way = Way { reads_histories: false, explains: false };
    const HISTORIES: Way = Way { reads_histories: true, explains: false };

    #[test]
    fn a_guess_stands_until_something_was_answered() {
        let costs = Costs::default();
        assert_eq!(costs.estimate(VECTORS, 1_000), Duration::from_millis(1));
        costs.learn(VECTORS, 1_000, Duration::from_micros(200));
        assert_eq!(costs.estimate(VECTORS, 2_000), Duration::from_micros(400));
        assert_eq!(costs.estimate(HISTORIES, 100), Duration::from_millis(6));
    }

    #[test]
    fn what_a_small_call_costs_beside_its_row_does_not_count_for_large_ones() {
        let costs = Costs::default();
        costs.learn(VECTORS, 500, Duration::from_micros(100));
        for _ in 0..10_000 {
            costs.learn(VECTORS, 1, Duration::from_micros(20));
        }
        assert_eq!(costs.estimate(VECTORS, 1_000), Duration::from_micros(200));
        assert_eq!(costs.estimate(VECTORS, 1), Duration::from_micros(20));
    }

    #[test]
    fn the_last_rows_count_most() {
        let costs = Costs::default();
        for (number, row) in [(100, 10), (100, 40)] {
            for _ in 0..number {
                costs.learn(HISTORIES, 1_000, Duration::from_micros(1_000 * row));
            }
        }
        let estimate = costs.estimate(HISTORIES, 1_000);
        assert!((39_900..=40_000).contains(&estimate.as_micros()), "{estimate:?}");
    }
}
