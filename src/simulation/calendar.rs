//! The days of the period: weekday, season and holidays, and the instants of their hours.

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan};

use crate::transaction::{MICROS_PER_DAY, ShopClock};

use super::parameters::Parameters;
use super::random::{Choice, Stream};

/// One day of the shop's calendar. Factors multiply the rate of visits.
#[derive(Clone, Debug)]
pub(super) struct Day {
    /// Days since 1970-01-01.
    pub(super) day: i32,
    pub(super) date: Date,
    pub(super) weekday_factor: f64,
    pub(super) season_factor: f64,
    pub(super) holiday: Option<&'static str>,
    pub(super) holiday_factor: f64,
    /// The product of the three; 0 outside the period.
    pub(super) factor: f64,
}

/// A week from Monday to Sunday, the unit in which prices hold and lines are generated.
#[derive(Clone, Debug)]
pub(super) struct Week {
    pub(super) days: Vec<Day>,
    /// Day of the year of the Thursday.
    pub(super) day_of_year: f64,
    /// How near a day of gifts is, 0 to 1, mean over the days.
    pub(super) gifts: f64,
}

impl Week {
    /// Monday, in days since 1970-01-01.
    pub(super) fn monday(&self) -> i32 {
        self.days.first().map_or(0, |day| day.day)
    }
}

/// All weeks that touch the period.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    pub(super) weeks: Vec<Week>,
    /// First day of the period.
    pub(super) start: i32,
    /// First day after the period.
    pub(super) end: i32,
}

impl Calendar {
    pub(super) fn new(start: Date, months: u32, parameters: &Parameters) -> Self {
        let end = start.saturating_add(Span::new().months(months));
        let monday =
            start.saturating_sub(i32::from(start.weekday().to_monday_zero_offset()).days());
        let (first, start, end) = (day_number(monday), day_number(start), day_number(end));
        let count = (end - first + 6).div_euclid(7);
        let weeks = (0..count).map(|week| {
            let days = (0..7).map(|offset| {
                let mut day = Day::new(first + 7 * week + offset, monday, first, parameters);
                if !(start..end).contains(&day.day) {
                    day.factor = 0.0;
                }
                day
            });
            Week::new(days.collect())
        });
        Self { weeks: weeks.collect(), start, end }
    }

    /// The days of the period.
    pub(super) fn days(&self) -> impl Iterator<Item = &Day> {
        let days = self.weeks.iter().flat_map(|week| &week.days);
        days.filter(|day| (self.start..self.end).contains(&day.day))
    }
}

impl Week {
    fn new(days: Vec<Day>) -> Self {
        let gifts = days.iter().map(|day| gifts(day.date)).sum::<f64>() / 7.0;
        let thursday = days.get(3).map_or(0, |day| day.date.day_of_year());
        Self { day_of_year: thursday.into(), gifts, days }
    }
}

impl Day {
    fn new(day: i32, monday: Date, first: i32, parameters: &Parameters) -> Self {
        let date = monday.saturating_add((day - first).days());
        let weekday = (day - first).rem_euclid(7) as usize;
        let weekday_factor = parameters.weekdays.get(weekday).copied().unwrap_or(1.0);
        let of_year = date.day_of_year().into();
        let season_factor = season(parameters.visit_amplitude, 345.0, of_year);
        let (holiday, holiday_factor) = match holiday(date) {
            Some((name, factor)) => (Some(name), factor),
            None => (None, 1.0),
        };
        let factor = weekday_factor * season_factor * holiday_factor;
        Self { day, date, weekday_factor, season_factor, holiday, holiday_factor, factor }
    }
}

/// Where orders come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Channel {
    Web,
    Store,
    Phone,
}

impl Channel {
    pub(super) const ALL: [Self; 3] = [Self::Web, Self::Store, Self::Phone];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Store => "store",
            Self::Phone => "phone",
        }
    }
}

/// At which hour orders come in, and which instant that is.
#[derive(Clone, Debug)]
pub(super) struct Hours {
    web: Choice,
    store: Choice,
    store_on_sunday: Choice,
    phone: Choice,
    clock: ShopClock,
}

impl Hours {
    pub(super) fn new(clock: ShopClock) -> Self {
        let open = |from: u32, to: u32| {
            let weight = move |hour| match hour {
                _ if !(from..to).contains(&hour) => 0.0,
                12 | 13 | 17 | 18 => 1.5,
                _ => 1.0,
            };
            Choice::new((0..24).map(weight))
        };
        let web = |hour| match hour {
            0..7 => 0.2,
            7..18 => 1.0,
            18..22 => 2.0,
            _ => 0.8,
        };
        Self {
            web: Choice::new((0..24).map(web)),
            store: open(9, 20),
            store_on_sunday: open(10, 16),
            phone: open(8, 18),
            clock,
        }
    }

    /// The first instants of the hours of some days, in microseconds since 1970-01-01.
    pub(super) fn instants(&self, days: impl Iterator<Item = Date>) -> Vec<i64> {
        let hours = days.flat_map(|date| (0..24).map(move |hour| date.at(hour, 0, 0, 0)));
        hours.map(|hour| self.clock.instant_of(hour).map_or(0, |at| at.micros())).collect()
    }

    /// An hour at which the channel takes orders, and the second within it.
    pub(super) fn draw(&self, channel: Channel, day: &Day, stream: &mut Stream) -> (usize, i64) {
        let hours = match channel {
            Channel::Web => &self.web,
            Channel::Phone => &self.phone,
            Channel::Store if day.date.weekday() == Weekday::Sunday => &self.store_on_sunday,
            Channel::Store => &self.store,
        };
        (hours.draw(stream), stream.below(3600) as i64)
    }
}

