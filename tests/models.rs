//! The estimators on feature matrices: against published numbers, against known truth, and the
//! contract that every model owes.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that breaks should stop where it broke, in its helpers too"
)]

/// What every model owes: repeatable bytes, clear errors, no panic, a quick cancel.
#[path = "models/contract.rs"]
mod contract;

/// Logistic regression.
#[path = "models/churn.rs"]
mod churn;

/// Trees.
#[path = "models/propensity.rs"]
mod propensity;

/// K-means.
#[path = "models/segments.rs"]
mod segments;

/// Data sets, real and drawn.
#[path = "models/tables.rs"]
mod tables;
