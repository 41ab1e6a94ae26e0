//! The series of a table.

use std::collections::HashMap;

use crate::dataset::{
    Frequency, Gaps, KnownValues, LongTable, MOST_LONG_VALUES, Panel, Series, SeriesKey, Spacing,
    Stamp,
};
use crate::ingest::{LongColumns, LongTableError, file_sha256, read_long_table};
use crate::training::TrainingError;
use crate::training::recipe::{ForecastRecipe, SeriesTableRecipe};
use crate::transaction::{ShopClock, Timestamp};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Why a table holds no series for a recipe.
#[derive(Debug, thiserror::Error)]
pub enum SeriesTableError {
    /// The file cannot be read, or its rows are no series.
    #[error(transparent)]
    Read(#[from] LongTableError),
    /// The periods of the table are not those of the recipe.
    #[error("frequency: the recipe says {expected}, the table has a value every {found}")]
    Frequency {
        /// The recipe's word.
        expected: &'static str,
        /// The table's spacing.
        found: String,
    },
    /// A date with a time of day, which no period of the shop's calendar begins with.
    #[error("{stamp}: expected dates without a time of day and without a zone")]
    TimeOfDay {
        /// The time.
        stamp: String,
    },
    /// Zeros up to the common end would take more memory than is kept for series.
    #[error(
        "series end so far apart that zeros up to the last end are {found} values, expected at most {MOST_LONG_VALUES}; are the times right?"
    )]
    TooLong {
        /// Values of all series.
        found: i64,
    },
    /// The file cannot be read again.
    #[error("the file went away while it was read; train again")]
    Gone,
    /// A series ends before others do.
    #[error(
        "series {series} ends before {expected}, where others end; add its last values, set table.fill_gaps for zeros, or take it out"
    )]
    Ends {
        /// The series.
        series: String,
        /// The first period after the others.
        expected: String,
    },
}

/// The series of a file.
#[derive(Clone, Debug)]
pub(in crate::training) struct SeriesFile {
    pub(in crate::training) panel: Panel,
    /// SHA-256 of the file.
    pub(in crate::training) digest: String,
    /// Values of all series.
    pub(in crate::training) values: u64,
    /// When the last period of the panel ended.
    pub(in crate::training) end: Timestamp,
}

/// Reads the table; only periods that had ended at `as_of`, if one is given.
pub(in crate::training) fn read(
    recipe: &ForecastRecipe,
    table_recipe: &SeriesTableRecipe,
    as_of: Option<Timestamp>,
    clock: &ShopClock,
) -> Result<SeriesFile, TrainingError> {
    let SeriesTableRecipe { path, id, time, value, fill_gaps, regressors, .. } =
        table_recipe.clone();
    let frequency = recipe.frequency;
    let gaps = if fill_gaps { Gaps::Zero } else { Gaps::Refuse };
    let regressors = regressors.into_iter().map(|column| column.0).collect();
    let columns = LongColumns { id, time, value, regressors };
    let table = read_long_table(&path, &columns, gaps).map_err(SeriesTableError::from)?;
    let digest = file_sha256(&path).ok_or(SeriesTableError::Gone)?;
    let panel = panel(&table, frequency, fill_gaps)?;
    let known = table.series().iter().map(|one| (one.id.as_str(), &one.known));
    let known: HashMap<&str, &KnownValues> = known.collect();
    let panel = super::with_columns(panel, recipe, |series| {
        known.get(series.key.value.as_str()).copied().cloned().unwrap_or_default()
    })?;
    let latest = as_of.map(|as_of| frequency.period_of_day(clock.local(as_of).day));
    let late = latest.map_or(0, |latest| panel.end_period().saturating_sub(latest));
    let panel = panel.without_last(usize::try_from(late).unwrap_or_default());
    Ok(SeriesFile {
        digest,
        values: panel.series().iter().map(|series| series.values.len() as u64).sum(),
        end: frequency.start_of(panel.end_period(), clock),
        panel,
    })
}

fn panel(table: &LongTable, frequency: Frequency, fill_gaps: bool) -> Result<Panel, TrainingError> {
    let spacing = table.spacing();
    let (expected, fits) = match (frequency, spacing) {
        (Frequency::Daily, Spacing::Instants { step, .. }) => ("daily", step == MICROS_PER_DAY),
        (Frequency::Weekly, Spacing::Instants { step, .. }) => {
            ("weekly", step == 7 * MICROS_PER_DAY)
        }
        (Frequency::Monthly, Spacing::Months { step, .. }) => ("monthly", step == 1),
        (Frequency::Daily, _) => ("daily", false),
        (Frequency::Weekly, _) => ("weekly", false),
        (Frequency::Monthly, _) => ("monthly", false),
    };
    if !fits {
        return Err(SeriesTableError::Frequency { expected, found: spacing.to_string() }.into());
    }
    let (Stamp::Index(any) | Stamp::Instant(any)) = spacing.stamp(0);
    if any % MICROS_PER_DAY != 0 {
        return Err(SeriesTableError::TimeOfDay { stamp: spacing.stamp(0).to_string() }.into());
    }
    let period = |number: i64| {
        let (Stamp::Index(micros) | Stamp::Instant(micros)) = spacing.stamp(number);
        let day = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX);
        frequency.period_of_day(day)
    };
    let last = table.series().iter().map(|series| series.end).max().unwrap_or_default();
    let found = table.series().iter().fold(0_i64, |sum, one| {
        let length = (one.values.len() as i64).saturating_add(last.saturating_sub(one.end));
        sum.saturating_add(length)
    });
    if found > MOST_LONG_VALUES {
        return Err(SeriesTableError::TooLong { found }.into());
    }
    let series = table.series().iter().map(|one| {
        let mut values = one.values.clone();
        let missing = usize::try_from(last - one.end).unwrap_or_default();
        if missing > 0 && !fill_gaps {
            let (series, expected) = (one.id.clone(), spacing.stamp(last).to_string());
            return Err(SeriesTableError::Ends { series, expected });
        }
        values.resize(values.len() + missing, 0.0);
        Ok(Series {
            key: SeriesKey { group: "series".to_owned(), value: one.id.clone() },
            first_period: period(last - values.len() as i64),
            values,
        })
    });
    let series: Vec<Series> = series.collect::<Result<_, _>>()?;
    Ok(Panel::new(frequency, period(last), series)?)
}
