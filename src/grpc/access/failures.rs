//! Calls that were refused, in the audit; a flood of them does not fill the disk.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::grpc::incoming::Peer;
use crate::store::{Change, ControlStore};

/// Refusals that are written down in one window.
const MOST: u32 = 4;
const WINDOW: Duration = Duration::from_secs(1);

/// Writes down who was refused.
#[derive(Debug)]
pub(super) struct Failures {
    control: Arc<ControlStore>,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    start: Instant,
    written: u32,
    /// Refusals that were passed over since the last one that was written.
    passed_over: u64,
}

impl Failures {
    pub(super) fn new(control: Arc<ControlStore>) -> Self {
        let window = Window { start: Instant::now(), written: 0, passed_over: 0 };
        Self { control, window: Mutex::new(window) }
    }

    /// Notes a refusal. The call does not wait for it.
    pub(super) fn note(&self, action: &'static str, path: &str, peer: &Peer, reason: &str) {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(passed_over) = window else {
            return;
        };
        let who = peer.address.map(|address| address.to_string()).unwrap_or_default();
        let subject: String = path.chars().take(128).collect();
        let detail = match passed_over {
            0 => reason.to_owned(),
            more => format!("{reason} (and {more} more refusals before)"),
        };
        tracing::warn!(action, who, subject, detail, "a call was refused");
        let control = Arc::clone(&self.control);
        tokio::task::spawn_blocking(move || {
            let change = Change { who: &who, action, subject: &subject, detail: &detail };
            if let Err(error) = control.record(&change) {
                tracing::error!(%error, "a refusal could not be written down");
            }
        });
    }
}

impl Window {
    /// Whether one more is written, and how many were not since the last one.
    fn take(&mut self) -> Option<u64> {
        let now = Instant::now();
        if now.saturating_duration_since(self.start) >= WINDOW {
            self.start = now;
            self.written = 0;
        }
        if self.written >= MOST {
            self.passed_over += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.passed_over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_written() {
        let mut window = Window { start: Instant::now(), written: 0, passed_over: 0 };
        let written = (0..1_000).filter_map(|_| window.take()).collect::<Vec<_>>();
        assert_eq!(written, [0; MOST as usize]);
        window.start -= WINDOW;
        assert_eq!(window.take(), Some(996));
        assert_eq!(window.take(), Some(0));
    }
}
