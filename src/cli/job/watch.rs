//! Following a job until it ends.

use std::time::Duration;

use tonic::{Code, Status, Streaming};

use crate::grpc::proto::{
    ImportJob, JobState, ScoringJob, TrainingJob, WatchImportJobRequest, WatchScoringJobRequest,
    WatchTrainingJobRequest,
};

use super::super::client::Services;
use super::super::exit::Failure;
use super::super::progress::{Pace, Progress};
use super::super::signal;
use super::{Job, JobKind};

/// How often a watch that broke off is begun again without a word in between, and after how long.
const MOST_MISSED: u32 = 30;
const AGAIN: Duration = Duration::from_secs(1);

/// Follows a job until it ends. Ctrl-C ends the watching, not the job.
pub(in crate::cli) async fn wait(services: &Services, job: Job) -> Result<Job, Failure> {
    let id = job.id.clone();
    tokio::select! {
        biased;
        job = follow(services, job) => job,
        () = signal::interrupt() => Err(Failure::Interrupted(format!(
            "stopped watching; job {id} goes on: see it with `patron jobs watch {id}`, \
             stop it with `patron jobs cancel {id}`"
        ))),
    }
}

/// Follows a job until it ends.
pub(in crate::cli) async fn follow(services: &Services, mut job: Job) -> Result<Job, Failure> {
    let mut progress = Progress::new(job.label());
    let mut changes = Changes::of(services, &job).await?;
    let mut pace = Pace::new();
    let mut missed = 0;
    while !job.is_final() {
        job = match changes.next().await {
            Ok(Some(next)) => {
                missed = 0;
                next
            }
            // A connection has an age and a server may be restarted; the job goes on.
            lost @ (Ok(None) | Err(_)) if missed < MOST_MISSED => {
                if let Err(status) = lost
                    && !is_lost(&status)
                {
                    return Err(status.into());
                }
                missed += 1;
                tokio::time::sleep(AGAIN).await;
                if let Ok(again) = Changes::of(services, &job).await {
                    changes = again;
                }
                continue;
            }
            Err(status) => return Err(status.into()),
            Ok(None) => {
                let id = &job.id;
                return Err(Failure::Broken(format!(
                    "the server stopped telling about job {id}; see it with `patron jobs watch {id}`"
                )));
            }
        };
        if job.kind() == JobKind::Scoring && job.state == JobState::Running {
            job.progress.message = pace.text(job.progress.fraction, None);
        }
        progress.show(&job.progress);
    }
    progress.finish();
    Ok(job)
}

/// Whether the connection is gone and not the job.
fn is_lost(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown | Code::Internal)
}

/// The stream of a job's states.
enum Changes {
    Import(Streaming<ImportJob>),
    Training(Streaming<TrainingJob>),
    Scoring(Streaming<ScoringJob>),
}

impl Changes {
    async fn of(services: &Services, job: &Job) -> Result<Self, Status> {
        let job_id = job.id.clone();
        Ok(match job.kind() {
            JobKind::Import => {
                let request = WatchImportJobRequest { job_id };
                let response = services.transactions().watch_import_job(request).await?;
                Self::Import(response.into_inner())
            }
            JobKind::Training => {
                let request = WatchTrainingJobRequest { job_id };
                let response = services.training().watch_training_job(request).await?;
                Self::Training(response.into_inner())
            }
            JobKind::Scoring => {
                let request = WatchScoringJobRequest { job_id };
                let response = services.scoring().watch_scoring_job(request).await?;
                Self::Scoring(response.into_inner())
            }
        })
    }

    async fn next(&mut self) -> Result<Option<Job>, Status> {
        Ok(match self {
            Self::Import(stream) => stream.message().await?.map(Job::from),
            Self::Training(stream) => stream.message().await?.map(Job::from),
            Self::Scoring(stream) => stream.message().await?.map(Job::from),
        })
    }
}
