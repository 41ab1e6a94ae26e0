//! How often and for how long a version has answered, counted without locks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often, and for how long in all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DurationTotal {
    /// How often.
    pub count: u64,
    /// Nanoseconds in all.
    pub nanos: u64,
}

/// The figures of one version, as they were at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StatisticsSnapshot {
    /// Calls that were answered, from their arrival on.
    pub success: DurationTotal,
    /// Calls that failed, from their arrival on.
    pub fail: DurationTotal,
    /// Waiting for a thread.
    pub queue: DurationTotal,
    /// Gathering and checking the vectors.
    pub input: DurationTotal,
    /// The model itself.
    pub infer: DurationTotal,
    /// Making the answer of its rows.
    pub output: DurationTotal,
    /// Rows that were answered.
    pub rows: u64,
    /// When the last call ended, milliseconds since 1970-01-01 UTC; 0 when there was none.
    pub last_millis: u64,
}

/// Counts of one version since it was loaded.
#[derive(Debug, Default)]
pub struct InferenceStatistics {
    success: Total,
    fail: Total,
    queue: Total,
    input: Total,
    infer: Total,
    output: Total,
    rows: AtomicU64,
    last_millis: AtomicU64,
}

impl InferenceStatistics {
    /// Begins to measure a call that arrived at `arrived` and whose work begins now. Dropped
    /// without [`InferenceTimer::succeed`] it counts as failed.
    pub fn begin(&self, arrived: Instant) -> InferenceTimer<'_> {
        let began = Instant::now();
        InferenceTimer {
            statistics: self,
            arrived,
            began,
            mark: began,
            input: Duration::ZERO,
            infer: Duration::ZERO,
            answered: None,
        }
    }

    /// The figures; calls that end meanwhile may be counted in part.
    pub fn snapshot(&self) -> StatisticsSnapshot {
        StatisticsSnapshot {
            success: self.success.read(),
            fail: self.fail.read(),
            queue: self.queue.read(),
            input: self.input.read(),
            infer: self.infer.read(),
            output: self.output.read(),
            rows: self.rows.load(Ordering::Relaxed),
            last_millis: self.last_millis.load(Ordering::Relaxed),
        }
    }
}

/// A call that is being measured.
#[derive(Debug)]
pub struct InferenceTimer<'a> {
    statistics: &'a InferenceStatistics,
    arrived: Instant,
    began: Instant,
    /// When the running stage began.
    mark: Instant,
    input: Duration,
    infer: Duration,
    /// The rows that were answered; `None` until it succeeded.
    answered: Option<usize>,
}

impl InferenceTimer<'_> {
    /// The vectors are there.
    pub fn input_done(&mut self) {
        self.input = self.lap();
    }

    /// The model has answered.
    pub fn infer_done(&mut self) {
        self.infer = self.lap();
    }

    /// The answer of so many rows is made.
    pub fn succeed(mut self, rows: usize) {
        self.answered = Some(rows);
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.mark, now))
    }
}

impl Drop for InferenceTimer<'_> {
    fn drop(&mut self) {
        let output = self.lap();
        let whole = self.mark.saturating_duration_since(self.arrived);
        let statistics = self.statistics;
        match self.answered {
            None => statistics.fail.add(whole),
            Some(rows) => {
                statistics.success.add(whole);
                statistics.queue.add(self.began.saturating_duration_since(self.arrived));
                statistics.input.add(self.input);
                statistics.infer.add(self.infer);
                statistics.output.add(output);
                statistics.rows.fetch_add(rows as u64, Ordering::Relaxed);
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        statistics.last_millis.fetch_max(now.as_millis() as u64, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Total {
    count: AtomicU64,
    nanos: AtomicU64,
}

impl Total {
    fn add(&self, duration: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(duration.as_nanos() as u64, Ordering::Relaxed);
    }

    fn read(&self) -> DurationTotal {
        DurationTotal {
            count: self.count.load(Ordering::Relaxed),
            nanos: self.nanos.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_add_up_and_what_is_dropped_has_failed() {
        let statistics = InferenceStatistics::default();
        let waited = Duration::from_millis(2);
        let mut inference = statistics.begin(Instant::now().checked_sub(waited).unwrap());
        inference.input_done();
        inference.infer_done();
        inference.succeed(7);
        drop(statistics.begin(Instant::now()));
        let told = statistics.snapshot();
        assert_eq!((told.success.count, told.fail.count, told.rows), (1, 1, 7));
        assert_eq!((told.queue.count, told.input.count, told.infer.count), (1, 1, 1));
        assert!(told.queue.nanos >= 2_000_000, "{told:?}");
        let stages = [told.queue, told.input, told.infer, told.output];
        assert_eq!(stages.iter().map(|stage| stage.nanos).sum::<u64>(), told.success.nanos);
        assert!(told.last_millis > 0);
    }

    #[test]
    fn calls_on_several_threads_are_all_counted() {
        let statistics = InferenceStatistics::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        statistics.begin(Instant::now()).succeed(2);
                    }
                });
            }
        });
        let told = statistics.snapshot();
        assert_eq!((told.success.count, told.rows), (4_000, 8_000));
    }
}
