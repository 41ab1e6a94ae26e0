//! Instants in UTC and the shop's own calendar.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Microseconds in a day of 24 hours.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;

/// An instant, in microseconds since 1970-01-01T00:00:00Z, from year 1 to year 9999.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// The latest instant, below the limit of the calendar library by more than a day.
    pub const MAX: Self = Self(253_402_000_000_000_000);

    /// `micros` since the epoch, held within [`Timestamp::MIN`] and [`Timestamp::MAX`].
    #[inline]
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Now, by the machine's clock.
    pub fn now() -> Self {
        Self::from_micros(jiff::Timestamp::now().as_microsecond())
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// This instant moved by days of 24 hours, saturating.
    pub fn plus_days(self, days: i64) -> Self {
        Self::from_micros(self.0.saturating_add(days.saturating_mul(MICROS_PER_DAY)))
    }

    /// Days of 24 hours from `earlier` to `self`; negative when `earlier` is later.
    pub fn days_since(self, earlier: Self) -> f64 {
        (self.0 - earlier.0) as f64 / MICROS_PER_DAY as f64
    }

    fn jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.jiff().to_string())
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTime;

    /// Reads RFC 3339 (`2011-12-09T12:50:00Z`) or a date (`2011-12-09`, midnight UTC).
    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let instant = text.parse::<jiff::Timestamp>().or_else(|_| {
            let date = text.parse::<jiff::civil::Date>()?;
            date.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp())
        });
        match instant {
            Ok(instant) => Ok(Self::from_micros(instant.as_microsecond())),
            Err(_) => Err(InvalidTime::Malformed { found: text.chars().take(40).collect() }),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that names no instant or no time zone.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidTime {
    /// Not RFC 3339 and not a date.
    #[error("expected a time such as 2011-12-09T12:50:00Z or a date, found {found:?}")]
    Malformed {
        /// What stood there.
        found: String,
    },
    /// Unknown to the IANA time zone database.
    #[error("expected an IANA time zone such as Europe/London, found {found:?}")]
    TimeZone {
        /// What stood there.
        found: String,
    },
}

/// The shop's wall clock at one instant.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LocalTime {
    /// Days since 1970-01-01 in the shop's calendar.
    pub day: i32,
    /// Minutes since the shop's midnight, 0 to 1439.
    pub minute: u16,
}

impl LocalTime {
    /// 0 for Monday to 6 for Sunday.
    pub fn weekday(self) -> u8 {
        (self.day + 3).rem_euclid(7) as u8
    }

    /// Saturday or Sunday.
    pub fn is_weekend(self) -> bool {
        self.weekday() >= 5
    }
}

/// The shop's IANA time zone: turns instants into its calendar and back.
#[derive(Clone)]
pub struct ShopClock {
    name: String,
    zone: TimeZone,
    offsets: Arc<Offsets>,
}

impl ShopClock {
    /// The clock of an IANA time zone such as `Europe/London`.
    pub fn new(name: &str) -> Result<Self, InvalidTime> {
        match TimeZone::get(name) {
            Ok(zone) => Ok(Self::of(name, zone)),
            Err(_) => Err(InvalidTime::TimeZone { found: name.chars().take(64).collect() }),
        }
    }

    /// The clock that shows UTC.
    pub fn utc() -> Self {
        Self::of("UTC", TimeZone::UTC)
    }

    fn of(name: &str, zone: TimeZone) -> Self {
        let offsets = Arc::new(Offsets::of(&zone));
        Self { name: name.to_owned(), zone, offsets }
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An instant with the shop's zone.
    pub fn zoned(&self, instant: Timestamp) -> jiff::Zoned {
        instant.jiff().to_zoned(self.zone.clone())
    }

    /// What the shop's wall clock shows at `instant`.
    #[inline]
    pub fn local(&self, instant: Timestamp) -> LocalTime {
        let offset = self.offsets.at(instant.micros());
        let offset = offset.unwrap_or_else(|| micros_of(self.zone.to_offset(instant.jiff())));
        let micros = instant.micros() + offset;
        let minutes = micros.div_euclid(60_000_000);
        LocalTime { day: minutes.div_euclid(1440) as i32, minute: minutes.rem_euclid(1440) as u16 }
    }

    /// The first instant of a day of the shop's calendar (`day` counts from 1970-01-01).
    pub fn start_of_day(&self, day: i32) -> Timestamp {
        let guess = Timestamp::from_micros(i64::from(day) * MICROS_PER_DAY);
        let zoned = guess.jiff().to_zoned(TimeZone::UTC).date().to_zoned(self.zone.clone());
        zoned.map_or(guess, |zoned| Timestamp::from_micros(zoned.timestamp().as_microsecond()))
    }

    /// The instant at which the shop's wall clock shows `civil` (the earlier one when it shows it
    /// twice, the one after the gap when it skips it).
    pub fn instant_of(&self, civil: jiff::civil::DateTime) -> Option<Timestamp> {
        let zoned = civil.to_zoned(self.zone.clone()).ok()?;
        Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
    }
}

impl fmt::Debug for ShopClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ShopClock").field(&self.name).finish()
    }
}

/// A zone's offsets from UTC between 1970 and 2100, because asking the calendar library for each
/// line is slow.
struct Offsets {
    /// Ascending and without a hole; the first begins in 1970.
    spans: Vec<Span>,
    /// For each stretch of 2^[`STRETCH_BITS`] microseconds the span in which it begins.
    stretches: Vec<u32>,
}

