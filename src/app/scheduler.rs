//! The thread that looks at the schedules.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::transaction::Timestamp;

use super::schedules::{Lookout, Schedules};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// After one that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Looks at the schedules until [`Scheduler::stop`].
#[derive(Debug)]
pub(super) struct Scheduler {
    stopping: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Scheduler {
    /// Starts the thread.
    pub(super) fn start(schedules: Schedules) -> Self {
        let stopping = Arc::new((Mutex::new(false), Condvar::new()));
        let told = Arc::clone(&stopping);
        let builder = thread::Builder::new().name("schedules".to_owned());
        let thread = builder.spawn(move || run(&schedules, &told));
        if let Err(error) = &thread {
            tracing::error!(%error, "schedules rest: their thread could not be started");
        }
        Self { stopping, thread: thread.ok() }
    }

    /// Stops the thread.
    pub(super) fn stop(self) {
        let (stopping, bell) = &*self.stopping;
        *stopping.lock().unwrap_or_else(PoisonError::into_inner) = true;
        bell.notify_all();
        if self.thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the schedules ended by a panic");
        }
    }
}

fn run(schedules: &Schedules, (stopping, bell): &(Mutex<bool>, Condvar)) {
    let mut lookout = Lookout::default();
    loop {
        let rest = look(schedules, &mut lookout);
        let guard = stopping.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = bell.wait_timeout_while(guard, rest, |stopping| !*stopping);
        if *waited.unwrap_or_else(PoisonError::into_inner).0 {
            return;
        }
    }
}

/// Looks once; how long to rest then. A panic ends the look, not the thread.
fn look(schedules: &Schedules, lookout: &mut Lookout) -> Duration {
    let looked = || schedules.look(lookout, Timestamp::now());
    match catch_unwind(AssertUnwindSafe(looked)) {
        Ok(Ok(())) => return LOOK,
        Ok(Err(error)) => {
            tracing::error!(%error, "schedules could not be looked at; trying again");
        }
        Err(_) => {
            tracing::error!("a look at the schedules broke off; trying again");
            *lookout = Lookout::default();
        }
    }
    AFTER_FAILURE
}
