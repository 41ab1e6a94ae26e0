//! What a sender sends: chunks that follow from its number and theirs, so that any of them can be
//! made again at any time.

use patron::grpc::proto::{IngestTransactionsRequest, TransactionLine};
use patron::transaction::{LineDraft, Money, Quantity, Timestamp};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore as _, SeedableRng as _};

use crate::app::instant;

/// Customers that all senders share.
pub(super) const CUSTOMERS: u64 = 1_500;
const START: &str = "2023-01-02T08:00:00Z";
const MICROS_PER_MINUTE: i64 = 60_000_000;
const MICROS_PER_DAY: i64 = 86_400_000_000;
const RETURN_IN: u64 = 20;
const CENT: i64 = 10_000;

/// A receipt: who sent it, in which chunk, and its place there.
pub(super) type Receipt = (u32, u32, u32);

/// A line as the sender knows it.
#[derive(Clone, Debug)]
pub(super) struct Sale {
    pub(super) receipt: Receipt,
    /// Lines of a few receipts name no order.
    pub(super) has_order: bool,
    pub(super) number: Option<u32>,
    /// `None`: nobody knows who bought it.
    pub(super) customer: Option<u64>,
    /// Microseconds since 1970.
    pub(super) occurred_at: i64,
    product: u64,
    pub(super) thousandths: i64,
    price: i64,
    discount: i64,
    cancels: Option<Receipt>,
}

/// The lines of one chunk: new ones, then corrections of numbered lines that were sent before.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunk {
    pub(super) new: Vec<Sale>,
    pub(super) corrections: Vec<Sale>,
}

/// All chunks of one sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script {
    pub(super) sender: u32,
    pub(super) chunks: u32,
    /// New lines of a chunk, about.
    pub(super) size: u64,
}

