//! Times that come again, by the shop's clock.

use std::fmt;

use croner::parser::{CronParser, Seconds, Year};

use crate::transaction::{ShopClock, Timestamp};

/// Times in cron syntax: minute, hour, day of the month, month, weekday, and seconds before them
/// where there are six fields. The shop's wall clock counts.
///
/// Where the clock is put forward, a fixed time that it skips comes at the first instant after the
/// gap. Where it is put back, a fixed time that it shows twice comes the first time only; times of
/// an interval (with `*` or `/` as minute or hour) come both times.
#[derive(Clone)]
pub struct Cron {
    text: String,
    pattern: croner::Cron,
}

impl Cron {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let parser =
            CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let pattern = parser.parse(text).map_err(|problem| {
            format!(
                "expected minute, hour, day of the month, month and weekday, such as \"0 3 * * 1\" for Mondays at three, found {text:?}: {problem}"
            )
        })?;
        let cron = Self { text: text.trim().to_owned(), pattern };
        match cron.next_after(Timestamp::now(), &ShopClock::utc()) {
            Some(_) => Ok(cron),
            None => Err(format!("expected a time that comes, found {text:?}, which never does")),
        }
    }

    /// The first time after an instant.
    pub fn next_after(&self, instant: Timestamp, clock: &ShopClock) -> Option<Timestamp> {
        let from = clock.zoned(whole_second(instant));
        let next = self.pattern.find_next_occurrence(&from, false).ok()?;
        Some(Timestamp::from_micros(next.timestamp().as_microsecond()))
    }

    /// The last time that is not after an instant.
    pub fn last_until(&self, instant: Timestamp, clock: &ShopClock) -> Option<Timestamp> {
        let from = clock.zoned(whole_second(instant));
        let last = self.pattern.find_previous_occurrence(&from, true).ok()?;
        Some(Timestamp::from_micros(last.timestamp().as_microsecond()))
    }
}

/// Cron knows no parts of a second.
fn whole_second(instant: Timestamp) -> Timestamp {
    Timestamp::from_micros(instant.micros() - instant.micros().rem_euclid(1_000_000))
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cron").field(&self.text).finish()
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(cron: &str, from: &str, count: usize) -> Vec<String> {
        let (cron, clock) = (Cron::parse(cron).unwrap(), ShopClock::new("Europe/London").unwrap());
        let mut at: Timestamp = from.parse().unwrap();
        let mut next = || {
            at = cron.next_after(at, &clock).unwrap();
            at.to_string()
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn times_follow_the_shops_clock_over_the_year() {
        let winter = times("0 3 * * 1", "2026-01-01T00:00:00Z", 2);
        assert_eq!(winter, ["2026-01-05T03:00:00Z", "2026-01-12T03:00:00Z"]);
        assert_eq!(times("0 3 * * 1", "2026-06-01T12:00:00Z", 1), ["2026-06-08T02:00:00Z"]);
        assert_eq!(
            times("*/10 0 3 1 1 *", "2026-06-01T00:00:00Z", 2),
            ["2027-01-01T03:00:00Z", "2027-01-01T03:00:10Z"]
        );
    }

    #[test]
    fn a_time_in_the_gap_comes_at_its_end_and_once() {
        // On 2026-03-29 the clock goes from 01:00 to 02:00, at 01:00 UTC.
        let gap = times("30 1 * * *", "2026-03-28T12:00:00Z", 2);
        assert_eq!(gap, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
        let half_hours = times("*/30 * * * *", "2026-03-29T00:00:00Z", 3);
        assert_eq!(
            half_hours,
            ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]
        );
    }

    #[test]
    fn a_time_that_the_clock_shows_twice_comes_once_and_intervals_go_on() {
        // On 2026-10-25 the clock goes from 02:00 back to 01:00, at 01:00 UTC.
        let fold = times("30 1 * * *", "2026-10-24T12:00:00Z", 2);
        assert_eq!(fold, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        let half_hours = times("*/30 * * * *", "2026-10-25T00:00:00Z", 3);
        assert_eq!(
            half_hours,
            ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"]
        );
    }

    #[test]
    fn the_last_time_is_the_one_that_next_gave() {
        let clock = ShopClock::new("Europe/London").unwrap();
        for text in ["30 1 * * *", "0 3 * * 1", "*/20 * * * *", "0 0 1 * *"] {
            let cron = Cron::parse(text).unwrap();
            for from in ["2026-03-27T00:00:00Z", "2026-10-23T00:00:00Z", "2026-12-30T00:00:00Z"] {
                let mut at = cron.next_after(from.parse().unwrap(), &clock).unwrap();
                for _ in 0..120 {
                    let next = cron.next_after(at, &clock).unwrap();
                    let before = Timestamp::from_micros(next.micros() - 1);
                    assert_eq!(cron.last_until(before, &clock), Some(at), "{text} {next}");
                    assert_eq!(cron.last_until(next, &clock), Some(next), "{text} {next}");
                    at = next;
                }
            }
        }
    }
}
