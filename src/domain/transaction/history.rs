//! Everything one customer bought, in the compact form that features are computed from.

use super::{
    LocalTime, Money, Quantity, ShopClock, Symbol, SymbolTable, Timestamp, TransactionLine,
};

/// An order's number: the XXH3 of its id; [`OrderKey::NONE`] when it has none.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OrderKey(u64);

impl OrderKey {
    /// The line belongs to no known order.
    pub const NONE: Self = Self(0);

    /// The key of an order id.
    pub fn of(order_id: Option<&str>) -> Self {
        let Some(order_id) = order_id else {
            return Self::NONE;
        };
        Self(xxhash_rust::xxh3::xxh3_64(order_id.as_bytes()).max(1))
    }

    /// The key with this number.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// Its number.
    pub const fn raw(self) -> u64 {
        self.0
    }
}

/// One line of a history. Texts are symbols of the data set's [`SymbolTable`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HistoryLine {
    /// When the sale happened.
    pub occurred_at: Timestamp,
    /// When the shop's systems knew of it.
    pub recorded_at: Timestamp,
    /// When a correction took its place; [`Timestamp::MAX`] while it holds.
    pub superseded_at: Timestamp,
    /// `occurred_at` on the shop's wall clock.
    pub local: LocalTime,
    /// The order it belongs to.
    pub order: OrderKey,
    /// The order it takes back.
    pub cancels: OrderKey,
    /// What was sold.
    pub product: Symbol,
    /// First part of the category path.
    pub category: Symbol,
    /// Web, store, phone.
    pub channel: Symbol,
    /// The shop's branch.
    pub store: Symbol,
    /// The promotion.
    pub promotion: Symbol,
    /// Units; negative for a return.
    pub quantity: Quantity,
    /// Quantity times price less discount.
    pub amount: Money,
    /// Money off.
    pub discount: Money,
    /// Amount less cost, where the cost is known.
    pub margin: Option<Money>,
}

impl HistoryLine {
    /// The compact form of `line`, with its texts in `symbols`.
    pub fn new(
        line: &TransactionLine,
        recorded_at: Timestamp,
        clock: &ShopClock,
        symbols: &mut SymbolTable,
    ) -> Self {
        let top_category =
            line.category.as_deref().map(|path| path.split('/').next().unwrap_or(path));
        Self {
            occurred_at: line.occurred_at,
            recorded_at,
            superseded_at: Timestamp::MAX,
            local: clock.local(line.occurred_at),
            order: OrderKey::of(line.order_id.as_deref()),
            cancels: OrderKey::of(line.cancels_order_id.as_deref()),
            product: symbols.intern(Some(&line.product_id)),
            category: symbols.intern(top_category),
            channel: symbols.intern(line.channel.as_deref()),
            store: symbols.intern(line.store_id.as_deref()),
            promotion: symbols.intern(line.promotion_id.as_deref()),
            quantity: line.quantity,
            amount: line.amount(),
            discount: line.discount,
            margin: line.margin(),
        }
    }

    /// Whether the line had happened and was known before `as_of`, and no correction was.
    pub fn is_visible(&self, as_of: Timestamp) -> bool {
        self.occurred_at < as_of && self.recorded_at < as_of && self.superseded_at >= as_of
    }

    /// Whether no correction took the line's place.
    pub fn is_current(&self) -> bool {
        self.superseded_at == Timestamp::MAX
    }

    /// Goods sold, not taken back.
    pub fn is_purchase(&self) -> bool {
        !self.quantity.is_return()
    }
}

/// The lines of one customer in order of time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CustomerHistory {
    lines: Vec<HistoryLine>,
}

impl CustomerHistory {
    /// A history of `lines`, which may come in any order.
    pub fn new(mut lines: Vec<HistoryLine>) -> Self {
        lines.sort_unstable();
        Self { lines }
    }

    /// Replaces the lines, which `fill` may push in any order, and keeps the memory.
    ///
    /// # Errors
    /// Those of `fill`; the history then holds what was pushed until then.
    pub fn refill<E>(
        &mut self,
        fill: impl FnOnce(&mut Vec<HistoryLine>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.lines.clear();
        let filled = fill(&mut self.lines);
        // They mostly come by time, and only those of one time have to be put in order.
        for together in self.lines.chunk_by_mut(|a, b| a.occurred_at == b.occurred_at) {
            if together.len() > 1 && !together.is_sorted() {
                together.sort_unstable();
            }
        }
        if !self.lines.is_sorted_by_key(|line| line.occurred_at) {
            self.lines.sort_unstable();
        }
        filled
    }

    /// Both histories as one.
    pub fn merge(self, other: Self) -> Self {
        let mut lines = self.lines;
        lines.extend(other.lines);
        Self::new(lines)
    }

    /// Its lines in order of time.
    pub fn lines(&self) -> &[HistoryLine] {
        &self.lines
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}
