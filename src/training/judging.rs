//! How good a classifier is on rows that it never saw, and whether it may serve.

use std::collections::BTreeMap;

use super::TrainingError;
use super::drift::DriftReference;
use super::evaluation::{
    FoldEvaluation, ProbabilityEvaluation, SliceEvaluation, SnapshotEvaluation, curves,
    probability_metrics, with_references,
};
use super::recipe::GateRule;
use super::supervised::converged;
use super::table::ColumnSummary;
use crate::dataset::Dataset;
use crate::metrics::{
    Bootstrap, BootstrapError, EvaluationRows, Measure, MeasureDifference,
    calibration_slope_intercept, roc_auc, score_histogram,
};
use crate::model::{
    Calibration, ClassifierModel, ColumnEvidence, DependenceCurve, FitError, FitRun, FittedModel,
    PartialDependence, Platt,
};
use crate::repository::{Gate, Metric};
use crate::transaction::Timestamp;

/// Replicates of the bootstrap.
const REPLICATES: usize = 400;
/// Bins of the distribution of scores.
const SCORE_BINS: usize = 20;
/// Columns whose partial dependence is told.
const DEPENDENCES: usize = 6;
/// Numbers of visits by which customers are told apart, the last without end.
const SLICES: [(&str, f32, f32); 3] =
    [("visits = 1", 0.0, 1.0), ("visits 2 to 4", 2.0, 4.0), ("visits 5 or more", 5.0, f32::MAX)];

/// The champion's probabilities for the rows that the new version is judged on; why there are none
/// otherwise.
pub(super) struct Champion {
    pub(super) version: u64,
    pub(super) outcome: Result<Vec<f64>, String>,
}

/// A fitted model with all that it is judged by.
pub(super) struct Judged<'a> {
    pub(super) model: &'a FittedModel,
    /// Rows that nothing which answers them has learned from.
    pub(super) rows: &'a Dataset,
    /// The answers.
    pub(super) predicted: &'a [f64],
    /// The metrics of baselines on the same rows.
    pub(super) baselines: Vec<(&'static str, BTreeMap<String, f64>)>,
    pub(super) champion: Option<&'a Champion>,
    pub(super) origin: Origin,
}

/// Where the rows come from.
pub(super) struct Origin {
    /// When the rows were known.
    pub(super) as_of: Timestamp,
    /// The same where they are later than all that was learned from.
    pub(super) holdout: Option<Timestamp>,
    pub(super) snapshots: Vec<SnapshotEvaluation>,
    pub(super) folds: Vec<FoldEvaluation>,
    /// The columns of a table, and those of its columns that are no features.
    pub(super) columns: Vec<ColumnSummary>,
    pub(super) left_out: Vec<(String, String)>,
    /// What each of the caller's columns alone says of the outcome.
    pub(super) evidence: Vec<ColumnEvidence>,
}

