//! A file into the store, as a whole or not at all.

use std::fs::File;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::{AppendOutcome, Appender, IdentifiedLine, StoreError, TransactionStore};
use crate::transaction::{
    ImportReport, OccurrenceCounter, Refusal, ReportBuilder, StoreOutcome, Timestamp,
};

use super::file::{self, ReadFileError, TransactionFile};
use super::mapping::{InvalidMapping, Mapping};
use super::row::SourceRow;

/// Rows between two looks at the clock and at the cancel.
const TICK: u64 = 8_192;

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
    Store(#[from] StoreError),
    /// Someone asked to stop.
    #[error("cancelled; nothing was imported")]
    Cancelled,
}

/// Imports a file in one transaction.
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
    let mapping = Mapping::parse(&request.mapping)?;
    let rows = file::open(&request.path, &mapping)?;
    let sha256 = sha256(&request.path);
    let mut import = Import {
        appender: store.appender()?,
        report: ReportBuilder::new(),
        outcome: StoreOutcome::default(),
        seen: OccurrenceCounter::default(),
        now: Timestamp::now(),
        currency: &request.currency,
    };
    import.read(rows, tick)?;
    let Import { appender, mut report, outcome, .. } = import;
    report.outcome(outcome);
    let name = request.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let report = report.finish(&name, sha256, &mapping.recorded_at_rule());
    check_refusals(&report, request.max_refused_percent)?;
    appender.commit(Some((import_id, &report)))?;
    Ok(report)
}

struct Import<'a> {
    appender: Appender<'a>,
    report: ReportBuilder,
    outcome: StoreOutcome,
    seen: OccurrenceCounter,
    now: Timestamp,
    currency: &'a str,
}

impl Import<'_> {
    fn read(
        &mut self,
        mut rows: TransactionFile,
        tick: &mut dyn FnMut(f64) -> ControlFlow<()>,
    ) -> Result<(), ImportError> {
        let total = rows.rows_hint();
        let mut read = 0_u64;
        for row in rows.by_ref() {
            self.add(row?)?;
            read += 1;
            let fraction = total.map_or(0.0, |total| read as f64 / total.max(1) as f64);
            if read.is_multiple_of(TICK) && tick(fraction).is_break() {
                return Err(ImportError::Cancelled);
            }
        }
        Ok(())
    }

    fn add(&mut self, row: SourceRow) -> Result<(), ImportError> {
        let (number, fingerprint, recorded_at) = (row.row, row.fingerprint, row.recorded_at);
        match row.check(self.currency) {
            Err(problem) => {
                let reason = problem.reason.as_str();
                self.report.refuse(number, &problem.field, reason, problem.message.clone());
            }
            Ok(line) => {
                self.report.observe(number, fingerprint, &line);
                let identity = line.identity(&mut self.seen);
                let recorded_at = recorded_at.unwrap_or(self.now);
                let line = IdentifiedLine { line, identity, recorded_at };
                match self.appender.append(&line)? {
                    AppendOutcome::Accepted => self.outcome.accepted += 1,
                    AppendOutcome::Duplicate => self.outcome.duplicates += 1,
                    AppendOutcome::Corrected => self.outcome.corrected += 1,
                }
            }
        }
        Ok(())
    }
}

/// The digest of a file's bytes; `None` when it went away in between, which reading it will tell.
fn sha256(path: &Path) -> Option<String> {
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

fn check_refusals(report: &ImportReport, limit: f64) -> Result<(), ImportError> {
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
