//! The surroundings of a fit: seed, threads, progress, cancel; and how fit and predict fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks a running fit to stop. Clones share one flag.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks to stop; cannot be taken back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether someone asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Receives how far a run has come.
pub trait ProgressSink: Sync {
    /// `fraction` of the work of `stage` is done, between 0 and 1.
    fn report(&self, stage: &str, fraction: f64);
}

/// Drops all reports.
#[derive(Clone, Copy, Debug)]
pub struct NoProgress;

impl ProgressSink for NoProgress {
    fn report(&self, _stage: &str, _fraction: f64) {}
}

/// What surrounds one fit.
#[derive(Clone)]
pub struct FitRun<'a> {
    /// Seed of every random choice.
    pub seed: u64,
    /// Most threads to use; the result does not depend on it.
    pub threads: usize,
    /// Where progress is reported.
    pub progress: &'a dyn ProgressSink,
    /// Stops the run within a second.
    pub cancel: CancelToken,
}

impl FitRun<'_> {
    /// A run on one thread that reports to nobody.
    pub fn quiet(seed: u64) -> FitRun<'static> {
        FitRun { seed, threads: 1, progress: &NoProgress, cancel: CancelToken::default() }
    }

    /// Runs `work` in a pool of [`FitRun::threads`] threads, which all parallel iterators within
    /// use, those of libraries too.
    ///
    /// # Errors
    /// When the operating system gives no threads, or `work` fails.
    pub fn install<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, FitError> + Send,
    ) -> Result<T, FitError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads.max(1)).build();
        let pool = pool.map_err(|error| FitError::Algorithm {
            algorithm: "threads",
            message: error.to_string(),
        })?;
        pool.install(work)
    }

    /// `Err(FitError::Cancelled)` once someone asked to stop. Long loops call it often.
    pub fn check(&self) -> Result<(), FitError> {
        if self.cancel.is_cancelled() { Err(FitError::Cancelled) } else { Ok(()) }
    }
}

/// Why a model could not be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// Someone asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A hyper-parameter is out of range.
    #[error("{name}: expected {expected}, found {found}")]
    Setting {
        /// The setting, as in the recipe.
        name: &'static str,
        /// What it may be.
        expected: String,
        /// What it was.
        found: String,
    },
    /// A column that the recipe names is not in the data.
    #[error("column {column}: not among the features; `patron features list` shows them")]
    UnknownColumn {
        /// Its name.
        column: String,
    },
    /// Not enough rows, customers or periods.
    #[error(
        "expected at least {expected} {what}, found {found}; import more history or shorten the horizon"
    )]
    TooFew {
        /// What there was too little of.
        what: &'static str,
        /// How many it takes.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// All rows have the same outcome, so nothing can be learned.
    #[error(
        "every one of the {rows} rows has the outcome {outcome}; choose another horizon or population"
    )]
    OneClass {
        /// Rows.
        rows: usize,
        /// Their outcome.
        outcome: bool,
    },
    /// There is nothing to take in.
    #[error("no period has closed since the model's last one; update it when one has")]
    NothingNew,
    /// The model cannot take in new periods.
    #[error("{reason}; train it anew")]
    NoUpdate {
        /// Why not.
        reason: &'static str,
    },
    /// The algorithm's library refused or broke off.
    #[error("{algorithm}: {message}")]
    Algorithm {
        /// The algorithm, as in the recipe.
        algorithm: &'static str,
        /// Its own words.
        message: String,
    },
}

/// Why a model could not answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PredictError {
    /// The columns are not those of the fit.
    #[error(
        "expected the {expected} columns that the model was fitted on, found {found}: {detail}"
    )]
    Columns {
        /// How many the model wants.
        expected: usize,
        /// How many came.
        found: usize,
        /// The first difference.
        detail: String,
    },
    /// The model has no such series.
    #[error("series {key}: not in the model; it knows {known} series")]
    UnknownSeries {
        /// The key that was asked for.
        key: String,
        /// How many there are.
        known: usize,
    },
    /// The version is from before sums.
    #[error("the version cannot forecast sums; train it anew")]
    NoSums,
    /// Too far into the future.
    #[error("horizon: expected 1 to {limit} periods, found {found}")]
    Horizon {
        /// Farthest period the model's intervals are calibrated for.
        limit: usize,
        /// What was asked for.
        found: usize,
    },
    /// No such interval level.
    #[error("level: expected a share between 0.5 and 0.99, found {found}")]
    Level {
        /// What was asked for.
        found: f64,
    },
}
