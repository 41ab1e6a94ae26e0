//! `recipe.toml`: what to train, on whom, over which windows, and when to promote.

mod columns;
mod event;
mod gate;
mod schedule;
mod series;
mod table;

use std::path::{Path, PathBuf};

pub(super) use self::columns::MOST_COLUMNS;
pub use self::columns::{CalendarEvent, ColumnChoice, InvalidColumnChoice, LineRegressor};
pub use self::event::EventRecipe;
pub use self::gate::{GateMetric, GateRule};
pub use self::schedule::{
    Cron, MOST_REASONS, OutputPattern, Population, Schedule, ScheduledTask, ScoreSchedule,
};
pub use self::series::{SeriesChoice, SeriesTableRecipe};
pub use self::table::TableRecipe;

use serde::{Deserialize, Serialize};

use crate::dataset::Frequency;
use crate::model::{BoostingChoice, Coherence, ForecastAlgorithm, ModelKind, SegmentsAlgorithm};

/// A recipe of one kind. Unknown keys are refused.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Recipe {
    /// k-means.
    Segments(SegmentsRecipe),
    /// Recency, frequency and monetary value.
    Rfm(RfmRecipe),
    /// Who stops buying.
    Churn(EventRecipe),
    /// Who buys.
    Propensity(EventRecipe),
    /// Sales by period.
    Forecast(ForecastRecipe),
}

/// Groups of alike customers.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentsRecipe {
    /// Who clusters.
    #[serde(default)]
    pub algorithm: SegmentsAlgorithm,
    /// Seed of the starts.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Customers who bought in so many days before the as-of date.
    pub active_days: u32,
    /// Features to cluster on.
    pub columns: Vec<String>,
    /// How many clusters.
    pub clusters: Clusters,
    /// Starts, of which the best is kept.
    #[serde(default = "default_restarts")]
    pub restarts: usize,
    /// Most iterations of one start.
    #[serde(default = "default_iterations")]
    pub max_iterations: u64,
    /// Largest movement of a centroid that counts as none, in standard deviations.
    #[serde(default = "default_tolerance")]
    pub tolerance: f64,
    /// When to promote.
    #[serde(default)]
    pub gate: GateRule,
    /// What is done by itself.
    pub schedule: Option<Schedule>,
}

/// A number of clusters, or the range to choose it from by silhouette.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Clusters {
    /// So many.
    Fixed(usize),
    /// The best of a range.
    Auto(ClusterRange),
}

/// Numbers of clusters to choose from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterRange {
    /// Fewest.
    pub least: usize,
    /// Most.
    pub most: usize,
}

/// Scores of recency, frequency and monetary value.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RfmRecipe {
    /// Seed; nothing is drawn.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Customers who bought in so many days before the as-of date.
    pub active_days: u32,
    /// How many scores each of the three has, 2 to 9.
    #[serde(default = "default_scores")]
    pub scores: u8,
    /// The feature of recency; less is better.
    #[serde(default = "default_recency")]
    pub recency: String,
    /// The feature of frequency; more is better.
    #[serde(default = "default_frequency")]
    pub frequency: String,
    /// The feature of monetary value; more is better.
    #[serde(default = "default_monetary")]
    pub monetary: String,
    /// When to promote.
    #[serde(default)]
    pub gate: GateRule,
    /// What is done by itself.
    pub schedule: Option<Schedule>,
}

/// Sales by day, week or month.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ForecastRecipe {
    /// Who forecasts.
    #[serde(default)]
    pub algorithm: ForecastAlgorithm,
    /// Seed.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Length of a period.
    pub frequency: Frequency,
    /// Periods ahead.
    pub horizon: usize,
    /// What is summed up; a table has values of its own.
    pub measure: Option<Measure>,
    /// Periods after which the pattern repeats; the calendar's when absent.
    pub season_length: Option<usize>,
    /// Which series; a table has its own.
    #[serde(default)]
    pub series: Vec<SeriesChoice>,
    /// The series of a file instead of transactions.
    pub table: Option<SeriesTableRecipe>,
    /// Columns that are derived from the lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regressors: Vec<LineRegressor>,
    /// Holidays and other events, past and to come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<CalendarEvent>,
    /// A CSV file of more events with the columns `name`, `date` and, if it likes, `end`; the server
    /// takes an absolute path only.
    pub events_file: Option<PathBuf>,
    /// Whether gradient boosting over all series may join an ensemble.
    #[serde(default)]
    pub boosting: BoostingChoice,
    /// How groups and total are made to agree, for measures that add up.
    #[serde(default)]
    pub coherence: Coherence,
    /// When to promote.
    #[serde(default)]
    pub gate: GateRule,
    /// What is done by itself.
    pub schedule: Option<Schedule>,
}

