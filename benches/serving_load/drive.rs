use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tonic::Code;

use crate::Failure;
use crate::caller::{Caller, Connection, code};
use crate::cases::Messages;
use crate::process::{Used, Watched};
use crate::report::{Calls, Outcome};

/// Calls that may wait at a given rate; beyond it none is made.
const MOST_WAITING: usize = 10_000;
/// Nearer than this to the next call it is waited for without sleeping: timers are that coarse.
const TIMER: Duration = Duration::from_millis(2);

/// When calls are made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// This many wait on each connection; the next is made when one was answered.
    AsAnswered(usize),
    /// So many a second, evenly, whether or not the ones before were answered.
    Rate(f64),
}

/// How a run goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) pace: Pace,
    pub(crate) deadline: Option<Duration>,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    pub(crate) calls: u64,
}

/// What all askers share.
#[derive(Debug)]
struct Run {
    plan: Plan,
    messages: Arc<Messages>,
    begun: AtomicU64,
    measuring: AtomicBool,
    stopped: AtomicBool,
    unsent: AtomicU64,
    calls: Mutex<Calls>,
    neighbours: Mutex<Calls>,
}

/// Asks and measures. A neighbour asks at a rate of its own, and its calls are counted apart.
pub(crate) async fn run(
    plan: &Plan,
    (caller, neighbour): (Caller, Option<(Caller, f64)>),
    messages: Arc<Messages>,
    watched: Option<Watched>,
) -> Result<Outcome, Failure> {
    let run = Arc::new(Run {
        plan: *plan,
        messages,
        begun: AtomicU64::new(0),
        measuring: AtomicBool::new(false),
        stopped: AtomicBool::new(false),
        unsent: AtomicU64::new(0),
        calls: Mutex::default(),
        neighbours: Mutex::default(),
    });
    let mut askers = JoinSet::new();
    if let Some((caller, rate)) = neighbour {
        askers.spawn(at_rate(Arc::clone(&run), caller, Asker { rate, is_neighbour: true }));
    }
    match plan.pace {
        Pace::Rate(_) if caller.streams() => return Err("--rate is for single calls".into()),
        Pace::Rate(rate) => {
            askers.spawn(at_rate(Arc::clone(&run), caller, Asker { rate, is_neighbour: false }));
        }
        Pace::AsAnswered(waiting) => {
            for connection in caller.connections() {
                if caller.streams() {
                    askers.spawn(as_items(Arc::clone(&run), connection.clone(), waiting));
                    continue;
                }
                for _ in 0..waiting {
                    askers.spawn(as_answered(Arc::clone(&run), connection.clone()));
                }
            }
        }
    }
    tokio::time::sleep(plan.warm_up).await;
    let before = watched.map(Watched::used);
    let started = Instant::now();
    run.measuring.store(true, Ordering::Relaxed);
    while started.elapsed() < plan.measured && run.begun.load(Ordering::Relaxed) < plan.calls {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    run.measuring.store(false, Ordering::Relaxed);
    let seconds = started.elapsed().as_secs_f64();
    let used = before.zip(watched.map(Watched::used)).map(|(before, after)| Used {
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        rss_mib: after.rss_mib,
    });
    run.stopped.store(true, Ordering::Relaxed);
    askers.abort_all();
    while let Some(ended) = askers.join_next().await {
        match ended {
            Ok(outcome) => outcome?,
            Err(error) if error.is_cancelled() => {}
            Err(error) => return Err(error.into()),
        }
    }
    let taken = |calls: &Mutex<Calls>| {
        std::mem::take(&mut *calls.lock().unwrap_or_else(PoisonError::into_inner))
    };
    let (calls, neighbours) = (taken(&run.calls), taken(&run.neighbours));
    Ok(Outcome { calls, neighbours, seconds, unsent: run.unsent.load(Ordering::Relaxed), used })
}

impl Run {
    /// The number of the next call, while there is one.
    fn next(&self) -> Option<u64> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        (number < self.plan.calls && !self.stopped.load(Ordering::Relaxed)).then_some(number)
    }

    fn record(&self, calls: &Mutex<Calls>, code: Code, since: Instant) {
        if self.measuring.load(Ordering::Relaxed) {
            let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.add(code, since.elapsed(), self.plan.deadline);
        }
    }
}

/// One call after the other.
async fn as_answered(run: Arc<Run>, mut connection: Connection) -> Result<(), Failure> {
    while let Some(number) = run.next() {
        let since = Instant::now();
        let outcome = connection.call(run.messages.nth(number), run.plan.deadline).await;
        run.record(&run.calls, code(&outcome), since);
    }
    Ok(())
}

/// The items of one stream, of which some wait for their answers.
async fn as_items(
    run: Arc<Run>,
    mut connection: Connection,
    waiting: usize,
) -> Result<(), Failure> {
    let (sender, mut answers) = connection.stream(waiting).await?;
    let mut sent = VecDeque::new();
    loop {
        while sent.len() < waiting {
            let Some(number) = run.next() else {
                return Ok(());
            };
            sent.push_back(Instant::now());
            sender.send(run.messages.nth(number)).await?;
        }
        let answer = answers.message().await?;
        answer.ok_or("the server ended the stream")?;
        if let Some(since) = sent.pop_front() {
            run.record(&run.calls, Code::Ok, since);
        }
    }
}

/// Who asks at a rate.
#[derive(Clone, Copy, Debug)]
struct Asker {
    rate: f64,
    is_neighbour: bool,
}

/// Calls at even distances. A call counts from when it was due, so that a generator or a server
/// that falls behind shows.
async fn at_rate(run: Arc<Run>, caller: Caller, asker: Asker) -> Result<(), Failure> {
    let started = Instant::now();
    let mut waiting = JoinSet::new();
    for call in 0_u64.. {
        let Some(number) = run.next() else { break };
        let due = started + Duration::from_secs_f64(call as f64 / asker.rate);
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            match left.checked_sub(TIMER) {
                Some(sleep) => tokio::time::sleep(sleep).await,
                None => tokio::task::yield_now().await,
            }
            while waiting.try_join_next().is_some() {}
        }
        while waiting.try_join_next().is_some() {}
        if waiting.len() >= MOST_WAITING {
            run.unsent.fetch_add(u64::from(!asker.is_neighbour), Ordering::Relaxed);
            tokio::task::yield_now().await;
            continue;
        }
        let place = number as usize % caller.connections().len().max(1);
        let connection = caller.connections().get(place).cloned();
        let (run, mut connection) = (Arc::clone(&run), connection.ok_or("no connection")?);
        waiting.spawn(async move {
            let outcome = connection.call(run.messages.nth(number), run.plan.deadline).await;
            let calls = if asker.is_neighbour { &run.neighbours } else { &run.calls };
            run.record(calls, code(&outcome), due);
        });
    }
    Ok(())
}
