//! `patron score`: predicts for all customers and writes a file.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::grpc::proto::{CreateScoringJobRequest, ScoringFormat, ScoringModel};

use super::arguments::{InvalidArgument, ModelReference, time};
use super::client::{Session, request_id};
use super::exit::Failure;
use super::import::absolute;
use super::job::{Job, wait};
use super::values::wire_time;

/// Arguments of `patron score`.
#[derive(Args, Clone, Debug)]
pub(super) struct ScoreArgs {
    /// Models as NAME, NAME@ALIAS or NAME/VERSION; NAME alone is its champion
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// File to write, .parquet or .csv; the server writes it, and never over another file
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// See only what was known before this time or date [default: the server's present]
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Only customers with a purchase in so many days before [default: all]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    active_within_days: Option<u32>,
    /// Print the job and do not wait for it
    #[arg(long)]
    no_wait: bool,
    /// Makes the call safe to repeat [default: a new id]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// Scores all customers.
pub(super) async fn run(args: ScoreArgs, session: &mut Session) -> Result<(), Failure> {
    let no_wait = args.no_wait;
    let request = request(args)?;
    let services = session.connect().await?;
    let response = services.scoring().create_scoring_job(request).await?;
    let mut job = Job::from(response.into_inner());
    if !no_wait {
        job = wait(&services, job).await?;
    }
    job.conclude(&mut session.output)
}

fn request(args: ScoreArgs) -> Result<CreateScoringJobRequest, Failure> {
    let model = |text: &String| {
        let model = ModelReference::parse(text)?;
        let selector = model.selector();
        Ok::<_, InvalidArgument>(ScoringModel { model: model.name, selector })
    };
    Ok(CreateScoringJobRequest {
        models: args.models.iter().map(model).collect::<Result<_, _>>()?,
        output_uri: absolute(&args.file)?,
        format: format(&args.file)?.into(),
        as_of: time("--as-of", args.as_of.as_deref())?.map(wire_time),
        active_within_days: args.active_within_days,
        request_id: request_id(args.request_id),
        validate_only: false,
    })
}

fn format(path: &Path) -> Result<ScoringFormat, InvalidArgument> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("parquet") => Ok(ScoringFormat::Parquet),
        Some("csv") => Ok(ScoringFormat::Csv),
        _ => Err(InvalidArgument::new(
            "--file",
            "a name that ends in .parquet or .csv",
            path.display(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_file_is_its_format() {
        assert_eq!(format(Path::new("a.parquet")), Ok(ScoringFormat::Parquet));
        assert_eq!(format(Path::new("a.b.csv")), Ok(ScoringFormat::Csv));
        assert_eq!(format(Path::new("scores")).unwrap_err().flag, "--file");
    }
}
