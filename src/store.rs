//! Durable storage in one data directory: transaction lines, import reports, jobs, audit.
//!
//! Two SQLite databases, so that a heartbeat of a job never waits for a bulk import:
//! `transactions.sqlite3` ([`TransactionStore`]) and `control.sqlite3` ([`ControlStore`]). Both use
//! a write-ahead log with full synchronisation: what a call confirmed survives a power cut, and
//! several processes may share the directory.

mod append;
mod audit;
mod control;
mod database;
mod error;
mod job;
mod reader;
mod row;
mod transactions;

pub use self::append::{AppendOutcome, Appender, IdentifiedLine};
pub use self::audit::AuditEntry;
pub use self::control::ControlStore;
pub use self::error::StoreError;
pub use self::job::{JobFailure, JobFilter, JobId, JobKind, JobRow, JobState, NewJob};
pub use self::reader::{DataSummary, Reader, SaleLine, StoredLine};
pub use self::transactions::TransactionStore;
