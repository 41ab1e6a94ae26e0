//! One look at all schedules: what is due is queued.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::repository::{ModelName, RepositoryError};
use crate::store::{Change, JobRow, ScheduleState, StoreError};
use crate::training::{Recipe, Schedule, ScheduledTask};
use crate::transaction::Timestamp;

use super::{SCHEDULE_PREFIX, Schedules};

/// So long a schedule may be away and goes on where it was when it comes back.
const AWAY: Duration = Duration::from_secs(60);

/// What a thread keeps from one look to the next: a look at which nothing is due compares texts and
/// times, and asks no database.
#[derive(Debug, Default)]
pub(in crate::app) struct Lookout {
    models: BTreeMap<ModelName, Watched>,
    /// Schedules that are known and stand in no recipe, by model and task, and since when.
    away: BTreeMap<(String, String), Timestamp>,
    /// When the last look ended well.
    last: Option<Timestamp>,
}

/// Why schedules cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(in crate::app) enum ScheduleError {
    /// The models.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The jobs.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The recipe of a model.
#[derive(Debug)]
struct Watched {
    /// Its text, or why it cannot be read.
    text: Result<String, String>,
    /// What the text says, where it holds.
    recipe: Option<Recipe>,
    /// No earlier time is due.
    next: BTreeMap<ScheduledTask, Timestamp>,
}

impl Watched {
    fn new(model: &ModelName, text: Result<String, String>) -> Self {
        let parsed =
            text.clone().and_then(|text| Recipe::parse(&text).map_err(|error| error.to_string()));
        if let Err(problem) = &parsed {
            tracing::warn!(%model, problem, "the recipe does not hold; its schedule rests");
        }
        Self { text, recipe: parsed.ok(), next: BTreeMap::new() }
    }

    fn schedule(&self) -> Option<&Schedule> {
        self.recipe.as_ref().and_then(Recipe::schedule)
    }

    /// Whether a task may still be scheduled here. A recipe that does not hold just now may come
    /// back as it was.
    fn keeps(&self, task: &str) -> bool {
        let is_it = |one: &ScheduledTask| one.as_str() == task;
        let task = ScheduledTask::ALL.into_iter().find(is_it);
        let scheduled = || task.and_then(|task| self.schedule()?.cron(task));
        self.recipe.is_none() || scheduled().is_some()
    }
}

impl Schedules {
    /// Queues what is due.
    pub(in crate::app) fn look(
        &self,
        lookout: &mut Lookout,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        // Not after a failure, nor when the clock was put back.
        let goes_on = lookout.last.take().is_some_and(|last| last <= now);
        let has_changed = self.read_recipes(lookout)?;
        for (model, watched) in &mut lookout.models {
            if !goes_on {
                watched.next.clear();
            }
            self.look_at(model, watched, now)?;
        }
        if has_changed || !goes_on || !lookout.away.is_empty() {
            self.forget(lookout, now)?;
        }
        lookout.last = Some(now);
        Ok(())
    }

    /// Whether a recipe came, went or changed.
    fn read_recipes(&self, lookout: &mut Lookout) -> Result<bool, RepositoryError> {
        let repository = self.catalog.repository();
        let mut before = std::mem::take(&mut lookout.models);
        let mut has_changed = false;
        for model in repository.models()? {
            let text = match repository.recipe(&model) {
                Ok(text) => Ok(text),
                Err(RepositoryError::NoRecipe { .. } | RepositoryError::UnknownModel { .. }) => {
                    continue;
                }
                Err(error) => Err(error.to_string()),
            };
            let watched = match before.remove(&model) {
                Some(known) if known.text == text => known,
                _ => {
                    has_changed = true;
                    Watched::new(&model, text)
                }
            };
            lookout.models.insert(model, watched);
        }
        Ok(has_changed || !before.is_empty())
    }

