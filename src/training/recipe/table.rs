//! The part of a recipe that names a table of cases instead of transactions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::dataset::ColumnKind;

/// A file with one row per case: columns that are known, and the outcome.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TableRecipe {
    /// The CSV or Parquet file; the server takes an absolute path only.
    pub path: PathBuf,
    /// The column of the outcome.
    pub label: String,
    /// The label's text that is the event; yes, true or 1 when absent.
    pub event: Option<String>,
    /// The column of the case's key: no feature, and rows of one key stay together.
    pub id: Option<String>,
    /// The column of the time at which the row was known. With it the version is judged on the
    /// latest rows, without it by cross-validation.
    pub time: Option<String>,
    /// Days after that time until the outcome is known: rows whose outcome was open when the next
    /// part began are left out.
    #[serde(default)]
    pub horizon_days: u32,
    /// Columns that are no features.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Types of columns, instead of those that their values suggest.
    #[serde(default)]
    pub types: BTreeMap<String, ColumnKind>,
    /// Parts of the cross-validation.
    #[serde(default = "default_folds")]
    pub folds: usize,
}

const fn default_folds() -> usize {
    10
}

impl TableRecipe {
    /// A table with a label, all else by default.
    pub fn new(path: PathBuf, label: String) -> Self {
        Self {
            path,
            label,
            event: None,
            id: None,
            time: None,
            horizon_days: 0,
            exclude: Vec::new(),
            types: BTreeMap::new(),
            folds: default_folds(),
        }
    }

    /// The file's name, without its directories.
    pub fn file_name(&self) -> String {
        let name = self.path.file_name().map(Path::new).unwrap_or(&self.path);
        name.display().to_string()
    }

    /// Whether a column is not a feature.
    pub(in crate::training) fn leaves_out(&self, column: &str) -> bool {
        let named = [Some(&self.label), self.id.as_ref(), self.time.as_ref()];
        named.into_iter().flatten().chain(&self.exclude).any(|name| name == column)
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(2..=100).contains(&self.folds) {
            problems.push(format!("table.folds: expected 2 to 100, found {}", self.folds));
        }
        if self.horizon_days > 3650 {
            let found = self.horizon_days;
            problems.push(format!("table.horizon_days: expected 0 to 3650 days, found {found}"));
        }
        if self.horizon_days > 0 && self.time.is_none() {
            problems.push("table.horizon_days: expected table.time beside it".to_owned());
        }
        for column in self.types.keys().filter(|column| self.leaves_out(column)) {
            problems.push(format!("table.types: {column} is no feature"));
        }
        problems
    }
}
