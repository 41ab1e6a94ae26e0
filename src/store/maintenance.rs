//! What keeps the store in shape beside the calls: packing, and emptying the write-ahead log.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{StoreError, TransactionStore};

/// The write-ahead log is moved into the database when it has grown by so much.
const LOG_BYTES: u64 = 64 << 20;
/// How often to look when nobody calls.
const PAUSE: Duration = Duration::from_secs(2);
/// How long packing waits at most for calls that came before it.
const PATIENCE: Duration = Duration::from_millis(5);

/// How appends and the thread of a [`Maintainer`] tell each other of their needs.
#[derive(Debug, Default)]
pub(super) struct Maintenance {
    closing: AtomicBool,
    running: AtomicBool,
    /// The log has what must not stay in it.
    empties_log: AtomicBool,
    wanted: Mutex<bool>,
    bell: Condvar,
}

impl Maintenance {
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Asks for the log to be emptied whatever its size, as soon as no reader needs it.
    pub(super) fn empty_log_soon(&self) {
        self.empties_log.store(true, Ordering::Release);
    }

    fn ring(&self) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }

    /// Waits for so long, or until the thread is to end.
    fn rest(&self, time: Duration) {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = self.bell.wait_timeout_while(wanted, time, |_| !self.is_closing());
        drop(rested.unwrap_or_else(PoisonError::into_inner));
    }

    fn wait(&self) {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(wanted, PAUSE, |wanted| !*wanted);
        let (mut wanted, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *wanted = false;
    }
}

/// The thread that maintains a store, until it is dropped.
#[derive(Debug)]
pub struct Maintainer {
    store: Arc<TransactionStore>,
    thread: Option<JoinHandle<()>>,
}

impl Maintainer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(store: Arc<TransactionStore>) -> Result<Self, StoreError> {
        let maintained = Arc::clone(&store);
        store.database.commits_empty_log(false)?;
        store.maintenance.running.store(true, Ordering::Release);
        let thread = thread::Builder::new()
            .name("maintain".to_owned())
            .spawn(move || maintained.maintain())
            .map_err(|error| StoreError::Open {
                path: store.database.path().to_owned(),
                detail: error.to_string(),
            })?;
        Ok(Self { store, thread: Some(thread) })
    }
}

impl Drop for Maintainer {
    fn drop(&mut self) {
        self.store.maintenance.closing.store(true, Ordering::Release);
        self.store.maintenance.ring();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the maintenance of the transaction store ended by a panic");
        }
        if let Err(error) = self.store.database.commits_empty_log(true) {
            tracing::error!(%error, "the write-ahead log stays as it is");
        }
        self.store.maintenance.running.store(false, Ordering::Release);
        self.store.maintenance.closing.store(false, Ordering::Release);
    }
}

impl TransactionStore {
    fn maintain(&self) {
        while !self.maintenance.is_closing() {
            self.maintenance.wait();
            let outcome = self.pack_when_large().and_then(|()| self.empty_log());
            if let Err(error) = outcome {
                tracing::error!(%error, "the transaction store could not be maintained; trying again");
                self.maintenance.rest(PAUSE);
            }
        }
    }

    /// Packs when the tail has reached half of its limit.
    fn pack_when_large(&self) -> Result<(), StoreError> {
        if self.tails.newest().bytes() > self.tail_limit / 2 { self.pack() } else { Ok(()) }
    }

    /// After a commit: asks for packing, or does it where nobody else will.
    pub(super) fn ask_for_maintenance(&self) {
        if self.tails.newest().bytes() <= self.tail_limit / 2 {
            return;
        }
        if self.maintenance.running.load(Ordering::Acquire) {
            self.maintenance.ring();
        }
    }

    /// Before an append: waits while the tail is over its limit, so that memory stays bounded when
    /// lines arrive faster than they are packed.
    pub(super) fn wait_for_packing(&self) -> Result<(), StoreError> {
        while self.tails.newest().bytes() > self.tail_limit {
            if !self.maintenance.running.load(Ordering::Acquire) {
                return self.pack();
            }
            self.maintenance.ring();
            self.maintenance.rest(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Lets appends go first that wait already.
    pub(super) fn let_writers_pass(&self) {
        let mut waited = Duration::ZERO;
        while !self.queue.is_empty() && waited < PATIENCE {
            self.maintenance.rest(Duration::from_millis(1));
            waited += Duration::from_millis(1);
        }
    }

    /// Moves the write-ahead log into the database when it is large. Most of it moves while others
    /// read and write; they wait only for what was added meanwhile.
    pub(super) fn empty_log(&self) -> Result<(), StoreError> {
        let log: PathBuf = self.database.path().with_extension("sqlite3-wal");
        let is_large = fs::metadata(log).map_or(0, |log| log.len()) >= LOG_BYTES;
        if !is_large && !self.maintenance.empties_log.load(Ordering::Acquire) {
            return Ok(());
        }
        let connection = self.database.reader()?;
        let moved = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        self.database.release(connection);
        moved.map_err(|error| self.database.error(&error))?;
        if self.database.restart_log(&self.database.writer())? {
            self.maintenance.empties_log.store(false, Ordering::Release);
        }
        Ok(())
    }
}
