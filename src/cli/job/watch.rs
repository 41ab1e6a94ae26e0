//! Following a job until it ends.

use tonic::{Status, Streaming};

use crate::grpc::proto::{
    ImportJob, JobState, ScoringJob, TrainingJob, WatchImportJobRequest, WatchScoringJobRequest,
    WatchTrainingJobRequest,
};

use super::super::client::Services;
use super::super::exit::Failure;
use super::super::progress::{Pace, Progress};
use super::super::signal;
use super::{Job, JobKind};

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
    while !job.is_final() {
        let Some(next) = changes.next().await? else {
            let id = &job.id;
            return Err(Failure::Broken(format!(
                "the server stopped telling about job {id}; see it with `patron jobs watch {id}`"
            )));
        };
        job = next;
        if job.kind() == JobKind::Scoring && job.state == JobState::Running {
            job.progress.message = pace.text(job.progress.fraction, None);
        }
        progress.show(&job.progress);
    }
    progress.finish();
    Ok(job)
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
