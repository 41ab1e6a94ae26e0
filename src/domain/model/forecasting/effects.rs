//! What regressors do to each series of a panel.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::regression::{Evidence, Form};
use super::regressors::Regressors;
use super::shrinkage::{LEAST_UNEXPLAINED, Posterior, Prior};
use crate::dataset::RegressorKind;

/// Fewest periods in which a column differs from what it usually is.
const FEWEST_PERIODS: usize = 3;
/// Differences below this one are none: a tenth of a percent of a price, or of a promotion.
const SAME: f64 = 1e-3;
/// Largest effect of all columns together on the logarithm of a value: a factor of about 10.
pub(super) const LARGEST: f64 = 2.3;
/// Largest one downwards, of a day on which a shop is closed for instance: a factor of about 1/400.
const LARGEST_FALL: f64 = 6.0;
/// Quantile of the normal distribution for intervals of 95 %.
const NORMAL_95: f64 = 1.959_964;

/// An estimate with the interval that holds the truth with probability 0.95.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Estimate {
    /// The expected value.
    pub value: f64,
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
}

/// What one column does to one series.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Effect {
    /// The column.
    pub name: String,
    /// What its values say.
    pub kind: RegressorKind,
    /// How large its effect is, or why the series cannot tell.
    pub outcome: EffectOutcome,
}

/// How large an effect is, or why the series cannot tell.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectOutcome {
    /// The series tells.
    Told(Uplift),
    /// The series does not tell.
    CannotTell(CannotTell),
}

/// An effect that a series tells.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Uplift {
    /// Elasticity for a price; for an indicator the change of the logarithm of the values when it
    /// is 1, or of their share of the mean for a series with values that are not positive.
    pub coefficient: Estimate,
    /// Change in percent when an indicator is 1, or when a price rises by one percent.
    pub percent: Estimate,
    /// Sum of the past values without the effect, over the periods in which the column was not
    /// what it usually is.
    pub baseline: f64,
    /// What the column added to that baseline.
    pub units: Estimate,
    /// Periods in which the column was not what it usually is.
    pub periods: usize,
    /// How many series of the panel the estimate was drawn towards; 0 when there were too few.
    pub pooled_series: usize,
}

/// Why a series does not tell the effect of a column.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CannotTell {
    /// The series does not have this column.
    NotThere,
    /// The indicator was 0 in every period: the promotion never ran.
    NeverRan,
    /// The column had the same value in every period: the promotion always ran, the price never
    /// moved.
    NeverMoved,
    /// The column moved in too few periods.
    HardlyMoved {
        /// In how many.
        periods: usize,
    },
    /// The column moves with the trend and the season.
    MovesWithSeason,
    /// The column moves with another one.
    Collinear {
        /// The other one.
        with: String,
    },
    /// The series is too short.
    FewValues {
        /// How many values it has.
        found: usize,
    },
}

impl fmt::Display for CannotTell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere => f.write_str("the series has no such values"),
            Self::NeverRan => f.write_str("it never happened in the past of this series"),
            Self::NeverMoved => f.write_str("it was the same in every past period"),
            Self::HardlyMoved { periods } => write!(f, "it moved in {periods} periods only"),
            Self::MovesWithSeason => f.write_str("it moves together with the trend or the season"),
            Self::Collinear { with } => write!(f, "it moves together with {with}"),
            Self::FewValues { found } => write!(f, "the series has {found} values only"),
        }
    }
}

/// A column of one series over its past.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Movement {
    /// What it usually is, and what effects are counted from: 0 for an indicator, the median for a
    /// price.
    pub(super) usual: f64,
    /// Periods in which it is not.
    periods: usize,
    /// Whether it is the same in every period.
    constant: bool,
}

impl Movement {
    /// The movement of each column over the first `count` periods.
    pub(super) fn of(regressors: &Regressors, rows: &[f64], count: usize) -> Vec<Self> {
        let columns = regressors.columns();
        let of_column = |(index, kind): (usize, RegressorKind)| {
            let past = rows.iter().skip(index).step_by(columns.len()).take(count);
            let mut sorted: Vec<f64> = past.copied().collect();
            sorted.sort_by(f64::total_cmp);
            let usual = match kind {
                RegressorKind::Indicator => 0.0,
                RegressorKind::Price => sorted.get(count / 2).copied().unwrap_or_default(),
            };
            let moved = sorted.iter().filter(|value| (*value - usual).abs() > SAME).count();
            let constant = match (sorted.first(), sorted.last()) {
                (Some(lowest), Some(highest)) => highest - lowest <= SAME,
                _ => true,
            };
            Self { usual, periods: moved, constant }
        };
        columns.iter().map(|column| column.kind).enumerate().map(of_column).collect()
    }

    fn cannot_tell(&self, count: usize) -> Option<CannotTell> {
        let rare = self.periods.min(count - self.periods);
        match self {
            Self { constant: true, periods: 0, usual, .. } if *usual == 0.0 => {
                Some(CannotTell::NeverRan)
            }
            Self { constant: true, .. } => Some(CannotTell::NeverMoved),
            _ if rare < FEWEST_PERIODS && self.usual == 0.0 => {
                Some(CannotTell::HardlyMoved { periods: rare })
            }
            _ if self.periods < FEWEST_PERIODS => {
                Some(CannotTell::HardlyMoved { periods: self.periods })
            }
            _ => None,
        }
    }
}

