//! Which curve predicts best.

mod folds;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::folds::Folds;
use super::{Beta, Calibration, Isotonic, Platt, Sample, sigmoid};
use crate::metrics::{Measure, WeightedRanking, log_loss};
use crate::model::{FitError, FitRun};

/// The rows of a later period with an estimator's scores for them.
#[derive(Clone, Copy, Debug)]
pub struct CalibrationWindow<'a> {
    /// Log-odds per row, finite.
    pub scores: &'a [f64],
    /// Whether the event happened, per row.
    pub target: &'a [bool],
    /// How much each row counts, 0 to [`CalibrationWindow::LARGEST_WEIGHT`]; `None` when all count
    /// the same.
    pub weights: Option<&'a [f64]>,
    /// The customer of each row under any number, so that no customer is both learned from and
    /// predicted; `None` when every row is a customer of its own.
    pub customers: Option<&'a [u64]>,
}

impl CalibrationWindow<'_> {
    /// So that sums of weights keep their digits.
    pub const LARGEST_WEIGHT: f64 = 1e12;
}

/// A way to calibrate, the simpler before the more supple.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalibrationMethod {
    /// Scores stay as they are.
    Identity,
    /// [`Platt`].
    Platt,
    /// [`Beta`].
    Beta,
    /// [`Isotonic`].
    Isotonic,
}

/// How well a method predicts rows of the window that it was not fitted on.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct CalibrationTrial {
    /// The method; identity is what the scores say without calibration.
    pub method: CalibrationMethod,
    /// Mean log-loss.
    pub log_loss: f64,
    /// Brier score.
    pub brier_score: f64,
    /// Expected calibration error, ten bins.
    pub expected_calibration_error: f64,
}

/// The curve that was chosen, and why.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CalibrationChoice {
    /// The curve, fitted on the whole window.
    pub calibration: Calibration,
    /// The method of the curve.
    pub method: CalibrationMethod,
    /// Whether the search for the curve came to rest; true where nothing was searched.
    pub converged: bool,
    /// Whether the scores rank backwards; then every score gets the share of events.
    pub ranks_backwards: bool,
    /// All methods for which there were rows enough, the simpler first; identity is always there.
    /// Empty without rows.
    pub trials: Vec<CalibrationTrial>,
}

impl Calibration {
    /// Fewest rows for isotonic regression.
    pub const FEWEST_FOR_ISOTONIC: usize = 1000;
    /// Fewest rows with, and fewest without, the event for isotonic regression.
    pub const FEWEST_OF_EACH_FOR_ISOTONIC: usize = 100;

    /// Fits the curve that has the smallest log-loss on rows of the window it was not fitted on.
    ///
    /// Customers are cut in order of their first row into five blocks, and each block is predicted
    /// from the others. Losses that lie within one standard error (of the difference, over
    /// customers) of the smallest are ties, and ties go to the simplest method. With fewer than
    /// [`Calibration::FEWEST_OF_EACH`] rows of either outcome, or a single customer, scores stay
    /// as they are. Scores that rank backwards get the share of events, as in
    /// [`Calibration::fit`].
    ///
    /// # Errors
    /// When slices differ in length, a score is not finite, a weight is out of range, or
    /// `run` was cancelled.
    pub fn choose(
        window: &CalibrationWindow<'_>,
        run: &FitRun<'_>,
    ) -> Result<CalibrationChoice, FitError> {
        check(window)?;
        run.check()?;
        run.progress.report("calibrate", 0.0);
        let ones = vec![1.0; window.target.len()];
        let weights = window.weights.unwrap_or(&ones);
        let sample = Sample { scores: window.scores, target: window.target, weights };
        let folds = Folds::new(sample.scores.len(), window.customers);
        let methods = methods(sample, &folds);
        let predictions = cross_validate(sample, &folds, &methods, run)?;
        run.progress.report("calibrate", 0.8);
        let trials = trials(sample, &methods, &predictions);
        let chosen = simplest_of_best(sample, &folds, &methods, &predictions);
        let fitted = Fitted::of(chosen, sample, run)?;
        run.progress.report("calibrate", 1.0);
        Ok(CalibrationChoice {
            method: fitted.calibration.method(),
            calibration: fitted.calibration,
            converged: fitted.converged,
            ranks_backwards: fitted.ranks_backwards,
            trials,
        })
    }