impl Judged<'_> {
    pub(super) fn evaluate(
        &self,
        run: &FitRun<'_>,
    ) -> Result<ProbabilityEvaluation, TrainingError> {
        let (holdout, predicted) = (self.rows, self.predicted);
        let mut others = self.baselines.clone();
        let champion = self.champion.and_then(|champion| champion.outcome.as_ref().ok());
        if let Some(champion) = champion {
            others.push(("champion", probability_metrics(&holdout.target, champion)));
        }
        let own = probability_metrics(&holdout.target, predicted);
        let mut metrics = with_references(own, &others);
        let (reliability, gains) = curves(&holdout.target, predicted);
        if let Some(top) = gains.first() {
            let references = BTreeMap::from([("base_rate".to_owned(), 1.0)]);
            let value = top.cumulative_lift;
            let lift = Metric { value, higher_is_better: true, references };
            metrics.insert("lift_top_decile".to_owned(), lift);
        }
        let model = self.model.classifier();
        let rows = EvaluationRows {
            probabilities: predicted,
            target: &holdout.target,
            customers: Some(&holdout.groups).filter(|all| !all.is_empty()).map(Vec::as_slice),
        };
        let bootstrap =
            Bootstrap { replicates: REPLICATES, seed: run.seed, ..Bootstrap::default() };
        let stopped = || run.cancel.is_cancelled();
        let (intervals, differences) = run.install(|| {
            let intervals = bootstrap.measures(&rows, &stopped).map_err(broken_off)?;
            let differences = champion.map(|champion| {
                let champion = EvaluationRows { probabilities: champion, ..rows };
                bootstrap.differences(&champion, predicted, &stopped).map_err(broken_off)
            });
            Ok((intervals, differences.transpose()?.unwrap_or_default()))
        })?;
        let calibration = model.map(|model| describe(model.calibration())).unwrap_or_default();
        Ok(ProbabilityEvaluation {
            holdout: self.origin.holdout,
            rows: holdout.target.len(),
            positives: holdout.positives(),
            calibration,
            calibration_trials: model.map(|m| m.calibration_trials().to_vec()).unwrap_or_default(),
            calibration_line: calibration_slope_intercept(predicted, &holdout.target, None),
            metrics,
            intervals,
            differences,
            reliability,
            gains,
            scores: score_histogram(predicted, &holdout.target, SCORE_BINS).unwrap_or_default(),
            snapshots: self.origin.snapshots.clone(),
            folds: self.origin.folds.clone(),
            columns: self.origin.columns.clone(),
            left_out: self.origin.left_out.clone(),
            suspects: self.origin.evidence.iter().filter(|one| one.is_suspect()).cloned().collect(),
            slices: slices(holdout, predicted),
            importance: model.map(ClassifierModel::importance).unwrap_or_default(),
            coefficients: model.map(ClassifierModel::coefficients).unwrap_or_default(),
            dependence: model.map_or(Ok(Vec::new()), |model| dependence(model, holdout, run))?,
            rules: model.map(ClassifierModel::rules).unwrap_or_default(),
            notes: model.map(|model| model.verdict().notes.clone()).unwrap_or_default(),
            reference: DriftReference::of(self.origin.as_of, &holdout.features, Some(predicted)),
        })
    }

    /// Passed when it converged, ranks better than recency or the strongest column alone, is surer than the base rate, is
    /// calibrated, and does not lose to the champion by the recipe's metric.
    pub(super) fn gate(&self, evaluation: &ProbabilityEvaluation, rule: GateRule) -> Gate {
        let metrics = &evaluation.metrics;
        let refuse = |reason: String| Gate { passed: false, reason };
        if !converged(self.model) {
            return refuse("the solver did not converge; raise max_iterations or l2".to_owned());
        }
        if evaluation.positives == 0 || evaluation.positives == evaluation.rows {
            let rows = evaluation.rows;
            return refuse(format!(
                "all {rows} rows that it is judged on have one outcome: nothing tells it from a guess"
            ));
        }
        for (name, baseline) in
            [("roc_auc", "recency"), ("roc_auc", "strongest_column"), ("log_loss", "base_rate")]
        {
            if let Some(reason) = lost(metrics, name, baseline) {
                return refuse(reason);
            }
        }
        let error = metrics.get("expected_calibration_error").map_or(0.0, |metric| metric.value);
        if error > rule.max_calibration_error {
            let limit = rule.max_calibration_error;
            return refuse(format!(
                "not calibrated: expected_calibration_error {error:.4} on the hold-out is above {limit} (gate.max_calibration_error)"
            ));
        }
        let Some(Champion { version, outcome }) = self.champion else {
            let reason = "beats its baselines; there is no champion yet".to_owned();
            return Gate { passed: true, reason };
        };
        if let Err(reason) = outcome {
            return refuse(format!("cannot be compared with champion {version}: {reason}"));
        }
        let name = rule.metric.as_str();
        let sure = difference(&evaluation.differences, rule.metric.measure());
        match lost(metrics, name, "champion") {
            Some(reason) => refuse(format!("{reason}{sure}")),
            None => Gate {
                passed: true,
                reason: format!(
                    "beats its baselines and does not lose to champion {version} by the figure of {name}{sure}"
                ),
            },
        }
    }
}

