//! One line as bytes: only what differs from the line before it is written.
//!
//! The same coding serves the tail, where every line stands for itself, and the packed histories,
//! where a line costs about twenty bytes.

use crate::transaction::{HistoryLine, LocalTime, Money, OrderKey, Quantity, Symbol, Timestamp};

use super::bytes::{Bytes, CENT, SECOND, UNIT, put, put_scaled, put_text, zigzag};

/// A line with its texts as symbols, and with the span of time in which it was known.
///
/// Order ids hardly repeat beyond a receipt, so they stay texts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Record<'a> {
    pub(super) occurred_at: i64,
    pub(super) recorded_at: i64,
    /// `i64::MAX` while the line holds.
    pub(super) superseded_at: i64,
    /// Empty when there is none.
    pub(super) order_id: &'a str,
    pub(super) line_number: Option<u32>,
    /// Which of several equal lines without a number, from 1; 0 for a numbered line.
    pub(super) occurrence: u32,
    /// Empty when there is none.
    pub(super) cancels_order_id: &'a str,
    pub(super) product: u32,
    pub(super) category: u32,
    pub(super) channel: u32,
    pub(super) store: u32,
    pub(super) promotion: u32,
    pub(super) country: u32,
    pub(super) quantity: i64,
    pub(super) unit_price: i64,
    pub(super) discount: i64,
    pub(super) unit_cost: Option<i64>,
}

/// Marks a line that no correction has replaced.
pub(super) const HOLDS: i64 = i64::MAX;

const SAME_ORDER: u16 = 1;
const SAME_TIME: u16 = 1 << 1;
const SAME_RECORDED: u16 = 1 << 2;
const RECORDED_AT_SALE: u16 = 1 << 3;
const SUPERSEDED: u16 = 1 << 4;
const HAS_NUMBER: u16 = 1 << 5;
const NEXT_NUMBER: u16 = 1 << 6;
const CANCELS: u16 = 1 << 7;
const SAME_PLACE: u16 = 1 << 8;
const SAME_CATEGORY: u16 = 1 << 9;
const DISCOUNTED: u16 = 1 << 10;
const COST_KNOWN: u16 = 1 << 11;
const ONE_UNIT: u16 = 1 << 12;
const WHOLE_CENTS: u16 = 1 << 13;
const REPEATED: u16 = 1 << 14;

impl Record<'_> {
    /// Whether no correction has replaced the line.
    pub(super) fn is_current(&self) -> bool {
        self.superseded_at == HOLDS
    }

    /// Whether order and number name the line; its content does otherwise.
    pub(super) fn is_numbered(&self) -> bool {
        self.line_number.is_some() && !self.order_id.is_empty()
    }

    /// Whether both are the same numbered line of the same order, in any version.
    pub(super) fn is_same_numbered_line(&self, other: &Record<'_>) -> bool {
        self.is_numbered()
            && self.line_number == other.line_number
            && self.order_id == other.order_id
    }

    /// Ends the line's validity at `at`, but not before it began: a line that was corrected by one
    /// known no later was never valid.
    pub(super) fn supersede(&mut self, at: i64) {
        self.superseded_at = at.max(self.recorded_at);
    }

    /// What decides the place of a line within a packed history.
    pub(super) fn order(&self) -> impl Ord + use<> {
        (self.occurred_at, self.recorded_at, self.superseded_at, self.order_key(), self.product)
    }

    /// The hash of the order id.
    pub(super) fn order_key(&self) -> OrderKey {
        OrderKey::of(Some(self.order_id).filter(|id| !id.is_empty()))
    }

    /// Quantity times price less the discount.
    pub(super) fn amount(&self) -> Money {
        let price = Money::from_micros(self.unit_price);
        Quantity::from_thousandths(self.quantity)
            .line_amount(price, Money::from_micros(self.discount))
    }

    /// The form that features are computed from. `category` is the first part of the path.
    #[inline]
    pub(super) fn history_line(
        &self,
        local: LocalTime,
        order: OrderKey,
        category: Symbol,
    ) -> HistoryLine {
        let cancels = Some(self.cancels_order_id).filter(|id| !id.is_empty());
        let (quantity, amount) = (Quantity::from_thousandths(self.quantity), self.amount());
        let cost = self.unit_cost.and_then(|cost| quantity.times(Money::from_micros(cost)));
        HistoryLine {
            occurred_at: Timestamp::from_micros(self.occurred_at),
            recorded_at: Timestamp::from_micros(self.recorded_at),
            superseded_at: Timestamp::from_micros(self.superseded_at),
            local,
            order,
            cancels: OrderKey::of(cancels),
            product: Symbol::from_raw(self.product),
            category,
            channel: Symbol::from_raw(self.channel),
            store: Symbol::from_raw(self.store),
            promotion: Symbol::from_raw(self.promotion),
            quantity,
            amount,
            discount: Money::from_micros(self.discount),
            margin: cost.map(|cost| amount - cost),
        }
    }

    /// Appends the record to `bytes`, as different from `previous`.
    pub(super) fn write(&self, previous: &Record<'_>, bytes: &mut Vec<u8>) {
        let flags = self.flags(previous);
        bytes.extend_from_slice(&flags.to_le_bytes());
        if flags & SAME_ORDER == 0 {
            put_text(bytes, self.order_id);
        }
        if flags & SAME_TIME == 0 {
            put_scaled(bytes, self.occurred_at.wrapping_sub(previous.occurred_at), SECOND);
        }
        if flags & (SAME_RECORDED | RECORDED_AT_SALE) == 0 {
            put_scaled(bytes, self.recorded_at.wrapping_sub(previous.recorded_at), SECOND);
        }
        if flags & SUPERSEDED != 0 {
            put_scaled(bytes, self.superseded_at.wrapping_sub(self.recorded_at), SECOND);
        }
        if let Some(number) = self.line_number.filter(|_| flags & NEXT_NUMBER == 0) {
            put(bytes, u64::from(number));
        }
        if flags & REPEATED != 0 {
            put(bytes, u64::from(self.occurrence));
        }
        if flags & CANCELS != 0 {
            put_text(bytes, self.cancels_order_id);
        }
        self.write_symbols(flags, bytes);
        self.write_amounts(flags, bytes);
    }

    fn write_symbols(&self, flags: u16, bytes: &mut Vec<u8>) {
        put(bytes, u64::from(self.product));
        if flags & SAME_CATEGORY == 0 {
            put(bytes, u64::from(self.category));
        }
        if flags & SAME_PLACE == 0 {
            for symbol in [self.channel, self.store, self.promotion, self.country] {
                put(bytes, u64::from(symbol));
            }
        }
    }

    fn write_amounts(&self, flags: u16, bytes: &mut Vec<u8>) {
        let scale = if flags & WHOLE_CENTS == 0 { 1 } else { CENT };
        if flags & ONE_UNIT == 0 {
            put_scaled(bytes, self.quantity, UNIT);
        }
        put(bytes, zigzag(self.unit_price / scale));
        if flags & DISCOUNTED != 0 {
            put(bytes, zigzag(self.discount / scale));
        }
        if let Some(cost) = self.unit_cost {
            put(bytes, zigzag(cost / scale));
        }
    }

    fn flags(&self, previous: &Record<'_>) -> u16 {
        let place =
            |record: &Record<'_>| (record.channel, record.store, record.promotion, record.country);
        let next = previous.line_number.map_or(Some(1), |number| number.checked_add(1));
        let cents = [self.unit_price, self.discount, self.unit_cost.unwrap_or_default()];
        [
            (SAME_ORDER, self.order_id == previous.order_id),
            (SAME_TIME, self.occurred_at == previous.occurred_at),
            (RECORDED_AT_SALE, self.recorded_at == self.occurred_at),
            (SAME_RECORDED, self.recorded_at == previous.recorded_at),
            (SUPERSEDED, !self.is_current()),
            (HAS_NUMBER, self.line_number.is_some()),
            (NEXT_NUMBER, self.line_number.is_some() && self.line_number == next),
            (CANCELS, !self.cancels_order_id.is_empty()),
            (SAME_PLACE, place(self) == place(previous)),
            (SAME_CATEGORY, self.category == previous.category),
            (DISCOUNTED, self.discount != 0),
            (COST_KNOWN, self.unit_cost.is_some()),
            (ONE_UNIT, self.quantity == UNIT),
            (WHOLE_CENTS, cents.iter().all(|money| money % CENT == 0)),
            (REPEATED, !self.is_numbered() && self.occurrence != 1),
        ]
        .into_iter()
        .fold(0, |flags, (flag, holds)| if holds { flags | flag } else { flags })
    }
}

