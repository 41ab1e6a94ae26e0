//! Holidays and other events as columns of a panel.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;

use crate::dataset::{Frequency, Regressor, RegressorKind};
use crate::ingest::{ReadFileError, TableFile};
use crate::training::recipe::{CalendarEvent, ForecastRecipe, MOST_COLUMNS};
use crate::transaction::Timestamp;

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Most events of a file.
const MOST_EVENTS: u64 = 10_000;

/// Why a file holds no events.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The file cannot be read, or a date is none.
    #[error(transparent)]
    Read(#[from] ReadFileError),
    /// A column is not there.
    #[error("the file has no column {column}; expected name, date and, if several days, end; it has {}", header.join(", "))]
    NoColumn {
        /// The column.
        column: &'static str,
        /// The file's columns.
        header: Vec<String>,
    },
    /// A cell is empty.
    #[error(
        "row {row}, column {column}: expected a value, found none; fill it in or remove the row"
    )]
    Missing {
        /// The row, from 1.
        row: u64,
        /// The column.
        column: &'static str,
    },
    /// An event that ends before it begins.
    #[error("row {row}, column end: expected {date} or later, found {end}")]
    EndsBefore {
        /// The row, from 1.
        row: u64,
        /// The first day.
        date: Date,
        /// The last one.
        end: Date,
    },
    /// An event with the name of a regressor.
    #[error("row {row}, column name: {name:?} is the name of a regressor; choose another")]
    Name {
        /// The row, from 1.
        row: u64,
        /// The name.
        name: String,
    },
    /// More events than a calendar has.
    #[error("row {row}: expected at most {MOST_EVENTS} events; remove those that do not matter")]
    TooMany {
        /// The row, from 1.
        row: u64,
    },
    /// More names than a model has columns.
    #[error(
        "row {row}, column name: with {name:?} there are more than {MOST_COLUMNS} regressors and events; give alike events one name"
    )]
    TooManyColumns {
        /// The row, from 1.
        row: u64,
        /// The name.
        name: String,
    },
}

/// The columns of events: by name, the first and last days of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Events {
    days: BTreeMap<String, Vec<(i32, i32)>>,
}

impl Events {
    /// The events of a recipe and of its file.
    pub(super) fn of(recipe: &ForecastRecipe) -> Result<Self, EventsError> {
        let mut events = Self::default();
        for CalendarEvent { name, date, end } in &recipe.events {
            events.add(name, *date, *end);
        }
        if let Some(path) = &recipe.events_file {
            events.read(path, recipe)?;
        }
        Ok(events)
    }

    fn add(&mut self, name: &str, date: Date, end: Option<Date>) {
        let days = (day(date), day(end.unwrap_or(date)));
        self.days.entry(name.to_owned()).or_default().push(days);
    }

