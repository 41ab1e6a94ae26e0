//! The simulator against its theory, and its files against their truth.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::Path;
use std::sync::LazyLock;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::transaction::{MICROS_PER_DAY, Money, Quantity, ShopClock};

/// A small shop that several tests read.
struct Sample {
    folder: TempDir,
    truth: Value,
    rows: Vec<Row>,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    simulate(&plan(), folder.path(), false, &mut |_| true).unwrap();
    let truth = fs::read_to_string(folder.path().join("truth.json")).unwrap();
    let truth = serde_json::from_str(&truth).unwrap();
    let rows = table(folder.path(), "transactions").iter().flat_map(rows).collect();
    Sample { folder, truth, rows }
});

fn plan() -> Plan {
    Plan {
        size: Size::Customers(4000),
        months: 6,
        start: jiff::civil::date(2022, 1, 1),
        seed: 7,
        products: 480,
        stores: 5,
        clock: ShopClock::new("Europe/London").unwrap(),
        currency: "GBP".to_owned(),
        format: FileFormat::Both,
        dirty: 0.01,
        threads: 2,
    }
}

#[derive(Clone, Debug)]
struct Row {
    order: String,
    number: i32,
    customer: Option<String>,
    occurred_at: Option<i64>,
    recorded_at: i64,
    product: String,
    category: String,
    quantity: i128,
    price: Option<i128>,
    discount: i128,
    currency: String,
    store: String,
    cancels: bool,
}

impl Row {
    fn is_dirty(&self) -> bool {
        self.product.is_empty()
            || self.occurred_at.is_none()
            || self.price.is_none()
            || self.quantity == 0
            || self.discount < 0
            || self.currency != "GBP"
            || self.store.len() > 256
            || self.customer.as_ref().is_some_and(|text| text.contains(char::is_control))
    }

    fn amount(&self) -> i64 {
        let money = |cents: i128| Money::from_micros(cents as i64 * 10_000);
        let quantity = Quantity::from_thousandths(self.quantity as i64);
        quantity.line_amount(money(self.price.unwrap()), money(self.discount)).micros()
    }

    fn is_late(&self) -> bool {
        self.recorded_at - self.occurred_at.unwrap() >= MICROS_PER_DAY
    }
}

fn table(folder: &Path, name: &str) -> Vec<RecordBatch> {
    let file = File::open(folder.join(format!("{name}.parquet"))).unwrap();
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    batches.map(Result::unwrap).collect()
}

fn rows(batch: &RecordBatch) -> Vec<Row> {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let text = |name: &str| {
        let texts = column(name).as_string::<i32>().iter();
        texts.map(|text| text.map(str::to_owned)).collect::<Vec<_>>()
    };
    let decimal = |name: &str| column(name).as_primitive::<Decimal128Type>().iter();
    let time = |name: &str| column(name).as_primitive::<TimestampMicrosecondType>().iter();
    let (orders, customers, products) = (text("order_id"), text("customer_id"), text("product_id"));
    let (currencies, stores) = (text("currency"), text("store_id"));
    let (categories, cancels) = (text("category"), text("cancels_order_id"));
    let occurred: Vec<_> = time("occurred_at").collect();
    let recorded: Vec<_> = time("recorded_at").collect();
    let quantities: Vec<_> = decimal("quantity").collect();
    let prices: Vec<_> = decimal("unit_price").collect();
    let discounts: Vec<_> = decimal("discount").collect();
    let numbers = column("line_number").as_primitive::<Int32Type>();
    let row = |at: usize| Row {
        order: orders[at].clone().unwrap(),
        number: numbers.value(at),
        customer: customers[at].clone(),
        occurred_at: occurred[at],
        recorded_at: recorded[at].unwrap(),
        product: products[at].clone().unwrap_or_default(),
        category: categories[at].clone().unwrap(),
        quantity: quantities[at].unwrap(),
        price: prices[at],
        discount: discounts[at].unwrap(),
        currency: currencies[at].clone().unwrap(),
        store: stores[at].clone().unwrap_or_default(),
        cancels: cancels[at].is_some(),
    };
    (0..batch.num_rows()).map(row).collect()
}

fn numbers(folder: &Path, name: &str, column: &str) -> Vec<f64> {
    let values = |batch: &RecordBatch| {
        batch.column_by_name(column).unwrap().as_primitive::<Float64Type>().values().to_vec()
    };
    table(folder, name).iter().flat_map(values).collect()
}

fn texts(folder: &Path, name: &str, column: &str) -> Vec<String> {
    let values = |batch: &RecordBatch| {
        let texts = batch.column_by_name(column).unwrap().as_string::<i32>().clone();
        texts.iter().map(|text| text.unwrap().to_owned()).collect::<Vec<_>>()
    };
    table(folder, name).iter().flat_map(values).collect()
}