/// All that is known about one series: what its report is made of.
pub(super) struct Known<'a> {
    pub(super) regressors: &'a Regressors,
    /// Columns that the series does not have.
    pub(super) absent: &'a [usize],
    pub(super) priors: &'a [Prior],
    /// What the values were divided by.
    pub(super) unit: f64,
    /// Values, and rows from the first value on.
    pub(super) values: &'a [f64],
    pub(super) rows: &'a [f64],
    pub(super) movements: &'a [Movement],
    pub(super) evidence: Option<&'a Evidence>,
    pub(super) posterior: Option<&'a Posterior>,
}

impl Known<'_> {
    /// The effect of every column.
    pub(super) fn report(&self) -> Vec<Effect> {
        let columns = self.regressors.columns().iter().enumerate();
        let effects = columns.map(|(index, column)| {
            let outcome = match self.tell(index, column.kind) {
                Ok(uplift) => EffectOutcome::Told(uplift),
                Err(reason) => EffectOutcome::CannotTell(reason),
            };
            Effect { name: column.name.clone(), kind: column.kind, outcome }
        });
        effects.collect()
    }

    fn tell(&self, index: usize, kind: RegressorKind) -> Result<Uplift, CannotTell> {
        if self.absent.contains(&index) {
            return Err(CannotTell::NotThere);
        }
        let few = || CannotTell::FewValues { found: self.values.len() };
        let movement = self.movements.get(index).ok_or_else(few)?;
        if let Some(reason) = movement.cannot_tell(self.values.len()) {
            return Err(match (reason, kind) {
                (CannotTell::NeverRan, RegressorKind::Price) => CannotTell::NeverMoved,
                (reason, _) => reason,
            });
        }
        let (Some(evidence), Some(posterior)) = (self.evidence, self.posterior) else {
            return Err(few());
        };
        if evidence.unexplained.get(index).is_none_or(|share| *share < LEAST_UNEXPLAINED) {
            return Err(CannotTell::MovesWithSeason);
        }
        if let Some(other) = evidence.collinear(index) {
            let with = self.regressors.columns().get(other).map(|column| column.name.clone());
            return Err(CannotTell::Collinear { with: with.unwrap_or_default() });
        }
        let pair = posterior.means.get(index).zip(posterior.deviations.get(index));
        let (mean, deviation) = pair.ok_or_else(few)?;
        let half = student_95(evidence.freedom) * deviation;
        Ok(self.uplift(index, kind, [*mean, mean - half, mean + half], evidence.form))
    }

    /// In the terms of the report; `bounds` are estimate, lower and upper bound of the coefficient.
    fn uplift(&self, index: usize, kind: RegressorKind, bounds: [f64; 3], form: Form) -> Uplift {
        let percent = |coefficient: f64| {
            let step = if kind == RegressorKind::Price { 1.01_f64.ln() } else { 1.0 };
            100.0 * form.change(coefficient * step)
        };
        let usual = self.movements.get(index).map_or(0.0, |movement| movement.usual);
        let column = self.rows.iter().skip(index).step_by(self.regressors.columns().len().max(1));
        let moved = self.values.iter().zip(column.map(|value| value - usual));
        let moved: Vec<(f64, f64)> =
            moved.filter(|(_, by)| by.abs() > SAME).map(|(value, by)| (*value, by)).collect();
        let units = |coefficient: f64| -> f64 {
            moved.iter().map(|(value, by)| value - form.without(*value, coefficient * by)).sum()
        };
        let total: f64 = moved.iter().map(|(value, _)| value).sum();
        let [coefficient, _, _] = bounds;
        Uplift {
            coefficient: ordered(bounds),
            percent: ordered(bounds.map(percent)),
            baseline: (total - units(coefficient)) * self.unit,
            units: ordered(bounds.map(|bound| units(bound) * self.unit)),
            periods: moved.len(),
            pooled_series: self.priors.get(index).map_or(0, |prior| prior.series),
        }
    }
}

impl Form {
    /// The share that an effect adds to a value.
    fn change(self, effect: f64) -> f64 {
        match self {
            Self::Logarithmic => effect.clamp(-LARGEST_FALL, LARGEST).exp_m1(),
            Self::Level { .. } => effect,
        }
    }

    /// A value without an effect.
    pub(super) fn without(self, value: f64, effect: f64) -> f64 {
        match self {
            Self::Logarithmic => value / effect.clamp(-LARGEST_FALL, LARGEST).exp(),
            Self::Level { mean } => value - mean * effect.clamp(-LARGEST, LARGEST),
        }
    }

    /// A value with an effect.
    pub(super) fn with(self, value: f64, effect: f64) -> f64 {
        match self {
            Self::Logarithmic => value * effect.clamp(-LARGEST_FALL, LARGEST).exp(),
            Self::Level { mean } => value + mean * effect.clamp(-LARGEST, LARGEST),
        }
    }

    /// What an effect multiplies errors by.
    pub(super) fn factor(self, effect: f64) -> f64 {
        match self {
            Self::Logarithmic => effect.clamp(-LARGEST_FALL, LARGEST).exp(),
            Self::Level { .. } => 1.0,
        }
    }
}

/// An effect may fall while its coefficient rises.
fn ordered([value, one, other]: [f64; 3]) -> Estimate {
    Estimate { value, lower: one.min(other), upper: one.max(other) }
}

/// Student's quantile for intervals of 95 %: the expansion of Abramowitz and Stegun, "Handbook of
/// mathematical functions", 26.7.5, with its first three terms.
fn student_95(freedom: f64) -> f64 {
    let z = NORMAL_95;
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    z + first / freedom + second / (freedom * freedom)
}
