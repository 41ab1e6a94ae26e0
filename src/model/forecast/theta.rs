//! The dynamic optimised theta model of the kernel, with deviations.

use super::path::Path;
use crate::model::forecasting::Theta;

/// Fewest values the model is fitted on: four errors for three parameters.
pub(super) const FEWEST: usize = 6;

/// The `horizon` values after `values`, which are of about unit size, with the standard deviation
/// of a forecast of simple exponential smoothing: sigma * sqrt(1 + (h-1) alpha^2). `None` below
/// [`FEWEST`] values.
pub(super) fn theta(values: &[f64], horizon: usize) -> Option<Path> {
    if values.len() < FEWEST {
        return None;
    }
    let (fitted, error) = Theta::fit_with_error(values);
    let freedom = (values.len() - 2).saturating_sub(3).max(1);
    let sigma = (error / freedom as f64).sqrt();
    let growth = |step: usize| (1.0 + step as f64 * fitted.alpha().powi(2)).sqrt();
    let mut mean = vec![0.0; horizon];
    fitted.forecast(&mut mean);
    Some(Path { mean, deviation: (0..horizon).map(|step| sigma * growth(step)).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_grow_with_the_horizon_and_few_values_have_no_forecast() {
        let values = [1.1, 0.9, 1.4, 1.3, 1.9, 1.6, 2.2, 2.0, 2.6, 2.1, 2.9, 2.7];
        let path = theta(&values, 4).unwrap();
        assert!(path.deviation[0] > 0.0);
        assert!(path.deviation.windows(2).all(|pair| pair[1] > pair[0]));
        let line: Vec<f64> = (0..20).map(|t| f64::from(t) / 20.0).collect();
        for (found, expected) in theta(&line, 3).unwrap().mean.iter().zip([1.0, 1.05, 1.1]) {
            assert!((found - expected).abs() < 0.01, "{found} {expected}");
        }
        assert!(theta(&values[..5], 4).is_none());
    }
}
