//! How good answers are: the field's measures under scikit-learn's and the M competitions' names.

mod bootstrap;
mod classification;
mod clustering;
mod drift;
mod forecast;
pub(crate) mod logistic;
mod recalibration;

pub use self::bootstrap::{
    Bootstrap, BootstrapError, ConfidenceInterval, Customers, EvaluationRows, Measure,
    MeasureDifference, MeasureInterval, WeightedRanking,
};
pub use self::classification::{
    DecileGain, ReliabilityBin, ScoreBin, average_precision, brier_score, cumulative_gain,
    expected_calibration_error, gains_and_lift, ks_statistic, log_loss, reliability_bins, roc_auc,
    score_histogram,
};
pub use self::clustering::{adjusted_rand_index, inertia, silhouette_score};
pub use self::drift::{
    BinCounts, Drift, DriftVerdict, ReferenceQuantiles, population_stability_index,
};
pub use self::forecast::{coverage, mase, msis, rmsse, smape};
pub use self::recalibration::{CalibrationLine, calibration_slope_intercept};