/// What a series is the sum of.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Money, net of returns.
    Sales,
    /// Units, net of returns.
    Units,
    /// Sales less cost over the lines whose cost is known.
    Margin,
    /// Orders with at least one purchase; without a number, purchases at one time are one.
    Orders,
    /// Different customers with a purchase; anonymous sales are nobody's.
    Customers,
    /// The values of a table.
    #[serde(skip)]
    Value,
}

impl Measure {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sales => "sales",
            Self::Units => "units",
            Self::Margin => "margin",
            Self::Orders => "orders",
            Self::Customers => "customers",
            Self::Value => "value",
        }
    }

    /// Whether it is an amount of money.
    pub const fn is_money(self) -> bool {
        matches!(self, Self::Sales | Self::Margin)
    }

    /// Whether the parts of a grouping add up to the total: a customer of two stores is one
    /// customer.
    pub const fn adds_up(self) -> bool {
        matches!(self, Self::Sales | Self::Units | Self::Margin)
    }
}

/// Which past as-of dates rows are made for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnapshotRule {
    /// Most dates.
    pub count: usize,
    /// Days between them.
    pub step_days: u32,
    /// Days of history that the earliest date must have before it.
    pub history_days: u32,
}

impl Default for SnapshotRule {
    fn default() -> Self {
        Self { count: 6, step_days: 30, history_days: 90 }
    }
}

const fn default_scores() -> u8 {
    5
}
fn default_recency() -> String {
    "recency_days".to_owned()
}
fn default_frequency() -> String {
    "visits".to_owned()
}
fn default_monetary() -> String {
    "spend".to_owned()
}
const fn default_seed() -> u64 {
    1
}
const fn default_restarts() -> usize {
    10
}
const fn default_iterations() -> u64 {
    300
}
const fn default_tolerance() -> f64 {
    1e-4
}
/// Why a recipe does not hold; every problem is listed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", problems.join("; "))]
pub struct InvalidRecipe {
    problems: Vec<String>,
}

impl Recipe {
    /// Reads and checks a recipe.
    ///
    /// # Errors
    /// Everything that does not hold, with what was expected.
    pub fn parse(text: &str) -> Result<Self, InvalidRecipe> {
        let recipe: Self = toml::from_str(text).map_err(|error| InvalidRecipe {
            problems: vec![error.to_string().trim().to_owned()],
        })?;
        let problems = recipe.problems();
        if problems.is_empty() { Ok(recipe) } else { Err(InvalidRecipe { problems }) }
    }

    /// What it trains.
    pub fn kind(&self) -> ModelKind {
        match self {
            Self::Segments(_) => ModelKind::Segments,
            Self::Rfm(_) => ModelKind::Rfm,
            Self::Churn(_) => ModelKind::Churn,
            Self::Propensity(_) => ModelKind::Propensity,
            Self::Forecast(_) => ModelKind::Forecast,
        }
    }

    /// The algorithm's name.
    pub fn algorithm(&self) -> String {
        match self {
            Self::Segments(recipe) => plain_name(&recipe.algorithm),
            Self::Rfm(_) => "quantiles".to_owned(),
            Self::Churn(recipe) | Self::Propensity(recipe) => {
                plain_name(&recipe.algorithm(self.kind()))
            }
            Self::Forecast(recipe) => plain_name(&recipe.algorithm),
        }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        match self {
            Self::Segments(recipe) => recipe.seed,
            Self::Rfm(recipe) => recipe.seed,
            Self::Churn(recipe) | Self::Propensity(recipe) => recipe.seed,
            Self::Forecast(recipe) => recipe.seed,
        }
    }

    /// The population: customers who bought in so many days; `None` for forecasts and for tables.
    pub fn active_days(&self) -> Option<u32> {
        match self {
            Self::Segments(recipe) => Some(recipe.active_days),
            Self::Rfm(recipe) => Some(recipe.active_days),
            Self::Churn(recipe) | Self::Propensity(recipe) => recipe.active_days,
            Self::Forecast(_) => None,
        }
    }