    fn read(&mut self, path: &Path, recipe: &ForecastRecipe) -> Result<(), EventsError> {
        let mut table = TableFile::open(path)?;
        let position = |column: &str| table.header().iter().position(|name| name == column);
        let required = |column: &'static str| {
            let missing = || EventsError::NoColumn { column, header: table.header().to_vec() };
            position(column).ok_or_else(missing)
        };
        let (name_at, date_at, end_at) = (required("name")?, required("date")?, position("end"));
        let taken: Vec<String> = recipe.column_names();
        while table.read()? {
            let row = table.row();
            if row > MOST_EVENTS {
                return Err(EventsError::TooMany { row });
            }
            let missing = |column| EventsError::Missing { row, column };
            let date_in = |column: usize| -> Result<Option<Date>, ReadFileError> {
                let at = table.instant(column)?;
                Ok(at.map(|at| jiff::civil::date(1970, 1, 1).saturating_add(days(at))))
            };
            let name = table.text(name_at)?.filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| missing("name"))?.into_owned();
            let date = date_in(date_at)?.ok_or_else(|| missing("date"))?;
            let end = end_at.map(date_in).transpose()?.flatten();
            if let Some(end) = end.filter(|end| *end < date) {
                return Err(EventsError::EndsBefore { row, date, end });
            }
            if taken.contains(&name) {
                return Err(EventsError::Name { row, name });
            }
            self.add(&name, date, end);
            if self.days.len() + taken.len() > MOST_COLUMNS {
                return Err(EventsError::TooManyColumns { row, name });
            }
        }
        Ok(())
    }

    /// The columns, in the order of their names.
    pub(super) fn regressors(&self) -> impl Iterator<Item = Regressor> {
        let column =
            |name: &String| Regressor { name: name.clone(), kind: RegressorKind::Indicator };
        self.days.keys().map(column)
    }

    /// The values of each column for `count` periods from `first` on.
    ///
    /// A period has the event's days that fall into it, over those of the event or of the period,
    /// whichever is shorter: 1 for a holiday within a week, 3/4 and 1/4 for a Friday to Monday that
    /// two weeks share, 1 for every week in the middle of a long season.
    pub(super) fn values(&self, frequency: Frequency, first: i32, count: usize) -> Vec<Vec<f64>> {
        let column = |dates: &Vec<(i32, i32)>| {
            let mut values = vec![0.0_f64; count];
            for (begin, end) in dates {
                let from = frequency.period_of_day(*begin).max(first);
                let to =
                    frequency.period_of_day(*end).min(first.saturating_add_unsigned(count as u32));
                for period in from..=to {
                    let place = usize::try_from(period - first).ok();
                    if let Some(value) = place.and_then(|place| values.get_mut(place)) {
                        *value = value.max(share(frequency, period, (*begin, *end)));
                    }
                }
            }
            values
        };
        self.days.values().map(column).collect()
    }
}

fn share(frequency: Frequency, period: i32, (begin, end): (i32, i32)) -> f64 {
    let (first, next) = (frequency.first_day(period), frequency.first_day(period + 1));
    let within = (end + 1).min(next) - begin.max(first);
    f64::from(within) / f64::from((end + 1 - begin).min(next - first))
}

/// Days since 1970-01-01 in UTC, which is how dates are read.
fn days(at: Timestamp) -> jiff::Span {
    jiff::Span::new().days(at.micros().div_euclid(MICROS_PER_DAY))
}

fn day(date: Date) -> i32 {
    let epoch = jiff::civil::date(1970, 1, 1);
    epoch.until(date).map_or(0, |span| span.get_days())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(dates: &[(&str, &str)]) -> Events {
        let mut events = Events::default();
        for (date, end) in dates {
            events.add("event", date.parse().unwrap(), Some(end.parse().unwrap()));
        }
        events
    }

    #[test]
    fn an_event_is_shared_by_the_periods_it_lies_in() {
        let of = |frequency: Frequency, dates: (&str, &str), first: &str| {
            let first = frequency.period_of_day(day(first.parse().unwrap()));
            events(&[dates]).values(frequency, first, 3).remove(0)
        };
        let weekly = |from, to| of(Frequency::Weekly, (from, to), "2024-11-25");
        assert_eq!(weekly("2024-12-04", "2024-12-04"), [0.0, 1.0, 0.0]);
        assert_eq!(weekly("2024-11-29", "2024-12-02"), [0.75, 0.25, 0.0]);
        assert_eq!(weekly("2024-12-01", "2024-12-23"), [1.0 / 7.0, 1.0, 1.0]);
        assert_eq!(weekly("2024-01-01", "2024-01-02"), [0.0; 3]);
        let monthly = of(Frequency::Monthly, ("2024-03-29", "2024-04-01"), "2024-03-01");
        assert_eq!(monthly, [0.75, 0.25, 0.0]);
        let daily = of(Frequency::Daily, ("2024-03-29", "2024-03-30"), "2024-03-28");
        assert_eq!(daily, [0.0, 1.0, 1.0]);
    }
}
