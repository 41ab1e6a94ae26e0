//! What is written beside a version: how good it is on periods that it never saw.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dataset::SeriesKey;
use crate::metrics::{
    CalibrationLine, DecileGain, MeasureDifference, MeasureInterval, ReliabilityBin, ScoreBin,
    average_precision, brier_score, expected_calibration_error, gains_and_lift, ks_statistic,
    log_loss, reliability_bins, roc_auc,
};
use crate::model::{
    CalibrationTrial, ColumnEvidence, DependenceCurve, RfmNaming, RfmProfile, RfmSize, Rule,
    Segment, Tried,
};
use crate::repository::Metric;
use crate::transaction::Timestamp;

use super::drift::DriftReference;
use super::table::ColumnSummary;

/// Bins of the calibration error.
const RELIABILITY_BINS: usize = 10;

/// `evaluation.json`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Evaluation {
    /// Churn and propensity.
    Probability(Box<ProbabilityEvaluation>),
    /// Segments.
    Segments(SegmentsEvaluation),
    /// Recency, frequency and monetary value.
    Rfm(RfmEvaluation),
    /// Forecasts.
    Forecast(ForecastEvaluation),
}

impl Evaluation {
    /// The population that drift is measured against; `None` for forecasts and for versions of
    /// programs that did not keep it.
    pub fn reference(&self) -> Option<&DriftReference> {
        match self {
            Self::Probability(evaluation) => evaluation.reference.as_ref(),
            Self::Segments(evaluation) => evaluation.reference.as_ref(),
            Self::Rfm(evaluation) => evaluation.reference.as_ref(),
            Self::Forecast(_) => None,
        }
    }
}

/// Probabilities on the hold-out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ProbabilityEvaluation {
    /// As-of date of the hold-out; absent where every row was judged by models that were fitted
    /// without it, see `folds`. What is said of the hold-out then holds for all rows.
    pub holdout: Option<Timestamp>,
    /// Its rows.
    pub rows: usize,
    /// Its rows with the event.
    pub positives: usize,
    /// How the scores were turned into probabilities.
    pub calibration: String,
    /// How the ways to calibrate did on rows of the calibration window that they were not fitted
    /// on; `identity` is before calibration.
    #[serde(default)]
    pub calibration_trials: Vec<CalibrationTrial>,
    /// Slope and intercept of the outcomes on the predicted log-odds: 1 and 0 where all is well.
    #[serde(default)]
    pub calibration_line: Option<CalibrationLine>,
    /// Metrics by name, with those of the baselines `base_rate` and `recency` (of a table:
    /// `strongest_column`) and of the champion.
    pub metrics: BTreeMap<String, Metric>,
    /// 95 % intervals of the metrics by bootstrap over customers.
    #[serde(default)]
    pub intervals: Vec<MeasureInterval>,
    /// This version less the champion, on the same rows, by the same bootstrap.
    #[serde(default)]
    pub differences: Vec<MeasureDifference>,
    /// Predicted against observed, by tenths of the hold-out.
    pub reliability: Vec<ReliabilityBin>,
    /// Gain and cumulative lift by decile.
    pub gains: Vec<DecileGain>,
    /// How many rows got which probability.
    #[serde(default)]
    pub scores: Vec<ScoreBin>,
    /// Every date, with what the rows there were used for.
    pub snapshots: Vec<SnapshotEvaluation>,
    /// The parts of a cross-validation; empty where there is a hold-out.
    #[serde(default)]
    pub folds: Vec<FoldEvaluation>,
    /// The columns that the caller brought, as they were taken.
    #[serde(default)]
    pub columns: Vec<ColumnSummary>,
    /// Columns that the caller brought and that tell nothing, with the reason.
    #[serde(default)]
    pub left_out: Vec<(String, String)>,
    /// Columns that the caller brought and that say so much of the outcome that they may know it.
    #[serde(default)]
    pub suspects: Vec<ColumnEvidence>,
    /// The hold-out by how often its customers had bought.
    #[serde(default)]
    pub slices: Vec<SliceEvaluation>,
    /// Weight of each feature: absolute standardised coefficient, or what splits gained.
    pub importance: Vec<(String, f64)>,
    /// Standardised coefficients and their standard errors; empty for trees.
    #[serde(default)]
    pub coefficients: Vec<(String, f64, Option<f64>)>,
    /// How the mean answer moves with the weightiest features.
    #[serde(default)]
    pub dependence: Vec<DependenceCurve>,
    /// The tree in words; empty for other algorithms.
    pub rules: Vec<Rule>,
    /// What else has to be said of the fit: settings that were chosen, separated classes.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The hold-out's features and probabilities, to measure drift against.
    #[serde(default)]
    pub reference: Option<DriftReference>,
}

