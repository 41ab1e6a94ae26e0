//! A transaction line as a row, and the running digest of all lines.

use rusqlite::types::{FromSqlError, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::transaction::{
    CustomerId, LineIdentity, Money, Quantity, Symbol, SymbolTable, Timestamp, TransactionLine,
};

use super::reader::StoredLine;

/// The key of lines without a customer.
pub(super) const ANONYMOUS: i64 = 0;

/// The columns that [`read_line`] reads, in its order.
pub(super) const COLUMNS: &str = "customer_id, occurred_at, recorded_at, superseded_at, order_id, \
     line_number, cancels_order_id, product, category, channel, store, promotion, country, \
     quantity, unit_price, discount, unit_cost";

/// Reads a row of [`COLUMNS`].
pub(super) fn read_line(row: &Row<'_>, symbols: &SymbolTable) -> rusqlite::Result<StoredLine> {
    let text = |index| -> rusqlite::Result<Option<String>> {
        let symbol: u32 = row.get(index)?;
        Ok(symbols.text(Symbol::from_raw(symbol)).map(str::to_owned))
    };
    let customer_id = match row.get_ref(0)? {
        ValueRef::Null => None,
        id => Some(CustomerId::parse(id.as_str()?).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, id.data_type(), Box::new(error))
        })?),
    };
    let missing = || rusqlite::Error::from(FromSqlError::InvalidType);
    let line = TransactionLine {
        customer_id,
        order_id: row.get(4)?,
        line_number: row.get(5)?,
        occurred_at: Timestamp::from_micros(row.get(1)?),
        product_id: text(7)?.ok_or_else(missing)?,
        category: text(8)?,
        quantity: Quantity::from_thousandths(row.get(13)?),
        unit_price: Money::from_micros(row.get(14)?),
        discount: Money::from_micros(row.get(15)?),
        unit_cost: row.get::<_, Option<i64>>(16)?.map(Money::from_micros),
        channel: text(9)?,
        store_id: text(10)?,
        promotion_id: text(11)?,
        country: text(12)?,
        cancels_order_id: row.get(6)?,
    };
    let superseded: Option<i64> = row.get(3)?;
    Ok(StoredLine {
        line,
        recorded_at: Timestamp::from_micros(row.get(2)?),
        superseded_at: superseded.map_or(Timestamp::MAX, Timestamp::from_micros),
    })
}

/// The key of a customer that has lines.
pub(super) fn find_customer(
    connection: &Connection,
    customer: &CustomerId,
) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT customer_key FROM customer WHERE customer_id = ?1")?
        .query_row(params![customer.as_str()], |row| row.get(0))
        .optional()
}

/// `known` and the symbols that were added to the database since.
pub(super) fn load_symbols(
    connection: &Connection,
    known: &SymbolTable,
) -> rusqlite::Result<SymbolTable> {
    let mut symbols = known.clone();
    let mut select =
        connection.prepare_cached("SELECT text FROM symbol WHERE symbol > ?1 ORDER BY symbol")?;
    let mut rows = select.query([known.len() as i64])?;
    while let Some(row) = rows.next()? {
        symbols.intern(Some(row.get_ref(0)?.as_str()?));
    }
    Ok(symbols)
}

/// A digest of one line's content, as [`DataTotals`] adds it up.
pub(super) fn line_digest(line: &TransactionLine) -> LineIdentity {
    line.content()
}

/// Number, range of time and digest of all current lines, kept up to date with every change.
///
/// The digest is the sum modulo 2^128 of the digests of the lines: it does not depend on their
/// order, and equal data sets have equal digests.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct DataTotals {
    sum: u128,
    lines: u64,
    first: Option<i64>,
    last: Option<i64>,
}

impl DataTotals {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let value = |key: &str| -> rusqlite::Result<Option<String>> {
            connection
                .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()
        };
        let sum = value("digest")?.and_then(|hex| u128::from_str_radix(&hex, 16).ok());
        let number = |text: Option<String>| text.and_then(|text| text.parse::<i64>().ok());
        Ok(Self {
            sum: sum.unwrap_or_default(),
            lines: number(value("lines")?).unwrap_or_default().max(0) as u64,
            first: number(value("first_occurred_at")?),
            last: number(value("last_occurred_at")?),
        })
    }

    pub(super) fn save(self, connection: &Connection) -> rusqlite::Result<()> {
        let mut upsert =
            connection.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?;
        upsert.execute(params!["digest", self.hex()])?;
        upsert.execute(params!["lines", self.lines.to_string()])?;
        for (key, instant) in [("first_occurred_at", self.first), ("last_occurred_at", self.last)] {
            if let Some(micros) = instant {
                upsert.execute(params![key, micros.to_string()])?;
            }
        }
        Ok(())
    }

    /// Adds a line whose [`line_digest`] is `digest`.
    pub(super) fn add(&mut self, digest: &LineIdentity, occurred_at: Timestamp) {
        self.sum = self.sum.wrapping_add(u128::from_le_bytes(*digest.as_bytes()));
        self.lines += 1;
        let micros = occurred_at.micros();
        self.first = Some(self.first.map_or(micros, |first| first.min(micros)));
        self.last = Some(self.last.map_or(micros, |last| last.max(micros)));
    }

    /// Takes a line away. The range of time may then be too wide; see [`DataTotals::set_range`].
    pub(super) fn remove(&mut self, digest: &LineIdentity) {
        self.sum = self.sum.wrapping_sub(u128::from_le_bytes(*digest.as_bytes()));
        self.lines = self.lines.saturating_sub(1);
    }

    /// Reads the range of time from the lines themselves, after some were taken away.
    pub(super) fn set_range(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        (self.first, self.last) = connection.query_row(
            "SELECT min(occurred_at), max(occurred_at) FROM line WHERE superseded_at IS NULL",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        if self.first.is_none() {
            connection.execute(
                "DELETE FROM meta WHERE key IN ('first_occurred_at', 'last_occurred_at')",
                [],
            )?;
        }
        Ok(())
    }

    /// The times of the earliest and the latest sale.
    pub(super) fn range(self) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.first.map(Timestamp::from_micros), self.last.map(Timestamp::from_micros))
    }

    /// Current lines.
    pub(super) fn lines(self) -> u64 {
        self.lines
    }

    /// 32 hex digits.
    pub(super) fn hex(self) -> String {
        format!("{:032x}", self.sum)
    }
}
