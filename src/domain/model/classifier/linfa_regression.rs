//! The adapter of linfa-logistic.
//!
//! What the library does and this file makes harmless: it orders its classes by size, so that its
//! positive class may be "no event"; reaching the last iteration counts as success; a fit cannot
//! be cancelled; data that it cannot handle may panic.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::{FittedLogisticRegression, LogisticRegression};
use ndarray::{ArcArray1, ArcArray2, Array1};

use super::objective::{Coefficients, Objective};
use crate::model::{FitError, FitRun};

const NAME: &str = "linfa-logistic";

/// How often a waiting fit looks at its cancel token.
const POLL: Duration = Duration::from_millis(20);

/// Multiplications of a block of iterations; a cancelled fit leaves at most one block to end on
/// its own.
const BLOCK_WORK: usize = 400_000_000;

/// What the solver is told.
pub(super) struct Settings {
    pub(super) l2: f64,
    pub(super) max_iterations: u64,
    pub(super) tolerance: f64,
}

/// What it hands back.
pub(super) struct Fitted {
    pub(super) coefficients: Coefficients,
    pub(super) converged: bool,
    pub(super) iterations: u64,
}

type Data = DatasetBase<ArcArray2<f64>, ArcArray1<bool>>;

/// Fits in blocks of iterations, each started where the last one ended, until our own gradient is
/// small, the iterations are used up, or a block changes nothing.
pub(super) fn fit_coefficients(
    settings: &Settings,
    objective: &Objective,
    run: &FitRun<'_>,
) -> Result<Fitted, FitError> {
    let data = Arc::new(Data::new(objective.values.clone(), objective.target.clone()));
    let block = block_of(objective);
    let mut fitted = Fitted {
        coefficients: Coefficients { slopes: vec![0.0; objective.width()], intercept: 0.0 },
        converged: false,
        iterations: 0,
    };
    let mut start = None;
    while !fitted.converged && fitted.iterations < settings.max_iterations {
        let iterations = block.min(settings.max_iterations - fitted.iterations);
        let solver = solver(settings, objective.rows(), iterations, start);
        let rows = Arc::clone(&data);
        let regression = match watched(run, move || solver.fit(&rows).map_err(refused)) {
            // Near the optimum a line search may find no lower point; the last block stands.
            Err(FitError::Algorithm { .. }) if fitted.iterations > 0 => break,
            result => result?,
        };
        let coefficients = coefficients(&regression);
        fitted.iterations += iterations;
        fitted.converged = objective.largest_slope(&coefficients) <= settings.tolerance;
        let stuck = coefficients == fitted.coefficients;
        fitted.coefficients = coefficients;
        if stuck {
            break;
        }
        start = Some(parameters(&regression));
        let done = fitted.iterations as f64 / settings.max_iterations as f64;
        run.progress.report("fit", done);
    }
    Ok(fitted)
}

/// Iterations of a block. Each restart forgets the solver's memory of ten steps, so a block is
/// never shorter than twice that.
fn block_of(objective: &Objective) -> u64 {
    let iteration = 4 * objective.rows() * (objective.width() + 1);
    (BLOCK_WORK / iteration.max(1)).clamp(20, 200) as u64
}

/// The library stops by the length of the whole gradient, which is never below its largest
/// component: whoever meets its tolerance also meets ours.
fn solver(
    settings: &Settings,
    rows: usize,
    iterations: u64,
    start: Option<Array1<f64>>,
) -> LogisticRegression<f64> {
    let solver = LogisticRegression::new()
        .alpha(settings.l2)
        .max_iterations(iterations)
        .gradient_tolerance(settings.tolerance * rows as f64);
    match start {
        Some(start) => solver.initial_params(start),
        None => solver,
    }
}

/// The log-odds of the library's positive class, turned to those of the event.
fn coefficients(regression: &FittedLogisticRegression<f64, bool>) -> Coefficients {
    let sign = if regression.labels().pos.class { 1.0 } else { -1.0 };
    let slopes = regression.params().iter();
    Coefficients {
        slopes: slopes.map(|slope| sign * slope).collect(),
        intercept: sign * regression.intercept(),
    }
}

/// The library's own parameters, as it wants them for a start: slopes, then intercept.
fn parameters(regression: &FittedLogisticRegression<f64, bool>) -> Array1<f64> {
    let slopes = regression.params().iter().copied();
    slopes.chain([regression.intercept()]).collect()
}

/// Runs a block on a thread of its own and waits for it or for a cancel, whichever is first. After
/// a cancel the thread ends with its block and its result is dropped. A panic is an error.
fn watched<T: Send + 'static>(
    run: &FitRun<'_>,
    block: impl FnOnce() -> Result<T, FitError> + Send + 'static,
) -> Result<T, FitError> {
    run.check()?;
    let (sender, receiver) = mpsc::sync_channel(1);
    let work = move || {
        // The receiver is gone after a cancel, and then nobody wants the result.
        let _ = sender.send(block());
    };
    let thread = thread::Builder::new().name("churn-fit".to_owned());
    thread.spawn(work).map_err(refused)?;
    loop {
        match receiver.recv_timeout(POLL) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) => run.check()?,
            Err(RecvTimeoutError::Disconnected) => return Err(refused("the solver panicked")),
        }
    }
}

fn refused(error: impl Display) -> FitError {
    FitError::Algorithm { algorithm: NAME, message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_cancel_does_not_wait_for_the_block() {
        let run = FitRun::quiet(1);
        let cancel = run.cancel.clone();
        let (hold, held) = mpsc::channel::<()>();
        let started = Instant::now();
        let result = watched(&run, move || {
            cancel.cancel();
            // Ends when the test does.
            let _ = held.recv();
            Ok(())
        });
        assert_eq!(result, Err(FitError::Cancelled));
        assert!(started.elapsed() < Duration::from_secs(1));
        drop(hold);
    }

    #[test]
    fn a_panic_of_the_library_is_an_error() {
        let result: Result<(), _> = watched(&FitRun::quiet(1), || panic!("as libraries do"));
        assert!(matches!(result, Err(FitError::Algorithm { algorithm: NAME, .. })));
    }
}