/// The rows that count in the end: the last of each order and line.
fn final_lines() -> HashMap<(&'static str, i32), &'static Row> {
    let good = SAMPLE.rows.iter().filter(|row| !row.is_dirty());
    good.map(|row| ((row.order.as_str(), row.number), row)).collect()
}

#[track_caller]
fn is_share(hits: usize, of: usize, expected: f64, what: &str) {
    let share = hits as f64 / of as f64;
    let error = (expected * (1.0 - expected) / of as f64).sqrt();
    assert!((share - expected).abs() < 5.0 * error, "{what}: {share} for {expected}");
}

#[test]
fn counts_and_sums_of_the_truth_are_those_of_the_file() {
    let (mut superseded, mut dirty, mut late) = (0, 0, 0);
    let mut seen: HashMap<(&str, i32), &Row> = HashMap::new();
    for row in &SAMPLE.rows {
        if row.is_dirty() {
            dirty += 1;
            continue;
        }
        match seen.insert((&row.order, row.number), row) {
            None => late += usize::from(row.is_late()),
            Some(before) => {
                superseded += 1;
                assert_eq!(
                    (before.occurred_at, &before.product, &before.customer),
                    (row.occurred_at, &row.product, &row.customer)
                );
                assert_ne!((before.quantity, before.price), (row.quantity, row.price));
                assert!(row.recorded_at >= before.recorded_at + MICROS_PER_DAY);
            }
        }
    }
    let lines = final_lines();
    let orders: std::collections::HashSet<&str> = lines.keys().map(|(order, _)| *order).collect();
    let good = || SAMPLE.rows.iter().filter(|row| !row.is_dirty());
    let expected = [
        ("rows", SAMPLE.rows.len() as i64),
        ("lines", lines.len() as i64),
        ("orders", orders.len() as i64),
        ("returns", good().filter(|row| row.quantity < 0).count() as i64),
        ("cancellations", good().filter(|row| row.cancels).count() as i64),
        ("anonymous", good().filter(|row| row.customer.is_none()).count() as i64),
        ("late", late as i64),
        ("corrected", superseded),
        ("dirty", dirty),
        ("amount_micros", lines.values().map(|row| row.amount()).sum()),
        ("quantity_thousandths", lines.values().map(|row| row.quantity as i64).sum()),
        ("row_amount_micros", good().map(Row::amount).sum()),
        ("row_quantity_thousandths", good().map(|row| row.quantity as i64).sum()),
    ];
    let counts = &SAMPLE.truth["counts"];
    for (name, count) in expected {
        assert_eq!(counts[name].as_i64(), Some(count), "{name}");
        assert!(count > 0, "{name}");
    }
    let flaws = counts["flaws"].as_array().unwrap();
    assert!(flaws.iter().all(|count| count.as_i64() > Some(0)), "{flaws:?}");
    assert_eq!(flaws.iter().filter_map(Value::as_i64).sum::<i64>(), dirty);
}

#[test]
fn rows_are_in_the_order_of_their_arrival() {
    assert!(SAMPLE.rows.is_sorted_by_key(|row| row.recorded_at));
    let mut times = SAMPLE.rows.iter().filter_map(|row| Some((row.occurred_at?, row.recorded_at)));
    assert!(times.all(|(occurred, recorded)| occurred < recorded));
}

#[test]
fn what_comes_back_was_sold_before_at_that_price() {
    let sales: HashMap<(&Option<String>, &str, i128), i64> = SAMPLE
        .rows
        .iter()
        .filter(|row| !row.is_dirty() && row.quantity > 0)
        .map(|row| ((&row.customer, row.product.as_str(), row.price.unwrap()), row.recorded_at))
        .rev()
        .collect();
    for row in SAMPLE.rows.iter().filter(|row| !row.is_dirty() && row.quantity < 0) {
        let key = (&row.customer, row.product.as_str(), row.price.unwrap());
        assert!(sales.get(&key).is_some_and(|sold| *sold < row.recorded_at), "{row:?}");
    }
}

#[test]
fn both_formats_hold_the_same_rows() {
    let mut reader = csv::Reader::from_path(SAMPLE.folder.path().join("transactions.csv")).unwrap();
    let mut count = 0;
    for (record, row) in reader.records().zip(&SAMPLE.rows) {
        let record = record.unwrap();
        assert_eq!((&record[0], &record[2]), (&*row.order, row.customer.as_deref().unwrap_or("")));
        let time = record[3].parse::<crate::transaction::Timestamp>().ok();
        assert_eq!(time.map(|time| time.micros()), row.occurred_at);
        assert_eq!(Quantity::parse(&record[6]).unwrap().thousandths(), row.quantity as i64);
        let price = row.price.map(|cents| cents as i64 * 10_000);
        assert_eq!(Money::parse(&record[7]).ok().map(Money::micros), price);
        count += 1;
    }
    assert_eq!(count, SAMPLE.rows.len());
}

#[test]
fn shares_are_those_of_the_parameters() {
    let parameters = Parameters::default();
    let mut orders: HashMap<&str, &Row> = HashMap::new();
    for row in SAMPLE.rows.iter().filter(|row| !row.is_dirty() && row.quantity > 0) {
        orders.entry(row.order.as_str()).or_insert(row);
    }
    let count = |is: &dyn Fn(&&&Row) -> bool| orders.values().filter(is).count();
    let anonymous = count(&|row| row.customer.is_none());
    is_share(anonymous, orders.len(), parameters.anonymous, "anonymous");
    is_share(count(&|row| row.is_late()), orders.len(), parameters.late, "late");
    let rows = &SAMPLE.rows;
    is_share(rows.iter().filter(|row| row.is_dirty()).count(), rows.len(), 0.01, "dirty");
    let counts = &SAMPLE.truth["counts"];
    let [corrected, lines, returns] =
        ["corrected", "lines", "returns"].map(|name| counts[name].as_u64().unwrap() as usize);
    // Lines that come back are not corrected.
    is_share(corrected, lines - 2 * returns, parameters.corrected, "corrected");
}

/// Customers who were there all the time, whose orders are a gamma mixture of Poisson numbers.
#[test]
fn orders_are_negative_binomial() {
    let folder = tempfile::tempdir().unwrap();
    let plan =
        Plan { size: Size::Customers(12_000), months: 2, format: FileFormat::Parquet, ..plan() };
    simulate(&plan, folder.path(), false, &mut |_| true).unwrap();
    let start = plan.clock.start_of_day(18_993).micros();
    let mut orders = Vec::new();
    for batch in table(folder.path(), "customers") {
        let time = |name: &str| {
            let times = batch.column_by_name(name).unwrap();
            times.as_primitive::<TimestampMicrosecondType>().iter().collect::<Vec<_>>()
        };
        let counts = batch.column_by_name("orders").unwrap().as_primitive::<Int64Type>().values();
        let times = time("acquired_at").into_iter().zip(time("dropped_out_at"));
        let loyal = times
            .zip(counts)
            .filter(|((acquired, dropped), _)| acquired.unwrap() < start && dropped.is_none());
        orders.extend(loyal.map(|(_, count)| *count as f64));
    }
    let parameters = Parameters::default();
    let weeks = numbers(folder.path(), "calendar", "factor").iter().sum::<f64>() / 7.0;
    let mean = parameters.rate_mean * weeks;
    let variance = mean + mean * mean / parameters.rate_shape;
    let n = orders.len() as f64;
    let found = orders.iter().sum::<f64>() / n;
    let spread = orders.iter().map(|count| (count - found).powi(2)).sum::<f64>() / n;
    assert!(n > 1500.0, "{n}");
    assert!((found - mean).abs() < 4.0 * (variance / n).sqrt(), "mean {found} for {mean}");
    assert!((spread / variance - 1.0).abs() < 0.2, "variance {spread} for {variance}");
    let none = orders.iter().filter(|count| **count == 0.0).count();
    let shape = parameters.rate_shape;
    is_share(none, orders.len(), (shape / (shape + mean)).powf(shape), "no order");
}

#[test]
fn lives_end_by_the_pareto_law() {
    let (plan, parameters) = (plan(), Parameters::default());
    let shop = shop::Shop::new(&plan, &parameters);
    let calendar = calendar::Calendar::new(plan.start, plan.months, &parameters);
    let population = customer::Population::new(&plan, &parameters, &shop, &calendar);
    let blocks = (0..16).map(|number| population.block(number, customer::BLOCK));
    let customers: Vec<_> = blocks.flat_map(|block| block.customers).collect();
    let shape = parameters.dropout_shape;
    let scale = shape / parameters.dropout_mean;
    for weeks in [1, 4, 13, 52, 104] {
        let alive = customers.iter().filter(|c| c.dropped > c.acquired + 7 * weeks);
        let survival = (scale / (scale + f64::from(weeks))).powf(shape);
        is_share(alive.count(), customers.len(), survival, "alive");
    }
    let earlier = customers.iter().filter(|customer| customer.acquired < calendar.start);
    is_share(earlier.count(), customers.len(), parameters.earlier_customers, "earlier");
}

#[test]
fn sales_follow_the_expected_units() {
    let folder = SAMPLE.folder.path();
    let products = texts(folder, "weeks", "product_id");
    let mut expected: BTreeMap<String, f64> = BTreeMap::new();
    for (product, units) in products.into_iter().zip(numbers(folder, "weeks", "expected_units")) {
        *expected.entry(product).or_default() += units;
    }
    let mut sold: BTreeMap<&str, f64> = BTreeMap::new();
    for row in final_lines().values().filter(|row| row.quantity > 0) {
        *sold.entry(row.product.as_str()).or_default() += row.quantity as f64 / 1000.0;
    }
    let total = (expected.values().sum::<f64>(), sold.values().sum::<f64>());
    // Customers differ in baskets and trade quantities have a heavy tail.
    assert!((total.1 / total.0 - 1.0).abs() < 0.05, "{total:?}");
    let logs: Vec<(f64, f64)> = expected
        .iter()
        .filter(|(_, units)| **units > 500.0)
        .map(|(product, units)| (units.ln(), sold[product.as_str()].ln()))
        .collect();
    let (slope, correlation) = line_through(&logs);
    assert!((slope - 1.0).abs() < 0.1 && correlation > 0.95, "{slope}, {correlation}");
}

#[test]
fn sales_within_a_category_follow_zipf() {
    let rows = SAMPLE.rows.iter().filter(|row| !row.is_dirty() && row.quantity > 0);
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for row in rows.filter(|row| row.category == "food/pantry") {
        *counts.entry(row.product.as_str()).or_default() += 1.0;
    }
    assert_eq!(counts.len(), 20);
    let ranks = (1..).zip(counts.values());
    let logs: Vec<(f64, f64)> = ranks.map(|(rank, n)| (f64::from(rank).ln(), n.ln())).collect();
    let slope = line_through(&logs).0;
    let exponent = Parameters::default().product_exponent;
    assert!((slope + exponent).abs() < 0.2, "{slope}");
}

#[test]
fn bytes_depend_on_the_seed_and_not_on_threads() {
    let digests = |seed, threads| {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan { size: Size::Lines(20_000), months: 3, seed, threads, ..plan() };
        let done = simulate(&plan, folder.path(), false, &mut |_| true).unwrap();
        assert!((15_000..25_000).contains(&done.counts.rows), "{}", done.counts.rows);
        assert_eq!(done.files.len(), 9);
        for file in &done.files {
            let length = fs::metadata(folder.path().join(&file.name)).unwrap().len();
            assert_eq!(length, file.bytes, "{}", file.name);
        }
        done.files
    };
    let first = digests(1, 1);
    assert_eq!(first, digests(1, 3));
    let other = digests(2, 1);
    let changed =
        ["transactions.parquet", "transactions.csv", "customers.parquet", "weeks.parquet"];
    for (a, b) in first.iter().zip(&other).filter(|(a, _)| changed.contains(&a.name.as_str())) {
        assert_ne!(a.sha256, b.sha256, "{}", a.name);
    }
}

#[test]
fn a_directory_with_files_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let small = Plan { size: Size::Customers(5), months: 1, ..plan() };
    fs::write(folder.path().join("mine.txt"), "x").unwrap();
    let refused = simulate(&small, folder.path(), false, &mut |_| true).unwrap_err();
    assert_eq!(refused, SimulationError::NotEmpty { path: folder.path().to_owned() });
    simulate(&small, folder.path(), true, &mut |_| true).unwrap();
    assert!(folder.path().join("mine.txt").exists());
    let stopped = simulate(&small, folder.path(), true, &mut |_| false).unwrap_err();
    assert_eq!(stopped, SimulationError::Stopped);
    assert!(!folder.path().join("truth.json").exists());
}

#[test]
fn a_wrong_plan_names_its_field() {
    let field = |plan: Plan| plan.check().unwrap_err().field;
    assert_eq!(plan().check(), Ok(()));
    assert_eq!(field(Plan { size: Size::Lines(0), ..plan() }), "size");
    assert_eq!(field(Plan { months: 121, ..plan() }), "months");
    assert_eq!(field(Plan { products: 0, ..plan() }), "products");
    assert_eq!(field(Plan { currency: "gbp".into(), ..plan() }), "currency");
    assert_eq!(field(Plan { dirty: f64::NAN, ..plan() }), "dirty");
    assert_eq!(field(Plan { threads: 0, ..plan() }), "threads");
}

/// Slope and correlation of a least-squares line.
fn line_through(points: &[(f64, f64)]) -> (f64, f64) {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0 / n, sum.1 + p.1 / n));
    let product = |f: fn(f64, f64) -> f64| points.iter().map(|p| f(p.0 - x, p.1 - y)).sum::<f64>();
    let (xx, yy, xy) = (product(|a, _| a * a), product(|_, b| b * b), product(|a, b| a * b));
    (xy / xx, xy / (xx * yy).sqrt())
}
