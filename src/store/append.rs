//! Adding lines: identity, duplicates and corrections, in one transaction.

use std::collections::HashMap;
use std::sync::MutexGuard;

use rusqlite::{Connection, OptionalExtension, params};

use crate::transaction::{
    CustomerId, ImportReport, LineIdentity, Money, SymbolTable, Timestamp, TransactionLine,
};

use super::StoreError;
use super::database::Database;
use super::row::{self, ANONYMOUS, DataTotals, line_digest, read_line};

/// A line with its identity and the time at which the shop's systems knew of it.
#[derive(Clone, Debug)]
pub struct IdentifiedLine {
    /// The line.
    pub line: TransactionLine,
    /// Sending a line of this identity again changes nothing.
    pub identity: LineIdentity,
    /// When it became known.
    pub recorded_at: Timestamp,
}

/// What became of one line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AppendOutcome {
    /// It is new.
    Accepted,
    /// It was there already, unchanged.
    Duplicate,
    /// It took the place of another line of the same identity.
    Corrected,
}

/// An open write transaction; dropped without [`Appender::commit`], it leaves no trace.
#[derive(Debug)]
pub struct Appender<'a> {
    database: &'a Database,
    writer: MutexGuard<'a, Connection>,
    customers: HashMap<CustomerId, i64>,
    symbols: SymbolTable,
    totals: DataTotals,
    open: bool,
}

impl<'a> Appender<'a> {
    pub(super) fn begin(database: &'a Database) -> Result<Self, StoreError> {
        let writer = database.writer();
        let fail = |error: rusqlite::Error| database.error(&error);
        writer.execute_batch("BEGIN IMMEDIATE").map_err(fail)?;
        let mut appender = Self {
            database,
            writer,
            customers: HashMap::new(),
            symbols: SymbolTable::default(),
            totals: DataTotals::default(),
            open: true,
        };
        appender.symbols =
            row::load_symbols(&appender.writer, &SymbolTable::default()).map_err(fail)?;
        appender.totals = DataTotals::load(&appender.writer).map_err(fail)?;
        Ok(appender)
    }

    /// Adds one line.
    ///
    /// # Errors
    /// When the medium fails. Then the whole transaction is lost; drop it.
    pub fn append(&mut self, line: &IdentifiedLine) -> Result<AppendOutcome, StoreError> {
        self.insert_or_correct(line).map_err(|error| self.database.error(&error))
    }

    /// Makes everything durable, with the report of the import it belongs to.
    ///
    /// # Errors
    /// When the medium fails; then nothing was stored.
    pub fn commit(mut self, report: Option<(&str, &ImportReport)>) -> Result<(), StoreError> {
        let outcome = self.finish(report);
        self.open = outcome.is_err();
        outcome.map_err(|error| self.database.error(&error))
    }

    fn finish(&self, report: Option<(&str, &ImportReport)>) -> rusqlite::Result<()> {
        self.totals.save(&self.writer)?;
        if let Some((import_id, report)) = report {
            let text = serde_json::to_string(report)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
            self.writer.execute(
                "INSERT OR REPLACE INTO import_report VALUES (?1, ?2, ?3)",
                params![import_id, Timestamp::now().micros(), text],
            )?;
        }
        self.writer.execute_batch("COMMIT")
    }

    fn insert_or_correct(&mut self, new: &IdentifiedLine) -> rusqlite::Result<AppendOutcome> {
        let digest = line_digest(&new.line);
        if self.insert(new)? {
            self.totals.add(&digest, new.line.occurred_at);
            return Ok(AppendOutcome::Accepted);
        }
        let Some(old) = self.current(new.identity)? else {
            // The same version of a line that was corrected later: it is already part of history.
            return Ok(AppendOutcome::Duplicate);
        };
        if old.line == new.line {
            return Ok(AppendOutcome::Duplicate);
        }
        self.supersede(new, old.recorded_at)?;
        self.totals.remove(&line_digest(&old.line));
        self.insert(new)?;
        self.totals.add(&digest, new.line.occurred_at);
        Ok(AppendOutcome::Corrected)
    }

