//! The score file: Parquet or CSV, there whole or not at all.

use std::fs::{self, File, TryLockError};
use std::io::{BufWriter, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};

use super::csv::write_rows;
use super::{ScoreFormat, ScoringError};

/// Rows of one row group; that many are in memory, encoded.
const ROWS_PER_GROUP: usize = 1 << 17;

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
    sink: Option<Sink>,
    rows: u64,
}

enum Sink {
    Parquet(Box<ArrowWriter<File>>),
    Csv(Box<csv::Writer<BufWriter<File>>>),
}

impl ScoreWriter {
    /// `run` names the unfinished file, so that a run that starts again replaces its own. The file
    /// is locked: a second run of one name is refused while the first goes on.
    pub(super) fn create(
        path: &Path,
        run: &str,
        format: ScoreFormat,
        schema: &SchemaRef,
    ) -> Result<Self, ScoringError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let unfinished = path.with_file_name(format!(".{name}.{run}.unfinished"));
        let fail = output_error(path);
        let file = File::options().create(true).truncate(false).write(true).open(&unfinished);
        let file = file.map_err(|error| fail(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(ScoringError::InUse { path: path.to_owned() });
            }
            // A file system without locks; then nothing guards against a second run.
            Err(TryLockError::Error(_)) => {}
        }
        file.set_len(0).map_err(|error| fail(&error))?;
        let mut writer = Self { path: path.to_owned(), unfinished, sink: None, rows: 0 };
        writer.sink = Some(match format {
            ScoreFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
                    .build();
                let sink = ArrowWriter::try_new(file, Arc::clone(schema), Some(properties));
                Sink::Parquet(Box::new(sink.map_err(|error| fail(&error))?))
            }
            ScoreFormat::Csv => {
                let mut sink = csv::Writer::from_writer(BufWriter::new(file));
                let header = schema.fields().iter().map(|field| field.name().as_str());
                sink.write_record(header).map_err(|error| fail(&error))?;
                Sink::Csv(Box::new(sink))
            }
        });
        Ok(writer)
    }

    /// Writes a chunk.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ScoringError> {
        let fail = output_error(&self.path);
        self.rows += batch.num_rows() as u64;
        match &mut self.sink {
            Some(Sink::Parquet(writer)) => writer.write(batch).map_err(|error| fail(&error)),
            Some(Sink::Csv(writer)) => write_rows(writer, batch).map_err(|error| fail(&error)),
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
