//! What to score, and what was written.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::repository::{AliasName, ModelName, Version};
use crate::serving::Selector;
use crate::transaction::Timestamp;

/// Most reasons of a row.
pub const MOST_REASONS: usize = 20;

/// What to score. It is the payload of a scoring job.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScoringRequest {
    /// The models, at least one.
    pub models: Vec<ScoringModel>,
    /// The file to write. A file that is there already is replaced as a whole.
    pub output: PathBuf,
    /// Its format.
    pub format: ScoreFormat,
    /// As of when.
    pub as_of: Timestamp,
    /// Only customers who bought in so many days before.
    pub active_within_days: Option<u32>,
    /// Which customers, where `active_within_days` does not tell.
    #[serde(default)]
    pub population: Population,
    /// Reasons per row and model, at most [`MOST_REASONS`].
    #[serde(default)]
    pub explain: usize,
    /// Rows of a table instead of customers.
    #[serde(default)]
    pub table: Option<TableSource>,
}

/// Which customers are scored.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Population {
    /// Who bought before the date.
    #[default]
    All,
    /// Who bought within the widest window of the models' populations.
    Active,
    /// Everybody with a line before the date, a return for instance: without a purchase the answer
    /// is the population's, flagged `NO_HISTORY`.
    Known,
}

impl Population {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Active => "active",
            Self::Known => "known",
        }
    }
}

impl fmt::Display for Population {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A table whose rows are scored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TableSource {
    /// The CSV or Parquet file.
    pub path: PathBuf,
    /// The column that tells which row it is; it comes first in the output.
    pub key: String,
}

/// One model of a scoring run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScoringModel {
    /// The model.
    pub model: ModelName,
    /// Exactly this version.
    pub version: Option<Version>,
    /// The version that this alias points at; `champion` when neither is given.
    pub alias: Option<AliasName>,
}

impl ScoringModel {
    /// Which version is meant.
    pub fn selector(&self) -> Selector {
        match (self.version, &self.alias) {
            (Some(version), _) => Selector::Version(version),
            (None, Some(alias)) => Selector::Alias(alias.clone()),
            (None, None) => Selector::default(),
        }
    }
}

impl FromStr for ScoringModel {
    type Err = String;

    /// Reads `NAME`, `NAME@ALIAS` or `NAME/VERSION`.
    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (name, version, alias) = match (text.split_once('/'), text.split_once('@')) {
                (Some((name, version)), _) => (name, Some(version.parse().ok()?), None),
                (None, Some((name, alias))) => (name, None, Some(alias.parse().ok()?)),
                (None, None) => (text, None, None),
            };
            Some(Self { model: name.parse().ok()?, version, alias })
        };
        read().ok_or_else(|| format!("expected NAME, NAME@ALIAS or NAME/VERSION, found {text:?}"))
    }
}

/// Format of a score file.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ScoreFormat {
    /// Apache Parquet, zstd.
    Parquet,
    /// Comma-separated, with a header.
    Csv,
}

impl ScoreFormat {
    /// The format that the name of a file asks for.
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "parquet" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// What a run wrote.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ScoringResult {
    /// Customers, or rows of a table.
    pub rows: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, 64 hex digits.
    pub sha256: String,
    /// The versions that scored.
    pub models: Vec<ScoredModel>,
}

/// The version that scored.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ScoredModel {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// SHA-256 of its `model.bin`.
    pub sha256: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_named_with_its_alias_or_version() {
        let read = |text: &str| text.parse::<ScoringModel>();
        assert_eq!(read("churn").unwrap().selector(), Selector::default());
        assert_eq!(read("churn/3").unwrap().version, Some(3));
        assert_eq!(read("churn@challenger").unwrap().alias.unwrap().as_str(), "challenger");
        for wrong in ["", "churn/x", "churn@", "/3"] {
            assert!(read(wrong).unwrap_err().contains("NAME@ALIAS"), "{wrong}");
        }
    }

    #[test]
    fn a_job_of_an_earlier_program_is_read() {
        let stored = r#"{"models":[{"model":"churn","version":null,"alias":null}],"output":"/a.csv",
            "format":"csv","as_of":"2024-01-01T00:00:00Z","active_within_days":null}"#;
        let request: ScoringRequest = serde_json::from_str(stored).unwrap();
        assert_eq!((request.population, request.explain), (Population::All, 0));
        assert_eq!(request.table, None);
    }

    #[test]
    fn the_name_of_the_file_is_its_format() {
        assert_eq!(ScoreFormat::of_path(Path::new("a.parquet")), Some(ScoreFormat::Parquet));
        assert_eq!(ScoreFormat::of_path(Path::new("a.b.csv")), Some(ScoreFormat::Csv));
        assert_eq!(ScoreFormat::of_path(Path::new("scores")), None);
    }
}
