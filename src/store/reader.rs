//! Reading lines and histories from one consistent view.

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};

use rusqlite::{Connection, Row};

use crate::transaction::{
    CustomerHistory, CustomerId, HistoryLine, ImportReport, LocalTime, Money, OrderKey, Quantity,
    ShopClock, Symbol, SymbolTable, Timestamp, TransactionLine,
};

use super::row::{self, ANONYMOUS, DataTotals, read_line};
use super::{StoreError, TransactionStore};

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

/// A current line, with or without a customer, as the sums of a panel need it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SaleLine {
    /// When the sale happened, on the shop's clock.
    pub local: LocalTime,
    /// What was sold.
    pub product: Symbol,
    /// The whole category path.
    pub category: Symbol,
    /// Web, store, phone.
    pub channel: Symbol,
    /// The shop's branch.
    pub store: Symbol,
    /// Country of the sale.
    pub country: Symbol,
    /// Units; negative for a return.
    pub quantity: Quantity,
    /// Quantity times price less discount.
    pub amount: Money,
    /// Amount less cost, where the cost is known.
    pub margin: Option<Money>,
}

/// What is stored, in a few numbers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataSummary {
    /// Current lines.
    pub lines: u64,
    /// Customers with at least one line.
    pub customers: u64,
    /// The earliest sale.
    pub first_occurred_at: Option<Timestamp>,
    /// The latest sale.
    pub last_occurred_at: Option<Timestamp>,
    /// Equal for equal data: 32 hex digits that do not depend on the order of arrival.
    pub digest: String,
}

/// A consistent view of the store: what is written after it was opened is not seen.
#[derive(Debug)]
pub struct Reader<'a> {
    store: &'a TransactionStore,
    connection: Option<Connection>,
    symbols: Arc<SymbolTable>,
    top_categories: Vec<Symbol>,
}

const HISTORY: &str = "occurred_at, recorded_at, superseded_at, order_id, cancels_order_id, \
     product, category, channel, store, promotion, quantity, unit_price, discount, unit_cost";

impl<'a> Reader<'a> {
    pub(super) fn begin(store: &'a TransactionStore) -> Result<Self, StoreError> {
        let connection = store.database.reader()?;
        let fail = |error: rusqlite::Error| store.database.error(&error);
        connection.execute_batch("BEGIN").map_err(fail)?;
        let symbols = current_symbols(store, &connection).map_err(fail)?;
        Ok(Self { store, connection: Some(connection), symbols, top_categories: Vec::new() })
    }

    /// The texts behind the symbols of every history from this reader.
    pub fn symbols(&self) -> &Arc<SymbolTable> {
        &self.symbols
    }

