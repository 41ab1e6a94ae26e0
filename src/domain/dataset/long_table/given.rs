//! The rows of one series, put in order.

use super::{Gaps, InvalidLongTable, LongSeries, MOST_LONG_VALUES, Spacing};
use crate::dataset::regressor::{KnownValues, Regressor};

/// What a row says of its series and time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LongRow {
    /// The value; none for a time to come.
    pub y: Option<f64>,
    /// One value per column that is known in advance.
    pub known: Vec<f64>,
    /// The row, from 1.
    pub row: u64,
}

/// A series as it was given.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) id: String,
    /// Rows with their stamps.
    pub(super) rows: Vec<(i64, LongRow)>,
}

impl Given {
    /// `left` is how many periods may still come.
    pub(super) fn fill(
        self,
        spacing: Spacing,
        gaps: Gaps,
        regressors: &[Regressor],
        left: &mut i64,
    ) -> Result<LongSeries, InvalidLongTable> {
        let Self { id, rows } = self;
        let periods: Vec<i64> = rows.iter().map(|(stamp, _)| spacing.period(*stamp)).collect();
        let (first, last) = (periods.first().copied(), periods.last().copied());
        let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
        let length = last.saturating_sub(first).saturating_add(1);
        // Every column takes as much memory as the values do.
        let columns = 1 + i64::try_from(regressors.len()).unwrap_or(i64::MAX - 1);
        let needed = length.saturating_mul(columns);
        if needed > *left || last == i64::MAX {
            let found = needed.saturating_add(MOST_LONG_VALUES - *left);
            return Err(InvalidLongTable::TooLong { id, spacing: spacing.to_string(), found });
        }
        *left -= needed;
        let known_values = rows.iter().rposition(|(_, given)| given.y.is_some());
        let known_values = known_values.map_or(0, |last| last + 1);
        let mut values = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        let mut known: KnownValues = vec![Vec::new(); regressors.len()];
        let mut before: Option<(i64, u64)> = None;
        let mut end = first;
        for (place, (period, (_, given))) in periods.into_iter().zip(rows).enumerate() {
            let LongRow { y, known: columns, row } = given;
            let stamp = || spacing.stamp(period).to_string();
            if let Some((last, before)) = before {
                if period == last {
                    return Err(InvalidLongTable::Repeated { row, before, id, stamp: stamp() });
                }
                if period > last + 1 && gaps == Gaps::Refuse {
                    let (from, to) = (spacing.stamp(last).to_string(), stamp());
                    return Err(InvalidLongTable::Gap {
                        id,
                        spacing: spacing.to_string(),
                        from,
                        to,
                    });
                }
            }
            let missing = before
                .map_or(0, |(last, _)| usize::try_from(period - last - 1).unwrap_or_default());
            for ((known, regressor), value) in known.iter_mut().zip(regressors).zip(columns) {
                let until = known.len() + missing;
                let unsaid: Vec<f64> = regressor.over(known, known.len()..until).collect();
                known.extend(unsaid);
                known.push(value);
            }
            before = Some((period, row));
            match y {
                Some(y) => {
                    values.extend(std::iter::repeat_n(0.0, missing));
                    values.push(y);
                    end = period + 1;
                }
                None if place >= known_values && known_values > 0 => {}
                None => return Err(InvalidLongTable::NoValue { row, id, stamp: stamp() }),
            }
        }
        Ok(LongSeries { id, end, values, known })
    }
}
