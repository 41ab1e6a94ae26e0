//! How well probabilities rank and how true they are, under scikit-learn's names.
//!
//! Every function takes scores and outcomes row by row and answers `None` where the measure is
//! undefined: no rows, slices of different length, a score that is NaN, or only one outcome where
//! both are needed. Rows with equal scores are taken as one group, so no answer depends on the
//! order of rows.

mod gains;
mod histogram;
mod reliability;

pub use self::gains::{DecileGain, cumulative_gain, gains_and_lift};
pub use self::histogram::{ScoreBin, score_histogram};
pub(super) use self::reliability::calibration_error_of;
pub use self::reliability::{ReliabilityBin, expected_calibration_error, reliability_bins};

/// Probabilities are held this far off 0 and 1 in [`log_loss`].
const CLIP: f64 = 1e-15;

/// Area under the ROC curve: the chance that a row with the event scores above one without it,
/// ties counting half (Hanley and McNeil 1982). 0 to 1; 0.5 is chance.
pub fn roc_auc(scores: &[f64], target: &[bool]) -> Option<f64> {
    Ranking::new(scores, target).map(|ranking| ranking.roc_auc())
}

/// Average precision: the mean over thresholds of precision, weighted by the recall gained
/// (scikit-learn's definition, without interpolation). 0 to 1; the base rate is chance.
pub fn average_precision(scores: &[f64], target: &[bool]) -> Option<f64> {
    Ranking::new(scores, target).map(|ranking| ranking.average_precision())
}

/// Kolmogorov-Smirnov statistic: the largest distance between the shares of events and of
/// non-events above a threshold. 0 to 1.
pub fn ks_statistic(scores: &[f64], target: &[bool]) -> Option<f64> {
    Ranking::new(scores, target).map(|ranking| ranking.ks_statistic())
}

/// Mean negative log-likelihood of the outcomes, natural logarithm, probabilities clipped to
/// `1e-15` off 0 and 1. 0 or more, lower is better. Needs rows, not both outcomes.
pub fn log_loss(probabilities: &[f64], target: &[bool]) -> Option<f64> {
    mean(probabilities, target, log_loss_of)
}

/// Mean squared distance of probability and outcome (Brier 1950). 0 to 1, lower is better. Needs
/// rows, not both outcomes.
pub fn brier_score(probabilities: &[f64], target: &[bool]) -> Option<f64> {
    mean(probabilities, target, squared_error_of)
}

/// What one row adds to [`log_loss`].
pub(super) fn log_loss_of(probability: f64, happened: bool) -> f64 {
    let probability = probability.clamp(CLIP, 1.0 - CLIP);
    let given = if happened { probability } else { 1.0 - probability };
    -given.ln()
}

/// What one row adds to [`brier_score`].
pub(super) fn squared_error_of(probability: f64, happened: bool) -> f64 {
    (probability - f64::from(u8::from(happened))).powi(2)
}

fn mean(values: &[f64], target: &[bool], loss: impl Fn(f64, bool) -> f64) -> Option<f64> {
    if !comparable(values, target) {
        return None;
    }
    let losses = values.iter().zip(target).map(|(value, happened)| loss(*value, *happened));
    Some(losses.sum::<f64>() / target.len() as f64)
}

/// Whether there are rows, one score each, and no NaN among them.
pub(super) fn comparable(scores: &[f64], target: &[bool]) -> bool {
    !target.is_empty() && scores.len() == target.len() && !scores.iter().any(|s| s.is_nan())
}

/// Rows grouped by equal score, highest first.
#[derive(Debug, Default)]
pub(super) struct Ranking {
    /// The groups; none is empty.
    pub(super) ties: Vec<Ties>,
    /// Rows with the event, above 0.
    pub(super) positives: f64,
    /// Rows without it, above 0.
    pub(super) negatives: f64,
}

/// Rows of one score; a row of weight 2 counts twice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ties {
    /// The score they share.
    pub(super) score: f64,
    /// Rows with the event.
    pub(super) positives: f64,
    /// Rows without it.
    pub(super) negatives: f64,
}

impl Ties {
    fn rows(&self) -> f64 {
        self.positives + self.negatives
    }
}

