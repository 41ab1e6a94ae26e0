//! Any series in long form, one row per series and time, as forecasting libraries take them:
//! `unique_id`, `ds`, `y`.

mod given;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use self::given::Given;
pub use self::given::LongRow;
use super::regressor::{KnownValues, Regressor};

const MICROS_PER_HOUR: i64 = 3_600_000_000;
const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;
/// Most periods of all series together, gaps included.
pub const MOST_LONG_VALUES: i64 = 50_000_000;

/// Rows in the order they come, to be sorted into series.
#[derive(Clone, Debug, Default)]
pub struct LongRows {
    numbers: HashMap<String, usize>,
    series: Vec<Given>,
    kind: Option<StampKind>,
    regressors: Vec<Regressor>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum StampKind {
    Index,
    Instant,
}

/// When a value was observed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stamp {
    /// A counted period.
    Index(i64),
    /// Microseconds since 1970-01-01 UTC.
    Instant(i64),
}

/// What stands for periods between two rows of a series.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Gaps {
    /// They are refused.
    #[default]
    Refuse,
    /// Nothing was sold.
    Zero,
}

/// Series of one spacing, each with a value for every period from its first to its last.
#[derive(Clone, Debug, PartialEq)]
pub struct LongTable {
    spacing: Spacing,
    series: Vec<LongSeries>,
    regressors: Vec<Regressor>,
}

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct LongSeries {
    /// Its `unique_id`.
    pub id: String,
    /// Number of the period after its last value.
    pub end: i64,
    /// Its values in order of time.
    pub values: Vec<f64>,
    /// The columns that are known in advance, from the first value on and as far as there are rows.
    pub known: KnownValues,
}

/// How far stamps of neighbouring periods are apart, and where they are counted from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spacing {
    /// Counted periods.
    Index {
        /// Difference between neighbours.
        step: i64,
        /// A stamp of the table.
        origin: i64,
    },
    /// Calendar months, stamped by their first or their last day.
    Months {
        /// Months between neighbours.
        step: i64,
        /// Month of a stamp, counted from January 1970.
        origin: i64,
        /// Whether stamps are last days.
        last_day: bool,
    },
    /// The same time between all neighbours.
    Instants {
        /// Microseconds between neighbours.
        step: i64,
        /// A stamp of the table.
        origin: i64,
    },
}

/// Why rows are no series.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidLongTable {
    /// There is no row.
    #[error("the table has no row")]
    Empty,
    /// Some stamps are numbers and some are dates.
    #[error("row {row}: expected {expected} as in the rows before, found {found}")]
    MixedStamps {
        /// The row, from 1.
        row: u64,
        /// What the rows before have.
        expected: &'static str,
        /// What this one has.
        found: &'static str,
    },
    /// NaN or infinity.
    #[error("row {row}: expected a finite value, found {found}; remove the row or give a number")]
    NotFinite {
        /// The row, from 1.
        row: u64,
        /// What came.
        found: f64,
    },
    /// A row without a value that is not to come: the series has later values, or none at all.
    #[error(
        "row {row}: series {id} has no value for {stamp}; give one, or only rows without a value after its last one"
    )]
    NoValue {
        /// The row, from 1.
        row: u64,
        /// The series.
        id: String,
        /// The time.
        stamp: String,
    },
    /// Two rows of one series have one time.
    #[error("row {row}: series {id} has a value for {stamp} already, in row {before}")]
    Repeated {
        /// The later row, from 1.
        row: u64,
        /// The earlier row.
        before: u64,
        /// The series.
        id: String,
        /// The time.
        stamp: String,
    },
    /// Periods are missing.
    #[error(
        "series {id}: expected a value every {spacing}, found none between {from} and {to}; fill the gap, or say that gaps are zeros"
    )]
    Gap {
        /// The series.
        id: String,
        /// The spacing of the table.
        spacing: String,
        /// The time before the gap.
        from: String,
        /// The time after it.
        to: String,
    },
    /// More periods than memory is kept for.
    #[error(
        "series {id}: with it the series have {found} periods of {spacing}, expected at most {MOST_LONG_VALUES} together; are the times right?"
    )]
    TooLong {
        /// The series.
        id: String,
        /// The spacing of the table.
        spacing: String,
        /// Periods up to the end of this series.
        found: i64,
    },
}

