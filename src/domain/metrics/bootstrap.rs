//! How sure a measure is: the bootstrap over customers.
//!
//! A customer may stand in several rows (one per as-of date), and her rows are alike, so rows are
//! no independent draws. Each replicate draws as many customers as there are, with replacement,
//! and takes all rows of a customer as often as she was drawn (Field and Welsh 2007, the cluster
//! bootstrap). Nothing is copied: a replicate is a weight per row, and rows are sorted once.
//!
//! Intervals are the percentiles of the replicates (Efron 1979). The calibration error and the
//! Kolmogorov-Smirnov statistic are sums or maxima of distances, which any noise makes larger: a
//! replicate has the noise of the sample and its own, so their intervals lie too high.

mod customers;
mod ranking;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use self::customers::Customers;
pub use self::ranking::{Measure, WeightedRanking};

/// Settings of a bootstrap.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Bootstrap {
    /// Replicates, 200 to 1,000: fewer leave the ends of an interval to chance.
    pub replicates: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// Share of the replicates within an interval, 0.5 to 0.99.
    pub level: f64,
}

/// Rows with an outcome and a model's probabilities for them.
#[derive(Clone, Copy, Debug)]
pub struct EvaluationRows<'a> {
    /// Probability of the event per row, 0 to 1.
    pub probabilities: &'a [f64],
    /// Whether the event happened, per row.
    pub target: &'a [bool],
    /// The customer of each row under any number; `None` when every row is a customer of its own.
    pub customers: Option<&'a [u64]>,
}

/// A value and where it may lie.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct ConfidenceInterval {
    /// The value on the rows themselves.
    pub estimate: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// Replicates in which the value was defined; others are left out.
    pub replicates: usize,
}

/// A measure of one model.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct MeasureInterval {
    /// Which measure.
    pub measure: Measure,
    /// Its value; `None` where it is undefined.
    pub interval: Option<ConfidenceInterval>,
}

/// A measure of two models on the same rows.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct MeasureDifference {
    /// Which measure.
    pub measure: Measure,
    /// The challenger's value minus the champion's, every replicate drawn for both alike; `None`
    /// where either is undefined.
    pub difference: Option<ConfidenceInterval>,
    /// Share of the replicates in which the challenger is better, equal ones counting half.
    pub better: Option<f64>,
}

/// Why there are no intervals.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BootstrapError {
    /// A setting is out of range.
    #[error("{name}: expected {expected}, found {found}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it was.
        found: String,
    },
    /// Slices of different length.
    #[error("{what}: expected one per row ({expected}), found {found}")]
    Shape {
        /// What there is too much or too little of.
        what: &'static str,
        /// Rows.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// No row, or more than 2^32.
    #[error("expected 1 to 4,294,967,295 rows, found {found}")]
    Rows {
        /// Rows.
        found: usize,
    },
    /// A value that is no probability.
    #[error("row {row}: expected a probability between 0 and 1, found {found}")]
    NotAProbability {
        /// Row, from 0.
        row: usize,
        /// The value.
        found: f64,
    },
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { replicates: 500, seed: 0, level: 0.95 }
    }
}

impl Bootstrap {
    const REPLICATES: std::ops::RangeInclusive<usize> = 200..=1000;

