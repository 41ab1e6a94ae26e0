//! The store against a plain model of the contract, over any sequence of what can happen to it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use proptest::prelude::*;

use crate::transaction::{
    CustomerHistory, CustomerId, HistorySource, ImportReport, LineDraft, LineRef, Money,
    OccurrenceCounter, Quantity, ShopClock, StoreOutcome, SymbolTable, Timestamp, TransactionLine,
};

use super::{
    AppendOutcome, Bulk, BulkRow, BulkWriter, NewLine, StoreError, TextNumbers, TransactionStore,
};

const CUSTOMERS: [Option<&str>; 5] = [Some("ann"), Some("bob"), Some("cid"), Some("dee"), None];

/// What can happen to a store.
#[derive(Clone, Debug)]
enum Event {
    Append(Vec<TransactionLine>),
    Import(Vec<TransactionLine>),
    Pack,
    Reopen,
    Erase(usize),
}

prop_compose! {
    fn any_line()(
        customer in 0..CUSTOMERS.len(),
        order in 0_u8..4,
        number in proptest::option::of(1_u32..3),
        hour in 0_i64..40,
        price in 1_i64..3,
        quantity in prop_oneof![Just(1_i64), Just(-1), Just(3)],
        category in prop_oneof![Just(None), Just(Some("food/milk")), Just(Some("food"))],
    ) -> TransactionLine {
        let draft = LineDraft {
            customer_id: CUSTOMERS[customer].map(str::to_owned),
            order_id: (order > 0).then(|| format!("r{order}")),
            line_number: number,
            occurred_at: Some(Timestamp::from_micros(hour * 3_600_000_000)),
            product_id: Some("p".to_owned()),
            category: category.map(str::to_owned),
            quantity: Some(Quantity::from_thousandths(quantity * 1_000)),
            unit_price: Some(Money::from_micros(price * 1_000_000)),
            ..LineDraft::default()
        };
        draft.check("EUR").unwrap()
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => prop::collection::vec(any_line(), 1..12).prop_map(Event::Append),
        2 => prop::collection::vec(any_line(), 1..25).prop_map(Event::Import),
        2 => Just(Event::Pack),
        1 => Just(Event::Reopen),
        1 => (0..CUSTOMERS.len() - 1).prop_map(Event::Erase),
    ]
}

/// The contract, as simple as it can be said.
#[derive(Debug, Default)]
struct Model {
    /// All versions, in the order of arrival, and whether each is current.
    versions: Vec<(TransactionLine, u32, bool)>,
}

impl Model {
    fn append(&mut self, line: &TransactionLine, occurrence: u32) -> AppendOutcome {
        let is_numbered =
            |line: &TransactionLine| line.order_id.is_some() && line.line_number.is_some();
        let is_same = |old: &TransactionLine| {
            is_numbered(old)
                && (&old.order_id, old.line_number) == (&line.order_id, line.line_number)
        };
        if !is_numbered(line) {
            let is_known = |(old, count, _): &(TransactionLine, u32, bool)| {
                old == line && *count == occurrence
            };
            if self.versions.iter().any(is_known) {
                return AppendOutcome::Duplicate;
            }
            self.versions.push((line.clone(), occurrence, true));
            return AppendOutcome::Accepted;
        }
        if self.versions.iter().any(|(old, ..)| old == line) {
            return AppendOutcome::Duplicate;
        }
        let mut outcome = AppendOutcome::Accepted;
        for (old, _, current) in &mut self.versions {
            if is_same(old) && *current {
                *current = false;
                outcome = AppendOutcome::Corrected;
            }
        }
        self.versions.push((line.clone(), 0, true));
        outcome
    }

    fn current(&self) -> Vec<TransactionLine> {
        let current = self.versions.iter().filter(|(.., current)| *current);
        current.map(|(line, ..)| line.clone()).collect()
    }

    fn of(&self, customer: &CustomerId) -> Vec<TransactionLine> {
        let mut lines = self.current();
        lines.retain(|line| line.customer_id.as_ref() == Some(customer));
        sorted(lines)
    }

    fn erase(&mut self, customer: &CustomerId) -> u64 {
        let before = self.versions.len();
        self.versions.retain(|(line, ..)| line.customer_id.as_ref() != Some(customer));
        (before - self.versions.len()) as u64
    }
}

