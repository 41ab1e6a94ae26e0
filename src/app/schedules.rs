//! The schedules of recipes: what is due is queued as an ordinary job.
//!
//! Recipes are read at every look, so a change takes effect without a restart. A run is named by
//! its model, task and due time, and the queue takes each name once: any number of processes may
//! look. What was missed while nobody looked runs once, for the latest time. Schedules begin when
//! they are first seen, and anew when their expression changes; a clock that was put back begins
//! them anew too, and the names keep them from running a time twice.

mod look;
mod payload;

use std::sync::Arc;

use crate::repository::ModelName;
use crate::serving::{ModelCatalog, Predictor};
use crate::store::{ControlStore, JobRow, ScheduleState, StoreError};
use crate::training::{InvalidRecipe, Recipe, ScheduledTask};
use crate::transaction::{ShopClock, Timestamp};

use super::files::FileAccess;

pub(super) use self::look::Lookout;

/// How the request ids of scheduled jobs begin.
pub const SCHEDULE_PREFIX: &str = "schedule/";

/// The schedules of all recipes of a repository.
#[derive(Clone, Debug)]
pub struct Schedules {
    pub(super) control: Arc<ControlStore>,
    pub(super) catalog: Arc<ModelCatalog>,
    pub(super) predictor: Predictor,
    pub(super) files: FileAccess,
    pub(super) clock: ShopClock,
}

/// One schedule of one model.
#[derive(Clone, Debug)]
pub struct ScheduleStatus {
    /// What is done.
    pub task: ScheduledTask,
    /// When, by the shop's clock.
    pub cron: String,
    /// The next time; none while the recipe does not hold.
    pub next: Option<Timestamp>,
    /// The last time at which a job was queued.
    pub last: Option<Timestamp>,
    /// That job.
    pub last_job: Option<JobRow>,
    /// Why none can be queued, or could the last time; empty when one could.
    pub problem: String,
}

impl Schedules {
    /// The schedules of a model's recipe. Those of a recipe that does not hold any more are told as
    /// they were, with what is wrong.
    ///
    /// # Errors
    /// When the job store cannot be read.
    pub fn of(
        &self,
        model: &ModelName,
        recipe: Result<&Recipe, &InvalidRecipe>,
        now: Timestamp,
    ) -> Result<Vec<ScheduleStatus>, StoreError> {
        let mut found = Vec::new();
        for task in ScheduledTask::ALL {
            let cron = recipe.ok().and_then(|recipe| recipe.schedule()?.cron(task));
            if recipe.is_ok() && cron.is_none() {
                continue;
            }
            let known = self.control.schedule(model.as_str(), task.as_str())?;
            let text = match (cron, &known) {
                (Some(cron), _) => cron.to_string(),
                (None, Some(state)) => state.cron.clone(),
                (None, None) => continue,
            };
            let known = known.unwrap_or_else(|| ScheduleState::beginning(&text, now));
            let last_job = known.last_job.map(|job| self.control.job(job)).transpose()?.flatten();
            found.push(ScheduleStatus {
                task,
                next: cron.and_then(|cron| cron.next_after(now, &self.clock)),
                last: known.last_due,
                last_job,
                problem: recipe.err().map_or(known.problem, InvalidRecipe::to_string),
                cron: text,
            });
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
