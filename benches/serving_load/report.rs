use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use tonic::Code;

use crate::process::{Used, load_average};

/// What came of the calls that ended while it was measured.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Times of the answers that count, in nanoseconds.
    answered: Vec<u64>,
    /// Times until the server refused, in nanoseconds.
    refused: Vec<u64>,
    /// Answers after the deadline.
    late: u64,
    codes: BTreeMap<i32, u64>,
}

impl Calls {
    pub(crate) fn add(&mut self, code: Code, time: Duration, deadline: Option<Duration>) {
        let nanos = time.as_nanos() as u64;
        match code {
            Code::Ok if deadline.is_some_and(|deadline| time > deadline) => self.late += 1,
            Code::Ok => self.answered.push(nanos),
            _ => {
                *self.codes.entry(code as i32).or_default() += 1;
                if matches!(code, Code::ResourceExhausted | Code::Unavailable) {
                    self.refused.push(nanos);
                }
            }
        }
    }

    fn ended(&self) -> u64 {
        self.answered.len() as u64 + self.late + self.codes.values().sum::<u64>()
    }
}

/// A run, measured.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) calls: Calls,
    /// Those of a neighbour.
    pub(crate) neighbours: Calls,
    pub(crate) seconds: f64,
    /// Calls that were due while too many waited, and were not made.
    pub(crate) unsent: u64,
    /// What the server used meanwhile, and its memory at the end.
    pub(crate) used: Option<Used>,
}

impl Outcome {
    /// One line of `key=value` words.
    pub(crate) fn line(mut self, case: &str, rows: u64) -> String {
        self.calls.answered.sort_unstable();
        self.calls.refused.sort_unstable();
        let ended = self.calls.ended();
        let rate = self.calls.answered.len() as f64 / self.seconds;
        let mut line = format!(
            "case={case} seconds={:.2} rps={rate:.1} rows_s={:.0}",
            self.seconds,
            rate * rows as f64
        );
        let answered = &self.calls.answered;
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)] {
            push(&mut line, &format!("{name}_us"), &micros(answered, share));
        }
        if let Some(used) = self.used {
            let per_thousand = used.cpu_seconds * 1e3 / ended.max(1) as f64;
            push(&mut line, "cpu_s_per_1k", &format!("{per_thousand:.5}"));
            push(&mut line, "rss_mib", &format!("{:.0}", used.rss_mib));
        }
        push(&mut line, "ended", &ended.to_string());
        push(&mut line, "errors", &self.errors());
        if !self.calls.refused.is_empty() {
            push(&mut line, "refused_p50_us", &micros(&self.calls.refused, 0.5));
            push(&mut line, "refused_p99_us", &micros(&self.calls.refused, 0.99));
        }
        if self.neighbours.ended() > 0 {
            let per_second = |calls: &[u64]| format!("{:.0}", calls.len() as f64 / self.seconds);
            push(&mut line, "neighbour_rps", &per_second(&self.neighbours.answered));
            push(&mut line, "neighbour_refused_rps", &per_second(&self.neighbours.refused));
        }
        push(&mut line, "load", &load_average());
        line
    }

    fn errors(&self) -> String {
        let name = |code: i32| format!("{:?}", Code::from_i32(code));
        let codes = self.calls.codes.iter().map(|(code, count)| (name(*code), *count));
        let others = [("late".to_owned(), self.calls.late), ("unsent".to_owned(), self.unsent)];
        let all = codes.chain(others).filter(|(_, count)| *count > 0);
        let told: Vec<String> = all.map(|(name, count)| format!("{name}:{count}")).collect();
        if told.is_empty() { "none".to_owned() } else { told.join(",") }
    }
}

fn push(line: &mut String, key: &str, value: &str) {
    // Writing to a String does not fail.
    let _ = write!(line, " {key}={value}");
}

/// A quantile of sorted times.
fn micros(times: &[u64], share: f64) -> String {
    let place = (share * times.len() as f64) as usize;
    let time = times.get(place.min(times.len().saturating_sub(1)));
    time.map_or("-".to_owned(), |nanos| format!("{:.0}", *nanos as f64 / 1e3))
}
