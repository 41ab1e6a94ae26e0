//! The features by maps that are filled anew for each date: slow, short, and what the fast
//! computation is held against.

use std::collections::{BTreeMap, BTreeSet};

use crate::transaction::{
    CustomerHistory, HistoryLine, Money, OrderKey, Quantity, ShopClock, Symbol, Timestamp,
};

use super::definition::definitions;

/// What the features depend on besides history and date.
pub(super) struct Oracle {
    pub(super) clock: ShopClock,
    pub(super) ranks_products: bool,
    pub(super) top: Vec<Option<Symbol>>,
}

impl Oracle {
    /// The features of `history` as of `instant`.
    pub(super) fn of(&self, history: &CustomerHistory, instant: Timestamp) -> Vec<f32> {
        let tally = Tally::of(history, instant);
        let values = formulas(&tally, &AsOf { oracle: self, instant });
        assert_eq!(values.len(), definitions().len());
        let value = |(value, none): (f64, Option<f32>)| match none {
            Some(none) if tally.visits.is_empty() => none,
            _ => narrow(value),
        };
        values.into_iter().zip(definitions().iter().map(|d| d.no_history)).map(value).collect()
    }
}

fn narrow(value: f64) -> f32 {
    if value.is_finite() { value.clamp(-1e30, 1e30) as f32 } else { 0.0 }
}

struct AsOf<'a> {
    oracle: &'a Oracle,
    instant: Timestamp,
}

impl AsOf<'_> {
    fn days_since(&self, earlier: Timestamp) -> f64 {
        self.instant.days_since(earlier)
    }

    fn year_angle(&self) -> f64 {
        let days = f64::from(self.oracle.clock.local(self.instant).day).rem_euclid(365.2425);
        days / 365.2425 * std::f64::consts::TAU
    }

    fn top_share(&self, tally: &Tally, rank: usize) -> f64 {
        let Some(symbol) = self.oracle.top.get(rank).copied().flatten() else {
            return 0.0;
        };
        let spend =
            if self.oracle.ranks_products { &tally.product_spend } else { &tally.categories };
        share(spend.get(&symbol).map_or(0.0, |money| money.to_f64()), tally.gross.to_f64())
    }
}

/// The formula of each feature, in the order of the table.
fn formulas(tally: &Tally, as_of: &AsOf) -> Vec<f64> {
    vec![
        tally.last_purchase.map_or(0.0, |last| as_of.days_since(last)),
        tally.first_purchase.map_or(0.0, |first| as_of.days_since(first)),
        tally.gaps().sum(),
        tally.visits.len() as f64,
        f64::from(tally.purchase_lines),
        tally.units.to_f64(),
        tally.spend.to_f64(),
        tally.margin.to_f64(),
        share(tally.spend_with_known_margin.to_f64(), tally.spend.to_f64()),
        share_of_count(tally.gross.to_f64(), tally.visits.len()),
        tally.visits.values().max().map_or(0.0, |spend| spend.to_f64()),
        share_of_count(tally.purchase_units.to_f64(), tally.visits.len()),
        share_of_count(f64::from(tally.purchase_lines), tally.visits.len()),
        share(tally.gross.to_f64(), tally.purchase_units.to_f64()),
        mean(tally.gaps()),
        standard_deviation(tally.gaps()),
        tally.last_purchase.map_or(0.0, |last| share(as_of.days_since(last), mean(tally.gaps()))),
        tally.windows[0].spend.to_f64(),
        f64::from(tally.windows[0].visits),
        tally.windows[0].units.to_f64(),
        tally.windows[1].spend.to_f64(),
        f64::from(tally.windows[1].visits),
        tally.windows[1].units.to_f64(),
        tally.windows[2].spend.to_f64(),
        f64::from(tally.windows[2].visits),
        tally.windows[2].units.to_f64(),
        tally.windows[3].spend.to_f64(),
        f64::from(tally.windows[3].visits),
        tally.windows[3].units.to_f64(),
        tally.windows[4].spend.to_f64(),
        f64::from(tally.windows[4].visits),
        tally.windows[4].units.to_f64(),
        frequency_variation(tally, as_of),
        basket_variation(tally),
        tally.products.len() as f64,
        tally.categories.len() as f64,
        tally.store_lines.len() as f64,
        tally.channel_lines.len() as f64,
        product_repeat_share(tally),
        largest_share(tally.store_lines.values(), tally.purchase_lines),
        largest_share(tally.channel_lines.values(), tally.purchase_lines),
        share(tally.promoted.to_f64(), tally.gross.to_f64()),
        share(tally.discount.to_f64(), (tally.gross + tally.discount).to_f64()),
        as_of.top_share(tally, 0),
        as_of.top_share(tally, 1),
        as_of.top_share(tally, 2),
        as_of.top_share(tally, 3),
        as_of.top_share(tally, 4),
        share(tally.returned.to_f64(), tally.gross.to_f64()).min(1.0),
        share(f64::from(tally.return_lines), f64::from(tally.return_lines + tally.purchase_lines)),
        share(f64::from(tally.weekend_lines), f64::from(tally.purchase_lines)),
        share(f64::from(tally.evening_lines), f64::from(tally.purchase_lines)),
        as_of.year_angle().sin(),
        as_of.year_angle().cos(),
    ]
}

