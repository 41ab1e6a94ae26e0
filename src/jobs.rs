//! Jobs: what can be queued, and the threads that work the queue off.
//!
//! A job's row is all its state, so any process on the same data directory can take it up: the
//! server by default, or `patron worker`. A worker holds a lease and renews it with every progress
//! report; when it goes away the job is queued again.

mod payload;
mod runner;

pub use self::payload::{JobContext, JobPayload, training_reason};
pub use self::runner::{JobRunner, JobSettings};
