//! How good answers are: the field's measures under scikit-learn's and the M competitions' names.

mod classification;
mod clustering;
mod forecast;

pub use self::classification::{
    DecileGain, ReliabilityBin, average_precision, brier_score, cumulative_gain,
    expected_calibration_error, gains_and_lift, ks_statistic, log_loss, reliability_bins, roc_auc,
};
pub use self::clustering::{adjusted_rand_index, inertia, silhouette_score};
pub use self::forecast::{coverage, mase, msis, rmsse, smape};
