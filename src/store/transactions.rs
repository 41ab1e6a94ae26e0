//! All transaction lines of one shop.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use rusqlite::{Connection, OptionalExtension, params};

use crate::transaction::{CustomerId, ImportReport, ShopClock, SymbolTable, Timestamp};

use super::append::Queue;
use super::cache::HistoryCache;
use super::commit::WriterMemory;
use super::database::{Database, Durability};
use super::error::Fault;
use super::generation::Generation;
use super::glance::Glance;
use super::maintenance::Maintenance;
use super::reader::Reader;
use super::state::State;
use super::tail::Tail;
use super::tails::{LatestInstant, Tails};
use super::texts::TextsCache;
use super::{StoreError, attributes};

const MIGRATIONS: &[&str] = &[
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
];

/// The tail that is kept in memory before appends wait for packing, in bytes.
const TAIL_LIMIT: usize = 192 << 20;

/// The transaction lines of one shop, in SQLite.
///
/// `tail` has what arrived lately, in the order of arrival; `history` has one packed blob per
/// customer. Readers see both as one.
#[derive(Debug)]
pub struct TransactionStore {
    pub(super) database: Database,
    pub(super) clock: ShopClock,
    pub(super) texts: TextsCache,
    pub(super) tails: Tails,
    pub(super) latest: LatestInstant,
    pub(super) queue: Queue,
    pub(super) maintenance: Maintenance,
    pub(super) packing: Mutex<()>,
    pub(super) tail_limit: usize,
    pub(super) cache: HistoryCache,
    pub(super) generation: Generation,
    seen: ArcSwapOption<Seen>,
    memory: Mutex<WriterMemory>,
}

/// Where the data set stood when it was last looked at.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) state: State,
    pub(super) symbols: Arc<SymbolTable>,
}

/// A write transaction: the connection, the state it began with, and what goes with it.
#[derive(Debug)]
pub(super) struct Writing<'a> {
    pub(super) connection: &'a Connection,
    pub(super) state: State,
    pub(super) tail: Arc<Tail>,
    pub(super) memory: &'a mut WriterMemory,
}