    /// The files that it reads, by the keys that name them.
    pub fn files(&self) -> Vec<(&'static str, &Path)> {
        let (table, events) = match self {
            Self::Forecast(recipe) => {
                (recipe.table.as_ref().map(|table| &table.path), recipe.events_file.as_ref())
            }
            _ => (self.table().map(|(_, table)| &table.path), None),
        };
        let named = [("table.path", table), ("events_file", events)];
        named.into_iter().filter_map(|(key, path)| Some((key, path?.as_path()))).collect()
    }

    /// The table of cases that it learns from, if it is not from transactions.
    pub fn table(&self) -> Option<(&EventRecipe, &TableRecipe)> {
        match self {
            Self::Churn(recipe) | Self::Propensity(recipe) => {
                recipe.table.as_ref().map(|table| (recipe, table))
            }
            Self::Segments(_) | Self::Rfm(_) | Self::Forecast(_) => None,
        }
    }

    /// Whether a version that passes the gate becomes the champion by itself.
    pub fn promotes(&self) -> bool {
        match self {
            Self::Segments(recipe) => recipe.gate.promote,
            Self::Rfm(recipe) => recipe.gate.promote,
            Self::Churn(recipe) | Self::Propensity(recipe) => recipe.gate.promote,
            Self::Forecast(recipe) => recipe.gate.promote,
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.problems_of_kind();
        if let Some(schedule) = self.schedule() {
            let is_forecast = self.kind() == ModelKind::Forecast;
            problems.extend(schedule.problems(!is_forecast && self.table().is_none()));
        }
        problems
    }

    fn problems_of_kind(&self) -> Vec<String> {
        match self {
            Self::Segments(recipe) if !(1..=3650).contains(&recipe.active_days) => {
                let found = recipe.active_days;
                vec![format!("active_days: expected 1 to 3650 days, found {found}")]
            }
            Self::Rfm(recipe) if !(1..=3650).contains(&recipe.active_days) => {
                let found = recipe.active_days;
                vec![format!("active_days: expected 1 to 3650 days, found {found}")]
            }
            Self::Segments(_) | Self::Rfm(_) => Vec::new(),
            Self::Churn(recipe) | Self::Propensity(recipe) => recipe.problems(self.kind()),
            Self::Forecast(recipe) => recipe.problems(),
        }
    }
}

impl SnapshotRule {
    fn check(&self, days: &mut impl FnMut(&str, u32)) {
        days("snapshots.step_days", self.step_days);
        days("snapshots.history_days", self.history_days);
        days("snapshots.count", u32::try_from(self.count).unwrap_or(u32::MAX));
    }
}

impl ForecastRecipe {
    /// How groups and total are made to agree.
    pub fn coherence(&self) -> Coherence {
        if self.measure().adds_up() { self.coherence } else { Coherence::None }
    }

    /// What the values of its series are.
    pub fn measure(&self) -> Measure {
        self.measure.unwrap_or(Measure::Value)
    }

    /// Whether nothing below zero is forecast.
    pub fn non_negative(&self) -> bool {
        match &self.table {
            Some(table) => !table.negative,
            None => self.measure() != Measure::Margin,
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.table.is_some() {
            let given = [("series", !self.series.is_empty()), ("measure", self.measure.is_some())];
            let given = given.iter().filter(|(_, given)| *given);
            problems.extend(given.map(|(key, _)| format!("{key}: expected none beside table")));
        } else {
            if self.series.is_empty() {
                problems.push("series: expected at least one grouping, or a table".to_owned());
            }
            if self.measure.is_none() {
                let expected = "measure: expected sales, units, margin, orders or customers";
                problems.push(expected.to_owned());
            }
        }
        if self.coherence == Coherence::MinTrace && self.coherence() == Coherence::None {
            let found = self.measure().as_str();
            problems.push(format!(
                "coherence: expected none for {found}, of which parts do not add up to a total"
            ));
        }
        problems.extend(self.series_problems());
        problems.extend(self.column_problems());
        problems
    }
}

/// The kebab-case name under which serde writes a variant.
fn plain_name(value: &impl Serialize) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json.as_str().unwrap_or_default().to_owned()
}
