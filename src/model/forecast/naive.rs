//! The seasonal naive forecast: the last season again (Hyndman and Athanasopoulos, "Forecasting:
//! principles and practice", section 5.2).

use super::path::Path;

/// Repeats the last season; with less than one season, the last value. The standard deviation is
/// sigma * sqrt(k+1), where k complete seasons lie before the period (section 5.5).
///
/// A series without values is forecast as zero.
pub(super) fn seasonal_naive(values: &[f64], season_length: usize, horizon: usize) -> Path {
    let season = if values.len() < season_length { 1 } else { season_length.max(1) };
    let last = values.get(values.len().saturating_sub(season)..).unwrap_or_default();
    let mean: Vec<f64> = last.iter().copied().cycle().take(horizon).collect();
    if mean.len() < horizon {
        return Path::level(0.0, 0.0, horizon);
    }
    let sigma = deviation_of_change(values, season);
    let deviation = (0..horizon).map(|step| sigma * ((step / season + 1) as f64).sqrt()).collect();
    Path { mean, deviation }
}

/// Root mean square of the change over a season, or over one period when there is no second
/// season. A series that never changed says little while it is short: n equal values v give v/n.
fn deviation_of_change(values: &[f64], season: usize) -> f64 {
    let lag = if values.len() > season { season } else { 1 };
    let later = values.get(lag..).unwrap_or_default();
    let squares: f64 =
        later.iter().zip(values).map(|(later, earlier)| (later - earlier).powi(2)).sum();
    if squares > 0.0 {
        return (squares / later.len() as f64).sqrt();
    }
    let largest = values.iter().fold(0.0_f64, |size, value| size.max(value.abs()));
    largest / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_season_is_repeated() {
        let path = seasonal_naive(&[9.0, 1.0, 2.0, 8.0, 3.0, 4.0], 3, 5);
        assert_eq!(path.mean, [8.0, 3.0, 4.0, 8.0, 3.0]);
        // Changes of -1, 2 and 2: mean square 3.
        assert!((path.deviation[0] - 3.0_f64.sqrt()).abs() < 1e-12);
        assert!((path.deviation[4] - 6.0_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn short_series_repeat_their_last_value() {
        assert_eq!(seasonal_naive(&[2.0, 5.0], 3, 2).mean, [5.0, 5.0]);
        assert_eq!(seasonal_naive(&[], 3, 2).mean, [0.0, 0.0]);
        assert_eq!(seasonal_naive(&[4.0], 7, 1).deviation, [4.0]);
        assert_eq!(seasonal_naive(&[4.0; 8], 7, 1).deviation, [0.5]);
    }
}
