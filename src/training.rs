//! From stored transactions and a recipe to a registered version.
//!
//! Rows are features as of past dates with the outcome that followed. The last closed window is the
//! hold-out, never trained on; between it and the training rows lies a gap as long as the horizon,
//! so that no two outcomes overlap (see [`Timeline`]). A version is registered whatever its
//! quality, with its evaluation; it becomes the champion only when the gate lets it.

mod backtests;
mod drift;
mod error;
mod evaluation;
mod forecasts;
mod judging;
mod panel;
mod recipe;
mod rows;
mod run;
mod segmentation;
mod supervised;
mod table;
mod timeline;

pub use self::drift::{
    ClosedWindow, DriftReference, DriftReport, FeatureDrift, WindowMetric, drift,
};
pub use self::error::TrainingError;
pub use self::evaluation::{
    Evaluation, FoldEvaluation, ForecastEvaluation, ProbabilityEvaluation, RfmEvaluation,
    SegmentsEvaluation, SeriesEvaluation, SeriesExample, SliceEvaluation, SnapshotEvaluation,
    StepEvaluation,
};
pub use self::panel::{EventsError, SegmentsError, SeriesTableError};
pub use self::recipe::{
    CalendarEvent, ClusterRange, Clusters, ColumnChoice, Cron, EventRecipe, ForecastRecipe,
    GateMetric, GateRule, InvalidColumnChoice, InvalidRecipe, LineRegressor, MOST_REASONS, Measure,
    OutputPattern, Population, Recipe, RfmRecipe, Schedule, ScheduledTask, ScoreSchedule,
    SegmentsRecipe, SeriesChoice, SeriesTableRecipe, SnapshotRule, TableRecipe,
};
pub use self::run::{DriftCheck, Training, TrainingRequest, TrainingResult};
pub use self::table::{ColumnSummary, TableColumns, TableError};
pub use self::timeline::{Timeline, data_as_of};