impl TransactionStore {
    /// Opens or creates the store in `directory`.
    ///
    /// # Errors
    /// When the directory cannot be written, holds something else, or was made for a shop with
    /// another time zone or currency.
    pub fn open(directory: &Path, clock: ShopClock, currency: &str) -> Result<Self, StoreError> {
        let database = Database::open(Self::file_in(directory), MIGRATIONS)?;
        let store = Self {
            generation: Generation::open(database.path())?,
            seen: ArcSwapOption::empty(),
            database,
            clock,
            texts: TextsCache::default(),
            tails: Tails::default(),
            latest: LatestInstant::default(),
            queue: Queue::default(),
            maintenance: Maintenance::default(),
            packing: Mutex::default(),
            tail_limit: TAIL_LIMIT,
            cache: HistoryCache::default(),
            memory: Mutex::default(),
        };
        store.settle("time_zone", store.clock.name())?;
        store.settle("currency", currency)?;
        store.adopt_rows()?;
        if !store.generation.is(&store.reader()?.state()) {
            let told = store.write(&store.database.writer(), Durability::Relaxed, |_| Ok(()));
            match told.map_err(|fault| store.database.fault(fault)) {
                // Who is writing now will tell.
                Ok(()) | Err(StoreError::Busy { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(store)
    }

    /// The database file of a data directory.
    pub fn file_in(directory: &Path) -> PathBuf {
        directory.join("transactions.sqlite3")
    }

    /// The same store with another limit of the tail in memory, in bytes.
    #[must_use]
    pub fn with_tail_limit(self, bytes: usize) -> Self {
        Self { tail_limit: bytes, ..self }
    }

    /// The same store with a cache of histories of at most so many bytes; none when 0.
    #[must_use]
    pub fn with_cache(self, bytes: usize) -> Self {
        Self { cache: HistoryCache::new(bytes), ..self }
    }

    /// Memory of the lines that are not packed yet, in bytes.
    pub fn tail_bytes(&self) -> usize {
        self.tails.newest().bytes()
    }

    /// The shop's clock.
    pub fn clock(&self) -> &ShopClock {
        &self.clock
    }

    /// Now: later than everything that was appended, even when the machine's clock was set back.
    pub fn now(&self) -> Timestamp {
        let after_the_latest = Timestamp::from_micros(self.latest.micros().saturating_add(1));
        Timestamp::now().max(after_the_latest)
    }

    /// A consistent view of everything that is stored now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn reader(&self) -> Result<Reader<'_>, StoreError> {
        Reader::begin(self)
    }

    /// A consistent view of one customer as of now, which costs less than a [`Reader`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn glance(&self, customer: &CustomerId) -> Result<Glance, StoreError> {
        Glance::take(self, customer)
    }

    /// Removes every line of a customer, current and superseded, packed or not, the attributes, and
    /// the key itself. Returns the number of lines; 0 when the customer has none.
    ///
    /// # Errors
    /// When the medium fails; then nothing was removed.
    pub fn erase(&self, customer: &CustomerId) -> Result<u64, StoreError> {
        let writer = self.database.writer();
        let erased = self.write(&writer, Durability::Full, |writing| {
            let rows = attributes::erase(writing.connection, customer)?;
            Ok((rows, writing.erase(customer)?))
        });
        let (rows, erased) = erased.map_err(|fault| self.database.fault(fault))?;
        let lines = erased.map_or(0, |(lines, key, epoch)| {
            self.tails.change(|tail| {
                let is_before = tail.epoch + 1 == epoch;
                is_before.then(|| tail.without(key).ok()).flatten()
            });
            self.cache.begin_epoch(epoch);
            lines
        });
        if rows + lines == 0 {
            return Ok(0);
        }
        // Erased bytes must not live on in the write-ahead log. Where a reader still needs it, it is
        // emptied as soon as that one is done.
        let emptied = self.database.restart_log(&writer).unwrap_or_else(|error| {
            tracing::warn!(%error, "the write-ahead log was not emptied; trying again");
            false
        });
        if !emptied {
            self.maintenance.empty_log_soon();
        }
        Ok(lines)
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

    /// Runs `work` in one write transaction, which is dropped when it fails. What `writer`
    /// remembers of symbols and customers goes with the transaction.
    pub(super) fn write<T>(
        &self,
        writer: &Connection,
        durability: Durability,
        work: impl FnOnce(&mut Writing<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.database.transact(writer, durability, |connection| {
            let state = State::load(connection)?;
            memory.catch_up(connection, state.epoch)?;
            let tail = self.tails.current(connection, &state)?;
            let done = work(&mut Writing { connection, state, tail, memory: &mut memory })?;
            self.generation.tell(&State::load(connection)?)?;
            Ok(done)
        });
        if outcome.is_err() {
            *memory = WriterMemory::default();
        }
        outcome
    }

    /// Where the data set stands, if that is known without asking the database.
    pub(super) fn seen(&self) -> Option<Arc<Seen>> {
        self.seen.load_full().filter(|seen| self.generation.is(&seen.state))
    }

    /// Remembers where the data set stood.
    pub(super) fn saw(&self, state: &State, symbols: &Arc<SymbolTable>) {
        self.seen.store(Some(Arc::new(Seen { state: *state, symbols: Arc::clone(symbols) })));
    }

    /// Writes a setting of the shop into a new store, or checks it against an existing one.
    fn settle(&self, setting: &'static str, configured: &str) -> Result<(), StoreError> {
        let writer = self.database.writer();
        let fail = |error: rusqlite::Error| self.database.error(&error);
        let stored: Option<String> = writer
            .query_row("SELECT value FROM meta WHERE key = ?1", params![setting], |row| row.get(0))
            .optional()
            .map_err(fail)?;
        match stored {
            Some(stored) if stored == configured => Ok(()),
            Some(stored) => {
                Err(StoreError::Shop { setting, stored, configured: configured.to_owned() })
            }
            None => writer
                .execute("INSERT INTO meta VALUES (?1, ?2)", params![setting, configured])
                .map(|_| ())
                .map_err(fail),
        }
    }
}
