//! Sales by period and group, from all lines of the store, anonymous ones too; or a table's series.

mod bought;
mod events;
mod members;
mod table;

pub use self::events::EventsError;
pub use self::members::SegmentsError;
pub(super) use self::members::{Members, Segments};
pub use self::table::SeriesTableError;
pub(super) use self::table::{SeriesFile, read as read_table};

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;

use crate::dataset::{KnownValues, Panel, Series, SeriesKey, TOTAL};
use crate::model::Coherence;
use crate::store::{Reader, SaleLine};
use crate::transaction::{HistorySource, OrderKey, Symbol};

use self::bought::{Bought, Ran, Sold};
use self::events::Events;
use super::TrainingError;
use super::recipe::{ForecastRecipe, LineRegressor, Measure, SeriesChoice};
use super::run::Surroundings;

/// Exact sums by period of one series.
#[derive(Clone, Debug, Default)]
struct Sums {
    amounts: BTreeMap<i32, i64>,
    /// What promotions and prices are made of; empty when the recipe does not ask for them.
    bought: BTreeMap<i32, Bought>,
    /// The promotions under which something of it was bought.
    promotions: BTreeSet<Symbol>,
}

/// What a pass over the lines adds up.
#[derive(Clone, Debug)]
struct Totals {
    groups: Groups,
    /// The periods in which promotions ran, from the first line under them to the last.
    ran: Ran,
}

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
/// forecasts have to add up, what has no series of its own is one together; by segment it always is,
/// even without a sale: customers who come later count there.
pub(super) fn build(
    reader: &mut Reader<'_>,
    recipe: &ForecastRecipe,
    wanted: Wanted<'_>,
    members: Option<&Members>,
    around: &Surroundings<'_>,
) -> Result<Panel, TrainingError> {
    let Surroundings { clock, as_of, .. } = *around;
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
    let Totals { groups: sums, ran } =
        sum_up(reader, recipe, members, first_period..end_period, around)?;
    let symbols = reader.symbols();
    let total = recipe.series.iter().zip(&sums).find(|(choice, _)| choice.group == TOTAL);
    let total = total.and_then(|(_, sums)| sums.get(&Symbol::NONE)).cloned();
    let mut series = Vec::new();
    let mut bought: BTreeMap<SeriesKey, Sold> = BTreeMap::new();
    for (choice, sums) in recipe.series.iter().zip(sums) {
        let text = |symbol| match members.filter(|_| choice.is_by_segment()) {
            Some(members) => members.name(symbol),
            None => symbols.text(symbol),
        };
        let (mut named, left) = choose(choice, named(sums, text), wanted);
        if choice.is_by_segment() {
            named.push((SeriesKey::rest(&choice.group), together(left, first_period..end_period)));
        } else if let (Some(total), true) =
            (&total, choice.group != TOTAL && recipe.coherence() != Coherence::None)
        {
            named.push((SeriesKey::rest(&choice.group), rest(total, &named)));
        }
        for (key, sums) in named {
            if let Some(one) = to_series(key, &sums.amounts, end_period, recipe.measure()) {
                let sold = Sold { bought: sums.bought, promotions: sums.promotions };
                bought.insert(one.key.clone(), sold);
                series.push(one);
            }
        }
    }
    let panel = Panel::new(frequency, end_period, series)?;
    with_columns(panel, recipe, |series| {
        let is_product = series.key.group == "product" && !series.key.value.is_empty();
        let none = Sold::default();
        let sold = bought.get(&series.key).unwrap_or(&none);
        let periods = series.first_period..end_period;
        bought::columns(&recipe.regressors, (sold, &ran), is_product, periods, recipe.horizon)
    })
}

