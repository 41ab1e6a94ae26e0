//! How storage fails.

use std::path::{Path, PathBuf};

/// Why the store could not do what was asked. Nothing was half-written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is there but is not a database of this program.
    #[error("{path}: not a Patron database; choose another data directory")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer program.
    #[error(
        "{path}: written in format {found}, this program reads up to {supported}; use a newer patron"
    )]
    FutureFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format this program knows.
        supported: i64,
    },
    /// The data set was made for a shop with another setting.
    #[error(
        "shop.{setting}: the data directory was made with {stored:?}, the configuration says {configured:?}; use the stored value or another data directory"
    )]
    Shop {
        /// `time_zone` or `currency`.
        setting: &'static str,
        /// What the data set was made with.
        stored: String,
        /// What the configuration says.
        configured: String,
    },
    /// The medium is full.
    #[error("{path}: no space left; nothing of this call was stored")]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The file or directory may not be written.
    #[error("{path}: not writable; check owner and permissions")]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// Another process holds the write lock.
    #[error("{path}: another process is writing; try again")]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// Pages or values that this program did not write.
    #[error("{path}: damaged ({detail}); restore it from a backup")]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The medium failed to read or write, or a quota or limit forbids it.
    #[error(
        "{path}: the disk failed ({detail}); check the disk, quotas and limits of file sizes; nothing of this call was stored"
    )]
    Io {
        /// The database.
        path: PathBuf,
        /// The database's words.
        detail: String,
    },
    /// The directory or file could not be opened or made.
    #[error(
        "{path}: cannot be used ({detail}); check that the data directory is a directory and may be written"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        detail: String,
    },
    /// Someone asked to stop; nothing of this call was stored.
    #[error("cancelled")]
    Cancelled,
}

impl StoreError {
    /// The meaning of a database error for the file at `path`.
    pub(super) fn from_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::NotADatabase) => Self::Foreign { path },
            Some(ErrorCode::SystemIoFailure) => Self::Io { path, detail: error.to_string() },
            Some(ErrorCode::CannotOpen) => Self::Open { path, detail: error.to_string() },
            _ => Self::Corrupt { path, detail: error.to_string() },
        }
    }
}

/// How a step within the store fails, before the file at fault is named.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database says so.
    Sqlite(rusqlite::Error),
    /// Bytes that this program did not write.
    Damaged(String),
    /// Someone asked to stop.
    Cancelled,
    /// A connection says so, which has named the file already.
    Store(Box<StoreError>),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl StoreError {
    /// The meaning of a fault for the file at `path`.
    pub(super) fn from_fault(path: &Path, fault: Fault) -> Self {
        match fault {
            Fault::Sqlite(error) => Self::from_sqlite(path, &error),
            Fault::Damaged(detail) => Self::Corrupt { path: path.to_owned(), detail },
            Fault::Cancelled => Self::Cancelled,
            Fault::Store(error) => *error,
        }
    }
}
