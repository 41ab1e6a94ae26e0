//! Memory and handles of the real process under mixed load.
//!
//! `PATRON_SOAK_SECONDS=600` makes a long run of it.

#[path = "soak/load.rs"]
mod load;

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use self::load::{Load, Target};
use crate::app::{PATIENCE, copied};
use crate::fixture::{SHOP_RECIPES, small_shop};
use crate::meters::{page, value};
use crate::process::{Process, handles, logged, resident, serve};

const MIB: f64 = 1_048_576.0;

/// What the process may hold more at the end than after warming up. Caches of the store fill up
/// with what is ingested; what is excluded is that each of many thousand calls leaves something.
const MOST_MORE_MIB: f64 = 48.0;
/// Handles come and go with connections, as many as there are callers.
const MOST_MORE_HANDLES: f64 = 16.0;

fn seconds() -> f64 {
    let asked = std::env::var("PATRON_SOAK_SECONDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(20.0)
}

/// A second version of the churn model, to which the alias can be moved.
async fn second_version(process: &Process) {
    let (_, recipe) = SHOP_RECIPES.iter().find(|(name, _)| *name == "churn").unwrap();
    let recipe = recipe.replace("l2 = 10.0", "l2 = 500.0");
    let recipe = format!("{recipe}[gate]\npromote = false\n");
    let job = process.clients.train_by("churn", recipe).await;
    assert_eq!(job.result.unwrap().version, 2);
}

/// A port that is free now.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// What a process held, at times from the beginning of the load.
#[derive(Default)]
struct Samples(Vec<(f64, f64, f64)>);

impl Samples {
    fn take(&mut self, at: f64, id: u32) {
        self.0.push((at, resident(id) as f64 / MIB, handles(id) as f64));
    }

    /// Medians of memory and handles between two times.
    fn medians(&self, from: f64, to: f64) -> (f64, f64) {
        let within = || self.0.iter().filter(|(at, ..)| (from..to).contains(at));
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let memory = within().map(|(_, memory, _)| *memory).collect();
        (median(memory), median(within().map(|(.., handles)| *handles).collect()))
    }
}

#[expect(clippy::print_stderr, reason = "the figures are the result")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_memory_nor_handles_grow_under_mixed_load() {
    let directory = copied(&small_shop().directory);
    let metrics = free_address();
    let mut command = serve(directory.path(), &["--as-of", "latest", "--log-filter", "warn"]);
    command.env("PATRON_TELEMETRY_METRICS_LISTEN", metrics.to_string());
    command.stderr(std::fs::File::create(directory.path().join("log.txt")).unwrap());
    let mut process = Process::run(&mut command).await;
    second_version(&process).await;

    let load = Load::begin(Target { address: process.address, metrics });
    let (begun, whole) = (Instant::now(), seconds());
    let mut samples = Samples::default();
    while begun.elapsed().as_secs_f64() < whole {
        sleep(Duration::from_millis(100)).await;
        assert!(process.is_running(), "{}", logged(directory.path()));
        samples.take(begun.elapsed().as_secs_f64(), process.id());
    }
    let counts = load.end().await;
    // The first fourth warms up.
    let (before, after) =
        (samples.medians(whole * 0.25, whole * 0.5), samples.medians(whole * 0.75, whole));
    eprintln!("{whole:.0} s of {counts:?}");
    for tenth in 0..10 {
        let (memory, handles) =
            samples.medians(whole * f64::from(tenth) / 10.0, whole * f64::from(tenth + 1) / 10.0);
        eprintln!(
            "{:5.0} s: {memory:6.1} MiB, {handles:3.0} handles",
            whole * f64::from(tenth) / 10.0
        );
    }
    assert!(after.0 - before.0 < MOST_MORE_MIB, "memory from {before:?} to {after:?}");
    assert!(after.1 - before.1 < MOST_MORE_HANDLES, "handles from {before:?} to {after:?}");
    for (kind, count) in &counts {
        assert!(*count > 0, "{kind} never came to its turn: {counts:?}");
    }
    // Nothing is at work any more, and nothing broke off.
    let at_rest = async {
        loop {
            let (_, text) = page(metrics, "/metrics").await;
            let at_work = ["patron_inflight_calls", "patron_inflight_rows"];
            if at_work.iter().all(|name| value(&text, name) == 0.0) {
                return text;
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    let text = timeout(PATIENCE, at_rest).await.expect("all seats come free");
    assert_eq!(value(&text, "patron_panics_total"), 0.0);
    assert_eq!(process.clients.churn(&["r1"]).await.unwrap().probabilities.len(), 1);
    let status = process.stop().await;
    assert!(status.success(), "{status}: {}", logged(directory.path()));
}
