//! One line of a receipt, checked against the data contract.

use foldhash::HashMap;

use super::customer_id::has_control;
use super::{CustomerId, InvalidCustomerId, LineRef, Money, Quantity, Timestamp};

/// Longest order, product, category, channel, store, promotion or country text, in bytes.
pub const TEXT_LIMIT: usize = 256;

/// A transaction line as it came in: typed, not yet checked. See [`LineDraft::check`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineDraft {
    /// The customer's key; absent for an anonymous line.
    pub customer_id: Option<String>,
    /// The receipt or invoice.
    pub order_id: Option<String>,
    /// Position within the order.
    pub line_number: Option<u32>,
    /// When the sale happened.
    pub occurred_at: Option<Timestamp>,
    /// What was sold.
    pub product_id: Option<String>,
    /// Category of the product; a path is written `food/fresh/milk`.
    pub category: Option<String>,
    /// Units; negative for a return.
    pub quantity: Option<Quantity>,
    /// Price of one unit before the discount.
    pub unit_price: Option<Money>,
    /// Money off the whole line, not negative.
    pub discount: Option<Money>,
    /// What one unit cost the shop.
    pub unit_cost: Option<Money>,
    /// ISO 4217 code; absent means the shop's reporting currency.
    pub currency: Option<String>,
    /// Web, store, phone.
    pub channel: Option<String>,
    /// The shop's branch.
    pub store_id: Option<String>,
    /// The promotion under which the line was sold.
    pub promotion_id: Option<String>,
    /// Country of the sale.
    pub country: Option<String>,
    /// The order that this line takes back, where it is a cancellation.
    pub cancels_order_id: Option<String>,
}

impl LineDraft {
    /// Checks every field against the contract.
    ///
    /// `reporting_currency` is the one currency of the data set.
    ///
    /// # Errors
    /// The first field that does not hold, with what was expected and what was found.
    pub fn check(self, reporting_currency: &str) -> Result<TransactionLine, InvalidLine> {
        let customer_id = match self.customer_id.filter(|id| !id.is_empty()) {
            Some(id) => Some(CustomerId::parse(&id).map_err(InvalidLine::CustomerId)?),
            None => None,
        };
        if let Some(found) = self.currency.filter(|code| code != reporting_currency) {
            let expected = reporting_currency.to_owned();
            return Err(InvalidLine::Currency { expected, found: shorten(&found) });
        }
        let quantity = self.quantity.ok_or(InvalidLine::Missing { field: "quantity" })?;
        if quantity == Quantity::ZERO {
            return Err(InvalidLine::ZeroQuantity);
        }
        let line = TransactionLine {
            customer_id,
            order_id: check_text("order_id", self.order_id)?,
            line_number: self.line_number,
            occurred_at: self.occurred_at.ok_or(InvalidLine::Missing { field: "occurred_at" })?,
            product_id: check_text("product_id", self.product_id)?
                .ok_or(InvalidLine::Missing { field: "product_id" })?,
            category: check_text("category", self.category)?,
            quantity,
            unit_price: self.unit_price.ok_or(InvalidLine::Missing { field: "unit_price" })?,
            discount: not_negative("discount", self.discount)?.unwrap_or(Money::ZERO),
            unit_cost: not_negative("unit_cost", self.unit_cost)?,
            channel: check_text("channel", self.channel)?,
            store_id: check_text("store_id", self.store_id)?,
            promotion_id: check_text("promotion_id", self.promotion_id)?,
            country: check_text("country", self.country)?,
            cancels_order_id: check_text("cancels_order_id", self.cancels_order_id)?,
        };
        if line.gross().is_none() || line.cost().is_some_and(|cost| cost.is_none()) {
            return Err(InvalidLine::AmountTooLarge);
        }
        Ok(line)
    }
}

