//! One customer's history and where the data set stands, by one query or none.
//!
//! What a [`Reader`] tells by a transaction of several queries, for the call that asks about one
//! customer: there the queries are most of the work.
//!
//! [`Reader`]: super::Reader

use std::sync::Arc;

use rusqlite::{Connection, Row};

use crate::transaction::{CustomerId, SymbolTable, Timestamp};

use super::cache::Remembered;
use super::decode::Decoder;
use super::error::Fault;
use super::history::Packed;
use super::state::State;
use super::tail::Tail;
use super::{StoreError, TransactionStore};

/// A customer whose key is her placement, as nearly all are.
const QUERY: &str = "
    SELECT state.epoch, state.packed_batch, state.last_batch, state.last_recorded_at, state.lines,
           state.customers, state.first_occurred_at, state.last_occurred_at, state.digest,
           (SELECT coalesce(max(symbol), 0) FROM symbol),
           customer.customer_id, history.last_batch, history.lines
    FROM state
    LEFT JOIN customer ON customer.customer_key = ?1
    LEFT JOIN history ON history.customer_key = ?1
    WHERE state.id = 1";

/// A consistent view of one customer.
#[derive(Clone, Debug)]
pub struct Glance {
    state: State,
    symbols: Arc<SymbolTable>,
    history: Arc<Remembered>,
}

impl Glance {
    pub(super) fn take(
        store: &TransactionStore,
        customer: &CustomerId,
    ) -> Result<Self, StoreError> {
        // Before the query: see `Tails`.
        let tail = store.tails.newest();
        if store.cache.is_on()
            && let Some(glance) = Self::from_memory(store, &tail, customer)
        {
            return Ok(glance);
        }
        let connection = store.database.reader()?;
        let taken = Self::by_one_query(store, &connection, &tail, customer);
        let taken = taken.map_err(|fault| store.database.fault(fault))?;
        store.database.release(connection);
        let glance = if let Some(glance) = taken {
            store.latest.advance(glance.state.last_recorded_at);
            glance
        } else {
            let mut reader = store.reader()?;
            let history = reader.history(customer)?;
            reader.glance(history)
        };
        if store.cache.is_on() {
            store.saw(&glance.state, &glance.symbols);
        }
        Ok(glance)
    }

    /// By no query at all: nothing was stored since the last one, and the customer is known.
    fn from_memory(store: &TransactionStore, tail: &Tail, customer: &CustomerId) -> Option<Self> {
        let seen = store.seen().filter(|seen| tail.reaches(&seen.state))?;
        let history = store.cache.find(customer, tail, seen.state.last_batch)?;
        Some(Self { state: seen.state, symbols: Arc::clone(&seen.symbols), history })
    }

    pub(super) fn new(state: State, symbols: Arc<SymbolTable>, history: Arc<Remembered>) -> Self {
        Self { state, symbols, history }
    }

    /// Nothing where more must be read: what another process stored, or new texts, or a customer
    /// whose placement was another's.
    fn by_one_query(
        store: &TransactionStore,
        connection: &Connection,
        tail: &Tail,
        customer: &CustomerId,
    ) -> Result<Option<Self>, Fault> {
        let key = customer.placement();
        let mut select = connection.prepare_cached(QUERY)?;
        let mut rows = select.query([key])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let state = State::of_row(row)?;
        let texts = store.texts.known(row.get(9)?);
        let (Some(texts), true) = (texts, tail.reaches(&state)) else { return Ok(None) };
        let upto = state.last_batch;
        let found = row.get_ref(10)?.as_str_or_null().map_err(rusqlite::Error::from)?;
        let history = match (found, store.cache.find(customer, tail, upto)) {
            (None, _) => Arc::default(),
            (Some(found), _) if found != customer.as_str() => return Ok(None),
            (Some(_), Some(known)) => known,
            (Some(_), None) => {
                let decoder = Decoder { clock: &store.clock, texts: &texts, tail, upto };
                store.cache.decode(customer, packed(key, row)?, &decoder)?
            }
        };
        Ok(Some(Self { state, symbols: texts.symbols, history }))
    }

    /// The whole history; empty when there is none.
    pub fn history(&self) -> &Remembered {
        &self.history
    }

    /// The texts behind its symbols.
    pub fn symbols(&self) -> &Arc<SymbolTable> {
        &self.symbols
    }

    /// When the newest of all stored lines occurred.
    pub fn last_occurred_at(&self) -> Option<Timestamp> {
        self.state.range().1
    }
}

fn packed<'a>(key: i64, row: &'a Row<'_>) -> rusqlite::Result<Packed<'a>> {
    let last_batch: Option<i64> = row.get(11)?;
    let lines = row.get_ref(12)?.as_blob_or_null()?;
    Ok(Packed { key, last_batch: last_batch.unwrap_or(0), lines: lines.unwrap_or_default() })
}
