//! What to score, and what was written.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::repository::{ModelName, ModelReference, Version};
use crate::training::Population;
use crate::transaction::Timestamp;

/// What to score. It is the payload of a scoring job.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScoringRequest {
    /// The models, at least one.
    pub models: Vec<ModelReference>,
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
    /// Reasons per row and model, at most [`MOST_REASONS`](super::MOST_REASONS).
    #[serde(default)]
    pub explain: usize,
    /// Rows of a table instead of customers.
    #[serde(default)]
    pub table: Option<TableSource>,
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