impl LongRows {
    /// No rows yet, of series with columns that are known in advance.
    pub fn with_regressors(regressors: Vec<Regressor>) -> Self {
        Self { regressors, ..Self::default() }
    }

    /// Adds a row of a series.
    ///
    /// # Errors
    /// [`InvalidLongTable::NotFinite`], [`InvalidLongTable::MixedStamps`].
    pub fn add(&mut self, id: &str, stamp: Stamp, given: LongRow) -> Result<(), InvalidLongTable> {
        let row = given.row;
        let (kind, stamp) = match stamp {
            Stamp::Index(stamp) => (StampKind::Index, stamp),
            Stamp::Instant(stamp) => (StampKind::Instant, stamp),
        };
        let expected = *self.kind.get_or_insert(kind);
        if kind != expected {
            let (expected, found) = (expected.name(), kind.name());
            return Err(InvalidLongTable::MixedStamps { row, expected, found });
        }
        if let Some(found) = given.y.filter(|y| !y.is_finite()) {
            return Err(InvalidLongTable::NotFinite { row, found });
        }
        let number = match self.numbers.get(id) {
            Some(number) => *number,
            None => {
                self.series.push(Given { id: id.to_owned(), rows: Vec::new() });
                self.numbers.insert(id.to_owned(), self.series.len() - 1);
                self.series.len() - 1
            }
        };
        if let Some(series) = self.series.get_mut(number) {
            series.rows.push((stamp, given));
        }
        Ok(())
    }

    /// The series in the order of their first rows. The spacing is the largest that all times fit
    /// into: months where all times are first or last days of months.
    ///
    /// # Errors
    /// What is wrong with the first series that is.
    pub fn series(mut self, gaps: Gaps) -> Result<LongTable, InvalidLongTable> {
        let Some(kind) = self.kind else { return Err(InvalidLongTable::Empty) };
        for series in &mut self.series {
            series.rows.sort_by_key(|(stamp, given)| (*stamp, given.row));
        }
        let spacing = Spacing::of(kind, &self.series);
        let mut left = MOST_LONG_VALUES;
        let regressors = self.regressors;
        let fill = |series: Given| series.fill(spacing, gaps, &regressors, &mut left);
        let series = self.series.into_iter().map(fill).collect::<Result<_, _>>()?;
        Ok(LongTable { spacing, series, regressors })
    }
}

impl StampKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Index => "a whole number",
            Self::Instant => "a date",
        }
    }
}

impl LongTable {
    /// How far neighbouring periods are apart.
    pub fn spacing(&self) -> Spacing {
        self.spacing
    }

    /// The series.
    pub fn series(&self) -> &[LongSeries] {
        &self.series
    }

    /// The columns that are known in advance.
    pub fn regressors(&self) -> &[Regressor] {
        &self.regressors
    }
}

impl Spacing {
    fn of(kind: StampKind, series: &[Given]) -> Self {
        let stamps =
            || series.iter().flat_map(|series| series.rows.iter().map(|(stamp, _)| *stamp));
        let origin = stamps().next().unwrap_or_default();
        if kind == StampKind::Index {
            return Self::Index { step: common_step(series, |stamp| stamp), origin };
        }
        for last_day in [false, true] {
            if stamps().all(|stamp| is_edge_of_month(stamp, last_day)) {
                let step = common_step(series, month_of);
                return Self::Months { step, origin: month_of(origin), last_day };
            }
        }
        Self::Instants { step: common_step(series, |stamp| stamp), origin }
    }

    /// The number of the period of a stamp.
    fn period(self, stamp: i64) -> i64 {
        match self {
            Self::Index { step, origin } | Self::Instants { step, origin } => {
                stamp.saturating_sub(origin).div_euclid(step)
            }
            Self::Months { step, origin, .. } => (month_of(stamp) - origin).div_euclid(step),
        }
    }

