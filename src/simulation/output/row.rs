//! A row in full: what both formats write, so that they hold the same.

use std::fmt::Write as _;

use crate::simulation::calendar::Calendar;
use crate::simulation::line::{Flaw, Line, OrderNumber};
use crate::simulation::plan::Plan;
use crate::simulation::shop::Shop;

/// Columns of a file of transactions, in their order.
pub(super) const COLUMNS: [&str; 17] = [
    "order_id",
    "line_number",
    "customer_id",
    "occurred_at",
    "product_id",
    "category",
    "quantity",
    "unit_price",
    "discount",
    "unit_cost",
    "currency",
    "channel",
    "store_id",
    "promotion_id",
    "country",
    "cancels_order_id",
    "recorded_at",
];

/// A row with its texts. Money is in cents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) order_id: &'a str,
    pub(super) line_number: i32,
    pub(super) customer_id: Option<&'a str>,
    /// Microseconds; `None` where the row lacks a time that can be read.
    pub(super) occurred_at: Option<i64>,
    pub(super) product_id: Option<&'a str>,
    pub(super) category: &'a str,
    pub(super) quantity: i64,
    pub(super) unit_price: Option<i64>,
    pub(super) discount: i64,
    pub(super) unit_cost: i64,
    pub(super) currency: &'a str,
    pub(super) channel: &'a str,
    pub(super) store_id: Option<&'a str>,
    pub(super) promotion_id: Option<&'a str>,
    pub(super) country: &'a str,
    pub(super) cancels_order_id: Option<&'a str>,
    pub(super) recorded_at: i64,
}

/// Finds the texts of rows.
#[derive(Debug)]
pub(super) struct Words<'a> {
    shop: &'a Shop,
    currency: &'a str,
    other_currency: &'static str,
    long_store: String,
    /// Monday of each week, `20220103`.
    mondays: Vec<String>,
    order: String,
    cancels: String,
    customer: String,
    promotion: String,
}

impl<'a> Words<'a> {
    pub(super) fn new(plan: &'a Plan, shop: &'a Shop, calendar: &Calendar) -> Self {
        let mondays = calendar.weeks.iter().filter_map(|week| week.days.first());
        Self {
            shop,
            currency: &plan.currency,
            other_currency: if plan.currency == "JPY" { "KRW" } else { "JPY" },
            long_store: "S".repeat(300),
            mondays: mondays.map(|day| day.date.strftime("%Y%m%d").to_string()).collect(),
            order: String::new(),
            cancels: String::new(),
            customer: String::new(),
            promotion: String::new(),
        }
    }

    /// The row of a line; its flaw is in it.
    pub(super) fn row(&mut self, line: &Line) -> Row<'_> {
        self.fill(line);
        let product = self.shop.products.get(line.product as usize);
        let category = product.and_then(|product| self.shop.categories.get(product.category));
        let has = |flaw| line.flaw == Some(flaw);
        let store = line.store.and_then(|store| self.shop.stores.get(usize::from(store)));
        let customer = line.customer.map(|_| self.customer.as_str());
        let is_long = has(Flaw::LongStore);
        Row {
            order_id: &self.order,
            line_number: line.number.into(),
            customer_id: if has(Flaw::ControlCharacter) { Some("C\u{7}") } else { customer },
            occurred_at: (!has(Flaw::BadTime)).then_some(line.occurred_at),
            product_id: product.map(|p| p.id.as_str()).filter(|_| !has(Flaw::NoProduct)),
            category: category.map_or("", |category| category.name),
            quantity: if has(Flaw::ZeroQuantity) { 0 } else { line.quantity.into() },
            unit_price: (!has(Flaw::NoPrice)).then_some(line.unit_price.into()),
            discount: if has(Flaw::NegativeDiscount) { -100 } else { line.discount.into() },
            unit_cost: product.map_or(0, |product| product.unit_cost),
            currency: if has(Flaw::OtherCurrency) { self.other_currency } else { self.currency },
            channel: line.channel.name(),
            store_id: if is_long { Some(&self.long_store) } else { store.map(String::as_str) },
            promotion_id: line.is_promotion.then_some(self.promotion.as_str()),
            country: self.shop.countries.get(usize::from(line.country)).map_or("", String::as_str),
            cancels_order_id: line.cancels.map(|_| self.cancels.as_str()),
            recorded_at: line.recorded_at,
        }
    }

    fn fill(&mut self, line: &Line) {
        // Writing into a string does not fail.
        let _ = write_order(&mut self.order, line.order);
        if let Some(cancels) = line.cancels {
            let _ = write_order(&mut self.cancels, cancels);
        }
        if let Some(number) = line.customer {
            self.customer.clear();
            let _ = write!(self.customer, "C{:07}", number + 1);
        }
        if line.is_promotion {
            let monday = self.mondays.get(line.order.week()).map_or("", String::as_str);
            let product = self.shop.products.get(line.product as usize);
            let category = product.map_or(0, |product| product.category + 1);
            self.promotion.clear();
            let _ = write!(self.promotion, "{monday}-{category:02}");
        }
    }
}

fn write_order(text: &mut String, order: OrderNumber) -> std::fmt::Result {
    text.clear();
    write!(text, "{:013}", order.raw())
}

/// The key of a customer by number.
pub(super) fn customer_id(number: u32) -> String {
    format!("C{:07}", number + 1)
}
