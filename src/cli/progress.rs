//! How far a job is: a bar on a terminal, a line per stage otherwise.

use std::io::{self, IsTerminal};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::grpc::proto::JobProgress;
use crate::model::ProgressSink;

use super::output;
use crate::readable::count;

const STEPS: u64 = 1000;
const TICK: Duration = Duration::from_millis(100);

/// Shows the progress of one job on standard error.
#[derive(Debug)]
pub(super) struct Progress {
    label: String,
    stage: String,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins to show a job under a name.
    pub(super) fn new(label: impl Into<String>) -> Self {
        let bar = io::stderr().is_terminal().then(bar);
        let label = label.into();
        if let Some(bar) = &bar {
            bar.set_prefix(label.clone());
        }
        Self { label, stage: String::new(), bar }
    }

    /// Shows where the job is.
    pub(super) fn show(&mut self, progress: &JobProgress) {
        let changed = self.stage != progress.stage;
        self.stage.clone_from(&progress.stage);
        match &self.bar {
            Some(bar) => {
                let fraction = progress.fraction.clamp(0.0, 1.0);
                bar.set_position((fraction * STEPS as f64) as u64);
                bar.set_message(match progress.message.as_str() {
                    message if message.starts_with(&progress.stage) => progress.stage.clone(),
                    "" => progress.stage.clone(),
                    message => format!("{}: {message}", progress.stage),
                });
            }
            None if changed && !progress.stage.is_empty() => {
                output::note(format_args!("{}: {}", self.label, progress.stage));
            }
            None => {}
        }
    }

    /// Removes the bar.
    pub(super) fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How fast an even work goes, and how long it will take.
#[derive(Debug)]
pub(super) struct Pace {
    started: Instant,
    /// What had been done when the watching began.
    first: Option<f64>,
}

impl Pace {
    /// Begins to watch.
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), first: None }
    }

    /// The time left at a fraction of the whole, and the rate where it is known how many there are.
    pub(super) fn text(&mut self, fraction: f64, total: Option<u64>) -> String {
        let done = fraction - *self.first.get_or_insert(fraction);
        let seconds = self.started.elapsed().as_secs_f64();
        if done <= 0.0 || seconds <= 0.0 {
            return String::new();
        }
        let left = format!("{:.0} s left", seconds * (1.0 - fraction).max(0.0) / done);
        match total {
            Some(total) => {
                format!("{} a second, {left}", count((total as f64 * done / seconds) as u64))
            }
            None => left,
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr());
    let template = "{prefix:20} {wide_bar} {percent:>3} % {elapsed:>4} {msg:32!}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// A bar for work of this process, told from any of its threads.
pub(super) struct Shown(Mutex<Progress>);

impl Shown {
    /// Begins with nothing done.
    pub(super) fn new(name: &str) -> Self {
        Self(Mutex::new(Progress::new(name)))
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        if let Ok(bar) = self.0.into_inner() {
            bar.finish();
        }
    }
}

impl ProgressSink for Shown {
    fn report(&self, stage: &str, fraction: f64) {
        let message = String::new();
        let progress = JobProgress { stage: stage.to_owned(), fraction, message };
        if let Ok(mut bar) = self.0.lock() {
            bar.show(&progress);
        }
    }
}