/// A part of the hold-out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SliceEvaluation {
    /// Which.
    pub slice: String,
    /// Its rows.
    pub rows: usize,
    /// Share of them with the event.
    pub event_rate: f64,
    /// Mean predicted probability.
    pub mean_predicted: f64,
    /// Area under the ROC curve; absent when all rows have one outcome.
    pub roc_auc: Option<f64>,
}

/// One date.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SnapshotEvaluation {
    /// The date.
    pub as_of: Timestamp,
    /// `fit`, `calibration` or `holdout`.
    pub role: String,
    /// Rows.
    pub rows: usize,
    /// Share of rows with the event.
    pub event_rate: f64,
    /// Area under the ROC curve; absent when all rows have one outcome.
    pub roc_auc: Option<f64>,
    /// Mean predicted probability.
    pub mean_predicted: f64,
}

impl SnapshotEvaluation {
    pub(super) fn of(as_of: Timestamp, role: &str, target: &[bool], predicted: &[f64]) -> Self {
        let count = target.len().max(1) as f64;
        Self {
            as_of,
            role: role.to_owned(),
            rows: target.len(),
            event_rate: target.iter().filter(|event| **event).count() as f64 / count,
            roc_auc: roc_auc(predicted, target),
            mean_predicted: predicted.iter().sum::<f64>() / count,
        }
    }
}

/// One part of a cross-validation.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct FoldEvaluation {
    /// Rows.
    pub rows: usize,
    /// Rows with the event.
    pub positives: usize,
    /// Area under the ROC curve; absent when all rows have one outcome.
    pub roc_auc: Option<f64>,
    /// Mean negative log-likelihood.
    pub log_loss: Option<f64>,
}

/// Segments on the rows they were found in.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SegmentsEvaluation {
    /// As-of date of the rows.
    pub as_of: Timestamp,
    /// Rows.
    pub rows: usize,
    /// Metrics by name.
    pub metrics: BTreeMap<String, Metric>,
    /// The segments.
    pub segments: Vec<Segment>,
    /// How each number of clusters did that was tried; the best silhouette decided.
    #[serde(default)]
    pub tried: Vec<Tried>,
    /// The number at which more clusters begin to explain little more; not what decided.
    #[serde(default)]
    pub elbow: Option<usize>,
    /// Names of the columns of the segments' centroids and medians.
    pub columns: Vec<String>,
    /// The customers' features, to measure drift against.
    #[serde(default)]
    pub reference: Option<DriftReference>,
}

/// Scores of the rows they were cut from.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RfmEvaluation {
    /// As-of date of the rows.
    pub as_of: Timestamp,
    /// Rows.
    pub rows: usize,
    /// The table that names cells.
    pub naming: RfmNaming,
    /// The segments that have customers.
    pub sizes: Vec<RfmSize>,
    /// Their medians, in the order of `sizes`.
    #[serde(default)]
    pub profiles: Vec<RfmProfile>,
    /// Where the scores of recency, frequency and monetary value change.
    pub edges: [Vec<f64>; 3],
    /// The customers' features, to measure drift against.
    #[serde(default)]
    pub reference: Option<DriftReference>,
}

