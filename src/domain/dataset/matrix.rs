//! Rows of features, and rows with an outcome.

use std::ops::Range;
use std::sync::Arc;

use crate::transaction::Timestamp;

/// `rows` x `columns` features, row-major. Derived features are finite; columns that a caller
/// brought may have NaN for what is missing, and codes of categories.
#[derive(Clone, Debug)]
pub struct FeatureMatrix {
    columns: Arc<[String]>,
    /// The levels of each column, none for numbers; empty when all hold numbers.
    levels: Arc<[Vec<String>]>,
    values: Vec<f32>,
    rows: usize,
}

/// Equal bits, so that missing values are equal.
impl PartialEq for FeatureMatrix {
    fn eq(&self, other: &Self) -> bool {
        let mut pairs = self.values.iter().zip(&other.values);
        self.columns == other.columns
            && self.levels == other.levels
            && self.values.len() == other.values.len()
            && pairs.all(|(a, b)| a.to_bits() == b.to_bits())
    }
}

impl FeatureMatrix {
    /// A matrix of `values` in row-major order.
    ///
    /// # Errors
    /// When there is no column, when the number of values is no multiple of the number of columns,
    /// or when a value is not finite.
    pub fn new(columns: Arc<[String]>, values: Vec<f32>) -> Result<Self, InvalidMatrix> {
        Self::checked(columns, Arc::default(), values, |value| value.is_finite())
    }

    /// A matrix of codes: NaN stands for a missing value, and a column with `levels` holds the
    /// number of a level.
    ///
    /// # Errors
    /// When there is no column, when the number of values is no multiple of the number of columns,
    /// or when a value is infinite.
    pub fn coded(
        columns: Arc<[String]>,
        levels: Arc<[Vec<String>]>,
        values: Vec<f32>,
    ) -> Result<Self, InvalidMatrix> {
        Self::checked(columns, levels, values, |value| !value.is_infinite())
    }

    fn checked(
        columns: Arc<[String]>,
        levels: Arc<[Vec<String>]>,
        values: Vec<f32>,
        holds: impl Fn(f32) -> bool,
    ) -> Result<Self, InvalidMatrix> {
        let width = columns.len();
        if width == 0 {
            return Err(InvalidMatrix::NoColumns);
        }
        if !values.len().is_multiple_of(width) {
            return Err(InvalidMatrix::Shape { width, found: values.len() });
        }
        // All at once, without a branch per value; where it lies is asked only when there is one.
        let all_hold = values.iter().fold(true, |all, value| all & holds(*value));
        if !all_hold && let Some(index) = values.iter().position(|value| !holds(*value)) {
            let column = columns.get(index % width).cloned().unwrap_or_default();
            return Err(InvalidMatrix::NotFinite { row: index / width, column });
        }
        let rows = values.len() / width;
        Ok(Self { columns, levels, values, rows })
    }

    /// A matrix of other values in the same columns.
    ///
    /// # Errors
    /// As [`FeatureMatrix::coded`].
    pub fn of_same_columns(&self, values: Vec<f32>) -> Result<Self, InvalidMatrix> {
        Self::coded(Arc::clone(&self.columns), Arc::clone(&self.levels), values)
    }

    /// The levels of the column at `index` when it is categorical; none when it holds numbers.
    pub fn levels(&self, index: usize) -> &[String] {
        self.levels.get(index).map(Vec::as_slice).unwrap_or_default()
    }

    /// The levels of all columns; empty when all hold numbers.
    pub fn all_levels(&self) -> &[Vec<String>] {
        &self.levels
    }

    /// Names of the columns, in order.
    pub fn columns(&self) -> &Arc<[String]> {
        &self.columns
    }

    /// Number of columns, at least 1.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// All values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// One row; empty when there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        let start = row.saturating_mul(self.width());
        self.values.get(start..start + self.width()).unwrap_or_default()
    }

    /// The rows in order.
    pub fn iter_rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.width())
    }

    /// Where the column of this name stands.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The values of the column at `index`, top to bottom.
    pub fn column(&self, index: usize) -> impl Iterator<Item = f32> + '_ {
        self.values.iter().skip(index).step_by(self.width()).copied()
    }

    /// The rows whose numbers are given, in that order; numbers beyond the end are passed over.
    pub fn select_rows(&self, rows: &[usize]) -> Self {
        let mut values = Vec::with_capacity(rows.len() * self.width());
        for row in rows {
            values.extend_from_slice(self.row(*row));
        }
        let rows = values.len() / self.width();
        Self { columns: Arc::clone(&self.columns), levels: Arc::clone(&self.levels), values, rows }
    }
}

/// Why values are no feature matrix.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidMatrix {
    /// A matrix without columns.
    #[error("expected at least one column")]
    NoColumns,
    /// The values do not fill whole rows.
    #[error("expected a multiple of {width} values (one row), found {found}")]
    Shape {
        /// Columns.
        width: usize,
        /// Values.
        found: usize,
    },
    /// NaN or infinity.
    #[error("row {row}, column {column}: expected a finite number")]
    NotFinite {
        /// Row, from 0.
        row: usize,
        /// Column name.
        column: String,
    },
}

/// The rows of one as-of date within a [`Dataset`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    /// Features were computed as of this instant.
    pub as_of: Timestamp,
    /// The rows of the data set that belong to it.
    pub rows: Range<usize>,
}

/// Features and the outcome that followed, for one or more as-of dates in order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Rows of all snapshots, one snapshot after the other.
    pub features: FeatureMatrix,
    /// Whether the event happened, per row.
    pub target: Vec<bool>,
    /// The snapshots, earliest first; their ranges cover all rows.
    pub snapshots: Vec<Snapshot>,
    /// Whose each row is, as any number; rows of one customer depend on each other. Empty when
    /// every row is somebody else's.
    pub groups: Vec<u64>,
}

/// What a probability model is fitted on.
#[derive(Clone, Debug, PartialEq)]
pub struct SupervisedData {
    /// Rows that the model's parameters are estimated from.
    pub train: Dataset,
    /// Rows of a later period that turn its scores into probabilities; may have no row, and then
    /// the scores stay as they are.
    pub calibration: Dataset,
    /// Days that an outcome looks ahead: rows whose dates are closer share a part of theirs.
    pub horizon_days: u32,
}

impl Dataset {
    /// The rows whose numbers are given, which rise; numbers beyond the end are passed over.
    pub fn select(&self, rows: &[usize]) -> Self {
        let target: Vec<bool> =
            rows.iter().filter_map(|row| self.target.get(*row)).copied().collect();
        let place = |row: usize| rows.partition_point(|selected| *selected < row);
        let within = |snapshot: &Snapshot| {
            let rows = place(snapshot.rows.start)..place(snapshot.rows.end);
            (!rows.is_empty()).then_some(Snapshot { as_of: snapshot.as_of, rows })
        };
        Self {
            features: self.features.select_rows(rows),
            target,
            snapshots: self.snapshots.iter().filter_map(within).collect(),
            groups: rows.iter().filter_map(|row| self.groups.get(*row)).copied().collect(),
        }
    }

    /// Number of rows with the event.
    pub fn positives(&self) -> usize {
        self.target.iter().filter(|happened| **happened).count()
    }

    /// Share of rows with the event; 0 without rows.
    pub fn base_rate(&self) -> f64 {
        if self.target.is_empty() {
            return 0.0;
        }
        self.positives() as f64 / self.target.len() as f64
    }
}
