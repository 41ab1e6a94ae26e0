//! Sales by period and group, from all lines of the store, anonymous ones too.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::dataset::{Panel, Series, SeriesKey};
use crate::model::FitRun;
use crate::store::{Reader, SaleLine};
use crate::transaction::{HistorySource, ShopClock, Symbol, SymbolTable, Timestamp};

use super::TrainingError;
use super::recipe::{ForecastRecipe, Measure, SeriesChoice};

/// Exact sums by period of one series.
type Sums = BTreeMap<i32, i64>;

/// The series of a recipe up to `as_of`, as they were known then. Only whole periods count: the first is cut when the data
/// begin within it, the last when `as_of` lies within it. A period without a sale is a zero; the
/// periods before a series' first sale are not part of it.
pub(super) fn build(
    reader: &mut Reader<'_>,
    recipe: &ForecastRecipe,
    clock: &ShopClock,
    as_of: Timestamp,
    run: &FitRun<'_>,
) -> Result<Panel, TrainingError> {
    let summary = reader.summary();
    let first_line = summary
        .first_occurred_at
        .filter(|first| *first < as_of)
        .ok_or_else(|| TrainingError::NoData { as_of: as_of.to_string() })?;
    let frequency = recipe.frequency;
    let first_day = clock.local(first_line).day;
    let mut first_period = frequency.period_of_day(first_day);
    if frequency.first_day(first_period) < first_day {
        first_period += 1;
    }
    let end_period = frequency.period_of_day(clock.local(as_of).day);
    let sums = sum_up(reader, recipe, first_period..end_period, as_of, run)?;
    let symbols = reader.symbols();
    let mut series = Vec::new();
    for (choice, sums) in recipe.series.iter().zip(sums) {
        for (value, periods) in largest(sums, choice, symbols) {
            let key = SeriesKey { group: choice.group.clone(), value };
            series.extend(to_series(key, &periods, end_period, recipe.measure));
        }
    }
    Ok(Panel::new(frequency, end_period, series)?)
}

/// Sums of each choice of series, by the value of its group.
type Groups = Vec<BTreeMap<Symbol, Sums>>;

fn sum_up(
    reader: &mut Reader<'_>,
    recipe: &ForecastRecipe,
    periods: std::ops::Range<i32>,
    as_of: Timestamp,
    run: &FitRun<'_>,
) -> Result<Groups, TrainingError> {
    let all = reader.summary().lines.max(1);
    let empty = || (0_u64, vec![BTreeMap::<Symbol, Sums>::new(); recipe.series.len()]);
    let (mut read, mut sums) = empty();
    let mut cancelled = Ok(());
    reader.scan_sales(
        run.threads,
        empty,
        |(count, sums), sale| {
            *count += 1;
            if sale.is_visible(as_of) {
                add(sums, sale, recipe, &periods);
            }
        },
        |(count, more)| {
            read += count;
            run.progress.report("series", read as f64 / all as f64);
            sums.iter_mut().zip(more).for_each(|(sums, more)| merge(sums, more));
            cancelled = run.check();
            if cancelled.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    )?;
    cancelled?;
    Ok(sums)
}

fn add(
    sums: &mut Groups,
    sale: &SaleLine,
    recipe: &ForecastRecipe,
    periods: &std::ops::Range<i32>,
) {
    let period = recipe.frequency.period_of_day(sale.local.day);
    let Some(amount) = measure(sale, recipe.measure).filter(|_| periods.contains(&period)) else {
        return;
    };
    for (choice, sums) in recipe.series.iter().zip(sums) {
        if let Some(value) = group(sale, &choice.group) {
            let sum = sums.entry(value).or_default().entry(period).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
}

fn merge(sums: &mut BTreeMap<Symbol, Sums>, more: BTreeMap<Symbol, Sums>) {
    for (value, periods) in more {
        let own = sums.entry(value).or_default();
        for (period, amount) in periods {
            let sum = own.entry(period).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
}

fn measure(sale: &SaleLine, measure: Measure) -> Option<i64> {
    match measure {
        Measure::Sales => Some(sale.amount.micros()),
        Measure::Units => Some(sale.quantity.thousandths()),
        Measure::Margin => sale.margin.map(|margin| margin.micros()),
    }
}

/// The value of the line's attribute; `None` when it has none.
fn group(sale: &SaleLine, group: &str) -> Option<Symbol> {
    match group {
        "product" => sale.product.present(),
        "category" => sale.category.present(),
        "store" => sale.store.present(),
        "channel" => sale.channel.present(),
        "country" => sale.country.present(),
        _ => Some(Symbol::NONE),
    }
}

/// The groups with the largest absolute volume, equal ones in the order of their names.
fn largest(
    sums: BTreeMap<Symbol, Sums>,
    choice: &SeriesChoice,
    symbols: &SymbolTable,
) -> Vec<(String, Sums)> {
    let volume = |sums: &Sums| sums.values().map(|sum| i128::from(*sum).abs()).sum::<i128>();
    let mut ranked: Vec<(i128, String, Sums)> = sums
        .into_iter()
        .map(|(symbol, sums)| {
            (volume(&sums), symbols.text(symbol).unwrap_or_default().to_owned(), sums)
        })
        .collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    ranked.truncate(choice.most);
    ranked.into_iter().map(|(_, value, sums)| (value, sums)).collect()
}

fn to_series(key: SeriesKey, sums: &Sums, end_period: i32, measure: Measure) -> Option<Series> {
    let first_period = *sums.keys().next()?;
    let unit = if measure == Measure::Units { 1e3 } else { 1e6 };
    let value = |period: i32| sums.get(&period).map_or(0.0, |sum| *sum as f64 / unit);
    Some(Series { key, first_period, values: (first_period..end_period).map(value).collect() })
}
