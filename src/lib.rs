//! Patron: predictions for retail from raw transactions.

pub mod access;
pub mod app;
pub mod cli;
pub mod config;
pub mod grpc;
pub mod historical;
pub mod ingest;
pub mod jobs;
pub mod parallel;
pub mod priority;
pub mod readable;
pub mod report;
pub mod repository;
pub mod scoring;
pub mod series;
pub mod serving;
pub mod simulation;
pub mod store;
pub mod telemetry;
pub mod training;
pub mod unfinished;

pub use patron_domain::{dataset, feature, metrics, model, transaction};