    /// The stamp of a period.
    pub fn stamp(self, period: i64) -> Stamp {
        match self {
            Self::Index { step, origin } => {
                Stamp::Index(origin.saturating_add(period.saturating_mul(step)))
            }
            Self::Instants { step, origin } => {
                Stamp::Instant(origin.saturating_add(period.saturating_mul(step)))
            }
            Self::Months { step, origin, last_day } => {
                let month = origin.saturating_add(period.saturating_mul(step));
                Stamp::Instant(micros_of_month(month, last_day))
            }
        }
    }

    /// Periods after which the calendar repeats: 12 of months, 4 of quarters, 52 of weeks, 7 of
    /// days, 24 of hours; 1 of others.
    pub fn season_length(self) -> usize {
        match self {
            Self::Months { step: 1, .. } => 12,
            Self::Months { step: 3, .. } => 4,
            Self::Instants { step, .. } if step == 7 * MICROS_PER_DAY => 52,
            Self::Instants { step: MICROS_PER_DAY, .. } => 7,
            Self::Instants { step: MICROS_PER_HOUR, .. } => 24,
            _ => 1,
        }
    }
}

impl fmt::Display for Spacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match *self {
            Self::Index { step, .. } => (step, "period"),
            Self::Months { step, .. } => (step, "month"),
            Self::Instants { step, .. } if step % MICROS_PER_DAY == 0 => {
                (step / MICROS_PER_DAY, "day")
            }
            Self::Instants { step, .. } if step % MICROS_PER_HOUR == 0 => {
                (step / MICROS_PER_HOUR, "hour")
            }
            Self::Instants { step, .. } => return write!(f, "{} seconds", step as f64 / 1e6),
        };
        if count == 1 { f.write_str(unit) } else { write!(f, "{count} {unit}s") }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Instant(micros) => match Timestamp::from_microsecond(micros) {
                Ok(instant) if micros % MICROS_PER_DAY == 0 => {
                    write!(f, "{}", instant.to_zoned(TimeZone::UTC).date())
                }
                Ok(instant) => write!(f, "{instant}"),
                Err(_) => write!(f, "{micros} microseconds"),
            },
        }
    }
}

/// The greatest common divisor of the differences between neighbouring stamps and between the
/// beginnings of series; 1 where there is none.
fn common_step(series: &[Given], position: impl Fn(i64) -> i64) -> i64 {
    let stamps = series.iter().flat_map(|series| series.rows.iter().map(|(stamp, _)| *stamp));
    let positions: Vec<i64> = stamps.map(position).collect();
    let apart = positions.iter().zip(positions.iter().skip(1));
    let step = apart.fold(0_u64, |step, (a, b)| greatest_common_divisor(step, a.abs_diff(*b)));
    i64::try_from(step).unwrap_or(i64::MAX).max(1)
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn date_of(stamp: i64) -> Option<Date> {
    let instant = Timestamp::from_microsecond(stamp).ok()?;
    Some(instant.to_zoned(TimeZone::UTC).date())
}

fn is_edge_of_month(stamp: i64, last_day: bool) -> bool {
    stamp % MICROS_PER_DAY == 0
        && date_of(stamp).is_some_and(|date| {
            if last_day { date.day() == date.days_in_month() } else { date.day() == 1 }
        })
}

fn month_of(stamp: i64) -> i64 {
    date_of(stamp)
        .map_or(0, |date| (i64::from(date.year()) - 1970) * 12 + i64::from(date.month()) - 1)
}

fn micros_of_month(month: i64, last_day: bool) -> i64 {
    let epoch = jiff::civil::date(1970, 1, 1);
    let month = month.clamp(-100_000, 90_000);
    let first = epoch.saturating_add(month.months());
    let date = if last_day { first.last_of_month() } else { first };
    let days = epoch.until(date).map_or(0, |span| span.get_days());
    i64::from(days) * MICROS_PER_DAY
}
