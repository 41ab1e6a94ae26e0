//! How much each member counts.
//!
//! A member's weight is (half its own loss in the backtest of the series, half its mean loss over
//! the panel) to the power of -3, both scaled; inverse powers of past errors go back to Bates and
//! Granger, "The combination of forecasts", Operational Research Quarterly 20, 1969. Half of the
//! panel's loss, because the own one is an average of few correlated errors.

use super::member::Member;

const POWER: i32 = -3;
/// Losses below this one count as this one, so that a perfect member has a finite weight.
const SMALLEST: f64 = 1e-6;
/// Weight of the member that stands behind an external one which was asked for alone.
const SPARE: f64 = 1e-9;
/// Largest mean loss of a series in the pool, over the median one.
const CAP: f64 = 3.0;
/// Fewest series whose mean loss says something about another one.
const FEWEST_SERIES: usize = 5;

/// Where the weights of a series come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    /// Its own backtest (and the panel's, when large enough), or there is but one member.
    Backtest,
    /// The panel's backtests.
    Panel,
    /// Nothing.
    Equal,
}

/// Mean loss of each member over the series that have one; `None` below five series. A series
/// whose members err by more than three times the median series counts like one of three times it:
/// the scale of one that hardly moved before may be next to nothing.
pub(super) fn pooled(losses: &[&[f64]], members: usize) -> Option<Vec<f64>> {
    let means: Vec<f64> = losses.iter().map(|own| finite_mean(own)).collect();
    let mut sorted = means.clone();
    sorted.sort_by(f64::total_cmp);
    let cap = CAP * sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let mut sums = vec![(0.0, 0.0); members];
    for (own, mean) in losses.iter().zip(means) {
        let share = if mean > cap { cap / mean } else { 1.0 };
        for ((sum, count), loss) in sums.iter_mut().zip(*own).filter(|(_, l)| l.is_finite()) {
            *sum += share * loss;
            *count += 1.0;
        }
    }
    let means = sums.iter().map(|(sum, count)| sum / count);
    (losses.len() >= FEWEST_SERIES).then(|| means.collect())
}

fn finite_mean(losses: &[f64]) -> f64 {
    let known = losses.iter().filter(|loss| loss.is_finite());
    let (sum, count) = known.fold((0.0, 0.0), |(sum, count), loss| (sum + loss, count + 1.0_f64));
    sum / count.max(1.0)
}

/// Weights of sum 1. `own` is empty for a series without backtest, and infinite for members that
/// had no forecast.
pub(super) fn weights(
    members: &[Member],
    own: &[f64],
    pooled: Option<&[f64]>,
) -> (Vec<f64>, Source) {
    let raw = |losses: &mut dyn Iterator<Item = f64>| {
        let weight =
            |loss: f64| if loss.is_finite() { loss.max(SMALLEST).powi(POWER) } else { 0.0 };
        losses.map(weight).collect::<Vec<f64>>()
    };
    if let [Member::Simple, Member::External | Member::Boosting] = members {
        // One that forecasts elsewhere alone: the other one answers only where it says nothing.
        return (vec![SPARE, 1.0 - SPARE], Source::Backtest);
    }
    let (mut weights, source) = match (own, pooled) {
        ([], None) => {
            let regular = members.contains(&Member::Theta);
            let counts = |member: &Member| match member {
                Member::Theta | Member::Ets => true,
                Member::External | Member::Boosting => false,
                _ => !regular,
            };
            let chosen = members.iter().map(|member| f64::from(u8::from(counts(member))));
            (chosen.collect(), Source::Equal)
        }
        ([], Some(pooled)) => (raw(&mut pooled.iter().copied()), Source::Panel),
        (own, None) => (raw(&mut own.iter().copied()), Source::Backtest),
        (own, Some(pooled)) => {
            let pairs = own.iter().zip(pooled);
            (raw(&mut pairs.map(|(own, pooled)| 0.5 * own + 0.5 * pooled)), Source::Backtest)
        }
    };
    let mut sum: f64 = weights.iter().sum();
    if sum <= 0.0 {
        weights.fill(1.0);
        sum = weights.len() as f64;
    }
    for weight in &mut weights {
        *weight /= sum;
    }
    (weights, if members.len() == 1 { Source::Backtest } else { source })
}

/// The weighted mean of the members' paths, one after the other in `paths`, at each of `steps` steps;
/// a value that is no number does not count.
pub(super) fn combine<T>(paths: &[T], steps: usize, weights: &[f64]) -> Vec<f64>
where
    T: Copy + Into<f64>,
{
    let mut sums = vec![(0.0, 0.0); steps];
    for (path, weight) in paths.chunks_exact(steps.max(1)).zip(weights) {
        for ((sum, total), value) in sums.iter_mut().zip(path) {
            let value: f64 = (*value).into();
            if !value.is_nan() {
                *sum += weight * value;
                *total += weight;
            }
        }
    }
    let mean = |(sum, total)| if total > 0.0 { sum / total } else { 0.0 };
    sums.into_iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: [Member; 3] = [Member::Theta, Member::Ets, Member::SeasonalNaive];

    #[test]
    fn half_own_half_pooled_to_the_third_power() {
        let (found, source) = weights(&MEMBERS, &[1.0, 2.0, 3.0], Some(&[1.0, 2.0, 1.0]));
        let raw = [1.0, 1.0 / 8.0, 1.0 / 8.0];
        for (found, raw) in found.iter().zip(raw) {
            assert!((found - raw / 1.25).abs() < 1e-12);
        }
        assert_eq!(source, Source::Backtest);
    }

    #[test]
    fn without_losses_theta_and_ets_share() {
        let (found, source) = weights(&MEMBERS, &[], None);
        assert_eq!((found, source), (vec![0.5, 0.5, 0.0], Source::Equal));
        let (found, source) = weights(&MEMBERS, &[], Some(&[1.0, 1.0, f64::NAN]));
        assert_eq!((found, source), (vec![0.5, 0.5, 0.0], Source::Panel));
        let (found, _) = weights(&MEMBERS, &[f64::INFINITY; 3], None);
        assert_eq!(found, [1.0 / 3.0; 3]);
    }

    #[test]
    fn few_series_are_no_pool_and_perfection_is_finite() {
        let own = [0.0, 1.0];
        assert_eq!(pooled(&[own.as_slice(); 4], 2), None);
        assert_eq!(pooled(&[own.as_slice(); 5], 2), Some(vec![0.0, 1.0]));
        let wild = [1e9, 1e9];
        let found = pooled(&[&own, &own, &own, &own, &wild], 2).unwrap();
        assert!((found[0] - 0.3).abs() < 1e-9 && (found[1] - 1.1).abs() < 1e-9, "{found:?}");
        let (found, _) = weights(&MEMBERS[..2], &own, None);
        assert!(found[0] > 0.999 && found.iter().all(|weight| weight.is_finite()));
    }

    #[test]
    fn a_member_without_value_does_not_count() {
        assert_eq!(combine(&[2.0, 1.0, f64::NAN, 5.0], 2, &[0.25, 0.75]), [2.0, 4.0]);
        assert_eq!(combine(&[f64::NAN], 1, &[1.0]), [0.0]);
        assert_eq!(combine(&[] as &[f32], 0, &[]), [] as [f64; 0]);
    }
}
