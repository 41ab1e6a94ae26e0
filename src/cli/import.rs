//! `patron import`: loads a file of transactions.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::grpc::proto::ImportTransactionsRequest;
use crate::ingest::check_mapping;

use super::arguments::InvalidArgument;
use super::client::{Services, Session, request_id};
use super::exit::Failure;
use super::job::{Job, wait};

/// Arguments of `patron import`.
#[derive(Args, Clone, Debug)]
pub(super) struct ImportArgs {
    /// CSV or Parquet file; the server reads it, so it must be on the server's machine
    file: PathBuf,
    /// Which column is which field, in TOML
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// Share of rows that may be refused, in percent; above it nothing is stored
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    max_refused_percent: f64,
    /// Print the job and do not wait for it
    #[arg(long)]
    no_wait: bool,
    /// Makes the call safe to repeat [default: a new id]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// Imports a file.
pub(super) async fn run(args: ImportArgs, session: &mut Session) -> Result<(), Failure> {
    let request = request(&args)?;
    let services = session.connect().await?;
    let mut job = start(&services, request).await?;
    if !args.no_wait {
        job = wait(&services, job).await?;
    }
    job.conclude(&mut session.output)
}

/// Starts an import.
pub(super) async fn start(
    services: &Services,
    request: ImportTransactionsRequest,
) -> Result<Job, Failure> {
    let response = services.transactions().import_transactions(request).await?;
    Ok(response.into_inner().into())
}

fn request(args: &ImportArgs) -> Result<ImportTransactionsRequest, Failure> {
    let percent = args.max_refused_percent;
    if !(0.0..=100.0).contains(&percent) {
        let wrong =
            InvalidArgument::new("--max-refused-percent", "a number from 0 to 100", percent);
        return Err(wrong.into());
    }
    Ok(ImportTransactionsRequest {
        source_uri: absolute(&args.file)?,
        mapping_toml: mapping(&args.mapping)?,
        max_refused_percent: Some(percent),
        request_id: request_id(args.request_id.clone()),
        validate_only: false,
    })
}

/// The path as any process on this machine would write it.
pub(super) fn absolute(path: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(path).map_err(|error| Failure::data(path, error))?;
    let text = absolute.into_os_string().into_string();
    text.map_err(|_| Failure::data(path, "the path is not UTF-8"))
}

/// The text of a mapping that holds.
fn mapping(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::data(path, error))?;
    check_mapping(&text).map_err(|error| Failure::data(path, error))?;
    Ok(text)
}
