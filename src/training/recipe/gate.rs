//! When a new version becomes the champion.

use serde::{Deserialize, Serialize};

use crate::metrics;

/// When a new version becomes the champion.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateRule {
    /// Move the alias `champion` to a version that converged, beat its baselines and did not lose
    /// to the champion on the same hold-out.
    pub promote: bool,
    /// By which metric versions of a probability are compared.
    pub metric: GateMetric,
    /// Largest expected calibration error on the hold-out, 0 to 1, of a version that may serve.
    pub max_calibration_error: f64,
}

/// A metric of probabilities.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateMetric {
    /// Mean negative log-likelihood.
    #[default]
    LogLoss,
    /// Mean squared error.
    BrierScore,
    /// Area under the ROC curve.
    RocAuc,
    /// Area under precision over recall.
    AveragePrecision,
}

impl GateMetric {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LogLoss => "log_loss",
            Self::BrierScore => "brier_score",
            Self::RocAuc => "roc_auc",
            Self::AveragePrecision => "average_precision",
        }
    }

    /// The measure of that name.
    pub const fn measure(self) -> metrics::Measure {
        match self {
            Self::LogLoss => metrics::Measure::LogLoss,
            Self::BrierScore => metrics::Measure::BrierScore,
            Self::RocAuc => metrics::Measure::RocAuc,
            Self::AveragePrecision => metrics::Measure::AveragePrecision,
        }
    }
}

impl Default for GateRule {
    fn default() -> Self {
        Self { promote: true, metric: GateMetric::default(), max_calibration_error: 0.1 }
    }
}
