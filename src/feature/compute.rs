//! The features of a history as of a date.

use std::sync::Arc;

use crate::dataset::{FeatureMatrix, InvalidMatrix};
use crate::transaction::{CustomerHistory, InvalidTime, ShopClock, Symbol, SymbolTable, Timestamp};

use super::FeatureSchema;
use super::definition::definitions;
use super::tally::Tally;

/// A [`FeatureSchema`] bound to the symbols of one data set, ready to compute.
#[derive(Clone, Debug)]
pub struct Features {
    columns: Arc<[String]>,
    clock: ShopClock,
    ranks_products: bool,
    top: Vec<Option<Symbol>>,
}

impl Features {
    /// Binds `schema` to the symbols that the histories to come are written in.
    ///
    /// # Errors
    /// When the schema's time zone is unknown to this program.
    pub fn new(schema: &FeatureSchema, symbols: &SymbolTable) -> Result<Self, InvalidTime> {
        Ok(Self {
            columns: schema.columns(),
            clock: schema.clock()?,
            ranks_products: schema.ranks_products(),
            top: schema.top_values().iter().map(|text| symbols.find(text)).collect(),
        })
    }

    /// Names of the features, in the order of the vector.
    pub fn columns(&self) -> &Arc<[String]> {
        &self.columns
    }

    /// The features of `history` as of `as_of`, in the order of [`Features::columns`].
    ///
    /// Lines whose `occurred_at` or `recorded_at` is at or after `as_of` are not seen.
    pub fn of(&self, history: &CustomerHistory, as_of: Timestamp) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.columns.len());
        self.append(history, as_of, &mut values);
        values
    }

    /// Appends the features of one history to a row-major buffer.
    pub fn append(&self, history: &CustomerHistory, as_of: Timestamp, values: &mut Vec<f32>) {
        let tally = Tally::of(history, as_of);
        let date = AsOf { features: self, instant: as_of };
        for definition in definitions() {
            let value = match definition.no_history.filter(|_| tally.is_empty()) {
                Some(none) => none,
                None => narrow((definition.value)(&tally, &date)),
            };
            values.push(value);
        }
    }

    /// A matrix with one row per history.
    ///
    /// # Errors
    /// Never in practice: every feature of every history is finite.
    pub fn matrix<'a>(
        &self,
        histories: impl IntoIterator<Item = &'a CustomerHistory>,
        as_of: Timestamp,
    ) -> Result<FeatureMatrix, InvalidMatrix> {
        let mut values = Vec::new();
        for history in histories {
            self.append(history, as_of, &mut values);
        }
        FeatureMatrix::new(Arc::clone(&self.columns), values)
    }
}

/// The as-of date, as the formulas see it.
#[derive(Debug)]
pub(super) struct AsOf<'a> {
    features: &'a Features,
    instant: Timestamp,
}

impl AsOf<'_> {
    /// Days of 24 hours from `earlier` to the as-of date.
    pub(super) fn days_since(&self, earlier: Timestamp) -> f64 {
        self.instant.days_since(earlier)
    }

    /// The as-of date's place in the year, 0 to 2 pi.
    pub(super) fn year_angle(&self) -> f64 {
        const DAYS_PER_YEAR: f64 = 365.2425;
        let local = self.features.clock.local(self.instant);
        let days = f64::from(local.day).rem_euclid(DAYS_PER_YEAR);
        days / DAYS_PER_YEAR * std::f64::consts::TAU
    }

    /// Share of gross spend on the top category or product of this rank.
    pub(super) fn top_share(&self, tally: &Tally, rank: usize) -> f64 {
        let Some(symbol) = self.features.top.get(rank).copied().flatten() else {
            return 0.0;
        };
        let spend =
            if self.features.ranks_products { &tally.product_spend } else { &tally.categories };
        let part = spend.get(&symbol).map_or(0.0, |money| money.to_f64());
        let whole = tally.gross.to_f64();
        if whole > 0.0 { part / whole } else { 0.0 }
    }
}

/// Largest magnitude a feature can have: far above any sum of 64-bit micros, far below f32's limit.
const LARGEST: f64 = 1e30;

fn narrow(value: f64) -> f32 {
    if value.is_finite() { value.clamp(-LARGEST, LARGEST) as f32 } else { 0.0 }
}
