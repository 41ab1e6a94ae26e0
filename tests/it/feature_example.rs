//! The features of one customer, computed by hand.

use patron::feature::{FeatureSchema, Features};
use patron::transaction::{
    CustomerHistory, HistoryLine, LineDraft, Money, Quantity, ShopClock, SymbolTable, Timestamp,
};

/// Order, time, product, category, quantity, price, discount, cost, store, channel, promotion.
type Example = (
    Option<&'static str>,
    &'static str,
    [&'static str; 2],
    [&'static str; 3],
    Option<&'static str>,
    [&'static str; 2],
    Option<&'static str>,
);

/// Three visits and one return:
///
/// | day | what | amount | cost |
/// |---|---|---|---|
/// | Wed 2024-01-10, noon | 2 milk at 10.00; 1 kite at 5.00, 1.00 off under a promotion | 20 + 4 | 6.00 a milk |
/// | Fri 2024-02-09, 19:00 | 3 milk at 10.00 | 30 | 6.00 a milk |
/// | Tue 2024-02-20 | 1 milk back | -10 | 6.00 |
/// | Sat 2024-03-23, 15:00 | 4 balls at 2.50 | 10 | unknown |
const LINES: [Example; 5] = [
    (
        Some("A"),
        "2024-01-10T12:00:00Z",
        ["milk", "food"],
        ["2", "10", "0"],
        Some("6"),
        ["north", "web"],
        None,
    ),
    (
        Some("A"),
        "2024-01-10T12:00:00Z",
        ["kite", "toys"],
        ["1", "5", "1"],
        None,
        ["north", "web"],
        Some("spring"),
    ),
    (
        Some("B"),
        "2024-02-09T19:00:00Z",
        ["milk", "food"],
        ["3", "10", "0"],
        Some("6"),
        ["south", "till"],
        None,
    ),
    (
        None,
        "2024-02-20T10:00:00Z",
        ["milk", "food"],
        ["-1", "10", "0"],
        Some("6"),
        ["south", "till"],
        None,
    ),
    (
        Some("C"),
        "2024-03-23T15:00:00Z",
        ["ball", "toys"],
        ["4", "2.50", "0"],
        None,
        ["north", "web"],
        None,
    ),
];

/// The value of every feature that is not a copy of another, a week after the last visit.
const EXPECTED: [(&str, f64); 43] = [
    ("recency_days", 7.0),
    ("tenure_days", 80.125),
    ("active_span_days", 73.0),
    ("visits", 3.0),
    ("lines", 4.0),
    ("units", 9.0),
    ("spend", 54.0),
    ("margin", 8.0 + 12.0 - 4.0),
    ("margin_known_share", 40.0 / 54.0),
    ("average_order_value", 64.0 / 3.0),
    ("largest_visit_spend", 30.0),
    ("units_per_visit", 10.0 / 3.0),
    ("lines_per_visit", 4.0 / 3.0),
    ("average_unit_price", 6.4),
    ("gap_mean_days", 36.5),
    ("gap_std_days", 6.5),
    ("recency_over_gap", 7.0 / 36.5),
    ("spend_7d", 10.0),
    ("visits_7d", 1.0),
    ("units_7d", 4.0),
    ("spend_30d", 10.0),
    ("spend_90d", 54.0),
    ("visits_90d", 3.0),
    ("units_90d", 9.0),
    ("frequency_variation", 1.0),
    ("basket_variation", 1.0),
    ("distinct_products", 3.0),
    ("distinct_categories", 2.0),
    ("distinct_stores", 2.0),
    ("distinct_channels", 2.0),
    ("product_repeat_share", 1.0 / 4.0),
    ("main_store_share", 3.0 / 4.0),
    ("main_channel_share", 3.0 / 4.0),
    ("promotion_share", 4.0 / 64.0),
    ("discount_share", 1.0 / 65.0),
    ("top_share_1", 50.0 / 64.0),
    ("top_share_2", 14.0 / 64.0),
    ("top_share_3", 0.0),
    ("return_rate", 10.0 / 64.0),
    ("return_line_share", 1.0 / 5.0),
    ("weekend_share", 1.0 / 4.0),
    ("evening_share", 1.0 / 4.0),
    ("season_sin", SEASON_SIN),
];

/// The as-of date is 88.905 days into a year of 365.2425: sin(2 pi x 88.905 / 365.2425).
const SEASON_SIN: f64 = 0.999_144;

fn history(clock: &ShopClock, symbols: &mut SymbolTable) -> CustomerHistory {
    let text = |text: &str| Some(text.to_owned());
    let line = |example: &Example| {
        let (order, time, [product, category], [quantity, price, discount], cost, place, promotion) =
            *example;
        let time: Timestamp = time.parse().unwrap();
        let draft = LineDraft {
            order_id: order.map(str::to_owned),
            occurred_at: Some(time),
            product_id: text(product),
            category: text(category),
            quantity: Some(Quantity::parse(quantity).unwrap()),
            unit_price: Some(Money::parse(price).unwrap()),
            discount: Some(Money::parse(discount).unwrap()),
            unit_cost: cost.map(|cost| Money::parse(cost).unwrap()),
            store_id: text(place[0]),
            channel: text(place[1]),
            promotion_id: promotion.map(str::to_owned),
            ..LineDraft::default()
        };
        HistoryLine::new(&draft.check("GBP").unwrap(), time, clock, symbols)
    };
    CustomerHistory::new(LINES.iter().map(line).collect())
}

/// The features by name at an instant.
fn features(as_of: &str) -> impl Fn(&str) -> f64 {
    let clock = ShopClock::new("Europe/London").unwrap();
    let mut symbols = SymbolTable::default();
    let history = history(&clock, &mut symbols);
    let top = ["food", "toys"].map(str::to_owned).to_vec();
    let schema = FeatureSchema::new(&clock, "category", top);
    let features = Features::new(&schema, &symbols).unwrap();
    let values = features.of(&history, as_of.parse().unwrap());
    let columns = features.columns().to_vec();
    move |name: &str| {
        let index = columns.iter().position(|column| column == name);
        f64::from(values[index.unwrap_or_else(|| panic!("no feature {name}"))])
    }
}

#[test]
fn each_value_is_what_the_hand_says() {
    let value = features("2024-03-30T15:00:00Z");
    for (name, expected) in EXPECTED {
        let found = value(name);
        assert!((found - expected).abs() < 1e-5, "{name}: {found}, by hand {expected}");
    }
}

#[test]
fn an_order_taken_back_whole_is_no_visit() {
    let clock = ShopClock::new("Europe/London").unwrap();
    let mut symbols = SymbolTable::default();
    let line = |order: &str, cancels: Option<&str>, quantity: &str, time: &str| LineDraft {
        order_id: Some(order.to_owned()),
        cancels_order_id: cancels.map(str::to_owned),
        occurred_at: Some(time.parse().unwrap()),
        product_id: Some("milk".to_owned()),
        quantity: Some(Quantity::parse(quantity).unwrap()),
        unit_price: Some(Money::parse("2").unwrap()),
        ..LineDraft::default()
    };
    let lines = [
        line("1", None, "5", "2024-03-01T10:00:00Z"),
        line("2", None, "3", "2024-03-10T10:00:00Z"),
        line("C2", Some("2"), "-3", "2024-03-11T10:00:00Z"),
    ];
    let mut compact = |draft: LineDraft| {
        let line = draft.check("GBP").unwrap();
        HistoryLine::new(&line, line.occurred_at, &clock, &mut symbols)
    };
    let history = CustomerHistory::new(lines.map(&mut compact).to_vec());
    let schema = FeatureSchema::new(&clock, "product", Vec::new());
    let features = Features::new(&schema, &symbols).unwrap();
    let of = |as_of: &str| {
        let values = features.of(&history, as_of.parse().unwrap());
        let at = |name: &str| {
            values[features.columns().iter().position(|column| column == name).unwrap()]
        };
        (at("visits"), at("spend"), at("recency_days"))
    };
    assert_eq!(of("2024-03-11T10:00:00Z"), (2.0, 16.0, 1.0), "before it is taken back");
    assert_eq!(of("2024-03-12T10:00:00Z"), (1.0, 10.0, 11.0));
}

#[test]
fn the_shops_wall_clock_decides_on_day_and_evening() {
    // In summer time 17:30 UTC is 18:30 in London, and 23:30 UTC on Friday is Saturday there.
    let clock = ShopClock::new("Europe/London").unwrap();
    let mut symbols = SymbolTable::default();
    let mut line = |time: &str| {
        let draft = LineDraft {
            occurred_at: Some(time.parse().unwrap()),
            product_id: Some("milk".to_owned()),
            quantity: Some(Quantity::parse("1").unwrap()),
            unit_price: Some(Money::parse("1").unwrap()),
            ..LineDraft::default()
        };
        let line = draft.check("GBP").unwrap();
        HistoryLine::new(&line, line.occurred_at, &clock, &mut symbols)
    };
    let lines = vec![line("2024-06-05T17:30:00Z"), line("2024-06-07T23:30:00Z")];
    let schema = FeatureSchema::new(&clock, "product", Vec::new());
    let features = Features::new(&schema, &symbols).unwrap();
    let values = features.of(&CustomerHistory::new(lines), "2024-06-10T00:00:00Z".parse().unwrap());
    let at =
        |name: &str| values[features.columns().iter().position(|column| column == name).unwrap()];
    assert_eq!((at("evening_share"), at("weekend_share")), (0.5, 0.5));
}