    /// Whether the row was new; an existing line of the same identity stays as it is.
    fn insert(&mut self, new: &IdentifiedLine) -> rusqlite::Result<bool> {
        let line = &new.line;
        let customer = self.customer_key(line.customer_id.as_ref())?;
        let category = self.symbol(line.category.as_deref())?;
        let top = line.category.as_deref().and_then(|path| path.split('/').next());
        self.symbol(top)?;
        let product = self.symbol(Some(&line.product_id))?;
        let channel = self.symbol(line.channel.as_deref())?;
        let store = self.symbol(line.store_id.as_deref())?;
        let promotion = self.symbol(line.promotion_id.as_deref())?;
        let country = self.symbol(line.country.as_deref())?;
        let mut insert = self.writer.prepare_cached(
            "INSERT OR IGNORE INTO line VALUES
             (?1, ?2, ?3, ?4, NULL, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?;
        let rows = insert.execute(params![
            customer,
            line.occurred_at.micros(),
            new.identity.as_bytes(),
            new.recorded_at.micros(),
            line.order_id,
            line.line_number,
            line.cancels_order_id,
            product,
            category,
            channel,
            store,
            promotion,
            country,
            line.quantity.thousandths(),
            line.unit_price.micros(),
            line.discount.micros(),
            line.unit_cost.map(Money::micros),
        ])?;
        Ok(rows == 1)
    }

    fn current(
        &self,
        identity: LineIdentity,
    ) -> rusqlite::Result<Option<super::reader::StoredLine>> {
        let sql = format!(
            "SELECT {} FROM line LEFT JOIN customer USING (customer_key)
             WHERE identity = ?1 AND superseded_at IS NULL",
            row::COLUMNS
        );
        let mut select = self.writer.prepare_cached(&sql)?;
        select
            .query_row(params![identity.as_bytes()], |row| read_line(row, &self.symbols))
            .optional()
    }

    /// Ends the validity of the current line when its correction became known; a line that was
    /// never valid is removed.
    fn supersede(&self, new: &IdentifiedLine, old_recorded_at: Timestamp) -> rusqlite::Result<()> {
        let identity = new.identity.as_bytes();
        if new.recorded_at <= old_recorded_at {
            self.writer
                .prepare_cached("DELETE FROM line WHERE identity = ?1 AND superseded_at IS NULL")?
                .execute(params![identity])?;
        } else {
            self.writer
                .prepare_cached(
                    "UPDATE line SET superseded_at = ?2
                     WHERE identity = ?1 AND superseded_at IS NULL",
                )?
                .execute(params![identity, new.recorded_at.micros()])?;
        }
        Ok(())
    }

    fn customer_key(&mut self, customer: Option<&CustomerId>) -> rusqlite::Result<i64> {
        let Some(customer) = customer else {
            return Ok(ANONYMOUS);
        };
        if let Some(key) = self.customers.get(customer) {
            return Ok(*key);
        }
        let key = match row::find_customer(&self.writer, customer)? {
            Some(key) => key,
            None => {
                self.writer
                    .prepare_cached("INSERT INTO customer (customer_id) VALUES (?1)")?
                    .execute(params![customer.as_str()])?;
                self.writer.last_insert_rowid()
            }
        };
        self.customers.insert(customer.clone(), key);
        Ok(key)
    }

    fn symbol(&mut self, text: Option<&str>) -> rusqlite::Result<u32> {
        let known = self.symbols.len();
        let symbol = self.symbols.intern(text);
        if self.symbols.len() > known {
            self.writer
                .prepare_cached("INSERT INTO symbol VALUES (?1, ?2)")?
                .execute(params![symbol.raw(), text])?;
        }
        Ok(symbol.raw())
    }
}

impl Drop for Appender<'_> {
    fn drop(&mut self) {
        if self.open {
            // The transaction may already be gone, for instance after a full disk.
            let rolled_back = self.writer.execute_batch("ROLLBACK");
            if let Err(error) = rolled_back {
                tracing::debug!(%error, "rollback after a failed append");
            }
        }
    }
}
