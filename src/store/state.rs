//! The row that says where the data set stands; it changes with every commit.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::transaction::{LineIdentity, Timestamp};

/// Numbers of the current lines, and of what was done to them.
///
/// The digest is the sum modulo 2^128 of the digests of the lines: it does not depend on their
/// order, and equal data sets have equal digests.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct State {
    /// Grows when histories change by other means than commits and packing.
    pub(super) epoch: i64,
    /// Commits up to this one are packed, for all customers.
    pub(super) packed_batch: i64,
    /// The last commit.
    pub(super) last_batch: i64,
    /// The latest `recorded_at` that this program gave out, 0 before the first.
    pub(super) last_recorded_at: i64,
    pub(super) lines: u64,
    pub(super) customers: u64,
    first: Option<i64>,
    last: Option<i64>,
    digest: u128,
}

/// What some added and removed lines change.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StateChange {
    lines: i64,
    range: Option<(i64, i64)>,
    digest: u128,
}

impl StateChange {
    /// Counts a line; see [`State::add`].
    pub(super) fn add(&mut self, digest: LineIdentity, occurred_at: i64) {
        self.digest = self.digest.wrapping_add(u128::from_le_bytes(*digest.as_bytes()));
        self.lines += 1;
        let (first, last) = self.range.unwrap_or((occurred_at, occurred_at));
        self.range = Some((first.min(occurred_at), last.max(occurred_at)));
    }

    /// Takes a line away; see [`State::remove`].
    pub(super) fn remove(&mut self, digest: LineIdentity) {
        self.digest = self.digest.wrapping_sub(u128::from_le_bytes(*digest.as_bytes()));
        self.lines -= 1;
    }
}

impl State {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let found = connection
            .prepare_cached(
                "SELECT epoch, packed_batch, last_batch, last_recorded_at, lines, customers,
                        first_occurred_at, last_occurred_at, digest FROM state WHERE id = 1",
            )?
            .query_row([], Self::of_row)
            .optional()?;
        Ok(found.unwrap_or_default())
    }

    /// From a row that begins with the columns of [`State::load`].
    pub(super) fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let digest: [u8; 16] = row.get(8)?;
        Ok(Self {
            epoch: row.get(0)?,
            packed_batch: row.get(1)?,
            last_batch: row.get(2)?,
            last_recorded_at: row.get(3)?,
            lines: row.get::<_, i64>(4)? as u64,
            customers: row.get::<_, i64>(5)? as u64,
            first: row.get(6)?,
            last: row.get(7)?,
            digest: u128::from_le_bytes(digest),
        })
    }

    pub(super) fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO state VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                self.epoch,
                self.packed_batch,
                self.last_batch,
                self.last_recorded_at,
                self.lines as i64,
                self.customers as i64,
                self.first,
                self.last,
                self.digest.to_le_bytes(),
            ])?;
        Ok(())
    }

    /// Counts a line whose digest is `digest`.
    pub(super) fn add(&mut self, digest: LineIdentity, occurred_at: i64) {
        self.digest = self.digest.wrapping_add(u128::from_le_bytes(*digest.as_bytes()));
        self.lines += 1;
        self.first = Some(self.first.map_or(occurred_at, |first| first.min(occurred_at)));
        self.last = Some(self.last.map_or(occurred_at, |last| last.max(occurred_at)));
    }

    /// Takes a line away. The range of time may then be too wide; see [`State::set_range`].
    pub(super) fn remove(&mut self, digest: LineIdentity) {
        self.digest = self.digest.wrapping_sub(u128::from_le_bytes(*digest.as_bytes()));
        self.lines = self.lines.saturating_sub(1);
    }

    /// Counts and takes away what `change` did.
    pub(super) fn apply(&mut self, change: &StateChange) {
        self.digest = self.digest.wrapping_add(change.digest);
        self.lines = self.lines.saturating_add_signed(change.lines);
        let first = [self.first, change.range.map(|(first, _)| first)];
        self.first = first.into_iter().flatten().min();
        self.last = self.last.max(change.range.map(|(_, last)| last));
    }

    /// Whether a sale at this time may be the first or the last.
    pub(super) fn is_at_the_edge(&self, occurred_at: i64) -> bool {
        self.first == Some(occurred_at) || self.last == Some(occurred_at)
    }

    /// Replaces the range of time.
    pub(super) fn set_range(&mut self, range: Option<(i64, i64)>) {
        self.first = range.map(|(first, _)| first);
        self.last = range.map(|(_, last)| last);
    }

    /// The times of the earliest and the latest sale.
    pub(super) fn range(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.first.map(Timestamp::from_micros), self.last.map(Timestamp::from_micros))
    }

    /// 32 hex digits.
    pub(super) fn hex(&self) -> String {
        format!("{:032x}", self.digest)
    }
}
