//! Many time series over the same calendar.

use serde::{Deserialize, Serialize};

use super::regressor::{KnownValues, Regressor};
use crate::transaction::{ShopClock, Timestamp};

/// Length of one period.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Frequency {
    /// A day of the shop's calendar.
    Daily,
    /// Seven days from Monday.
    Weekly,
    /// A calendar month.
    Monthly,
}

impl Frequency {
    /// Periods after which the calendar repeats: 7 days, 52 weeks, 12 months.
    pub const fn season_length(self) -> usize {
        match self {
            Self::Daily => 7,
            Self::Weekly => 52,
            Self::Monthly => 12,
        }
    }

    /// The number of the period that a day of the shop's calendar (days since 1970-01-01) falls
    /// into. Numbers of neighbouring periods differ by one.
    pub fn period_of_day(self, day: i32) -> i32 {
        match self {
            Self::Daily => day,
            // 1970-01-01 was a Thursday: shift so that a week starts on Monday.
            Self::Weekly => (day + 3).div_euclid(7),
            Self::Monthly => {
                let date = date_of_day(day);
                (i32::from(date.year()) - 1970) * 12 + i32::from(date.month()) - 1
            }
        }
    }

    /// The first day (days since 1970-01-01) of a period.
    pub fn first_day(self, period: i32) -> i32 {
        match self {
            Self::Daily => period,
            Self::Weekly => period.saturating_mul(7) - 3,
            Self::Monthly => {
                let year = 1970 + period.div_euclid(12);
                let month = period.rem_euclid(12) + 1;
                day_of_date(year as i16, month as i8)
            }
        }
    }

    /// When a period begins on the shop's clock.
    pub fn start_of(self, period: i32, clock: &ShopClock) -> Timestamp {
        clock.start_of_day(self.first_day(period))
    }
}

fn date_of_day(day: i32) -> jiff::civil::Date {
    let epoch = jiff::civil::date(1970, 1, 1);
    epoch.saturating_add(jiff::Span::new().days(i64::from(day.clamp(-4_000_000, 2_900_000))))
}

fn day_of_date(year: i16, month: i8) -> i32 {
    let epoch = jiff::civil::date(1970, 1, 1);
    let date = jiff::civil::Date::new(year, month, 1).unwrap_or(epoch);
    epoch.until(date).map_or(0, |span| span.get_days())
}

/// The group of the sum of everything.
pub const TOTAL: &str = "total";

/// The group of what customers of one segment bought.
pub const SEGMENT: &str = "segment";

/// Which series: what it is grouped by, and the group's value.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct SeriesKey {
    /// `total`, `product`, `category`, `store`, `channel`, `country` or `segment`; `series` for those
    /// of a table.
    pub group: String,
    /// The group's value; empty for `total`, and for all of a group that has no series of its own.
    pub value: String,
}

impl SeriesKey {
    /// The sum of everything.
    pub fn total() -> Self {
        Self { group: TOTAL.to_owned(), value: String::new() }
    }

    /// All of a group that has no series of its own.
    pub fn rest(group: &str) -> Self {
        Self { group: group.to_owned(), value: String::new() }
    }

    /// What it is called where nobody has to write it: `all other products` instead of `product=`.
    pub fn title(&self) -> String {
        if self.group == TOTAL || !self.value.is_empty() {
            return self.to_string();
        }
        let others = match self.group.as_str() {
            "category" => "categories".to_owned(),
            "country" => "countries".to_owned(),
            SEGMENT => "customers".to_owned(),
            group => format!("{group}s"),
        };
        format!("all other {others}")
    }
}

impl std::fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.group == TOTAL {
            return f.pad(&self.group);
        }
        f.pad(&format!("{}={}", self.group, self.value))
    }
}

/// One series: a value for every period from `first_period` on, without gaps.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Series {
    /// Which series.
    pub key: SeriesKey,
    /// Number of the first period, as [`Frequency::period_of_day`] counts.
    pub first_period: i32,
    /// Values in order of time, in the unit of the panel's measure.
    pub values: Vec<f64>,
}

/// Series of one frequency that all end with the same period.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Panel {
    frequency: Frequency,
    end_period: i32,
    series: Vec<Series>,
    /// Columns that are known in advance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    regressors: Vec<Regressor>,
    /// Their values by series; as long as `series` where there are columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    known: Vec<KnownValues>,
}

impl Panel {
    /// A panel of series in the order of their keys; `end_period` is the first period after all.
    ///
    /// # Errors
    /// When a value is not finite, a series does not end just before `end_period`, or two series
    /// have the same key.
    pub fn new(
        frequency: Frequency,
        end_period: i32,
        mut series: Vec<Series>,
    ) -> Result<Self, InvalidPanel> {
        series.sort_by(|a, b| a.key.cmp(&b.key));
        for one in &series {
            let key = one.key.to_string();
            if let Some(index) = one.values.iter().position(|value| !value.is_finite()) {
                return Err(InvalidPanel::NotFinite { key, index });
            }
            let found = i64::from(one.first_period) + one.values.len() as i64;
            if found != i64::from(end_period) {
                return Err(InvalidPanel::End { key, expected: end_period, found });
            }
        }
        if let Some([first, _]) = series
            .windows(2)
            .find(|pair| matches!(pair, [a, b] if a.key == b.key))
            .and_then(|pair| pair.first_chunk::<2>())
        {
            return Err(InvalidPanel::Repeated { key: first.key.to_string() });
        }
        Ok(Self { frequency, end_period, series, regressors: Vec::new(), known: Vec::new() })
    }