    fn look_at(
        &self,
        model: &ModelName,
        watched: &mut Watched,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        let Watched { recipe: Some(recipe), next, .. } = watched else {
            return Ok(());
        };
        let Some(schedule) = recipe.schedule() else {
            return Ok(());
        };
        for task in ScheduledTask::ALL {
            let Some(cron) = schedule.cron(task) else { continue };
            if next.get(&task).is_some_and(|next| now < *next) {
                continue;
            }
            let known = self.control.schedule(model.as_str(), task.as_str())?;
            let (mut state, is_new) = begun(known, &cron.to_string(), now);
            let due = cron.last_until(now, &self.clock);
            let due = due.filter(|due| *due > state.settled_until);
            if let Some(due) = due {
                if self.is_at_work(&state)? {
                    continue;
                }
                self.start(model, (recipe, task), due, &mut state)?;
            }
            if due.is_some() || is_new {
                self.control.settle_schedule(model.as_str(), task.as_str(), &state)?;
            }
            if let Some(time) = cron.next_after(now, &self.clock) {
                next.insert(task, time);
            }
        }
        Ok(())
    }

    /// Whether the run before still goes on. Then the next one waits, and is the latest one due
    /// when its turn comes.
    fn is_at_work(&self, state: &ScheduleState) -> Result<bool, StoreError> {
        let job = state.last_job.map(|job| self.control.job(job)).transpose()?.flatten();
        Ok(job.is_some_and(|job| !job.state.is_final()))
    }

    fn start(
        &self,
        model: &ModelName,
        (recipe, task): (&Recipe, ScheduledTask),
        due: Timestamp,
        state: &mut ScheduleState,
    ) -> Result<(), StoreError> {
        state.settled_until = due;
        match self.payload(model, recipe, task, due) {
            Ok(payload) => {
                let name = format!("{SCHEDULE_PREFIX}{model}/{task}/{due}");
                let job = self.control.enqueue(&payload.into_new_job(&name, &name))?;
                self.audit(&job)?;
                (state.last_due, state.last_job) = (Some(due), Some(job.id));
                state.problem.clear();
            }
            Err(problem) => {
                tracing::warn!(%model, %task, %due, problem, "scheduled job not queued");
                state.problem = problem;
            }
        }
        Ok(())
    }

    /// Writes down, and tells those who collect the log, that a job was queued.
    fn audit(&self, job: &JobRow) -> Result<(), StoreError> {
        let (who, action, detail) =
            ("schedule", format!("{}.create", job.kind), job.id.to_string());
        let (action, subject, detail) = (action.as_str(), job.subject.as_str(), detail.as_str());
        tracing::info!(target: "patron::audit", who, action, subject, detail, "a change");
        self.control.record(&Change { who, action, subject, detail })
    }

    /// Schedules that were taken out of their recipes begin anew when they come back, but not those
    /// that are away for a moment: many editors write a file by putting another in its place.
    fn forget(&self, lookout: &mut Lookout, now: Timestamp) -> Result<(), StoreError> {
        let before = std::mem::take(&mut lookout.away);
        for known in self.control.schedules()? {
            let (model, task) = (&known.0, &known.1);
            let watched = lookout.models.iter().find(|(name, _)| name.as_str() == model);
            if watched.is_some_and(|(_, watched)| watched.keeps(task)) {
                continue;
            }
            let since = before.get(&known).map_or(now, |since| now.min(*since));
            if now.micros() - since.micros() < AWAY.as_micros() as i64 {
                lookout.away.insert(known, since);
            } else {
                self.control.forget_schedule(model, task)?;
            }
        }
        Ok(())
    }
}

/// The state to go on from, and whether it begins anew: for a schedule that is new, whose
/// expression changed, or from whose last time on the clock was put back.
fn begun(known: Option<ScheduleState>, cron: &str, now: Timestamp) -> (ScheduleState, bool) {
    let anew = ScheduleState::beginning(cron, now);
    match known {
        Some(state) if state.cron == cron && state.settled_until <= now => (state, false),
        Some(ScheduleState { last_due, last_job, .. }) => {
            (ScheduleState { last_due, last_job, ..anew }, true)
        }
        None => (anew, true),
    }
}
