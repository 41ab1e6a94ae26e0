//! Columns of times, as microseconds in UTC.

use arrow_array::types::{
    Date32Type, Date64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array as _, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use std::cell::RefCell;

use super::line::NONE;
use super::names::FoldMap;
use super::number::{fill_cells, put};
use super::row::Row;
use crate::ingest::row::{Cell, CellReader};
use crate::transaction::{MICROS_PER_DAY, Timestamp};

/// Reads times; it knows by how much the shop's clock is ahead on the days that it met.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// Civil day -> civil time less instant; none on a day on which that changes.
    days: RefCell<FoldMap<u64, Option<i64>>>,
    last: RefCell<Option<(i64, Option<i64>)>>,
}

impl Times {
    /// Fills `field` of `rows`; an absent time is [`NONE`].
    pub(super) fn fill(
        &self,
        array: &ArrayRef,
        rows: &mut [Row],
        field: impl Fn(&mut Row) -> &mut i64 + Copy,
        reader: &CellReader,
    ) {
        let civil = |micros: i64| self.instant_of(micros, reader);
        let (unit, has_zone) = match array.data_type() {
            DataType::Date32 => {
                return put::<Date32Type>(array, rows, field, |day| {
                    civil(i64::from(day).saturating_mul(MICROS_PER_DAY))
                });
            }
            DataType::Date64 => {
                return put::<Date64Type>(array, rows, field, |ms| civil(ms.saturating_mul(1_000)));
            }
            DataType::Timestamp(unit, zone) => (unit, zone.is_some()),
            _ => return fill_cells(array, rows, field, |cell| read(reader, cell)),
        };
        let time = |micros: i64| if has_zone { in_calendar(micros) } else { civil(micros) };
        match unit {
            TimeUnit::Second => put::<TimestampSecondType>(array, rows, field, |seconds| {
                time(seconds.saturating_mul(1_000_000))
            }),
            TimeUnit::Millisecond => put::<TimestampMillisecondType>(array, rows, field, |ms| {
                time(ms.saturating_mul(1_000))
            }),
            TimeUnit::Microsecond => put::<TimestampMicrosecondType>(array, rows, field, time),
            TimeUnit::Nanosecond => {
                put::<TimestampNanosecondType>(array, rows, field, |ns| time(ns.div_euclid(1_000)))
            }
        }
    }

    /// The instant of a time of the shop's clock, by the day's offset where it has only one.
    fn instant_of(&self, micros: i64, reader: &CellReader) -> Option<i64> {
        let day = micros.div_euclid(MICROS_PER_DAY);
        let last = *self.last.borrow();
        let offset = match last {
            Some((known, offset)) if known == day => offset,
            _ => {
                let mut days = self.days.borrow_mut();
                let offset = *days.entry(day as u64).or_insert_with(|| offset_of(day, reader));
                *self.last.borrow_mut() = Some((day, offset));
                offset
            }
        };
        match offset {
            Some(offset) => Some(micros - offset),
            None => read(reader, Cell::Civil(micros)),
        }
    }
}

/// By how much the shop's clock is ahead of UTC on a day of its calendar; none when that is not
/// the same at both ends. No zone changes its offset twice within 24 hours.
fn offset_of(day: i64, reader: &CellReader) -> Option<i64> {
    let first = day.checked_mul(MICROS_PER_DAY)?;
    let last = first.checked_add(MICROS_PER_DAY - 1)?;
    let offset = |civil: i64| {
        let instant = read(reader, Cell::Civil(civil)).filter(|instant| *instant != NONE)?;
        Some(civil - instant)
    };
    let offset_at_start = offset(first)?;
    (offset(last)? == offset_at_start).then_some(offset_at_start)
}

fn read(reader: &CellReader, cell: Cell<'_>) -> Option<i64> {
    Some(reader.time(cell).ok()?.map_or(NONE, Timestamp::micros))
}

/// Plainly inside the calendar.
fn in_calendar(micros: i64) -> Option<i64> {
    (micros > Timestamp::MIN.micros() && micros < Timestamp::MAX.micros()).then_some(micros)
}

#[cfg(test)]
mod tests {
    use jiff::tz;

    use super::*;
    use crate::ingest::Mapping;

    #[test]
    fn no_zone_changes_its_offset_twice_in_a_day() {
        let start: jiff::Timestamp = "1900-01-01T00:00:00Z".parse().unwrap();
        let mut zones = 0;
        for name in tz::db().available() {
            let zone = tz::db().get(name.as_str()).unwrap();
            let times: Vec<i64> = zone
                .following(start)
                .map(|transition| transition.timestamp().as_second())
                .take_while(|second| *second < 4_102_444_800)
                .collect();
            let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
            // Two days are enough for one civil day in every zone.
            assert!(gaps.min().is_none_or(|gap| gap > 2 * 86_400), "{name}");
            zones += 1;
        }
        assert!(zones > 400, "{zones}");
    }

    #[test]
    fn times_of_the_shop_clock_are_those_of_the_cell_reader() {
        for zone in ["Europe/London", "America/Sao_Paulo", "Pacific/Apia", "Australia/Lord_Howe"] {
            let mapping = Mapping::parse(&format!(
                "[constants]\noccurred_at = \"2011-01-01\"\nproduct_id = \"p\"\nquantity = 1\n\
                 unit_price = 1\n[columns]\n[time]\nzone = \"{zone}\""
            ));
            let reader = mapping.unwrap().reader;
            let times = Times::default();
            // Every 47 minutes of 2010 to 2013.
            for civil in (1_262_304_000_000_000..1_388_534_400_000_000).step_by(2_820_000_000) {
                let expected = read(&reader, Cell::Civil(civil));
                assert_eq!(times.instant_of(civil, &reader), expected, "{zone} {civil}");
            }
        }
    }
}
