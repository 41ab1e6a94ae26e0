//! How good a classifier is on rows that it never saw, and whether it may serve.

use std::collections::BTreeMap;

use super::TrainingError;
use super::drift::DriftReference;
use super::evaluation::{
    ProbabilityEvaluation, SliceEvaluation, SnapshotEvaluation, curves, probability_metrics,
    with_references,
};
use super::recipe::GateRule;
use super::rows::DatedRows;
use super::supervised::{Split, converged, probabilities};
use super::timeline::Timeline;
use crate::dataset::Dataset;
use crate::metrics::{
    Bootstrap, BootstrapError, EvaluationRows, Measure, MeasureDifference,
    calibration_slope_intercept, roc_auc,
};
use crate::model::{
    Calibration, ClassifierModel, DependenceCurve, FitError, FitRun, FittedModel,
    PartialDependence, Platt, fit_platt,
};
use crate::repository::{Gate, Metric};

/// Replicates of the bootstrap.
const REPLICATES: usize = 400;
/// Columns whose partial dependence is told.
const DEPENDENCES: usize = 6;
/// Numbers of visits by which customers are told apart, the last without end.
const SLICES: [(&str, f32, f32); 3] =
    [("visits = 1", 0.0, 1.0), ("visits 2 to 4", 2.0, 4.0), ("visits 5 or more", 5.0, f32::MAX)];

/// The champion's probabilities on the hold-out of the new version; why there are none otherwise.
pub(super) struct Champion {
    pub(super) version: u64,
    pub(super) outcome: Result<Vec<f64>, String>,
}

/// A fitted model with all that it is judged by.
pub(super) struct Judged<'a> {
    pub(super) model: &'a FittedModel,
    pub(super) split: &'a Split,
    pub(super) champion: Option<&'a Champion>,
}

impl Judged<'_> {
    pub(super) fn evaluate(
        &self,
        timeline: &Timeline,
        run: &FitRun<'_>,
    ) -> Result<ProbabilityEvaluation, TrainingError> {
        let holdout = &self.split.holdout;
        let predicted = probabilities(self.model, &holdout.features)?;
        let mut others = vec![
            ("base_rate", base_rate_baseline(self.split)),
            ("recency", recency_baseline(self.split)),
        ];
        let champion = self.champion.and_then(|champion| champion.outcome.as_ref().ok());
        if let Some(champion) = champion {
            others.push(("champion", probability_metrics(&holdout.target, champion)));
        }
        let own = probability_metrics(&holdout.target, &predicted);
        let mut metrics = with_references(own, &others);
        let (reliability, gains) = curves(&holdout.target, &predicted);
        if let Some(top) = gains.first() {
            let references = BTreeMap::from([("base_rate".to_owned(), 1.0)]);
            let value = top.cumulative_lift;
            let lift = Metric { value, higher_is_better: true, references };
            metrics.insert("lift_top_decile".to_owned(), lift);
        }
        let model = self.model.classifier();
        let rows = EvaluationRows {
            probabilities: &predicted,
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
                bootstrap.differences(&champion, &predicted, &stopped).map_err(broken_off)
            });
            Ok((intervals, differences.transpose()?.unwrap_or_default()))
        })?;
        let calibration = model.map(|model| describe(model.calibration())).unwrap_or_default();
        Ok(ProbabilityEvaluation {
            holdout: timeline.holdout,
            rows: holdout.target.len(),
            positives: holdout.positives(),
            calibration,
            calibration_trials: model.map(|m| m.calibration_trials().to_vec()).unwrap_or_default(),
            calibration_line: calibration_slope_intercept(&predicted, &holdout.target, None),
            metrics,
            intervals,
            differences,
            reliability,
            gains,
            snapshots: snapshots(self.model, &self.split.dated, timeline)?,
            slices: slices(holdout, &predicted),
            importance: model.map(ClassifierModel::importance).unwrap_or_default(),
            coefficients: model.map(ClassifierModel::coefficients).unwrap_or_default(),
            dependence: model.map_or(Ok(Vec::new()), |model| dependence(model, holdout, run))?,
            rules: model.map(ClassifierModel::rules).unwrap_or_default(),
            notes: model.map(|model| model.verdict().notes.clone()).unwrap_or_default(),
            reference: DriftReference::of(timeline.holdout, &holdout.features, Some(&predicted)),
        })
    }

    /// Passed when it converged, ranks better than recency alone, is surer than the base rate, is
    /// calibrated, and does not lose to the champion by the recipe's metric.
    pub(super) fn gate(&self, evaluation: &ProbabilityEvaluation, rule: GateRule) -> Gate {
        let metrics = &evaluation.metrics;
        let refuse = |reason: String| Gate { passed: false, reason };
        if !converged(self.model) {
            return refuse("the solver did not converge; raise max_iterations or l2".to_owned());
        }
        for (name, baseline) in [("roc_auc", "recency"), ("log_loss", "base_rate")] {
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
                    "beats its baselines and does not lose to champion {version} in {name}{sure}"
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

/// Everybody has the event rate of the training rows.
fn base_rate_baseline(split: &Split) -> BTreeMap<String, f64> {
    let rate = split.data.train.base_rate();
    probability_metrics(&split.holdout.target, &vec![rate; split.holdout.target.len()])
}

/// A logistic curve over the time since the last purchase alone, fitted on the training rows.
fn recency_baseline(split: &Split) -> BTreeMap<String, f64> {
    let scores = |data: &Dataset| -> Option<Vec<f64>> {
        let index = data.features.column_index("recency_days")?;
        Some(data.features.column(index).map(|days| f64::from(days).ln_1p()).collect())
    };
    let (Some(train), Some(holdout)) = (scores(&split.data.train), scores(&split.holdout)) else {
        return BTreeMap::new();
    };
    let curve = fit_platt(&train, &split.data.train.target);
    let predicted: Vec<f64> = holdout.iter().map(|score| curve.apply(*score)).collect();
    probability_metrics(&split.holdout.target, &predicted)
}

fn snapshots(
    model: &FittedModel,
    dated: &[DatedRows],
    timeline: &Timeline,
) -> Result<Vec<SnapshotEvaluation>, TrainingError> {
    let evaluate = |rows: &DatedRows| {
        let predicted = probabilities(model, &rows.features)?;
        let count = rows.target.len().max(1) as f64;
        let role = if rows.as_of == timeline.holdout {
            "holdout"
        } else if Some(rows.as_of) == timeline.calibration {
            "calibration"
        } else {
            "fit"
        };
        Ok(SnapshotEvaluation {
            as_of: rows.as_of,
            role: role.to_owned(),
            rows: rows.target.len(),
            event_rate: rows.target.iter().filter(|event| **event).count() as f64 / count,
            roc_auc: roc_auc(&predicted, &rows.target),
            mean_predicted: predicted.iter().sum::<f64>() / count,
        })
    };
    dated.iter().map(evaluate).collect()
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
