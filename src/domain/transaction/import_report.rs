//! What an import found, counted: the answer to the shop and part of every model's lineage.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{LineRef, MICROS_PER_DAY, Money, Quantity, ShopClock, Timestamp};

/// How many refusals a report repeats word for word.
const FIRST_REFUSALS: usize = 20;

/// Counts and totals of one import. All but `refused` describe the rows that were not refused.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ImportReport {
    /// Name of the file or stream.
    pub source: String,
    /// SHA-256 of the file in hexadecimal, where there was a file.
    pub source_sha256: Option<String>,
    /// Rows that were read, refused ones included.
    pub rows_read: u64,
    /// Lines that are new in the store.
    pub accepted: u64,
    /// Lines that the store already had, unchanged.
    pub duplicates: u64,
    /// Lines that replaced a stored line of the same identity.
    pub corrected: u64,
    /// Rows that repeat an earlier row of the source in every cell. They count: two equal lines
    /// of one receipt are two sales.
    pub repeated_rows: u64,
    /// Lines without a customer.
    pub anonymous: u64,
    /// Lines with a negative quantity.
    pub returns: u64,
    /// Lines that take back an order.
    pub cancellations: u64,
    /// Lines whose unit price is zero or below.
    pub price_not_positive: u64,
    /// Rows that do not keep the contract.
    pub refused: u64,
    /// Refused rows by the key of the reason.
    pub refusals_by_reason: BTreeMap<String, u64>,
    /// The first refused rows.
    pub first_refusals: Vec<Refusal>,
    /// Distinct customers.
    pub customers: u64,
    /// Distinct order ids, cancellations included.
    pub orders: u64,
    /// Distinct products.
    pub products: u64,
    /// Time of the earliest line.
    pub first_occurred_at: Option<Timestamp>,
    /// Time of the latest line.
    pub last_occurred_at: Option<Timestamp>,
    /// Units sold less units returned.
    pub units: Quantity,
    /// Sum of the line amounts.
    pub revenue: Money,
    /// Where `recorded_at` came from: `occurred_at`, `now` or a column.
    pub recorded_at_rule: String,
}

/// One refused row.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// Its number in the source, from 1.
    pub row: u64,
    /// The field of the data contract at fault.
    pub field: String,
    /// What was expected and found.
    pub message: String,
}

/// What became of accepted lines in the store, and what is counted where all of them come by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StoreOutcome {
    /// New lines.
    pub accepted: u64,
    /// Lines that were there already.
    pub duplicates: u64,
    /// Lines that replaced another.
    pub corrected: u64,
    /// Rows that repeat an earlier row in every cell.
    pub repeated_rows: u64,
    /// Distinct customers.
    pub customers: u64,
    /// Distinct order ids, cancellations included.
    pub orders: u64,
    /// Distinct products.
    pub products: u64,
}

/// Counts rows while they are read.
#[derive(Debug, Default)]
pub struct ReportBuilder {
    report: ImportReport,
    /// Thousandths and micros, wide enough for every sum: so totals do not depend on the order in
    /// which they are added.
    units: i128,
    revenue: i128,
}

