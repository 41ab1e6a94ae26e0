//! Series in long form from a CSV or Parquet file.

use std::path::Path;

use crate::dataset::{Gaps, InvalidLongTable, LongRows, LongTable, Value};

use super::file::ReadFileError;
use super::table::TableFile;

/// Which columns a table of series has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LongColumns {
    /// Names the series.
    pub id: String,
    /// When; whole numbers or dates.
    pub time: String,
    /// How much.
    pub value: String,
}

/// Why a file holds no series.
#[derive(Debug, thiserror::Error)]
pub enum LongTableError {
    /// The file cannot be read, or a cell is not what its column holds.
    #[error(transparent)]
    Read(#[from] ReadFileError),
    /// A column is not there.
    #[error("the table has no column {column:?}; it has {}", header.join(", "))]
    NoColumn {
        /// The column.
        column: String,
        /// The table's columns.
        header: Vec<String>,
    },
    /// A cell has no value.
    #[error("row {row}, column {column}: expected a value, found none")]
    Missing {
        /// The row, from 1.
        row: u64,
        /// The column.
        column: String,
    },
    /// The rows are no series.
    #[error(transparent)]
    Rows(#[from] InvalidLongTable),
}

/// Reads all rows of the file.
///
/// # Errors
/// When the file cannot be read, a column is not there, or the rows are no series of one spacing.
pub fn read_long_table(
    path: &Path,
    columns: &LongColumns,
    gaps: Gaps,
) -> Result<LongTable, LongTableError> {
    let mut table = TableFile::open(path)?;
    let position = |name: &String| {
        let header = table.header();
        let missing = || LongTableError::NoColumn { column: name.clone(), header: header.to_vec() };
        header.iter().position(|column| column == name).ok_or_else(missing)
    };
    let LongColumns { id, time, value } = columns;
    let places = [position(id)?, position(time)?, position(value)?];
    let mut rows = LongRows::default();
    while table.read()? {
        let row = table.row();
        let missing = |column: &String| LongTableError::Missing { row, column: column.clone() };
        let [id_at, time_at, value_at] = places;
        let key = table.key(id_at)?.ok_or_else(|| missing(id))?;
        let stamp = table.stamp(time_at)?.ok_or_else(|| missing(time))?;
        let cell = table.value(value_at)?;
        let y = match cell {
            Value::Number(number) => Some(number),
            Value::Text(text) => text.trim().parse().ok(),
            Value::Missing | Value::Flag(_) => None,
        };
        let y = match y {
            Some(y) => y,
            None if cell.is_missing() => return Err(missing(value)),
            None => return Err(table.wrong(value_at, "a number", cell.to_string()).into()),
        };
        rows.add(&key, stamp, y, row)?;
    }
    Ok(rows.series(gaps)?)
}
