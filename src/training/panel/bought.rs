//! Promotions and prices of series, from the lines that were bought.

use std::collections::BTreeMap;

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

    /// The share of the units that were under a promotion.
    fn promotion(self) -> f64 {
        if self.units > 0 { self.promoted as f64 / self.units as f64 } else { 0.0 }
    }

    /// What a unit cost, where something was bought and paid for.
    fn price(self) -> Option<f64> {
        (self.units > 0 && self.paid > 0).then(|| self.paid as f64 / 1e3 / self.units as f64)
    }
}

/// The values of the columns for the periods from `first` to `end`, and for `horizon` more, in which
/// nothing is promoted and the last usual price holds. Prices are those of single products: the
/// average price of several also moves with what is bought.
pub(super) fn columns(
    wanted: &[LineRegressor],
    bought: &BTreeMap<i32, Bought>,
    is_product: bool,
    periods: std::ops::Range<i32>,
    horizon: usize,
) -> KnownValues {
    let of = |period: i32| bought.get(&period).copied().unwrap_or_default();
    let column = |wanted: &LineRegressor| match wanted {
        LineRegressor::Promotion => {
            let past = periods.clone().map(|period| of(period).promotion());
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
    let usual = known().filter(|(period, _)| period.promotion() < USUAL).last();
    let coming = usual.map_or(last, |(_, price)| price);
    prices.extend(std::iter::repeat_n(coming, horizon));
    prices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bought(units: i64, promoted: i64, paid: i64) -> Bought {
        Bought { units: units * 1_000, promoted: promoted * 1_000, paid: paid * 1_000_000 }
    }

    #[test]
    fn promotions_and_prices_are_those_of_what_was_bought() {
        let periods = [(1, bought(4, 0, 8)), (2, bought(10, 10, 15)), (4, bought(4, 1, 9))];
        let periods: BTreeMap<i32, Bought> = periods.into_iter().collect();
        let wanted = [LineRegressor::Promotion, LineRegressor::Price];
        let found = columns(&wanted, &periods, true, 0..6, 2);
        assert_eq!(found[0], [0.0, 0.0, 1.0, 0.0, 0.25, 0.0, 0.0, 0.0]);
        assert_eq!(found[1], [2.0, 2.0, 1.5, 1.5, 2.25, 2.25, 2.25, 2.25]);
        let ends_promoted = columns(&wanted[1..], &periods, true, 1..4, 2);
        assert_eq!(ends_promoted, [[2.0, 1.5, 1.5, 2.0, 2.0]]);
        assert_eq!(columns(&wanted[1..], &periods, false, 1..3, 1), [Vec::<f64>::new()]);
    }
}
