//! Whether probabilities come true as often as they say.

use serde::{Deserialize, Serialize};

use super::{Ties, group_ties};

/// Rows of similar probability.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Mean probability of the rows.
    pub mean_predicted: f64,
    /// Share of the rows with the event.
    pub observed: f64,
    /// Rows, at least 1.
    pub count: u64,
}

/// The rows in up to `bins` bins of equal size, lowest probabilities first. Equal probabilities
/// always share a bin, so there may be fewer. `None` without rows or bins, for unequal lengths, or
/// NaN.
pub fn reliability_bins(
    probabilities: &[f64],
    target: &[bool],
    bins: usize,
) -> Option<Vec<ReliabilityBin>> {
    let ties = group_ties(probabilities, target).filter(|_| bins > 0)?;
    let filled = fill_bins(&ties, target.len() as f64, bins);
    Some(filled.iter().map(Tally::bin).collect())
}

/// Expected calibration error: the mean over rows of the distance between the mean probability and
/// the event rate of the row's bin ([`reliability_bins`]; Naeini et al. 2015 with bins of equal
/// size). 0 to 1, lower is better. It is not 0 for a perfect model, only near it: bins are finite.
pub fn expected_calibration_error(
    probabilities: &[f64],
    target: &[bool],
    bins: usize,
) -> Option<f64> {
    let ties = group_ties(probabilities, target).filter(|_| bins > 0)?;
    Some(calibration_error_of(&ties, target.len() as f64, bins))
}

/// The expected calibration error of `rows` rows in groups of equal probability, highest first.
pub(in crate::metrics) fn calibration_error_of(ties: &[Ties], rows: f64, bins: usize) -> f64 {
    let filled = fill_bins(ties, rows, bins);
    filled.iter().map(|tally| (tally.predicted - tally.events).abs()).sum::<f64>() / rows
}

/// Fills bins of about `rows / bins` rows, lowest probabilities first.
fn fill_bins(ties: &[Ties], rows: f64, bins: usize) -> Vec<Tally> {
    let size = rows / bins as f64;
    let (mut filled, mut open, mut due) = (Vec::new(), Tally::default(), size);
    let mut seen = 0.0;
    for group in ties.iter().rev() {
        open.add(group);
        seen += group.rows();
        if seen + 0.5 > due {
            filled.push(std::mem::take(&mut open));
            // As many bins as the group has filled; one step, however large the group.
            due += size * ((seen + 0.5 - due) / size).ceil();
        }
    }
    if open.rows > 0.0 {
        filled.push(open);
    }
    filled
}

#[derive(Default)]
struct Tally {
    predicted: f64,
    events: f64,
    rows: f64,
}

impl Tally {
    fn add(&mut self, ties: &Ties) {
        self.predicted += ties.score * ties.rows();
        self.events += ties.positives;
        self.rows += ties.rows();
    }

    fn bin(&self) -> ReliabilityBin {
        ReliabilityBin {
            mean_predicted: self.predicted / self.rows,
            observed: self.events / self.rows,
            count: self.rows as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_have_equal_size() {
        let probabilities: Vec<f64> = (0..100).map(|row| f64::from(row) / 100.0).collect();
        let target: Vec<bool> = (0..100).map(|row| row >= 50).collect();
        let bins = reliability_bins(&probabilities, &target, 10).unwrap();
        assert_eq!(bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [10; 10]);
        assert_eq!((bins[4].observed, bins[5].observed), (0.0, 1.0));
        assert!((bins[9].mean_predicted - 0.945).abs() < 1e-12);
        let error = expected_calibration_error(&probabilities, &target, 10).unwrap();
        assert!((error - 0.25).abs() < 0.01, "{error}");
    }

    #[test]
    fn equal_probabilities_share_a_bin() {
        let bins = reliability_bins(
            &[0.25; 8],
            &[true, false, false, false, true, false, false, false],
            4,
        );
        let only = ReliabilityBin { mean_predicted: 0.25, observed: 0.25, count: 8 };
        assert_eq!(bins, Some(vec![only]));
    }

    #[test]
    fn more_bins_than_rows_give_a_bin_each() {
        let bins = reliability_bins(&[0.1, 0.9, 0.5], &[false, true, false], 10).unwrap();
        assert_eq!(bins.len(), 3);
        let error = expected_calibration_error(&[0.1, 0.9, 0.5], &[false, true, false], 10);
        assert!((error.unwrap() - 0.7 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn undefined_is_none() {
        assert_eq!(reliability_bins(&[], &[], 10), None);
        assert_eq!(reliability_bins(&[0.5], &[true], 0), None);
        assert_eq!(expected_calibration_error(&[f64::NAN], &[true], 10), None);
    }
}
