//! The parts of a forecast's recipe that name its series: groups of the lines, or a table.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ColumnChoice, ForecastRecipe};
use crate::dataset::{SEGMENT, TOTAL};
use crate::model::ModelKind;
use crate::repository::{InvalidReference, ModelReference};

/// Groupings of a forecast's series.
const GROUPS: [&str; 7] = [TOTAL, "product", "category", "store", "channel", "country", SEGMENT];

/// The series of one grouping.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesChoice {
    /// `total`, `product`, `category`, `store`, `channel`, `country` or `segment`.
    pub group: String,
    /// Only so many, the largest by volume.
    #[serde(default = "default_most")]
    pub most: usize,
    /// Whose segments customers are in, as `NAME`, `NAME@ALIAS` or `NAME/VERSION`: a model of kind
    /// segments or rfm. For `segment` alone; the champion of `segments` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl SeriesChoice {
    /// Whether each line counts to the segment of its customer.
    pub fn is_by_segment(&self) -> bool {
        self.group == SEGMENT
    }

    fn reference(&self) -> Result<ModelReference, InvalidReference> {
        self.model.as_deref().unwrap_or(ModelKind::Segments.as_str()).parse()
    }
}

impl ForecastRecipe {
    /// The model whose segments series are grouped by, if any are.
    pub fn segments_model(&self) -> Option<ModelReference> {
        let choice = self.series.iter().find(|choice| choice.is_by_segment())?;
        choice.reference().ok()
    }

    /// What of its series does not hold.
    pub(super) fn series_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for choice in &self.series {
            let SeriesChoice { group, most, model } = choice;
            if !GROUPS.contains(&group.as_str()) {
                let expected = GROUPS.join(", ");
                problems.push(format!("series.group: expected one of {expected}, found {group:?}"));
            }
            if *most == 0 {
                problems.push("series.most: expected at least 1".to_owned());
            }
            if model.is_some() && !choice.is_by_segment() {
                problems.push(format!("series.model: expected none for {group}, only for segment"));
            } else if let Err(problem) = choice.reference() {
                problems.push(format!("series.model: {problem}"));
            }
        }
        if self.series.iter().filter(|choice| choice.is_by_segment()).count() > 1 {
            let problem = "series.group: expected segment once; make a model of forecasts for each";
            problems.push(problem.to_owned());
        }
        problems
    }
}

const fn default_most() -> usize {
    20
}

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