    /// The same panel with columns that are known in advance; `known` gives those of each series.
    pub fn with_regressors(
        self,
        regressors: Vec<Regressor>,
        known: impl FnMut(&Series) -> KnownValues,
    ) -> Self {
        let known = self.series.iter().map(known).collect();
        Self { regressors, known, ..self }
    }

    /// Length of a period.
    pub fn frequency(&self) -> Frequency {
        self.frequency
    }

    /// The first period after the data.
    pub fn end_period(&self) -> i32 {
        self.end_period
    }

    /// The series in the order of their keys.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// The columns that are known in advance.
    pub fn regressors(&self) -> &[Regressor] {
        &self.regressors
    }

    /// The values of those columns for the series of this index; empty without columns.
    pub fn known(&self, index: usize) -> &[Vec<f64>] {
        self.known.get(index).map(Vec::as_slice).unwrap_or_default()
    }

    /// The series of this key.
    pub fn find(&self, key: &SeriesKey) -> Option<&Series> {
        self.series.get(self.position(key)?)
    }

    /// The index of the series of this key.
    pub fn position(&self, key: &SeriesKey) -> Option<usize> {
        self.series.binary_search_by(|series| series.key.cmp(key)).ok()
    }

    /// The same panel with the series of these keys alone, which are in order.
    pub fn only(&self, keys: &[SeriesKey]) -> Self {
        self.keep(self.end_period, |series| {
            keys.binary_search(&series.key).is_ok().then(|| series.clone())
        })
    }

    /// The same panel without its last `periods` periods; series that vanish are left out. What is
    /// known in advance stays known.
    pub fn without_last(&self, periods: usize) -> Self {
        self.keep(self.end_period - periods as i32, |series| {
            let length = series.values.len().checked_sub(periods).filter(|length| *length > 0)?;
            let values = series.values.get(..length)?.to_vec();
            Some(Series { key: series.key.clone(), first_period: series.first_period, values })
        })
    }

    /// The panel of what `change` makes of each series, in the same order and from the same period.
    fn keep(&self, end_period: i32, change: impl Fn(&Series) -> Option<Series>) -> Self {
        let (mut series, mut known) = (Vec::new(), Vec::new());
        for (index, one) in self.series.iter().enumerate() {
            if let Some(changed) = change(one) {
                series.push(changed);
                known.extend(self.known.get(index).cloned());
            }
        }
        let regressors = self.regressors.clone();
        Self { frequency: self.frequency, end_period, series, regressors, known }
    }
}

/// Why series are no panel.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidPanel {
    /// NaN or infinity.
    #[error("series {key}, value {index}: expected a finite number")]
    NotFinite {
        /// The series.
        key: String,
        /// Position, from 0.
        index: usize,
    },
    /// The series ends elsewhere.
    #[error("series {key}: expected its end at period {expected}, found {found}")]
    End {
        /// The series.
        key: String,
        /// The panel's end.
        expected: i32,
        /// The series' end.
        found: i64,
    },
    /// Two series have one key.
    #[error("series {key} is given twice")]
    Repeated {
        /// The key.
        key: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_follow_the_calendar() {
        let day = |year, month, day| {
            jiff::civil::date(1970, 1, 1)
                .until(jiff::civil::date(year, month, day))
                .unwrap()
                .get_days()
        };
        let monday = day(2011, 12, 5);
        let weekly = Frequency::Weekly;
        assert_eq!(weekly.period_of_day(monday), weekly.period_of_day(monday + 6));
        assert_eq!(weekly.period_of_day(monday) - 1, weekly.period_of_day(monday - 1));
        assert_eq!(weekly.first_day(weekly.period_of_day(monday + 3)), monday);
        let monthly = Frequency::Monthly;
        assert_eq!(monthly.period_of_day(day(2011, 12, 31)), 41 * 12 + 11);
        assert_eq!(monthly.first_day(41 * 12 + 11), day(2011, 12, 1));
        assert_eq!(monthly.first_day(-1), day(1969, 12, 1));
    }

    #[test]
    fn a_panel_is_checked_and_can_be_cut() {
        let series = |value: &str, first_period, values: &[f64]| Series {
            key: SeriesKey { group: "store".to_owned(), value: value.to_owned() },
            first_period,
            values: values.to_vec(),
        };
        let panel = Panel::new(
            Frequency::Weekly,
            10,
            vec![series("b", 7, &[1.0, 2.0, 3.0]), series("a", 9, &[4.0])],
        )
        .unwrap();
        assert_eq!(panel.series()[0].key.value, "a");
        let cut = panel.without_last(1);
        assert_eq!((cut.end_period(), cut.series().len()), (9, 1));
        assert_eq!(cut.find(&panel.series()[1].key).unwrap().values, [1.0, 2.0]);
        let short = Panel::new(Frequency::Weekly, 11, vec![series("a", 9, &[4.0])]);
        assert!(matches!(short, Err(InvalidPanel::End { .. })));
        let twice = vec![series("a", 9, &[4.0]), series("a", 9, &[4.0])];
        assert!(matches!(
            Panel::new(Frequency::Weekly, 10, twice),
            Err(InvalidPanel::Repeated { .. })
        ));
    }
}
