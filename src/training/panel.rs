//! Sales by period and group, from all lines of the store, anonymous ones too; or a table's series.

mod table;

pub use self::table::SeriesTableError;
pub(super) use self::table::{SeriesFile, read as read_table};

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use crate::dataset::{Panel, Series, SeriesKey, TOTAL};
use crate::model::{Coherence, FitRun};
use crate::store::{Reader, SaleLine};
use crate::transaction::{HistorySource, OrderKey, Symbol, SymbolTable, Timestamp};

use super::TrainingError;
use super::recipe::{ForecastRecipe, Measure};
use super::run::Surroundings;

/// Exact sums by period of one series.
type Sums = BTreeMap<i32, i64>;

/// Which values of a group get a series of their own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'a> {
    /// As many as the recipe says, the largest by volume.
    Largest,
    /// Those of these keys, in order.
    Known(&'a [SeriesKey]),
}

/// The series of a recipe up to `as_of`, as they were known then. Only whole periods count: the
/// first is cut when the data begin within it, the last when `as_of` lies within it. A period
/// without a sale is a zero; the periods before a series' first sale are not part of it. Where
/// forecasts have to add up, what has no series of its own is one together.
pub(super) fn build(
    reader: &mut Reader<'_>,
    recipe: &ForecastRecipe,
    wanted: Wanted<'_>,
    around: &Surroundings<'_>,
) -> Result<Panel, TrainingError> {
    let Surroundings { clock, as_of, run, .. } = *around;
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
    let total = recipe.series.iter().zip(&sums).find(|(choice, _)| choice.group == TOTAL);
    let total = total.and_then(|(_, sums)| sums.get(&Symbol::NONE)).cloned();
    let mut series = Vec::new();
    for (choice, sums) in recipe.series.iter().zip(sums) {
        let named = named(sums, symbols).into_iter().map(|(value, sums)| {
            let key = SeriesKey { group: choice.group.clone(), value };
            (key, sums)
        });
        let mut named: Vec<(SeriesKey, Sums)> = named.collect();
        match wanted {
            Wanted::Largest => named.truncate(choice.most),
            Wanted::Known(keys) => named.retain(|(key, _)| keys.binary_search(key).is_ok()),
        }
        if let (Some(total), true) =
            (&total, choice.group != TOTAL && recipe.coherence() != Coherence::None)
        {
            let key = SeriesKey { group: choice.group.clone(), value: String::new() };
            named.push((key, rest(total, &named)));
        }
        let own = named.into_iter();
        series.extend(
            own.filter_map(|(key, sums)| to_series(key, &sums, end_period, recipe.measure())),
        );
    }
    Ok(Panel::new(frequency, end_period, series)?)
}

/// What of the total is in none of these.
fn rest(total: &Sums, named: &[(SeriesKey, Sums)]) -> Sums {
    let mut rest = total.clone();
    for (period, amount) in named.iter().flat_map(|(_, sums)| sums) {
        let left = rest.entry(*period).or_default();
        *left = left.saturating_sub(*amount);
    }
    // Before its first sale nothing was left.
    let first = rest.iter().find(|(_, left)| **left != 0).map(|(period, _)| *period);
    first.map(|first| rest.split_off(&first)).unwrap_or_default()
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
    let none = || vec![BTreeMap::<Symbol, Sums>::new(); recipe.series.len()];
    let empty = || (0_u64, none(), Seen::default());
    let (mut read, mut sums) = (0, none());
    let mut cancelled = Ok(());
    reader.scan_sales(
        run.threads,
        empty,
        |(count, sums, seen), sale| {
            *count += 1;
            if sale.is_visible(as_of) {
                add(sums, seen, sale, recipe, &periods);
            }
        },
        |(count, more, _)| {
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

/// What of the current history counts already.
#[derive(Debug, Default)]
struct Seen {
    history: i64,
    counted: HashSet<(usize, Symbol, i32, u64)>,
}

/// What a line adds to the series it is part of.
enum Part {
    Amount(i64),
    /// One, unless its like was counted there before.
    Once(u64),
}

fn add(
    sums: &mut Groups,
    seen: &mut Seen,
    sale: &SaleLine,
    recipe: &ForecastRecipe,
    periods: &std::ops::Range<i32>,
) {
    let period = recipe.frequency.period_of_day(sale.local.day);
    let Some(part) = measure(sale, recipe.measure()).filter(|_| periods.contains(&period)) else {
        return;
    };
    if seen.history != sale.history {
        seen.history = sale.history;
        seen.counted.clear();
    }
    for (nth, (choice, sums)) in recipe.series.iter().zip(sums).enumerate() {
        let Some(value) = group(sale, &choice.group) else {
            continue;
        };
        let amount = match part {
            Part::Amount(amount) => amount,
            Part::Once(what) => i64::from(seen.counted.insert((nth, value, period, what))),
        };
        let sum = sums.entry(value).or_default().entry(period).or_default();
        *sum = sum.saturating_add(amount);
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

fn measure(sale: &SaleLine, measure: Measure) -> Option<Part> {
    let is_purchase = !sale.quantity.is_return();
    match measure {
        Measure::Sales => Some(Part::Amount(sale.amount.micros())),
        Measure::Units => Some(Part::Amount(sale.quantity.thousandths())),
        Measure::Margin => sale.margin.map(|margin| Part::Amount(margin.micros())),
        Measure::Orders if sale.order == OrderKey::NONE => {
            is_purchase.then_some(Part::Once(sale.occurred_at.micros().cast_unsigned()))
        }
        Measure::Orders => is_purchase.then_some(Part::Once(sale.order.raw())),
        Measure::Customers => (is_purchase && !sale.is_anonymous).then_some(Part::Once(0)),
        // No line is part of a table's series.
        Measure::Value => None,
    }
}

/// What a series counts in, by what its values are.
const fn unit(measure: Measure) -> f64 {
    match measure {
        Measure::Sales | Measure::Margin => 1e6,
        Measure::Units => 1e3,
        Measure::Orders | Measure::Customers | Measure::Value => 1.0,
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

/// All groups by their names, those with the largest absolute volume first and equal ones in the
/// order of their names.
fn named(sums: BTreeMap<Symbol, Sums>, symbols: &SymbolTable) -> Vec<(String, Sums)> {
    let volume = |sums: &Sums| sums.values().map(|sum| i128::from(*sum).abs()).sum::<i128>();
    let mut ranked: Vec<(i128, String, Sums)> = sums
        .into_iter()
        .map(|(symbol, sums)| {
            (volume(&sums), symbols.text(symbol).unwrap_or_default().to_owned(), sums)
        })
        .collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    ranked.into_iter().map(|(_, value, sums)| (value, sums)).collect()
}

fn to_series(key: SeriesKey, sums: &Sums, end_period: i32, measure: Measure) -> Option<Series> {
    let first_period = *sums.keys().next()?;
    let unit = unit(measure);
    let value = |period: i32| sums.get(&period).map_or(0.0, |sum| *sum as f64 / unit);
    Some(Series { key, first_period, values: (first_period..end_period).map(value).collect() })
}
