//! Any table with named columns, from CSV or Parquet: what a caller knows of customers or cases.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::dataset::{Stamp, Value};
use crate::transaction::Timestamp;

use super::csv_file::{Limited, read_record};
use super::file::{ReadFileError, format_of};
use super::mapping::FileFormat;
use super::parquet_file::column::Column;
use super::parquet_file::contained;
use super::row::{Cell, decimal_text, whole_text};

/// A table that is read from its first row to its last.
pub struct TableFile {
    header: Vec<String>,
    rows: Rows,
    row: u64,
}

enum Rows {
    Csv { reader: csv::Reader<Limited>, record: ByteRecord },
    Parquet { batches: ParquetRecordBatchReader, columns: Vec<Column>, next: usize, count: usize },
}

impl TableFile {
    /// Opens the file; its extension, `.csv`, `.tsv` or `.parquet`, decides on the format. CSV is
    /// in UTF-8 with a header; the separator is the one of `,`, `;` and tab that the header has
    /// most of.
    ///
    /// # Errors
    /// When the file cannot be read, is empty or damaged, or two columns have one name.
    pub fn open(path: &Path) -> Result<Self, ReadFileError> {
        let mut file = File::open(path)?;
        let table = match format_of(&path.to_string_lossy(), None, &mut file)? {
            FileFormat::Csv => Self::csv(path)?,
            FileFormat::Parquet => Self::parquet(file)?,
        };
        let mut names: Vec<&String> = table.header.iter().collect();
        names.sort_unstable();
        match names.chunk_by(|a, b| a == b).find(|same| same.len() > 1) {
            Some(same) => {
                let column = same.first().map(|name| (*name).clone()).unwrap_or_default();
                Err(ReadFileError::AmbiguousColumn { column, found: same.len() })
            }
            None => Ok(table),
        }
    }

    fn csv(path: &Path) -> Result<Self, ReadFileError> {
        let delimiter = delimiter_of(path)?;
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(Limited::new(Box::new(File::open(path)?)));
        let mut record = ByteRecord::new();
        if !read_record(&mut reader, &mut record, 0)? {
            return Err(ReadFileError::Empty);
        }
        let mut header = Vec::with_capacity(record.len());
        for (column, cell) in record.iter().enumerate() {
            let name = text_of(cell, 0, column)?;
            header.push(name.trim_start_matches('\u{feff}').to_owned());
        }
        Ok(Self { header, rows: Rows::Csv { reader, record }, row: 0 })
    }

    fn parquet(file: File) -> Result<Self, ReadFileError> {
        let builder = contained(|| ParquetRecordBatchReaderBuilder::try_new(file))?;
        let fields = builder.schema().fields().iter();
        let header = fields.map(|field| field.name().clone()).collect();
        let batches = contained(|| builder.build())?;
        let rows = Rows::Parquet { batches, columns: Vec::new(), next: 0, count: 0 };
        Ok(Self { header, rows, row: 0 })
    }

    /// The names of the columns, in order.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Reads the next row; `false` after the last.
    ///
    /// # Errors
    /// When the file is damaged or a row has more or fewer cells than the header.
    pub fn read(&mut self) -> Result<bool, ReadFileError> {
        self.row += 1;
        match &mut self.rows {
            Rows::Csv { reader, record } => {
                if !read_record(reader, record, self.row)? {
                    return Ok(false);
                }
                if record.len() != self.header.len() {
                    let (expected, found) = (self.header.len(), record.len());
                    return Err(ReadFileError::RaggedRow { row: self.row, expected, found });
                }
            }
            Rows::Parquet { batches, columns, next, count } => {
                *next += 1;
                while *next >= *count {
                    let Some(batch) = contained(|| batches.next().transpose())? else {
                        return Ok(false);
                    };
                    *columns = batch.columns().iter().map(Column::new).collect();
                    (*next, *count) = (0, batch.num_rows());
                }
            }
        }
        Ok(true)
    }

    /// The number of the row that was read last, from 1.
    pub fn row(&self) -> u64 {
        self.row
    }

