//! One row of the file in its small form, and what rows add up to.

use std::ops::AddAssign;

use serde::Serialize;

use crate::transaction::{MICROS_PER_DAY, Money, Quantity};

use super::calendar::Channel;

/// Which place of a week an order has: unique and ascending by week.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct OrderNumber(u64);

impl OrderNumber {
    const PER_BLOCK: u64 = 100_000;
    const BLOCKS: u64 = 100_000;

    /// The order with position `sequence` among those of a block in a week.
    pub(super) fn new(week: usize, block: usize, sequence: u64) -> Self {
        Self((week as u64 * Self::BLOCKS + block as u64) * Self::PER_BLOCK + sequence)
    }

    /// The week whose prices hold for the order, and for what is taken back of it.
    pub(super) fn week(self) -> usize {
        (self.0 / Self::BLOCKS / Self::PER_BLOCK) as usize
    }

    pub(super) fn raw(self) -> u64 {
        self.0
    }
}

/// What a row tells.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Sale,
    Return,
    Cancellation,
    Correction,
}

/// How a dirty row breaks the data contract.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Flaw {
    NoProduct,
    /// Malformed in a CSV file, absent in a Parquet file, whose type has no malformed times.
    BadTime,
    ZeroQuantity,
    OtherCurrency,
    NoPrice,
    NegativeDiscount,
    ControlCharacter,
    LongStore,
}

impl Flaw {
    pub(super) const ALL: [Self; 8] = [
        Self::NoProduct,
        Self::BadTime,
        Self::ZeroQuantity,
        Self::OtherCurrency,
        Self::NoPrice,
        Self::NegativeDiscount,
        Self::ControlCharacter,
        Self::LongStore,
    ];
}

/// A row. Money is in cents, times are microseconds since 1970-01-01.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) recorded_at: i64,
    pub(super) occurred_at: i64,
    pub(super) order: OrderNumber,
    /// The order that is taken back.
    pub(super) cancels: Option<OrderNumber>,
    /// From 0; `None` is anonymous.
    pub(super) customer: Option<u32>,
    pub(super) product: u32,
    pub(super) quantity: i32,
    pub(super) unit_price: i32,
    pub(super) discount: i32,
    pub(super) number: u16,
    /// Position among the shop's stores.
    pub(super) store: Option<u16>,
    pub(super) country: u8,
    pub(super) channel: Channel,
    pub(super) is_promotion: bool,
    pub(super) kind: Kind,
    pub(super) flaw: Option<Flaw>,
}

impl Line {
    /// Rows are in the order of their arrival; no two rows have the same key.
    pub(super) fn key(&self) -> (i64, OrderNumber, u16, Kind, Option<Flaw>) {
        (self.recorded_at, self.order, self.number, self.kind, self.flaw)
    }

    /// Recorded a day or more after it occurred, and no correction.
    pub(super) fn is_late(&self) -> bool {
        self.kind != Kind::Correction && self.recorded_at - self.occurred_at >= MICROS_PER_DAY
    }

    /// Quantity times price less the discount, as the data contract counts it.
    pub(super) fn amount(&self) -> Money {
        let price = Money::from_micros(i64::from(self.unit_price) * 10_000);
        let discount = Money::from_micros(i64::from(self.discount) * 10_000);
        self.units().line_amount(price, discount)
    }

    pub(super) fn units(&self) -> Quantity {
        Quantity::from_thousandths(i64::from(self.quantity) * 1000)
    }
}

/// What is in the file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// All rows.
    pub rows: u64,
    /// Rows that keep the data contract and are corrected by no other row.
    pub lines: u64,
    /// Orders, returns and cancellations among them.
    pub orders: u64,
    /// Rows that take something back, whole orders included.
    pub returns: u64,
    /// Rows that name the order they take back.
    pub cancellations: u64,
    /// Rows of no customer; dirty ones are not counted.
    pub anonymous: u64,
    /// Rows recorded a day or more after they occurred, corrections left out.
    pub late: u64,
    /// Rows that correct an earlier row.
    pub corrected: u64,
    /// Rows that break the data contract.
    pub dirty: u64,
    /// Dirty rows by kind: no product, bad time, zero quantity, other currency, no price, negative
    /// discount, control character, long store.
    pub flaws: [u64; 8],
    /// Sum of the amounts of `lines`, in micros.
    pub amount_micros: i64,
    /// Sum of the quantities of `lines`, in thousandths.
    pub quantity_thousandths: i64,
    /// Sum of the amounts of all rows that are not dirty, so of corrected rows and corrections.
    pub row_amount_micros: i64,
    /// Sum of the quantities of all rows that are not dirty.
    pub row_quantity_thousandths: i64,
}

impl Counts {
    /// Counts a row; `corrects` is the row that it replaces.
    pub(super) fn add(&mut self, line: &Line, corrects: Option<&Line>) {
        self.rows += 1;
        if let Some(flaw) = line.flaw {
            self.dirty += 1;
            if let Some(count) = self.flaws.get_mut(flaw as usize) {
                *count += 1;
            }
            return;
        }
        self.anonymous += u64::from(line.customer.is_none());
        self.late += u64::from(line.is_late());
        self.returns += u64::from(line.quantity < 0);
        self.cancellations += u64::from(line.cancels.is_some());
        self.corrected += u64::from(line.kind == Kind::Correction);
        self.lines += u64::from(corrects.is_none());
        self.row_amount_micros += line.amount().micros();
        self.row_quantity_thousandths += line.units().thousandths();
        self.amount_micros += line.amount().micros();
        self.quantity_thousandths += line.units().thousandths();
        if let Some(before) = corrects {
            self.amount_micros -= before.amount().micros();
            self.quantity_thousandths -= before.units().thousandths();
        }
    }
}

impl AddAssign<&Self> for Counts {
    fn add_assign(&mut self, other: &Self) {
        self.rows += other.rows;
        self.lines += other.lines;
        self.orders += other.orders;
        self.returns += other.returns;
        self.cancellations += other.cancellations;
        self.anonymous += other.anonymous;
        self.late += other.late;
        self.corrected += other.corrected;
        self.dirty += other.dirty;
        for (sum, count) in self.flaws.iter_mut().zip(other.flaws) {
            *sum += count;
        }
        self.amount_micros += other.amount_micros;
        self.quantity_thousandths += other.quantity_thousandths;
        self.row_amount_micros += other.row_amount_micros;
        self.row_quantity_thousandths += other.row_quantity_thousandths;
    }
}
