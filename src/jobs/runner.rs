//! Threads that claim jobs, run them, and say how far they are.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::model::{CancelToken, FitRun, ProgressSink};
use crate::priority::Priority;
use crate::store::{JobFailure, JobId, JobRow, JobState, StoreError};

use super::payload::{JobContext, JobPayload};

/// How long a worker may be silent before its job is queued again.
const LEASE: Duration = Duration::from_secs(10);
/// Between two progress reports; also how long a cancel takes to be seen.
const HEARTBEAT: Duration = Duration::from_millis(250);
/// Between two looks for jobs that another process queued.
const POLL: Duration = Duration::from_millis(250);

/// How jobs are worked off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JobSettings {
    /// Jobs at a time.
    pub workers: usize,
    /// Threads of one job.
    pub threads: usize,
    /// How they stand beside requests.
    pub priority: Priority,
}

/// The threads that work the queue off, until [`JobRunner::stop`].
#[derive(Debug)]
pub struct JobRunner {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    context: JobContext,
    owner: String,
    threads: usize,
    priority: Priority,
    stopping: AtomicBool,
    bell: (Mutex<bool>, Condvar),
}

impl JobRunner {
    /// Starts the threads. Jobs that a dead process of this machine left behind are queued again
    /// at once, those of other machines when their lease ends.
    pub fn start(context: JobContext, settings: JobSettings) -> Self {
        let shared = Arc::new(Shared {
            context,
            owner: owner(),
            threads: settings.threads.max(1),
            priority: settings.priority,
            stopping: AtomicBool::new(false),
            bell: (Mutex::new(false), Condvar::new()),
        });
        let threads = (0..settings.workers)
            .filter_map(|number| {
                let shared = Arc::clone(&shared);
                let builder = thread::Builder::new().name(format!("job-{number}"));
                builder.spawn(move || shared.work()).ok()
            })
            .collect();
        Self { shared, threads }
    }

    /// Tells the threads that a job was queued.
    pub fn ring(&self) {
        self.shared.ring();
    }

    /// Stops: running jobs go back to the queue for whoever starts next.
    pub fn stop(self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.ring();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a job thread ended by a panic");
            }
        }
    }
}

impl Shared {
    fn work(&self) {
        self.priority.step_back();
        while !self.stopping.load(Ordering::Relaxed) {
            if let Err(error) = self.recover().and_then(|()| self.claim_and_run()) {
                tracing::error!(%error, "the job store failed; trying again");
                self.wait(LEASE);
            }
        }
    }

    fn claim_and_run(&self) -> Result<(), StoreError> {
        match self.context.control.claim(&self.owner, LEASE)? {
            Some(job) => self.run(&job),
            None => {
                self.wait(POLL);
                Ok(())
            }
        }
    }

    fn run(&self, job: &JobRow) -> Result<(), StoreError> {
        tracing::info!(job = %job.id, kind = %job.kind, attempt = job.attempt, "job started");
        let progress = Progress::default();
        let cancel = CancelToken::default();
        let done = Ending::default();
        let outcome = thread::scope(|scope| {
            scope.spawn(|| self.beat(job.id, &progress, &cancel, &done));
            let outcome = self.run_contained(job, &progress, &cancel);
            done.tell();
            outcome
        });
        self.finish(job, outcome)
    }

    /// A panic in a job fails the job, not the server.
    fn run_contained(
        &self,
        job: &JobRow,
        progress: &Progress,
        cancel: &CancelToken,
    ) -> Result<Option<String>, JobFailure> {
        let payload: JobPayload =
            serde_json::from_str(&job.payload).map_err(|error| JobFailure {
                reason: "CORRUPT_DATA".to_owned(),
                message: format!("the job's payload cannot be read: {error}"),
            })?;
        let cancel = cancel.clone();
        let run = FitRun { seed: 0, threads: self.threads, progress, cancel };
        let id = job.id.to_string();
        catch_unwind(AssertUnwindSafe(|| payload.run(&self.context, &id, &run))).unwrap_or_else(
            |_| {
                Err(JobFailure {
                    reason: "INTERNAL".to_owned(),
                    message: format!("the job broke off; the server's log tells more at job {id}"),
                })
            },
        )
    }

