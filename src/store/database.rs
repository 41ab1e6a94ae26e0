//! One SQLite file: opening, format version, a writer, and a pool of readers.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::StoreError;
use super::error::Fault;

/// Marks the file as ours in its header ("PATR").
const APPLICATION_ID: i64 = 0x5041_5452;
const BUSY: Duration = Duration::from_secs(10);
/// SQLite's own limit of the write-ahead log, in pages.
const LOG_PAGES: i64 = 1000;
/// Readers kept open between calls.
const IDLE_READERS: usize = 8;

/// What a power cut may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Durability {
    /// Nothing: the log is synced before the transaction counts.
    Full,
    /// The last transactions, as a whole, until the next one of [`Durability::Full`].
    Relaxed,
}

/// A database file of a known format.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    writer: Mutex<Connection>,
    idle: Mutex<Vec<Connection>>,
}

impl Database {
    /// Opens or creates the file. `migrations[n]` takes format `n` to format `n + 1`.
    pub(super) fn open(path: PathBuf, migrations: &[&str]) -> Result<Self, StoreError> {
        let connection = connect(&path)?;
        let fail = |error| StoreError::from_sqlite(&path, &error);
        let application: i64 =
            connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(fail)?;
        let objects: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(fail)?;
        if application != APPLICATION_ID && (application != 0 || objects != 0) {
            return Err(StoreError::Foreign { path });
        }
        migrate(&connection, &path, migrations)?;
        Ok(Self { path, writer: Mutex::new(connection), idle: Mutex::default() })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The one connection that writes.
    pub(super) fn writer(&self) -> MutexGuard<'_, Connection> {
        // A panic in a writer leaves an open transaction at most, which the next one rolls back.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for reading; give it back with [`Database::release`].
    pub(super) fn reader(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(connection) => Ok(connection),
            None => {
                let connection = connect(&self.path)?;
                connection
                    .execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2048;")
                    .map_err(|error| self.error(&error))?;
                Ok(connection)
            }
        }
    }

    /// Takes a reader back.
    pub(super) fn release(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_READERS {
            idle.push(connection);
        }
    }

    /// Whether a commit that finds the write-ahead log large moves it into the database, as SQLite
    /// does by default, or leaves that to somebody else.
    pub(super) fn commits_empty_log(&self, do_they: bool) -> Result<(), StoreError> {
        let pages = if do_they { LOG_PAGES } else { 0 };
        self.writer()
            .pragma_update(None, "wal_autocheckpoint", pages)
            .map_err(|error| self.error(&error))
    }

    /// Runs `work` in one write transaction: all of it is stored, or nothing.
    pub(super) fn transact<T>(
        &self,
        writer: &Connection,
        durability: Durability,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let begin = match durability {
            Durability::Full => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
            Durability::Relaxed => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
        };
        // A panic may have left one open.
        roll_back(writer);
        let outcome = writer.execute_batch(begin).map_err(Fault::from).and_then(|()| {
            let outcome = work(writer)?;
            writer.execute_batch("COMMIT")?;
            Ok(outcome)
        });
        if outcome.is_err() {
            roll_back(writer);
        }
        outcome
    }

    /// Moves the rest of the write-ahead log into the database and cuts it. `false` where a reader
    /// still needs it.
    pub(super) fn restart_log(&self, writer: &Connection) -> Result<bool, StoreError> {
        let restart = || {
            writer.busy_timeout(Duration::ZERO)?;
            let emptied = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
            writer.busy_timeout(BUSY)?;
            emptied.map(|is_busy: bool| !is_busy)
        };
        restart().map_err(|error| self.error(&error))
    }

    /// What a fault means for this file.
    pub(super) fn fault(&self, fault: Fault) -> StoreError {
        StoreError::from_fault(&self.path, fault)
    }

    /// What a database error means for this file.
    pub(super) fn error(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::from_sqlite(&self.path, error)
    }
}

/// Drops an open transaction. After some failures, such as a full disk, there is none any more.
fn roll_back(writer: &Connection) {
    if !writer.is_autocommit()
        && let Err(error) = writer.execute_batch("ROLLBACK")
    {
        tracing::debug!(%error, "rollback after a failed transaction");
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let fail = |error: rusqlite::Error| StoreError::from_sqlite(path, &error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| StoreError::Open {
            path: folder.to_owned(),
            detail: error.to_string(),
        })?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    // SQLite opens a file that may not be written for reading, and says nothing.
    if connection.is_readonly(rusqlite::MAIN_DB).map_err(fail)? {
        return Err(StoreError::ReadOnly { path: path.to_owned() });
    }
    connection.busy_timeout(BUSY).map_err(fail)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Without it SQLite compiles a statement anew at each execution when a partial index makes the
    // plan depend on the bound values: three times slower duplicates.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(fail)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA secure_delete = ON;
             PRAGMA cache_size = -32768;
             PRAGMA temp_store = MEMORY;
             PRAGMA foreign_keys = ON;",
        )
        .map_err(fail)?;
    Ok(connection)
}

fn migrate(connection: &Connection, path: &Path, migrations: &[&str]) -> Result<(), StoreError> {
    let fail = |error: rusqlite::Error| StoreError::from_sqlite(path, &error);
    let supported = migrations.len() as i64;
    let format = |connection: &Connection| -> rusqlite::Result<i64> {
        connection.query_row("PRAGMA user_version", [], |row| row.get(0))
    };
    let found = format(connection).map_err(fail)?;
    if found > supported {
        return Err(StoreError::FutureFormat { path: path.to_owned(), found, supported });
    }
    if found == supported {
        return Ok(());
    }
    connection.execute_batch("BEGIN IMMEDIATE").map_err(fail)?;
    // Another process may have been faster; look again under the lock.
    let found = format(connection).map_err(fail)?;
    for step in migrations.iter().skip(found.max(0) as usize) {
        connection.execute_batch(step).map_err(fail)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
    connection.pragma_update(None, "user_version", supported).map_err(fail)?;
    connection.execute_batch("COMMIT").map_err(fail)
}
