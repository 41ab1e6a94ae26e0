//! Churn and propensity: probabilities, what they rest on and where they hold.

mod calibration;
mod choosing;
mod drivers;
mod stability;

use super::page::Section;
use super::{ReportError, Subject};
use crate::training::ProbabilityEvaluation;

pub(super) use self::calibration::verdict as calibration_verdict;
#[cfg(test)]
pub(super) use self::{
    calibration::reliability_plot,
    choosing::{gains_plot, scores_plot},
    drivers::{dependence_plot, weights_plot},
};

/// What a later program would have kept.
const NOT_KEPT: &str = "a version that is trained anew does.";

/// The parts of the page that are about probabilities.
pub(super) fn sections(
    subject: &Subject,
    evaluation: &ProbabilityEvaluation,
) -> Result<Vec<Section>, ReportError> {
    Ok(vec![
        choosing::section(subject, evaluation)?,
        calibration::section(subject, evaluation)?,
        drivers::section(subject, evaluation)?,
        stability::section(subject, evaluation),
    ])
}
