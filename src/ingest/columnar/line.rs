//! A checked line, and how lines are kept: each as its difference from the one before it.

use super::names::ABSENT;
use crate::store::bytes::{Bytes, CENT, SECOND, UNIT, put, put_scaled, zigzag};

/// An amount or time that is not given.
pub(super) const NONE: i64 = i64::MIN;

const SAME_ORDER: u16 = 1;
const SAME_CUSTOMER: u16 = 1 << 1;
const SAME_TIME: u16 = 1 << 2;
const RECORDED_AT_SALE: u16 = 1 << 3;
const SAME_RECORDED: u16 = 1 << 4;
const SAME_CONTEXT: u16 = 1 << 5;
const NEXT_NUMBER: u16 = 1 << 6;
const NEXT_ROW: u16 = 1 << 7;
const NUMBERED: u16 = 1 << 8;
const SAME_CANCELS: u16 = 1 << 9;
const DISCOUNTED: u16 = 1 << 10;
const COST_KNOWN: u16 = 1 << 11;
const ONE_UNIT: u16 = 1 << 12;
const WHOLE_CENTS: u16 = 1 << 13;

/// A line that keeps the contract; texts are numbers of [`super::names::Names`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Line {
    /// Microseconds.
    pub(super) occurred_at: i64,
    /// Microseconds.
    pub(super) recorded_at: i64,
    /// Thousandths.
    pub(super) quantity: i64,
    /// Micros.
    pub(super) unit_price: i64,
    /// Micros.
    pub(super) discount: i64,
    /// Micros or [`NONE`].
    pub(super) unit_cost: i64,
    /// Raw [`crate::transaction::OrderKey`].
    pub(super) order: u64,
    /// The same of the order that is taken back.
    pub(super) cancels: u64,
    /// From 1, or [`ABSENT`].
    pub(super) customer: u32,
    pub(super) item: u32,
    pub(super) context: u32,
    /// Counts where `is_numbered`.
    pub(super) line_number: u32,
    /// Position among the rows that were read with it.
    pub(super) row: u32,
    /// Order and line number are both given.
    pub(super) is_numbered: bool,
}

impl Line {
    /// The line without what may differ between two arrivals of the same line.
    pub(super) fn content(&self) -> Self {
        Self { recorded_at: 0, row: 0, ..*self }
    }

    /// Whether it belongs to nobody.
    pub(super) fn is_anonymous(&self) -> bool {
        self.customer == ABSENT
    }

    /// Appends the line to `bytes`, as different from `previous`.
    pub(super) fn write(&self, previous: &Self, bytes: &mut Vec<u8>) {
        let flags = self.flags(previous);
        let is = |flag: u16| flags & flag != 0;
        bytes.extend_from_slice(&flags.to_le_bytes());
        if !is(SAME_ORDER) {
            bytes.extend_from_slice(&self.order.to_le_bytes());
        }
        if !is(SAME_CUSTOMER) {
            put(bytes, self.customer.into());
        }
        if !is(SAME_TIME) {
            put_scaled(bytes, self.occurred_at.wrapping_sub(previous.occurred_at), SECOND);
        }
        if !is(RECORDED_AT_SALE) && !is(SAME_RECORDED) {
            put_scaled(bytes, self.recorded_at.wrapping_sub(self.occurred_at), SECOND);
        }
        if !is(SAME_CONTEXT) {
            put(bytes, self.context.into());
        }
        if !is(NEXT_NUMBER) {
            put(bytes, self.line_number.into());
        }
        if !is(NEXT_ROW) {
            put(bytes, self.row.wrapping_sub(previous.row).into());
        }
        if !is(SAME_CANCELS) {
            bytes.extend_from_slice(&self.cancels.to_le_bytes());
        }
        put(bytes, self.item.into());
        if !is(ONE_UNIT) {
            put_scaled(bytes, self.quantity, UNIT);
        }
        let scale = if is(WHOLE_CENTS) { CENT } else { 1 };
        put(bytes, zigzag(self.unit_price / scale));
        if is(DISCOUNTED) {
            put(bytes, zigzag(self.discount / scale));
        }
        if is(COST_KNOWN) {
            put(bytes, zigzag(self.unit_cost / scale));
        }
    }

    fn flags(&self, previous: &Self) -> u16 {
        let cost = if self.unit_cost == NONE { 0 } else { self.unit_cost };
        let cents = [self.unit_price, self.discount, cost];
        [
            (SAME_ORDER, self.order == previous.order),
            (SAME_CUSTOMER, self.customer == previous.customer),
            (SAME_TIME, self.occurred_at == previous.occurred_at),
            (RECORDED_AT_SALE, self.recorded_at == self.occurred_at),
            (SAME_RECORDED, self.recorded_at == previous.recorded_at),
            (SAME_CONTEXT, self.context == previous.context),
            (NEXT_NUMBER, self.line_number == previous.line_number.wrapping_add(1)),
            (NEXT_ROW, self.row == previous.row.wrapping_add(1)),
            (NUMBERED, self.is_numbered),
            (SAME_CANCELS, self.cancels == previous.cancels),
            (DISCOUNTED, self.discount != 0),
            (COST_KNOWN, self.unit_cost != NONE),
            (ONE_UNIT, self.quantity == UNIT),
            (WHOLE_CENTS, cents.iter().all(|money| money % CENT == 0)),
        ]
        .into_iter()
        .fold(0, |flags, (flag, holds)| if holds { flags | flag } else { flags })
    }

