//! The features of a history as of a date.

use std::sync::Arc;

use crate::dataset::{FeatureMatrix, InvalidMatrix};
use crate::transaction::{
    CustomerHistory, HistoryLine, InvalidTime, ShopClock, Symbol, SymbolTable, Timestamp,
};

use super::FeatureSchema;
use super::definition::definitions;
use super::numbering::ABSENT;
use super::settled::Settled;
use super::tally::Tally;
use super::workspace::Workspace;

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
    ///
    /// For many histories or dates see [`Features::append_at`].
    pub fn append(&self, history: &CustomerHistory, as_of: Timestamp, values: &mut Vec<f32>) {
        self.append_at(history, &[as_of], &mut Workspace::default(), values);
    }

    /// Appends the features of one history as of each of `as_ofs` to a row-major buffer, one row
    /// per date in the order given.
    ///
    /// The dates may come in any order and more than once; ascending ones are the cheapest. The
    /// values are those of [`Features::of`], whatever `workspace` was used for before.
    pub fn append_at(
        &self,
        history: &CustomerHistory,
        as_ofs: &[Timestamp],
        workspace: &mut Workspace,
        values: &mut Vec<f32>,
    ) {
        let (width, start) = (self.columns.len().max(1), values.len());
        values.resize(start + as_ofs.len() * width, 0.0);
        let rows = values.get_mut(start..).unwrap_or_default();
        let Workspace { sweep, calendar } = workspace;
        sweep.start(history.lines(), self);
        calendar.set(as_ofs);
        for (as_of, row, season) in calendar.iter(&self.clock) {
            let tally = sweep.tally(history.lines(), as_of);
            let date = AsOf { features: self, instant: as_of, season };
            let place = row * width..(row + 1) * width;
            date.write(&tally, rows.get_mut(place).unwrap_or_default());
        }
    }

    /// Appends the features of a history that was settled, as [`Features::append`] does of the
    /// history. `false`, and nothing is appended, when not all of it was known before `as_of`.
    pub fn append_settled(
        &self,
        settled: &Settled,
        as_of: Timestamp,
        workspace: &mut Workspace,
        values: &mut Vec<f32>,
    ) -> bool {
        if !settled.holds(as_of) {
            return false;
        }
        let tally = settled.tally(as_of, self.ranks_products, &self.top);
        workspace.calendar.set(&[as_of]);
        for (instant, _, season) in workspace.calendar.iter(&self.clock) {
            let start = values.len();
            values.resize(start + self.columns.len(), 0.0);
            let date = AsOf { features: self, instant, season };
            date.write(&tally, values.get_mut(start..).unwrap_or_default());
        }
        true
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
        let (mut values, mut workspace) = (Vec::new(), Workspace::default());
        for history in histories {
            self.append_at(history, &[as_of], &mut workspace, &mut values);
        }
        FeatureMatrix::new(Arc::clone(&self.columns), values)
    }

    /// Rank of the line's category or product among the schema's top ones, [`ABSENT`] when it is
    /// none of them.
    pub(super) fn top_rank_of(&self, line: &HistoryLine) -> u32 {
        let symbol = if self.ranks_products { line.product } else { line.category };
        self.top_rank(symbol).map_or(ABSENT, |rank| rank as u32)
    }

    /// The first rank with this symbol: a schema may name a text twice.
    fn top_rank(&self, symbol: Symbol) -> Option<usize> {
        self.top.iter().position(|top| *top == Some(symbol))
    }
}

/// The as-of date, as the formulas see it.
#[derive(Debug)]
pub(super) struct AsOf<'a> {
    features: &'a Features,
    instant: Timestamp,
    pub(super) season: Season,
}

impl AsOf<'_> {
    /// The vector of what a history amounts to.
    fn write(&self, tally: &Tally, row: &mut [f32]) {
        for (value, definition) in row.iter_mut().zip(definitions()) {
            *value = match definition.no_history.filter(|_| tally.is_empty()) {
                Some(none) => none,
                None => narrow((definition.value)(tally, self)),
            };
        }
    }

    /// Days of 24 hours from `earlier` to the as-of date.
    pub(super) fn days_since(&self, earlier: Timestamp) -> f64 {
        self.instant.days_since(earlier)
    }

    /// Share of gross spend on the top category or product of this rank.
    pub(super) fn top_share(&self, tally: &Tally, rank: usize) -> f64 {
        let symbol = self.features.top.get(rank).copied().flatten();
        let Some(rank) = symbol.and_then(|symbol| self.features.top_rank(symbol)) else {
            return 0.0;
        };
        let part = tally.top_spend.get(rank).map_or(0.0, |money| money.to_f64());
        let whole = tally.gross.to_f64();
        if whole > 0.0 { part / whole } else { 0.0 }
    }
}

/// Sine and cosine of a day's place in the year.
#[derive(Clone, Copy, Debug)]
pub(super) struct Season {
    day: i32,
    pub(super) sine: f64,
    pub(super) cosine: f64,
}

impl Season {
    fn of(day: i32) -> Self {
        const DAYS_PER_YEAR: f64 = 365.2425;
        let days = f64::from(day).rem_euclid(DAYS_PER_YEAR);
        let angle = days / DAYS_PER_YEAR * std::f64::consts::TAU;
        Self { day, sine: angle.sin(), cosine: angle.cos() }
    }

    /// Moves to another day of the shop's calendar, at no cost when it is the same.
    pub(super) fn turn_to(&mut self, day: i32) {
        if self.day != day {
            *self = Self::of(day);
        }
    }
}

impl Default for Season {
    fn default() -> Self {
        Self::of(0)
    }
}

/// Largest magnitude a feature can have: far above any sum of 64-bit micros, far below f32's limit.
const LARGEST: f64 = 1e30;

fn narrow(value: f64) -> f32 {
    if value.is_finite() { value.clamp(-LARGEST, LARGEST) as f32 } else { 0.0 }
}