impl ReportBuilder {
    /// A report of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a row that keeps the contract.
    ///
    /// `row` is its number in the whole source, from 1; the highest one is the number of rows read.
    pub fn observe<'a>(&mut self, row: u64, line: impl Into<LineRef<'a>>) {
        let line = line.into();
        let report = &mut self.report;
        report.rows_read = report.rows_read.max(row);
        report.anonymous += u64::from(line.customer_id.is_none());
        report.returns += u64::from(line.quantity.is_return());
        report.cancellations += u64::from(line.cancels_order_id.is_some());
        report.price_not_positive += u64::from(line.unit_price <= Money::ZERO);
        let at = line.occurred_at;
        report.first_occurred_at = Some(report.first_occurred_at.map_or(at, |first| first.min(at)));
        report.last_occurred_at = report.last_occurred_at.max(Some(at));
        self.units += i128::from(line.quantity.thousandths());
        self.revenue += i128::from(line.amount().micros());
        self.total();
    }

    /// Counts a row that keeps its contract and is no transaction line.
    pub fn count(&mut self, row: u64) {
        self.report.rows_read = self.report.rows_read.max(row);
    }

    /// Counts a row that does not keep the contract. `reason` is a stable key such as
    /// `malformed_number`.
    pub fn refuse(&mut self, row: u64, field: &str, reason: &str, message: impl Into<String>) {
        let report = &mut self.report;
        report.rows_read = report.rows_read.max(row);
        report.refused += 1;
        match report.refusals_by_reason.get_mut(reason) {
            Some(count) => *count += 1,
            None => {
                report.refusals_by_reason.insert(reason.to_owned(), 1);
            }
        }
        if report.first_refusals.len() < FIRST_REFUSALS {
            report.first_refusals.push(Refusal {
                row,
                field: field.to_owned(),
                message: message.into(),
            });
        }
    }

    /// Counts what `next` counted of the rows that follow.
    pub fn append(&mut self, next: Self) {
        let before = self.report.rows_read;
        let report = &mut self.report;
        let other = next.report;
        report.rows_read += other.rows_read;
        report.anonymous += other.anonymous;
        report.returns += other.returns;
        report.cancellations += other.cancellations;
        report.price_not_positive += other.price_not_positive;
        report.refused += other.refused;
        for (reason, rows) in other.refusals_by_reason {
            *report.refusals_by_reason.entry(reason).or_default() += rows;
        }
        let room = FIRST_REFUSALS.saturating_sub(report.first_refusals.len());
        let refusals = other.first_refusals.into_iter().take(room);
        let moved = refusals.map(|refusal| Refusal { row: refusal.row + before, ..refusal });
        report.first_refusals.extend(moved);
        let first = [report.first_occurred_at, other.first_occurred_at];
        report.first_occurred_at = first.into_iter().flatten().min();
        report.last_occurred_at = report.last_occurred_at.max(other.last_occurred_at);
        self.units += next.units;
        self.revenue += next.revenue;
        self.total();
    }

    fn total(&mut self) {
        let within = |sum: i128| sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        self.report.units = Quantity::from_thousandths(within(self.units));
        self.report.revenue = Money::from_micros(within(self.revenue));
    }

    /// What was counted until now.
    pub fn so_far(&self) -> &ImportReport {
        &self.report
    }

    /// The report of everything counted, and of what the store found.
    pub fn finish(
        self,
        source: &str,
        source_sha256: Option<String>,
        recorded_at_rule: &str,
        outcome: StoreOutcome,
    ) -> ImportReport {
        let StoreOutcome { accepted, duplicates, corrected, .. } = outcome;
        let StoreOutcome { repeated_rows, customers, orders, products, .. } = outcome;
        ImportReport {
            source: source.to_owned(),
            source_sha256,
            recorded_at_rule: recorded_at_rule.to_owned(),
            accepted,
            duplicates,
            corrected,
            repeated_rows,
            customers,
            orders,
            products,
            ..self.report
        }
    }
}

impl ImportReport {
    /// The table with its times on the shop's wall clock instead of UTC.
    pub fn in_shop_time<'a>(&'a self, clock: &'a ShopClock) -> impl fmt::Display + 'a {
        Table { report: self, clock }
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = &ShopClock::utc();
        Table { report: self, clock }.fmt(f)
    }
}

struct Table<'a> {
    report: &'a ImportReport,
    clock: &'a ShopClock,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        writeln!(f, "Import of {}", report.source)?;
        if let Some(digest) = &report.source_sha256 {
            writeln!(f, "  sha256 {digest}")?;
        }
        self.rows(f)?;
        self.content(f)?;
        self.refusals(f)
    }
}

