//! Whether probabilities come true as often as they say.

use serde::{Deserialize, Serialize};

use super::comparable;

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
    if bins == 0 || !comparable(probabilities, target) {
        return None;
    }
    let pairs = probabilities.iter().copied().zip(target.iter().copied());
    let mut pairs: Vec<(f64, bool)> = pairs.collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let size = pairs.len() as f64 / bins as f64;
    let (mut filled, mut open, mut due) = (Vec::new(), Tally::default(), size);
    let mut seen = 0.0;
    for ties in pairs.chunk_by(|a, b| a.0 == b.0) {
        open.add(ties);
        seen += ties.len() as f64;
        if seen + 0.5 > due {
            filled.extend(std::mem::take(&mut open).bin());
            while due < seen + 0.5 {
                due += size;
            }
        }
    }
    filled.extend(open.bin());
    Some(filled)
}

/// Expected calibration error: the mean over rows of the distance between the mean probability and
/// the event rate of the row's bin ([`reliability_bins`]; Naeini et al. 2015 with bins of equal
/// size). 0 to 1, lower is better. It is not 0 for a perfect model, only near it: bins are finite.
pub fn expected_calibration_error(
    probabilities: &[f64],
    target: &[bool],
    bins: usize,
) -> Option<f64> {
    let filled = reliability_bins(probabilities, target, bins)?;
    let error = |bin: &ReliabilityBin| (bin.mean_predicted - bin.observed).abs() * bin.count as f64;
    Some(filled.iter().map(error).sum::<f64>() / target.len() as f64)
}

#[derive(Default)]
struct Tally {
    predicted: f64,
    events: f64,
    rows: u64,
}

impl Tally {
    fn add(&mut self, rows: &[(f64, bool)]) {
        for (probability, happened) in rows {
            self.predicted += probability;
            self.events += f64::from(u8::from(*happened));
            self.rows += 1;
        }
    }

    fn bin(self) -> Option<ReliabilityBin> {
        (self.rows > 0).then(|| ReliabilityBin {
            mean_predicted: self.predicted / self.rows as f64,
            observed: self.events / self.rows as f64,
            count: self.rows,
        })
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
