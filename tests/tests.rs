//! The real server, driven through gRPC: one binary, one temporary directory per test.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that breaks should stop where it broke, in its helpers too"
)]

/// A server on a free port, with its directories and clients.
#[path = "it/app.rs"]
mod app;

/// A small shop drawn from a fixed sequence, as CSV.
#[path = "it/shop.rs"]
mod shop;

/// Directories that are filled and trained once per process.
#[path = "it/fixture.rs"]
mod fixture;

/// What a status says: code, reason, fields.
#[path = "it/failure.rs"]
mod failure;

/// Reports of whole imports.
#[path = "it/import.rs"]
mod import;

/// Files that are not imported.
#[path = "it/import_refused.rs"]
mod import_refused;

/// Lines that come over a stream.
#[path = "it/ingest.rs"]
mod ingest;

/// What a training registers, and when it fails.
#[path = "it/training.rs"]
mod training;

/// Whether the models are any good, on the hold-out of Online Retail.
#[path = "it/evaluation.rs"]
mod evaluation;

/// Gates, drift, scores of recency, frequency and monetary value, and every algorithm in service.
#[path = "it/learning.rs"]
mod learning;

/// Columns that the caller brings: tables of cases, and attributes of customers.
#[path = "it/columns.rs"]
mod columns;

/// Answers about customers.
#[path = "it/predict.rs"]
mod predict;

/// Questions that get no answer, and rows that do not.
#[path = "it/predict_refused.rs"]
mod predict_refused;

/// The streaming twins of the predict methods.
#[path = "it/streams.rs"]
mod streams;

/// The Open Inference Protocol: the same answers as the native calls.
#[path = "it/inference.rs"]
mod inference;

/// The Open Inference Protocol: what it tells of models and of itself.
#[path = "it/inference_repository.rs"]
mod inference_repository;

/// Compressed calls.
#[path = "it/compression.rs"]
mod compression;

/// Forecasts of series.
#[path = "it/forecast.rs"]
mod forecast;

/// Series of forecasts by the segments of customers.
#[path = "it/segment_groups.rs"]
mod segment_groups;

/// Promotions, prices and events in forecasts, and their effects against a known truth.
#[path = "it/promotions.rs"]
mod promotions;

/// Forecasts of any table of series, by the command alone.
#[path = "it/forecast_table.rs"]
mod forecast_table;

/// Versions, aliases, promotion and roll-back.
#[path = "it/models.rs"]
mod models;

/// Versions as pages for people.
#[path = "it/report.rs"]
mod report;

/// Model files that were damaged.
#[path = "it/damage.rs"]
mod damage;

/// Cancelling, watching and listing jobs.
#[path = "it/jobs.rs"]
mod jobs;

/// The real binary as a process of its own.
#[path = "it/process.rs"]
mod process;

/// The real process, asked to go, killed, and left alone by its callers.
#[path = "it/departure.rs"]
mod departure;

/// Memory and handles of the real process under mixed load.
#[cfg(target_os = "linux")]
#[path = "it/soak.rs"]
mod soak;

/// The real process, killed in the middle of a job.
#[path = "it/crash.rs"]
mod crash;

/// A simulated shop: its import, and its features in files.
#[path = "it/simulated.rs"]
mod simulated;

/// Learned probabilities against the true ones of a simulated shop.
#[path = "it/truth.rs"]
mod truth;

/// Seasons, holidays, promotions and prices of simulated shops, recovered by forecasts.
#[path = "it/recovery.rs"]
mod recovery;

/// Nothing that was acknowledged is lost.
#[path = "it/durability.rs"]
mod durability;

/// Scores of all customers in a file.
#[path = "it/scoring.rs"]
mod scoring;

/// What recipes schedule.
#[path = "it/schedules.rs"]
mod schedules;

/// What is stored of a customer, and erasing it.
#[path = "it/customers.rs"]
mod customers;

/// A bad request to every method.
#[path = "it/every_method.rs"]
mod every_method;

/// What the server takes, and what it says of itself.
#[path = "it/limits.rs"]
mod limits;

/// Metrics and probes.
#[path = "it/meters.rs"]
mod meters;

/// Traces, as a collector receives them.
#[path = "it/traces.rs"]
mod traces;

/// Many questions at once, while models change.
#[path = "it/load.rs"]
mod load;

/// Requests and files that are damaged in every way.
#[path = "it/mutated.rs"]
mod mutated;

/// Health, reflection, shutdown.
#[path = "it/server.rs"]
mod server;

/// Encryption, credentials, roles, rate limits.
#[path = "it/security.rs"]
mod security;

/// Properties of the feature function.
#[path = "it/features.rs"]
mod features;

/// The features of one customer, computed by hand.
#[path = "it/feature_example.rs"]
mod feature_example;

/// Model files of earlier programs, and files that are none.
#[path = "it/formats.rs"]
mod formats;

/// What is shipped to run the server with: dashboard, alerts, configuration.
#[path = "it/deploy.rs"]
mod deploy;