    /// A cell of the row that was read last; missing where there is no such column.
    ///
    /// # Errors
    /// When it is text in another encoding than UTF-8.
    pub fn value(&self, column: usize) -> Result<Value<'_>, ReadFileError> {
        Ok(match self.cell(column) {
            Cell::Null => Value::Missing,
            Cell::Text(text) => Value::Text(text),
            Cell::Bytes(bytes) => Value::Text(text_of(bytes, self.row, column)?),
            Cell::Bool(flag) => Value::Flag(flag),
            Cell::Int(number) => Value::Number(number as f64),
            Cell::UInt(number) => Value::Number(number as f64),
            Cell::Float(number) if number.is_nan() => Value::Missing,
            Cell::Float(number) => Value::Number(number),
            Cell::Decimal { unscaled, scale } => {
                Value::Number(unscaled as f64 / 10_f64.powi(i32::from(scale)))
            }
            // Days since 1970: what is left of a time that no rule says how to read.
            Cell::Instant(micros) | Cell::Civil(micros) => Value::Number(micros as f64 / DAY),
        })
    }

    /// A cell as a key: a text without the spaces around it, or a whole number in full; `None`
    /// where it is missing.
    ///
    /// # Errors
    /// [`ReadFileError::Value`] for another number or type, or when it is text in another encoding
    /// than UTF-8.
    pub fn key(&self, column: usize) -> Result<Option<Cow<'_, str>>, ReadFileError> {
        let text = match self.cell(column) {
            Cell::Null => return Ok(None),
            Cell::Text(text) => text,
            Cell::Bytes(bytes) => text_of(bytes, self.row, column)?,
            cell => {
                let found = || "a value that is none".to_owned();
                let whole = whole_text(cell).map(|whole| Some(Cow::Owned(whole)));
                return whole.map_err(|_| self.wrong(column, "a text or a whole number", found()));
            }
        };
        let text = text.trim();
        Ok((!text.is_empty()).then_some(Cow::Borrowed(text)))
    }

    /// A cell as a text that says the same; `None` where it is missing.
    ///
    /// # Errors
    /// When it is text in another encoding than UTF-8.
    pub fn text(&self, column: usize) -> Result<Option<Cow<'_, str>>, ReadFileError> {
        Ok(match self.cell(column) {
            Cell::Int(number) => Some(Cow::Owned(number.to_string())),
            Cell::UInt(number) => Some(Cow::Owned(number.to_string())),
            Cell::Decimal { unscaled, scale } => Some(Cow::Owned(decimal_text(unscaled, scale))),
            _ => match self.value(column)? {
                Value::Missing => None,
                Value::Text(text) => Some(Cow::Borrowed(text.trim())),
                Value::Flag(flag) => Some(Cow::Owned(flag.to_string())),
                Value::Number(number) => Some(Cow::Owned(number.to_string())),
            },
        })
    }

    /// A cell as a number; a flag is 1 or 0. `None` where it is missing.
    ///
    /// # Errors
    /// When it is a text that is no number.
    pub fn number(&self, column: usize) -> Result<Option<f64>, ReadFileError> {
        let cell = self.value(column)?;
        let found = match &cell {
            cell if cell.is_missing() => return Ok(None),
            Value::Number(number) => Some(*number),
            Value::Flag(flag) => Some(f64::from(u8::from(*flag))),
            Value::Text(text) => text.trim().parse().ok(),
            Value::Missing => None,
        };
        let wrong = || self.wrong(column, "a number", cell.to_string());
        found.map(Some).ok_or_else(wrong)
    }

    /// A cell as an instant: a timestamp or date of the file, or a text such as `2024-05-01`,
    /// `2024-05-01 13:30` or `2024-05-01T13:30:00Z`; without a zone it is taken as UTC. `None`
    /// where it is missing.
    ///
    /// # Errors
    /// [`ReadFileError::Value`] when it is none, or text in another encoding than UTF-8.
    pub fn instant(&self, column: usize) -> Result<Option<Timestamp>, ReadFileError> {
        if let Cell::Instant(micros) | Cell::Civil(micros) = self.cell(column) {
            return Ok(Some(Timestamp::from_micros(micros)));
        }
        if self.value(column)?.is_missing() {
            return Ok(None);
        }
        let text = self.text(column)?.unwrap_or_default();
        let instant = instant_of(&text);
        instant.map(Some).ok_or_else(|| self.wrong(column, "a date or time", text.into_owned()))
    }

    /// A cell as a place in time: a whole number, or what [`Self::instant`] takes. `None` where it is
    /// missing.
    ///
    /// # Errors
    /// As [`Self::instant`].
    pub fn stamp(&self, column: usize) -> Result<Option<Stamp>, ReadFileError> {
        let is_instant = matches!(self.cell(column), Cell::Instant(_) | Cell::Civil(_));
        let text = if is_instant { None } else { self.text(column)? };
        if let Some(index) = text.and_then(|text| text.parse().ok()) {
            return Ok(Some(Stamp::Index(index)));
        }
        Ok(self.instant(column)?.map(|instant| Stamp::Instant(instant.micros())))
    }

    /// The error for a cell of the row that was read last.
    pub fn wrong(&self, column: usize, expected: &'static str, found: String) -> ReadFileError {
        let column = self.header.get(column).cloned().unwrap_or_default();
        ReadFileError::Value { row: self.row, column, expected, found }
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        match &self.rows {
            Rows::Csv { record, .. } => record.get(column).map_or(Cell::Null, Cell::Bytes),
            Rows::Parquet { columns, next, .. } => {
                columns.get(column).map_or(Cell::Null, |column| column.cell(*next))
            }
        }
    }
}

const DAY: f64 = 86_400_000_000.0;