/// A sequence of random numbers.
pub(super) struct Chance(Xoshiro256PlusPlus);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A number from 0 to less than `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit
    }
}

pub(super) fn customer_id(number: u64) -> String {
    format!("kunde-{number:05}")
}

impl Script {
    /// The chunk of this place.
    pub(super) fn chunk(&self, index: u32) -> Chunk {
        let new = self.new_lines(index);
        let mut chance = Chance::new(self.seed(index) ^ 0x5eed);
        let mut corrections = Vec::new();
        if chance.below(3) == 0 {
            // Of this very chunk, or of one up to 30 before it.
            let earlier = index - chance.below(u64::from(index.min(30)) + 1) as u32;
            let mut lines = self.new_lines(earlier);
            lines.retain(|line| line.number.is_some());
            let wanted = 1 + chance.below(6) as usize;
            corrections.extend(
                lines.into_iter().take(wanted).map(|line| self.corrected(line, index, &mut chance)),
            );
        }
        Chunk { new, corrections }
    }

    /// The chunk as it is sent.
    pub(super) fn request(&self, index: u32) -> IngestTransactionsRequest {
        let Chunk { new, corrections } = self.chunk(index);
        IngestTransactionsRequest {
            chunk_id: index.to_string(),
            lines: new.iter().chain(&corrections).map(Sale::wire).collect(),
        }
    }

    fn seed(&self, index: u32) -> u64 {
        (u64::from(self.sender) << 32) | u64::from(index)
    }

    fn new_lines(&self, index: u32) -> Vec<Sale> {
        let mut chance = Chance::new(self.seed(index));
        // Some chunks are tiny and some are large.
        let wanted = 1 + self.size / 4 + chance.below(self.size * 3 / 2 + 1);
        let mut lines = Vec::new();
        let mut place = 0;
        while (lines.len() as u64) < wanted {
            self.receipt((self.sender, index, place), &mut chance, &mut lines);
            place += 1;
        }
        lines
    }

    /// Adds the lines of a receipt.
    fn receipt(&self, receipt: Receipt, chance: &mut Chance, lines: &mut Vec<Sale>) {
        let (sender, index, place) = receipt;
        let is_numbered = chance.below(10) < 6;
        let is_late = chance.below(10) == 0;
        let is_return = chance.below(RETURN_IN) == 0;
        let start = Timestamp::micros(START.parse().unwrap());
        let late = if is_late { MICROS_PER_DAY * (1 + chance.below(90) as i64) } else { 0 };
        let sale = Sale {
            receipt,
            has_order: is_numbered || is_late || chance.below(10) > 0,
            number: None,
            customer: (chance.below(10) > 0).then(|| chance.below(CUSTOMERS)),
            // No two receipts of one sender at the same time, unless one of them is late.
            occurred_at: start
                + i64::from(index) * MICROS_PER_MINUTE
                + i64::from(place) * 10_000
                + i64::from(sender)
                - late,
            product: 0,
            thousandths: 0,
            price: 0,
            discount: 0,
            cancels: (is_return && index > 0).then(|| (sender, index - 1, 0)),
        };
        for number in 1..=1 + chance.below(8) as u32 {
            let quantity = 1 + chance.below(5) as i64;
            let line = Sale {
                number: is_numbered.then_some(number),
                product: chance.below(300),
                thousandths: if is_return { -1_000 } else { 1_000 } * quantity,
                price: CENT * (1 + chance.below(5_000) as i64),
                discount: if chance.below(8) == 0 { CENT * chance.below(50) as i64 } else { 0 },
                ..sale.clone()
            };
            // The same thing twice or thrice on one receipt.
            let times = if !is_numbered && chance.below(6) == 0 { 2 + chance.below(2) } else { 1 };
            lines.extend((0..times).map(|_| line.clone()));
        }
    }

    /// A version that no chunk brought before: no other price ends in this fraction of a cent.
    fn corrected(&self, line: Sale, index: u32, chance: &mut Chance) -> Sale {
        let customer = match chance.below(6) {
            0 => None,
            1 => Some(chance.below(CUSTOMERS)),
            _ => line.customer,
        };
        Sale { customer, price: CENT * (1 + i64::from(index)) + 3, ..line }
    }
}

impl Sale {
    pub(super) fn wire(&self) -> TransactionLine {
        let order = |(sender, chunk, place): Receipt| format!("s{sender}-{chunk}-{place}");
        TransactionLine {
            customer_id: self.customer.map(customer_id).unwrap_or_default(),
            order_id: if self.has_order { order(self.receipt) } else { String::new() },
            line_number: self.number,
            occurred_at: Some(prost_types::Timestamp {
                seconds: self.occurred_at.div_euclid(1_000_000),
                nanos: (self.occurred_at.rem_euclid(1_000_000) * 1_000) as i32,
            }),
            product_id: format!("p{}", self.product),
            category: format!("c{}/d{}", self.product % 5, self.product % 20),
            quantity_thousandths: Some(self.thousandths),
            unit_price_micros: Some(self.price),
            discount_micros: self.discount,
            unit_cost_micros: (!self.product.is_multiple_of(3)).then_some(self.price / 2),
            store_id: format!("shop {}", self.receipt.2 % 7),
            cancels_order_id: self.cancels.map(order).unwrap_or_default(),
            ..Default::default()
        }
    }

    /// The line as the library knows it.
    pub(super) fn line(&self) -> patron::transaction::TransactionLine {
        let wire = self.wire();
        let given = |text: String| (!text.is_empty()).then_some(text);
        let draft = LineDraft {
            customer_id: given(wire.customer_id),
            order_id: given(wire.order_id),
            line_number: wire.line_number,
            occurred_at: Some(Timestamp::from_micros(self.occurred_at)),
            product_id: given(wire.product_id),
            category: given(wire.category),
            quantity: Some(Quantity::from_thousandths(self.thousandths)),
            unit_price: Some(Money::from_micros(self.price)),
            discount: Some(Money::from_micros(self.discount)),
            unit_cost: wire.unit_cost_micros.map(Money::from_micros),
            store_id: given(wire.store_id),
            cancels_order_id: given(wire.cancels_order_id),
            ..LineDraft::default()
        };
        draft.check("GBP").unwrap()
    }
}

/// A line of a customer outside the scripts, with a number of its own.
pub(super) fn plain_line(customer: &str, order: &str, number: u32) -> TransactionLine {
    TransactionLine {
        customer_id: customer.to_owned(),
        order_id: order.to_owned(),
        line_number: Some(number),
        occurred_at: Some(instant("2024-06-01T10:00:00Z")),
        product_id: format!("p{number}"),
        quantity_thousandths: Some(2_000),
        unit_price_micros: Some(3_500_000),
        ..Default::default()
    }
}