/// A time during which the offset stays the same.
struct Span {
    /// Its end, in microseconds since the epoch; the end does not belong to it.
    end: i64,
    /// Microseconds east of UTC.
    offset: i64,
}

/// A stretch lasts 25 days, so that most of them see no change of the offset.
const STRETCH_BITS: u32 = 41;
/// The last stretch begins in 2099 and ends in 2100.
const STRETCHES: i64 = 1_866;

impl Offsets {
    fn of(zone: &TimeZone) -> Self {
        const END: i64 = STRETCHES << STRETCH_BITS;
        let epoch = jiff::Timestamp::UNIX_EPOCH;
        let mut offset = micros_of(zone.to_offset(epoch));
        let mut spans = Vec::new();
        for change in zone.following(epoch) {
            let end = change.timestamp().as_microsecond();
            if end >= END {
                break;
            }
            spans.push(Span { end, offset });
            offset = micros_of(change.offset());
        }
        spans.push(Span { end: END, offset });
        let mut span = 0;
        let mut span_at = |micros: i64| {
            span += spans.iter().skip(span).take_while(|span| span.end <= micros).count();
            span as u32
        };
        let stretches = (0..STRETCHES).map(|stretch| span_at(stretch << STRETCH_BITS)).collect();
        Self { spans, stretches }
    }

    /// The offset at an instant; `None` outside the table.
    #[inline]
    fn at(&self, micros: i64) -> Option<i64> {
        let stretch = usize::try_from(micros >> STRETCH_BITS).ok()?;
        let first = *self.stretches.get(stretch)? as usize;
        let mut spans = self.spans.get(first..)?.iter();
        spans.find(|span| micros < span.end).map(|span| span.offset)
    }
}

fn micros_of(offset: Offset) -> i64 {
    i64::from(offset.seconds()) * 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_calendar_follows_daylight_saving() {
        let clock = ShopClock::new("Europe/London").unwrap();
        let winter = clock.local("2011-01-15T23:30:00Z".parse().unwrap());
        let summer = clock.local("2011-07-15T23:30:00Z".parse().unwrap());
        assert_eq!((winter.minute, summer.minute), (23 * 60 + 30, 30));
        let day_after = clock.local("2011-07-16T12:00:00Z".parse().unwrap()).day;
        assert_eq!(summer.day, day_after);
        assert_eq!(clock.start_of_day(summer.day), "2011-07-15T23:00:00Z".parse().unwrap());
        assert_eq!(summer.weekday(), 5, "16 July 2011 was a Saturday");
    }

    #[test]
    fn extreme_instants_do_not_overflow() {
        let clock = ShopClock::new("Pacific/Kiritimati").unwrap();
        for instant in [Timestamp::MIN, Timestamp::MAX] {
            let local = clock.local(instant.plus_days(-9).plus_days(9_999_999_999));
            assert!(local.minute < 1440);
            assert!(clock.start_of_day(local.day) <= Timestamp::MAX);
        }
    }

    /// What the clock shows by the calendar library alone.
    fn shown(clock: &ShopClock, instant: Timestamp) -> LocalTime {
        let civil = clock.zone.to_datetime(instant.jiff());
        let day = civil.date().since(jiff::civil::date(1970, 1, 1)).unwrap().get_days();
        LocalTime { day, minute: civil.hour() as u16 * 60 + civil.minute() as u16 }
    }

    #[test]
    fn the_table_of_offsets_agrees_with_the_calendar_library() {
        let zones = [
            "Europe/London",
            "America/New_York",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "America/Sao_Paulo",
            "Africa/Casablanca",
            "UTC",
        ];
        for name in zones {
            let clock = ShopClock::new(name).unwrap();
            let ends = clock.offsets.spans.iter().map(|span| span.end);
            let far = ["1900-07-01", "1969-12-31", "1970-01-01", "2100-07-01", "2500-01-01"];
            let far = far.map(|text| text.parse::<Timestamp>().unwrap().micros());
            let month = (-40..1_700).map(|month| month * 30 * MICROS_PER_DAY);
            for around in ends.chain(far).chain(month) {
                for micros in [-3_600_000_000, -1_000_000, -1, 0, 1, 1_800_000_000] {
                    let instant = Timestamp::from_micros(around + micros);
                    assert_eq!(clock.local(instant), shown(&clock, instant), "{name} {instant}");
                }
            }
        }
    }

    #[test]
    fn the_table_ends_where_the_library_takes_over() {
        let table = ShopClock::new("Europe/London").unwrap().offsets;
        let at = |text: &str| table.at(text.parse::<Timestamp>().unwrap().micros());
        assert_eq!(at("1970-01-01T00:00:00Z"), Some(3_600_000_000), "standard time until 1971");
        assert_eq!(at("2099-12-31T23:59:59Z"), Some(0));
        assert_eq!((at("1969-12-31T23:59:59Z"), at("2101-01-01T00:00:00Z")), (None, None));
    }

    #[test]
    fn texts_are_read_or_refused() {
        assert!("2011-12-09".parse::<Timestamp>().is_ok());
        assert!("9/12/2011".parse::<Timestamp>().is_err());
        assert!(ShopClock::new("Mars/Olympus").is_err());
    }
}
