//! The schedules of a model, for the wire.

use tonic::Status;

use crate::app::{App, ScheduleStatus};
use crate::repository::ModelName;
use crate::store::JobRow;
use crate::training::{InvalidRecipe, Recipe, ScheduledTask};
use crate::transaction::Timestamp;

use super::convert::wire_time;
use super::jobs::wire_state;
use super::proto;
use super::status::from_store;

/// What a recipe schedules, and how far that is.
pub(super) fn of(
    app: &App,
    model: &ModelName,
    recipe: Result<&Recipe, &InvalidRecipe>,
) -> Result<Vec<proto::ModelSchedule>, Status> {
    let found = app.schedules().of(model, recipe, Timestamp::now());
    let found = found.map_err(|error| from_store(&error))?;
    let zone = app.config().clock.name();
    Ok(found.into_iter().map(|status| wire(status, zone)).collect())
}

fn wire(status: ScheduleStatus, zone: &str) -> proto::ModelSchedule {
    let ScheduleStatus { task, cron, next, last, last_job, problem } = status;
    let task = match task {
        ScheduledTask::Retrain => proto::ScheduledTask::Retrain,
        ScheduledTask::Drift => proto::ScheduledTask::Drift,
        ScheduledTask::Score => proto::ScheduledTask::Score,
    };
    let state = |job: &JobRow| wire_state(job.state) as i32;
    proto::ModelSchedule {
        task: task as i32,
        cron,
        time_zone: zone.to_owned(),
        next_time: next.map(wire_time),
        last_time: last.map(wire_time),
        last_job_state: last_job.as_ref().map(state).unwrap_or_default(),
        last_job_id: last_job.map(|job| job.id.to_string()).unwrap_or_default(),
        problem,
    }
}
