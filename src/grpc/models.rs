//! `ModelService`: what there is, which version is the champion.

use std::sync::Arc;

use tonic::{Code, Request, Response, Status};

use crate::access::Principal;
use crate::app::App;
use crate::dataset::{ColumnType, InputColumn, InputSchema};
use crate::model::CancelToken;
use crate::repository::{
    Alias, AliasName, Aliases, Manifest, ModelName, ModelRepository, RepositoryError, Version,
};
use crate::serving::{Selector, VersionState};
use crate::training::Recipe;

use super::access::{audit, caller};
use super::behind::Behind;
use super::convert::{
    Page, required_alias, required_model, selector, version, wire_kind, wire_metric, wire_time,
};
use super::drift;
use super::proto::{self, model_service_server::ModelService};
use super::repeat::once;
use super::report;
use super::schedules;
use super::status::{from_repository, invalid_field, status};

/// Serves the repository.
#[derive(Clone, Debug)]
pub(super) struct Models {
    app: Arc<App>,
    /// Looks at all customers.
    looks: Behind,
    /// Everything else that is asked of the repository.
    calls: Behind,
}

/// Calls that are worked on at once.
const CALLS: usize = 4;

impl Models {
    pub(super) fn new(app: Arc<App>) -> Self {
        let priority = app.config().job_priority;
        Self { app, looks: Behind::new(1, priority), calls: Behind::new(CALLS, priority) }
    }

    async fn answered<T: Send + 'static>(
        &self,
        work: impl FnOnce(&App) -> Result<T, Status> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        let app = Arc::clone(&self.app);
        self.calls.take(move |_| work(&app)).await.map(Response::new)
    }
}

#[tonic::async_trait]
impl ModelService for Models {
    async fn list_models(
        &self,
        request: Request<proto::ListModelsRequest>,
    ) -> Result<Response<proto::ListModelsResponse>, Status> {
        self.answered(move |app| list(app, request.into_inner())).await
    }

    async fn get_model(
        &self,
        request: Request<proto::GetModelRequest>,
    ) -> Result<Response<proto::Model>, Status> {
        let proto::GetModelRequest { model } = request.into_inner();
        let model = required_model(&model)?;
        self.answered(move |app| wire_model(app, &model)).await
    }

    async fn list_model_versions(
        &self,
        request: Request<proto::ListModelVersionsRequest>,
    ) -> Result<Response<proto::ListModelVersionsResponse>, Status> {
        self.answered(move |app| versions(app, request.into_inner())).await
    }

    async fn get_model_version(
        &self,
        request: Request<proto::GetModelVersionRequest>,
    ) -> Result<Response<proto::ModelVersion>, Status> {
        self.answered(move |app| get_version(app, request.into_inner())).await
    }

    async fn get_model_drift(
        &self,
        request: Request<proto::GetModelDriftRequest>,
    ) -> Result<Response<proto::ModelDrift>, Status> {
        let (app, request) = (Arc::clone(&self.app), request.into_inner());
        let look = move |cancel: &CancelToken| drift::get(&app, request, cancel);
        self.looks.take(look).await.map(Response::new)
    }

    async fn get_model_version_report(
        &self,
        request: Request<proto::GetModelVersionReportRequest>,
    ) -> Result<Response<proto::ModelVersionReport>, Status> {
        let (app, request) = (Arc::clone(&self.app), request.into_inner());
        if !request.include_drift {
            return self
                .answered(move |app| report::get(app, request, &CancelToken::default()))
                .await;
        }
        let look = move |cancel: &CancelToken| report::get(&app, request, cancel);
        self.looks.take(look).await.map(Response::new)
    }

    async fn set_model_alias(
        &self,
        request: Request<proto::SetModelAliasRequest>,
    ) -> Result<Response<proto::ModelAlias>, Status> {
        let caller = caller(&request);
        self.answered(move |app| set_alias(app, &caller, &request.into_inner())).await
    }

    async fn delete_model_alias(
        &self,
        request: Request<proto::DeleteModelAliasRequest>,
    ) -> Result<Response<proto::DeleteModelAliasResponse>, Status> {
        let caller = caller(&request);
        self.answered(move |app| delete_alias(app, &caller, &request.into_inner())).await
    }

