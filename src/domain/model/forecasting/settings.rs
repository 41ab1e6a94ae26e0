//! What a forecast job can choose, and how it can fail.

use serde::{Deserialize, Serialize};

use super::member::Member;

/// Farthest horizon, in periods.
const HORIZON_LIMIT: usize = 400;
/// Longest season, in periods.
const SEASON_LIMIT: usize = 400;

/// The choices of a job.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Settings {
    /// Periods that are forecast and that intervals are calibrated for, 1 to 400.
    pub horizon: usize,
    /// Periods of each season, ascending, each 1 to 400; empty or 1 for none. The first one is
    /// also the season of the seasonal naive forecast and of the scaled errors.
    pub season_lengths: Vec<usize>,
    /// Whether forecasts and bounds below zero become zero: right for sales, wrong for margins.
    pub non_negative: bool,
    /// Who forecasts.
    pub method: Method,
}

/// Who forecasts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// All members that suit a series, weighted by their backtest; the default.
    #[default]
    Ensemble,
    /// One member alone.
    Single(Member),
}

/// Why there is no forecast.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ForecastError {
    /// A setting is out of range.
    #[error("{name} must be {expected}, got {found}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The range.
        expected: String,
        /// What came.
        found: String,
    },
    /// A value is not a number or infinite.
    #[error("series {series} has no finite value in period {period}: replace or remove {found}")]
    NotFinite {
        /// Index of the series.
        series: usize,
        /// Index of the value in the series, or in the new values of an update.
        period: usize,
        /// What came.
        found: f64,
    },
    /// There is no series of that index.
    #[error("series {found} is unknown, there are {known}")]
    UnknownSeries {
        /// How many there are.
        known: usize,
        /// The index.
        found: usize,
    },
    /// Shapes of what was handed in do not fit together.
    #[error("{what} must have {expected} entries, got {found}")]
    Shape {
        /// What does not fit.
        what: &'static str,
        /// How many entries were due.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// The job was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl Settings {
    /// Refuses what is out of range.
    pub(super) fn check(&self) -> Result<(), ForecastError> {
        within("horizon", self.horizon, HORIZON_LIMIT)?;
        for length in &self.season_lengths {
            within("season_lengths", *length, SEASON_LIMIT)?;
        }
        if !self.season_lengths.is_sorted() {
            return Err(ForecastError::Setting {
                name: "season_lengths",
                expected: "ascending".to_owned(),
                found: format!("{:?}", self.season_lengths),
            });
        }
        Ok(())
    }

    /// The season that errors are scaled by and that is repeated.
    pub(super) fn season_length(&self) -> usize {
        self.season_lengths.first().copied().unwrap_or(1)
    }
}

/// Refuses a level of an interval outside 0.5 to 0.99.
pub(super) fn check_level(level: f64) -> Result<(), ForecastError> {
    if (0.5..=0.99).contains(&level) {
        return Ok(());
    }
    Err(ForecastError::Setting {
        name: "level",
        expected: "0.5 to 0.99".to_owned(),
        found: level.to_string(),
    })
}

/// Refuses values that are not finite, naming the first.
pub(super) fn check_finite(series: usize, values: &[f64]) -> Result<(), ForecastError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(period) => Err(ForecastError::NotFinite {
            series,
            period,
            found: values.get(period).copied().unwrap_or(f64::NAN),
        }),
    }
}

fn within(name: &'static str, found: usize, limit: usize) -> Result<(), ForecastError> {
    if (1..=limit).contains(&found) {
        return Ok(());
    }
    Err(ForecastError::Setting {
        name,
        expected: format!("1 to {limit} periods"),
        found: found.to_string(),
    })
}

/// How the caller follows a fit and stops it.
pub trait Control: Sync {
    /// Asked before every series.
    fn is_cancelled(&self) -> bool;
    /// Told after every series, from any thread, one call at a time and never falling.
    fn progress(&self, done: usize, of: usize);
}

/// Nobody follows and nobody stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoControl;

impl Control for NoControl {
    fn is_cancelled(&self) -> bool {
        false
    }

    fn progress(&self, _done: usize, _of: usize) {}
}

/// A model outside the engine whose forecasts join the ensemble, weighted by the same backtest. It
/// must not have seen what it is asked to forecast.
pub trait ExternalMember: Sync {
    /// Writes the forecast of a series (its index) that was made when its last `held_out` values
    /// (0, or 1, 2 or 3 times the horizon) were not known yet; `path` is as long as the horizon.
    /// False when there is none.
    fn forecast(&self, series: usize, held_out: usize, path: &mut [f64]) -> bool;
}
