//! What of the schema is fitted on a data set: its top categories.

use std::ops::ControlFlow;

use crate::feature::{FeatureSchema, TOP_CATEGORIES};
use crate::transaction::{
    CustomerHistory, HistorySource, ShopClock, Symbol, SymbolTable, Timestamp,
};

/// Gross spend of some purchases by symbol.
#[derive(Debug, Default)]
struct Spend {
    categories: Vec<(Symbol, i64)>,
    products: Vec<(Symbol, i64)>,
}

/// The schema of the data as they were known before `as_of`: the top categories of all customers'
/// purchases by gross spend, or the top products where lines carry no category.
///
/// # Errors
/// When the histories cannot be read.
pub fn fit_schema<H: HistorySource>(
    source: &mut H,
    clock: &ShopClock,
    as_of: Timestamp,
    threads: usize,
) -> Result<FeatureSchema, H::Error> {
    let size = source.symbols().len() + 1;
    let (mut categories, mut products) = (vec![0_i64; size], vec![0_i64; size]);
    source.scan_parallel(
        threads,
        Spend::default,
        |spend, _, history| spend.add(history, as_of),
        Spend::condensed,
        |spend| {
            add(&mut categories, &spend.categories);
            add(&mut products, &spend.products);
            ControlFlow::Continue(())
        },
    )?;
    let has_categories = categories.iter().skip(1).any(|spend| *spend != 0);
    let (attribute, spend) =
        if has_categories { ("category", categories) } else { ("product", products) };
    Ok(FeatureSchema::new(clock, attribute, largest(&spend, source.symbols())))
}

impl Spend {
    fn add(&mut self, history: &CustomerHistory, as_of: Timestamp) {
        let lines = history.lines().iter();
        for line in lines.filter(|line| line.is_purchase() && line.is_visible(as_of)) {
            let micros = line.amount.micros();
            self.products.push((line.product, micros));
            self.categories.extend(line.category.present().map(|category| (category, micros)));
        }
    }

    fn condensed(self) -> Self {
        Self { categories: condense(self.categories), products: condense(self.products) }
    }
}

/// One sum per symbol.
fn condense(mut spend: Vec<(Symbol, i64)>) -> Vec<(Symbol, i64)> {
    spend.sort_unstable();
    spend.dedup_by(|(symbol, micros), (kept, sum)| {
        let is_same = symbol == kept;
        if is_same {
            *sum = sum.saturating_add(*micros);
        }
        is_same
    });
    spend
}

fn add(sums: &mut [i64], spend: &[(Symbol, i64)]) {
    for (symbol, micros) in spend {
        if let Some(sum) = sums.get_mut(symbol.raw() as usize) {
            *sum = sum.saturating_add(*micros);
        }
    }
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
