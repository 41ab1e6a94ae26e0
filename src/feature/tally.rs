//! The exact counts and sums of one history as of one date, gathered in a single pass.

use std::collections::{BTreeMap, BTreeSet};

use crate::transaction::{
    CustomerHistory, HistoryLine, Money, OrderKey, Quantity, Symbol, Timestamp,
};

/// Trailing windows in days.
pub(super) const WINDOWS: [i64; 5] = [7, 30, 90, 180, 365];
/// The window that "recent" means in the variation features, an index into [`WINDOWS`].
const RECENT: usize = 2;

/// Money, units and visits within one trailing window.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Window {
    pub(super) spend: Money,
    pub(super) units: Quantity,
    pub(super) visits: u32,
}

/// What a history amounts to before `as_of`.
///
/// *Spend* and *units* are net of returns. A *purchase line* has a positive quantity and belongs to
/// no order that was taken back whole; a *visit* is a day of the shop's calendar with at least one
/// purchase line.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    pub(super) as_of: Timestamp,
    pub(super) first_purchase: Option<Timestamp>,
    pub(super) last_purchase: Option<Timestamp>,
    pub(super) spend: Money,
    pub(super) units: Quantity,
    pub(super) gross: Money,
    pub(super) discount: Money,
    pub(super) margin: Money,
    pub(super) spend_with_known_margin: Money,
    pub(super) purchase_lines: u32,
    pub(super) purchase_units: Quantity,
    pub(super) returned: Money,
    pub(super) return_lines: u32,
    pub(super) weekend_lines: u32,
    pub(super) evening_lines: u32,
    pub(super) promoted: Money,
    pub(super) windows: [Window; WINDOWS.len()],
    pub(super) recent_gross: Money,
    /// Gross spend by visit day.
    pub(super) visits: BTreeMap<i32, Money>,
    /// Purchase lines by product and visit day.
    pub(super) products: BTreeMap<Symbol, BTreeMap<i32, u32>>,
    /// Gross spend by category.
    pub(super) categories: BTreeMap<Symbol, Money>,
    /// Gross spend by product.
    pub(super) product_spend: BTreeMap<Symbol, Money>,
    pub(super) store_lines: BTreeMap<Symbol, u32>,
    pub(super) channel_lines: BTreeMap<Symbol, u32>,
}

impl Tally {
    /// Counts the lines that are visible at `as_of`.
    pub(super) fn of(history: &CustomerHistory, as_of: Timestamp) -> Self {
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

    /// Whether the customer bought nothing before the date.
    pub(super) fn is_empty(&self) -> bool {
        self.visits.is_empty()
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
    pub(super) fn recent_visits(&self) -> u32 {
        self.windows.get(RECENT).map_or(0, |window| window.visits)
    }

    /// Length of the recent window in days.
    pub(super) fn recent_days() -> f64 {
        WINDOWS.get(RECENT).map_or(0.0, |days| *days as f64)
    }

    /// Days between neighbouring visits, earliest first.
    pub(super) fn gaps(&self) -> impl Iterator<Item = f64> + Clone + '_ {
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
