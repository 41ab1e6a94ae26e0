//! Tables that models are fitted on: feature matrices, labelled snapshots, panels of series.

mod matrix;
mod panel;

pub use self::matrix::{Dataset, FeatureMatrix, InvalidMatrix, Snapshot, SupervisedData};
pub use self::panel::{Frequency, InvalidPanel, Panel, Series, SeriesKey};
