//! The rows that trees are grown on.

use super::binned::Binned;
use super::checks::refused;
use crate::model::FitError;

/// The bin of missing values, and one more than the highest code of a category.
pub const MISSING_BIN: u8 = 255;

/// Most columns of a table.
pub(super) const MOST_COLUMNS: usize = 65_535;

/// Most rows of a table, so that sums of whole-numbered weights cannot overflow.
const MOST_ROWS: usize = 1 << 28;

/// Rows of numbers and category codes.
///
/// A NaN is a missing value. A categorical column holds codes, whole numbers from 0 to 254.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    values: &'a [f32],
    width: usize,
    categorical: Vec<bool>,
}

impl<'a> Table<'a> {
    /// A table of row-major `values`, `width` columns of which those listed in `categorical`
    /// hold codes.
    ///
    /// # Errors
    /// When `values` are not whole rows, when a column in `categorical` does not exist, when a
    /// value is infinite, or when a code is not a whole number from 0 to 254.
    pub fn new(values: &'a [f32], width: usize, categorical: &[usize]) -> Result<Self, FitError> {
        if width == 0 || width > MOST_COLUMNS {
            return Err(FitError::Setting {
                name: "width",
                expected: format!("1 to {MOST_COLUMNS} columns"),
                found: width.to_string(),
            });
        }
        let found = values.len();
        if !found.is_multiple_of(width) || found / width > MOST_ROWS {
            let expected = format!("expected rows of {width} values, {MOST_ROWS} at most");
            return Err(refused(format!("{expected}; found {found} values")));
        }
        let mut flags = vec![false; width];
        for column in categorical {
            *flags.get_mut(*column).ok_or_else(|| FitError::Setting {
                name: "categorical",
                expected: format!("columns below {width}"),
                found: column.to_string(),
            })? = true;
        }
        let table = Self { values, width, categorical: flags };
        table.check()?;
        Ok(table)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, row by row.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Whether a column holds category codes.
    pub fn is_categorical(&self, column: usize) -> bool {
        self.categorical.get(column).copied().unwrap_or(false)
    }

    /// The value at a place; missing outside of the table.
    pub(super) fn value(&self, row: usize, column: usize) -> f32 {
        self.values.get(row * self.width + column).copied().unwrap_or(f32::NAN)
    }

    /// The values of a column, row by row.
    pub(super) fn column(&self, column: usize) -> impl Iterator<Item = f32> + '_ {
        self.values.chunks_exact(self.width).filter_map(move |row| row.get(column).copied())
    }

    fn check(&self) -> Result<(), FitError> {
        for (index, row) in self.values.chunks_exact(self.width).enumerate() {
            for (column, (value, categorical)) in row.iter().zip(&self.categorical).enumerate() {
                let fits = if *categorical {
                    value.is_nan() || level(*value).is_some()
                } else {
                    !value.is_infinite()
                };
                if !fits {
                    let expected =
                        if *categorical { "a code from 0 to 254" } else { "a finite number" };
                    return Err(refused(format!(
                        "row {index}, column {column}: expected {expected} or NaN, found {value}"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// The code that a value of a categorical column stands for, if it stands for one.
pub(super) fn level(value: f32) -> Option<u8> {
    let whole = value >= 0.0 && value < f32::from(MISSING_BIN) && value.fract() == 0.0;
    whole.then_some(value as u8)
}

/// What a learner learns from.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a, T> {
    /// The columns.
    pub binned: &'a Binned,
    /// What followed, one per row.
    pub target: &'a [T],
    /// How much each row counts, 0 or more; each counts 1 if there are none.
    pub weights: Option<&'a [f64]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_named_by_row_and_column() {
        let message = |values: &[f32], categorical: &[usize]| {
            Table::new(values, 2, categorical).unwrap_err().to_string()
        };
        let infinite = message(&[0.0, 1.0, f32::INFINITY, 2.0], &[]);
        assert!(infinite.contains("row 1, column 0"), "{infinite}");
        let code = message(&[0.0, 1.5], &[1]);
        assert!(code.contains("row 0, column 1: expected a code from 0 to 254"), "{code}");
        assert!(message(&[0.0, 255.0], &[1]).contains("255"));
        assert!(message(&[0.0, -1.0], &[1]).contains("-1"));
        assert!(message(&[0.0], &[]).contains("rows of 2"));
        assert!(message(&[0.0, 1.0], &[2]).contains("categorical"));
        assert!(Table::new(&[], 0, &[]).is_err());
    }

    #[test]
    fn missing_values_and_codes_pass() {
        let values = [f32::NAN, 254.0, -3.5, f32::NAN];
        let table = Table::new(&values, 2, &[1]).unwrap();
        assert_eq!((table.rows(), table.width()), (2, 2));
        assert!(table.is_categorical(1) && !table.is_categorical(0));
    }
}
