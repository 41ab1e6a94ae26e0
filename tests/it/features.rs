//! Properties of the feature function.

use std::collections::HashSet;

use patron::feature::{FeatureSchema, Features, definitions};
use patron::transaction::{
    CustomerHistory, HistoryLine, LineDraft, Money, Quantity, ShopClock, SymbolTable, Timestamp,
};
use proptest::prelude::*;

const AS_OF: &str = "2024-03-30T15:00:00Z";

fn as_of() -> Timestamp {
    AS_OF.parse().unwrap()
}

/// A line before it has symbols: the minutes by which sale and record precede the as-of date, and
/// the draft without its time.
#[derive(Clone, Debug)]
struct Drawn {
    minutes_before: i64,
    known_after: i64,
    draft: LineDraft,
}

fn any_text(texts: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop::sample::select(texts).prop_map(str::to_owned))
}

fn any_line() -> impl Strategy<Value = Drawn> {
    let clocks = (1_i64..800_000, 0_i64..100_000);
    let amounts = (
        prop_oneof![1_i64..20_000, -5_000_i64..-1],
        0_i64..90_000_000,
        0_i64..2_000_000,
        prop::option::of(0_i64..50_000_000),
    );
    let texts = (
        prop::sample::select(&["p1", "p2", "p3", "p4"][..]),
        any_text(&["food/milk", "food", "toys"]),
        any_text(&["A", "B", "C", "D"]),
        any_text(&["A", "B"]),
        any_text(&["web", "phone"]),
        any_text(&["north", "south"]),
        any_text(&["spring"]),
    );
    (clocks, amounts, texts).prop_map(|((minutes_before, known_after), amounts, texts)| {
        let (quantity, price, discount, cost) = amounts;
        let (product, category, order_id, cancels_order_id, channel, store_id, promotion_id) =
            texts;
        let draft = LineDraft {
            order_id,
            product_id: Some(product.to_owned()),
            category,
            quantity: Some(Quantity::from_thousandths(quantity)),
            unit_price: Some(Money::from_micros(price)),
            discount: Some(Money::from_micros(discount)),
            unit_cost: cost.map(Money::from_micros),
            channel,
            store_id,
            promotion_id,
            cancels_order_id,
            ..LineDraft::default()
        };
        Drawn { minutes_before, known_after, draft }
    })
}

fn minutes(before: Timestamp, count: i64) -> Timestamp {
    Timestamp::from_micros(before.micros() - count * 60_000_000)
}

/// Lines with symbols, and the function that computes on them.
struct Bench {
    symbols: SymbolTable,
    clock: ShopClock,
}

impl Bench {
    fn new() -> Self {
        let clock = ShopClock::new("Europe/London").unwrap();
        Self { symbols: SymbolTable::default(), clock }
    }

    fn line(&mut self, drawn: &Drawn) -> HistoryLine {
        let occurred_at = minutes(as_of(), drawn.minutes_before);
        self.line_at(drawn, occurred_at, minutes(occurred_at, -drawn.known_after))
    }

    fn line_at(&mut self, drawn: &Drawn, occurred: Timestamp, recorded: Timestamp) -> HistoryLine {
        let draft = LineDraft { occurred_at: Some(occurred), ..drawn.draft.clone() };
        HistoryLine::new(&draft.check("GBP").unwrap(), recorded, &self.clock, &mut self.symbols)
    }

    fn lines(&mut self, drawn: &[Drawn]) -> Vec<HistoryLine> {
        drawn.iter().map(|drawn| self.line(drawn)).collect()
    }

    fn features(&self, history: &CustomerHistory) -> Vec<f32> {
        let top = ["food", "toys"].map(str::to_owned).to_vec();
        let schema = FeatureSchema::new(&self.clock, "category", top);
        Features::new(&schema, &self.symbols).unwrap().of(history, as_of())
    }
}

