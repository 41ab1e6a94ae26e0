//! All transaction lines of one shop.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::{Connection, OptionalExtension, params};

use crate::transaction::{CustomerId, ImportReport, ShopClock, SymbolTable, Timestamp};

use super::append::{AppendOutcome, Appender, IdentifiedLine};
use super::database::Database;
use super::reader::Reader;
use super::row::{DataTotals, line_digest, read_line};
use super::{StoreError, row};

const MIGRATIONS: &[&str] = &["
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE customer (customer_key INTEGER PRIMARY KEY, customer_id TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE symbol (symbol INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE line (
        customer_key INTEGER NOT NULL,
        occurred_at INTEGER NOT NULL,
        identity BLOB NOT NULL,
        recorded_at INTEGER NOT NULL,
        superseded_at INTEGER,
        order_id TEXT,
        line_number INTEGER,
        cancels_order_id TEXT,
        product INTEGER NOT NULL,
        category INTEGER NOT NULL,
        channel INTEGER NOT NULL,
        store INTEGER NOT NULL,
        promotion INTEGER NOT NULL,
        country INTEGER NOT NULL,
        quantity INTEGER NOT NULL,
        unit_price INTEGER NOT NULL,
        discount INTEGER NOT NULL,
        unit_cost INTEGER,
        PRIMARY KEY (customer_key, occurred_at, identity, recorded_at)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX line_current ON line (identity) WHERE superseded_at IS NULL;
    CREATE TABLE import_report (
        import_id TEXT PRIMARY KEY,
        created_at INTEGER NOT NULL,
        report TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
"];

/// The transaction lines of one shop, in SQLite.
#[derive(Debug)]
pub struct TransactionStore {
    pub(super) database: Database,
    pub(super) clock: ShopClock,
    pub(super) symbols: RwLock<Arc<SymbolTable>>,
}

impl TransactionStore {
    /// Opens or creates the store in `directory`.
    ///
    /// # Errors
    /// When the directory cannot be written, holds something else, or was made for a shop with
    /// another time zone or currency.
    pub fn open(directory: &Path, clock: ShopClock, currency: &str) -> Result<Self, StoreError> {
        let database = Database::open(directory.join("transactions.sqlite3"), MIGRATIONS)?;
        let store = Self { database, clock, symbols: RwLock::default() };
        store.settle("time_zone", store.clock.name())?;
        store.settle("currency", currency)?;
        Ok(store)
    }

    /// The shop's clock.
    pub fn clock(&self) -> &ShopClock {
        &self.clock
    }

    /// Appends `lines` in one transaction; when this returns they are on the medium.
    ///
    /// # Errors
    /// When the medium fails; then none of the lines was stored.
    pub fn append(&self, lines: &[IdentifiedLine]) -> Result<Vec<AppendOutcome>, StoreError> {
        let mut appender = self.appender()?;
        let outcomes = lines.iter().map(|line| appender.append(line)).collect::<Result<_, _>>()?;
        appender.commit(None)?;
        Ok(outcomes)
    }

    /// Begins one transaction of any size, kept or dropped as a whole.
    ///
    /// # Errors
    /// When another process holds the write lock for more than ten seconds.
    pub fn appender(&self) -> Result<Appender<'_>, StoreError> {
        Appender::begin(&self.database)
    }

    /// A consistent view of everything that is stored now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn reader(&self) -> Result<Reader<'_>, StoreError> {
        Reader::begin(self)
    }

    /// Removes every line of a customer, current and superseded, and the key itself. Returns the
    /// number of lines; 0 when the customer is unknown.
    ///
    /// # Errors
    /// When the medium fails; then nothing was removed.
    pub fn erase(&self, customer: &CustomerId) -> Result<u64, StoreError> {
        let mut writer = self.database.writer();
        let fail = |error: rusqlite::Error| self.database.error(&error);
        let transaction = writer.transaction().map_err(fail)?;
        let Some(key) = row::find_customer(&transaction, customer).map_err(fail)? else {
            return Ok(0);
        };
        let removed = erase_lines(&transaction, key).map_err(fail)?;
        transaction.commit().map_err(fail)?;
        // Erased bytes must not live on in the write-ahead log. A reader may hold the log back for
        // a moment; the next checkpoint then truncates it.
        writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(fail)?;
        Ok(removed)
    }

    /// The report of the import with this id, when that import was committed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn import_report(&self, import_id: &str) -> Result<Option<ImportReport>, StoreError> {
        let writer = self.database.writer();
        let text: Option<String> = writer
            .query_row(
                "SELECT report FROM import_report WHERE import_id = ?1",
                params![import_id],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| self.database.error(&error))?;
        text.map(|text| self.decode_report(&text)).transpose()
    }

    pub(super) fn decode_report(&self, text: &str) -> Result<ImportReport, StoreError> {
        serde_json::from_str(text).map_err(|error| StoreError::Corrupt {
            path: self.database.path().to_owned(),
            detail: format!("import report: {error}"),
        })
    }

    pub(super) fn cached_symbols(&self) -> Arc<SymbolTable> {
        Arc::clone(&self.symbols.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes a setting of the shop into a new store, or checks it against an existing one.
    fn settle(&self, setting: &'static str, configured: &str) -> Result<(), StoreError> {
        let writer = self.database.writer();
        let fail = |error: rusqlite::Error| self.database.error(&error);
        writer
            .execute("INSERT OR IGNORE INTO meta VALUES (?1, ?2)", params![setting, configured])
            .map_err(fail)?;
        let stored: String = writer
            .query_row("SELECT value FROM meta WHERE key = ?1", params![setting], |row| row.get(0))
            .map_err(fail)?;
        if stored == configured {
            return Ok(());
        }
        Err(StoreError::Shop { setting, stored, configured: configured.to_owned() })
    }
}

fn erase_lines(connection: &Connection, key: i64) -> rusqlite::Result<u64> {
    let symbols = row::load_symbols(connection, &SymbolTable::default())?;
    let mut totals = DataTotals::load(connection)?;
    let mut select = connection.prepare(&format!(
        "SELECT {} FROM line JOIN customer USING (customer_key) WHERE customer_key = ?1",
        row::COLUMNS
    ))?;
    let mut rows = select.query([key])?;
    while let Some(row) = rows.next()? {
        let stored = read_line(row, &symbols)?;
        if stored.superseded_at == Timestamp::MAX {
            totals.remove(&line_digest(&stored.line));
        }
    }
    let removed = connection.execute("DELETE FROM line WHERE customer_key = ?1", [key])?;
    connection.execute("DELETE FROM customer WHERE customer_key = ?1", [key])?;
    totals.set_range(connection)?;
    totals.save(connection)?;
    Ok(removed as u64)
}
