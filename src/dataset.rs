//! Tables that models are fitted on: feature matrices, labelled snapshots, panels of series.

mod input;
mod matrix;
mod panel;

pub use self::input::{
    ColumnKind, ColumnProfile, ColumnType, InputColumn, InputSchema, LeftOut, Value,
};
pub use self::matrix::{Dataset, FeatureMatrix, InvalidMatrix, Snapshot, SupervisedData};
pub use self::panel::{Frequency, InvalidPanel, Panel, Series, SeriesKey};
