//! `patron schedules`: what is done by itself, and when.

use clap::Args;
use serde_json::{Value, json};

use crate::grpc::proto::{GetModelRequest, ListModelsRequest, Model, ModelSchedule};

use super::client::Session;
use super::exit::Failure;
use super::output::Report;
use super::table::Table;
use super::values::{given, short_name, time_json, time_text};

/// Arguments of `patron schedules`.
#[derive(Args, Clone, Debug)]
pub(super) struct SchedulesArgs {
    /// Only those of this model [default: all]
    model: Option<String>,
}

/// Shows the schedules of recipes.
pub(super) async fn run(args: SchedulesArgs, session: &mut Session) -> Result<(), Failure> {
    let services = session.connect().await?;
    let models = match args.model {
        Some(model) => {
            vec![services.models().get_model(GetModelRequest { model }).await?.into_inner()]
        }
        None => {
            let mut request = ListModelsRequest::default();
            let mut models = Vec::new();
            loop {
                let page = services.models().list_models(request.clone()).await?.into_inner();
                models.extend(page.models);
                if page.next_page_token.is_empty() {
                    break models;
                }
                request.page_token = page.next_page_token;
            }
        }
    };
    session.output.report(&Schedules(models))?;
    Ok(())
}

struct Schedules(Vec<Model>);

impl Schedules {
    fn iter(&self) -> impl Iterator<Item = (&str, &ModelSchedule)> {
        self.0.iter().flat_map(|model| {
            model.schedules.iter().map(|schedule| (model.name.as_str(), schedule))
        })
    }
}

fn task(schedule: &ModelSchedule) -> String {
    short_name(schedule.task().as_str_name(), "SCHEDULED_TASK_")
}

fn last_state(schedule: &ModelSchedule) -> String {
    short_name(schedule.last_job_state().as_str_name(), "JOB_STATE_")
}

impl Report for Schedules {
    fn json(&self) -> Value {
        let one = |(model, schedule): (&str, &ModelSchedule)| {
            let has_run = !schedule.last_job_id.is_empty();
            json!({
                "model": model,
                "task": task(schedule),
                "cron": schedule.cron,
                "time_zone": schedule.time_zone,
                "next_time": time_json(schedule.next_time.as_ref()),
                "last_time": time_json(schedule.last_time.as_ref()),
                "last_job_id": given(&schedule.last_job_id),
                "last_job_state": has_run.then(|| last_state(schedule)),
                "problem": given(&schedule.problem),
            })
        };
        json!({ "schedules": self.iter().map(one).collect::<Vec<_>>() })
    }

    fn text(&self) -> String {
        let mut table = Table::new(["model", "task", "cron", "zone", "next", "last", "job"]);
        let mut problems = String::new();
        for (model, schedule) in self.iter() {
            let job = given(&schedule.last_job_id);
            table.row([
                model.to_owned(),
                task(schedule),
                schedule.cron.clone(),
                schedule.time_zone.clone(),
                time_text(schedule.next_time.as_ref()),
                time_text(schedule.last_time.as_ref()),
                job.map_or_else(|| "-".to_owned(), |id| format!("{} {id}", last_state(schedule))),
            ]);
            if let Some(problem) = given(&schedule.problem) {
                problems.push_str(&format!("\n{model} {}: {problem}", task(schedule)));
            }
        }
        format!("{table}{problems}")
    }
}