impl Table<'_> {
    fn rows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        count(f, "rows read", report.rows_read)?;
        for (label, rows) in [
            ("  accepted", report.accepted),
            ("  already stored", report.duplicates),
            ("  corrected", report.corrected),
            ("  refused", report.refused),
            ("without a customer", report.anonymous),
            ("returns (units below 0)", report.returns),
            ("cancellations", report.cancellations),
            ("price 0 or below", report.price_not_positive),
            ("repeats of a whole row", report.repeated_rows),
        ] {
            share(f, label, rows, report.rows_read)?;
        }
        Ok(())
    }

    fn content(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        count(f, "customers", report.customers)?;
        count(f, "orders", report.orders)?;
        count(f, "products", report.products)?;
        entry(f, "units", &grouped(&report.units.to_string()))?;
        entry(f, "revenue", &grouped(&thousandths(report.revenue).to_string()))?;
        entry(f, "first sale", &self.time(report.first_occurred_at))?;
        entry(f, "last sale", &self.time(report.last_occurred_at))?;
        entry(f, "time zone shown", self.clock.name())?;
        entry(f, "recorded_at", &report.recorded_at_rule)
    }

    fn refusals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        if report.refused == 0 {
            return Ok(());
        }
        writeln!(f, "Refused, by reason")?;
        for (reason, rows) in &report.refusals_by_reason {
            count(f, reason, *rows)?;
        }
        writeln!(f, "First refused rows")?;
        for refusal in &report.first_refusals {
            let row = grouped(&refusal.row.to_string());
            writeln!(f, "  row {row}, {}: {}", refusal.field, refusal.message)?;
        }
        Ok(())
    }

    /// `2010-12-01 08:26` on the clock's wall.
    fn time(&self, instant: Option<Timestamp>) -> String {
        let Some(instant) = instant else {
            return "none".to_owned();
        };
        let local = self.clock.local(instant);
        let minutes = i64::from(local.minute) * 60_000_000;
        let shown = Timestamp::from_micros(i64::from(local.day) * MICROS_PER_DAY + minutes);
        shown.to_string().chars().take(16).collect::<String>().replace('T', " ")
    }
}

fn count(f: &mut fmt::Formatter<'_>, label: &str, count: u64) -> fmt::Result {
    entry(f, label, &grouped(&count.to_string()))
}

/// A count with its share of the rows read.
fn share(f: &mut fmt::Formatter<'_>, label: &str, rows: u64, of: u64) -> fmt::Result {
    if rows == 0 {
        return count(f, label, rows);
    }
    let percent = 100.0 * rows as f64 / of.max(1) as f64;
    let rows = grouped(&rows.to_string());
    writeln!(f, "  {label:<26}{rows:>18}  {percent:>5.1} %")
}

fn entry(f: &mut fmt::Formatter<'_>, label: &str, value: &str) -> fmt::Result {
    writeln!(f, "  {label:<26}{value:>18}")
}

/// Totals divided into unit prices leave millionths that nobody wants to read.
fn thousandths(money: Money) -> Money {
    let half = if money < Money::ZERO { -500 } else { 500 };
    Money::from_micros(money.micros().saturating_add(half) / 1000 * 1000)
}

