//! How probabilities are spread over rows with the event and without it.

use serde::{Deserialize, Serialize};

/// Rows whose probability lies in one part of the range from 0 to 1.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct ScoreBin {
    /// Least probability, included.
    pub at_least: f64,
    /// Largest probability; included in the last bin only.
    pub below: f64,
    /// Rows.
    pub rows: u64,
    /// Its rows with the event.
    pub events: u64,
}

/// The rows in `bins` bins of equal width between 0 and 1, lowest first; bins may be empty. `None`
/// without rows or bins, for unequal lengths, and for values that are no probabilities.
pub fn score_histogram(
    probabilities: &[f64],
    target: &[bool],
    bins: usize,
) -> Option<Vec<ScoreBin>> {
    if probabilities.is_empty() || probabilities.len() != target.len() || bins == 0 {
        return None;
    }
    let edge = |bin: usize| bin as f64 / bins as f64;
    let empty = |bin| ScoreBin { at_least: edge(bin), below: edge(bin + 1), rows: 0, events: 0 };
    let mut histogram: Vec<ScoreBin> = (0..bins).map(empty).collect();
    for (probability, happened) in probabilities.iter().zip(target) {
        if !(0.0..=1.0).contains(probability) {
            return None;
        }
        let place = histogram.partition_point(|bin| bin.below <= *probability).min(bins - 1);
        let bin = histogram.get_mut(place)?;
        bin.rows += 1;
        bin.events += u64::from(*happened);
    }
    Some(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_bin() {
        let probabilities = [0.0, 0.1, 0.25, 0.5, 0.5, 0.99, 1.0];
        let target = [false, true, false, true, false, true, true];
        let bins = score_histogram(&probabilities, &target, 4).unwrap();
        let counts: Vec<(u64, u64)> = bins.iter().map(|bin| (bin.rows, bin.events)).collect();
        assert_eq!(counts, [(2, 1), (1, 0), (2, 1), (2, 2)]);
        assert_eq!((bins[1].at_least, bins[1].below), (0.25, 0.5));
    }

    #[test]
    fn undefined_is_none() {
        assert_eq!(score_histogram(&[], &[], 4), None);
        assert_eq!(score_histogram(&[0.5], &[true], 0), None);
        assert_eq!(score_histogram(&[0.5], &[], 4), None);
        assert_eq!(score_histogram(&[f64::NAN], &[true], 4), None);
        assert_eq!(score_histogram(&[1.5], &[true], 4), None);
    }
}
