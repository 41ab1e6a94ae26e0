//! How much work is let in at a time.
//!
//! Without a bound an overloaded server works off questions whose callers have given up, and goes
//! on to do so when the load is gone. With it, what is refused is refused at once, and what is let
//! in is answered soon.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::grpc::status::DOMAIN;

use super::deadline::Deadline;

/// When a caller who was refused should ask again.
const RETRY: Duration = Duration::from_millis(100);

/// How often the wait for a core, as it is estimated, has to fit before a deadline: what is let in shall
/// be answered in time even where it takes longer, and a short queue keeps the cores as busy as a long one.
const DOUBT: u32 = 2;

/// The bounds of a server.
#[derive(Debug)]
pub(super) struct Admission {
    calls: Bound,
    rows: Bound,
    /// Rows of items of streams: bulk has its own room, so that it keeps no call out.
    item_rows: Bound,
    cores: Cores,
}

#[derive(Debug)]
struct Bound {
    name: &'static str,
    free: Arc<Semaphore>,
    limit: usize,
}

/// A call that was let in, until it is dropped.
pub(super) type Admitted = OwnedSemaphorePermit;

/// Rows that were let in, until they are dropped.
pub(in crate::grpc) type Rows = OwnedSemaphorePermit;

/// A core to compute on, until it is dropped: by the work itself, which may go on for a moment when
/// nobody waits for it any more.
pub(in crate::grpc) type Slot = OwnedSemaphorePermit;

/// The cores, on which large questions take turns instead of sharing them, so that the first is
/// done early.
#[derive(Debug)]
struct Cores {
    free: Arc<Semaphore>,
    count: u32,
    /// Nanoseconds of work that were let in and are not done.
    ahead: Arc<AtomicU64>,
}

/// Work that others have to wait for, until it is dropped: by the call, which may be given up.
#[derive(Debug)]
pub(in crate::grpc) struct Queued {
    nanos: u64,
    ahead: Arc<AtomicU64>,
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.ahead.fetch_sub(self.nanos, Ordering::Relaxed);
    }
}

impl Cores {
    fn new(count: usize) -> Self {
        let count = count.clamp(1, 1_024) as u32;
        Self { free: Arc::new(Semaphore::new(count as usize)), count, ahead: Arc::default() }
    }

    /// Waits for a core for work of so long; refused where it cannot be done by the deadline because
    /// of what was let in before. A caller without others before it is always let in: what is
    /// thought of its cost may be wrong.
    async fn take(&self, cost: Duration, deadline: Deadline) -> Result<(Slot, Queued), Status> {
        let nanos = u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX / 1_024);
        let before = self.ahead.fetch_add(nanos, Ordering::Relaxed);
        let queued = Queued { nanos, ahead: Arc::clone(&self.ahead) };
        let wait = Duration::from_nanos(before) / self.count;
        if before > 0 && !deadline.leaves(DOUBT * wait + cost) {
            return Err(too_late(wait));
        }
        let core = Arc::clone(&self.free).acquire_owned().await;
        let core = core.map_err(|_| too_late(wait))?;
        if before > 0 && !deadline.leaves(cost) {
            return Err(too_late(wait));
        }
        Ok((core, queued))
    }
}

impl Admission {
    /// Bounds of calls and rows, each more than zero.
    pub(super) fn new(calls: usize, rows: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            calls: Bound::new("calls", calls),
            rows: Bound::new("rows", rows),
            item_rows: Bound::new("rows", rows),
            cores: Cores::new(cores),
        }
    }

    /// Lets a call in, or refuses it at once.
    pub(super) fn try_call(&self) -> Result<Admitted, Status> {
        self.calls.take(1)
    }

    /// Lets rows in, or refuses them at once.
    pub(super) fn try_rows(&self, rows: usize) -> Result<Rows, Status> {
        self.rows.take(rows)
    }

    /// Lets rows of an item in as soon as there is room.
    pub(super) async fn wait_for_rows(&self, rows: usize) -> Result<Rows, Status> {
        let room = &self.item_rows;
        let taken = Arc::clone(&room.free).acquire_many_owned(room.permits(rows)).await;
        taken.map_err(|_| room.refuse())
    }

    /// Waits for a core for work of so long, if it can be done by the deadline.
    pub(super) async fn core(
        &self,
        cost: Duration,
        deadline: Deadline,
    ) -> Result<(Slot, Queued), Status> {
        self.cores.take(cost, deadline).await
    }

    /// Calls and rows at work.
    pub(super) fn at_work(&self) -> (usize, usize) {
        (self.calls.taken(), self.rows.taken() + self.item_rows.taken())
    }
}

