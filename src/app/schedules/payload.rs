//! The job that a task of a schedule is.

use crate::jobs::JobPayload;
use crate::repository::{ModelName, ModelReference};
use crate::scoring::{ScoreFormat, ScoringRequest};
use crate::training::{DriftCheck, Recipe, ScheduledTask, ScoreSchedule, TrainingRequest};
use crate::transaction::Timestamp;

use super::Schedules;

impl Schedules {
    /// The job, or what hinders it.
    pub(super) fn payload(
        &self,
        model: &ModelName,
        recipe: &Recipe,
        task: ScheduledTask,
        due: Timestamp,
    ) -> Result<JobPayload, String> {
        for (key, path) in recipe.files() {
            // The job opens the path as it stands in the recipe, maybe in another directory.
            if !path.is_absolute() {
                return Err(format!("{key}: expected an absolute path, found {path:?}"));
            }
            self.files.allowed(path).map_err(|error| error.to_string())?;
        }
        let schedule = recipe.schedule();
        let retrains = schedule.is_some_and(|schedule| schedule.retrain_on_drift);
        let drift = match (task, schedule.and_then(|schedule| schedule.score.as_ref())) {
            (ScheduledTask::Score, Some(score)) => return self.scoring(model, score, due),
            (ScheduledTask::Drift, _) if retrains => Some(DriftCheck::Retrain),
            (ScheduledTask::Drift, _) => Some(DriftCheck::Report),
            (ScheduledTask::Retrain | ScheduledTask::Score, _) => None,
        };
        Ok(JobPayload::Training(TrainingRequest {
            model: model.clone(),
            as_of: None,
            recipe: None,
            seed: None,
            update: false,
            drift,
        }))
    }

    fn scoring(
        &self,
        model: &ModelName,
        score: &ScoreSchedule,
        due: Timestamp,
    ) -> Result<JobPayload, String> {
        let mut models = vec![ModelReference::champion(model.clone())];
        models.extend(score.with.iter().cloned());
        for (place, reference) in models.iter().enumerate() {
            if models.iter().take(place).any(|before| before.model == reference.model) {
                let name = &reference.model;
                return Err(format!("schedule.score.with: {name} is there twice; leave one out"));
            }
        }
        let path = score.output.path(due, &self.clock).map_err(|error| error.to_string())?;
        let output = self.files.allowed(&path).map_err(|error| error.to_string())?;
        if !output.parent().is_some_and(|folder| folder.is_dir()) {
            let path = output.display();
            return Err(format!("schedule.score.output: {path}: make its directory first"));
        }
        let as_of = self.predictor.as_of(None).map_err(|error| error.to_string())?;
        Ok(JobPayload::Scoring(ScoringRequest {
            models,
            format: ScoreFormat::of_path(&output).unwrap_or(ScoreFormat::Parquet),
            output,
            as_of,
            active_within_days: None,
            population: score.population,
            explain: score.explain,
            table: None,
        }))
    }
}
