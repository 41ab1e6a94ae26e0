//! A file into the store, as a whole or not at all.

use std::convert::Infallible;
use std::fs::File;
use std::io::Read as _;
use std::mem;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::{Bulk, BulkRow, BulkWriter, StoreError, TextNumbers, TransactionStore};
use crate::transaction::{
    ImportReport, LineIdentity, LineRef, Refusal, ReportBuilder, SymbolTable, Timestamp,
    TransactionLine,
};

use super::attributes::{AttributeMapping, import_attributes};
use super::columnar::ParquetImport;
use super::file::{self, ReadFileError, TransactionFile};
use super::mapping::{InvalidMapping, Mapping};
use super::row::{RowProblem, SourceRow};

/// Rows that are checked and handed over together.
const BATCH: usize = 4_096;
/// Batches that wait to be divided.
const BATCHES_IN_FLIGHT: usize = 4;
/// Lines in memory while a file is divided by customer, in bytes; the rest goes into a file.
const BULK_MEMORY: usize = 256 << 20;
/// Threads that read and merge at most; more would wait for the one that stores.
const MOST_THREADS: usize = 4;
/// The share of an import's time that reading takes, about.
const READING: f64 = 0.7;

/// What to import. It is the payload of an import job.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// The file.
    pub path: PathBuf,
    /// The mapping, as TOML.
    pub mapping: String,
    /// Largest share of rows that may be refused, in percent, before the import is dropped.
    pub max_refused_percent: f64,
    /// The reporting currency.
    pub currency: String,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The mapping does not hold.
    #[error("mapping: {0}")]
    Mapping(#[from] InvalidMapping),
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] ReadFileError),
    /// Too many rows do not keep the contract: the mapping is probably wrong.
    #[error(
        "{refused} of {rows} rows were refused, more than {limit} %; nothing was imported. First: {first}"
    )]
    Refused {
        /// Refused rows.
        refused: u64,
        /// Rows read.
        rows: u64,
        /// The limit in percent.
        limit: f64,
        /// The first refusals, one after the other.
        first: String,
        /// The whole report.
        report: Box<ImportReport>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// Someone asked to stop.
    #[error("cancelled; nothing was imported")]
    Cancelled,
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Cancelled => Self::Cancelled,
            error => Self::Store(error),
        }
    }
}

/// Checks a mapping, of transactions or of attributes.
///
/// # Errors
/// Everything that does not hold.
pub fn check_mapping(text: &str) -> Result<(), InvalidMapping> {
    match AttributeMapping::parse(text)? {
        Some(_) => Ok(()),
        None => Mapping::parse(text).map(drop),
    }
}

/// Imports a file in one transaction: transactions, or attributes of customers.
///
/// An import that was committed under the same `import_id` is not repeated: its report is returned,
/// so a job that lost its worker after the commit ends as it would have. `tick` hears the fraction
/// that is done and may break the import off.
///
/// # Errors
/// When mapping, file or store do not allow it; then nothing was stored.
pub fn import(
    store: &TransactionStore,
    request: &ImportRequest,
    import_id: &str,
    tick: &mut dyn FnMut(f64) -> ControlFlow<()>,
) -> Result<ImportReport, ImportError> {
    if let Some(report) = store.import_report(import_id)? {
        return Ok(report);
    }
    if let Some(mapping) = AttributeMapping::parse(&request.mapping)? {
        return import_attributes(store, &mapping, request, import_id, tick);
    }
    let mapping = Mapping::parse(&request.mapping)?;
    let parquet = ParquetImport::open(&request.path, &mapping, &request.currency)?;
    let sha256 = file_sha256(&request.path);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let mut bulk = store.bulk(BULK_MEMORY, threads);
    let mut report = ReportBuilder::new();
    let mut reading = |fraction: f64| tick(fraction * READING);
    match parquet {
        Some(file) => file.read(threads, &mut bulk, &mut report, &mut reading)?,
        None => {
            let rows = file::open(&request.path, &mapping)?;
            read_rows(rows, &request.currency, (&mut bulk, &mut report), &mut reading)?;
        }
    }
    check_refusals(&report, request.max_refused_percent)?;
    let name = request.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let finish = |outcome| report.finish(&name, sha256, &mapping.recorded_at_rule(), outcome);
    let mut tick = |fraction: f64| tick(READING + fraction * (1.0 - READING));
    Ok(bulk.commit(import_id, finish, &mut tick)?)
}

/// An import row by row.
struct RowImport<'a, 'b> {
    bulk: &'a mut Bulk<'b>,
    writer: BulkWriter,
    texts: SymbolTable,
    report: &'a mut ReportBuilder,
}

