//! Rows of features, with or without outcome, for a population at several dates, in one pass.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::dataset::{Dataset, FeatureMatrix, Snapshot};
use crate::feature::{FeatureSchema, Features, TOP_CATEGORIES};
use crate::model::FitRun;
use crate::store::Reader;
use crate::transaction::{
    CustomerHistory, CustomerId, HistoryLine, ShopClock, Symbol, SymbolTable, Timestamp,
};

use super::TrainingError;

/// Histories that are handed to the threads at a time.
const BATCH: usize = 2_048;

/// What counts as the event of a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    /// No purchase of anything.
    NoPurchase,
    /// A purchase, of anything.
    Purchase,
    /// A purchase of this product.
    Product(Symbol),
    /// A purchase from this category.
    Category(Symbol),
}

impl Event {
    /// Whether it happened in the `horizon_days` from `as_of` on. Corrections count as they stand
    /// today: an outcome is a fact, not a feature.
    fn happened(self, history: &CustomerHistory, as_of: Timestamp, horizon_days: u32) -> bool {
        let end = as_of.plus_days(i64::from(horizon_days));
        let mut purchases = history.lines().iter().filter(|line| {
            line.is_purchase()
                && line.is_current()
                && line.occurred_at >= as_of
                && line.occurred_at < end
        });
        match self {
            Self::NoPurchase => purchases.next().is_none(),
            Self::Purchase => purchases.next().is_some(),
            Self::Product(product) => purchases.any(|line| line.product == product),
            Self::Category(category) => purchases.any(|line| line.category == category),
        }
    }
}

/// Who is a row, at which dates, and with which outcome.
#[derive(Clone, Debug)]
pub(super) struct RowPlan {
    /// Dates, earliest first.
    pub(super) dates: Vec<Timestamp>,
    /// Customers who bought in so many days before the date.
    pub(super) active_days: u32,
    /// The event and its horizon in days.
    pub(super) event: Option<(Event, u32)>,
}

/// The rows of one date, in the order of the customers' keys.
#[derive(Clone, Debug)]
pub(super) struct DatedRows {
    pub(super) as_of: Timestamp,
    pub(super) features: FeatureMatrix,
    pub(super) target: Vec<bool>,
}

struct Row {
    date: usize,
    customer: CustomerId,
    values: Vec<f32>,
    target: bool,
}

