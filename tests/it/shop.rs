//! A small shop drawn from a fixed sequence, as CSV.
//!
//! A year and a half, four hundred customers of three habits: regulars come about every ten days,
//! occasional ones about every fifty, and the lapsed were regulars until they left for good.

use std::fmt::Write as _;

/// Customers of each habit, by the first letter of their keys.
pub(crate) const REGULAR: usize = 140;
pub(crate) const OCCASIONAL: usize = 120;
pub(crate) const LAPSED: usize = 140;

/// The shop opens on 2023-01-02 and the data ends 540 days later.
const DAYS: u64 = 540;

pub(crate) const MAPPING: &str = r#"
[time]
zone = "Europe/London"
format = "%Y-%m-%d %H:%M"

[columns]
customer_id = "customer"
order_id = "order"
line_number = "line"
occurred_at = "time"
product_id = "product"
category = "category"
quantity = "quantity"
unit_price = "price"
unit_cost = "cost"
store_id = "store"
country = "country"
"#;

pub(crate) const HEADER: &str =
    "customer,order,line,time,product,category,quantity,price,cost,store,country\n";

/// The file; always the same bytes.
pub(crate) fn csv() -> String {
    let mut shop = Shop { text: HEADER.to_owned(), order: 0, chance: Chance(42) };
    for number in 0..REGULAR {
        shop.customer(&format!("r{number}"), 10, DAYS);
    }
    for number in 0..OCCASIONAL {
        shop.customer(&format!("o{number}"), 50, DAYS);
    }
    for number in 0..LAPSED {
        let gone = 120 + shop.chance.below(DAYS - 120);
        shop.customer(&format!("l{number}"), 10, gone);
    }
    shop.text
}

struct Shop {
    text: String,
    order: u32,
    chance: Chance,
}

impl Shop {
    /// Visits from a random day on, with gaps around `gap` days, until `end`.
    fn customer(&mut self, id: &str, gap: u64, end: u64) {
        let mut day = self.chance.below(100);
        while day < end {
            self.visit(id, day);
            day += 1 + gap / 2 + self.chance.below(gap);
        }
    }

    fn visit(&mut self, id: &str, day: u64) {
        self.order += 1;
        let date = date(day);
        let (hour, minute) = (9 + self.chance.below(10), self.chance.below(60));
        for line in 1..=1 + self.chance.below(3) {
            let product = self.chance.below(12);
            let price = 2 + product;
            let quantity = 1 + self.chance.below(5);
            let category = ["food", "garden", "toys"][product as usize % 3];
            let store = ["north", "south"][self.order as usize % 2];
            let country = if id.len().is_multiple_of(3) { "France" } else { "United Kingdom" };
            let order = self.order;
            writeln!(
                self.text,
                "{id},{order},{line},{date} {hour:02}:{minute:02},p{product},{category},{quantity},{price}.50,{price}.00,{store},{country}"
            )
            .unwrap();
        }
    }
}

/// The date of a day of the shop, day 0 being 2023-01-02.
fn date(day: u64) -> String {
    let micros = (19_359 + day as i64) * patron::transaction::MICROS_PER_DAY;
    let text = patron::transaction::Timestamp::from_micros(micros).to_string();
    text[..10].to_owned()
}

/// A linear congruential sequence: good enough to scatter visits, the same on every machine.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
