//! A customer's records from both places: the packed ones and the changes of the tail.

use rusqlite::Connection;

use super::error::Fault;
use super::packed::unpack;
use super::record::Record;
use super::row::packed_history;
use super::tail::{Tail, apply};

/// The packed part of one history.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed<'a> {
    pub(super) key: i64,
    /// The last commit that is packed, 0 when nothing is.
    pub(super) last_batch: i64,
    /// The blob; empty when nothing is packed.
    pub(super) lines: &'a [u8],
}

impl<'a> Packed<'a> {
    /// All records under the key as of the commit `upto`, corrected ones too.
    pub(super) fn records(&self, tail: &'a Tail, upto: i64) -> Result<Vec<Record<'a>>, Fault> {
        let mut records = Vec::new();
        if !self.lines.is_empty() {
            let packed = unpack(self.lines)?;
            records.reserve(packed.len());
            for record in packed {
                records.push(record?);
            }
        }
        for change in tail.changes(self.key, self.last_batch, upto) {
            let (change, record) = change?;
            apply(&mut records, change, record);
        }
        Ok(records)
    }
}

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

    /// The history under a key of which nothing is packed.
    pub(super) fn none(tail: &'a Tail, key: i64, upto: i64) -> Self {
        Self { key, packed: None, tail, upto }
    }

    /// The last commit in the packed part; `None` without one.
    pub(super) fn packed_batch(&self) -> Option<i64> {
        self.packed.as_ref().map(|(batch, _)| *batch)
    }

    /// The packed part.
    pub(super) fn packed(&self) -> Packed<'_> {
        let (last_batch, lines) = match &self.packed {
            Some((last_batch, lines)) => (*last_batch, lines.as_slice()),
            None => (0, Default::default()),
        };
        Packed { key: self.key, last_batch, lines }
    }

    /// All records, corrected ones too.
    pub(super) fn records(&self) -> Result<Vec<Record<'_>>, Fault> {
        self.packed().records(self.tail, self.upto)
    }
}