fn instant_of(text: &str) -> Option<Timestamp> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp::from_micros(instant.as_microsecond()));
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok();
    let civil = civil.or_else(|| Some(text.parse::<jiff::civil::Date>().ok()?.at(0, 0, 0, 0)))?;
    let utc = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_micros(utc.timestamp().as_microsecond()))
}

fn text_of(bytes: &[u8], row: u64, column: usize) -> Result<&str, ReadFileError> {
    std::str::from_utf8(bytes).map_err(|_| ReadFileError::Encoding {
        row,
        column: column + 1,
        expected: "utf-8".to_owned(),
    })
}

/// The separator that the first line has most of.
fn delimiter_of(path: &Path) -> Result<u8, ReadFileError> {
    let mut reader = ReaderBuilder::new()
        .delimiter(b'\n')
        .quoting(false)
        .has_headers(false)
        .from_reader(Limited::new(Box::new(File::open(path)?)));
    let mut line = ByteRecord::new();
    if !read_record(&mut reader, &mut line, 0)? {
        return Err(ReadFileError::Empty);
    }
    let count = |delimiter: u8| line.as_slice().iter().filter(|byte| **byte == delimiter).count();
    let most = [b',', b';', b'\t']
        .into_iter()
        .max_by_key(|delimiter| (count(*delimiter), *delimiter == b','));
    Ok(most.unwrap_or(b','))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn table(name: &str, text: &str) -> (tempfile::TempDir, Result<TableFile, ReadFileError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let table = TableFile::open(&path);
        (folder, table)
    }

    #[test]
    fn cells_come_by_column_whatever_the_separator() {
        for separator in [",", ";", "\t"] {
            let text = "\u{feff}id,age,joined\nA 1,32.5,2024-05-01\n\"B, the 2nd\",,2024-05-01T12:00:00Z\n";
            let text = match separator {
                "," => text.to_owned(),
                other => text.replace("B, the", "B the").replace(',', other),
            };
            let (_folder, table) = table("t.csv", &text);
            let mut table = table.unwrap();
            assert_eq!(table.header(), ["id", "age", "joined"]);
            assert!(table.read().unwrap());
            assert_eq!(table.value(1).unwrap(), Value::Text("32.5"));
            assert_eq!(table.key(0).unwrap().unwrap(), "A 1");
            let day = table.instant(2).unwrap().unwrap();
            assert!(table.read().unwrap());
            assert_eq!(table.value(1).unwrap(), Value::Text(""));
            assert_eq!(table.instant(2).unwrap().unwrap().days_since(day), 0.5);
            assert_eq!(table.value(9).unwrap(), Value::Missing);
            assert!(!table.read().unwrap());
        }
    }

    #[test]
    fn keys_are_texts_and_whole_numbers_in_full() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let long = [1_234_567_890_123_456_788_i64, 1_234_567_890_123_456_789];
        let numbers: arrow_array::ArrayRef =
            std::sync::Arc::new(arrow_array::Int64Array::from(long.to_vec()));
        let shares: arrow_array::ArrayRef =
            std::sync::Arc::new(arrow_array::Float64Array::from(vec![3.0, 0.5]));
        let batch =
            arrow_array::RecordBatch::try_from_iter([("id", numbers), ("share", shares)]).unwrap();
        let file = fs::File::create(&path).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let mut table = TableFile::open(&path).unwrap();
        assert!(table.read().unwrap());
        assert_eq!(table.key(0).unwrap().unwrap(), long[0].to_string());
        assert_eq!(table.key(1).unwrap().unwrap(), "3");
        assert!(table.read().unwrap());
        assert_eq!(table.key(0).unwrap().unwrap(), long[1].to_string());
        assert_eq!(table.text(1).unwrap().unwrap(), "0.5");
        let error = table.key(1).unwrap_err().to_string();
        assert!(error.contains("row 2") && error.contains("whole number"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_named_with_row_and_column() {
        let (_folder, ragged) = table("t.csv", "a,b\n1,2\n3\n");
        let mut ragged = ragged.unwrap();
        assert!(ragged.read().unwrap());
        let error = ragged.read().unwrap_err().to_string();
        assert!(error.contains("row 2") && error.contains("expected 2 cells"), "{error}");
        let (_folder, twice) = table("t.csv", "a,b,a\n1,2,3\n");
        assert!(twice.err().unwrap().to_string().contains("\"a\""));
        let (_folder, empty) = table("t.csv", "");
        assert!(matches!(empty.err().unwrap(), ReadFileError::Empty));
        let (_folder, times) = table("t.csv", "when\nsoon\n");
        let mut times = times.unwrap();
        times.read().unwrap();
        let error = times.instant(0).unwrap_err().to_string();
        assert!(
            error.contains("row 1") && error.contains("when") && error.contains("soon"),
            "{error}"
        );
        let (_folder, unknown) = table("t.json", "{}");
        assert!(matches!(unknown.err().unwrap(), ReadFileError::UnknownFormat { .. }));
    }
}