proptest! {
    #[test]
    fn the_order_of_lines_does_not_matter(
        (lines, shuffled) in prop::collection::vec(any_line(), 0..30)
            .prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle())),
    ) {
        // Symbols are numbered by first appearance: number them alike for both.
        let mut bench = Bench::new();
        let lines = CustomerHistory::new(bench.lines(&lines));
        let shuffled = CustomerHistory::new(bench.lines(&shuffled));
        prop_assert_eq!(bench.features(&lines), bench.features(&shuffled));
    }

    #[test]
    fn the_numbering_of_texts_does_not_matter(
        lines in prop::collection::vec(any_line(), 1..30),
    ) {
        let (mut forward, mut backward) = (Bench::new(), Bench::new());
        let one = CustomerHistory::new(forward.lines(&lines));
        let reversed: Vec<Drawn> = lines.into_iter().rev().collect();
        let other = CustomerHistory::new(backward.lines(&reversed));
        prop_assert_eq!(forward.features(&one), backward.features(&other));
    }

    #[test]
    fn a_line_with_either_clock_at_or_after_the_date_changes_nothing(
        lines in prop::collection::vec(any_line(), 0..20),
        unseen in any_line(),
        late in 0_i64..100_000,
    ) {
        let mut bench = Bench::new();
        let seen = CustomerHistory::new(bench.lines(&lines));
        let before = bench.features(&seen);
        let (past, future) = (minutes(as_of(), 1), minutes(as_of(), -late));
        for (occurred, recorded) in [(past, future), (future, past), (future, future)] {
            let line = bench.line_at(&unseen, occurred, recorded);
            let with = seen.clone().merge(CustomerHistory::new(vec![line]));
            prop_assert_eq!(&before, &bench.features(&with));
        }
    }

    #[test]
    fn two_halves_merged_equal_the_whole(
        lines in prop::collection::vec(any_line(), 0..30),
        cut in 0_usize..30,
    ) {
        let mut bench = Bench::new();
        let lines = bench.lines(&lines);
        let (left, right) = lines.split_at(cut.min(lines.len()));
        let merged = CustomerHistory::new(left.to_vec()).merge(CustomerHistory::new(right.to_vec()));
        let whole = CustomerHistory::new(lines);
        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(bench.features(&merged), bench.features(&whole));
    }

    #[test]
    fn every_value_is_finite_and_a_share_is_one(
        lines in prop::collection::vec(any_line(), 0..30),
    ) {
        let mut bench = Bench::new();
        let history = CustomerHistory::new(bench.lines(&lines));
        for (value, definition) in bench.features(&history).iter().zip(definitions()) {
            prop_assert!(value.is_finite(), "{}", definition.name);
            let bounded = ["visits", "lines", "recency_days", "return_rate", "weekend_share"];
            prop_assert!(!bounded.contains(&definition.name) || *value >= 0.0);
        }
    }
}

#[test]
fn amounts_at_the_limit_stay_finite() {
    let mut bench = Bench::new();
    let draft = LineDraft {
        product_id: Some("p".to_owned()),
        quantity: Some(Quantity::from_thousandths(i64::MAX / 1_000)),
        unit_price: Some(Money::from_micros(900)),
        ..LineDraft::default()
    };
    let drawn = Drawn { minutes_before: 10, known_after: 0, draft };
    let history = CustomerHistory::new(bench.lines(&[drawn.clone(), drawn.clone(), drawn]));
    assert!(bench.features(&history).iter().all(|value| value.is_finite()));
}

#[test]
fn a_customer_without_history_has_the_values_of_the_table() {
    let values = Bench::new().features(&CustomerHistory::default());
    for (value, definition) in values.iter().zip(definitions()) {
        assert!(definition.no_history.is_none_or(|none| none == *value), "{}", definition.name);
    }
    let undefined: Vec<_> =
        definitions().iter().filter(|d| d.no_history.is_none()).map(|d| d.name).collect();
    assert_eq!(undefined, ["season_sin", "season_cos"], "the same for every customer");
}

#[test]
fn there_are_about_fifty_features_with_names_of_their_own() {
    let names: HashSet<&str> = definitions().iter().map(|definition| definition.name).collect();
    assert_eq!(names.len(), definitions().len());
    assert!((50..=60).contains(&names.len()), "{}", names.len());
}