    async fn delete_model_version(
        &self,
        request: Request<proto::DeleteModelVersionRequest>,
    ) -> Result<Response<proto::DeleteModelVersionResponse>, Status> {
        let caller = caller(&request);
        self.answered(move |app| delete_version(app, &caller, &request.into_inner())).await
    }
}

fn list(app: &App, request: proto::ListModelsRequest) -> Result<proto::ListModelsResponse, Status> {
    let proto::ListModelsRequest { page_size, page_token, kind } = request;
    let page = Page::new(page_size, page_token)?;
    if proto::ModelKind::try_from(kind).is_err() {
        return Err(invalid_field("kind", format!("expected a known kind, found {kind}")));
    }
    let names = repository(app).models().map_err(|error| from_repository(&error))?;
    let models = names.iter().map(|name| wire_model(app, name)).collect::<Result<Vec<_>, _>>()?;
    let wanted = |model: &proto::Model| kind == 0 || model.kind == kind;
    let (models, next_page_token) = page.cut(models.into_iter().filter(wanted).collect())?;
    Ok(proto::ListModelsResponse { models, next_page_token })
}

fn wire_model(app: &App, name: &ModelName) -> Result<proto::Model, Status> {
    let fail = |error: RepositoryError| from_repository(&error);
    let repository = repository(app);
    let versions = repository.versions(name).map_err(fail)?;
    let aliases = repository.aliases(name).map_err(fail)?;
    let recipe_toml = repository.recipe(name).unwrap_or_default();
    let recipe = Recipe::parse(&recipe_toml);
    let of_recipe = recipe.as_ref().ok().map(Recipe::kind);
    let of_latest = || {
        let latest = versions.last()?;
        repository.manifest(name, *latest).ok().map(|manifest| manifest.kind)
    };
    let kind = of_recipe.or_else(of_latest).map_or(proto::ModelKind::Unspecified, wire_kind);
    Ok(proto::Model {
        name: name.to_string(),
        kind: kind as i32,
        aliases: aliases
            .iter()
            .map(|(alias, target)| wire_alias(name, alias, target, aliases.etag()))
            .collect(),
        latest_version: versions.last().map_or(0, |version| *version as i64),
        version_count: versions.len() as u32,
        schedules: schedules::of(app, name, recipe.as_ref())?,
        recipe_toml,
    })
}

fn versions(
    app: &App,
    request: proto::ListModelVersionsRequest,
) -> Result<proto::ListModelVersionsResponse, Status> {
    let proto::ListModelVersionsRequest { model, page_size, page_token } = request;
    let name = required_model(&model)?;
    let page = Page::new(page_size, page_token)?;
    let fail = |error: RepositoryError| from_repository(&error);
    let mut numbers = repository(app).versions(&name).map_err(fail)?;
    numbers.reverse();
    let aliases = repository(app).aliases(&name).map_err(fail)?;
    let (numbers, next_page_token) = page.cut(numbers)?;
    let versions =
        numbers.into_iter().map(|number| wire_version(app, &name, number, &aliases)).collect();
    Ok(proto::ListModelVersionsResponse { versions, next_page_token })
}

fn get_version(
    app: &App,
    request: proto::GetModelVersionRequest,
) -> Result<proto::ModelVersion, Status> {
    let proto::GetModelVersionRequest { model, selector: wire_selector } = request;
    let name = required_model(&model)?;
    let number = version_number(app, &name, wire_selector)?;
    let aliases = repository(app).aliases(&name).map_err(|error| from_repository(&error))?;
    let mut wire = wire_version(app, &name, number, &aliases);
    if wire.state() == proto::ModelVersionState::Ready {
        // Whether a version that no alias points at can answer shows when it is loaded.
        if let Err(error) = app.catalog().resolve(&name, &Selector::Version(number)) {
            wire.set_state(proto::ModelVersionState::Failed);
            wire.state_reason = error.to_string();
        }
    }
    if let Ok(manifest) = repository(app).manifest(&name, number) {
        wire.manifest_json = serde_json::to_string(&manifest).unwrap_or_default();
        wire.input_columns = input_columns(manifest.input_schema.unwrap_or_default());
    }
    wire.evaluation_json = repository(app).evaluation(&name, number).unwrap_or_default();
    Ok(wire)
}