/// A row that was checked, away from the thread that stores it.
struct CheckedRow {
    number: u64,
    fingerprint: u64,
    recorded_at: Option<Timestamp>,
    line: Result<(TransactionLine, LineIdentity), RowProblem>,
}

/// Adds all lines to the bulk and counts all rows in the report, row by row.
pub(super) fn read_rows(
    rows: TransactionFile,
    currency: &str,
    (bulk, report): (&mut Bulk<'_>, &mut ReportBuilder),
    tick: &mut dyn FnMut(f64) -> ControlFlow<()>,
) -> Result<(), ImportError> {
    let writer = bulk.writer();
    let texts = SymbolTable::default();
    RowImport { bulk, writer, texts, report }.read(rows, currency, tick)
}

impl RowImport<'_, '_> {
    /// Reads and checks on one thread, divides on this one.
    fn read(
        &mut self,
        rows: TransactionFile,
        currency: &str,
        tick: &mut dyn FnMut(f64) -> ControlFlow<()>,
    ) -> Result<(), ImportError> {
        let total = rows.rows_hint();
        let (sender, receiver) = sync_channel(BATCHES_IN_FLIGHT);
        thread::scope(|scope| {
            // The thread ends when the receiver is dropped, at the latest.
            scope.spawn(move || check_rows(rows, currency, &sender));
            let mut read = 0_u64;
            for batch in receiver {
                let batch: Vec<CheckedRow> = batch?;
                read += batch.len() as u64;
                batch.into_iter().for_each(|row| self.add(row));
                self.bulk.append(self.writer.take())?;
                let fraction = total.map_or(0.0, |total| read as f64 / total.max(1) as f64);
                if tick(fraction.min(1.0)).is_break() {
                    return Err(ImportError::Cancelled);
                }
            }
            Ok(())
        })
    }

    fn add(&mut self, row: CheckedRow) {
        let CheckedRow { number, fingerprint, recorded_at, line } = row;
        match line {
            Err(problem) => {
                let reason = problem.reason.as_str();
                self.report.refuse(number, &problem.field, reason, problem.message);
            }
            Ok((line, content)) => {
                let line = LineRef::from(&line);
                let texts = &mut self.texts;
                let number_of = |text: &str| Ok::<_, Infallible>(texts.intern(Some(text)).raw());
                let Ok(numbers) = TextNumbers::of(&line, number_of);
                self.report.observe(number, line);
                let row = number;
                self.writer.push(&BulkRow {
                    row,
                    line,
                    numbers,
                    content,
                    recorded_at,
                    fingerprint,
                });
            }
        }
    }
}

/// Hands the checked rows over in batches, until the end, an error, or nobody takes them.
fn check_rows(
    rows: TransactionFile,
    currency: &str,
    batches: &SyncSender<Result<Vec<CheckedRow>, ReadFileError>>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    for row in rows {
        match row {
            Ok(row) => batch.push(check_row(row, currency)),
            Err(error) => {
                // Where nobody takes it, the import has failed already.
                let _ = batches.send(Err(error));
                return;
            }
        }
        if batch.len() == BATCH {
            let full = mem::replace(&mut batch, Vec::with_capacity(BATCH));
            if batches.send(Ok(full)).is_err() {
                return;
            }
        }
    }
    let _ = batches.send(Ok(batch));
}

fn check_row(row: SourceRow, currency: &str) -> CheckedRow {
    let (number, fingerprint) = (row.row, row.fingerprint);
    let recorded_at = row.recorded_at;
    let line = row.check(currency).map(|line| {
        let content = line.content();
        (line, content)
    });
    CheckedRow { number, fingerprint, recorded_at, line }
}

/// The digest of a file's bytes; `None` when it went away in between, which reading it will tell.
/// SHA-256 of a file in hexadecimal; `None` when it cannot be read.
pub fn file_sha256(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => break,
            length => hash.update(buffer.get(..length)?),
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(super) fn check_refusals(report: &ReportBuilder, limit: f64) -> Result<(), ImportError> {
    let report = report.so_far();
    let share = report.refused as f64 / report.rows_read.max(1) as f64 * 100.0;
    if report.refused == 0 || share <= limit {
        return Ok(());
    }
    let one = |refusal: &Refusal| {
        let Refusal { row, field, message } = refusal;
        // Most messages begin with their field.
        let message = message.strip_prefix(&format!("{field}: ")).unwrap_or(message);
        format!("row {row}: {field}: {message}")
    };
    Err(ImportError::Refused {
        refused: report.refused,
        rows: report.rows_read,
        limit,
        first: report.first_refusals.iter().map(one).collect::<Vec<_>>().join("; "),
        report: Box::new(report.clone()),
    })
}
