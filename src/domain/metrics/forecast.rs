//! How good a forecast is.
//!
//! sMAPE, MASE and MSIS are those of the M4 competitors' guide (2018), RMSSE that of the M5
//! competitors' guide (2020) after Hyndman and Koehler (2006). Every slice is in order of time.
//! A metric that is not defined is `None`: slices that are empty or of different length, a scale of
//! zero, or a result that is not finite.

/// Mean absolute scaled error: the mean of |actual - forecast| over the mean absolute error of the
/// seasonal naive forecast inside `train`, mean |y(t) - y(t-m)|. Below 1 is better than that.
///
/// `season_length` is m, at least 1; `None` when `train` has no more than m values.
pub fn mase(train: &[f64], actual: &[f64], forecast: &[f64], season_length: usize) -> Option<f64> {
    let error = mean_over(actual, forecast, |a, f| (a - f).abs())?;
    ratio(error, seasonal_scale(train, season_length)?)
}

/// Symmetric mean absolute percentage error in percent, 0 to 200:
/// 200/h * sum of |actual - forecast| / (|actual| + |forecast|).
///
/// A period in which both are zero counts as no error.
pub fn smape(actual: &[f64], forecast: &[f64]) -> Option<f64> {
    let share = mean_over(actual, forecast, |a, f| {
        let size = a.abs() + f.abs();
        if size == 0.0 { 0.0 } else { (a - f).abs() / size }
    })?;
    finite(200.0 * share)
}

/// Root mean squared scaled error: the root of the mean squared error over the mean squared error
/// of the naive forecast inside `train`, mean (y(t) - y(t-1))^2.
pub fn rmsse(train: &[f64], actual: &[f64], forecast: &[f64]) -> Option<f64> {
    let error = mean_over(actual, forecast, |a, f| (a - f) * (a - f))?;
    let scale =
        mean_over(train.get(1..)?, train.get(..train.len() - 1)?, |a, b| (a - b) * (a - b))?;
    ratio(error, scale).map(f64::sqrt)
}

/// Mean scaled interval score: width plus 2/alpha times how far the actual value lies outside, over
/// the same scale as [`mase`]. The smaller the better; it rewards narrow intervals that hold.
///
/// `alpha` is the share that may lie outside: 0.05 for a level of 95 %. `None` unless it lies
/// strictly between 0 and 1.
pub fn msis(
    train: &[f64],
    actual: &[f64],
    lower: &[f64],
    upper: &[f64],
    alpha: f64,
    season_length: usize,
) -> Option<f64> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return None;
    }
    let width = mean_over(upper, lower, |u, l| u - l)?;
    let below = mean_over(lower, actual, |l, a| (l - a).max(0.0))?;
    let above = mean_over(actual, upper, |a, u| (a - u).max(0.0))?;
    let score = width + 2.0 / alpha * (below + above);
    ratio(score, seasonal_scale(train, season_length)?)
}

/// Share of the actual values that lie within their interval, bounds included, 0 to 1.
pub fn coverage(actual: &[f64], lower: &[f64], upper: &[f64]) -> Option<f64> {
    if actual.is_empty() || actual.len() != lower.len() || actual.len() != upper.len() {
        return None;
    }
    let bounds = lower.iter().zip(upper);
    let inside = actual
        .iter()
        .zip(bounds)
        .filter(|(actual, (lower, upper))| *lower <= *actual && *actual <= *upper)
        .count();
    Some(inside as f64 / actual.len() as f64)
}

fn seasonal_scale(train: &[f64], season_length: usize) -> Option<f64> {
    if season_length == 0 {
        return None;
    }
    let later = train.get(season_length..)?;
    let earlier = train.get(..later.len())?;
    mean_over(later, earlier, |a, b| (a - b).abs())
}

fn mean_over(left: &[f64], right: &[f64], error: impl Fn(f64, f64) -> f64) -> Option<f64> {
    if left.is_empty() || left.len() != right.len() {
        return None;
    }
    let sum: f64 = left.iter().zip(right).map(|(l, r)| error(*l, *r)).sum();
    Some(sum / left.len() as f64)
}

fn ratio(error: f64, scale: f64) -> Option<f64> {
    if scale > 0.0 { finite(error / scale) } else { None }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAIN: [f64; 4] = [1.0, 3.0, 2.0, 6.0];

    fn close(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }

    #[test]
    fn values_computed_by_hand() {
        // Steps of 2, 1 and 4: mean 7/3, mean square 21/3 = 7. Over two periods: 1 and 3, mean 2.
        close(mase(&TRAIN, &[5.0, 8.0], &[4.0, 5.0], 1), 2.0 / (7.0 / 3.0));
        close(mase(&TRAIN, &[5.0, 8.0], &[4.0, 5.0], 2), 1.0);
        close(rmsse(&TRAIN, &[5.0, 8.0], &[4.0, 5.0]), (5.0_f64 / 7.0).sqrt());
        close(smape(&[3.0, 0.0], &[1.0, 0.0]), 50.0);
        // Widths 2 and 2; the second value lies 1 above, which costs 2/0.2 of it.
        let score = msis(&TRAIN, &[5.0, 8.0], &[4.0, 5.0], &[6.0, 7.0], 0.2, 2);
        close(score, (2.0 + 10.0 * 0.5) / 2.0);
        close(coverage(&[5.0, 8.0], &[5.0, 5.0], &[6.0, 7.0]), 0.5);
    }

    #[test]
    fn undefined_is_none() {
        assert_eq!(mase(&[2.0, 2.0], &[1.0], &[1.0], 1), None, "scale of zero");
        assert_eq!(mase(&TRAIN, &[1.0], &[1.0], 4), None, "shorter than a season");
        assert_eq!(mase(&TRAIN, &[1.0], &[1.0], 0), None, "no season length");
        assert_eq!(rmsse(&[], &[1.0], &[1.0]), None);
        assert_eq!(rmsse(&[1.0], &[1.0], &[1.0]), None);
        assert_eq!(smape(&[1.0], &[]), None);
        assert_eq!(smape(&[f64::NAN], &[1.0]), None);
        assert_eq!(msis(&TRAIN, &[1.0], &[0.0], &[2.0], 0.0, 1), None);
        assert_eq!(coverage(&[], &[], &[]), None);
    }
}