/// The number of the version that is meant, which is there.
pub(super) fn version_number(
    app: &App,
    name: &ModelName,
    wire_selector: Option<proto::ModelSelector>,
) -> Result<Version, Status> {
    let fail = |error: RepositoryError| from_repository(&error);
    let number = match selector(wire_selector)? {
        Selector::Version(number) => number,
        Selector::Alias(alias) => repository(app).version_at(name, &alias).map_err(fail)?,
    };
    if !repository(app).versions(name).map_err(fail)?.contains(&number) {
        return Err(fail(RepositoryError::UnknownVersion { model: name.clone(), version: number }));
    }
    Ok(number)
}

/// A version for the wire; one whose manifest cannot be read is told of with the reason.
fn wire_version(
    app: &App,
    name: &ModelName,
    number: Version,
    aliases: &Aliases,
) -> proto::ModelVersion {
    let manifest = repository(app).manifest(name, number);
    let (state, state_reason) = match (&manifest, app.catalog().version_state(name, number)) {
        (Err(error), _) => (proto::ModelVersionState::Failed, error.to_string()),
        (Ok(_), VersionState::Failed(reason)) => (proto::ModelVersionState::Failed, reason),
        (Ok(_), VersionState::Ready) => (proto::ModelVersionState::Ready, String::new()),
    };
    let pointing = aliases.iter().filter(|(_, target)| target.version == number);
    let wire = proto::ModelVersion {
        model: name.to_string(),
        version: number as i64,
        state: state as i32,
        state_reason,
        aliases: pointing.map(|(alias, _)| alias.to_string()).collect(),
        model_bytes: repository(app).model_bytes(name, number),
        ..proto::ModelVersion::default()
    };
    match manifest {
        Ok(manifest) => described(wire, manifest),
        Err(_) => wire,
    }
}

fn input_columns(schema: InputSchema) -> Vec<proto::InputColumn> {
    let wire = |column: InputColumn| proto::InputColumn {
        name: column.name,
        r#type: column.column_type.kind().as_str().to_owned(),
        levels: match column.column_type {
            ColumnType::Categorical { levels } => levels,
            ColumnType::Numeric | ColumnType::Boolean => Vec::new(),
        },
    };
    schema.columns.into_iter().map(wire).collect()
}

fn described(wire: proto::ModelVersion, manifest: Manifest) -> proto::ModelVersion {
    let promotes = Recipe::parse(&manifest.recipe).is_ok_and(|recipe| recipe.promotes());
    let label = manifest.label;
    proto::ModelVersion {
        kind: wire_kind(manifest.kind) as i32,
        algorithm: manifest.algorithm,
        create_time: Some(wire_time(manifest.created_at)),
        trained_as_of: Some(wire_time(manifest.data.as_of)),
        model_digest: manifest.model_sha256,
        schema_digest: manifest.feature_schema_digest.unwrap_or_default(),
        data_digest: manifest.data.digest,
        seed: manifest.seed,
        code_version: manifest.code_version,
        training_job_id: manifest.training_job,
        event: label.as_ref().map(|label| label.event.clone()).unwrap_or_default(),
        horizon_days: label.as_ref().map_or(0, |label| label.horizon_days),
        population: label.map(|label| label.population).unwrap_or_default(),
        promoted: manifest.gate.passed && promotes,
        gate_passed: manifest.gate.passed,
        updated_from: manifest.updated_from.unwrap_or_default() as i64,
        holdout_time: manifest.data.holdout.map(wire_time),
        promotion_reason: manifest.gate.reason,
        metrics: manifest.metrics.iter().map(wire_metric).collect(),
        ..wire
    }
}

