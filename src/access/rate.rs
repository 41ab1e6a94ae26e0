//! Token buckets: how many calls and rows a principal may send.
//!
//! A bucket holds one second's worth. A question is let in while a token is left and may take
//! more than there is; whoever did waits until the debt is paid. So a question larger than a
//! second's worth is answered too, and the mean still holds.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Principals that are counted at a time.
const MOST_PRINCIPALS: usize = 10_000;

/// Rounding that costs nobody a second wait.
const SLACK: f64 = 1e-6;

/// What each principal may send; `None` is without bound.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RateLimits {
    /// Calls in a second.
    pub calls_per_second: Option<NonZeroU32>,
    /// Rows in a second, over all calls.
    pub rows_per_second: Option<NonZeroU32>,
}

/// Which limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Limit {
    /// Calls in a second.
    Calls,
    /// Rows in a second.
    Rows,
}

impl Limit {
    /// What is counted, and the setting that says how many.
    pub fn setting(self) -> (&'static str, &'static str) {
        match self {
            Self::Calls => ("calls", "access.calls_per_second"),
            Self::Rows => ("rows", "access.rows_per_second"),
        }
    }
}

/// A principal sent too much.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("more than {per_second} {} in a second; try again after {:.1} s, or ask for a higher {}",
    .limit.setting().0, .retry_after.as_secs_f64(), .limit.setting().1)]
pub struct Exceeded {
    /// Of what.
    pub limit: Limit,
    /// How many are allowed.
    pub per_second: NonZeroU32,
    /// When the next one is let in.
    pub retry_after: Duration,
}

/// What is left of one limit.
#[derive(Debug)]
struct Bucket {
    limit: Limit,
    per_second: NonZeroU32,
    /// Tokens, and when they were counted. Below zero after a large question.
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    fn new(limit: Limit, per_second: NonZeroU32, now: Instant) -> Self {
        Self { limit, per_second, level: Mutex::new((f64::from(per_second.get()), now)) }
    }

    fn take(&self, count: usize, now: Instant) -> Result<(), Exceeded> {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.filled(*level, now);
        if left < 1.0 - SLACK {
            let missing = (1.0 - left) / f64::from(self.per_second.get());
            let retry_after = Duration::try_from_secs_f64(missing).unwrap_or(Duration::MAX);
            let Self { limit, per_second, .. } = *self;
            return Err(Exceeded { limit, per_second, retry_after });
        }
        *level = (left - count as f64, now);
        Ok(())
    }

    fn is_full(&self, now: Instant) -> bool {
        let level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        self.filled(*level, now) >= f64::from(self.per_second.get())
    }

    fn filled(&self, (left, counted): (f64, Instant), now: Instant) -> f64 {
        let most = f64::from(self.per_second.get());
        let passed = now.saturating_duration_since(counted).as_secs_f64();
        (left + passed * most).min(most)
    }
}

/// The buckets of one principal.
#[derive(Debug)]
pub(super) struct Budget {
    calls: Option<Bucket>,
    rows: Option<Bucket>,
}

impl Budget {
    fn new(limits: RateLimits, now: Instant) -> Self {
        let bucket = |limit, per_second: Option<NonZeroU32>| {
            per_second.map(|per_second| Bucket::new(limit, per_second, now))
        };
        Self {
            calls: bucket(Limit::Calls, limits.calls_per_second),
            rows: bucket(Limit::Rows, limits.rows_per_second),
        }
    }

    pub(super) fn take_call(&self) -> Result<(), Exceeded> {
        self.calls.as_ref().map_or(Ok(()), |bucket| bucket.take(1, Instant::now()))
    }

    pub(super) fn take_rows(&self, rows: usize) -> Result<(), Exceeded> {
        self.rows.as_ref().map_or(Ok(()), |bucket| bucket.take(rows, Instant::now()))
    }

    fn is_full(&self, now: Instant) -> bool {
        let full = |bucket: &Option<Bucket>| bucket.as_ref().is_none_or(|one| one.is_full(now));
        full(&self.calls) && full(&self.rows)
    }
}

/// The budgets of all principals who called lately.
#[derive(Debug)]
pub(super) struct Budgets {
    limits: RateLimits,
    known: Mutex<HashMap<Arc<str>, Arc<Budget>>>,
}

impl Budgets {
    pub(super) fn new(limits: RateLimits) -> Self {
        Self { limits, known: Mutex::default() }
    }

    /// The budget of a principal; none where nothing is limited.
    pub(super) fn of(&self, name: &Arc<str>) -> Option<Arc<Budget>> {
        if self.limits == RateLimits::default() {
            return None;
        }
        let mut known = self.known();
        if let Some(budget) = known.get(name) {
            return Some(Arc::clone(budget));
        }
        let now = Instant::now();
        if known.len() >= MOST_PRINCIPALS {
            // Who has a full budget loses nothing; where nobody has, all begin anew.
            known.retain(|_, budget| !budget.is_full(now));
            if known.len() >= MOST_PRINCIPALS {
                known.clear();
            }
        }
        let budget = Arc::new(Budget::new(self.limits, now));
        known.insert(Arc::clone(name), Arc::clone(&budget));
        Some(budget)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Budget>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(calls: u32, rows: u32) -> RateLimits {
        RateLimits {
            calls_per_second: NonZeroU32::new(calls),
            rows_per_second: NonZeroU32::new(rows),
        }
    }

    #[test]
    fn a_large_question_is_paid_for_afterwards() {
        let start = Instant::now();
        let bucket = Bucket::new(Limit::Rows, NonZeroU32::new(100).unwrap(), start);
        assert!(bucket.take(1_000, start).is_ok());
        let refused = bucket.take(1, start).unwrap_err();
        assert!((9.0..9.1).contains(&refused.retry_after.as_secs_f64()), "{refused:?}");
        assert!(bucket.take(1, start + Duration::from_secs(8)).is_err());
        assert!(bucket.take(1, start + refused.retry_after).is_ok());
    }

    #[test]
    fn a_bucket_holds_one_second() {
        let start = Instant::now();
        let bucket = Bucket::new(Limit::Calls, NonZeroU32::new(3).unwrap(), start);
        let later = start + Duration::from_secs(60);
        let taken = (0..10).filter(|_| bucket.take(1, later).is_ok()).count();
        assert_eq!(taken, 3);
    }

    #[test]
    fn principals_do_not_share_and_memory_is_bounded() {
        let budgets = Budgets::new(limits(1, 0));
        let (noisy, quiet): (Arc<str>, Arc<str>) = ("noisy".into(), "quiet".into());
        let first = budgets.of(&noisy).unwrap();
        assert!(first.take_call().is_ok() && first.take_call().is_err());
        assert!(budgets.of(&noisy).unwrap().take_call().is_err());
        assert!(budgets.of(&quiet).unwrap().take_call().is_ok());
        assert!(first.take_rows(1_000_000).is_ok(), "rows have no bound here");
        for number in 0..MOST_PRINCIPALS + 10 {
            budgets.of(&number.to_string().into());
        }
        assert!(budgets.known().len() <= MOST_PRINCIPALS);
        assert!(budgets.of(&noisy).unwrap().take_call().is_err(), "who is in debt is remembered");
        assert!(Budgets::new(limits(0, 0)).of(&noisy).is_none());
    }
}
