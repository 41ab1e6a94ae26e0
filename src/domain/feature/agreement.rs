//! The fast computation agrees with the oracle to the last bit.

use proptest::prelude::*;

use crate::transaction::{
    CustomerHistory, HistoryLine, LocalTime, Money, OrderKey, Quantity, ShopClock, Symbol,
    SymbolTable, Timestamp,
};

use super::oracle::Oracle;
use super::{FeatureSchema, Features, Settled, Workspace, definitions};

const DAY: i64 = 24 * 60;

/// The minute from which drawn times count.
fn minute(count: i64) -> Timestamp {
    let origin: Timestamp = "2023-06-01T00:00:00Z".parse().unwrap();
    Timestamp::from_micros(origin.micros().saturating_add(count.saturating_mul(60_000_000)))
}

/// The computation and its oracle on a data set with the texts `t1` to `t9`.
struct Pair {
    features: Features,
    oracle: Oracle,
    workspace: Workspace,
}

impl Pair {
    fn new(attribute: &str) -> Self {
        let mut symbols = SymbolTable::default();
        for number in 1..10 {
            symbols.intern(Some(&format!("t{number}")));
        }
        let clock = ShopClock::new("America/Sao_Paulo").unwrap();
        // One text is unknown and one stands twice.
        let top = ["t1", "unknown", "t3", "t1", "t4"].map(str::to_owned).to_vec();
        let schema = FeatureSchema::new(&clock, attribute, top);
        let top = schema.top_values().iter().map(|text| symbols.find(text)).collect();
        let features = Features::new(&schema, &symbols).unwrap();
        let ranks_products = schema.ranks_products();
        let oracle = Oracle { clock, ranks_products, top };
        Self { features, oracle, workspace: Workspace::default() }
    }

    /// Compares one history at all dates with the workspace as the last history left it.
    fn compare(&mut self, lines: &[HistoryLine], as_ofs: &[Timestamp]) {
        let history = CustomerHistory::new(lines.to_vec());
        let mut values = vec![-7.0];
        self.features.append_at(&history, as_ofs, &mut self.workspace, &mut values);
        let width = definitions().len();
        assert_eq!(values.len(), 1 + width * as_ofs.len());
        assert_eq!(values[0], -7.0, "what stood in the buffer stays");
        for (row, as_of) in values[1..].chunks(width).zip(as_ofs) {
            let expected = self.oracle.of(&history, *as_of);
            for ((found, expected), definition) in row.iter().zip(&expected).zip(definitions()) {
                let same = found.to_bits() == expected.to_bits();
                assert!(same, "{} as of {as_of}: {found}, not {expected}", definition.name);
            }
            self.compare_settled(&history, *as_of, row);
        }
    }

    /// Compares the features at one date with those of the settled history.
    fn compare_settled(&mut self, history: &CustomerHistory, as_of: Timestamp, expected: &[f32]) {
        let Some(settled) = Settled::of(history) else { return };
        let mut found = Vec::new();
        let holds = self.features.append_settled(&settled, as_of, &mut self.workspace, &mut found);
        let is_known = |line: &HistoryLine| {
            let times = [line.occurred_at, line.recorded_at];
            times.iter().all(|time| *time < as_of)
                && (line.is_current() || line.superseded_at < as_of)
        };
        assert_eq!(holds, history.lines().iter().all(is_known));
        if holds {
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found), bits(expected), "settled, as of {as_of}");
        }
    }
}

/// How wild the drawn lines are.
#[derive(Clone, Copy, Debug)]
struct Wildness {
    late: bool,
    corrected: bool,
    cancels: bool,
    local: bool,
    huge: bool,
}

fn any_wildness() -> impl Strategy<Value = Wildness> {
    any::<[bool; 5]>().prop_map(|[late, corrected, cancels, local, huge]| Wildness {
        late,
        corrected,
        cancels,
        local,
        huge,
    })
}

/// Some number, mostly small enough to repeat, now and then anything.
fn micros(wild: bool) -> BoxedStrategy<i64> {
    let tame = prop_oneof![-90_000_000_i64..90_000_000, 0_i64..3];
    if wild { prop_oneof![6 => tame, 1 => any::<i64>()].boxed() } else { tame.boxed() }
}

fn any_line(wild: Wildness) -> impl Strategy<Value = HistoryLine> {
    let quantity = prop_oneof![4 => 0_i64..20_000, 1 => -9_000_i64..0, 1 => micros(wild.huge)];
    let times = (
        prop_oneof![-900 * DAY..0, -3 * DAY..0, -900_i64..-890],
        prop_oneof![Just(0), 0..90 * DAY],
        prop_oneof![4 => Just(i64::MAX), 1 => -900 * DAY..9],
        prop_oneof![Just(0_i32), -400..400],
        any::<bool>(),
    );
    let orders = (0_u64..6, prop_oneof![2 => Just(0_u64), 1 => 0_u64..6]);
    let texts = prop::collection::vec(0_u32..8, 5);
    let amounts =
        (quantity, micros(wild.huge), micros(wild.huge), prop::option::of(micros(wild.huge)));
    let clock = ShopClock::new("America/Sao_Paulo").unwrap();
    (times, orders, texts, amounts).prop_map(move |(times, orders, texts, amounts)| {
        let (occurred, late, superseded, day, evening) = times;
        let occurred_at = minute(occurred);
        let mut local = clock.local(occurred_at);
        if wild.local {
            let minute = if evening { 18 * 60 } else { 18 * 60 - 1 };
            local = LocalTime { day: local.day + day, minute };
        }
        HistoryLine {
            occurred_at,
            recorded_at: minute(if wild.late { occurred + late - DAY } else { occurred }),
            superseded_at: minute(if wild.corrected { superseded } else { i64::MAX }),
            local,
            order: OrderKey::from_raw(orders.0),
            cancels: OrderKey::from_raw(if wild.cancels { orders.1 } else { 0 }),
            product: Symbol::from_raw(texts[0]),
            category: Symbol::from_raw(texts[1]),
            channel: Symbol::from_raw(texts[2] / 2),
            store: Symbol::from_raw(texts[3]),
            promotion: Symbol::from_raw(texts[4] / 4),
            quantity: Quantity::from_thousandths(amounts.0),
            amount: Money::from_micros(amounts.1),
            discount: Money::from_micros(amounts.2),
            margin: amounts.3.map(Money::from_micros),
        }
    })
}

