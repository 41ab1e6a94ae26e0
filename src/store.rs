//! Durable storage in one data directory: transaction lines, attributes of customers,
//! import reports, jobs, audit.
//!
//! Two SQLite databases, so that a heartbeat of a job never waits for a bulk import:
//! `transactions.sqlite3` ([`TransactionStore`]) and `control.sqlite3` ([`ControlStore`]). Both use
//! a write-ahead log with full synchronisation: what a call confirmed survives a power cut, and
//! several processes may share the directory.

mod adopt;
mod append;
mod attributes;
mod audit;
mod bulk;
pub(crate) mod bytes;
mod cache;
mod commit;
mod control;
mod database;
mod decode;
mod erase;
mod error;
mod generation;
mod glance;
mod history;
mod job;
mod maintenance;
mod merge;
mod pack;
mod packed;
mod reader;
mod record;
mod row;
mod scan;
mod schedule;
mod spill;
mod state;
mod tail;
mod tails;
mod texts;
mod transactions;
mod versions;

pub use self::attributes::{
    AttributeColumn, AttributeColumns, AttributeJoin, AttributeRow, Attributes, NamedAttributes,
};
pub use self::audit::{AuditEntry, Change};
pub use self::bulk::{Bulk, BulkBatch, BulkRow, BulkWriter, TextNumbers};
pub use self::cache::Remembered;
pub use self::commit::{AppendOutcome, NewLine};
pub use self::control::{ControlStore, EndedJob, JobCount};
pub use self::decode::SaleLine;
pub use self::error::StoreError;
pub use self::glance::Glance;
pub use self::job::{JobFailure, JobFilter, JobId, JobKind, JobRow, JobState, NewJob};
pub use self::maintenance::Maintainer;
pub use self::reader::{DataSummary, Reader};
pub use self::row::StoredLine;
pub use self::schedule::ScheduleState;
pub use self::transactions::TransactionStore;

#[cfg(test)]
mod tests;
