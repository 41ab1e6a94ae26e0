//! The texts behind symbols, shared between readers while none is added.

use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Connection;

use crate::transaction::{Symbol, SymbolTable};

use super::row::load_symbols;

/// The symbols of a data set, and which of them are the first part of which category path.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    pub(super) symbols: Arc<SymbolTable>,
    top_categories: Arc<[Symbol]>,
}

impl Texts {
    fn new(symbols: SymbolTable) -> Self {
        let top = |number: u32| {
            let path = symbols.text(Symbol::from_raw(number))?;
            symbols.find(path.split('/').next()?)
        };
        let numbers = 0..=symbols.len() as u32;
        let top_categories = numbers.map(|number| top(number).unwrap_or_default()).collect();
        Self { symbols: Arc::new(symbols), top_categories }
    }

    /// The first part of a category path.
    #[inline]
    pub(super) fn top_category(&self, path: u32) -> Symbol {
        self.top_categories.get(path as usize).copied().unwrap_or_default()
    }
}

/// The newest texts that this process knows.
#[derive(Debug, Default)]
pub(super) struct TextsCache(RwLock<Texts>);

impl TextsCache {
    /// The texts as of the transaction of `connection`, or newer ones.
    pub(super) fn current(&self, connection: &Connection) -> rusqlite::Result<Texts> {
        let count = connection
            .prepare_cached("SELECT coalesce(max(symbol), 0) FROM symbol")?
            .query_row([], |row| row.get(0))?;
        if let Some(known) = self.known(count) {
            return Ok(known);
        }
        let known = self.newest();
        let loaded = Texts::new(load_symbols(connection, &known.symbols)?);
        let mut newest = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if loaded.symbols.len() > newest.symbols.len() {
            *newest = loaded.clone();
        }
        Ok(loaded)
    }

    /// The texts, if there are no more than `count` in the database.
    pub(super) fn known(&self, count: i64) -> Option<Texts> {
        Some(self.newest()).filter(|known| count as usize <= known.symbols.len())
    }

    fn newest(&self) -> Texts {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