/// The panel with the columns of the recipe: those that `derived` gives of a series, then events.
fn with_columns(
    panel: Panel,
    recipe: &ForecastRecipe,
    derived: impl Fn(&Series) -> KnownValues,
) -> Result<Panel, TrainingError> {
    if !recipe.takes_regressors() {
        return Ok(panel);
    }
    let events = Events::of(recipe)?;
    let of_table = recipe.table.iter().flat_map(|table| &table.regressors);
    let own = recipe.regressors.iter().copied().map(LineRegressor::regressor);
    let own = own.chain(of_table.map(|column| column.0.clone()));
    let regressors = own.chain(events.regressors()).collect();
    let frequency = panel.frequency();
    Ok(panel.with_regressors(regressors, |series| {
        let periods = series.values.len() + recipe.horizon;
        let mut known = derived(series);
        known.extend(events.values(frequency, series.first_period, periods));
        known
    }))
}

/// The sums of a grouping that get a series of their own, and those that do not.
fn choose(
    choice: &SeriesChoice,
    named: Vec<(String, Sums)>,
    wanted: Wanted<'_>,
) -> (Vec<(SeriesKey, Sums)>, Vec<Sums>) {
    let (mut chosen, mut left) = (Vec::new(), Vec::new());
    for (value, sums) in named {
        let key = SeriesKey { group: choice.group.clone(), value };
        let is_nobody = choice.is_by_segment() && key.value.is_empty();
        let is_wanted = match wanted {
            Wanted::Largest => chosen.len() < choice.most,
            Wanted::Known(keys) => keys.binary_search(&key).is_ok(),
        };
        if is_wanted && !is_nobody {
            chosen.push((key, sums));
        } else {
            left.push(sums);
        }
    }
    (chosen, left)
}

/// Sums of different customers as one; it begins with the panel where there are none yet.
fn together(parts: Vec<Sums>, periods: std::ops::Range<i32>) -> Sums {
    let mut sums = Sums::default();
    parts.into_iter().for_each(|part| sums.merge(part));
    if sums.amounts.is_empty() && !periods.is_empty() {
        sums.amounts.insert(periods.start, 0);
    }
    sums
}

/// What of the total is in none of these.
fn rest(total: &Sums, named: &[(SeriesKey, Sums)]) -> Sums {
    let mut rest = total.clone();
    for (period, amount) in named.iter().flat_map(|(_, sums)| &sums.amounts) {
        let left = rest.amounts.entry(*period).or_default();
        *left = left.saturating_sub(*amount);
    }
    for (period, bought) in named.iter().flat_map(|(_, sums)| &sums.bought) {
        rest.bought.entry(*period).or_default().take(*bought);
    }
    // Before its first sale nothing was left.
    let first = rest.amounts.iter().find(|(_, left)| **left != 0).map(|(period, _)| *period);
    let amounts = first.map(|first| rest.amounts.split_off(&first)).unwrap_or_default();
    // Which promotions ran for the rest alone is not known.
    Sums { amounts, bought: rest.bought, promotions: BTreeSet::new() }
}

/// Sums of each choice of series, by the value of its group.
type Groups = Vec<BTreeMap<Symbol, Sums>>;