    /// Fits the curve of one method to the whole window, whatever its size. Where none can be
    /// found it is Platt's; scores that rank backwards get the share of events.
    ///
    /// # Errors
    /// As [`Calibration::choose`].
    pub fn fit_method(
        method: CalibrationMethod,
        window: &CalibrationWindow<'_>,
        run: &FitRun<'_>,
    ) -> Result<Self, FitError> {
        check(window)?;
        let ones = vec![1.0; window.target.len()];
        let weights = window.weights.unwrap_or(&ones);
        let sample = Sample { scores: window.scores, target: window.target, weights };
        Ok(Fitted::of(method, sample, run)?.calibration)
    }
}

struct Fitted {
    calibration: Calibration,
    converged: bool,
    ranks_backwards: bool,
}

impl Fitted {
    /// The curves of the methods. Where none can be found it is Platt's, which always exists; with
    /// a single outcome, scores stay as they are.
    fn all(
        methods: &[CalibrationMethod],
        sample: Sample<'_>,
        run: &FitRun<'_>,
    ) -> Result<Vec<Self>, FitError> {
        let (events, others) = sample.totals();
        let unknown = methods == [CalibrationMethod::Identity] && !ranking_is_known(sample);
        if unknown || events <= 0.0 || others <= 0.0 {
            let identity = |_: &_| Self::settled(Calibration::Identity);
            return Ok(methods.iter().map(identity).collect());
        }
        let (platt, converged) = Platt::fit(sample, run)?;
        let fit = |method: &CalibrationMethod| {
            if platt.a >= 0.0 {
                let calibration = Calibration::base_rate(events, others);
                return Ok(Self { calibration, converged, ranks_backwards: true });
            }
            let curve = match method {
                CalibrationMethod::Identity => Some(Calibration::Identity),
                CalibrationMethod::Platt => None,
                CalibrationMethod::Beta => Beta::fit(sample, run)?.map(Calibration::Beta),
                CalibrationMethod::Isotonic => Isotonic::fit(sample).map(Calibration::Isotonic),
            };
            let calibration = Calibration::Platt(platt);
            let fallback = Self { calibration, converged, ranks_backwards: false };
            Ok(curve.map_or(fallback, Self::settled))
        };
        methods.iter().map(fit).collect()
    }

    fn of(
        method: CalibrationMethod,
        sample: Sample<'_>,
        run: &FitRun<'_>,
    ) -> Result<Self, FitError> {
        let fitted = Self::all(&[method], sample, run)?.pop();
        Ok(fitted.unwrap_or_else(|| Self::settled(Calibration::Identity)))
    }

    fn settled(calibration: Calibration) -> Self {
        Self { calibration, converged: true, ranks_backwards: false }
    }
}

/// Whether there are rows enough to tell in which direction scores rank.
fn ranking_is_known(sample: Sample<'_>) -> bool {
    rarer(sample) >= Calibration::FEWEST_OF_EACH
}

/// Rows of the rarer outcome, as far as they have weight.
fn rarer(sample: Sample<'_>) -> usize {
    let counted = sample.rows().filter(|(.., weight)| *weight > 0.0);
    let count = |(events, others), (_, happened, _)| {
        if happened { (events + 1, others) } else { (events, others + 1) }
    };
    let (events, others): (usize, usize) = counted.fold((0, 0), count);
    events.min(others)
}

/// The methods for which there are rows enough.
fn methods(sample: Sample<'_>, folds: &Folds) -> Vec<CalibrationMethod> {
    let rarer = rarer(sample);
    let mut methods = vec![CalibrationMethod::Identity];
    if rarer < Calibration::FEWEST_OF_EACH || folds.count() < 2 {
        return methods;
    }
    methods.extend([CalibrationMethod::Platt, CalibrationMethod::Beta]);
    let enough = sample.weights.iter().filter(|weight| **weight > 0.0).count()
        >= Calibration::FEWEST_FOR_ISOTONIC;
    if enough && rarer >= Calibration::FEWEST_OF_EACH_FOR_ISOTONIC {
        methods.push(CalibrationMethod::Isotonic);
    }
    methods
}