/// `part / whole`, 0 when the whole is not positive.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn share_of_count(part: f64, count: usize) -> f64 {
    share(part, count as f64)
}

fn largest_share<'a>(counts: impl Iterator<Item = &'a u32>, all: u32) -> f64 {
    share(f64::from(counts.max().copied().unwrap_or(0)), f64::from(all))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    share(sum, count)
}

fn standard_deviation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let centre = mean(values.clone());
    mean(values.map(|value| (value - centre).powi(2))).sqrt()
}

const LARGEST_VARIATION: f64 = 100.0;

fn frequency_variation(tally: &Tally, as_of: &AsOf) -> f64 {
    let tenure = tally.first_purchase.map_or(0.0, |first| as_of.days_since(first));
    let recent = f64::from(tally.recent_visits());
    let earlier = tally.visits.len() as f64 - recent;
    let earlier_rate = share(earlier, tenure - Tally::recent_days());
    if earlier_rate > 0.0 {
        (recent / Tally::recent_days() / earlier_rate).min(LARGEST_VARIATION)
    } else {
        1.0
    }
}

fn basket_variation(tally: &Tally) -> f64 {
    let recent_visits = f64::from(tally.recent_visits());
    let earlier_visits = tally.visits.len() as f64 - recent_visits;
    let recent = share(tally.recent_gross.to_f64(), recent_visits);
    let earlier = share((tally.gross - tally.recent_gross).to_f64(), earlier_visits);
    if recent > 0.0 && earlier > 0.0 { (recent / earlier).min(LARGEST_VARIATION) } else { 1.0 }
}

fn product_repeat_share(tally: &Tally) -> f64 {
    let repeats: u32 = tally.products.values().flat_map(|days| days.values().skip(1)).sum();
    share(f64::from(repeats), f64::from(tally.purchase_lines))
}

/// Trailing windows in days.
const WINDOWS: [i64; 5] = [7, 30, 90, 180, 365];
/// The window that "recent" means in the variation features, an index into [`WINDOWS`].
const RECENT: usize = 2;

/// Money, units and visits within one trailing window.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Window {
    spend: Money,
    units: Quantity,
    visits: u32,
}

/// What a history amounts to before `as_of`.
///
/// *Spend* and *units* are net of returns. A *purchase line* has a positive quantity and belongs to
/// no order that was taken back whole; a *visit* is a day of the shop's calendar with at least one
/// purchase line.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Tally {
    as_of: Timestamp,
    first_purchase: Option<Timestamp>,
    last_purchase: Option<Timestamp>,
    spend: Money,
    units: Quantity,
    gross: Money,
    discount: Money,
    margin: Money,
    spend_with_known_margin: Money,
    purchase_lines: u32,
    purchase_units: Quantity,
    returned: Money,
    return_lines: u32,
    weekend_lines: u32,
    evening_lines: u32,
    promoted: Money,
    windows: [Window; WINDOWS.len()],
    recent_gross: Money,
    /// Gross spend by visit day.
    visits: BTreeMap<i32, Money>,
    /// Purchase lines by product and visit day.
    products: BTreeMap<Symbol, BTreeMap<i32, u32>>,
    /// Gross spend by category.
    categories: BTreeMap<Symbol, Money>,
    /// Gross spend by product.
    product_spend: BTreeMap<Symbol, Money>,
    store_lines: BTreeMap<Symbol, u32>,
    channel_lines: BTreeMap<Symbol, u32>,
}

