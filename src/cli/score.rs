//! `patron score`: predicts for all customers and writes a file.

pub(super) mod local;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::grpc::proto::{
    CreateScoringJobRequest, ScoringFormat, ScoringModel, ScoringPopulation, ScoringTable,
};
use crate::scoring::{Population, ScoreFormat};

use super::arguments::{InvalidArgument, ModelReference, time};
use super::client::{Session, request_id};
use super::exit::Failure;
use super::import::absolute;
use super::job::{Job, wait};
use super::settings::ConfigArgs;
use super::values::wire_time;

/// Arguments of `patron score`.
#[derive(Args, Clone, Debug)]
pub(super) struct ScoreArgs {
    /// Models as NAME, NAME@ALIAS or NAME/VERSION, also with commas between; NAME alone is its
    /// champion
    #[arg(required = true, value_name = "MODEL", value_delimiter = ',')]
    models: Vec<String>,
    /// File to write, .parquet or .csv; there whole or not at all, and never over another file
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// See only what was known before this time or date [default: the server's present]
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Which customers
    #[arg(long, value_enum, default_value = "all")]
    population: Whom,
    /// Only customers with a purchase in so many days before [default: all]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..),
        conflicts_with = "population")]
    active_within_days: Option<u32>,
    /// Reasons per customer and model; those of trees take most of the time
    #[arg(long, value_name = "NUMBER", default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=20))]
    explain: u32,
    /// Score the rows of this CSV or Parquet file, for models that were trained on a table
    #[arg(long, value_name = "FILE", requires = "key",
        conflicts_with_all = ["population", "active_within_days", "as_of"])]
    table: Option<PathBuf>,
    /// The column of the table that tells which row it is
    #[arg(long, value_name = "COLUMN", requires = "table")]
    key: Option<String>,
    /// Score in this process, from the data and model directories, without a server
    #[arg(long, conflicts_with_all = ["no_wait", "request_id"])]
    local: bool,
    /// Threads of a local run; the file does not depend on it [default: one per core]
    #[arg(long, value_name = "N", requires = "local",
        value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Print the job and do not wait for it
    #[arg(long)]
    no_wait: bool,
    /// Makes the call safe to repeat [default: a new id]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Which customers are scored.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Whom {
    /// Who bought before the date
    All,
    /// Who bought within the widest window of the models' populations
    Active,
    /// Everybody with a line before the date; without a purchase the answer is the population's
    Known,
}

impl ScoreArgs {
    /// Whether no server is asked.
    pub(super) fn is_local(&self) -> bool {
        self.local
    }
}

impl Whom {
    const fn population(self) -> Population {
        match self {
            Self::All => Population::All,
            Self::Active => Population::Active,
            Self::Known => Population::Known,
        }
    }

    const fn wire(self) -> ScoringPopulation {
        match self {
            Self::All => ScoringPopulation::All,
            Self::Active => ScoringPopulation::Active,
            Self::Known => ScoringPopulation::Known,
        }
    }
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
    if args.config != ConfigArgs::default() {
        let expected = "--local beside the flags of the configuration";
        return Err(InvalidArgument::new("--local", expected, "a question to a server").into());
    }
    let model = |text: &String| {
        let model = ModelReference::parse(text)?;
        let selector = model.selector();
        Ok::<_, InvalidArgument>(ScoringModel { model: model.name, selector })
    };
    let table = |(path, key_column): (PathBuf, String)| {
        Ok::<_, Failure>(ScoringTable { uri: absolute(&path)?, key_column })
    };
    let format = match format(&args.file)? {
        ScoreFormat::Parquet => ScoringFormat::Parquet,
        ScoreFormat::Csv => ScoringFormat::Csv,
    };
    Ok(CreateScoringJobRequest {
        models: args.models.iter().map(model).collect::<Result<_, _>>()?,
        output_uri: absolute(&args.file)?,
        format: format.into(),
        as_of: time("--as-of", args.as_of.as_deref())?.map(wire_time),
        active_within_days: args.active_within_days,
        request_id: request_id(args.request_id),
        validate_only: false,
        population: args.population.wire().into(),
        explain: args.explain,
        table: args.table.zip(args.key).map(table).transpose()?,
    })
}

fn format(path: &Path) -> Result<ScoreFormat, InvalidArgument> {
    ScoreFormat::of_path(path).ok_or_else(|| {
        InvalidArgument::new("--file", "a name that ends in .parquet or .csv", path.display())
    })
}