    /// The value of `metric` in every replicate, in order. `metric` gets the weight of each row
    /// (how often its customer was drawn, the same order as in `customers`). Replicates run in the
    /// current rayon pool; the answer does not depend on its threads. `stopped` is asked before
    /// every replicate.
    ///
    /// # Errors
    /// A setting out of range, or [`BootstrapError::Stopped`].
    pub fn replicate<T: Send>(
        &self,
        customers: &Customers,
        metric: impl Fn(&[f64]) -> T + Sync,
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<T>, BootstrapError> {
        self.check()?;
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let streams = (0..self.replicates).map(|_| {
            generator.jump();
            generator.clone()
        });
        let streams: Vec<Xoshiro256PlusPlus> = streams.collect();
        let one = |draw: &mut customers::Draw, stream: Xoshiro256PlusPlus| {
            if stopped() {
                return Err(BootstrapError::Stopped);
            }
            Ok(metric(customers.draw(stream, draw)))
        };
        streams.into_par_iter().map_init(customers::Draw::default, one).collect()
    }

    /// The interval of any `metric` of weighted rows; `None` when it is undefined on the rows
    /// themselves or in more than a tenth of the replicates.
    ///
    /// # Errors
    /// As [`Bootstrap::replicate`].
    pub fn interval(
        &self,
        customers: &Customers,
        metric: impl Fn(&[f64]) -> Option<f64> + Sync,
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<ConfidenceInterval>, BootstrapError> {
        let estimate = metric(&vec![1.0; customers.rows()]);
        let values = self.replicate(customers, metric, stopped)?;
        Ok(self.percentiles(estimate, values.into_iter()))
    }

    /// The intervals of all measures of one model, in the order of [`Measure::ALL`].
    ///
    /// # Errors
    /// A setting out of range, rows that do not fit together, a value that is no probability, or
    /// [`BootstrapError::Stopped`].
    pub fn measures(
        &self,
        rows: &EvaluationRows<'_>,
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<MeasureInterval>, BootstrapError> {
        let customers = Customers::of_rows(rows)?;
        let ranking = WeightedRanking::new(rows.probabilities, rows.target)?;
        let estimates = ranking.measures(&vec![1.0; customers.rows()]);
        let replicates =
            self.replicate(&customers, |weights| ranking.measures(weights), stopped)?;
        let interval = |measure: Measure| {
            let values = replicates.iter().map(|values| measure.of(values));
            let interval = self.percentiles(measure.of(&estimates), values);
            MeasureInterval { measure, interval }
        };
        Ok(Measure::ALL.into_iter().map(interval).collect())
    }

    /// How much better than the model of `rows` the `challenger` (its probabilities for the same
    /// rows) is, in the order of [`Measure::ALL`].
    ///
    /// # Errors
    /// As [`Bootstrap::measures`].
    pub fn differences(
        &self,
        rows: &EvaluationRows<'_>,
        challenger: &[f64],
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<MeasureDifference>, BootstrapError> {
        let customers = Customers::of_rows(rows)?;
        let champion = WeightedRanking::new(rows.probabilities, rows.target)?;
        let challenger = WeightedRanking::new(challenger, rows.target)?;
        let both = |weights: &[f64]| (champion.measures(weights), challenger.measures(weights));
        let estimates = both(&vec![1.0; customers.rows()]);
        let replicates = self.replicate(&customers, both, stopped)?;
        let difference = |measure: Measure| {
            let of =
                |(champion, challenger): &_| Some(measure.of(challenger)? - measure.of(champion)?);
            let values = replicates.iter().map(of);
            let difference = self.percentiles(of(&estimates), values.clone());
            let better = difference.map(|_| share_better(measure, values));
            MeasureDifference { measure, difference, better }
        };
        Ok(Measure::ALL.into_iter().map(difference).collect())
    }

    fn check(&self) -> Result<(), BootstrapError> {
        let setting = |name, expected, found| BootstrapError::Setting { name, expected, found };
        if !Self::REPLICATES.contains(&self.replicates) {
            return Err(setting("replicates", "200 to 1000", self.replicates.to_string()));
        }
        if !(0.5..=0.99).contains(&self.level) {
            return Err(setting("level", "0.5 to 0.99", self.level.to_string()));
        }
        Ok(())
    }

    fn percentiles(
        &self,
        estimate: Option<f64>,
        replicates: impl Iterator<Item = Option<f64>>,
    ) -> Option<ConfidenceInterval> {
        let estimate = estimate.filter(|value| value.is_finite())?;
        let mut values: Vec<f64> = replicates.flatten().filter(|v| v.is_finite()).collect();
        if values.len() * 10 < self.replicates * 9 {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let outside = (1.0 - self.level) / 2.0;
        let lower = quantile(&values, outside)?;
        let upper = quantile(&values, 1.0 - outside)?;
        Some(ConfidenceInterval { estimate, lower, upper, replicates: values.len() })
    }
}

/// The quantile of sorted values, linear between them (Hyndman and Fan 1996, type 7).
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let below = *sorted.get(place.floor() as usize)?;
    let above = *sorted.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}

fn share_better(measure: Measure, differences: impl Iterator<Item = Option<f64>>) -> f64 {
    let (mut better, mut all) = (0.0, 0.0);
    for difference in differences.flatten() {
        let gain = if measure.higher_is_better() { difference } else { -difference };
        better += if gain > 0.0 { 1.0 } else { f64::from(u8::from(gain == 0.0)) / 2.0 };
        all += 1.0;
    }
    better / f64::max(all, 1.0)
}

#[cfg(test)]
mod tests;
