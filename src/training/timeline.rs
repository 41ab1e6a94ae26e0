//! Which dates rows are made for.

use crate::transaction::{ShopClock, Timestamp};

use super::TrainingError;
use super::recipe::SnapshotRule;

/// As-of dates of a supervised training.
///
/// ```text
/// fit  fit  fit        calibration         hold-out            as_of
///  |----|----|--- H -------|------ H ---------|------- H --------|
/// ```
///
/// The outcome of a date lies in the `H` days after it. The calibration's outcomes end where the
/// hold-out begins, the fit's end where the calibration begins: no outcome is seen twice, and each
/// step is taken on a later period than the one before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timeline {
    /// Dates whose rows estimate the parameters, earliest first; at least one.
    pub fit: Vec<Timestamp>,
    /// The date whose rows calibrate the probabilities; none when the history is too short.
    pub calibration: Option<Timestamp>,
    /// The date whose rows are only evaluated on.
    pub holdout: Timestamp,
    /// Length of an outcome's window in days.
    pub horizon_days: u32,
}

impl Timeline {
    /// Lays the dates back from `as_of` into a history that begins at `first`.
    ///
    /// # Errors
    /// When not even one fit date has `history_days` before it.
    pub fn lay(
        first: Timestamp,
        as_of: Timestamp,
        horizon_days: u32,
        rule: SnapshotRule,
    ) -> Result<Self, TrainingError> {
        let horizon = i64::from(horizon_days);
        let holdout = as_of.plus_days(-horizon);
        let earliest = first.plus_days(i64::from(rule.history_days));
        let last_before = |later: Timestamp| later.plus_days(-horizon);
        let calibration = last_before(holdout);
        let dates = |from: Timestamp| {
            let step = i64::from(rule.step_days);
            let back = (0..rule.count as i64).map(move |index| from.plus_days(-index * step));
            let mut dates: Vec<_> = back.take_while(|date| *date >= earliest).collect();
            dates.reverse();
            dates
        };
        let fit = dates(last_before(calibration));
        if !fit.is_empty() {
            return Ok(Self { fit, calibration: Some(calibration), holdout, horizon_days });
        }
        let fit = dates(calibration);
        if fit.is_empty() {
            return Err(TrainingError::HistoryTooShort {
                history_days: as_of.days_since(first),
                needed_days: i64::from(rule.history_days) + 2 * horizon,
            });
        }
        Ok(Self { fit, calibration: None, holdout, horizon_days })
    }

    /// The latest date that the model may learn from.
    pub fn last_training(&self) -> Timestamp {
        self.calibration.or(self.fit.last().copied()).unwrap_or(self.holdout)
    }
}

/// The as-of date when the caller names none: the end of the last complete day in the data.
pub fn data_as_of(last_line: Timestamp, now: Timestamp, clock: &ShopClock) -> Timestamp {
    let after_data = clock.start_of_day(clock.local(last_line).day + 1);
    let today = clock.start_of_day(clock.local(now).day);
    if last_line < today { after_data.min(today) } else { today }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn no_outcome_overlaps_another_step() {
        let rule = SnapshotRule { count: 4, step_days: 30, history_days: 90 };
        let (first, as_of) = (at("2010-12-01"), at("2011-12-10"));
        let timeline = Timeline::lay(first, as_of, 60, rule).unwrap();
        let calibration = timeline.calibration.unwrap();
        assert_eq!(timeline.holdout.plus_days(60), as_of);
        assert!(calibration.plus_days(60) <= timeline.holdout);
        assert!(timeline.fit.iter().all(|date| date.plus_days(60) <= calibration));
        assert!(timeline.fit.is_sorted() && timeline.fit[0] >= first.plus_days(90));
    }

    #[test]
    fn a_short_history_gives_up_calibration_first_and_then_says_so() {
        let rule = SnapshotRule { count: 4, step_days: 30, history_days: 30 };
        let lay = |as_of: &str| Timeline::lay(at("2011-01-01"), at(as_of), 30, rule);
        assert!(lay("2011-05-10").unwrap().calibration.is_some());
        assert_eq!(lay("2011-04-10").unwrap().calibration, None);
        assert!(matches!(lay("2011-03-10"), Err(TrainingError::HistoryTooShort { .. })));
    }

    #[test]
    fn the_default_date_is_the_end_of_the_last_complete_day() {
        let clock = ShopClock::new("Europe/London").unwrap();
        let last = at("2011-12-09T12:50:00Z");
        assert_eq!(data_as_of(last, at("2026-01-01"), &clock), at("2011-12-10"));
        assert_eq!(data_as_of(last, at("2011-12-09T13:00:00Z"), &clock), at("2011-12-09"));
    }
}