/// Rows grouped by equal score, highest first; `None` where nothing can be compared.
fn group_ties(scores: &[f64], target: &[bool]) -> Option<Vec<Ties>> {
    if !comparable(scores, target) {
        return None;
    }
    let mut pairs: Vec<(f64, bool)> = scores.iter().copied().zip(target.iter().copied()).collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let count = |group: &[(f64, bool)]| {
        let score = group.first().map_or(f64::NAN, |pair| pair.0);
        let positives = group.iter().filter(|(_, happened)| *happened).count();
        let negatives = (group.len() - positives) as f64;
        Ties { score, positives: positives as f64, negatives }
    };
    Some(pairs.chunk_by(|a, b| a.0 == b.0).map(count).collect())
}

impl Ranking {
    /// `None` unless both outcomes occur.
    fn new(scores: &[f64], target: &[bool]) -> Option<Self> {
        let ties = group_ties(scores, target)?;
        let positives: f64 = ties.iter().map(|group| group.positives).sum();
        let negatives = target.len() as f64 - positives;
        let both = positives > 0.0 && negatives > 0.0;
        both.then_some(Self { ties, positives, negatives })
    }

    /// See [`roc_auc`].
    pub(super) fn roc_auc(&self) -> f64 {
        let mut above = 0.0;
        let mut won = 0.0;
        for ties in &self.ties {
            won += ties.negatives * (above + ties.positives / 2.0);
            above += ties.positives;
        }
        won / (self.positives * self.negatives)
    }

    /// See [`average_precision`].
    pub(super) fn average_precision(&self) -> f64 {
        let (mut rows, mut hits, mut sum) = (0.0, 0.0, 0.0);
        for ties in &self.ties {
            rows += ties.rows();
            hits += ties.positives;
            sum += ties.positives * hits / rows;
        }
        sum / self.positives
    }

    /// See [`ks_statistic`].
    pub(super) fn ks_statistic(&self) -> f64 {
        let (mut events, mut others, mut largest) = (0.0, 0.0, 0.0f64);
        for ties in &self.ties {
            events += ties.positives / self.positives;
            others += ties.negatives / self.negatives;
            largest = largest.max((events - others).abs());
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f64; 12] = [-2.0, -1.5, -1.0, -0.5, 0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 2.5, 3.0];
    const EVENTS: [u8; 12] = [0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1];

    fn target() -> [bool; 12] {
        EVENTS.map(|event| event == 1)
    }

    fn close(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn fixed_vector_agrees_with_scikit_learn() {
        let probabilities = SCORES.map(|s| 1.0 / (1.0 + (-s).exp()));
        close(roc_auc(&SCORES, &target()), 0.777_777_777_8);
        close(average_precision(&SCORES, &target()), 0.810_714_285_7);
        close(ks_statistic(&SCORES, &target()), 0.5);
        close(brier_score(&probabilities, &target()), 0.205_154_914_7);
        close(log_loss(&probabilities, &target()), 0.597_479_199_9);
    }

    #[test]
    fn ties_count_half_in_any_order() {
        let scores = [0.5, 0.5, 0.5, 0.1];
        for target in [[true, false, true, false], [false, true, true, false]] {
            close(roc_auc(&scores, &target), 0.75);
            close(average_precision(&scores, &target), 2.0 / 3.0);
            close(ks_statistic(&scores, &target), 0.5);
        }
        close(roc_auc(&[0.3; 4], &[true, false, true, false]), 0.5);
        close(roc_auc(&[0.0, -0.0], &[true, false]), 0.5);
    }

    #[test]
    fn undefined_measures_are_none() {
        for (scores, target) in [
            (&[][..], &[][..]),
            (&[0.1, 0.2], &[true, true]),
            (&[0.1, 0.2], &[false, false]),
            (&[0.1], &[true, false]),
            (&[f64::NAN, 0.2], &[true, false]),
        ] {
            assert_eq!(roc_auc(scores, target), None);
            assert_eq!(average_precision(scores, target), None);
            assert_eq!(ks_statistic(scores, target), None);
        }
        assert_eq!(log_loss(&[], &[]), None);
        assert_eq!(brier_score(&[0.5, f64::NAN], &[true, false]), None);
        close(brier_score(&[1.0, 0.5], &[true, true]), 0.125);
    }

    #[test]
    fn log_loss_of_a_certain_mistake_is_finite() {
        close(log_loss(&[0.0], &[true]), -(1e-15f64.ln()));
    }
}
