//! What people who run Patron see of it: the log, meters for Prometheus, traces.
//!
//! The module imports nothing of the crate: whoever does the work says what it did.

mod log;
mod meters;
mod method;
mod state;
mod traces;

pub use self::log::{LogFilter, LogFormat, start};
pub use self::meters::{Meters, panicked};
pub use self::method::{MethodMeter, MethodName};
pub use self::state::{JobCount, LoadedModel, ServerState};
pub use self::traces::{
    Answered, CallSpan, InvalidCollector, TRACE_PARENT, TRACE_STATE, TraceHeaders, TraceParent,
    TraceSettings, Traces,
};
