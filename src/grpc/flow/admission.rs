//! How much work is let in at a time.
//!
//! Without a bound an overloaded server works off questions whose callers have given up, and goes
//! on to do so when the load is gone. With it, what is refused is refused at once, and what is let
//! in is answered soon.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::grpc::status::DOMAIN;

/// When a caller who was refused should ask again.
const RETRY: Duration = Duration::from_millis(100);

/// The bounds of a server.
#[derive(Debug)]
pub(super) struct Admission {
    calls: Bound,
    rows: Bound,
    /// Rows of items of streams: bulk has its own room, so that it keeps no call out.
    item_rows: Bound,
    cores: Arc<Semaphore>,
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

/// A core to compute on, until it is dropped.
pub(in crate::grpc) type Slot = OwnedSemaphorePermit;

impl Admission {
    /// Bounds of calls and rows, each more than zero.
    pub(super) fn new(calls: usize, rows: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            calls: Bound::new("calls", calls),
            rows: Bound::new("rows", rows),
            item_rows: Bound::new("rows", rows),
            cores: Arc::new(Semaphore::new(cores)),
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

    /// Waits for a core. Large questions take turns on the cores instead of sharing them, so that
    /// the first is done early.
    pub(super) async fn core(&self) -> Result<Slot, Status> {
        Arc::clone(&self.cores).acquire_owned().await.map_err(|_| self.rows.refuse())
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
        let metadata = [(format!("max_inflight_{name}"), limit.to_string())];
        let mut details = ErrorDetails::with_error_info("OVERLOADED", DOMAIN, metadata);
        details.set_retry_info(Some(RETRY));
        let message = format!(
            "the server is at work on as many {name} as it takes, {limit}; ask again after the delay of RetryInfo, or send bulk over a stream, which waits"
        );
        Status::with_error_details(Code::ResourceExhausted, message, details)
    }
}

#[cfg(test)]
mod tests {
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
}
