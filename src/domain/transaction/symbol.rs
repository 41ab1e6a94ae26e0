//! Small integers for the texts that repeat on every line: products, stores, channels.

use std::sync::Arc;

use foldhash::HashMap;

/// A text's number in one [`SymbolTable`]; [`Symbol::NONE`] stands for "not given".
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Symbol(u32);

impl Symbol {
    /// No text.
    pub const NONE: Self = Self(0);

    /// The symbol with this number; 0 is [`Symbol::NONE`].
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// Its number.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// `None` for [`Symbol::NONE`].
    pub fn present(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

/// The texts of one data set, numbered from 1 in the order of their first appearance.
#[derive(Clone, Debug, Default)]
pub struct SymbolTable {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

impl SymbolTable {
    /// The symbol of `text`, added when new. `None` and the empty text give [`Symbol::NONE`].
    pub fn intern(&mut self, text: Option<&str>) -> Symbol {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Symbol::NONE;
        };
        if let Some(number) = self.numbers.get(text) {
            return Symbol(*number);
        }
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        let number = self.texts.len() as u32;
        self.numbers.insert(text, number);
        Symbol(number)
    }

    /// The symbol of `text` when the table knows it.
    pub fn find(&self, text: &str) -> Option<Symbol> {
        self.numbers.get(text).copied().map(Symbol)
    }

    /// The text of `symbol`; `None` for [`Symbol::NONE`] and for numbers of another table.
    pub fn text(&self, symbol: Symbol) -> Option<&str> {
        let index = (symbol.0 as usize).checked_sub(1)?;
        self.texts.get(index).map(AsRef::as_ref)
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}