fn sorted(mut lines: Vec<TransactionLine>) -> Vec<TransactionLine> {
    lines.sort_by_key(|line| format!("{line:?}"));
    lines
}

fn open(directory: &std::path::Path) -> TransactionStore {
    // A cache, so that whatever happens is tried with it too.
    TransactionStore::open(directory, ShopClock::utc(), "EUR").unwrap().with_cache(1 << 20)
}

fn ids() -> impl Iterator<Item = CustomerId> {
    CUSTOMERS.iter().flatten().map(|id| CustomerId::parse(id).unwrap())
}

fn compare(store: &TransactionStore, model: &Model) {
    let current = model.current();
    let mut reader = store.reader().unwrap();
    let summary = reader.summary();
    assert_eq!(summary.lines, current.len() as u64);
    let digest = current.iter().fold(0_u128, |sum, line| {
        sum.wrapping_add(u128::from_le_bytes(*line.content().as_bytes()))
    });
    assert_eq!(summary.digest, format!("{digest:032x}"));
    let known: BTreeSet<_> = model.versions.iter().flat_map(|(l, ..)| &l.customer_id).collect();
    assert_eq!(summary.customers, known.len() as u64);
    for customer in ids() {
        let lines = reader.lines(&customer, 0, 1_000).unwrap();
        let lines = sorted(lines.into_iter().map(|stored| stored.line).collect());
        assert_eq!(lines, model.of(&customer));
    }
    compare_scans(store, model);
}

fn compare_scans(store: &TransactionStore, model: &Model) {
    let mut reader = store.reader().unwrap();
    let sum = |lines: &mut dyn Iterator<Item = Money>| lines.sum::<Money>();
    for threads in [1, 3] {
        let mut total = (0, Money::ZERO);
        let visit = |(count, amount): &mut (usize, Money), sale: &super::SaleLine| {
            if sale.is_visible(Timestamp::MAX) {
                *count += 1;
                *amount += sale.amount;
            }
        };
        let add = |(count, amount): (usize, Money)| {
            total.0 += count;
            total.1 += amount;
            ControlFlow::Continue(())
        };
        reader.scan_sales(threads, Default::default, visit, add).unwrap();
        let current = model.current();
        let expected = sum(&mut current.iter().map(TransactionLine::amount));
        assert_eq!(total, (current.len(), expected));
    }
    let mut scanned = BTreeMap::new();
    let keep = |kept: &mut Vec<_>, customer: &CustomerId, history: &CustomerHistory| {
        kept.push((customer.clone(), history.clone()));
    };
    let take = |kept| {
        scanned.extend::<Vec<_>>(kept);
        ControlFlow::Continue(())
    };
    reader.scan_parallel(1, Vec::new, keep, |kept| kept, take).unwrap();
    for customer in ids() {
        let history = reader.history(&customer).unwrap();
        assert_eq!(**store.glance(&customer).unwrap().history(), **history);
        assert_eq!(scanned.remove(&customer).unwrap_or_default(), **history);
        let versions = model.versions.iter();
        let own = versions.filter(|(line, ..)| line.customer_id.as_ref() == Some(&customer));
        assert_eq!(history.lines().len(), own.count());
    }
    assert!(scanned.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_store_keeps_the_contract(events in prop::collection::vec(any_event(), 1..14)) {
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path());
        let mut model = Model::default();
        for event in events {
            if matches!(event, Event::Reopen) {
                drop(store);
                store = open(directory.path());
            }
            happen(&store, &mut model, event);
            compare(&store, &model);
        }
    }
}

/// What an event does to an open store, and what it answers.
fn happen(store: &TransactionStore, model: &mut Model, event: Event) {
    match event {
        Event::Append(lines) => append(store, model, lines),
        Event::Import(lines) => import(store, model, lines),
        Event::Pack => store.pack().unwrap(),
        Event::Reopen => {}
        Event::Erase(place) => {
            let customer = ids().nth(place).unwrap();
            assert_eq!(store.erase(&customer).unwrap(), model.erase(&customer));
        }
    }
}

