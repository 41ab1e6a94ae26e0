//! What a campaign reaches when it starts with the highest scores.

use serde::{Deserialize, Serialize};

use super::Ranking;

/// The best-scored share of the rows and what it holds.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct DecileGain {
    /// Share of the rows, 0.1 to 1.
    pub share: f64,
    /// Share of all events that are among them, 0 to 1.
    pub gain: f64,
    /// `gain / share`: how many times the base rate their event rate is.
    pub cumulative_lift: f64,
}

/// Share of all events among the best-scored `share` of the rows (0 to 1).
///
/// Rows of equal score are split by expectation: a cut through them takes their average event
/// rate. A cut through one row takes a part of it. `None` when only one outcome occurs, for
/// unequal lengths, NaN, or a share outside of 0 to 1.
pub fn cumulative_gain(scores: &[f64], target: &[bool], share: f64) -> Option<f64> {
    let inside = (0.0..=1.0).contains(&share);
    inside.then(|| Ranking::new(scores, target))?.map(|ranking| ranking.gain(share))
}

/// [`cumulative_gain`] at each decile from 0.1 to 1, and the lift.
pub fn gains_and_lift(scores: &[f64], target: &[bool]) -> Option<Vec<DecileGain>> {
    let ranking = Ranking::new(scores, target)?;
    let decile = |tenths: u8| {
        let share = f64::from(tenths) / 10.0;
        let gain = ranking.gain(share);
        DecileGain { share, gain, cumulative_lift: gain / share }
    };
    Some((1..=10).map(decile).collect())
}

impl Ranking {
    /// See [`cumulative_gain`].
    pub(in crate::metrics) fn gain(&self, share: f64) -> f64 {
        let mut room = share * (self.positives + self.negatives);
        let mut events = 0.0;
        for ties in &self.ties {
            let rows = ties.rows();
            let taken = rows.min(room);
            events += ties.positives * taken / rows;
            room -= taken;
        }
        events / self.positives
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_vector_agrees_with_the_reference() {
        let scores = [-2.0, -1.5, -1.0, -0.5, 0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 2.5, 3.0];
        let target = [0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1].map(|event| event == 1);
        let expected = [1.0 / 3.0, 2.0 / 3.0, 5.0 / 6.0, 1.0];
        let lifts = [4.0 / 3.0, 4.0 / 3.0, 10.0 / 9.0, 1.0];
        for (quarter, (gain, lift)) in
            [0.25, 0.5, 0.75, 1.0].into_iter().zip(expected.into_iter().zip(lifts))
        {
            let found = cumulative_gain(&scores, &target, quarter).unwrap();
            assert!((found - gain).abs() < 1e-12, "{quarter} {found}");
            assert!((found / quarter - lift).abs() < 1e-12);
        }
    }

    #[test]
    fn ties_are_split_by_expectation() {
        let target: Vec<bool> = (0..20).map(|row| row < 5).collect();
        for decile in gains_and_lift(&[0.7; 20], &target).unwrap() {
            assert!((decile.gain - decile.share).abs() < 1e-12);
            assert!((decile.cumulative_lift - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn deciles_end_at_everything() {
        let scores: Vec<f64> = (0..37).map(f64::from).collect();
        let target: Vec<bool> = (0..37).map(|row| row % 3 == 0).collect();
        let deciles = gains_and_lift(&scores, &target).unwrap();
        assert_eq!(deciles.len(), 10);
        assert!((deciles[9].gain - 1.0).abs() < 1e-12);
        assert!(deciles.windows(2).all(|pair| pair[0].gain <= pair[1].gain));
        assert_eq!(gains_and_lift(&scores, &[true; 37]), None);
        assert_eq!(cumulative_gain(&scores, &target, 1.5), None);
    }
}