    /// The whole history of one customer; empty when there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn history(&mut self, customer: &CustomerId) -> Result<CustomerHistory, StoreError> {
        self.read(|reader, connection| {
            let Some(key) = row::find_customer(connection, customer)? else {
                return Ok(CustomerHistory::default());
            };
            let mut select = connection
                .prepare_cached(&format!("SELECT {HISTORY} FROM line WHERE customer_key = ?1"))?;
            let mut rows = select.query([key])?;
            let mut lines = Vec::new();
            while let Some(row) = rows.next()? {
                lines.push(reader.history_line(row, 0)?);
            }
            Ok(CustomerHistory::new(lines))
        })
    }

    /// Calls `visit` with each customer and history, in the order of first arrival, until it
    /// breaks. Memory holds one history at a time.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn scan(
        &mut self,
        mut visit: impl FnMut(CustomerId, CustomerHistory) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.read(|reader, connection| {
            let mut select = connection.prepare(&format!(
                "SELECT line.customer_key, customer_id, {HISTORY}
                 FROM line JOIN customer USING (customer_key)
                 WHERE line.customer_key > {ANONYMOUS} ORDER BY line.customer_key"
            ))?;
            let mut rows = select.query([])?;
            let mut open: Option<(i64, CustomerId)> = None;
            let mut lines = Vec::new();
            while let Some(row) = rows.next()? {
                let key: i64 = row.get(0)?;
                if open.as_ref().is_none_or(|(current, _)| *current != key) {
                    let next = (key, customer_id(row)?);
                    if let Some((_, customer)) = open.replace(next) {
                        let history = CustomerHistory::new(std::mem::take(&mut lines));
                        if visit(customer, history).is_break() {
                            return Ok(());
                        }
                    }
                }
                lines.push(reader.history_line(row, 2)?);
            }
            if let Some((_, customer)) = open {
                // The last history: there is nothing left to break off.
                let _ = visit(customer, CustomerHistory::new(lines));
            }
            Ok(())
        })
    }

    /// Calls `visit` with every current line of every customer and of nobody, in no set order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn scan_sales(
        &mut self,
        mut visit: impl FnMut(&SaleLine) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.read(|reader, connection| {
            let mut select = connection.prepare(
                "SELECT occurred_at, product, category, channel, store, country, quantity,
                        unit_price, discount, unit_cost
                 FROM line WHERE superseded_at IS NULL",
            )?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                if visit(&sale_line(row, &reader.store.clock)?).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// The lines of one customer, latest first, after skipping `skip` of them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn lines(
        &mut self,
        customer: &CustomerId,
        skip: u64,
        limit: u64,
    ) -> Result<Vec<StoredLine>, StoreError> {
        self.read(|reader, connection| {
            let Some(key) = row::find_customer(connection, customer)? else {
                return Ok(Vec::new());
            };
            let mut select = connection.prepare_cached(&format!(
                "SELECT {} FROM line JOIN customer USING (customer_key)
                 WHERE customer_key = ?1 AND superseded_at IS NULL
                 ORDER BY occurred_at DESC, identity LIMIT ?2 OFFSET ?3",
                row::COLUMNS
            ))?;
            let lines = select.query_map([key, limit as i64, skip as i64], |row| {
                read_line(row, &reader.symbols)
            })?;
            lines.collect()
        })
    }

    /// Lines, customers, time range and digest.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn summary(&mut self) -> Result<DataSummary, StoreError> {
        self.read(|_, connection| {
            let totals = DataTotals::load(connection)?;
            let customers: i64 =
                connection.query_row("SELECT count(*) FROM customer", [], |row| row.get(0))?;
            let (first_occurred_at, last_occurred_at) = totals.range();
            Ok(DataSummary {
                lines: totals.lines(),
                customers: customers as u64,
                first_occurred_at,
                last_occurred_at,
                digest: totals.hex(),
            })
        })
    }

    /// The time of the latest sale, without counting anything.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn last_occurred_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|_, connection| Ok(DataTotals::load(connection)?.range().1))
    }

    /// The reports of all imports, earliest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn import_reports(&mut self) -> Result<Vec<ImportReport>, StoreError> {
        let texts: Vec<String> = self.read(|_, connection| {
            let mut select =
                connection.prepare("SELECT report FROM import_report ORDER BY created_at")?;
            let texts = select.query_map([], |row| row.get(0))?;
            texts.collect()
        })?;
        texts.iter().map(|text| self.store.decode_report(text)).collect()
    }

    fn read<T>(
        &mut self,
        query: impl FnOnce(&Self, &Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.map_top_categories();
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.store.database.reader()?,
        };
        let outcome = query(self, &connection);
        self.connection = Some(connection);
        outcome.map_err(|error| self.store.database.error(&error))
    }

    /// The symbol of the first part of each category path, by the path's number.
    fn map_top_categories(&mut self) {
        if self.top_categories.len() == self.symbols.len() + 1 {
            return;
        }
        let top = |number: u32| {
            let path = self.symbols.text(Symbol::from_raw(number))?;
            self.symbols.find(path.split('/').next()?)
        };
        let numbers = 0..=self.symbols.len() as u32;
        self.top_categories = numbers.map(|number| top(number).unwrap_or_default()).collect();
    }

    fn history_line(&self, row: &Row<'_>, from: usize) -> rusqlite::Result<HistoryLine> {
        let symbol = |index: usize| row.get(from + index).map(Symbol::from_raw);
        let occurred_at = Timestamp::from_micros(row.get(from)?);
        let superseded: Option<i64> = row.get(from + 2)?;
        let order = |index: usize| -> rusqlite::Result<OrderKey> {
            Ok(OrderKey::of(row.get_ref(from + index)?.as_str_or_null()?))
        };
        let amounts = Amounts::read(row, from + 10)?;
        let category = self.top_categories.get(symbol(6)?.raw() as usize).copied();
        Ok(HistoryLine {
            occurred_at,
            recorded_at: Timestamp::from_micros(row.get(from + 1)?),
            superseded_at: superseded.map_or(Timestamp::MAX, Timestamp::from_micros),
            local: self.store.clock.local(occurred_at),
            order: order(3)?,
            cancels: order(4)?,
            product: symbol(5)?,
            category: category.unwrap_or_default(),
            channel: symbol(7)?,
            store: symbol(8)?,
            promotion: symbol(9)?,
            quantity: amounts.quantity,
            amount: amounts.amount(),
            discount: amounts.discount,
            margin: amounts.margin(),
        })
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && connection.execute_batch("ROLLBACK").is_ok()
        {
            self.store.database.release(connection);
        }
    }
}

