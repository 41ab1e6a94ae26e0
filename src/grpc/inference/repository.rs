//! What there is, and how often it has answered.

use std::sync::Arc;

use tonic::Status;

use super::resolve;
use crate::app::App;
use crate::grpc::proto::inference as proto;
use crate::grpc::proto::inference::repository_index_response::ModelIndex;
use crate::grpc::status::{from_name, from_repository, invalid_field};
use crate::repository::{ModelName, RepositoryError, Version};
use crate::serving::{DurationTotal, ServedModel, StatisticsSnapshot, VersionState};

/// All models and versions, with their states.
pub(super) fn index(
    app: &App,
    request: &proto::RepositoryIndexRequest,
) -> Result<proto::RepositoryIndexResponse, Status> {
    let proto::RepositoryIndexRequest { repository_name, ready } = request;
    if !repository_name.is_empty() {
        let problem = "expected none: there is one repository and it has no name";
        return Err(invalid_field("repository_name", problem));
    }
    let fail = |error: RepositoryError| from_repository(&error);
    let repository = app.catalog().repository();
    let mut models = Vec::new();
    for name in repository.models().map_err(fail)? {
        let versions = repository.versions(&name).map_err(fail)?;
        if versions.is_empty() {
            models.push(entry(&name, String::new(), Some("not trained yet".to_owned())));
        }
        let of_version =
            |version: &Version| entry(&name, version.to_string(), problem(app, &name, *version));
        models.extend(versions.iter().map(of_version));
    }
    models.retain(|model| !ready || model.reason.is_empty());
    Ok(proto::RepositoryIndexResponse { models })
}

/// Why a version cannot answer, as far as is known.
fn problem(app: &App, name: &ModelName, version: Version) -> Option<String> {
    match app.catalog().version_state(name, version) {
        VersionState::Failed(reason) => Some(reason),
        VersionState::Ready => {
            let manifest = app.catalog().repository().manifest(name, version);
            manifest.err().map(|error| error.to_string())
        }
    }
}

fn entry(name: &ModelName, version: String, problem: Option<String>) -> ModelIndex {
    let state = if problem.is_none() { "READY" } else { "UNAVAILABLE" };
    let (name, state) = (name.to_string(), state.to_owned());
    ModelIndex { name, version, state, reason: problem.unwrap_or_default() }
}

/// The figures of the versions that are meant.
pub(super) fn statistics(
    app: &App,
    request: &proto::ModelStatisticsRequest,
) -> Result<proto::ModelStatisticsResponse, Status> {
    let meant = meant(app, request)?;
    let model_stats = meant.iter().map(|served| of_version(served)).collect();
    Ok(proto::ModelStatisticsResponse { model_stats })
}

fn meant(
    app: &App,
    request: &proto::ModelStatisticsRequest,
) -> Result<Vec<Arc<ServedModel>>, Status> {
    let proto::ModelStatisticsRequest { name, version } = request;
    let mut loaded = app.catalog().loaded();
    match (name.is_empty(), version.is_empty()) {
        (true, true) => {}
        (true, false) => {
            return Err(invalid_field("version", "expected none where no name is given"));
        }
        (false, false) => return Ok(vec![resolve(app, ("name", name), ("version", version))?]),
        (false, true) => {
            let model: ModelName = name.parse().map_err(|error| from_name("name", &error))?;
            let known = app.catalog().repository().versions(&model);
            known.map_err(|error| from_repository(&error))?;
            loaded.retain(|served| served.manifest().model == model);
        }
    }
    Ok(loaded)
}

fn of_version(served: &ServedModel) -> proto::ModelStatistics {
    let StatisticsSnapshot { success, fail, queue, input, infer, output, rows, last_millis } =
        served.statistics().snapshot();
    proto::ModelStatistics {
        name: served.manifest().model.to_string(),
        version: served.manifest().version.to_string(),
        last_inference: last_millis,
        inference_count: rows,
        execution_count: success.count,
        inference_stats: Some(proto::InferStatistics {
            success: Some(wire(success)),
            fail: Some(wire(fail)),
            queue: Some(wire(queue)),
            compute_input: Some(wire(input)),
            compute_infer: Some(wire(infer)),
            compute_output: Some(wire(output)),
        }),
    }
}

fn wire(total: DurationTotal) -> proto::StatisticDuration {
    proto::StatisticDuration { count: total.count, ns: total.nanos }
}