fn any_lines(most: usize) -> impl Strategy<Value = Vec<HistoryLine>> {
    any_wildness().prop_flat_map(move |wild| prop::collection::vec(any_line(wild), 0..most))
}

/// Dates before, among and after the lines, some of them equal, in any order.
fn any_dates() -> impl Strategy<Value = Vec<Timestamp>> {
    let extreme = prop::sample::select(vec![i64::MIN, -2_000 * DAY, -895, 9, i64::MAX]);
    let date = prop_oneof![
        3 => -900 * DAY..40 * DAY,
        1 => -3 * DAY..9,
        1 => (-30_i64..2).prop_map(|month| month * 30 * DAY),
        1 => extreme,
    ];
    prop::collection::vec(date.prop_map(minute), 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn wild_histories_agree(
        histories in prop::collection::vec((any_lines(40), any_dates()), 1..4),
        products in any::<bool>(),
    ) {
        let mut pair = Pair::new(if products { "product" } else { "category" });
        for (lines, dates) in &histories {
            pair.compare(lines, dates);
        }
    }

    #[test]
    fn a_line_seen_exactly_at_its_instant_or_a_window_edge_agrees(
        lines in any_lines(12),
        edge in prop::sample::select(vec![0, 7, 30, 90, 180, 365]),
        shift in -1_i64..2,
    ) {
        let instants = lines.iter().flat_map(|line| [line.occurred_at, line.superseded_at]);
        let near = |instant: Timestamp| Timestamp::from_micros(instant.micros() + shift);
        let dates: Vec<Timestamp> =
            instants.map(|instant| near(instant).plus_days(edge)).collect();
        Pair::new("category").compare(&lines, &dates);
    }
}

/// A hundred thousand lines over three years, drawn from a fixed sequence.
fn long_history(change: impl Fn(&mut HistoryLine, u64)) -> Vec<HistoryLine> {
    let clock = ShopClock::new("America/Sao_Paulo").unwrap();
    let mut state = 7_u64;
    let mut draw = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        state >> 33
    };
    let line = |_| {
        let occurred_at = minute(-((draw() % (1_000 * DAY as u64)) as i64));
        let mut line = HistoryLine {
            occurred_at,
            recorded_at: occurred_at,
            superseded_at: Timestamp::MAX,
            local: clock.local(occurred_at),
            order: OrderKey::from_raw(1 + draw() % 30_000),
            cancels: OrderKey::NONE,
            product: Symbol::from_raw((draw() % 40_000) as u32),
            category: Symbol::from_raw((draw() % 12) as u32),
            channel: Symbol::from_raw((draw() % 3) as u32),
            store: Symbol::from_raw((draw() % 60) as u32),
            promotion: Symbol::from_raw((draw() % 2) as u32),
            quantity: Quantity::from_thousandths(draw() as i64 % 20_000 - 900),
            amount: Money::from_micros(draw() as i64 % 90_000_000 - 4_000_000),
            discount: Money::from_micros(draw() as i64 % 1_000_000),
            margin: Some(Money::from_micros(draw() as i64 % 1_000_000)),
        };
        change(&mut line, draw());
        line
    };
    (0..100_000).map(line).collect()
}

#[test]
fn a_hundred_thousand_lines_agree() {
    let dates = [0, -100, -400, 0, 1, 300].map(|day| minute(day * DAY));
    let mut pair = Pair::new("category");
    let plain = long_history(|_, _| ());
    pair.compare(&plain, &dates);
    let wild = long_history(|line, chance| match chance % 8 {
        0 => line.cancels = OrderKey::from_raw(1 + chance / 8 % 30_000),
        1 => line.recorded_at = line.occurred_at.plus_days(3),
        2 => line.superseded_at = line.occurred_at.plus_days(200),
        _ => line.local.day -= (chance / 8 % 400) as i32,
    });
    pair.compare(&wild, &dates);
    for lines in [plain, wild] {
        let settled = Settled::of(&CustomerHistory::new(lines)).unwrap();
        assert!(settled.holds(minute(300 * DAY)), "its settled form was compared");
    }
    pair.compare(&[], &dates);
}

#[test]
fn one_purchase_and_none_agree_in_the_sign_of_zero() {
    let mut lines = long_history(|_, _| ());
    lines.truncate(1);
    let mut pair = Pair::new("product");
    for quantity in [1_000, 0, -1_000] {
        lines[0].quantity = Quantity::from_thousandths(quantity);
        pair.compare(&lines, &[minute(0), minute(1)]);
    }
}