/// A yearly season with mean 1 over the year: exp(a cos x) / I0(a), highest on day `peak`.
pub(super) fn season(amplitude: f64, peak: f64, day_of_year: f64) -> f64 {
    let angle = std::f64::consts::TAU * (day_of_year - peak) / 365.25;
    (amplitude * angle.cos()).exp() / bessel_i0(amplitude)
}

/// The modified Bessel function of order 0 by its power series (Abramowitz and Stegun 9.6.12).
fn bessel_i0(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..30 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

/// Days since 1970-01-01.
fn day_number(date: Date) -> i32 {
    let instant = jiff::tz::Offset::UTC.to_timestamp(date.at(0, 0, 0, 0));
    instant.map_or(0, |at| at.as_microsecond().div_euclid(MICROS_PER_DAY) as i32)
}

/// The holiday on a date and its factor.
fn holiday(date: Date) -> Option<(&'static str, f64)> {
    let since_easter = day_number(date) - day_number(easter(date.year()));
    let since_black_friday = day_number(date) - black_friday(date.year());
    Some(match (date.month(), date.day()) {
        (1, 1) => ("new_years_day", 0.5),
        (2, 14) => ("valentines_day", 1.15),
        _ if since_easter == -2 => ("good_friday", 1.2),
        _ if since_easter == 0 => ("easter_sunday", 0.4),
        _ if since_easter == 1 => ("easter_monday", 0.7),
        _ if since_black_friday == 0 => ("black_friday", 1.8),
        _ if (1..4).contains(&since_black_friday) => ("black_friday_weekend", 1.3),
        (12, day @ 1..24) => ("christmas_run_up", 1.0 + 0.6 * f64::from(day) / 23.0),
        (12, 24) => ("christmas_eve", 1.3),
        (12, 25) => ("christmas_day", 0.0),
        (12, 26) => ("boxing_day", 0.9),
        _ => return None,
    })
}

/// How near a day of gifts is: 1 shortly before Christmas, less before other days.
fn gifts(date: Date) -> f64 {
    let before_easter = day_number(easter(date.year())) - day_number(date);
    match (date.month(), date.day()) {
        (11, day @ 24..) => f64::from(day - 23) / 31.0,
        (12, day @ ..25) => f64::from(day + 7) / 31.0,
        (2, 8..15) => 0.3,
        _ if (0..7).contains(&before_easter) => 0.4,
        _ => 0.0,
    }
}

/// The day after the fourth Thursday of November.
fn black_friday(year: i16) -> i32 {
    let november = jiff::civil::date(year, 11, 1);
    let thursday = november.nth_weekday_of_month(4, Weekday::Thursday);
    thursday.map_or(0, |thursday| day_number(thursday) + 1)
}

/// Easter Sunday of the Gregorian calendar (the anonymous algorithm in Meeus 1991, chapter 8).
fn easter(year: i16) -> Date {
    let year = i32::from(year);
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    let (month, day) = ((n / 31) as i8, (n % 31 + 1) as i8);
    Date::new(year as i16, month, day).unwrap_or(Date::ZERO)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn holidays_fall_on_their_days() {
        for (year, month, day) in [(2011, 4, 24), (2022, 4, 17), (2024, 3, 31), (2038, 4, 25)] {
            assert_eq!(easter(year), date(year, month, day));
        }
        assert_eq!(holiday(date(2022, 11, 25)), Some(("black_friday", 1.8)));
        assert_eq!(holiday(date(2022, 4, 15)), Some(("good_friday", 1.2)));
        assert_eq!(holiday(date(2022, 12, 25)), Some(("christmas_day", 0.0)));
        assert_eq!(holiday(date(2022, 6, 1)), None);
    }

    #[test]
    fn weeks_cover_the_period_and_nothing_else_is_open() {
        let calendar = Calendar::new(date(2022, 1, 1), 2, &Parameters::default());
        assert_eq!(calendar.weeks[0].days[0].date, date(2021, 12, 27));
        assert_eq!(calendar.weeks.len(), 10);
        assert_eq!(calendar.days().count(), 31 + 28);
        let days = || calendar.weeks.iter().flat_map(|week| &week.days);
        assert!(days().filter(|day| day.date < date(2022, 1, 1)).all(|day| day.factor == 0.0));
        assert_eq!(days().filter(|day| day.factor > 0.0).count(), 59);
    }

    #[test]
    fn a_season_has_mean_1() {
        let total: f64 = (0..36525).map(|i| season(0.7, 200.0, f64::from(i) / 100.0)).sum();
        assert!((total / 36525.0 - 1.0).abs() < 1e-6);
    }

    #[test]
    fn stores_take_orders_while_they_are_open() {
        let clock = ShopClock::new("Europe/London").unwrap();
        let hours = Hours::new(clock.clone());
        let calendar = Calendar::new(date(2022, 3, 21), 1, &Parameters::default());
        // The clocks went forward on Sunday, 27 March 2022.
        let week = &calendar.weeks[0];
        let instants = hours.instants(week.days.iter().map(|day| day.date));
        let mut stream = Stream::new(1, super::super::random::Purpose::Orders, 0, 0);
        for (index, day) in week.days.iter().enumerate() {
            for _ in 0..200 {
                let (hour, second) = hours.draw(Channel::Store, day, &mut stream);
                let micros = instants[index * 24 + hour] + second * 1_000_000;
                let local = clock.local(crate::transaction::Timestamp::from_micros(micros));
                let open = if index == 6 { 10 * 60..16 * 60 } else { 9 * 60..20 * 60 };
                assert_eq!(local.day, day.day);
                assert!(open.contains(&local.minute), "{}", local.minute);
            }
        }
    }
}