/// Forecasts of the last periods, made without them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ForecastEvaluation {
    /// Periods that were held out.
    pub horizon: usize,
    /// Series that were long enough to be evaluated.
    pub evaluated: usize,
    /// Metrics by name, means over the series, with those of seasonal naive and of the champion's
    /// recipe.
    pub metrics: BTreeMap<String, Metric>,
    /// Each series.
    pub series: Vec<SeriesEvaluation>,
    /// Each period of the horizon; empty in versions from before it was judged.
    #[serde(default)]
    pub steps: Vec<StepEvaluation>,
    /// The largest series with their held-out periods.
    #[serde(default)]
    pub examples: Vec<SeriesExample>,
}

/// One series.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SeriesEvaluation {
    /// Which.
    pub key: SeriesKey,
    /// What forecast it, and why not the recipe's algorithm.
    pub method: String,
    /// Mean absolute scaled error.
    pub mase: Option<f64>,
    /// Symmetric mean absolute percentage error, 0 to 200.
    pub smape: Option<f64>,
    /// Share of held-out periods within the 80 % interval.
    pub coverage_80: Option<f64>,
    /// Share of held-out periods within the 95 % interval.
    pub coverage_95: Option<f64>,
}

/// One period of the horizon, over all series.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct StepEvaluation {
    /// How many periods ahead, from 1.
    pub step: usize,
    /// Mean absolute scaled error.
    pub mase: Option<f64>,
    /// Share of series within the 80 % interval.
    pub coverage_80: Option<f64>,
    /// Share of series within the 95 % interval.
    pub coverage_95: Option<f64>,
}

/// The end of one series, and what was forecast of it before it was known.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SeriesExample {
    /// Which.
    pub key: SeriesKey,
    /// Number of the first period of `values`.
    pub first_period: i32,
    /// What was sold, up to the end of the data.
    pub values: Vec<f64>,
    /// The forecast of the last periods, made without them.
    pub forecast: Vec<f64>,
    /// Lower and upper bounds of the 80 % interval of the forecast.
    pub within_80: Vec<(f64, f64)>,
    /// Lower and upper bounds of the 95 % interval of the forecast.
    pub within_95: Vec<(f64, f64)>,
}

/// The metrics of probabilities against outcomes; those that are not defined are left out.
pub(super) fn probability_metrics(target: &[bool], predicted: &[f64]) -> BTreeMap<String, f64> {
    let calibration_error = expected_calibration_error(predicted, target, RELIABILITY_BINS);
    let metrics = [
        ("roc_auc", roc_auc(predicted, target)),
        ("average_precision", average_precision(predicted, target)),
        ("ks", ks_statistic(predicted, target)),
        ("log_loss", log_loss(predicted, target)),
        ("brier_score", brier_score(predicted, target)),
        ("expected_calibration_error", calibration_error),
    ];
    let defined = metrics.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    defined.collect()
}

/// Whether more of a probability metric is better.
pub(super) fn higher_is_better(name: &str) -> bool {
    matches!(name, "roc_auc" | "average_precision" | "ks" | "lift_top_decile")
}

/// The version's metrics with the same metrics of others beside them.
pub(super) fn with_references(
    own: BTreeMap<String, f64>,
    others: &[(&str, BTreeMap<String, f64>)],
) -> BTreeMap<String, Metric> {
    let metric = |(name, value): (String, f64)| {
        let references = others
            .iter()
            .filter_map(|(other, metrics)| Some(((*other).to_owned(), *metrics.get(&name)?)))
            .collect();
        let higher_is_better = higher_is_better(&name);
        (name, Metric { value, higher_is_better, references })
    };
    own.into_iter().map(metric).collect()
}

/// Reliability bins and gains of the hold-out.
pub(super) fn curves(target: &[bool], predicted: &[f64]) -> (Vec<ReliabilityBin>, Vec<DecileGain>) {
    let reliability = reliability_bins(predicted, target, RELIABILITY_BINS);
    (reliability.unwrap_or_default(), gains_and_lift(predicted, target).unwrap_or_default())
}