fn sum_up(
    reader: &mut Reader<'_>,
    recipe: &ForecastRecipe,
    members: Option<&Members>,
    periods: std::ops::Range<i32>,
    around: &Surroundings<'_>,
) -> Result<Totals, TrainingError> {
    let Surroundings { as_of, run, .. } = *around;
    let all = reader.summary().lines.max(1);
    let none = || Totals {
        groups: vec![BTreeMap::<Symbol, Sums>::new(); recipe.series.len()],
        ran: Ran::default(),
    };
    let empty = || (0_u64, none(), Seen::default());
    let (mut read, mut sums) = (0, none());
    let mut cancelled = Ok(());
    reader.scan_sales(
        run.threads,
        empty,
        |(count, sums, seen), sale| {
            *count += 1;
            if sale.is_visible(as_of) {
                seen.enter(sale, members);
                add(sums, seen, sale, recipe, &periods);
            }
        },
        |(count, more, _)| {
            read += count;
            run.progress.report("series", read as f64 / all as f64);
            sums.groups.iter_mut().zip(more.groups).for_each(|(sums, more)| merge(sums, more));
            sums.ran.merge(more.ran);
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
    history: Option<i64>,
    /// The segment of its customer.
    segment: Symbol,
    counted: HashSet<(usize, Symbol, i32, u64)>,
}

impl Seen {
    /// Begins anew where the line is the first of a history.
    fn enter(&mut self, sale: &SaleLine, members: Option<&Members>) {
        if self.history != Some(sale.history) {
            self.history = Some(sale.history);
            self.segment = members.map_or(Symbol::NONE, |members| members.of(sale.history));
            self.counted.clear();
        }
    }
}

/// What a line adds to the series it is part of.
#[derive(Clone, Copy, Debug)]
enum Part {
    Amount(i64),
    /// One, unless its like was counted there before.
    Once(u64),
}

fn add(
    totals: &mut Totals,
    seen: &mut Seen,
    sale: &SaleLine,
    recipe: &ForecastRecipe,
    periods: &std::ops::Range<i32>,
) {
    let period = recipe.frequency.period_of_day(sale.local.day);
    if !periods.contains(&period) {
        return;
    }
    let part = measure(sale, recipe.measure());
    let bought = if recipe.regressors.is_empty() { None } else { Bought::of(sale) };
    let promotion = bought.and_then(|_| sale.promotion.present());
    if let Some(promotion) = promotion {
        totals.ran.add(promotion, period);
    }
    for (nth, (choice, sums)) in recipe.series.iter().zip(&mut totals.groups).enumerate() {
        let value =
            if choice.is_by_segment() { Some(seen.segment) } else { group(sale, &choice.group) };
        let Some(value) = value else { continue };
        if let Some(part) = part {
            let amount = match part {
                Part::Amount(amount) => amount,
                Part::Once(what) => i64::from(seen.counted.insert((nth, value, period, what))),
            };
            let sum = sums.entry(value).or_default().amounts.entry(period).or_default();
            *sum = sum.saturating_add(amount);
        }
        if let Some(bought) = bought {
            let own = sums.entry(value).or_default();
            own.bought.entry(period).or_default().add(bought);
            own.promotions.extend(promotion);
        }
    }
}

fn merge(sums: &mut BTreeMap<Symbol, Sums>, more: BTreeMap<Symbol, Sums>) {
    for (value, more) in more {
        sums.entry(value).or_default().merge(more);
    }
}

impl Sums {
    fn merge(&mut self, more: Self) {
        for (period, amount) in more.amounts {
            let sum = self.amounts.entry(period).or_default();
            *sum = sum.saturating_add(amount);
        }
        for (period, bought) in more.bought {
            self.bought.entry(period).or_default().add(bought);
        }
        self.promotions.extend(more.promotions);
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
fn named<'a>(
    sums: BTreeMap<Symbol, Sums>,
    text: impl Fn(Symbol) -> Option<&'a str>,
) -> Vec<(String, Sums)> {
    let volume =
        |sums: &Sums| sums.amounts.values().map(|sum| i128::from(*sum).abs()).sum::<i128>();
    let mut ranked: Vec<(i128, String, Sums)> = sums
        .into_iter()
        .map(|(symbol, sums)| (volume(&sums), text(symbol).unwrap_or_default().to_owned(), sums))
        .collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    ranked.into_iter().map(|(_, value, sums)| (value, sums)).collect()
}

fn to_series(
    key: SeriesKey,
    sums: &BTreeMap<i32, i64>,
    end_period: i32,
    measure: Measure,
) -> Option<Series> {
    let first_period = *sums.keys().next()?;
    let unit = unit(measure);
    let value = |period: i32| sums.get(&period).map_or(0.0, |sum| *sum as f64 / unit);
    Some(Series { key, first_period, values: (first_period..end_period).map(value).collect() })
}
