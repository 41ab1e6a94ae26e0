//! `patron models report`: a version as a page for people.

use std::fs;
use std::io;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser as _};
use serde_json::json;

use crate::cli::arguments::{InvalidArgument, ModelReference};
use crate::cli::client::Session;
use crate::cli::exit::Failure;
use crate::cli::output::{OutputChoice, Statement};
use crate::grpc::proto::GetModelVersionReportRequest;

/// Arguments of `patron models report`.
#[derive(Args, Clone, Debug)]
pub(super) struct ReportArgs {
    /// NAME, NAME@ALIAS or NAME/VERSION; NAME alone is its champion
    model: String,
    // The same id as the format of other commands: it stands in its place.
    /// File to write, an HTML page; one that is there is replaced
    #[arg(
        long,
        value_name = "FILE",
        value_parser = PathBufValueParser::new().map(OutputChoice::File)
    )]
    output: OutputChoice,
    /// Do not compare the customers of today, which reads all histories
    #[arg(long)]
    without_drift: bool,
}

pub(super) async fn run(args: ReportArgs, session: &mut Session) -> Result<(), Failure> {
    let model = ModelReference::parse(&args.model)?;
    let OutputChoice::File(path) = args.output else {
        return Err(InvalidArgument::new("--output", "a file", "a format").into());
    };
    let request = GetModelVersionReportRequest {
        model: model.name.clone(),
        selector: model.selector(),
        include_drift: !args.without_drift,
    };
    let services = session.connect().await?;
    let report = services.models().get_model_version_report(request).await?.into_inner();
    fs::write(&path, &report.html)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    let (model, version, bytes) = (report.model, report.version, report.html.len());
    let statement = Statement {
        text: format!("{model}/{version}: {} ({} KB)", path.display(), bytes.div_ceil(1000)),
        json: json!({ "model": model, "version": version, "file": path, "bytes": bytes }),
    };
    Ok(session.output.report(&statement)?)
}