impl Tally {
    /// Counts the lines that are visible at `as_of`.
    fn of(history: &CustomerHistory, as_of: Timestamp) -> Self {
        let visible = || history.lines().iter().filter(|line| line.is_visible(as_of));
        let taken_back = orders_taken_back(visible());
        let starts = WINDOWS.map(|days| as_of.plus_days(-days));
        let mut tally = Self { as_of, ..Self::default() };
        for line in visible() {
            let is_purchase = !line.quantity.is_return() && !taken_back.contains(&line.order);
            tally.add_sums(line, &starts);
            if is_purchase {
                tally.add_purchase(line, &starts);
            }
        }
        tally.count_window_visits(history, &starts, &taken_back);
        tally
    }

    fn add_sums(&mut self, line: &HistoryLine, starts: &[Timestamp; WINDOWS.len()]) {
        self.spend += line.amount;
        self.units += line.quantity;
        if let Some(margin) = line.margin {
            self.margin += margin;
            self.spend_with_known_margin += line.amount;
        }
        if line.quantity.is_return() {
            self.returned += line.amount.abs();
            self.return_lines += 1;
        }
        for (window, start) in self.windows.iter_mut().zip(starts) {
            if line.occurred_at >= *start {
                window.spend += line.amount;
                window.units += line.quantity;
            }
        }
    }

    fn add_purchase(&mut self, line: &HistoryLine, starts: &[Timestamp; WINDOWS.len()]) {
        let day = line.local.day;
        self.first_purchase = Some(self.first_purchase.unwrap_or(line.occurred_at));
        self.last_purchase = Some(line.occurred_at);
        self.gross += line.amount;
        self.discount += line.discount;
        self.purchase_lines += 1;
        self.purchase_units += line.quantity;
        self.weekend_lines += u32::from(line.local.is_weekend());
        self.evening_lines += u32::from(line.local.minute >= 18 * 60);
        if line.promotion.present().is_some() {
            self.promoted += line.amount;
        }
        if starts.get(RECENT).is_some_and(|start| line.occurred_at >= *start) {
            self.recent_gross += line.amount;
        }
        *self.visits.entry(day).or_default() += line.amount;
        *self.products.entry(line.product).or_default().entry(day).or_default() += 1;
        *self.product_spend.entry(line.product).or_default() += line.amount;
        if let Some(category) = line.category.present() {
            *self.categories.entry(category).or_default() += line.amount;
        }
        if let Some(store) = line.store.present() {
            *self.store_lines.entry(store).or_default() += 1;
        }
        if let Some(channel) = line.channel.present() {
            *self.channel_lines.entry(channel).or_default() += 1;
        }
    }

    fn count_window_visits(
        &mut self,
        history: &CustomerHistory,
        starts: &[Timestamp; WINDOWS.len()],
        taken_back: &BTreeSet<OrderKey>,
    ) {
        for (window, start) in self.windows.iter_mut().zip(starts) {
            let days: BTreeSet<i32> = history
                .lines()
                .iter()
                .rev()
                .take_while(|line| line.occurred_at >= *start)
                .filter(|line| line.is_visible(self.as_of))
                .filter(|line| line.is_purchase() && !taken_back.contains(&line.order))
                .map(|line| line.local.day)
                .collect();
            window.visits = days.len() as u32;
        }
    }

    /// Visits in the recent window.
    fn recent_visits(&self) -> u32 {
        self.windows.get(RECENT).map_or(0, |window| window.visits)
    }

    /// Length of the recent window in days.
    fn recent_days() -> f64 {
        WINDOWS.get(RECENT).map_or(0.0, |days| *days as f64)
    }

    /// Days between neighbouring visits, earliest first.
    fn gaps(&self) -> impl Iterator<Item = f64> + Clone + '_ {
        self.visits.keys().zip(self.visits.keys().skip(1)).map(|(a, b)| f64::from(b - a))
    }
}

/// The orders whose units were all taken back by cancellation lines that name them.
fn orders_taken_back<'a>(
    lines: impl Iterator<Item = &'a HistoryLine> + Clone,
) -> BTreeSet<OrderKey> {
    let mut units: BTreeMap<OrderKey, Quantity> = BTreeMap::new();
    for line in lines.clone().filter(|line| line.cancels != OrderKey::NONE) {
        *units.entry(line.cancels).or_default() += line.quantity;
    }
    if units.is_empty() {
        return BTreeSet::new();
    }
    for line in lines {
        if let Some(sum) = units.get_mut(&line.order) {
            *sum += line.quantity;
        }
    }
    units.into_iter().filter(|(_, sum)| *sum <= Quantity::ZERO).map(|(order, _)| order).collect()
}