/// `-1234567.5` as `-1,234,567.5`.
fn grouped(number: &str) -> String {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number),
    };
    let (whole, fraction) = match digits.find('.') {
        Some(point) => digits.split_at(point),
        None => (digits, ""),
    };
    let mut text = sign.to_owned();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::{LineDraft, TransactionLine};

    fn line(customer: Option<&str>, quantity: &str, price: &str) -> TransactionLine {
        LineDraft {
            customer_id: customer.map(str::to_owned),
            order_id: Some("1".to_owned()),
            occurred_at: Some("2011-07-01T23:30:00Z".parse().unwrap()),
            product_id: Some("cup".to_owned()),
            quantity: Some(Quantity::parse(quantity).unwrap()),
            unit_price: Some(Money::parse(price).unwrap()),
            ..LineDraft::default()
        }
        .check("GBP")
        .unwrap()
    }

    fn report() -> ImportReport {
        let mut builder = ReportBuilder::new();
        builder.observe(1, &line(Some("a"), "1200", "2.5"));
        builder.observe(2, &line(Some("a"), "1200", "2.5"));
        builder.observe(3, &line(None, "-1", "0"));
        for row in 4..=30 {
            builder.refuse(row, "unit_price", "malformed_number", "found \"x\"");
        }
        let outcome = StoreOutcome {
            accepted: 2,
            duplicates: 1,
            corrected: 0,
            repeated_rows: 1,
            customers: 1,
            orders: 1,
            products: 1,
        };
        builder.finish("shop.csv", None, "now", outcome)
    }

    #[test]
    fn rows_are_counted() {
        let report = report();
        assert_eq!((report.rows_read, report.accepted, report.duplicates), (30, 2, 1));
        assert_eq!((report.repeated_rows, report.anonymous, report.returns), (1, 1, 1));
        assert_eq!((report.price_not_positive, report.refused), (1, 27));
        assert_eq!((report.customers, report.orders, report.products), (1, 1, 1));
        assert_eq!(report.refusals_by_reason["malformed_number"], 27);
        assert_eq!(report.first_refusals.len(), 20);
        assert_eq!(
            (report.units.to_string(), report.revenue.to_string()),
            ("2399".into(), "6000.00".into())
        );
    }

    #[test]
    fn parts_counted_apart_make_the_same_report() {
        let large = line(Some("a"), "9000000000", "1000");
        let refund = line(None, "-9000000000", "1000");
        let count = |builder: &mut ReportBuilder, rows: std::ops::Range<u64>, first: u64| {
            for row in rows {
                match row % 5 {
                    0 => builder.refuse(row - first, "quantity", "missing", format!("{row}")),
                    1 => builder.refuse(row - first, "quantity", "sign", "x"),
                    2 | 3 => builder.observe(row - first, &large),
                    _ => builder.observe(row - first, &refund),
                }
            }
        };
        let mut whole = ReportBuilder::new();
        count(&mut whole, 1..101, 0);
        let mut joined = ReportBuilder::new();
        for (first, end) in [(0, 3), (3, 40), (40, 40), (40, 100)] {
            let mut part = ReportBuilder::new();
            count(&mut part, first + 1..end + 1, first);
            joined.append(part);
        }
        assert_eq!(joined.so_far(), whole.so_far());
        assert_eq!(whole.so_far().refused, 40);
        assert_eq!(whole.so_far().revenue, Money::from_micros(i64::MAX), "and no overflow");
        assert_eq!(whole.so_far().units.to_string(), "180000000000");
    }

    #[test]
    fn the_table_is_aligned_and_in_shop_time() {
        let report = report();
        let utc = report.to_string();
        assert!(utc.contains("  revenue                             6,000.00\n"), "{utc}");
        assert!(utc.contains("    refused                                 27   90.0 %\n"), "{utc}");
        assert!(utc.contains("2011-07-01 23:30"), "{utc}");
        assert!(utc.contains("  row 4, unit_price: found \"x\"\n"), "{utc}");
        let clock = ShopClock::new("Europe/London").unwrap();
        let local = report.in_shop_time(&clock).to_string();
        assert!(local.contains("2011-07-02 00:30"), "{local}");
    }

    #[test]
    fn an_empty_import_prints_and_reports_survive_json() {
        let empty =
            ReportBuilder::new().finish("x", Some("00".into()), "now", StoreOutcome::default());
        assert!(empty.to_string().contains("none"));
        let report = report();
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<ImportReport>(&json).unwrap(), report);
    }

    #[test]
    fn thousands_are_separated() {
        for (number, shown) in
            [("0", "0"), ("999", "999"), ("-1000.25", "-1,000.25"), ("1234567", "1,234,567")]
        {
            assert_eq!(grouped(number), shown);
        }
    }
}
