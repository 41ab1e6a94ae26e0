//! The part of a forecast's recipe that names columns which are known in advance.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::ForecastRecipe;
use crate::dataset::{Regressor, RegressorKind};

/// Most columns of a model.
pub(in crate::training) const MOST_COLUMNS: usize = 40;

/// A column that is derived from the lines.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LineRegressor {
    /// The share of units that were bought under a promotion.
    Promotion,
    /// What a unit cost its buyer on average, discounts taken off; of single products.
    Price,
}

impl LineRegressor {
    /// The column.
    pub fn regressor(self) -> Regressor {
        let (name, kind) = match self {
            Self::Promotion => ("promotion", RegressorKind::Indicator),
            Self::Price => ("price", RegressorKind::Price),
        };
        Regressor { name: name.to_owned(), kind }
    }
}

/// A holiday or another event, past or to come.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarEvent {
    /// The name; all dates of one name are one column.
    pub name: String,
    /// The day, or the first of several.
    pub date: Date,
    /// The last day, where there are several.
    pub end: Option<Date>,
}

/// A column of a table, written `promo:indicator` or `price:price`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ColumnChoice(
    /// The column and what its values say.
    pub Regressor,
);

impl ColumnChoice {
    /// Reads `COLUMN:KIND`.
    ///
    /// # Errors
    /// When there is no colon, no name before it, or another word after it.
    pub fn parse(text: &str) -> Result<Self, InvalidColumnChoice> {
        let invalid = || InvalidColumnChoice { found: text.to_owned() };
        let (name, kind) = text.rsplit_once(':').ok_or_else(invalid)?;
        let kinds = [RegressorKind::Indicator, RegressorKind::Price];
        let kind = kinds.into_iter().find(|known| known.name() == kind).ok_or_else(invalid)?;
        if name.is_empty() {
            return Err(invalid());
        }
        Ok(Self(Regressor { name: name.to_owned(), kind }))
    }
}

/// A text that names no column and kind.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected COLUMN:indicator or COLUMN:price, found {found:?}")]
pub struct InvalidColumnChoice {
    found: String,
}

impl TryFrom<String> for ColumnChoice {
    type Error = InvalidColumnChoice;

    fn try_from(text: String) -> Result<Self, InvalidColumnChoice> {
        Self::parse(&text)
    }
}

impl From<ColumnChoice> for String {
    fn from(choice: ColumnChoice) -> Self {
        format!("{}:{}", choice.0.name, choice.0.kind.name())
    }
}

impl ForecastRecipe {
    /// Whether columns that are known in advance take part.
    pub fn takes_regressors(&self) -> bool {
        let of_table = self.table.as_ref().is_some_and(|table| !table.regressors.is_empty());
        let events = !self.events.is_empty() || self.events_file.is_some();
        !self.regressors.is_empty() || of_table || events
    }

    /// The names of its columns, without those of events.
    pub(in crate::training) fn column_names(&self) -> Vec<String> {
        let of_table = self.table.iter().flat_map(|table| &table.regressors);
        let derived = self.regressors.iter().map(|one| one.regressor().name);
        derived.chain(of_table.map(|column| column.0.name.clone())).collect()
    }

    /// What of its columns does not hold.
    pub(super) fn column_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.table.is_some() && !self.regressors.is_empty() {
            problems.push(
                "regressors: expected none beside table; name its columns in table.regressors"
                    .to_owned(),
            );
        }
        for event in &self.events {
            let name = &event.name;
            if name.is_empty() {
                problems.push(format!("events.name: expected a name for {}", event.date));
            }
            if let Some(end) = event.end.filter(|end| *end < event.date) {
                let date = event.date;
                problems.push(format!(
                    "events.end: expected {date} or later for {name:?}, found {end}"
                ));
            }
        }
        let mut names = BTreeSet::new();
        for name in self.column_names() {
            if !names.insert(name.clone()) {
                problems.push(format!("regressors: expected each column once, found {name} twice"));
            }
        }
        if let Some(event) = self.events.iter().find(|event| names.contains(&event.name)) {
            let name = &event.name;
            problems
                .push(format!("events.name: {name:?} is the name of a regressor; choose another"));
        }
        names.extend(self.events.iter().map(|event| event.name.clone()));
        if names.len() > MOST_COLUMNS {
            let found = names.len();
            problems.push(format!(
                "regressors and events: expected at most {MOST_COLUMNS} columns, found {found}"
            ));
        }
        problems
    }
}
