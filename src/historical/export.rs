//! Features of all customers at one or many dates, as a Parquet file.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::feature::{FeatureSchema, Features, Workspace};
use crate::model::{FitError, FitRun};
use crate::transaction::{CustomerHistory, CustomerId, HistorySource, InvalidTime, Timestamp};
use crate::unfinished::Unfinished;

/// Rows of one row group; all columns of that many rows are in memory.
const ROWS_PER_GROUP: usize = 1 << 17;
/// The key of the file's metadata under which the schema stands, as JSON.
const SCHEMA_KEY: &str = "patron.feature_schema";

/// What to write.
#[derive(Clone, Debug)]
pub struct Export<'a> {
    /// The schema, which decides what `top_share_1` and its like are shares of.
    pub schema: &'a FeatureSchema,
    /// The dates; every customer with a line before a date has a row for it.
    pub as_ofs: &'a [Timestamp],
    /// The file. It is there whole or not at all.
    pub output: &'a Path,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ExportResult {
    /// Customers that were read.
    pub customers: u64,
    /// Rows that were written.
    pub rows: u64,
    /// Size of the file.
    pub bytes: u64,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError<E> {
    /// The histories cannot be read.
    #[error(transparent)]
    Source(E),
    /// The file cannot be written.
    #[error("{path}: {problem}")]
    Output {
        /// The file.
        path: PathBuf,
        /// The operating system's or the format's words.
        problem: String,
    },
    /// The schema names a time zone that this program does not know.
    #[error(transparent)]
    TimeZone(InvalidTime),
    /// Someone asked to stop; there is no file.
    #[error("cancelled")]
    Cancelled,
}

/// The rows of a chunk, column by column.
#[derive(Debug, Default)]
struct Rows {
    customers: u64,
    ids: Vec<CustomerId>,
    as_ofs: Vec<i64>,
    columns: Vec<Vec<f32>>,
    visible: Vec<Timestamp>,
    row_major: Vec<f32>,
    workspace: Workspace,
}

impl Export<'_> {
    /// Writes one row per customer and date, in the order of [`CustomerId::placement`] and, within
    /// a customer, of the dates as given: `customer_id`, `as_of`, then the features as 32-bit
    /// floats. The same histories give the same bytes at any number of threads.
    ///
    /// # Errors
    /// When the histories cannot be read or the file cannot be written, or `run` was cancelled.
    pub fn run<H: HistorySource>(
        &self,
        source: &mut H,
        run: &FitRun<'_>,
    ) -> Result<ExportResult, ExportError<H::Error>> {
        let features =
            Features::new(self.schema, source.symbols()).map_err(ExportError::TimeZone)?;
        let mut file = RowFile::create(self).map_err(|problem| self.fail(&problem))?;
        let all = source.customers().max(1);
        let mut result = ExportResult::default();
        let mut outcome = Ok(());
        let scanned = source.scan_parallel(
            run.threads,
            Rows::default,
            |rows, id, history| rows.add(id, history, &features, self.as_ofs),
            |rows| (rows.customers, rows.ids.len(), rows.batch(&file.schema)),
            |(customers, rows, batch)| {
                result.customers += customers;
                result.rows += rows as u64;
                run.progress.report("features", result.customers as f64 / all as f64);
                outcome = run.check().map_err(|_: FitError| ExportError::Cancelled);
                if outcome.is_ok() {
                    let written = batch.and_then(|batch| file.writer.write(&batch));
                    outcome = written.map_err(|problem| self.fail(&problem));
                }
                if outcome.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        scanned.map_err(ExportError::Source)?;
        outcome?;
        result.bytes = file.finish().map_err(|problem| self.fail(&problem))?;
        Ok(result)
    }

    fn fail<E>(&self, problem: &ParquetError) -> ExportError<E> {
        ExportError::Output { path: self.output.to_owned(), problem: problem.to_string() }
    }
}

impl Rows {
    fn add(
        &mut self,
        id: &CustomerId,
        history: &CustomerHistory,
        features: &Features,
        as_ofs: &[Timestamp],
    ) {
        self.customers += 1;
        let is_known =
            |as_of: &Timestamp| history.lines().iter().any(|line| line.is_visible(*as_of));
        self.visible.clear();
        self.visible.extend(as_ofs.iter().copied().filter(is_known));
        self.row_major.clear();
        features.append_at(history, &self.visible, &mut self.workspace, &mut self.row_major);
        let width = features.columns().len();
        self.columns.resize(width, Vec::new());
        for (row, as_of) in self.row_major.chunks_exact(width).zip(&self.visible) {
            self.ids.push(id.clone());
            self.as_ofs.push(as_of.micros());
            for (column, value) in self.columns.iter_mut().zip(row) {
                column.push(*value);
            }
        }
    }

    fn batch(mut self, schema: &Arc<Schema>) -> Result<RecordBatch, ParquetError> {
        self.columns.resize(schema.fields().len().saturating_sub(2), Vec::new());
        let ids = StringArray::from_iter_values(self.ids.iter().map(CustomerId::as_str));
        let dates = TimestampMicrosecondArray::from(self.as_ofs).with_timezone("UTC");
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(ids), Arc::new(dates)];
        let columns = self.columns.into_iter();
        arrays.extend(columns.map(|column| Arc::new(Float32Array::from(column)) as ArrayRef));
        Ok(RecordBatch::try_new(Arc::clone(schema), arrays)?)
    }
}

/// A file under another name until it is whole.
struct RowFile {
    schema: Arc<Schema>,
    writer: ArrowWriter<File>,
    unfinished: Unfinished,
}

impl RowFile {
    fn create(export: &Export<'_>) -> Result<Self, ParquetError> {
        let (unfinished, file) = Unfinished::beside(export.output)?;
        let schema = Arc::new(schema(export.schema));
        let json = serde_json::to_string(export.schema).unwrap_or_default();
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_enabled(false)
            .set_column_dictionary_enabled("customer_id".into(), true)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
            .set_key_value_metadata(Some(vec![KeyValue::new(SCHEMA_KEY.to_owned(), json)]))
            .build();
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))?;
        Ok(Self { schema, writer, unfinished })
    }

    /// Syncs the file, gives it its name and returns its size.
    fn finish(self) -> Result<u64, ParquetError> {
        let file = self.writer.into_inner()?;
        Ok(self.unfinished.finish(&file)?)
    }
}

fn schema(features: &FeatureSchema) -> Schema {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut fields =
        vec![Field::new("customer_id", DataType::Utf8, false), Field::new("as_of", utc, false)];
    let names = features.columns();
    fields.extend(names.iter().map(|name| Field::new(name, DataType::Float32, false)));
    Schema::new(fields)
}
