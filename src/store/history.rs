//! A customer's records from both places: the packed ones and the changes of the tail.

use rusqlite::Connection;

use super::error::Fault;
use super::packed::unpack;
use super::record::Record;
use super::row::packed_history;
use super::tail::{Tail, apply};

/// The stored bytes of one customer, and what the tail adds to them.
#[derive(Debug)]
pub(super) struct StoredHistory<'a> {
    key: i64,
    packed: Option<(i64, Vec<u8>)>,
    tail: &'a Tail,
    upto: i64,
}

impl<'a> StoredHistory<'a> {
    /// The history under `key` as of the commit `upto`.
    pub(super) fn load(
        connection: &Connection,
        tail: &'a Tail,
        key: i64,
        upto: i64,
    ) -> rusqlite::Result<Self> {
        Ok(Self { key, packed: packed_history(connection, key)?, tail, upto })
    }

    /// The last commit in the packed part; `None` without one.
    pub(super) fn packed_batch(&self) -> Option<i64> {
        self.packed.as_ref().map(|(batch, _)| *batch)
    }

    /// All records, corrected ones too.
    pub(super) fn records(&self) -> Result<Vec<Record<'_>>, Fault> {
        let mut records = Vec::new();
        if let Some((_, blob)) = &self.packed {
            let packed = unpack(blob)?;
            records.reserve(packed.len());
            for record in packed {
                records.push(record?);
            }
        }
        let packed_batch = self.packed_batch().unwrap_or_default();
        for change in self.tail.changes(self.key, packed_batch, self.upto) {
            let (change, record) = change?;
            apply(&mut records, change, record);
        }
        Ok(records)
    }
}