/// Makes the rows of every date. The result depends on the data alone, not on the order in which
/// they arrived nor on the number of threads.
pub(super) fn collect(
    reader: &mut Reader<'_>,
    features: &Features,
    plan: &RowPlan,
    run: &FitRun<'_>,
) -> Result<Vec<DatedRows>, TrainingError> {
    let customers = reader.summary()?.customers.max(1);
    let mut rows: Vec<Row> = Vec::new();
    let mut batch = Vec::with_capacity(BATCH);
    let mut seen = 0_u64;
    let mut cancelled = Ok(());
    reader.scan(|customer, history| {
        batch.push((customer, history));
        if batch.len() == BATCH {
            cancelled = run.check();
            seen += batch.len() as u64;
            run.progress.report("features", seen as f64 / customers as f64);
            rows.extend(make_rows(&batch, features, plan, run.threads));
            batch.clear();
        }
        if cancelled.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    cancelled?;
    rows.extend(make_rows(&batch, features, plan, run.threads));
    rows.sort_by(|a, b| (a.date, &a.customer).cmp(&(b.date, &b.customer)));
    assemble(rows, features, plan)
}

fn make_rows(
    batch: &[(CustomerId, CustomerHistory)],
    features: &Features,
    plan: &RowPlan,
    threads: usize,
) -> Vec<Row> {
    let size = batch.len().div_ceil(threads.max(1)).max(1);
    std::thread::scope(|scope| {
        let chunks = batch.chunks(size).map(|chunk| {
            scope.spawn(move || {
                chunk
                    .iter()
                    .flat_map(|(id, history)| rows_of(id, history, features, plan))
                    .collect()
            })
        });
        let handles: Vec<std::thread::ScopedJoinHandle<'_, Vec<Row>>> = chunks.collect();
        handles.into_iter().filter_map(|handle| handle.join().ok()).flatten().collect()
    })
}

fn rows_of(
    customer: &CustomerId,
    history: &CustomerHistory,
    features: &Features,
    plan: &RowPlan,
) -> Vec<Row> {
    let make = |(date, as_of): (usize, &Timestamp)| {
        let active_from = as_of.plus_days(-i64::from(plan.active_days));
        let is_active = |line: &HistoryLine| {
            line.is_purchase() && line.is_visible(*as_of) && line.occurred_at >= active_from
        };
        if !history.lines().iter().any(is_active) {
            return None;
        }
        let target =
            plan.event.is_some_and(|(event, horizon)| event.happened(history, *as_of, horizon));
        let values = features.of(history, *as_of);
        Some(Row { date, customer: customer.clone(), values, target })
    };
    plan.dates.iter().enumerate().filter_map(make).collect()
}

fn assemble(
    rows: Vec<Row>,
    features: &Features,
    plan: &RowPlan,
) -> Result<Vec<DatedRows>, TrainingError> {
    let mut dated = Vec::with_capacity(plan.dates.len());
    let mut rows = rows.into_iter().peekable();
    for (date, as_of) in plan.dates.iter().enumerate() {
        let (mut values, mut target) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next_if(|row| row.date == date) {
            values.extend(row.values);
            target.push(row.target);
        }
        let features = FeatureMatrix::new(Arc::clone(features.columns()), values)?;
        dated.push(DatedRows { as_of: *as_of, features, target });
    }
    Ok(dated)
}

/// The rows of several dates as one data set.
pub(super) fn dataset(
    dated: &[DatedRows],
    columns: &Arc<[String]>,
) -> Result<Dataset, TrainingError> {
    let (mut values, mut target, mut snapshots) = (Vec::new(), Vec::new(), Vec::new());
    for rows in dated {
        let start = target.len();
        values.extend_from_slice(rows.features.values());
        target.extend_from_slice(&rows.target);
        snapshots.push(Snapshot { as_of: rows.as_of, rows: start..target.len() });
    }
    let features = FeatureMatrix::new(Arc::clone(columns), values)?;
    Ok(Dataset { features, target, snapshots })
}

/// The schema of the data as they were known before `as_of`: its top categories by gross spend, or
/// its top products where lines carry no category.
///
/// # Errors
/// When the store cannot be read.
pub fn fit_schema(
    reader: &mut Reader<'_>,
    clock: &ShopClock,
    as_of: Timestamp,
) -> Result<FeatureSchema, TrainingError> {
    let end = clock.local(as_of).day;
    let size = reader.symbols().len() + 1;
    let (mut categories, mut products) = (vec![0_i64; size], vec![0_i64; size]);
    let symbols = Arc::clone(reader.symbols());
    let top = top_level(&symbols);
    reader.scan_sales(|sale| {
        if sale.local.day < end && !sale.quantity.is_return() {
            let category = top.get(sale.category.raw() as usize).copied().unwrap_or_default();
            add(&mut categories, category, sale.amount.micros());
            add(&mut products, sale.product, sale.amount.micros());
        }
        ControlFlow::Continue(())
    })?;
    let has_categories = categories.iter().skip(1).any(|spend| *spend != 0);
    let (attribute, spend) =
        if has_categories { ("category", categories) } else { ("product", products) };
    Ok(FeatureSchema::new(clock, attribute, largest(&spend, &symbols)))
}

fn add(sums: &mut [i64], symbol: Symbol, micros: i64) {
    if let Some(sum) = sums.get_mut(symbol.raw() as usize) {
        *sum = sum.saturating_add(micros);
    }
}

/// By the number of a category path, the symbol of its first part.
fn top_level(symbols: &SymbolTable) -> Vec<Symbol> {
    let top = |number: u32| {
        let path = symbols.text(Symbol::from_raw(number))?;
        symbols.find(path.split('/').next()?)
    };
    (0..=symbols.len() as u32).map(|number| top(number).unwrap_or_default()).collect()
}

/// The texts of the largest sums, equal sums in the order of the texts.
fn largest(spend: &[i64], symbols: &SymbolTable) -> Vec<String> {
    let mut ranked: Vec<(i64, &str)> = spend
        .iter()
        .enumerate()
        .filter(|(_, sum)| **sum > 0)
        .filter_map(|(number, sum)| Some((*sum, symbols.text(Symbol::from_raw(number as u32))?)))
        .collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    ranked.into_iter().take(TOP_CATEGORIES).map(|(_, text)| text.to_owned()).collect()
}
