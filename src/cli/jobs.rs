//! `patron jobs`: lists, shows, watches and cancels jobs.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::grpc::proto::{
    CancelImportJobRequest, CancelScoringJobRequest, CancelTrainingJobRequest, GetImportJobRequest,
    GetScoringJobRequest, GetTrainingJobRequest, ListImportJobsRequest, ListScoringJobsRequest,
    ListTrainingJobsRequest,
};

use super::client::{Services, Session, request_id};
use super::exit::Failure;
use super::job::{Job, JobKind, wait};
use super::output::Report;
use super::table::Table;
use super::values::{time, time_text};

/// Arguments of `patron jobs`.
#[derive(Args, Clone, Debug)]
pub(super) struct JobsArgs {
    #[command(subcommand)]
    action: JobsAction,
}

#[derive(Clone, Debug, Subcommand)]
enum JobsAction {
    /// List jobs, the newest first
    List {
        /// Only jobs of this kind [default: all]
        #[arg(long, value_enum)]
        kind: Option<JobKind>,
        /// How many jobs to list
        #[arg(long, value_name = "NUMBER", default_value_t = 20,
            value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Show a job with its result
    Show {
        /// The job's id
        id: String,
    },
    /// Follow a job until it ends, then show it
    Watch {
        /// The job's id
        id: String,
    },
    /// Ask a job to stop
    Cancel {
        /// The job's id
        id: String,
    },
}

/// Works with jobs.
pub(super) async fn run(args: JobsArgs, session: &mut Session) -> Result<(), Failure> {
    let services = session.connect().await?;
    match args.action {
        JobsAction::List { kind, limit } => {
            let jobs = list(&services, kind, usize::from(limit)).await?;
            session.output.report(&JobList(jobs))?;
        }
        JobsAction::Show { id } => session.output.report(&find(&services, &id).await?)?,
        JobsAction::Watch { id } => {
            let job = find(&services, &id).await?;
            wait(&services, job).await?.conclude(&mut session.output)?;
        }
        JobsAction::Cancel { id } => session.output.report(&cancel(&services, &id).await?)?,
    }
    Ok(())
}

/// The newest jobs of one or all kinds.
async fn list(
    services: &Services,
    kind: Option<JobKind>,
    limit: usize,
) -> Result<Vec<Job>, Status> {
    let mut jobs = Vec::new();
    for one in JobKind::ALL {
        if kind.is_none_or(|kind| kind == one) {
            jobs.extend(list_kind(services, one, limit).await?);
        }
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(time(job.times.create.as_ref())));
    jobs.truncate(limit);
    Ok(jobs)
}

async fn list_kind(services: &Services, kind: JobKind, limit: usize) -> Result<Vec<Job>, Status> {
    let page_size = i32::try_from(limit).unwrap_or(i32::MAX);
    Ok(match kind {
        JobKind::Import => {
            let request = ListImportJobsRequest { page_size, ..Default::default() };
            let response = services.transactions().list_import_jobs(request).await?;
            response.into_inner().jobs.into_iter().map(Job::from).collect()
        }
        JobKind::Training => {
            let request = ListTrainingJobsRequest { page_size, ..Default::default() };
            let response = services.training().list_training_jobs(request).await?;
            response.into_inner().jobs.into_iter().map(Job::from).collect()
        }
        JobKind::Scoring => {
            let request = ListScoringJobsRequest { page_size, ..Default::default() };
            let response = services.scoring().list_scoring_jobs(request).await?;
            response.into_inner().jobs.into_iter().map(Job::from).collect()
        }
    })
}

/// A job whose kind is not known: each service is asked in turn.
async fn find(services: &Services, id: &str) -> Result<Job, Failure> {
    for kind in JobKind::ALL {
        match get(services, kind, id.to_owned()).await {
            Err(status) if status.code() == Code::NotFound => {}
            found => return Ok(found?),
        }
    }
    let problem = format!("no import, training or scoring job {id}; see `patron jobs list`");
    Err(Failure::Refused(problem))
}

async fn get(services: &Services, kind: JobKind, job_id: String) -> Result<Job, Status> {
    Ok(match kind {
        JobKind::Import => {
            let request = GetImportJobRequest { job_id };
            services.transactions().get_import_job(request).await?.into_inner().into()
        }
        JobKind::Training => {
            let request = GetTrainingJobRequest { job_id };
            services.training().get_training_job(request).await?.into_inner().into()
        }
        JobKind::Scoring => {
            let request = GetScoringJobRequest { job_id };
            services.scoring().get_scoring_job(request).await?.into_inner().into()
        }
    })
}

async fn cancel(services: &Services, id: &str) -> Result<Job, Failure> {
    let (kind, job_id) = (find(services, id).await?.kind(), id.to_owned());
    let request_id = request_id(None);
    Ok(match kind {
        JobKind::Import => {
            let request = CancelImportJobRequest { job_id, request_id };
            services.transactions().cancel_import_job(request).await?.into_inner().into()
        }
        JobKind::Training => {
            let request = CancelTrainingJobRequest { job_id, request_id };
            services.training().cancel_training_job(request).await?.into_inner().into()
        }
        JobKind::Scoring => {
            let request = CancelScoringJobRequest { job_id, request_id };
            services.scoring().cancel_scoring_job(request).await?.into_inner().into()
        }
    })
}

struct JobList(Vec<Job>);

impl Report for JobList {
    fn json(&self) -> Value {
        json!({ "jobs": self.0.iter().map(Report::json).collect::<Vec<_>>() })
    }

    fn text(&self) -> String {
        let mut table = Table::new(["job", "kind", "state", "origin", "created", "about"]);
        for job in &self.0 {
            table.row([
                job.id.clone(),
                job.kind().as_str().to_owned(),
                job.state_name(),
                job.origin().to_owned(),
                time_text(job.times.create.as_ref()),
                job.outcome.subject(),
            ]);
        }
        table.to_string()
    }
}