/// A transaction line that keeps the data contract. Its line amount is known to fit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TransactionLine {
    /// The customer; `None` for an anonymous line.
    pub customer_id: Option<CustomerId>,
    /// The receipt or invoice.
    pub order_id: Option<String>,
    /// Position within the order.
    pub line_number: Option<u32>,
    /// When the sale happened.
    pub occurred_at: Timestamp,
    /// What was sold.
    pub product_id: String,
    /// Category path.
    pub category: Option<String>,
    /// Units, never zero; negative for a return.
    pub quantity: Quantity,
    /// Price of one unit before the discount.
    pub unit_price: Money,
    /// Money off the whole line, not negative.
    pub discount: Money,
    /// What one unit cost the shop.
    pub unit_cost: Option<Money>,
    /// Web, store, phone.
    pub channel: Option<String>,
    /// The shop's branch.
    pub store_id: Option<String>,
    /// The promotion under which the line was sold.
    pub promotion_id: Option<String>,
    /// Country of the sale.
    pub country: Option<String>,
    /// The order that this line takes back.
    pub cancels_order_id: Option<String>,
}

impl TransactionLine {
    /// Quantity times price less the discount; see [`Quantity::line_amount`].
    pub fn amount(&self) -> Money {
        self.quantity.line_amount(self.unit_price, self.discount)
    }

    /// Amount less cost, where the cost is known.
    pub fn margin(&self) -> Option<Money> {
        self.cost().flatten().map(|cost| self.amount() - cost)
    }

    /// A cancellation names the order that it takes back.
    pub fn is_cancellation(&self) -> bool {
        self.cancels_order_id.is_some()
    }

    /// Whether order and line number name the line; otherwise all its fields do.
    pub fn is_numbered(&self) -> bool {
        self.order_id.is_some() && self.line_number.is_some()
    }

    fn gross(&self) -> Option<Money> {
        self.quantity.times(self.unit_price)
    }

    fn cost(&self) -> Option<Option<Money>> {
        self.unit_cost.map(|unit_cost| self.quantity.times(unit_cost))
    }

    /// A digest of every field.
    pub fn content(&self) -> LineIdentity {
        LineRef::from(self).content(&mut Vec::new())
    }
}

/// 128 bits that name what a line says (truncated SHA-256, so equal on every machine and version).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LineIdentity([u8; 16]);

impl LineIdentity {
    /// The identity of stored bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The identity's bytes, as stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Counts equal lines of one stream, so that two equal lines of one receipt are told apart while the
/// receipt sent again is not counted twice.
///
/// Memory is bounded: a line is compared with at least the last [`OccurrenceCounter::REACH`]
/// different lines before it.
#[derive(Debug, Default)]
pub struct OccurrenceCounter {
    recent: HashMap<LineIdentity, u32>,
    earlier: HashMap<LineIdentity, u32>,
}

impl OccurrenceCounter {
    /// Different lines that are remembered at least.
    pub const REACH: usize = 32_768;

    /// How often a line of this content came, this time included.
    pub fn count(&mut self, content: LineIdentity) -> u32 {
        let before = self.recent.get(&content).or_else(|| self.earlier.get(&content));
        let count = before.copied().unwrap_or_default().saturating_add(1);
        if self.recent.len() >= Self::REACH {
            self.earlier = std::mem::take(&mut self.recent);
        }
        self.recent.insert(content, count);
        count
    }
}

/// Why a line does not keep the contract.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidLine {
    /// A required field is absent.
    #[error("{field} is required and was not given")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A text is over [`TEXT_LIMIT`] or holds control characters.
    #[error(
        "{field}: expected at most {TEXT_LIMIT} bytes without control characters, found {found}"
    )]
    Text {
        /// The field.
        field: &'static str,
        /// What was wrong.
        found: String,
    },
    /// The customer key does not hold.
    #[error("customer_id: {0}")]
    CustomerId(InvalidCustomerId),
    /// A second currency.
    #[error("currency: expected {expected}, the reporting currency of the shop, found {found:?}")]
    Currency {
        /// The reporting currency.
        expected: String,
        /// What came.
        found: String,
    },
    /// Nothing sold and nothing returned.
    #[error("quantity: expected a number other than 0")]
    ZeroQuantity,
    /// A discount or cost below zero.
    #[error("{field}: expected 0 or more, found {found}")]
    Negative {
        /// The field.
        field: &'static str,
        /// What came.
        found: Money,
    },
    /// Quantity times price or cost does not fit 64 bits of micros.
    #[error("quantity x unit_price: expected an amount within +-9223372036854")]
    AmountTooLarge,
}

