//! `patron train`: trains a new version of a model.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::grpc::proto::CreateTrainingJobRequest;
use crate::training::Recipe;

use super::arguments::{name, time};
use super::client::{Services, Session, request_id};
use super::exit::Failure;
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

/// Trains a version.
pub(super) async fn run(args: TrainArgs, session: &mut Session) -> Result<(), Failure> {
    let (no_wait, validate_only) = (args.no_wait, args.validate_only);
    let request = request(args)?;
    let services = session.connect().await?;
    let mut job = start(&services, request).await?;
    if validate_only {
        let text = "the arguments and the recipe hold; nothing was started".to_owned();
        return Ok(session.output.report(&Statement { json: json!({ "valid": true }), text })?);
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
    Ok(CreateTrainingJobRequest {
        model: name("MODEL", args.model)?,
        as_of: time("--as-of", args.as_of.as_deref())?.map(wire_time),
        recipe_toml: args.recipe.as_deref().map(recipe).transpose()?,
        seed: args.seed,
        request_id: request_id(args.request_id),
        validate_only: args.validate_only,
    })
}

/// The text of a recipe that holds.
fn recipe(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::data(path, error))?;
    Recipe::parse(&text).map_err(|error| Failure::data(path, error))?;
    Ok(text)
}