impl<'a> Record<'a> {
    /// The next record of `bytes`, as different from `previous`; `None` when they are damaged.
    pub(super) fn read(bytes: &mut Bytes<'a>, previous: &Record<'a>) -> Option<Self> {
        let mut record = *previous;
        record.advance(bytes).map(|()| record)
    }

    /// Becomes the next record of `bytes`, in place: most of it stays. `None`, and no record any
    /// more, when they are damaged.
    #[inline]
    pub(super) fn advance(&mut self, bytes: &mut Bytes<'a>) -> Option<()> {
        let flags = u16::from_le_bytes(bytes.take(2)?.try_into().ok()?);
        let is = |flag: u16| flags & flag != 0;
        if !is(SAME_ORDER) {
            self.order_id = bytes.text()?;
        }
        if !is(SAME_TIME) {
            self.occurred_at = self.occurred_at.wrapping_add(bytes.scaled(SECOND)?);
        }
        if is(RECORDED_AT_SALE) {
            self.recorded_at = self.occurred_at;
        } else if !is(SAME_RECORDED) {
            self.recorded_at = self.recorded_at.wrapping_add(bytes.scaled(SECOND)?);
        }
        self.superseded_at = HOLDS;
        if is(SUPERSEDED) {
            self.superseded_at = self.recorded_at.wrapping_add(bytes.scaled(SECOND)?);
        }
        self.line_number = match (is(HAS_NUMBER), is(NEXT_NUMBER)) {
            (false, _) => None,
            (_, true) => Some(self.line_number.unwrap_or_default().wrapping_add(1)),
            _ => Some(bytes.symbol()?),
        };
        self.occurrence = match (self.is_numbered(), is(REPEATED)) {
            (true, _) => 0,
            (_, false) => 1,
            _ => bytes.symbol()?,
        };
        self.cancels_order_id = if is(CANCELS) { bytes.text()? } else { "" };
        self.product = bytes.symbol()?;
        if !is(SAME_CATEGORY) {
            self.category = bytes.symbol()?;
        }
        if !is(SAME_PLACE) {
            self.channel = bytes.symbol()?;
            self.store = bytes.symbol()?;
            self.promotion = bytes.symbol()?;
            self.country = bytes.symbol()?;
        }
        let scale = if is(WHOLE_CENTS) { CENT } else { 1 };
        self.quantity = if is(ONE_UNIT) { UNIT } else { bytes.scaled(UNIT)? };
        self.unit_price = bytes.signed()?.wrapping_mul(scale);
        self.discount = if is(DISCOUNTED) { bytes.signed()?.wrapping_mul(scale) } else { 0 };
        self.unit_cost = match is(COST_KNOWN) {
            true => Some(bytes.signed()?.wrapping_mul(scale)),
            false => None,
        };
        Some(())
    }
}

#[cfg(test)]
mod tests;