    /// Renews the lease until the job ends, and passes a cancel on.
    fn beat(&self, id: JobId, progress: &Progress, cancel: &CancelToken, done: &Ending) {
        while !done.wait(HEARTBEAT) {
            let (stage, fraction) = progress.read();
            let control = &self.context.control;
            let beat = control.heartbeat(id, &self.owner, LEASE, (&stage, fraction));
            let stop = beat.unwrap_or_else(|error| {
                tracing::warn!(job = %id, %error, "the lease was not renewed");
                false
            });
            if stop || self.stopping.load(Ordering::Relaxed) {
                cancel.cancel();
            }
        }
    }

    fn finish(
        &self,
        job: &JobRow,
        outcome: Result<Option<String>, JobFailure>,
    ) -> Result<(), StoreError> {
        let control = &self.context.control;
        let was_asked = control.job(job.id)?.is_some_and(|job| job.cancel_requested);
        let (state, outcome) = match &outcome {
            Ok(Some(result)) => (JobState::Succeeded, Ok(result.as_str())),
            Ok(None) if !was_asked => {
                tracing::info!(job = %job.id, "job given back to the queue");
                return control.release(job.id, &self.owner);
            }
            Ok(None) => (JobState::Cancelled, Ok("")),
            Err(failure) => (JobState::Failed, Err(failure)),
        };
        if let Err(failure) = outcome {
            tracing::warn!(job = %job.id, reason = failure.reason, message = failure.message, "job failed");
        }
        if let Err(error) = self.context.catalog.refresh() {
            tracing::error!(%error, "models could not be listed");
        }
        control.finish(job.id, &self.owner, state, outcome)?;
        tracing::info!(job = %job.id, %state, "job ended");
        Ok(())
    }

    fn recover(&self) -> Result<(), StoreError> {
        let recovered = self.context.control.recover(|owner| is_gone(owner, &self.owner))?;
        if recovered > 0 {
            tracing::info!(recovered, "jobs of workers that went away were taken up again");
        }
        Ok(())
    }

    fn ring(&self) {
        let (rung, bell) = &self.bell;
        *rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        bell.notify_all();
    }

    fn wait(&self, limit: Duration) {
        let (rung, bell) = &self.bell;
        let guard = rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = bell.wait_timeout_while(guard, limit, |rung| !*rung);
        let (mut guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *guard = false;
    }
}

/// The last report of a job, for its heartbeat.
#[derive(Debug, Default)]
struct Progress(Mutex<(String, f64)>);

impl Progress {
    fn read(&self) -> (String, f64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ProgressSink for Progress {
    /// The fraction of the whole job never falls, though a stage may come again: the settings of a
    /// model are chosen by fits of their own.
    fn report(&self, stage: &str, fraction: f64) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != stage {
            stage.clone_into(&mut last.0);
        }
        let (start, end) = span(stage);
        last.1 = last.1.max(start + (end - start) * fraction.clamp(0.0, 1.0));
    }
}

/// Where in a whole job a stage begins and ends, about. What is not named here is a stage of a fit.
fn span(stage: &str) -> (f64, f64) {
    match stage {
        "import" | "score" => (0.0, 1.0),
        "read" => (0.0, 0.1),
        "features" => (0.0, 0.35),
        "calibrate" => (0.85, 0.88),
        "evaluate" | "dependence" => (0.88, 0.98),
        "register" => (0.98, 1.0),
        _ => (0.35, 0.85),
    }
}

/// Tells the heartbeat that the job has ended.
#[derive(Debug, Default)]
struct Ending(Mutex<bool>, Condvar);

impl Ending {
    fn tell(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.1.notify_all();
    }

    /// Waits; whether the job has ended.
    fn wait(&self, limit: Duration) -> bool {
        let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.1.wait_timeout_while(guard, limit, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// `machine/process/start`: names this run of this process.
fn owner() -> String {
    format!("{}/{}/{}", machine(), process::id(), JobId::generate())
}

/// Where process numbers mean the same processes: containers of one machine may share its name and
/// each have a process 1.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let numbers = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", name.trim(), numbers.display())
}

/// Whether the process behind an owner's name is certainly gone: it ran on this machine and its
/// number is free, or is now our own.
fn is_gone(owner: &str, own: &str) -> bool {
    let mut parts = owner.split('/');
    let (Some(machine_name), Some(pid)) = (parts.next(), parts.next()) else {
        return true;
    };
    if owner == own || machine_name != machine() || !Path::new("/proc/self").exists() {
        return false;
    }
    pid == process::id().to_string() || !Path::new("/proc").join(pid).exists()
}
