//! From stored bytes to the lines that features and sums are made of.

use std::ptr;

use crate::transaction::{
    CustomerHistory, HistoryLine, LocalTime, Money, OrderKey, Quantity, ShopClock, Symbol,
    Timestamp,
};

use super::error::Fault;
use super::history::Packed;
use super::packed::{count, unpack};
use super::record::Record;
use super::row::is_anonymous;
use super::tail::{Change, Tail};
use super::texts::Texts;

/// A line with or without a customer, as the sums of a panel need it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SaleLine {
    /// When the sale happened.
    pub occurred_at: Timestamp,
    /// When the shop's systems knew of it.
    pub recorded_at: Timestamp,
    /// When a correction took its place; [`Timestamp::MAX`] while it holds.
    pub superseded_at: Timestamp,
    /// `occurred_at` on the shop's clock.
    pub local: LocalTime,
    /// What was sold.
    pub product: Symbol,
    /// The whole category path.
    pub category: Symbol,
    /// First part of the category path.
    pub top_category: Symbol,
    /// Web, store, phone.
    pub channel: Symbol,
    /// The shop's branch.
    pub store: Symbol,
    /// Country of the sale.
    pub country: Symbol,
    /// The promotion it was sold under.
    pub promotion: Symbol,
    /// Units; negative for a return.
    pub quantity: Quantity,
    /// Quantity times price less discount.
    pub amount: Money,
    /// Amount less cost, where the cost is known.
    pub margin: Option<Money>,
    /// The order it belongs to.
    pub order: OrderKey,
    /// The history it lies in: that of a customer, or anonymous lines of one hour. A pass gives all
    /// lines of a history one after the other.
    pub history: i64,
    /// Whether nobody knows the customer.
    pub is_anonymous: bool,
}

impl SaleLine {
    /// Whether the line had happened and was known before `as_of`, and no correction was.
    pub fn is_visible(&self, as_of: Timestamp) -> bool {
        self.occurred_at < as_of && self.recorded_at < as_of && self.superseded_at >= as_of
    }
}

/// What a snapshot needs to make lines out of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decoder<'a> {
    pub(super) clock: &'a ShopClock,
    pub(super) texts: &'a Texts,
    pub(super) tail: &'a Tail,
    /// The last commit of the snapshot.
    pub(super) upto: i64,
}

impl Decoder<'_> {
    /// Fills `history` with all lines of a customer.
    pub(super) fn history(
        &self,
        packed: Packed<'_>,
        history: &mut CustomerHistory,
    ) -> Result<(), Fault> {
        let mut maker = LineMaker::new(self);
        history.refill(|lines| {
            lines.reserve(count(packed.lines));
            self.records(packed, |record| lines.push(maker.line(record)))
        })
    }

    /// Calls `visit` with every line under a key.
    pub(super) fn sales(
        &self,
        packed: Packed<'_>,
        mut visit: impl FnMut(&SaleLine),
    ) -> Result<(), Fault> {
        let mut maker = LineMaker::new(self);
        self.records(packed, |record| visit(&maker.sale(packed.key, record)))
    }

    /// Calls `visit` with every record under a key, superseded ones too.
    fn records(&self, packed: Packed<'_>, mut visit: impl FnMut(&Record<'_>)) -> Result<(), Fault> {
        let changes = || self.tail.changes(packed.key, packed.last_batch, self.upto);
        let adds = |change: &Result<(Change, Record<'_>), Fault>| {
            change.as_ref().is_ok_and(|(change, _)| *change == Change::Add)
        };
        if changes().all(|change| adds(&change)) {
            if !packed.lines.is_empty() {
                let mut records = unpack(packed.lines)?;
                while let Some(record) = records.advance() {
                    visit(record?);
                }
            }
            for change in changes() {
                visit(&change?.1);
            }
            return Ok(());
        }
        packed.records(self.tail, self.upto)?.iter().for_each(visit);
        Ok(())
    }
}

/// Turns records into lines; neighbours share time and order.
struct LineMaker<'a> {
    decoder: &'a Decoder<'a>,
    last: Option<(i64, LocalTime)>,
    /// Where the last order id lies, and its key.
    order: (*const str, OrderKey),
}

impl<'a> LineMaker<'a> {
    fn new(decoder: &'a Decoder<'a>) -> Self {
        Self { decoder, last: None, order: ("", OrderKey::NONE) }
    }

    #[inline]
    fn line(&mut self, record: &Record<'_>) -> HistoryLine {
        let local = self.local(record.occurred_at);
        let category = self.decoder.texts.top_category(record.category);
        record.history_line(local, self.order_key(record), category)
    }

    /// The records of one order share its id in place.
    fn order_key(&mut self, record: &Record<'_>) -> OrderKey {
        if !ptr::eq(self.order.0, record.order_id) {
            self.order = (record.order_id, record.order_key());
        }
        self.order.1
    }

    fn sale(&mut self, history: i64, record: &Record<'_>) -> SaleLine {
        let line = self.line(record);
        SaleLine {
            occurred_at: line.occurred_at,
            recorded_at: line.recorded_at,
            superseded_at: line.superseded_at,
            local: line.local,
            product: line.product,
            category: Symbol::from_raw(record.category),
            top_category: line.category,
            channel: line.channel,
            store: line.store,
            country: Symbol::from_raw(record.country),
            promotion: Symbol::from_raw(record.promotion),
            quantity: line.quantity,
            amount: line.amount,
            margin: line.margin,
            order: line.order,
            history,
            is_anonymous: is_anonymous(history),
        }
    }

    fn local(&mut self, occurred_at: i64) -> LocalTime {
        match self.last {
            Some((at, local)) if at == occurred_at => local,
            _ => {
                let local = self.decoder.clock.local(Timestamp::from_micros(occurred_at));
                self.last = Some((occurred_at, local));
                local
            }
        }
    }
}