/// The columns `quantity, unit_price, discount, unit_cost` of a row.
struct Amounts {
    quantity: Quantity,
    unit_price: Money,
    discount: Money,
    unit_cost: Option<Money>,
}

impl Amounts {
    fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            quantity: Quantity::from_thousandths(row.get(from)?),
            unit_price: Money::from_micros(row.get(from + 1)?),
            discount: Money::from_micros(row.get(from + 2)?),
            unit_cost: row.get::<_, Option<i64>>(from + 3)?.map(Money::from_micros),
        })
    }

    fn amount(&self) -> Money {
        self.quantity.line_amount(self.unit_price, self.discount)
    }

    fn margin(&self) -> Option<Money> {
        Some(self.amount() - self.quantity.times(self.unit_cost?)?)
    }
}

fn customer_id(row: &Row<'_>) -> rusqlite::Result<CustomerId> {
    let text = row.get_ref(1)?;
    CustomerId::parse(text.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(1, text.data_type(), Box::new(error))
    })
}

fn sale_line(row: &Row<'_>, clock: &ShopClock) -> rusqlite::Result<SaleLine> {
    let symbol = |index: usize| row.get(index).map(Symbol::from_raw);
    let amounts = Amounts::read(row, 6)?;
    Ok(SaleLine {
        local: clock.local(Timestamp::from_micros(row.get(0)?)),
        product: symbol(1)?,
        category: symbol(2)?,
        channel: symbol(3)?,
        store: symbol(4)?,
        country: symbol(5)?,
        quantity: amounts.quantity,
        amount: amounts.amount(),
        margin: amounts.margin(),
    })
}

/// The symbols as of this view; shared between readers while none is added.
fn current_symbols(
    store: &TransactionStore,
    connection: &Connection,
) -> rusqlite::Result<Arc<SymbolTable>> {
    let cached = store.cached_symbols();
    let count: i64 = connection
        .prepare_cached("SELECT coalesce(max(symbol), 0) FROM symbol")?
        .query_row([], |row| row.get(0))?;
    if count as usize <= cached.len() {
        return Ok(cached);
    }
    let loaded = Arc::new(row::load_symbols(connection, &cached)?);
    let mut newest = store.symbols.write().unwrap_or_else(PoisonError::into_inner);
    if loaded.len() > newest.len() {
        *newest = Arc::clone(&loaded);
    }
    Ok(loaded)
}
