//! A history that is asked about again and again.

use crate::transaction::{CustomerHistory, HistoryLine, Money, Symbol, Timestamp};

use super::marks::ShortCuts;
use super::running::Running;
use super::tally::Tally;
use super::workspace::Sweep;

/// What a whole history amounts to. Its features as of any date by which all of it was known take no
/// look at its lines; see [`Features::append_settled`]. It serves every schema.
///
/// [`Features::append_settled`]: super::Features::append_settled
#[derive(Clone, Debug)]
pub struct Settled {
    running: Running,
    allowed: ShortCuts,
    /// When the last of it became known; `None` where there is nothing.
    known: Option<Timestamp>,
    categories: Box<[(Symbol, Money)]>,
    products: Box<[(Symbol, Money)]>,
}

impl Settled {
    /// `None` when sums may saturate, so that they depend on the order of the lines.
    pub fn of(history: &CustomerHistory) -> Option<Self> {
        let settling = Sweep::settle(history.lines())?;
        let spend = |symbol: fn(&HistoryLine) -> Symbol| {
            let purchases = settling.purchases(history.lines());
            let mut spend: Vec<_> = purchases.map(|line| (symbol(line), line.amount)).collect();
            spend.sort_unstable_by_key(|(symbol, _)| *symbol);
            spend.dedup_by(|next, sum| {
                let is_same = next.0 == sum.0;
                if is_same {
                    sum.1 += next.1;
                }
                is_same
            });
            spend.into_boxed_slice()
        };
        let (categories, products) = (spend(|line| line.category), spend(|line| line.product));
        let known = settling.known;
        let (running, allowed) = settling.finish();
        Some(Self { running, allowed, known, categories, products })
    }

    /// Whether all of it was known before `as_of`.
    pub(super) fn holds(&self, as_of: Timestamp) -> bool {
        self.known.is_none_or(|known| known < as_of)
    }

    /// What it amounts to at a date at which it holds, by the top categories or products in `top`.
    pub(super) fn tally(
        &self,
        as_of: Timestamp,
        are_products: bool,
        top: &[Option<Symbol>],
    ) -> Tally {
        let mut tally = self.running.windows_at(as_of, self.allowed);
        let spend = if are_products { &self.products } else { &self.categories };
        for (place, symbol) in tally.top_spend.iter_mut().zip(top) {
            let found = symbol.and_then(|symbol| {
                let found = spend.binary_search_by_key(&symbol, |(symbol, _)| *symbol).ok()?;
                spend.get(found)
            });
            *place = found.map_or(Money::ZERO, |(_, money)| *money);
        }
        tally
    }
}
