//! The part of a forecast's recipe that names a table of series instead of transactions.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ColumnChoice;

/// A file with one row per series and period, as forecasting libraries take it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesTableRecipe {
    /// The CSV or Parquet file; the server takes an absolute path only.
    pub path: PathBuf,
    /// The column that names the series.
    #[serde(default = "default_id")]
    pub id: String,
    /// The column of the dates.
    #[serde(default = "default_time")]
    pub time: String,
    /// The column of the values.
    #[serde(default = "default_value")]
    pub value: String,
    /// Whether periods without a row are zeros; otherwise they are refused.
    #[serde(default)]
    pub fill_gaps: bool,
    /// Whether values can be below zero.
    #[serde(default)]
    pub negative: bool,
    /// Columns that are known in advance; rows without a value give what is to come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regressors: Vec<ColumnChoice>,
}

fn default_id() -> String {
    "unique_id".to_owned()
}
fn default_time() -> String {
    "ds".to_owned()
}
fn default_value() -> String {
    "y".to_owned()
}