fn broken_off(error: BootstrapError) -> FitError {
    match error {
        BootstrapError::Stopped => FitError::Cancelled,
        other => FitError::Algorithm { algorithm: "bootstrap", message: other.to_string() },
    }
}

/// What the bootstrap says about a difference.
fn difference(differences: &[MeasureDifference], measure: Measure) -> String {
    let found = differences.iter().find(|difference| difference.measure == measure);
    let Some(interval) = found.and_then(|difference| difference.difference) else {
        return String::new();
    };
    let (estimate, lower, upper) = (interval.estimate, interval.lower, interval.upper);
    format!("; difference {estimate:+.4}, 95 % interval {lower:+.4} to {upper:+.4}")
}

/// How the model's mean answer moves with the columns that matter most.
fn dependence(
    model: &ClassifierModel,
    holdout: &Dataset,
    run: &FitRun<'_>,
) -> Result<Vec<DependenceCurve>, FitError> {
    let importance = model.importance();
    let columns: Vec<&str> =
        importance.iter().take(DEPENDENCES).map(|(column, _)| column.as_str()).collect();
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let answer = |row: &[f32]| model.probability(row);
    run.install(|| PartialDependence::default().curves(&holdout.features, &columns, answer, run))
}

/// The hold-out by how often its customers had bought.
fn slices(holdout: &Dataset, predicted: &[f64]) -> Vec<SliceEvaluation> {
    let Some(visits) = holdout.features.column_index("visits") else {
        return Vec::new();
    };
    let visits: Vec<f32> = holdout.features.column(visits).collect();
    let slice = |(name, least, most): &(&str, f32, f32)| {
        let is_in = |row: &usize| visits.get(*row).is_some_and(|v| v >= least && v <= most);
        let rows: Vec<usize> = (0..predicted.len()).filter(is_in).collect();
        let target: Vec<bool> =
            rows.iter().filter_map(|row| holdout.target.get(*row)).copied().collect();
        let predicted: Vec<f64> =
            rows.iter().filter_map(|row| predicted.get(*row)).copied().collect();
        let count = target.len().max(1) as f64;
        SliceEvaluation {
            slice: (*name).to_owned(),
            rows: target.len(),
            event_rate: target.iter().filter(|event| **event).count() as f64 / count,
            mean_predicted: predicted.iter().sum::<f64>() / count,
            roc_auc: roc_auc(&predicted, &target),
        }
    };
    SLICES.iter().map(slice).collect()
}

/// The metrics of answering everybody with the event rate of the training rows.
pub(super) fn base_rate(rate: f64, target: &[bool]) -> BTreeMap<String, f64> {
    probability_metrics(target, &vec![rate; target.len()])
}

/// Why a metric is worse than a reference, if it is.
fn lost(metrics: &BTreeMap<String, Metric>, name: &str, reference: &str) -> Option<String> {
    let metric = metrics.get(name)?;
    let other = *metric.references.get(reference)?;
    let worse = if metric.higher_is_better { metric.value < other } else { metric.value > other };
    let value = metric.value;
    worse.then(|| {
        format!("{name} {value:.4} is worse than {other:.4} of {reference} on the hold-out")
    })
}

fn describe(calibration: &Calibration) -> String {
    match calibration {
        Calibration::Identity => "none: too few later rows, or nothing to gain".to_owned(),
        Calibration::Platt(Platt { a, b }) => format!("platt, a {a:.4}, b {b:.4}"),
        Calibration::Beta(_) => "beta".to_owned(),
        Calibration::Isotonic(_) => "isotonic".to_owned(),
    }
}
