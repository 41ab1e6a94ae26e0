//! `patron train`: trains a new version of a model.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::grpc::proto::CreateTrainingJobRequest;
use crate::model::FitRun;
use crate::training::{Recipe, TableColumns, TableRecipe};

use super::arguments::{InvalidArgument, name, time};
use super::client::{Services, Session, request_id};
use super::evaluation::columns_table;
use super::exit::Failure;
use super::import::absolute;
use super::job::{Job, wait};
use super::output::Statement;
use super::values::wire_time;

/// Arguments of `patron train`.
#[derive(Args, Clone, Debug)]
pub(super) struct TrainArgs {
    /// Name of the model, which is the name of its recipe's directory
    model: String,
    /// Use only what was known before this time or date [default: the server's present]
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Train with this recipe in TOML instead of the model's [default: the model's]
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Train on a CSV or Parquet table with one row per case instead of transactions
    #[arg(long, value_name = "FILE", requires = "label", conflicts_with = "recipe")]
    table: Option<PathBuf>,
    #[command(flatten)]
    columns: TableArgs,
    /// Let the champion of a forecast take in the periods that closed since, without a new fit
    #[arg(long, conflicts_with_all = ["recipe", "table", "seed"])]
    update: bool,
    /// Seed of all random choices [default: the recipe's]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Print the job and do not wait for it
    #[arg(long)]
    no_wait: bool,
    /// Only check the arguments and the recipe
    #[arg(long)]
    validate_only: bool,
    /// Makes the call safe to repeat [default: a new id]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// What the columns of a table are.
#[derive(Args, Clone, Debug)]
struct TableArgs {
    /// Column of the outcome
    #[arg(long, value_name = "COLUMN", requires = "table")]
    label: Option<String>,
    /// The label's text that is the event [default: yes, true or 1]
    #[arg(long, value_name = "TEXT", requires = "table")]
    event: Option<String>,
    /// Column of the case's key, which is no feature
    #[arg(long, value_name = "COLUMN", requires = "table")]
    id: Option<String>,
    /// Column of the time at which a row was known; the latest rows are then held out
    #[arg(long, value_name = "COLUMN", requires = "table")]
    time: Option<String>,
    /// Days from that time until the outcome is known
    #[arg(long, value_name = "DAYS", requires = "time")]
    horizon_days: Option<u32>,
    /// Columns that are no features
    #[arg(long, value_name = "COLUMN", requires = "table")]
    exclude: Vec<String>,
    /// Types of columns, instead of those that their values suggest: numeric, boolean, categorical
    #[arg(long = "type", value_name = "COLUMN=TYPE", requires = "table")]
    types: Vec<String>,
    /// What the model is: churn or propensity [default: churn]
    #[arg(long, value_name = "KIND", requires = "table",
        value_parser = clap::builder::PossibleValuesParser::new(["churn", "propensity"]))]
    kind: Option<String>,
    /// Who learns, as in a recipe [default: the kind's]
    #[arg(long, value_name = "NAME", requires = "table")]
    algorithm: Option<String>,
}

/// Trains a version.
pub(super) async fn run(args: TrainArgs, session: &mut Session) -> Result<(), Failure> {
    let (no_wait, validate_only) = (args.no_wait, args.validate_only);
    let request = request(args)?;
    let columns = validate_only.then(|| columns(&request)).transpose()?.flatten();
    let services = session.connect().await?;
    let mut job = start(&services, request).await?;
    if validate_only {
        let held = "the arguments and the recipe hold; nothing was started";
        let statement = match columns {
            None => Statement { json: json!({ "valid": true }), text: held.to_owned() },
            Some(columns) => {
                let table = columns_table(&columns.summaries, &columns.left_out);
                let json = json!({
                    "valid": true,
                    "columns": columns.summaries,
                    "left_out": columns.left_out,
                });
                Statement { json, text: format!("{table}\n{held}") }
            }
        };
        return Ok(session.output.report(&statement)?);
    }
    if !no_wait {
        job = wait(&services, job).await?;
    }
    job.conclude(&mut session.output)
}

/// Starts a training.
pub(super) async fn start(
    services: &Services,
    request: CreateTrainingJobRequest,
) -> Result<Job, Failure> {
    let response = services.training().create_training_job(request).await?;
    Ok(response.into_inner().into())
}

fn request(args: TrainArgs) -> Result<CreateTrainingJobRequest, Failure> {
    let recipe_toml = match (&args.recipe, &args.table) {
        (Some(path), _) => Some(recipe(path)?),
        (None, Some(path)) => Some(args.columns.recipe(path)?),
        (None, None) => None,
    };
    Ok(CreateTrainingJobRequest {
        model: name("MODEL", args.model)?,
        as_of: time("--as-of", args.as_of.as_deref())?.map(wire_time),
        recipe_toml,
        seed: args.seed,
        request_id: request_id(args.request_id),
        validate_only: args.validate_only,
        update: args.update,
    })
}

/// The text of a recipe that holds.
fn recipe(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::data(path, error))?;
    Recipe::parse(&text).map_err(|error| Failure::data(path, error))?;
    Ok(text)
}

/// The columns of the table of a request that can be read here; none without a table.
fn columns(request: &CreateTrainingJobRequest) -> Result<Option<TableColumns>, Failure> {
    let recipe = request.recipe_toml.as_deref().map(Recipe::parse);
    let Some(Ok(recipe)) = recipe else { return Ok(None) };
    let Some((_, table)) = recipe.table() else { return Ok(None) };
    let columns = TableColumns::read(table, &FitRun::quiet(0));
    columns.map(Some).map_err(|error| Failure::data(&table.path, error))
}

impl TableArgs {
    /// The text of the recipe that the arguments make.
    fn recipe(&self, path: &Path) -> Result<String, Failure> {
        let kind_of = |pair: &String| {
            let wrong = || InvalidArgument::new("--type", "COLUMN=TYPE", pair);
            let (column, kind) = pair.rsplit_once('=').ok_or_else(wrong)?;
            let kind = toml::Value::from(kind).try_into().map_err(|_| wrong())?;
            Ok((column.to_owned(), kind))
        };
        let types = self.types.iter().map(kind_of).collect::<Result<_, InvalidArgument>>()?;
        let table = TableRecipe {
            event: self.event.clone(),
            id: self.id.clone(),
            time: self.time.clone(),
            horizon_days: self.horizon_days.unwrap_or_default(),
            exclude: self.exclude.clone(),
            types,
            ..TableRecipe::new(absolute(path)?.into(), self.label.clone().unwrap_or_default())
        };
        let table = toml::Table::try_from(table).map_err(|error| Failure::data(path, error))?;
        let mut recipe = toml::Table::new();
        let kind = self.kind.as_deref().unwrap_or("churn");
        recipe.insert("kind".to_owned(), kind.into());
        if let Some(algorithm) = &self.algorithm {
            recipe.insert("algorithm".to_owned(), algorithm.as_str().into());
        }
        recipe.insert("table".to_owned(), table.into());
        let text = recipe.to_string();
        Recipe::parse(&text).map_err(|error| Failure::data(path, error))?;
        Ok(text)
    }
}
