//! All measures of weighted rows, sorted once.

use serde::{Deserialize, Serialize};

use super::BootstrapError;
use crate::metrics::classification::{
    Ranking, Ties, calibration_error_of, comparable, log_loss_of, squared_error_of,
};

/// A measure of probabilities, defined as the function of the same name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// [`crate::metrics::roc_auc`].
    RocAuc,
    /// [`crate::metrics::average_precision`].
    AveragePrecision,
    /// [`crate::metrics::log_loss`].
    LogLoss,
    /// [`crate::metrics::brier_score`].
    BrierScore,
    /// [`crate::metrics::expected_calibration_error`] of ten bins.
    ExpectedCalibrationError,
    /// [`crate::metrics::ks_statistic`].
    #[serde(rename = "ks")]
    KsStatistic,
    /// [`crate::metrics::cumulative_gain`] of the best-scored tenth of the rows over 0.1.
    #[serde(rename = "lift_top_decile")]
    TopDecileLift,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::RocAuc,
        Self::AveragePrecision,
        Self::LogLoss,
        Self::BrierScore,
        Self::ExpectedCalibrationError,
        Self::KsStatistic,
        Self::TopDecileLift,
    ];

    /// Bins of the calibration error.
    pub const CALIBRATION_BINS: usize = 10;

    /// Whether more is better.
    pub fn higher_is_better(self) -> bool {
        !matches!(self, Self::LogLoss | Self::BrierScore | Self::ExpectedCalibrationError)
    }

    /// This measure among `values` in the order of [`Measure::ALL`].
    pub fn of(self, values: &[Option<f64>; 7]) -> Option<f64> {
        let [auc, precision, log_loss, brier, calibration, ks, lift] = *values;
        match self {
            Self::RocAuc => auc,
            Self::AveragePrecision => precision,
            Self::LogLoss => log_loss,
            Self::BrierScore => brier,
            Self::ExpectedCalibrationError => calibration,
            Self::KsStatistic => ks,
            Self::TopDecileLift => lift,
        }
    }
}

/// Rows with probabilities, sorted, to be measured under any weights.
#[derive(Clone, Debug)]
pub struct WeightedRanking {
    rows: usize,
    /// Rows by falling probability: the row's number times two, plus one with the event.
    order: Vec<u64>,
    groups: Vec<Group>,
}

/// Rows of one probability.
#[derive(Clone, Copy, Debug)]
struct Group {
    /// Where it ends in the order.
    end: usize,
    probability: f64,
    /// Log-loss of a row with the event, and of one without.
    log_losses: (f64, f64),
    /// Squared error of a row with the event, and of one without.
    squares: (f64, f64),
}

impl WeightedRanking {
    /// Sorts the rows.
    ///
    /// # Errors
    /// [`BootstrapError::Shape`] for slices of different length, [`BootstrapError::Rows`] without
    /// rows, [`BootstrapError::NotAProbability`].
    pub fn new(probabilities: &[f64], target: &[bool]) -> Result<Self, BootstrapError> {
        let (expected, found) = (target.len(), probabilities.len());
        if expected != found {
            return Err(BootstrapError::Shape { what: "probabilities", expected, found });
        }
        let invalid = |value: &f64| !(0.0..=1.0).contains(value);
        if let Some(row) = probabilities.iter().position(invalid) {
            let found = probabilities.get(row).copied().unwrap_or(f64::NAN);
            return Err(BootstrapError::NotAProbability { row, found });
        }
        if !comparable(probabilities, target) {
            return Err(BootstrapError::Rows { found });
        }
        let rows = probabilities.iter().zip(target).zip(0u64..);
        let row = |((probability, happened), row): ((&f64, &bool), u64)| {
            (*probability, 2 * row + u64::from(*happened))
        };
        let mut pairs: Vec<(f64, u64)> = rows.map(row).collect();
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut end = 0;
        let group = |rows: &[(f64, u64)]| {
            end += rows.len();
            Group::new(end, rows.first().map_or(0.0, |pair| pair.0))
        };
        let groups = pairs.chunk_by(|a, b| a.0 == b.0).map(group).collect();
        let order = pairs.iter().map(|pair| pair.1).collect();
        Ok(Self { rows: target.len(), order, groups })
    }

    /// All measures in the order of [`Measure::ALL`] when each row counts as often as its weight
    /// (0 or more; whole numbers give what repeated rows would). Where only one outcome has
    /// weight, those that need both are `None`; all are without weight, or with weights that are
    /// not one finite number per row.
    pub fn measures(&self, weights: &[f64]) -> [Option<f64>; 7] {
        let valid = |weight: &f64| weight.is_finite() && *weight >= 0.0;
        if weights.len() != self.rows || !weights.iter().all(valid) {
            return [None; 7];
        }
        let (ranking, log_loss, squares) = self.weigh(weights);
        let rows = ranking.positives + ranking.negatives;
        if !(rows > 0.0 && rows.is_finite()) {
            return [None; 7];
        }
        let both = ranking.positives > 0.0 && ranking.negatives > 0.0;
        let of_both = |measure: &dyn Fn(&Ranking) -> f64| both.then(|| measure(&ranking));
        [
            of_both(&Ranking::roc_auc),
            of_both(&Ranking::average_precision),
            Some(log_loss / rows),
            Some(squares / rows),
            Some(calibration_error_of(&ranking.ties, rows, Measure::CALIBRATION_BINS)),
            of_both(&Ranking::ks_statistic),
            of_both(&|ranking| ranking.gain(0.1) / 0.1),
        ]
    }

    /// The groups that have weight, and the sums of log-losses and squared errors.
    fn weigh(&self, weights: &[f64]) -> (Ranking, f64, f64) {
        let mut ranking =
            Ranking { ties: Vec::with_capacity(self.groups.len()), ..Ranking::default() };
        let (mut log_loss, mut squares) = (0.0, 0.0);
        let mut rest = self.order.iter();
        let mut start = 0;
        for group in &self.groups {
            let mut sums = [0.0; 2];
            for row in rest.by_ref().take(group.end - start) {
                let weight = weights.get((row / 2) as usize).copied().unwrap_or(0.0);
                if let Some(sum) = sums.get_mut((row % 2) as usize) {
                    *sum += weight;
                }
            }
            start = group.end;
            let [negatives, positives] = sums;
            if positives + negatives > 0.0 {
                log_loss += positives * group.log_losses.0 + negatives * group.log_losses.1;
                squares += positives * group.squares.0 + negatives * group.squares.1;
                ranking.positives += positives;
                ranking.negatives += negatives;
                ranking.ties.push(Ties { score: group.probability, positives, negatives });
            }
        }
        (ranking, log_loss, squares)
    }
}

impl Group {
    fn new(end: usize, probability: f64) -> Self {
        Self {
            end,
            probability,
            log_losses: (log_loss_of(probability, true), log_loss_of(probability, false)),
            squares: (squared_error_of(probability, true), squared_error_of(probability, false)),
        }
    }
}
