//! Promotions and prices of series, from the lines that were bought.

use std::collections::{BTreeMap, BTreeSet};

use crate::dataset::KnownValues;
use crate::store::SaleLine;
use crate::training::recipe::LineRegressor;
use crate::transaction::Symbol;

/// Prices of periods that are less promoted than this are usual ones.
const USUAL: f64 = 0.5;

/// What was bought in a period; returns are left out, because they tell the price and the promotion
/// of another day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bought {
    /// Thousandths of units.
    units: i64,
    /// Those of them under a promotion.
    promoted: i64,
    /// What was paid for them, in millionths.
    paid: i64,
}

/// What was bought of one series.
#[derive(Clone, Debug, Default)]
pub(super) struct Sold {
    /// By period.
    pub(super) bought: BTreeMap<i32, Bought>,
    /// The promotions that it took part in.
    pub(super) promotions: BTreeSet<Symbol>,
}

/// The first and the last period in which something was bought under a promotion, whatever it was.
#[derive(Clone, Debug, Default)]
pub(super) struct Ran(BTreeMap<Symbol, (i32, i32)>);

impl Ran {
    pub(super) fn add(&mut self, promotion: Symbol, period: i32) {
        let ran = self.0.entry(promotion).or_insert((period, period));
        *ran = (ran.0.min(period), ran.1.max(period));
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (promotion, (first, last)) in other.0 {
            self.add(promotion, first);
            self.add(promotion, last);
        }
    }

    /// Whether one of these promotions ran in the period.
    fn any(&self, promotions: &BTreeSet<Symbol>, period: i32) -> bool {
        let mut ran = promotions.iter().filter_map(|promotion| self.0.get(promotion));
        ran.any(|(first, last)| (*first..=*last).contains(&period))
    }
}

impl Bought {
    /// A line; `None` for a return.
    pub(super) fn of(sale: &SaleLine) -> Option<Self> {
        let units = sale.quantity.thousandths();
        let promoted = if sale.promotion == Symbol::NONE { 0 } else { units };
        (units > 0).then_some(Self { units, promoted, paid: sale.amount.micros() })
    }

    pub(super) fn add(&mut self, other: Self) {
        self.units = self.units.saturating_add(other.units);
        self.promoted = self.promoted.saturating_add(other.promoted);
        self.paid = self.paid.saturating_add(other.paid);
    }

    pub(super) fn take(&mut self, other: Self) {
        self.units = self.units.saturating_sub(other.units);
        self.promoted = self.promoted.saturating_sub(other.promoted);
        self.paid = self.paid.saturating_sub(other.paid);
    }

    /// The share of the units that were under a promotion; `None` where nothing was bought.
    fn promotion(self) -> Option<f64> {
        (self.units > 0).then(|| self.promoted as f64 / self.units as f64)
    }

    /// What a unit cost, where something was bought and paid for.
    fn price(self) -> Option<f64> {
        (self.units > 0 && self.paid > 0).then(|| self.paid as f64 / 1e3 / self.units as f64)
    }
}

/// The values of the columns for the periods from `first` to `end`, and for `horizon` more, in which
/// nothing is promoted and the last usual price holds. Prices are those of single products: the
/// average price of several also moves with what is bought. A period in which nothing was bought is
/// promoted when a promotion of the series ran in it: that nobody bought is the outcome, and must not
/// be read off the column.
pub(super) fn columns(
    wanted: &[LineRegressor],
    (sold, ran): (&Sold, &Ran),
    is_product: bool,
    periods: std::ops::Range<i32>,
    horizon: usize,
) -> KnownValues {
    let of = |period: i32| sold.bought.get(&period).copied().unwrap_or_default();
    let unsold = |period: i32| if ran.any(&sold.promotions, period) { 1.0 } else { 0.0 };
    let column = |wanted: &LineRegressor| match wanted {
        LineRegressor::Promotion => {
            let share = |period: i32| of(period).promotion().unwrap_or_else(|| unsold(period));
            let past = periods.clone().map(share);
            past.chain(std::iter::repeat_n(0.0, horizon)).collect()
        }
        LineRegressor::Price if is_product => prices(periods.clone().map(of), horizon),
        LineRegressor::Price => Vec::new(),
    };
    wanted.iter().map(column).collect()
}

/// The price of each period; the one before where nothing was bought.
fn prices(periods: impl Iterator<Item = Bought> + Clone, horizon: usize) -> Vec<f64> {
    let known = || periods.clone().filter_map(|period| Some((period, period.price()?)));
    // Before the first price that one is taken; without any there is no column.
    let Some((_, first)) = known().next() else { return Vec::new() };
    let mut last = first;
    let past = periods.clone().map(|period| {
        last = period.price().unwrap_or(last);
        last
    });
    let mut prices: Vec<f64> = past.collect();
    let usual = known().filter(|(period, _)| period.promotion() < Some(USUAL)).last();
    let coming = usual.map_or(last, |(_, price)| price);
    prices.extend(std::iter::repeat_n(coming, horizon));
    prices
}

#[cfg(test)]
mod tests {
    use crate::transaction::SymbolTable;

    use super::*;

    fn bought(units: i64, promoted: i64, paid: i64) -> Bought {
        Bought { units: units * 1_000, promoted: promoted * 1_000, paid: paid * 1_000_000 }
    }

    fn sold(periods: &[(i32, Bought)], promotions: &[Symbol]) -> Sold {
        Sold {
            bought: periods.iter().copied().collect(),
            promotions: promotions.iter().copied().collect(),
        }
    }

    #[test]
    fn promotions_and_prices_are_those_of_what_was_bought() {
        let periods = [(1, bought(4, 0, 8)), (2, bought(10, 10, 15)), (4, bought(4, 1, 9))];
        let (sold, ran) = (sold(&periods, &[]), Ran::default());
        let wanted = [LineRegressor::Promotion, LineRegressor::Price];
        let found = columns(&wanted, (&sold, &ran), true, 0..6, 2);
        assert_eq!(found[0], [0.0, 0.0, 1.0, 0.0, 0.25, 0.0, 0.0, 0.0]);
        assert_eq!(found[1], [2.0, 2.0, 1.5, 1.5, 2.25, 2.25, 2.25, 2.25]);
        let ends_promoted = columns(&wanted[1..], (&sold, &ran), true, 1..4, 2);
        assert_eq!(ends_promoted, [[2.0, 1.5, 1.5, 2.0, 2.0]]);
        assert_eq!(columns(&wanted[1..], (&sold, &ran), false, 1..3, 1), [Vec::<f64>::new()]);
    }

    /// Two units in a week of promotion: the column says when it ran, not when somebody bought.
    #[test]
    fn a_day_on_which_nobody_bought_is_promoted_while_the_promotion_runs() {
        let mut symbols = SymbolTable::default();
        let [spring, autumn] = ["spring", "autumn"].map(|name| symbols.intern(Some(name)));
        let sold =
            sold(&[(2, bought(1, 1, 1)), (5, bought(1, 1, 1)), (8, bought(1, 0, 2))], &[spring]);
        let mut ran = Ran::default();
        for (promotion, period) in [(spring, 4), (spring, 1), (spring, 6), (autumn, 9)] {
            ran.add(promotion, period);
        }
        let found = columns(&[LineRegressor::Promotion], (&sold, &ran), true, 0..10, 1);
        assert_eq!(found, [[0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]]);
    }
}
