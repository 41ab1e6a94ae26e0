//! `patron models`: shows models and versions, promotes and rolls back.

mod drift;
mod listing;
mod report;

use clap::{Args, Subcommand};
use serde_json::json;
use tonic::Status;

use crate::grpc::proto::{
    DeleteModelVersionRequest, GetModelRequest, GetModelVersionRequest, ListModelVersionsRequest,
    ListModelsRequest, Model, ModelVersion, SetModelAliasRequest,
};

use super::arguments::{ModelReference, name};
use super::client::{Services, Session, request_id};
use super::exit::Failure;
use super::output::Statement;

use self::listing::{Alias, ModelList, VersionDetails, VersionList};

/// Arguments of `patron models`.
#[derive(Args, Clone, Debug)]
pub(super) struct ModelsArgs {
    #[command(subcommand)]
    action: ModelsAction,
}

#[derive(Clone, Debug, Subcommand)]
enum ModelsAction {
    /// List models
    List,
    /// Show a model with its aliases and recipe
    Show {
        /// Name of the model
        name: String,
    },
    /// List the versions of a model, the newest first
    Versions {
        /// Name of the model
        name: String,
    },
    /// Show a version with its lineage and metrics
    Version {
        /// NAME, NAME@ALIAS or NAME/VERSION; NAME alone is its champion
        model: String,
        /// Also show the whole evaluation
        #[arg(long)]
        evaluation: bool,
    },
    /// Write a version as a page for people, with figures
    Report(report::ReportArgs),
    /// Point an alias to a version
    Promote {
        /// Name of the model
        name: String,
        /// Number of the version
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        version: i64,
        /// The alias
        #[arg(long, default_value = "champion")]
        alias: String,
        /// Make a version the champion that did not pass its gate; the audit says so
        #[arg(long)]
        force: bool,
    },
    /// Compare the customers of today with those that a version was judged on
    Drift(drift::DriftArgs),
    /// Point an alias back to the version that it pointed to before
    Rollback {
        /// Name of the model
        name: String,
        /// The alias
        #[arg(long, default_value = "champion")]
        alias: String,
    },
    /// Remove a version that no alias points to
    Delete {
        /// Name of the model
        name: String,
        /// Number of the version
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        version: i64,
    },
}

impl ModelsArgs {
    /// Whether `--output` names a file.
    pub(super) fn writes_file(&self) -> bool {
        matches!(self.action, ModelsAction::Report(_))
    }
}

/// Works with models.
pub(super) async fn run(args: ModelsArgs, session: &mut Session) -> Result<(), Failure> {
    match args.action {
        ModelsAction::List => {
            let models = list(&session.connect().await?).await?;
            session.output.report(&ModelList(models))?;
        }
        ModelsAction::Show { name: model } => {
            let request = GetModelRequest { model: name("NAME", model)? };
            let model = session.connect().await?.models().get_model(request).await?;
            session.output.report(&model.into_inner())?;
        }
        ModelsAction::Versions { name: model } => {
            let model = name("NAME", model)?;
            let versions = versions(&session.connect().await?, model).await?;
            session.output.report(&VersionList(versions))?;
        }
        ModelsAction::Version { model, evaluation } => {
            let model = ModelReference::parse(&model)?;
            let version = version(&session.connect().await?, &model).await?;
            session.output.report(&VersionDetails { version, evaluation })?;
        }
        ModelsAction::Report(args) => report::run(args, session).await?,
        ModelsAction::Promote { name, version, alias, force } => {
            promote(session, name, (version, force), alias).await?;
        }
        ModelsAction::Drift(args) => drift::run(args, session).await?,
        ModelsAction::Rollback { name, alias } => roll_back(session, name, alias).await?,
        ModelsAction::Delete { name, version } => delete(session, name, version).await?,
    }
    Ok(())
}

/// All models, page by page.
async fn list(services: &Services) -> Result<Vec<Model>, Status> {
    let mut models = Vec::new();
    let mut request = ListModelsRequest::default();
    loop {
        let page = services.models().list_models(request.clone()).await?.into_inner();
        models.extend(page.models);
        if page.next_page_token.is_empty() {
            return Ok(models);
        }
        request.page_token = page.next_page_token;
    }
}

/// All versions of a model, page by page.
async fn versions(services: &Services, model: String) -> Result<Vec<ModelVersion>, Status> {
    let mut versions = Vec::new();
    let mut request = ListModelVersionsRequest { model, ..Default::default() };
    loop {
        let page = services.models().list_model_versions(request.clone()).await?.into_inner();
        versions.extend(page.versions);
        if page.next_page_token.is_empty() {
            return Ok(versions);
        }
        request.page_token = page.next_page_token;
    }
}

/// One version with its evaluation.
pub(super) async fn version(
    services: &Services,
    model: &ModelReference,
) -> Result<ModelVersion, Status> {
    let request = GetModelVersionRequest { model: model.name.clone(), selector: model.selector() };
    Ok(services.models().get_model_version(request).await?.into_inner())
}

async fn promote(
    session: &mut Session,
    model: String,
    (version, force): (i64, bool),
    alias: String,
) -> Result<(), Failure> {
    let request = SetModelAliasRequest {
        model: name("NAME", model)?,
        alias: name("--alias", alias)?,
        version,
        etag: String::new(),
        request_id: request_id(None),
        force,
    };
    let alias = session.connect().await?.models().set_model_alias(request).await?.into_inner();
    Ok(session.output.report(&Alias(alias))?)
}

/// Goes back only if nobody moved the alias since it was read.
async fn roll_back(session: &mut Session, model: String, alias: String) -> Result<(), Failure> {
    let (model, alias) = (name("NAME", model)?, name("--alias", alias)?);
    let services = session.connect().await?;
    let request = GetModelRequest { model: model.clone() };
    let current = services.models().get_model(request).await?.into_inner().aliases;
    let Some(current) = current.into_iter().find(|current| current.alias == alias) else {
        return Err(Failure::Refused(format!("model {model} has no alias {alias}")));
    };
    if current.previous_version == 0 {
        let version = current.version;
        let problem = format!("{model}@{alias} never pointed to another version than {version}");
        return Err(Failure::Refused(problem));
    }
    let request = SetModelAliasRequest {
        model,
        alias,
        version: current.previous_version,
        etag: current.etag,
        request_id: request_id(None),
        force: false,
    };
    let alias = services.models().set_model_alias(request).await?.into_inner();
    Ok(session.output.report(&Alias(alias))?)
}

async fn delete(session: &mut Session, model: String, version: i64) -> Result<(), Failure> {
    let model = name("NAME", model)?;
    let statement = Statement {
        json: json!({ "model": model, "version": version, "deleted": true }),
        text: format!("{model}/{version} deleted"),
    };
    let request = DeleteModelVersionRequest { model, version, request_id: request_id(None) };
    session.connect().await?.models().delete_model_version(request).await?;
    Ok(session.output.report(&statement)?)
}
