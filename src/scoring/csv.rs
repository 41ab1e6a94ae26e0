//! Columns as lines of CSV.

use std::fmt::Write as _;
use std::io::Write;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, Float64Array, Int64Array, RecordBatch, StringArray};

use crate::transaction::Timestamp;

/// A column of a batch by its type.
enum Cells<'a> {
    Text(&'a StringArray),
    Number(&'a Float64Array),
    Count(&'a Int64Array),
    /// The same instant in every row.
    Instant(String),
}

impl<'a> Cells<'a> {
    fn of(array: &'a dyn Array) -> Self {
        if let Some(texts) = array.as_string_opt::<i32>() {
            return Self::Text(texts);
        }
        if let Some(counts) = array.as_primitive_opt::<Int64Type>() {
            return Self::Count(counts);
        }
        if let Some(instants) = array.as_primitive_opt::<TimestampMicrosecondType>() {
            let first = instants.values().first().copied().unwrap_or_default();
            return Self::Instant(Timestamp::from_micros(first).to_string());
        }
        Self::Number(array.as_primitive::<Float64Type>())
    }

    /// Writes the cell of a row to `text`; nothing where it is missing.
    fn write(&self, row: usize, text: &mut String) -> std::fmt::Result {
        match self {
            Self::Text(texts) if texts.is_valid(row) => text.write_str(texts.value(row)),
            Self::Number(numbers) if numbers.is_valid(row) => {
                write!(text, "{}", numbers.value(row))
            }
            Self::Count(counts) if counts.is_valid(row) => write!(text, "{}", counts.value(row)),
            Self::Instant(instant) => text.write_str(instant),
            _ => Ok(()),
        }
    }
}

/// Writes the rows of a batch.
pub(super) fn write_rows(
    writer: &mut csv::Writer<impl Write>,
    batch: &RecordBatch,
) -> csv::Result<()> {
    let columns: Vec<Cells<'_>> =
        batch.columns().iter().map(|column| Cells::of(column.as_ref())).collect();
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        for cells in &columns {
            text.clear();
            cells.write(row, &mut text).map_err(std::io::Error::other)?;
            writer.write_field(&text)?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    Ok(())
}
