//! A checked line whose texts lie elsewhere: for many lines at a time.

use sha2::{Digest, Sha256};

use super::{CustomerId, LineIdentity, Money, Quantity, Timestamp, TransactionLine};

/// A [`TransactionLine`] that owns no text. Its fields keep the contract, as that line's do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LineRef<'a> {
    /// The customer; `None` for an anonymous line.
    pub customer_id: Option<&'a str>,
    /// The receipt or invoice.
    pub order_id: Option<&'a str>,
    /// Position within the order.
    pub line_number: Option<u32>,
    /// When the sale happened.
    pub occurred_at: Timestamp,
    /// What was sold.
    pub product_id: &'a str,
    /// Category path.
    pub category: Option<&'a str>,
    /// Units, never zero; negative for a return.
    pub quantity: Quantity,
    /// Price of one unit before the discount.
    pub unit_price: Money,
    /// Money off the whole line, not negative.
    pub discount: Money,
    /// What one unit cost the shop.
    pub unit_cost: Option<Money>,
    /// Web, store, phone.
    pub channel: Option<&'a str>,
    /// The shop's branch.
    pub store_id: Option<&'a str>,
    /// The promotion under which the line was sold.
    pub promotion_id: Option<&'a str>,
    /// Country of the sale.
    pub country: Option<&'a str>,
    /// The order that this line takes back.
    pub cancels_order_id: Option<&'a str>,
}

impl<'a> From<&'a TransactionLine> for LineRef<'a> {
    fn from(line: &'a TransactionLine) -> Self {
        Self {
            customer_id: line.customer_id.as_ref().map(CustomerId::as_str),
            order_id: line.order_id.as_deref(),
            line_number: line.line_number,
            occurred_at: line.occurred_at,
            product_id: &line.product_id,
            category: line.category.as_deref(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            discount: line.discount,
            unit_cost: line.unit_cost,
            channel: line.channel.as_deref(),
            store_id: line.store_id.as_deref(),
            promotion_id: line.promotion_id.as_deref(),
            country: line.country.as_deref(),
            cancels_order_id: line.cancels_order_id.as_deref(),
        }
    }
}

impl LineRef<'_> {
    /// Quantity times price less the discount; see [`Quantity::line_amount`].
    pub fn amount(&self) -> Money {
        self.quantity.line_amount(self.unit_price, self.discount)
    }

    /// A digest of every field; `buffer` is only a place to work in.
    pub fn content(&self, buffer: &mut Vec<u8>) -> LineIdentity {
        buffer.clear();
        for text in [
            self.customer_id,
            self.order_id,
            self.category,
            self.channel,
            self.store_id,
            self.promotion_id,
            self.country,
            self.cancels_order_id,
            Some(self.product_id),
        ] {
            let text = text.unwrap_or_default();
            buffer.extend_from_slice(&(text.len() as u32).to_le_bytes());
            buffer.extend_from_slice(text.as_bytes());
        }
        for number in [
            self.occurred_at.micros(),
            self.quantity.thousandths(),
            self.unit_price.micros(),
            self.discount.micros(),
            self.unit_cost.map_or(i64::MIN, Money::micros),
            self.line_number.map_or(-1, i64::from),
        ] {
            buffer.extend_from_slice(&number.to_le_bytes());
        }
        let digest: [u8; 32] = Sha256::digest(buffer).into();
        let mut bytes = [0; 16];
        for (byte, from) in bytes.iter_mut().zip(digest) {
            *byte = from;
        }
        LineIdentity::from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::LineDraft;

    #[test]
    fn the_digest_of_a_line_never_changes() {
        let text = |text: &str| Some(text.to_owned());
        let draft = LineDraft {
            customer_id: text("17850"),
            order_id: text("536365"),
            line_number: Some(3),
            occurred_at: Some("2010-12-01T08:26:00Z".parse().unwrap()),
            product_id: text("85123A"),
            category: text("home/light"),
            quantity: Some(Quantity::ONE),
            unit_price: Some(Money::parse("2.55").unwrap()),
            country: text("France"),
            ..LineDraft::default()
        };
        let digest = |draft: &LineDraft| {
            let content = draft.clone().check("GBP").unwrap().content();
            u128::from_be_bytes(*content.as_bytes())
        };
        assert_eq!(digest(&draft), DIGEST);
        let moved = LineDraft { channel: text("home/light"), category: None, ..draft };
        assert_ne!(digest(&moved), DIGEST);
    }

    /// What versions of this program have stored since the first.
    const DIGEST: u128 = 0x0b34_8c85_e232_60e8_6921_adbb_128f_88c5;
}
