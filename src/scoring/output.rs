//! The score file: Parquet or CSV, there whole or not at all.

use std::fs::{self, File};
use std::io::{BufWriter, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::transaction::Timestamp;

use super::run::ScoringError;

/// Format of a score file.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ScoreFormat {
    /// Apache Parquet, zstd.
    Parquet,
    /// Comma-separated, with a header.
    Csv,
}

/// The values of one column for a chunk of customers.
#[derive(Clone, Debug)]
pub(super) enum Column {
    Number(Vec<f64>),
    Text(Vec<String>),
}

/// What was written.
pub(super) struct Written {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// Writes beside the file and renames at the end.
pub(super) struct ScoreWriter {
    path: PathBuf,
    unfinished: PathBuf,
    schema: Arc<Schema>,
    sink: Option<Sink>,
    rows: u64,
}

enum Sink {
    Parquet(Box<ArrowWriter<File>>),
    Csv(Box<csv::Writer<BufWriter<File>>>),
}

impl ScoreWriter {
    /// `job` names the unfinished file, so that a job that starts again replaces its own.
    pub(super) fn create(
        path: &Path,
        job: &str,
        format: ScoreFormat,
        columns: &[(String, bool)],
    ) -> Result<Self, ScoringError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let unfinished = path.with_file_name(format!(".{name}.{job}.unfinished"));
        let schema = Arc::new(schema(columns));
        let fail = output_error(path);
        let file = File::create(&unfinished).map_err(|error| fail(&error))?;
        let sink = match format {
            ScoreFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .build();
                let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties));
                Sink::Parquet(Box::new(writer.map_err(|error| fail(&error))?))
            }
            ScoreFormat::Csv => {
                let mut writer = csv::Writer::from_writer(BufWriter::new(file));
                let header = schema.fields().iter().map(|field| field.name().as_str());
                writer.write_record(header).map_err(|error| fail(&error))?;
                Sink::Csv(Box::new(writer))
            }
        };
        Ok(Self { path: path.to_owned(), unfinished, schema, sink: Some(sink), rows: 0 })
    }

    /// Writes a chunk; every column has one value per customer.
    pub(super) fn write(
        &mut self,
        ids: Vec<String>,
        as_of: Timestamp,
        columns: Vec<Column>,
    ) -> Result<(), ScoringError> {
        let fail = output_error(&self.path);
        self.rows += ids.len() as u64;
        match &mut self.sink {
            Some(Sink::Parquet(writer)) => {
                let batch = batch(&self.schema, ids, as_of, columns);
                let written = batch.and_then(|batch| writer.write(&batch));
                written.map_err(|error| fail(&error))
            }
            Some(Sink::Csv(writer)) => {
                write_csv(writer, &ids, as_of, &columns).map_err(|error| fail(&error))
            }
            None => Ok(()),
        }
    }

    /// Syncs the file and gives it its name.
    pub(super) fn finish(mut self) -> Result<Written, ScoringError> {
        let fail = output_error(&self.path);
        let file = match self.sink.take() {
            Some(Sink::Parquet(writer)) => writer.into_inner().map_err(|error| fail(&error))?,
            Some(Sink::Csv(writer)) => {
                let buffer = writer.into_inner().map_err(|error| fail(&error))?;
                buffer.into_inner().map_err(|error| fail(&error))?
            }
            None => return Err(ScoringError::Cancelled),
        };
        file.sync_all().map_err(|error| fail(&error))?;
        let (bytes, sha256) = digest(&self.unfinished).map_err(|error| fail(&error))?;
        fs::rename(&self.unfinished, &self.path).map_err(|error| fail(&error))?;
        Ok(Written { rows: self.rows, bytes, sha256 })
    }
}

impl Drop for ScoreWriter {
    fn drop(&mut self) {
        self.sink = None;
        // After `finish` the file has its name and there is nothing to remove.
        let _ = fs::remove_file(&self.unfinished);
    }
}

fn schema(columns: &[(String, bool)]) -> Schema {
    let mut fields = vec![
        Field::new("customer_id", DataType::Utf8, false),
        Field::new("as_of", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
    ];
    fields.extend(columns.iter().map(|(name, is_text)| {
        let data_type = if *is_text { DataType::Utf8 } else { DataType::Float64 };
        Field::new(name, data_type, false)
    }));
    Schema::new(fields)
}

fn batch(
    schema: &Arc<Schema>,
    ids: Vec<String>,
    as_of: Timestamp,
    columns: Vec<Column>,
) -> parquet::errors::Result<RecordBatch> {
    let dates = TimestampMicrosecondArray::from_value(as_of.micros(), ids.len());
    let mut arrays: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(ids)), Arc::new(dates.with_timezone("UTC"))];
    arrays.extend(columns.into_iter().map(|column| -> ArrayRef {
        match column {
            Column::Number(values) => Arc::new(Float64Array::from(values)),
            Column::Text(values) => Arc::new(StringArray::from(values)),
        }
    }));
    Ok(RecordBatch::try_new(Arc::clone(schema), arrays)?)
}

fn write_csv(
    writer: &mut csv::Writer<BufWriter<File>>,
    ids: &[String],
    as_of: Timestamp,
    columns: &[Column],
) -> csv::Result<()> {
    let as_of = as_of.to_string();
    for (row, id) in ids.iter().enumerate() {
        writer.write_field(id)?;
        writer.write_field(&as_of)?;
        for column in columns {
            match column {
                Column::Number(values) => {
                    let value = values.get(row).copied().unwrap_or(f64::NAN);
                    writer.write_field(value.to_string())?;
                }
                Column::Text(values) => {
                    writer.write_field(values.get(row).map_or("", String::as_str))?;
                }
            }
        }
        writer.write_record(None::<&[u8]>)?;
    }
    Ok(())
}

fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let length = file.read(&mut buffer)?;
        let Some(read) = buffer.get(..length).filter(|read| !read.is_empty()) else {
            break;
        };
        hash.update(read);
        bytes += length as u64;
    }
    let digest: [u8; 32] = hash.finalize().into();
    Ok((bytes, digest.iter().map(|byte| format!("{byte:02x}")).collect()))
}

fn output_error(path: &Path) -> impl Fn(&dyn std::error::Error) -> ScoringError {
    let path = path.to_owned();
    move |error| ScoringError::Output { path: path.clone(), problem: error.to_string() }
}
