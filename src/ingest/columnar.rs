//! Parquet files by column: into the store, or straight into one history per customer without one.
//!
//! The histories are those that an empty store would hold after an import of all rows of all
//! files, one after the other. Row groups are read in parallel and by column; a row that is not
//! plainly right goes to the row-by-row reader, which alone decides what is refused and why.
//! Neither the number of threads nor the memory limit changes the result.

mod decode;
mod import;
mod judge;
mod keys;
mod line;
mod names;
mod number;
mod piece;
mod plan;
mod prints;
mod read;
mod repeats;
mod row;
mod scan;
mod scatter;
mod storage;
mod tally;
mod text;
mod time;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use self::import::ParquetImport;
use self::names::FinalNames;
use self::piece::{Block, Partitions};
use self::repeats::Fates;
use self::storage::Storage;
pub use self::tally::HistoryCounts;
use super::file::ReadFileError;
use super::mapping::Mapping;
use crate::transaction::{
    CustomerHistory, CustomerId, HistorySource, ShopClock, SymbolTable, Timestamp,
};

/// How files are read into histories.
#[derive(Clone, Copy)]
pub struct ReadOptions<'a> {
    /// The reporting currency, an ISO 4217 code.
    pub currency: &'a str,
    /// The shop's clock, for [`crate::transaction::HistoryLine::local`].
    pub clock: &'a ShopClock,
    /// Threads that read, at least 1.
    pub threads: usize,
    /// Bytes of lines that are kept in memory; what goes beyond is written to a file. Customers,
    /// distinct texts and about 45 MB for each thread come on top.
    pub memory_limit_bytes: u64,
    /// Where that file is created. It is removed at once and lives while it is open.
    pub spill_directory: &'a Path,
    /// The time of the import, for lines that do not tell when they became known.
    pub now: Timestamp,
    /// Hears the fraction of the rows that is read, at least every 100 ms, and may break off.
    pub tick: &'a dyn Fn(f64) -> ControlFlow<()>,
}

impl std::fmt::Debug for ReadOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadOptions")
            .field("threads", &self.threads)
            .field("memory_limit_bytes", &self.memory_limit_bytes)
            .finish_non_exhaustive()
    }
}

/// Why there are no histories.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadHistoriesError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReadFileError,
    },
    /// Another format.
    #[error("{}: expected a Parquet file, found CSV; import it, or convert it to Parquet", path.display())]
    NotParquet {
        /// The file.
        path: PathBuf,
    },
    /// The temporary file failed.
    #[error(
        "cannot keep lines in a temporary file: {0}; free room in the spill directory or raise \
         the memory limit"
    )]
    Spill(#[from] io::Error),
    /// Someone asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A part of the program failed.
    #[error("a reading thread ended before its work was done; report this as a defect")]
    Thread,
}

/// One history for each customer of some Parquet files.
#[derive(Debug)]
pub struct ParquetHistories {
    clock: ShopClock,
    names: FinalNames,
    partitions: Partitions,
    storage: Storage,
    /// In the order of the rows.
    blocks: Vec<Block>,
    fates: Fates,
    counts: HistoryCounts,
}

impl ParquetHistories {
    /// Reads all rows of all files: several paths are one stream of rows.
    ///
    /// # Errors
    /// When a file cannot be read to its end, the temporary file fails or `tick` breaks off.
    pub fn read(
        paths: &[PathBuf],
        mapping: &Mapping,
        options: ReadOptions<'_>,
    ) -> Result<Self, ReadHistoriesError> {
        read::read(paths, mapping, &options)
    }

    /// What the files held.
    pub fn counts(&self) -> &HistoryCounts {
        &self.counts
    }
}

impl HistorySource for ParquetHistories {
    type Error = ReadHistoriesError;

    fn symbols(&self) -> &Arc<SymbolTable> {
        &self.names.symbols
    }

    fn customers(&self) -> u64 {
        self.counts.customers
    }

    fn scan_parallel<S, T: Send>(
        &mut self,
        threads: usize,
        new: impl Fn() -> S + Sync,
        visit: impl Fn(&mut S, &CustomerId, &CustomerHistory) + Sync,
        finish: impl Fn(S) -> T + Sync,
        sink: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), ReadHistoriesError> {
        scan::scan(self, threads, new, visit, finish, sink)
    }
}

#[cfg(test)]
mod tests;