/// For each method the probability of every row by a curve that was fitted on the other folds.
fn cross_validate(
    sample: Sample<'_>,
    folds: &Folds,
    methods: &[CalibrationMethod],
    run: &FitRun<'_>,
) -> Result<Vec<Vec<f64>>, FitError> {
    let curves = |fold: usize| {
        run.check()?;
        let others = folds.without(fold, sample);
        Fitted::all(methods, others.sample(), run)
    };
    let by_fold: Vec<Vec<Fitted>> =
        (0..folds.count()).into_par_iter().map(curves).collect::<Result<_, FitError>>()?;
    let predict = |place: usize, score: f64, fold: usize| {
        // The scores as they are, even where they rank backwards: this is what "before" means.
        let curve = by_fold.get(fold).and_then(|curves| curves.get(place)).filter(|_| place > 0);
        curve.map_or(sigmoid(score), |fitted| fitted.calibration.apply(score))
    };
    let all = |place: usize| {
        let rows = sample.scores.iter().zip(folds.of_rows());
        rows.map(|(score, fold)| predict(place, *score, fold)).collect()
    };
    Ok((0..methods.len()).map(all).collect())
}

fn trials(
    sample: Sample<'_>,
    methods: &[CalibrationMethod],
    predictions: &[Vec<f64>],
) -> Vec<CalibrationTrial> {
    let trial = |(method, probabilities): (&CalibrationMethod, &Vec<f64>)| {
        let ranking = WeightedRanking::new(probabilities, sample.target).ok()?;
        let values = ranking.measures(sample.weights);
        Some(CalibrationTrial {
            method: *method,
            log_loss: Measure::LogLoss.of(&values)?,
            brier_score: Measure::BrierScore.of(&values)?,
            expected_calibration_error: Measure::ExpectedCalibrationError.of(&values)?,
        })
    };
    methods.iter().zip(predictions).filter_map(trial).collect()
}

/// The first method whose loss is not clearly above the smallest.
fn simplest_of_best(
    sample: Sample<'_>,
    folds: &Folds,
    methods: &[CalibrationMethod],
    predictions: &[Vec<f64>],
) -> CalibrationMethod {
    let losses: Vec<Vec<f64>> = predictions.iter().map(|values| losses(sample, values)).collect();
    let sums = losses.iter().map(|losses| losses.iter().sum::<f64>());
    let best = sums.zip(&losses).min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((_, best)) = best else { return CalibrationMethod::Identity };
    let ties = |losses: &Vec<f64>| {
        let differences = losses.iter().zip(best).map(|(loss, best)| loss - best);
        let (sum, error) = folds.sum_and_error(differences);
        sum <= error
    };
    let mut simplest = methods.iter().zip(&losses).filter(|(_, losses)| ties(losses));
    simplest.next().map_or(CalibrationMethod::Identity, |(method, _)| *method)
}

/// Weighted log-loss of each row.
fn losses(sample: Sample<'_>, probabilities: &[f64]) -> Vec<f64> {
    let rows = sample.rows().zip(probabilities);
    rows.map(|((_, happened, weight), probability)| {
        weight * log_loss(&[*probability], &[happened]).unwrap_or(f64::INFINITY)
    })
    .collect()
}

fn check(window: &CalibrationWindow<'_>) -> Result<(), FitError> {
    let refuse = |message| FitError::Algorithm { algorithm: "calibration", message };
    let rows = window.scores.len();
    let lengths = [
        ("outcomes", Some(window.target.len())),
        ("weights", window.weights.map(<[f64]>::len)),
        ("customers", window.customers.map(<[u64]>::len)),
    ];
    for (what, length) in lengths {
        if let Some(found) = length.filter(|length| *length != rows) {
            return Err(refuse(format!("expected {rows} {what}, one per score, found {found}")));
        }
    }
    if let Some((row, score)) = window.scores.iter().enumerate().find(|row| !row.1.is_finite()) {
        return Err(refuse(format!("row {row}, score: expected a finite number, found {score}")));
    }
    let weights = window.weights.unwrap_or_default();
    let invalid = |weight: &f64| !(0.0..=CalibrationWindow::LARGEST_WEIGHT).contains(weight);
    if let Some((row, weight)) = weights.iter().enumerate().find(|row| invalid(row.1)) {
        return Err(refuse(format!("row {row}, weight: expected 0 to 1e12, found {weight}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
