//! Settings of how calls are let in, how long they may take, and how the server goes away.

use std::num::NonZero;
use std::time::Duration;

use super::settings::Check;

/// Rows that a call may hold at most, so the least that must be let in.
const ROWS_OF_A_CALL: u64 = 10_000;
/// Calls at work for each core when nothing is said.
const CALLS_PER_CORE: u64 = 128;
/// Rows at work for each core when nothing is said.
const ROWS_PER_CORE: u64 = 20_000;
/// Seconds in which the load balancers of a public server learn that it is going.
const NOTICE_SECONDS: u64 = 5;

/// How calls flow through the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FlowConfig {
    /// How long a call without side effects may take, whatever its caller allows.
    pub max_call: Duration,
    /// Predict calls at work at a time.
    pub max_calls: usize,
    /// Rows of predict calls at work at a time, and those of items of streams.
    pub max_rows: usize,
    /// How old a connection becomes, give or take a tenth; `None` for any age.
    pub connection_age: Option<Duration>,
    /// How long the server goes on as before after it said that it is going.
    pub drain_delay: Duration,
    /// How long calls may go on after that.
    pub drain: Duration,
}

impl FlowConfig {
    pub(super) fn collect(check: &mut Check<'_>, loopback: bool) -> Option<Self> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get) as u64;
        let max_call = check.number("server.max_call_seconds", 1, 3_600);
        let calls = CALLS_PER_CORE * cores;
        let max_calls = check.number_or_auto("server.max_inflight_calls", 1, 65_536, calls);
        let least = ROWS_OF_A_CALL;
        let rows = ROWS_PER_CORE * cores;
        let max_rows = check.number_or_auto("server.max_inflight_rows", least, 100_000_000, rows);
        let age = check.number("server.connection_age_seconds", 0, 86_400);
        let notice = if loopback { 0 } else { NOTICE_SECONDS };
        let delay = check.number_or_auto("server.drain_delay_seconds", 0, 300, notice);
        let drain = check.number("server.drain_seconds", 0, 3_600);
        Some(Self {
            max_call: Duration::from_secs(max_call?),
            max_calls: max_calls? as usize,
            max_rows: max_rows? as usize,
            connection_age: Some(age?).filter(|age| *age > 0).map(Duration::from_secs),
            drain_delay: Duration::from_secs(delay?),
            drain: Duration::from_secs(drain?),
        })
    }
}
