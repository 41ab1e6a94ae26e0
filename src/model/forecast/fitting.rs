//! Fitting every series of a panel, on several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::backtest::{Rolling, backtest, scale};
use super::point::PointRecipe;
use super::scores::Scores;
use super::{Backtest, FittedSeries, Method};
use crate::dataset::{Panel, Series};
use crate::model::{FitError, FitRun};

/// Fits all series, in the order of their keys.
///
/// # Errors
/// When `run` was cancelled.
pub(super) fn fit_panel(
    panel: &Panel,
    recipe: &PointRecipe,
    horizon: usize,
    run: &FitRun<'_>,
) -> Result<Vec<FittedSeries>, FitError> {
    let series = panel.series();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(0_usize);
    let work = || {
        let mut fitted = Vec::new();
        while let Some(one) = series.get(next.fetch_add(1, Ordering::Relaxed)) {
            fitted.push(fit_series(one, recipe, horizon, run)?);
            // Reported under the lock, so that fractions never fall.
            if let Ok(mut done) = done.lock() {
                *done += 1;
                let fraction = *done as f64 / series.len() as f64;
                run.progress.report("fit", fraction);
            }
        }
        Ok(fitted)
    };
    let parts: Result<Vec<Vec<FittedSeries>>, FitError> = std::thread::scope(|scope| {
        let threads = run.threads.clamp(1, series.len().max(1));
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let joined = others
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        std::iter::once(own).chain(joined).collect()
    });
    let mut fitted: Vec<FittedSeries> = parts?.into_iter().flatten().collect();
    fitted.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(fitted)
}

fn fit_series(
    series: &Series,
    recipe: &PointRecipe,
    horizon: usize,
    run: &FitRun<'_>,
) -> Result<FittedSeries, FitError> {
    run.check()?;
    let (values, unit) = unit_size(since_first_sale(&series.values));
    let forecast = recipe.forecast(&values, horizon);
    let rolling = backtest(&values, recipe, horizon, run)?;
    let path = forecast.path.scaled(unit);
    Ok(FittedSeries {
        key: series.key.clone(),
        mean: path.mean.into_iter().map(rounded).collect(),
        deviation: path.deviation.into_iter().map(rounded).collect(),
        closed: forecast.closed,
        scale: scale(&values, recipe.season_length).map(|scale| rounded(scale * unit)),
        method: Method {
            algorithm: forecast.algorithm,
            fallback: forecast.fallback.map(|reason| reason.to_string()),
        },
        backtest: summary(&rolling),
        scores: rolling.scores,
    })
}

fn summary(rolling: &Rolling) -> Backtest {
    Backtest {
        origins: rolling.origins,
        errors: rolling.scores.count(),
        mase: rolling.scores.mean().map(rounded),
        naive_mase: rolling.naive.map(rounded),
    }
}

/// The errors of all series together.
pub(super) fn pooled(series: &[FittedSeries], horizon: usize) -> Scores {
    let mut pool = Scores::empty(horizon);
    for one in series {
        pool.extend(&one.scores);
    }
    pool.sorted()
}

/// Leading zeros mean "not yet sold". A series of zeros alone stays as it is.
fn since_first_sale(values: &[f64]) -> &[f64] {
    let first = values.iter().position(|value| *value != 0.0);
    values.get(first.unwrap_or(0)..).unwrap_or(values)
}

/// Divides by a power of two near the largest value: exact, and no square of any finite value
/// overflows afterwards.
fn unit_size(values: &[f64]) -> (Vec<f64>, f64) {
    let largest = values.iter().fold(0.0_f64, |size, value| size.max(value.abs()));
    let unit = if largest > 0.0 {
        2.0_f64.powf(largest.log2().floor().clamp(-1000.0, 1000.0))
    } else {
        1.0
    };
    (values.iter().map(|value| value / unit).collect(), unit)
}

/// To twelve significant digits: more is noise, and a number of so few digits comes back the same
/// from every reader of decimal text. What overflowed becomes the largest number.
fn rounded(value: f64) -> f64 {
    let value = value.clamp(f64::MIN, f64::MAX);
    let short = format!("{value:.11e}").parse::<f64>();
    short.ok().filter(|short| short.is_finite()).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_are_not_yet_sold() {
        assert_eq!(since_first_sale(&[0.0, 0.0, 3.0, 0.0]), [3.0, 0.0]);
        assert_eq!(since_first_sale(&[0.0, 0.0]), [0.0, 0.0]);
        assert!(since_first_sale(&[]).is_empty());
    }

    #[test]
    fn extreme_values_become_unit_size() {
        for largest in [5e-324, 1e-300, 1.0, 1e12, f64::MAX] {
            let (values, unit) = unit_size(&[largest, -largest / 2.0]);
            assert!(values.iter().all(|v| v.is_finite() && v.abs() < 2e8), "{largest}");
            assert_eq!(values[0] * unit, largest);
        }
    }

    #[test]
    fn rounding_keeps_twelve_digits() {
        assert_eq!(rounded(1.0 / 3.0), 0.333_333_333_333);
        assert_eq!(rounded(f64::INFINITY), 1.797_693_134_86e308);
        assert_eq!(rounded(-0.25), -0.25);
    }
}
