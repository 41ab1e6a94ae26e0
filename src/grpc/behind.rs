//! Work behind everything else: a few at a time, and no longer than somebody waits.
//!
//! A look at all customers takes seconds where a question takes microseconds, a moved alias waits for
//! the disk and loads a model. It takes none of the cores on which large questions take turns: two
//! looks at once would hold all of a small machine, and every question behind them would miss its
//! deadline.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use tokio::sync::{Semaphore, oneshot};
use tonic::{Code, Status};

use crate::model::CancelToken;
use crate::priority::Priority;

use super::flow::{CancelOnDrop, incident};
use super::status::status;

/// Where such work takes turns.
#[derive(Clone, Debug)]
pub(super) struct Behind {
    turns: Arc<Semaphore>,
    priority: Priority,
}

impl Behind {
    /// So many at a time.
    pub(super) fn new(turns: usize, priority: Priority) -> Self {
        Self { turns: Arc::new(Semaphore::new(turns)), priority }
    }

    /// Does `work` when its turn comes, on a thread of its own with the priority of jobs. Its token is
    /// set when nobody waits for the answer any more; the turn passes on when the work has ended.
    pub(super) async fn take<T: Send + 'static>(
        &self,
        work: impl FnOnce(&CancelToken) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| unable("no turn"))?;
        let (tell, told) = oneshot::channel();
        let cancel = CancelToken::default();
        let _cancelled_with_the_call = CancelOnDrop::new(cancel.clone());
        let priority = self.priority;
        let working = move || {
            let _turn = turn;
            priority.step_back();
            let done = catch_unwind(AssertUnwindSafe(|| work(&cancel)));
            // Nobody is there to be told where the call was given up.
            let _ = tell.send(done.unwrap_or_else(|payload| Err(incident(payload.as_ref()))));
        };
        let thread = thread::Builder::new().name("behind".to_owned()).spawn(working);
        thread.map_err(|error| unable(&error.to_string()))?;
        told.await.unwrap_or_else(|error| Err(unable(&error.to_string())))
    }
}

fn unable(detail: &str) -> Status {
    let message = format!("the call could not be worked on: {detail}; ask again");
    status(Code::Internal, "INTERNAL", message)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn work_comes_one_after_the_other() {
        let (behind, at_work) = (Behind::new(1, Priority::Low), Arc::new(AtomicUsize::new(0)));
        let mut calls = JoinSet::new();
        for number in 0..4 {
            let (behind, at_work) = (behind.clone(), Arc::clone(&at_work));
            calls.spawn(async move {
                let look = move |_: &CancelToken| {
                    let others = at_work.fetch_add(1, Ordering::SeqCst);
                    thread::park_timeout(Duration::from_millis(20));
                    at_work.fetch_sub(1, Ordering::SeqCst);
                    Ok((number, others))
                };
                behind.take(look).await.unwrap()
            });
        }
        let mut done = calls.join_all().await;
        done.sort_unstable();
        assert_eq!(done, [(0, 0), (1, 0), (2, 0), (3, 0)]);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends_and_passes_its_turn_on() {
        let behind = Behind::new(1, Priority::Low);
        let (tell, ended) = oneshot::channel();
        let until_cancelled = behind.take(move |cancel| {
            while !cancel.is_cancelled() {
                thread::park_timeout(Duration::from_millis(1));
            }
            tell.send(()).unwrap();
            Ok(())
        });
        let given_up = timeout(Duration::from_millis(50), until_cancelled).await;
        assert!(given_up.is_err(), "it goes on as long as somebody waits");
        timeout(PATIENCE, ended).await.expect("it is told").unwrap();
        let next = timeout(PATIENCE, behind.take(|_| Ok("next"))).await;
        assert_eq!(next.expect("the turn is free").unwrap(), "next");
    }

    #[tokio::test]
    async fn work_that_breaks_off_is_an_incident_and_passes_its_turn_on() {
        let behind = Behind::new(1, Priority::Low);
        let broken = behind.take(|_| -> Result<(), Status> { panic!("customer 17850") }).await;
        let broken = broken.unwrap_err();
        assert_eq!(broken.code(), Code::Internal);
        assert!(broken.message().contains("incident") && !broken.message().contains("17850"));
        assert_eq!(behind.take(|_| Ok(1)).await.unwrap(), 1);
    }
}