fn set_alias(
    app: &App,
    caller: &Principal,
    request: &proto::SetModelAliasRequest,
) -> Result<proto::ModelAlias, Status> {
    let name = required_model(&request.model)?;
    let alias = required_alias(&request.alias)?;
    let number = version(request.version)?;
    let etag = Some(request.etag.as_str()).filter(|etag| !etag.is_empty());
    once(app.control(), "SetModelAlias", &request.request_id, request, || {
        let fail = |error: RepositoryError| from_repository(&error);
        let passes = passes_gate(app, &name, &alias, number)?;
        if !passes && !request.force {
            return Err(gate_not_passed(app, &name, number));
        }
        let target = repository(app).set_alias(&name, &alias, number, etag).map_err(fail)?;
        app.catalog().refresh().map_err(fail)?;
        let detail = format!("{alias} -> {number}");
        let action = if passes { "alias.set" } else { "alias.force" };
        audit(app, caller, action, (name.as_str(), &detail))?;
        let etag = repository(app).aliases(&name).map_err(fail)?.etag();
        Ok(wire_alias(&name, &alias, &target, etag))
    })
}

/// Whether an alias may move to a version: `champion` only to one that passed its gate, or to the
/// one that it pointed to before. What is not there is told by the move itself.
fn passes_gate(
    app: &App,
    name: &ModelName,
    alias: &AliasName,
    number: Version,
) -> Result<bool, Status> {
    if *alias != AliasName::champion() {
        return Ok(true);
    }
    let aliases = repository(app).aliases(name).map_err(|error| from_repository(&error))?;
    let was_there = |target: &Alias| target.version == number || target.previous == Some(number);
    let passed = repository(app).manifest(name, number).map(|manifest| manifest.gate.passed);
    Ok(aliases.get(alias).is_some_and(was_there) || passed.unwrap_or(true))
}

fn gate_not_passed(app: &App, name: &ModelName, number: Version) -> Status {
    let manifest = repository(app).manifest(name, number);
    let reason = manifest.map(|manifest| manifest.gate.reason).unwrap_or_default();
    let message =
        format!("{name}/{number} did not pass its gate: {reason}; set force to promote it anyway");
    status(Code::FailedPrecondition, "GATE_NOT_PASSED", message)
}

fn delete_alias(
    app: &App,
    caller: &Principal,
    request: &proto::DeleteModelAliasRequest,
) -> Result<proto::DeleteModelAliasResponse, Status> {
    let name = required_model(&request.model)?;
    let alias = required_alias(&request.alias)?;
    let etag = Some(request.etag.as_str()).filter(|etag| !etag.is_empty());
    once(app.control(), "DeleteModelAlias", &request.request_id, request, || {
        let fail = |error: RepositoryError| from_repository(&error);
        repository(app).delete_alias(&name, &alias, etag).map_err(fail)?;
        app.catalog().refresh().map_err(fail)?;
        audit(app, caller, "alias.delete", (name.as_str(), alias.as_str()))?;
        Ok(proto::DeleteModelAliasResponse {})
    })
}

fn delete_version(
    app: &App,
    caller: &Principal,
    request: &proto::DeleteModelVersionRequest,
) -> Result<proto::DeleteModelVersionResponse, Status> {
    let name = required_model(&request.model)?;
    let number = version(request.version)?;
    once(app.control(), "DeleteModelVersion", &request.request_id, request, || {
        let deleted = repository(app).delete_version(&name, number);
        deleted.map_err(|error| from_repository(&error))?;
        app.catalog().forget(&name, number);
        audit(app, caller, "version.delete", (name.as_str(), &number.to_string()))?;
        Ok(proto::DeleteModelVersionResponse {})
    })
}

fn wire_alias(
    model: &ModelName,
    alias: &AliasName,
    target: &Alias,
    etag: String,
) -> proto::ModelAlias {
    proto::ModelAlias {
        model: model.to_string(),
        alias: alias.to_string(),
        version: target.version as i64,
        previous_version: target.previous.map_or(0, |version| version as i64),
        update_time: Some(wire_time(target.moved_at)),
        etag,
    }
}

fn repository(app: &App) -> &ModelRepository {
    app.catalog().repository()
}
