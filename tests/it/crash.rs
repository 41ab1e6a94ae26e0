//! The real process, killed in the middle of a job.

use std::fs;
use std::path::Path;
use std::time::Duration;

use patron::grpc::proto::*;
use tokio::time::{sleep, timeout};

use crate::app::{PATIENCE, copied, copy, customer_request, import_request, new_directory};
use crate::app::{project, project_text};
use crate::fixture::online_retail;
use crate::process::Process;

#[tokio::test]
async fn a_killed_import_is_finished_by_the_next_process_with_each_line_once() {
    let directory = new_directory();
    copy(&project("models"), &directory.path().join("models"), &|_| true);
    let mut process = Process::start(directory.path()).await;
    let file = project("tests/data/online_retail/online_retail.parquet");
    let mapping = project_text("tests/data/online_retail/mapping.toml");
    let mut transactions = process.clients.transactions();
    let request = import_request(file.to_str().unwrap(), &mapping);
    let id = transactions.import_transactions(request).await.unwrap().into_inner().job_id;
    let halfway = async {
        loop {
            let request = GetImportJobRequest { job_id: id.clone() };
            let job = transactions.get_import_job(request).await.unwrap().into_inner();
            if job.progress.is_some_and(|progress| progress.fraction > 0.3) {
                return;
            }
            assert!(job.end_time.is_none(), "over too soon");
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, halfway).await.expect("the import gets on");
    process.kill();
    let process = Process::start(directory.path()).await;
    let job = process.clients.import_end(&id).await;
    assert_eq!((job.state(), job.attempt), (JobState::Succeeded, 2));
    let report = job.report.unwrap();
    assert_eq!((report.accepted, report.duplicates), (541_909, 0));
    let customer = process.clients.transactions().get_customer(customer_request("17850")).await;
    assert_eq!(customer.unwrap().into_inner().line_count, 312);
}

#[tokio::test]
async fn a_killed_training_is_finished_by_the_next_process_and_registered_once() {
    let directory = copied(&online_retail().directory);
    let mut process = Process::start(directory.path()).await;
    let mut trainings = process.clients.trainings();
    let request = CreateTrainingJobRequest { model: "churn".to_owned(), ..Default::default() };
    let id = trainings.create_training_job(request).await.unwrap().into_inner().job_id;
    let begun = async {
        loop {
            let request = GetTrainingJobRequest { job_id: id.clone() };
            let job = trainings.get_training_job(request).await.unwrap().into_inner();
            if job.state() == JobState::Running {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, begun).await.expect("the training begins");
    sleep(Duration::from_millis(300)).await;
    process.kill();
    let process = Process::start(directory.path()).await;
    let job = process.clients.training_end(&id).await;
    assert_eq!((job.state(), job.attempt), (JobState::Succeeded, 2), "{:?}", job.error);
    assert_eq!(job.result.unwrap().version, 2);
    let request = GetModelRequest { model: "churn".to_owned() };
    let model = process.clients.models().get_model(request).await.unwrap().into_inner();
    assert_eq!((model.version_count, model.latest_version), (2, 2));
    // The same data, recipe and seed give the same bytes, killed in between or not.
    let (first, second) =
        (process.clients.version("churn", 1).await, process.clients.version("churn", 2).await);
    assert_eq!(first.model_digest, second.model_digest);
    assert_eq!(second.training_job_id, id);
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_killed_scoring_is_finished_by_the_next_process_as_if_nothing_had_been() {
    let directory = copied(&online_retail().directory);
    let output = directory.path().join("out");
    fs::create_dir(&output).unwrap();
    let request = |name: &str| CreateScoringJobRequest {
        models: ["churn", "propensity", "segments"]
            .map(|model| ScoringModel { model: model.to_owned(), selector: None })
            .to_vec(),
        output_uri: output.join(name).to_str().unwrap().to_owned(),
        explain: 20,
        ..Default::default()
    };
    let mut process = Process::start(directory.path()).await;
    let mut scorings = process.clients.scorings();
    let created = scorings.create_scoring_job(request("killed.parquet")).await.unwrap();
    let id = created.into_inner().job_id;
    let begun = async {
        while files(&output).is_empty() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, begun).await.expect("the file is begun");
    process.kill();
    assert!(files(&output).iter().all(|name| name.ends_with(".unfinished")), "over too soon");
    let process = Process::start(directory.path()).await;
    let job = process.clients.scoring_end(&id).await;
    assert_eq!((job.state(), job.attempt), (JobState::Succeeded, 2), "{:?}", job.error);
    assert_eq!(files(&output), ["killed.parquet"]);
    let mut scorings = process.clients.scorings();
    let created = scorings.create_scoring_job(request("whole.parquet")).await.unwrap();
    let other = process.clients.scoring_end(&created.into_inner().job_id).await;
    assert_eq!(
        (job.rows_written, job.output_digest),
        (other.rows_written, other.output_digest.clone())
    );
    assert!(job.rows_written > 4_000 && !other.output_digest.is_empty());
}