    /// The next line of `bytes`, as different from `previous`; `None` when they are damaged.
    #[inline]
    fn read(bytes: &mut Bytes<'_>, previous: &Self) -> Option<Self> {
        let flags = u16::from_le_bytes(bytes.take(2)?.try_into().ok()?);
        let is = |flag: u16| flags & flag != 0;
        let order = if is(SAME_ORDER) { previous.order } else { word(bytes)? };
        let customer = if is(SAME_CUSTOMER) { previous.customer } else { bytes.symbol()? };
        let occurred_at = match is(SAME_TIME) {
            true => previous.occurred_at,
            false => previous.occurred_at.wrapping_add(bytes.scaled(SECOND)?),
        };
        let recorded_at = match (is(RECORDED_AT_SALE), is(SAME_RECORDED)) {
            (true, _) => occurred_at,
            (_, true) => previous.recorded_at,
            _ => occurred_at.wrapping_add(bytes.scaled(SECOND)?),
        };
        let context = if is(SAME_CONTEXT) { previous.context } else { bytes.symbol()? };
        let line_number = match is(NEXT_NUMBER) {
            true => previous.line_number.wrapping_add(1),
            false => bytes.symbol()?,
        };
        let rows = if is(NEXT_ROW) { 1 } else { bytes.symbol()? };
        let cancels = if is(SAME_CANCELS) { previous.cancels } else { word(bytes)? };
        let item = bytes.symbol()?;
        let scale = if is(WHOLE_CENTS) { CENT } else { 1 };
        Some(Self {
            occurred_at,
            recorded_at,
            quantity: if is(ONE_UNIT) { UNIT } else { bytes.scaled(UNIT)? },
            unit_price: bytes.signed()?.wrapping_mul(scale),
            discount: if is(DISCOUNTED) { bytes.signed()?.wrapping_mul(scale) } else { 0 },
            unit_cost: if is(COST_KNOWN) { bytes.signed()?.wrapping_mul(scale) } else { NONE },
            order,
            cancels,
            customer,
            item,
            context,
            line_number,
            row: previous.row.wrapping_add(rows),
            is_numbered: is(NUMBERED),
        })
    }
}

fn word(bytes: &mut Bytes<'_>) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.take(8)?.try_into().ok()?))
}

/// Lines that were written one after the other, the first as different from the default.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    bytes: Bytes<'a>,
    previous: Line,
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: Bytes::new(bytes), previous: Line::default() }
    }
}

impl Iterator for Lines<'_> {
    /// An error for bytes that no line was written as.
    type Item = std::io::Result<Line>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.rest().is_empty() {
            return None;
        }
        match Line::read(&mut self.bytes, &self.previous) {
            Some(line) => {
                self.previous = line;
                Some(Ok(line))
            }
            None => {
                self.bytes = Bytes::new(&[]);
                Some(Err(std::io::ErrorKind::InvalidData.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn any_line()(
            times in prop_oneof![Just([5_000_000, 5_000_000]), any::<[i64; 2]>()],
            amounts in prop_oneof![Just([1_000, 2_550_000, 0]), any::<[i64; 3]>()],
            unit_cost in prop_oneof![Just(NONE), Just(0), Just(10_000), any::<i64>()],
            keys in prop_oneof![Just([7, 0]), any::<[u64; 2]>()],
            numbers in prop_oneof![Just([1; 5]), Just([2; 5]), any::<[u32; 5]>()],
            is_numbered: bool,
        ) -> Line {
            let [customer, item, context, line_number, row] = numbers;
            Line {
                occurred_at: times[0],
                recorded_at: times[1],
                quantity: amounts[0],
                unit_price: amounts[1],
                discount: amounts[2],
                unit_cost,
                order: keys[0],
                cancels: keys[1],
                customer, item, context, line_number, row, is_numbered,
            }
        }
    }

    proptest! {
        #[test]
        fn lines_come_back(lines in prop::collection::vec(any_line(), 0..12)) {
            let mut bytes = Vec::new();
            let mut previous = Line::default();
            for line in &lines {
                line.write(&previous, &mut bytes);
                previous = *line;
            }
            let back: Vec<Line> = Lines::new(&bytes).map(Result::unwrap).collect();
            prop_assert_eq!(back, lines);
            // What is cut off within a line is told.
            let cut = bytes.get(..bytes.len().saturating_sub(1)).unwrap();
            prop_assert_eq!(Lines::new(cut).any(|line| line.is_err()), bytes.len() > 1);
        }
    }

    #[test]
    fn a_line_of_an_order_takes_few_bytes() {
        let first = Line {
            occurred_at: 1_600_000_000_000_000,
            recorded_at: 1_600_000_000_000_000,
            quantity: 2_000,
            unit_price: 2_550_000,
            unit_cost: 1_200_000,
            order: u64::MAX,
            customer: 70_000,
            item: 900,
            context: 12,
            line_number: 1,
            row: 5,
            is_numbered: true,
            ..Line::default()
        };
        let next = Line { item: 70, line_number: 2, row: 6, quantity: 1_000, ..first };
        let mut bytes = Vec::new();
        next.write(&first, &mut bytes);
        assert!(bytes.len() <= 8, "{}", bytes.len());
    }
}
