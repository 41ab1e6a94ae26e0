//! Rows and outcomes from files.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use crate::Failure;

/// Where the rows are.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Files {
    /// Rows to fit
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// Their outcomes; not for k-means
    #[arg(long)]
    pub(crate) target: Option<PathBuf>,
    /// Number of rows to fit, from the first on
    #[arg(long)]
    pub(crate) rows: usize,
    /// Values of a row
    #[arg(long, default_value_t = 20)]
    pub(crate) columns: usize,
    /// Rows to measure the quality of trees on
    #[arg(long)]
    pub(crate) test: Option<PathBuf>,
    /// Their outcomes, a byte for every test row
    #[arg(long)]
    pub(crate) test_target: Option<PathBuf>,
}

/// Rows with outcomes.
pub(crate) struct Labelled {
    /// Row-major.
    pub(crate) values: Vec<f32>,
    pub(crate) target: Vec<bool>,
    pub(crate) width: usize,
}

impl Labelled {
    /// The rows to fit.
    pub(crate) fn train(files: &Files) -> Result<Self, Failure> {
        let target = files.target.as_ref().ok_or("--target is missing")?;
        Self::read(&files.data, target, Some(files.rows), files.columns)
    }

    /// All test rows.
    pub(crate) fn test(files: &Files) -> Result<Self, Failure> {
        let data = files.test.as_ref().ok_or("--test is missing")?;
        let target = files.test_target.as_ref().ok_or("--test-target is missing")?;
        Self::read(data, target, None, files.columns)
    }

    fn read(
        data: &Path,
        target: &Path,
        rows: Option<usize>,
        width: usize,
    ) -> Result<Self, Failure> {
        let mut outcomes = std::fs::read(target)?;
        outcomes.truncate(rows.unwrap_or(outcomes.len()));
        if outcomes.len() < rows.unwrap_or(0) {
            return Err(format!("{}: only {} rows", target.display(), outcomes.len()).into());
        }
        let values = read_values(data, outcomes.len() * width)?;
        let target = outcomes.iter().map(|outcome| *outcome != 0).collect();
        Ok(Self { values, target, width })
    }

    /// Row by row.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }
}

/// The first values of a file, without a second copy of it in memory.
pub(crate) fn read_values(path: &Path, count: usize) -> Result<Vec<f32>, Failure> {
    let named = |error| format!("{}: {error}", path.display());
    let mut file = BufReader::new(File::open(path).map_err(named)?);
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        let mut bytes = [0; 4];
        file.read_exact(&mut bytes).map_err(named)?;
        values.push(f32::from_le_bytes(bytes));
    }
    Ok(values)
}
