//! Half widths of intervals: from the series' own past errors, else from those of all series, else
//! from the method's formula.

use super::IntervalSource;
use super::scores::{Bound, Scores};

/// Fewest errors that a quantile is taken from.
const ENOUGH: usize = 40;
/// Errors of all series that are wanted before horizons are mixed no further.
const WANTED_POOLED: usize = 100;

/// What the errors of all series say, for every period and one level.
#[derive(Clone, Debug)]
pub(super) struct PooledBounds {
    level: f64,
    normal: f64,
    bounds: Vec<Bound>,
}

impl PooledBounds {
    /// Bounds for `horizon` periods at `level`, between 0.5 and 0.99.
    pub(super) fn new(pool: &Scores, horizon: usize, level: f64) -> Self {
        Self {
            level,
            normal: normal_quantile(0.5 + level / 2.0),
            bounds: (0..horizon)
                .map(|step| pool.bound(step, level, WANTED_POOLED, ENOUGH))
                .collect(),
        }
    }

    /// The share of outcomes that the intervals shall contain.
    pub(super) fn level(&self) -> f64 {
        self.level
    }

    /// The half width for one period of a series: with its own scores and scale (`None` for a
    /// series that hardly moves), and the standard deviation of its method. It never falls while
    /// the level rises, whichever source answers.
    pub(super) fn half_width(
        &self,
        step: usize,
        own: &Scores,
        scale: Option<f64>,
        deviation: f64,
    ) -> (f64, IntervalSource) {
        let formula = self.normal * deviation;
        let Some(scale) = scale else {
            return (formula, IntervalSource::Formula);
        };
        let own = own.bound(step, self.level, ENOUGH, ENOUGH);
        if let Some(score) = own.supported {
            return (score * scale, IntervalSource::OwnConformal);
        }
        let pooled = self.bounds.get(step).copied().unwrap_or_default();
        if let Some(score) = pooled.supported {
            return (score.max(own.floor) * scale, IntervalSource::PooledConformal);
        }
        let floor = own.floor.max(pooled.floor) * scale;
        (formula.max(floor), IntervalSource::Formula)
    }
}

/// The value that a standard normal variable stays below with `probability`, between 0.5 and 0.999:
/// Abramowitz and Stegun, "Handbook of mathematical functions", 26.2.23, error below 4.5e-4.
fn normal_quantile(probability: f64) -> f64 {
    let t = (-2.0 * (1.0 - probability).ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    t - above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(count: usize) -> Scores {
        let errors = (1..=count).map(|error| error as f32 / count as f32);
        let json = serde_json::json!([errors.collect::<Vec<f32>>()]);
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_best_source_that_supports_the_level_answers() {
        let half = |own: usize, pool: usize, level| {
            let bounds = PooledBounds::new(&uniform(pool), 1, level);
            bounds.half_width(0, &uniform(own), Some(2.0), 0.5).1
        };
        assert_eq!(half(40, 500, 0.95), IntervalSource::OwnConformal);
        assert_eq!(half(40, 500, 0.99), IntervalSource::PooledConformal);
        assert_eq!(half(39, 500, 0.5), IntervalSource::PooledConformal);
        assert_eq!(half(39, 39, 0.5), IntervalSource::Formula);
        let none = PooledBounds::new(&uniform(500), 1, 0.8);
        let still = none.half_width(0, &uniform(500), None, 1.0);
        assert_eq!(still.1, IntervalSource::Formula);
        assert!((still.0 - 1.2816).abs() < 1e-3);
    }

    #[test]
    fn half_widths_rise_with_the_level_across_sources() {
        let (own, pool) = (uniform(45), uniform(60));
        let mut before = 0.0;
        for permille in 500..=990 {
            let bounds = PooledBounds::new(&pool, 1, f64::from(permille) / 1000.0);
            let (half, _) = bounds.half_width(0, &own, Some(3.0), 0.1);
            assert!(half >= before, "{permille}: {half} < {before}");
            before = half;
        }
    }

    #[test]
    fn normal_quantiles() {
        for (probability, expected) in [(0.75, 0.674_49), (0.975, 1.959_96), (0.995, 2.575_83)] {
            assert!((normal_quantile(probability) - expected).abs() < 4.5e-4);
        }
    }
}
