//! How far a job is: a bar on a terminal, a line per stage otherwise.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::grpc::proto::JobProgress;

use super::output;

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

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr());
    let template = "{prefix:20} {wide_bar} {percent:>3} % {elapsed:>4} {msg:32!}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}
