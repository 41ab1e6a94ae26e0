//! Tables that models are fitted on: feature matrices, labelled snapshots, panels of series.

mod input;
mod long_table;
mod matrix;
mod panel;
mod regressor;

pub use self::input::{
    ColumnKind, ColumnProfile, ColumnType, InputColumn, InputSchema, LeftOut, Value,
};
pub use self::long_table::{
    Gaps, InvalidLongTable, LongRow, LongRows, LongSeries, LongTable, MOST_LONG_VALUES, Spacing,
    Stamp,
};
pub use self::matrix::{Dataset, FeatureMatrix, InvalidMatrix, Snapshot, SupervisedData};
pub use self::panel::{Frequency, InvalidPanel, Panel, SEGMENT, Series, SeriesKey, TOTAL};
pub use self::regressor::{KnownValues, Regressor, RegressorKind};
