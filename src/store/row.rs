//! Transaction lines as records and back; customers and texts as numbers.

use rusqlite::{Connection, OptionalExtension, params};
use xxhash_rust::xxh3::xxh3_128;

use crate::transaction::{
    CustomerId, LineRef, Money, Quantity, Symbol, SymbolTable, Timestamp, TransactionLine,
};

use super::bulk::TextNumbers;
use super::error::Fault;
use super::record::{HOLDS, Record};

/// Lines without a customer are kept by the hour, under keys below every customer's.
const ANONYMOUS: i64 = i64::MIN / 2;
const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// The key under which anonymous lines of this time are kept.
pub(super) fn anonymous_key(occurred_at: Timestamp) -> i64 {
    ANONYMOUS + occurred_at.micros().div_euclid(MICROS_PER_HOUR)
}

/// Whether the key is no customer's.
pub(super) fn is_anonymous(key: i64) -> bool {
    key < 0
}

/// A line as stored, with the time from which and until which it was known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredLine {
    /// The line.
    pub line: TransactionLine,
    /// When it became known.
    pub recorded_at: Timestamp,
    /// When a correction became known; [`Timestamp::MAX`] while it holds.
    pub superseded_at: Timestamp,
}

/// The record of a line, whose texts have these numbers.
pub(super) fn record<'a>(
    line: &LineRef<'a>,
    numbers: TextNumbers,
    occurrence: u32,
    recorded_at: Timestamp,
) -> Record<'a> {
    let TextNumbers { product, category, channel, store, promotion, country } = numbers;
    let mut record = Record {
        occurred_at: line.occurred_at.micros(),
        recorded_at: recorded_at.micros(),
        superseded_at: HOLDS,
        order_id: line.order_id.unwrap_or_default(),
        line_number: line.line_number,
        occurrence,
        cancels_order_id: line.cancels_order_id.unwrap_or_default(),
        product,
        category,
        channel,
        store,
        promotion,
        country,
        quantity: line.quantity.thousandths(),
        unit_price: line.unit_price.micros(),
        discount: line.discount.micros(),
        unit_cost: line.unit_cost.map(Money::micros),
    };
    if record.is_numbered() {
        record.occurrence = 0;
    }
    record
}

/// The line of a record.
pub(super) fn stored_line(
    record: &Record<'_>,
    customer_id: Option<CustomerId>,
    symbols: &SymbolTable,
) -> StoredLine {
    let text = |symbol: u32| symbols.text(Symbol::from_raw(symbol)).map(str::to_owned);
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let line = TransactionLine {
        customer_id,
        order_id: given(record.order_id),
        line_number: record.line_number,
        occurred_at: Timestamp::from_micros(record.occurred_at),
        product_id: text(record.product).unwrap_or_default(),
        category: text(record.category),
        quantity: Quantity::from_thousandths(record.quantity),
        unit_price: Money::from_micros(record.unit_price),
        discount: Money::from_micros(record.discount),
        unit_cost: record.unit_cost.map(Money::from_micros),
        channel: text(record.channel),
        store_id: text(record.store),
        promotion_id: text(record.promotion),
        country: text(record.country),
        cancels_order_id: given(record.cancels_order_id),
    };
    StoredLine {
        line,
        recorded_at: Timestamp::from_micros(record.recorded_at),
        superseded_at: Timestamp::from_micros(record.superseded_at),
    }
}

/// 128 bits that name what a line says about a sale; equal for the line sent again.
pub(super) fn sale_print(customer: i64, record: &Record<'_>, buffer: &mut Vec<u8>) -> u128 {
    buffer.clear();
    buffer.extend_from_slice(&customer.to_le_bytes());
    let known = Record { recorded_at: 0, superseded_at: HOLDS, ..*record };
    known.write(&Record::default(), buffer);
    xxh3_128(buffer)
}

/// 128 bits that name a numbered line in all its versions.
pub(super) fn number_print(record: &Record<'_>, buffer: &mut Vec<u8>) -> u128 {
    buffer.clear();
    buffer.extend_from_slice(&record.line_number.unwrap_or_default().to_le_bytes());
    buffer.extend_from_slice(record.order_id.as_bytes());
    xxh3_128(buffer)
}

/// The key of a customer. It is [`CustomerId::placement`], or the next free number where another
/// customer has that one.
pub(super) fn find_customer(
    connection: &Connection,
    customer: &CustomerId,
) -> rusqlite::Result<Result<i64, FreeKey>> {
    let mut select =
        connection.prepare_cached("SELECT customer_id FROM customer WHERE customer_key = ?1")?;
    let mut key = customer.placement();
    loop {
        let mut rows = select.query([key])?;
        match rows.next()? {
            None => return Ok(Err(FreeKey(key))),
            Some(row) if row.get_ref(0)?.as_str()? == customer.as_str() => return Ok(Ok(key)),
            Some(_) => key = (key + 1).max(0),
        }
    }
}

/// Stores a new customer under a free key.
pub(super) fn insert_customer(
    connection: &Connection,
    key: i64,
    customer: &CustomerId,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO customer VALUES (?1, ?2)")?
        .execute(params![key, customer.as_str()])?;
    Ok(())
}

/// A key that a new customer can have.
#[derive(Clone, Copy, Debug)]
pub(super) struct FreeKey(pub(super) i64);

/// The id behind a key; `None` for a key of anonymous lines.
pub(super) fn customer_id(connection: &Connection, key: i64) -> Result<Option<CustomerId>, Fault> {
    if is_anonymous(key) {
        return Ok(None);
    }
    let text: Option<String> = connection
        .prepare_cached("SELECT customer_id FROM customer WHERE customer_key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    text.map(|text| parse_customer(&text)).transpose()
}

pub(super) fn parse_customer(text: &str) -> Result<CustomerId, Fault> {
    CustomerId::parse(text)
        .map_err(|_| Fault::Damaged("a customer key breaks the contract".to_owned()))
}

/// The packed history of a key, and the last commit that is in it.
pub(super) fn packed_history(
    connection: &Connection,
    key: i64,
) -> rusqlite::Result<Option<(i64, Vec<u8>)>> {
    connection
        .prepare_cached("SELECT last_batch, lines FROM history WHERE customer_key = ?1")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
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

/// The number of a text, stored when it is new.
pub(super) fn intern(
    connection: &Connection,
    symbols: &mut SymbolTable,
    text: Option<&str>,
) -> rusqlite::Result<u32> {
    let known = symbols.len();
    let symbol = symbols.intern(text);
    if symbols.len() > known {
        connection
            .prepare_cached("INSERT INTO symbol VALUES (?1, ?2)")?
            .execute(params![symbol.raw(), text])?;
    }
    Ok(symbol.raw())
}

/// The numbers of a line's texts, which are stored when they are new; so is the first part of the
/// category path.
pub(super) fn intern_all(
    connection: &Connection,
    symbols: &mut SymbolTable,
    line: &LineRef<'_>,
) -> rusqlite::Result<TextNumbers> {
    let category = intern(connection, symbols, line.category)?;
    if let Some((top, _)) = line.category.and_then(|path| path.split_once('/')) {
        intern(connection, symbols, Some(top))?;
    }
    let others = LineRef { category: None, ..*line };
    let others = TextNumbers::of(&others, |text| intern(connection, symbols, Some(text)))?;
    Ok(TextNumbers { category, ..others })
}
