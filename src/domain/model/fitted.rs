//! The closed set of kinds: what the repository stores and the server loads.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::dataset::{FeatureMatrix, SeriesKey};

use super::{
    ClassifierModel, ForecastModel, ForecastQuery, Model, PredictError, RfmModel, SegmentsModel,
};

/// What a model answers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Which group of alike customers a customer belongs to.
    Segments,
    /// Recency, frequency and monetary value as scores.
    Rfm,
    /// Whether an active customer stops buying.
    Churn,
    /// Whether a customer buys.
    Propensity,
    /// How much will be sold.
    Forecast,
}

impl ModelKind {
    /// Its name in recipes, manifests and lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Segments => "segments",
            Self::Rfm => "rfm",
            Self::Churn => "churn",
            Self::Propensity => "propensity",
            Self::Forecast => "forecast",
        }
    }
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A fitted model of any kind.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FittedModel {
    /// See [`SegmentsModel`].
    Segments(SegmentsModel),
    /// See [`RfmModel`].
    Rfm(RfmModel),
    /// Who stops buying; see [`ClassifierModel`].
    Churn(ClassifierModel),
    /// Who buys; see [`ClassifierModel`].
    Propensity(ClassifierModel),
    /// See [`ForecastModel`].
    Forecast(ForecastModel),
}

/// Inputs that are stored with a model and answered again when it is loaded.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenInputs {
    /// Names of the features, for models of feature vectors.
    pub columns: Vec<String>,
    /// Feature vectors; `None` for a missing value.
    pub rows: Vec<Vec<Option<f32>>>,
    /// Series, for forecasts; each is asked for the first period.
    pub series: Vec<SeriesKey>,
}

impl FittedModel {
    /// Its kind.
    pub fn kind(&self) -> ModelKind {
        match self {
            Self::Segments(_) => ModelKind::Segments,
            Self::Rfm(_) => ModelKind::Rfm,
            Self::Churn(_) => ModelKind::Churn,
            Self::Propensity(_) => ModelKind::Propensity,
            Self::Forecast(_) => ModelKind::Forecast,
        }
    }

    /// The classifier, if it is one.
    pub fn classifier(&self) -> Option<&ClassifierModel> {
        match self {
            Self::Churn(model) | Self::Propensity(model) => Some(model),
            Self::Segments(_) | Self::Rfm(_) | Self::Forecast(_) => None,
        }
    }

    /// One list of numbers per golden input: segment and distance, probability, or first mean.
    ///
    /// # Errors
    /// When the inputs are not the model's.
    pub fn answer(&self, golden: &GoldenInputs) -> Result<Vec<Vec<f64>>, PredictError> {
        if let Self::Forecast(model) = self {
            if golden.series.is_empty() {
                return Ok(Vec::new());
            }
            let series = golden.series.clone();
            let query = ForecastQuery { series, horizon: 1, ..ForecastQuery::default() };
            let answers = model.predict(&query)?;
            return Ok(answers.into_iter().map(|answer| answer.mean).collect());
        }
        let matrix = golden_matrix(golden)?;
        match self {
            Self::Segments(model) => {
                let answers = model.predict(&matrix)?;
                let pair = |answer: super::SegmentAssignment| {
                    vec![f64::from(answer.segment), answer.distance]
                };
                Ok(answers.into_iter().map(pair).collect())
            }
            Self::Rfm(model) => {
                let answers = model.predict(&matrix)?;
                let scores = |answer: super::RfmAssignment| {
                    [answer.recency, answer.frequency, answer.monetary]
                        .map(|band| f64::from(band.score))
                        .to_vec()
                };
                Ok(answers.into_iter().map(scores).collect())
            }
            Self::Churn(model) | Self::Propensity(model) => {
                Ok(probabilities(model.predict(&matrix)?))
            }
            Self::Forecast(_) => Ok(Vec::new()),
        }
    }
}

fn probabilities(answers: Vec<super::Probability>) -> Vec<Vec<f64>> {
    answers.into_iter().map(|answer| vec![answer.probability]).collect()
}

fn golden_matrix(golden: &GoldenInputs) -> Result<FeatureMatrix, PredictError> {
    let values = golden.rows.iter().flatten().map(|value| value.unwrap_or(f32::NAN)).collect();
    FeatureMatrix::coded(golden.columns.as_slice().into(), [].into(), values).map_err(|error| {
        PredictError::Columns {
            expected: golden.columns.len(),
            found: golden.rows.first().map_or(0, Vec::len),
            detail: error.to_string(),
        }
    })
}
