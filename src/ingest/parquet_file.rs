//! Rows of a Parquet file.

pub(super) mod column;

use std::fmt;
use std::panic::{self, AssertUnwindSafe};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::reader::ChunkReader;

use self::column::{Column, is_plain};
use super::file::{ReadFileError, positions};
use super::mapping::{Field, Mapping};
use super::row::{Cell, SourceRow, fingerprint};

const BATCH_ROWS: usize = 8192;

/// A Parquet file, read in batches. Columns of nested types are left out, of fingerprints too.
pub(super) struct ParquetFile {
    batches: ParquetRecordBatchReader,
    mapping: Mapping,
    /// Where each of the mapping's columns stands among `columns`.
    positions: Vec<usize>,
    columns: Vec<Column>,
    batch_rows: usize,
    next_in_batch: usize,
    rows: u64,
    total_rows: Option<u64>,
    cells: Vec<u8>,
}

impl fmt::Debug for ParquetFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetFile")
            .field("rows", &self.rows)
            .field("total_rows", &self.total_rows)
            .finish_non_exhaustive()
    }
}

impl ParquetFile {
    /// Reads the footer and holds the columns' types against the mapping.
    pub(super) fn open<R: ChunkReader + 'static>(
        file: R,
        mapping: &Mapping,
    ) -> Result<Self, ReadFileError> {
        let builder = contained(|| ParquetRecordBatchReaderBuilder::try_new(file))?;
        let schema = builder.schema();
        let header: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        let found = positions(mapping, &header)?;
        check_types(mapping, schema, &found)?;
        let kept: Vec<usize> = (0..)
            .zip(schema.fields())
            .filter(|(_, field)| is_plain(field.data_type()))
            .map(|(position, _)| position)
            .collect();
        let positions =
            found.iter().filter_map(|position| kept.binary_search(position).ok()).collect();
        let total_rows = u64::try_from(builder.metadata().file_metadata().num_rows()).ok();
        let mask = ProjectionMask::roots(builder.parquet_schema(), kept);
        let builder = builder.with_projection(mask).with_batch_size(BATCH_ROWS);
        Ok(Self {
            batches: contained(|| builder.build())?,
            mapping: mapping.clone(),
            positions,
            columns: Vec::new(),
            batch_rows: 0,
            next_in_batch: 0,
            rows: 0,
            total_rows,
            cells: Vec::new(),
        })
    }

    /// The next row; `None` after the last.
    pub(super) fn next_row(&mut self) -> Result<Option<SourceRow>, ReadFileError> {
        while self.next_in_batch == self.batch_rows {
            match contained(|| self.batches.next().transpose())? {
                Some(batch) => self.load(&batch),
                None => return Ok(None),
            }
        }
        let row = self.next_in_batch;
        self.next_in_batch += 1;
        self.rows += 1;
        self.cells.clear();
        for column in &self.columns {
            append(&mut self.cells, column.cell(row));
        }
        let cell = |column: usize| {
            let position = self.positions.get(column);
            let column = position.and_then(|position| self.columns.get(*position));
            column.map_or(Cell::Null, |column| column.cell(row))
        };
        let fingerprint = fingerprint(&self.cells);
        Ok(Some(self.mapping.source_row(self.rows, fingerprint, &cell)))
    }

    /// Rows in the file, by its footer.
    pub(super) fn rows_hint(&self) -> Option<u64> {
        self.total_rows
    }

    fn load(&mut self, batch: &RecordBatch) {
        self.columns.clear();
        self.columns.extend(batch.columns().iter().map(Column::new));
        self.batch_rows = batch.num_rows();
        self.next_in_batch = 0;
    }
}

pub(super) fn check_types(
    mapping: &Mapping,
    schema: &Schema,
    positions: &[usize],
) -> Result<(), ReadFileError> {
    for (column, content) in contents(mapping) {
        let field = positions.get(column).and_then(|position| schema.fields().get(*position));
        let Some(field) = field else { continue };
        if !content.accepts(field.data_type()) {
            return Err(ReadFileError::WrongType {
                column: field.name().clone(),
                expected: content.expected(),
                found: field.data_type().to_string(),
            });
        }
    }
    Ok(())
}

/// What each used column must hold, by its position in [`Mapping::columns`].
fn contents(mapping: &Mapping) -> impl Iterator<Item = (usize, Content)> {
    let has_pattern = mapping.reader.time_format.is_some();
    let marker = mapping.returns.marker.iter();
    let marker = marker.map(|(column, _)| (*column, Content::Text));
    let fields = mapping.bindings.iter().flat_map(move |binding| {
        let content = match binding.field {
            Field::OccurredAt | Field::RecordedAt => Content::Time { has_pattern },
            Field::Quantity
            | Field::UnitPrice
            | Field::Amount
            | Field::Discount
            | Field::UnitCost => Content::Number,
            _ => Content::Text,
        };
        binding.columns.iter().map(move |column| (*column, content))
    });
    fields.chain(marker)
}

#[derive(Clone, Copy, Debug)]
enum Content {
    Text,
    Number,
    Time { has_pattern: bool },
}

impl Content {
    fn accepts(self, data_type: &DataType) -> bool {
        if let DataType::Dictionary(_, values) = data_type {
            return self.accepts(values);
        }
        let is_time =
            matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64);
        let is_text = data_type.is_string() || data_type.is_binary();
        if is_text || *data_type == DataType::Null {
            return is_plain(data_type);
        }
        match self {
            Self::Text => is_plain(data_type) && !is_time,
            Self::Number => is_plain(data_type) && !is_time && *data_type != DataType::Boolean,
            Self::Time { has_pattern } => is_time || (has_pattern && data_type.is_integer()),
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Text => "texts or whole numbers",
            Self::Number => "numbers or texts",
            Self::Time { has_pattern: true } => "timestamps, dates, texts or whole numbers",
            Self::Time { has_pattern: false } => {
                "timestamps, dates or texts (or whole numbers with [time] format)"
            }
        }
    }
}

/// Appends a cell so that no two rows of different cells give the same bytes.
pub(super) fn append(bytes: &mut Vec<u8>, cell: Cell<'_>) {
    let mut put = |tag: u8, value: &[u8]| {
        bytes.push(tag);
        bytes.extend_from_slice(value);
    };
    match cell {
        Cell::Null => put(0, &[]),
        Cell::Text(text) => {
            put(1, &(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        Cell::Bytes(value) => {
            put(1, &(value.len() as u64).to_le_bytes());
            bytes.extend_from_slice(value);
        }
        Cell::Bool(value) => put(2, &[u8::from(value)]),
        Cell::Int(value) | Cell::Instant(value) | Cell::Civil(value) => {
            put(3, &value.to_le_bytes());
        }
        Cell::UInt(value) => put(4, &value.to_le_bytes()),
        Cell::Float(value) => put(5, &value.to_bits().to_le_bytes()),
        Cell::Decimal { unscaled, .. } => put(6, &unscaled.to_le_bytes()),
    }
}

/// Runs the decoder. It panics on some damaged files (version 60 in its page decoder and in the
/// bounds of column chunks; one changed byte is enough), so its panics end here. What it leaves
/// behind is not used again: a file that failed gives no more rows.
pub(super) fn contained<T, E: fmt::Display>(
    read: impl FnOnce() -> Result<T, E>,
) -> Result<T, ReadFileError> {
    let damaged = |message: String| ReadFileError::Damaged { message };
    match panic::catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| damaged(error.to_string())),
        Err(_) => Err(damaged("the decoder gave up".to_owned())),
    }
}

#[cfg(test)]
mod tests;
