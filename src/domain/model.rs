//! What can be fitted and what can predict.
//!
//! An [`Estimator`] holds hyper-parameters and is fitted to a [`Model`], another type, so that
//! predicting before fitting does not compile. [`FittedModel`] is the only place where the kinds
//! meet: it is what the repository stores and the server loads.

mod calibration;
mod classifier;
mod dependence;
mod fit;
mod fitted;
mod forecast;
pub mod forecasting;
pub mod kmeans;
pub mod logistic;
mod preprocessing;
mod probability;
mod rfm;
mod segments;
pub mod trees;
pub mod woe;

pub use self::calibration::{
    Beta, Calibration, CalibrationChoice, CalibrationMethod, CalibrationTrial, CalibrationWindow,
    InvalidKnots, Isotonic, Knot, Platt, fit_platt,
};
pub use self::classifier::{
    ClassifierAlgorithm, ClassifierEstimator, ClassifierModel, ClassifierSettings, ColumnEvidence,
    Condition, Rule, Verdict, column_evidence,
};
pub use self::dependence::{DependenceCurve, DependencePoint, PartialDependence};
pub use self::fit::{CancelToken, FitError, FitRun, NoProgress, PredictError, ProgressSink};
pub use self::fitted::{FittedModel, GoldenInputs, ModelKind};
pub use self::forecast::{
    Backtest, BoostingChoice, Coherence, Components, ForecastAlgorithm, ForecastEstimator,
    ForecastModel, ForecastQuery, Interval, IntervalSource, InvalidPlan, MemberWeight, Method,
    PlannedPeriod, SeriesForecast, SumForecast, Watched, forecast_failure,
};
pub use self::preprocessing::{ColumnChoice, Standardizer, Transform};
pub use self::probability::{Contribution, Prior, Probability};
pub use self::rfm::{
    RfmAssignment, RfmBand, RfmEdges, RfmEstimator, RfmModel, RfmNaming, RfmProfile, RfmSegment,
    RfmSize,
};
pub use self::segments::{
    ClusterCount, Segment, SegmentAssignment, SegmentsAlgorithm, SegmentsEstimator, SegmentsModel,
    Tried, elbow,
};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Hyper-parameters of a model that is not fitted yet.
pub trait Estimator {
    /// What it is fitted on.
    type Data: ?Sized;
    /// What fitting gives.
    type Model: Model;

    /// Fits the model. The same data, settings and seed give the same bytes at any thread count.
    ///
    /// # Errors
    /// When the data cannot be learned from, or when `run` was cancelled.
    fn fit(&self, data: &Self::Data, run: &FitRun<'_>) -> Result<Self::Model, FitError>;
}

/// A fitted model.
pub trait Model: Serialize + DeserializeOwned + Send + Sync {
    /// What it answers for.
    type Input: ?Sized;
    /// One answer.
    type Output;

    /// One answer per row of `input`, in order. An empty input gives an empty answer.
    ///
    /// # Errors
    /// When the input's columns are not those the model was fitted on.
    fn predict(&self, input: &Self::Input) -> Result<Vec<Self::Output>, PredictError>;
}
