//! Series in long form from a CSV or Parquet file.

use std::path::Path;

use crate::dataset::{Gaps, InvalidLongTable, LongRow, LongRows, LongTable, Regressor};

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
    /// Columns that are known in advance. With any, a row without a value is one to come.
    pub regressors: Vec<Regressor>,
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
    /// A cell is none of its column's kind.
    #[error("row {row}, column {column}: expected {expected} for series {series}, found {found}")]
    Known {
        /// The row, from 1.
        row: u64,
        /// The column.
        column: String,
        /// The series.
        series: String,
        /// What the column holds.
        expected: &'static str,
        /// What came.
        found: String,
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
    let LongColumns { id, time, value, regressors } = columns;
    let [id_at, time_at, value_at] = [position(id)?, position(time)?, position(value)?];
    let known_at = regressors.iter().map(|column| Ok((column, position(&column.name)?)));
    let known_at: Vec<(&Regressor, usize)> = known_at.collect::<Result<_, LongTableError>>()?;
    let mut rows = LongRows::with_regressors(regressors.clone());
    while table.read()? {
        let row = table.row();
        let missing = |column: &String| LongTableError::Missing { row, column: column.clone() };
        let key = table.key(id_at)?.ok_or_else(|| missing(id))?;
        let stamp = table.stamp(time_at)?.ok_or_else(|| missing(time))?;
        let y = table.number(value_at)?;
        if y.is_none() && regressors.is_empty() {
            return Err(missing(value));
        }
        let known = known_at.iter().map(|(Regressor { name, kind }, at)| {
            let found = table.number(*at)?;
            found.filter(|found| kind.allows(*found)).ok_or_else(|| LongTableError::Known {
                row,
                column: name.clone(),
                series: key.clone().into_owned(),
                expected: kind.expected(),
                found: found.map_or_else(|| "none".to_owned(), |found| found.to_string()),
            })
        });
        let known = known.collect::<Result<_, LongTableError>>()?;
        rows.add(&key, stamp, LongRow { y, known, row })?;
    }
    Ok(rows.series(gaps)?)
}