impl Bound {
    fn new(name: &'static str, limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self { name, free: Arc::new(Semaphore::new(limit)), limit }
    }

    fn take(&self, amount: usize) -> Result<OwnedSemaphorePermit, Status> {
        let taken = Arc::clone(&self.free).try_acquire_many_owned(self.permits(amount));
        taken.map_err(|_| self.refuse())
    }

    /// A question that is larger than the whole bound is let in alone.
    fn permits(&self, amount: usize) -> u32 {
        u32::try_from(amount.min(self.limit)).unwrap_or(u32::MAX)
    }

    fn taken(&self) -> usize {
        self.limit.saturating_sub(self.free.available_permits())
    }

    fn refuse(&self) -> Status {
        let (name, limit) = (self.name, self.limit);
        let metadata = (format!("max_inflight_{name}"), limit.to_string());
        let message = format!(
            "the server is at work on as many {name} as it takes, {limit}; ask again after the delay of RetryInfo, or send bulk over a stream, which waits"
        );
        overloaded(message, metadata, RETRY)
    }
}

/// There is too much to do before a call; that will last as long as `wait`.
fn too_late(wait: Duration) -> Status {
    let millis = wait.as_millis().to_string();
    let message = format!(
        "the server has {millis} ms of work to do before the call, which would be answered after its deadline; ask again after the delay of RetryInfo, or with a later deadline"
    );
    overloaded(message, ("queue_millis".to_owned(), millis), wait.max(RETRY))
}

fn overloaded(message: String, metadata: (String, String), retry: Duration) -> Status {
    let mut details = ErrorDetails::with_error_info("OVERLOADED", DOMAIN, [metadata]);
    details.set_retry_info(Some(retry));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn what_is_above_the_bound_is_refused_with_a_delay_and_what_ends_makes_room() {
        let admission = Admission::new(2, 10);
        let first = admission.try_call().unwrap();
        let _second = admission.try_call().unwrap();
        let refused = admission.try_call().unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        let details = refused.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(info.reason, "OVERLOADED");
        assert_eq!(info.metadata["max_inflight_calls"], "2");
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(RETRY));
        drop(first);
        assert!(admission.try_call().is_ok());
    }

    #[test]
    fn rows_are_bounded_together() {
        let admission = Admission::new(100, 10);
        let held = admission.try_rows(7).unwrap();
        assert!(admission.try_rows(4).is_err());
        assert!(admission.try_rows(3).is_ok());
        assert_eq!(admission.at_work(), (0, 7));
        drop(held);
        let alone = admission.try_rows(50).unwrap();
        assert!(admission.try_rows(1).is_err());
        drop(alone);
        assert_eq!(admission.at_work(), (0, 0));
    }

    /// A deadline this far from now.
    fn within(millis: u64) -> Deadline {
        Deadline::at(Instant::now() + Duration::from_millis(millis))
    }

    #[tokio::test]
    async fn work_that_would_be_late_is_refused_at_once_and_what_is_done_makes_room() {
        let cores = Cores::new(2);
        let second = Duration::from_secs(1);
        // Nobody is before it: it is let in whatever it is thought to cost.
        let first = cores.take(10 * second, within(100)).await.unwrap();
        let refused = cores.take(second, within(10_000)).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        let details = refused.get_error_details();
        assert_eq!(details.error_info().unwrap().metadata["queue_millis"], "5000");
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(5 * second));
        // Who was refused is not before anybody.
        let other = cores.take(second, within(12_000)).await.unwrap();
        let patient = cores.take(second, Deadline::default());
        drop((first, other));
        drop(patient.await.unwrap());
        assert_eq!(cores.ahead.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn who_gave_up_is_not_before_anybody_even_while_its_core_is_busy() {
        let cores = Cores::new(1);
        let (core, queued) = cores.take(Duration::from_secs(10), within(100)).await.unwrap();
        drop(queued);
        let next = cores.take(Duration::from_secs(1), within(100));
        let (next, ()) = tokio::join!(next, async { drop(core) });
        drop(next.unwrap());
        assert_eq!(cores.ahead.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn work_whose_time_ran_out_while_it_waited_does_not_begin() {
        let cores = Cores::new(1);
        let held = cores.take(Duration::from_millis(1), within(1_000)).await.unwrap();
        let waiting = cores.take(Duration::from_millis(100), within(150));
        let (waited, ()) = tokio::join!(waiting, async {
            tokio::time::sleep(Duration::from_millis(80)).await;
            drop(held);
        });
        assert_eq!(waited.unwrap_err().code(), Code::ResourceExhausted);
        assert_eq!(cores.free.available_permits(), 1);
        assert_eq!(cores.ahead.load(Ordering::Relaxed), 0);
    }
}
