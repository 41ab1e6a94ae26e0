//! `TrainingService`: trainings as jobs.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::app::App;
use crate::jobs::JobPayload;
use crate::model::ModelKind;
use crate::repository::{ModelName, RepositoryError};
use crate::store::{JobKind, JobRow};
use crate::training::{Recipe, TrainingRequest, TrainingResult};

use super::access::{audit_job, caller};
use super::answered;
use super::convert::{Page, check_request_id, required_model, time, wire_metric, wire_time};
use super::jobs::{self, JobHead, ListOf, Watched};
use super::proto::{self, training_service_server::TrainingService};
use super::repeat::{fingerprint, reused};
use super::status::{from_path, from_recipe, from_repository, from_store, invalid, invalid_field};

/// Serves trainings.
#[derive(Clone, Debug)]
pub(super) struct Trainings {
    app: Arc<App>,
}

impl Trainings {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl TrainingService for Trainings {
    type WatchTrainingJobStream = Watched<proto::TrainingJob>;

    async fn create_training_job(
        &self,
        request: Request<proto::CreateTrainingJobRequest>,
    ) -> Result<Response<proto::TrainingJob>, Status> {
        let caller = caller(&request);
        answered(&self.app, move |app| {
            let job = create(app, request.into_inner())?;
            audit_job(app, &caller, "training.create", (&job.model, &job.job_id))?;
            Ok(job)
        })
        .await
    }

    async fn get_training_job(
        &self,
        request: Request<proto::GetTrainingJobRequest>,
    ) -> Result<Response<proto::TrainingJob>, Status> {
        let proto::GetTrainingJobRequest { job_id } = request.into_inner();
        answered(&self.app, move |app| Ok(wire(app, &jobs::find(app, JobKind::Training, &job_id)?)))
            .await
    }

    async fn list_training_jobs(
        &self,
        request: Request<proto::ListTrainingJobsRequest>,
    ) -> Result<Response<proto::ListTrainingJobsResponse>, Status> {
        let proto::ListTrainingJobsRequest { page_size, page_token, state, model } =
            request.into_inner();
        let page = Page::new(page_size, page_token)?;
        answered(&self.app, move |app| {
            let wanted = ListOf { kind: JobKind::Training, page, state, subject: model };
            let (found, next_page_token) = jobs::list(app, &wanted)?;
            let jobs = found.iter().map(|job| wire(app, job)).collect();
            Ok(proto::ListTrainingJobsResponse { jobs, next_page_token })
        })
        .await
    }

    async fn watch_training_job(
        &self,
        request: Request<proto::WatchTrainingJobRequest>,
    ) -> Result<Response<Self::WatchTrainingJobStream>, Status> {
        let proto::WatchTrainingJobRequest { job_id } = request.into_inner();
        jobs::watch(Arc::clone(&self.app), JobKind::Training, job_id, wire).await
    }

    async fn cancel_training_job(
        &self,
        request: Request<proto::CancelTrainingJobRequest>,
    ) -> Result<Response<proto::TrainingJob>, Status> {
        let caller = caller(&request);
        let proto::CancelTrainingJobRequest { job_id, request_id } = request.into_inner();
        check_request_id(&request_id)?;
        answered(&self.app, move |app| {
            let job = wire(app, &jobs::cancel(app, JobKind::Training, &job_id)?);
            audit_job(app, &caller, "training.cancel", (&job.model, &job.job_id))?;
            Ok(job)
        })
        .await
    }
}

fn create(
    app: &App,
    request: proto::CreateTrainingJobRequest,
) -> Result<proto::TrainingJob, Status> {
    let fingerprint = fingerprint(&request);
    let proto::CreateTrainingJobRequest {
        model,
        as_of,
        recipe_toml,
        seed,
        request_id,
        validate_only,
        update,
    } = request;
    check_request_id(&request_id)?;
    let model = required_model(&model)?;
    let beside = [("recipe_toml", recipe_toml.is_some()), ("seed", seed.is_some())];
    if let Some((field, _)) = beside.iter().find(|(_, given)| update && *given) {
        return Err(invalid_field(*field, "expected none beside update: the champion's own stay"));
    }
    let text = match &recipe_toml {
        Some(text) => text.clone(),
        None => recipe_of(app, &model, update).map_err(|error| from_repository(&error))?,
    };
    let recipe = Recipe::parse(&text).map_err(|error| from_recipe(&error))?;
    if update && recipe.kind() != ModelKind::Forecast {
        let problem = format!("expected a forecast, found {}; train it anew", recipe.kind());
        return Err(invalid("WRONG_MODEL_KIND", "update", problem));
    }
    for (key, path) in recipe.files() {
        // The job opens the path as it stands in the recipe, maybe in another directory.
        if !path.is_absolute() {
            let problem = format!("{key}: expected an absolute path, found {path:?}");
            return Err(invalid("INVALID_RECIPE", "recipe_toml", problem));
        }
        app.allowed_path(path).map_err(|error| from_path(&error))?;
    }
    let as_of = as_of.as_ref().map(time);
    let payload = TrainingRequest { model, as_of, recipe: recipe_toml, seed, update, drift: None };
    if validate_only {
        return Ok(wire_parts(JobHead::validated(&request_id), payload, text, None));
    }
    let job = app.enqueue(JobPayload::Training(payload), &request_id, &fingerprint);
    let job = job.map_err(|error| from_store(&error))?;
    if job.fingerprint != fingerprint {
        return Err(reused(&request_id));
    }
    Ok(wire(app, &job))
}

/// What a training without a recipe of its own goes by.
fn recipe_of(app: &App, model: &ModelName, update: bool) -> Result<String, RepositoryError> {
    let repository = app.catalog().repository();
    if update { repository.recipe_of_champion(model) } else { repository.recipe(model) }
}

fn wire(app: &App, job: &JobRow) -> proto::TrainingJob {
    let Ok(JobPayload::Training(request)) = serde_json::from_str(&job.payload) else {
        // Not this program's payload: the head is all there is to tell.
        return head(JobHead::of(job));
    };
    let recipe = match &request.recipe {
        Some(text) => text.clone(),
        None => recipe_of(app, &request.model, request.update).unwrap_or_default(),
    };
    let result = job.result.as_deref().and_then(|text| serde_json::from_str(text).ok());
    wire_parts(JobHead::of(job), request, recipe, result)
}

fn wire_parts(
    job_head: JobHead,
    request: TrainingRequest,
    recipe: String,
    result: Option<TrainingResult>,
) -> proto::TrainingJob {
    let recipe_seed = Recipe::parse(&recipe).map(|recipe| recipe.seed()).unwrap_or_default();
    proto::TrainingJob {
        model: request.model.to_string(),
        as_of: request.as_of.or(result.as_ref().map(|result| result.as_of)).map(wire_time),
        seed: request.seed.unwrap_or(recipe_seed),
        update: request.update,
        recipe_toml: recipe,
        result: result.map(|result| proto::TrainingResult {
            version: result.version.map_or(0, |version| version as i64),
            promoted: result.promoted,
            promotion_reason: result.reason,
            metrics: result.metrics.iter().map(wire_metric).collect(),
        }),
        ..head(job_head)
    }
}

fn head(head: JobHead) -> proto::TrainingJob {
    proto::TrainingJob {
        job_id: head.job_id,
        state: head.state,
        progress: head.progress,
        create_time: head.create_time,
        start_time: head.start_time,
        end_time: head.end_time,
        attempt: head.attempt,
        error: head.error,
        request_id: head.request_id,
        ..proto::TrainingJob::default()
    }
}