impl InvalidLine {
    /// The field at fault, as in the contract.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Missing { field } | Self::Text { field, .. } | Self::Negative { field, .. } => {
                field
            }
            Self::CustomerId(_) => "customer_id",
            Self::Currency { .. } => "currency",
            Self::ZeroQuantity => "quantity",
            Self::AmountTooLarge => "unit_price",
        }
    }
}

fn check_text(field: &'static str, text: Option<String>) -> Result<Option<String>, InvalidLine> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.len() > TEXT_LIMIT {
        return Err(InvalidLine::Text { field, found: format!("{} bytes", text.len()) });
    }
    if has_control(&text) {
        return Err(InvalidLine::Text { field, found: "a control character".to_owned() });
    }
    Ok(Some(text))
}

fn not_negative(field: &'static str, money: Option<Money>) -> Result<Option<Money>, InvalidLine> {
    match money {
        Some(found) if found < Money::ZERO => Err(InvalidLine::Negative { field, found }),
        money => Ok(money),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> LineDraft {
        LineDraft {
            customer_id: Some("17850".to_owned()),
            order_id: Some("536365".to_owned()),
            occurred_at: Some("2010-12-01T08:26:00Z".parse().unwrap()),
            product_id: Some("85123A".to_owned()),
            quantity: Some(Quantity::parse("6").unwrap()),
            unit_price: Some(Money::parse("2.55").unwrap()),
            ..LineDraft::default()
        }
    }

    #[test]
    fn a_line_has_an_exact_amount_and_margin() {
        let line = LineDraft {
            discount: Some(Money::parse("0.30").unwrap()),
            unit_cost: Some(Money::parse("1").unwrap()),
            ..draft()
        };
        let line = line.check("GBP").unwrap();
        assert_eq!(line.amount().to_string(), "15.00");
        assert_eq!(line.margin().unwrap().to_string(), "9.00");
    }

    #[test]
    fn each_broken_field_is_named() {
        let refuse = |change: fn(&mut LineDraft)| {
            let mut draft = draft();
            change(&mut draft);
            draft.check("GBP").unwrap_err()
        };
        for (error, field) in [
            (refuse(|d| d.quantity = None), "quantity"),
            (refuse(|d| d.quantity = Some(Quantity::ZERO)), "quantity"),
            (refuse(|d| d.unit_price = None), "unit_price"),
            (refuse(|d| d.unit_price = Some(Money::from_micros(i64::MAX))), "unit_price"),
            (refuse(|d| d.occurred_at = None), "occurred_at"),
            (refuse(|d| d.product_id = Some(String::new())), "product_id"),
            (refuse(|d| d.discount = Some(Money::from_micros(-1))), "discount"),
            (refuse(|d| d.currency = Some("EUR".to_owned())), "currency"),
            (refuse(|d| d.store_id = Some("x".repeat(257))), "store_id"),
            (refuse(|d| d.customer_id = Some("a\tb".to_owned())), "customer_id"),
        ] {
            assert_eq!(error.field(), field, "{error}");
        }
    }

    #[test]
    fn equal_lines_are_numbered_and_other_lines_start_at_one() {
        let line = draft().check("GBP").unwrap();
        let other = LineDraft { order_id: Some("536366".to_owned()), ..draft() };
        let other = other.check("GBP").unwrap();
        let mut seen = OccurrenceCounter::default();
        let counts = [&line, &line, &other, &line].map(|line| seen.count(line.content()));
        assert_eq!(counts, [1, 2, 1, 3]);
        assert_eq!(OccurrenceCounter::default().count(line.content()), 1);
    }

    #[test]
    fn equal_lines_are_found_within_reach() {
        let content = |number: usize| {
            let line = LineDraft { order_id: Some(number.to_string()), ..draft() };
            line.check("GBP").unwrap().content()
        };
        let mut seen = OccurrenceCounter::default();
        assert_eq!(seen.count(content(0)), 1);
        for number in 1..OccurrenceCounter::REACH {
            assert_eq!(seen.count(content(number)), 1);
        }
        assert_eq!(seen.count(content(0)), 2);
    }
}
