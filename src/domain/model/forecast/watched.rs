//! A run as the kernel of [`crate::model::forecasting`] is watched and stopped, and its failures.

use crate::model::forecasting::{Control, ForecastError};
use crate::model::{FitError, FitRun};

/// Hands progress on, and the wish to stop.
#[derive(Clone, Copy)]
pub struct Watched<'a, 'b>(pub &'a FitRun<'b>);

impl std::fmt::Debug for Watched<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl Control for Watched<'_, '_> {
    fn is_cancelled(&self) -> bool {
        self.0.cancel.is_cancelled()
    }

    fn progress(&self, done: usize, of: usize) {
        self.0.progress.report("fit", done as f64 / of.max(1) as f64);
    }
}

/// What the kernel's failure is to whoever asked for a fit.
pub fn forecast_failure(error: ForecastError) -> FitError {
    match error {
        ForecastError::Cancelled => FitError::Cancelled,
        ForecastError::Setting { name, expected, found } => {
            FitError::Setting { name, expected, found }
        }
        other => FitError::Algorithm { algorithm: "forecast", message: other.to_string() },
    }
}