fn append(store: &TransactionStore, model: &mut Model, lines: Vec<TransactionLine>) {
    let mut seen = OccurrenceCounter::default();
    let lines: Vec<NewLine> = lines.into_iter().map(|line| NewLine::new(line, &mut seen)).collect();
    let expected: Vec<_> =
        lines.iter().map(|new| model.append(&new.line, new.occurrence)).collect();
    assert_eq!(store.append(lines).unwrap(), expected);
}

fn import(store: &TransactionStore, model: &mut Model, lines: Vec<TransactionLine>) {
    // So little memory that most lines go through the file.
    let mut bulk = store.bulk(300, lines.len() % 4);
    // Two threads take turns, and one that came first numbered the texts.
    let mut writers = [bulk.writer(), bulk.writer()];
    let mut texts = SymbolTable::default();
    for text in ["never used", "food", "p", "food/milk"] {
        texts.intern(Some(text));
    }
    let mut seen = OccurrenceCounter::default();
    let mut expected = [0; 3];
    for (row, line) in (0..).zip(lines) {
        let new = NewLine::new(line, &mut seen);
        expected[model.append(&new.line, new.occurrence) as usize] += 1;
        let writer = &mut writers[row as usize / 4 % 2];
        push(writer, (row, &new.line), None, &mut texts);
        if row % 4 == 3 {
            bulk.append(writer.take()).unwrap();
        }
    }
    finish(bulk, writers, expected);
}

fn push(
    writer: &mut BulkWriter,
    (row, line): (u64, &TransactionLine),
    recorded_at: Option<Timestamp>,
    texts: &mut SymbolTable,
) {
    let line = LineRef::from(line);
    let number = |text: &str| Ok::<_, std::convert::Infallible>(texts.intern(Some(text)).raw());
    let Ok(numbers) = TextNumbers::of(&line, number);
    let content = line.content(&mut Vec::new());
    writer.push(&BulkRow { row, line, numbers, content, recorded_at, fingerprint: row });
}

