//! Time, memory and quality of one fit.

use std::fmt;
use std::fs;
use std::time::Instant;

use crate::Failure;
use crate::input::Labelled;
use crate::memory::{self, Resident};

/// Probabilities are held this far from 0 and 1 before their quality is measured: otherwise the few
/// pure leaves of a single tree decide it.
const LEAST: f64 = 0.001;

/// What a fit took.
pub(crate) struct Cost {
    seconds: f64,
    cpu_seconds: f64,
    /// Most memory that was resident beyond what was before.
    peak_mib: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, cpu_seconds, peak_mib } = self;
        write!(out, "seconds={seconds:.6} cpu_seconds={cpu_seconds:.6} peak_mib={peak_mib:.2}")
    }
}

/// Does `work` on the threads of the global pool. CPU time and memory come from Linux and are `NaN`
/// elsewhere.
pub(crate) fn measured<T: Send>(
    work: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<(T, Cost), Failure> {
    rayon::broadcast(|_| memory::give_back());
    let (resident, used, start) = (Resident::now(), cpu_seconds(), Instant::now());
    let done = rayon::scope(|_| work())?;
    let seconds = start.elapsed().as_secs_f64();
    let cpu_seconds = cpu_seconds() - used;
    Ok((done, Cost { seconds, cpu_seconds, peak_mib: resident.peak_mib() }))
}

/// Time of all threads so far. None of them ends while something is measured.
fn cpu_seconds() -> f64 {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return f64::NAN };
    let used = tasks.flatten().filter_map(|task| {
        let line = fs::read_to_string(task.path().join("schedstat")).ok()?;
        line.split(' ').next()?.parse::<f64>().ok()
    });
    used.sum::<f64>() / 1e9
}

/// Largest component of the gradient of the loss with its penalty, per row.
pub(crate) fn gradient(train: &Labelled, intercept: f64, slopes: &[f64], l2: f64) -> f64 {
    let mut sums: Vec<f64> = slopes.iter().map(|slope| l2 * slope).collect();
    let mut of_intercept = 0.0;
    for (row, event) in train.rows().zip(&train.target) {
        let terms = slopes.iter().zip(row).map(|(slope, value)| slope * f64::from(*value));
        let residual = probability(intercept + terms.sum::<f64>()) - f64::from(*event);
        of_intercept += residual;
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += residual * f64::from(*value);
        }
    }
    let largest = sums.iter().fold(of_intercept.abs(), |most, sum| most.max(sum.abs()));
    largest / train.target.len() as f64
}

/// Of an event, from its log odds.
pub(crate) fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// Mean log-loss of probabilities of the event.
pub(crate) fn log_loss(probabilities: impl IntoIterator<Item = f64>, target: &[bool]) -> f64 {
    let losses = probabilities.into_iter().zip(target).map(|(probability, event)| {
        let right = if *event { probability } else { 1.0 - probability };
        -right.clamp(LEAST, 1.0 - LEAST).ln()
    });
    losses.sum::<f64>() / target.len() as f64
}