fn finish(mut bulk: Bulk<'_>, writers: [BulkWriter; 2], expected: [u64; 3]) {
    for mut writer in writers {
        bulk.append(writer.take()).unwrap();
    }
    let mut found = StoreOutcome::default();
    let report = |outcome| {
        found = outcome;
        ImportReport::default()
    };
    bulk.commit("an import", report, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!([found.accepted, found.duplicates, found.corrected], expected);
    assert_eq!(found.repeated_rows, 0);
}

/// A line of one piece of one product, numbered in an order or not.
fn line(customer: &str, number: Option<u32>) -> TransactionLine {
    let draft = LineDraft {
        customer_id: Some(customer.to_owned()),
        order_id: number.map(|_| format!("r{customer}")),
        line_number: number,
        occurred_at: Some(Timestamp::default()),
        product_id: Some("p".to_owned()),
        quantity: Some(Quantity::ONE),
        unit_price: Some(Money::from_micros(1)),
        ..LineDraft::default()
    };
    draft.check("EUR").unwrap()
}

#[test]
fn a_bulk_import_that_is_broken_off_leaves_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let line = line("ann", None);
    let mut bulk = store.bulk(1 << 20, 2);
    let mut writer = bulk.writer();
    push(&mut writer, (0, &line), Some(line.occurred_at), &mut SymbolTable::default());
    bulk.append(writer.take()).unwrap();
    let broken = bulk.commit("an import", |_| ImportReport::default(), &mut |fraction| {
        if fraction > 0.5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(broken, Err(StoreError::Cancelled)));
    compare(&store, &Model::default());
    assert_eq!(store.import_report("an import").unwrap(), None);
}

#[test]
fn new_customers_give_way_to_one_who_has_their_key() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut model = Model::default();
    let ids: Vec<CustomerId> = ids().collect();
    // Keys are hashes, so others with the same one are put there by hand: bob's own key is taken,
    // and so is the next; ann's next is, as if she were the second of her hash already.
    let taken = [ids[1].placement(), ids[1].placement() + 1, ids[0].placement() + 1];
    for (at, key) in taken.into_iter().enumerate() {
        let other = CustomerId::parse(&format!("other{at}")).unwrap();
        let writer = store.database.writer();
        super::row::insert_customer(&writer, key, &other).unwrap();
    }
    let lines =
        ids.iter().flat_map(|id| [1, 2, 1].map(|number| line(id.as_str(), Some(number)))).collect();
    import(&store, &mut model, lines);
    let lines = ids.iter().map(|id| line(id.as_str(), Some(3))).collect();
    import(&store, &mut model, lines);
    let mut reader = store.reader().unwrap();
    assert_eq!(reader.summary().lines, 12);
    for id in &ids {
        let lines = reader.lines(id, 0, 10).unwrap().into_iter().map(|stored| stored.line);
        assert_eq!(sorted(lines.collect()), model.of(id));
        assert_eq!(reader.history(id).unwrap().lines().len(), 3);
        assert_eq!(store.glance(id).unwrap().history().lines().len(), 3);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_glance_sees_what_others_stored(events in prop::collection::vec(any_event(), 1..8)) {
        let directory = tempfile::tempdir().unwrap();
        // Others, as another process has them; one of them remembers.
        let (store, other) = (open(directory.path()), open(directory.path()));
        let remembers = open(directory.path()).with_cache(1 << 20);
        let mut model = Model::default();
        for event in events {
            happen(&other, &mut model, event);
            for customer in ids() {
                let mut reader = other.reader().unwrap();
                // The third of them is known to one that remembers.
                for store in [&store, &remembers, &remembers] {
                    let glance = store.glance(&customer).unwrap();
                    prop_assert_eq!(&**glance.history(), &**reader.history(&customer).unwrap());
                    prop_assert_eq!(glance.symbols().len(), reader.symbols().len());
                    prop_assert_eq!(glance.last_occurred_at(), reader.summary().last_occurred_at);
                }
            }
        }
    }
}

#[test]
fn a_known_customer_is_looked_up_only_after_a_commit() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).with_cache(1 << 20);
    let other = open(directory.path());
    let mut model = Model::default();
    let ids: Vec<CustomerId> = ids().collect();
    let lines = || store.glance(&ids[0]).unwrap().history().lines().len();
    import(&other, &mut model, vec![line(ids[0].as_str(), None)]);
    assert_eq!([lines(), lines()], [1, 1]);
    let seen = store.seen().expect("nothing was stored since").state;
    // By hand, so that only who asks the database can know.
    let by_hand = |sql: &str| assert_eq!(other.database.writer().execute(sql, []).unwrap(), 1);
    by_hand("UPDATE customer SET customer_key = customer_key + 1");
    assert_eq!(lines(), 1);
    // A commit that was told and never came: nobody relies on what he remembers.
    let mut never = seen;
    never.last_batch += 9;
    store.generation.tell(&never).unwrap();
    assert_eq!((lines(), store.seen().is_none()), (0, true));
    by_hand("UPDATE customer SET customer_key = customer_key - 1");
    append(&other, &mut model, vec![line(ids[1].as_str(), None)]);
    assert_eq!([lines(), lines()], [1, 1]);
    assert!(store.seen().is_some());
    // A store that is opened tells again where it stands.
    store.generation.tell(&never).unwrap();
    assert!(store.seen().is_none());
    drop(open(directory.path()));
    assert!(store.seen().is_some());
}

#[test]
fn a_store_of_format_1_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/store_format_1");
    let file = "transactions.sqlite3";
    std::fs::copy(format!("{fixture}/{file}"), directory.path().join(file)).unwrap();
    let clock = ShopClock::new("Europe/London").unwrap();
    for _ in 0..2 {
        let store = TransactionStore::open(directory.path(), clock.clone(), "EUR").unwrap();
        let mut reader = store.reader().unwrap();
        let summary = reader.summary();
        assert_eq!((summary.lines, summary.customers), (8, 2));
        // As the older program had added it up.
        assert_eq!(summary.digest, "1c435ee4463d34100ba60e0421b152b0");
        let ann = CustomerId::parse("ann").unwrap();
        let prices: Vec<_> = reader.lines(&ann, 0, 10).unwrap();
        let prices: Vec<_> = prices.iter().map(|s| s.line.unit_price.to_string()).collect();
        assert_eq!(prices, ["1.50", "1.50", "1.40", "3.20"]);
        assert_eq!(reader.history(&ann).unwrap().lines().len(), 5);
        assert_eq!(reader.import_reports().unwrap().len(), 1);
    }
}
