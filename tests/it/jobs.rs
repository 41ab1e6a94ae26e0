//! Cancelling, watching and listing jobs.

use std::time::Duration;

use patron::grpc::proto::*;
use tokio::time::{sleep, timeout};

use crate::app::{
    Clients, TestApp, customer_request, import_request, new_directory, project, project_text,
};
use crate::failure::{carried, reason, told};
use crate::fixture::{online_retail, small_shop};
use crate::process::{Process, serve};
use crate::shop;

/// A cancelled job has stopped by then.
const SOON: Duration = Duration::from_secs(5);

/// Asks again until the job is at a stage.
macro_rules! until {
    ($stage:literal, $client:expr, $get:ident($request:ident), $id:expr) => {
        let running = async {
            loop {
                let request = $request { job_id: $id.clone() };
                let job = $client.$get(request).await.unwrap().into_inner();
                let started =
                    job.progress.as_ref().is_some_and(|progress| progress.stage == $stage);
                if job.state() == JobState::Running && started {
                    return;
                }
                assert!(job.end_time.is_none(), "over too soon: {job:?}");
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(crate::app::PATIENCE, running).await.expect("the job starts");
    };
}

#[tokio::test]
async fn a_cancelled_import_stops_soon_and_leaves_no_line() {
    let app = TestApp::empty().await;
    // So many lines that a worker sees the wish to cancel long before it is done.
    let line = |n: u32| {
        format!("c{},{n},1,2023-01-02 10:00,p1,toys,1,2.50,1.00,north,France\n", n % 9_000)
    };
    let lines: String = (0..600_000).map(line).collect();
    let file = app.file("many.csv", format!("{}{lines}", shop::HEADER));
    let mut transactions = app.transactions();
    let request = import_request(&file, shop::MAPPING);
    let id = transactions.import_transactions(request).await.unwrap().into_inner().job_id;
    until!("import", transactions, get_import_job(GetImportJobRequest), id);
    let cancel = CancelImportJobRequest { job_id: id.clone(), ..Default::default() };
    transactions.cancel_import_job(cancel).await.unwrap();
    let job = timeout(SOON, app.import_end(&id)).await.expect("it stops");
    assert_eq!((job.state(), job.report), (JobState::Cancelled, None));
    let customer = transactions.get_customer(customer_request("c17")).await;
    assert_eq!(reason(&customer.unwrap_err()), "CUSTOMER_NOT_FOUND");
}

#[tokio::test]
async fn a_cancelled_training_stops_soon_and_registers_nothing() {
    let app = TestApp::copy_of(&online_retail().directory).await;
    let recipe =
        project_text("models/segments/recipe.toml").replace("restarts = 10", "restarts = 10000");
    let request = CreateTrainingJobRequest {
        model: "segments".to_owned(),
        recipe_toml: Some(recipe),
        ..Default::default()
    };
    let mut trainings = app.trainings();
    let id = trainings.create_training_job(request).await.unwrap().into_inner().job_id;
    until!("cluster", trainings, get_training_job(GetTrainingJobRequest), id);
    let cancel = CancelTrainingJobRequest { job_id: id.clone(), ..Default::default() };
    trainings.cancel_training_job(cancel).await.unwrap();
    let job = timeout(SOON, app.training_end(&id)).await.expect("it stops");
    assert_eq!((job.state(), job.result), (JobState::Cancelled, None));
    let request = GetModelRequest { model: "segments".to_owned() };
    let model = app.models().get_model(request).await.unwrap().into_inner();
    assert_eq!((model.version_count, model.latest_version), (1, 1));
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_and_a_final_one_stays_as_it_is() {
    let app = TestApp::with(&[("jobs.workers", "0")]).await;
    let request = CreateTrainingJobRequest { model: "churn".to_owned(), ..Default::default() };
    let mut trainings = app.trainings();
    let waiting = trainings.create_training_job(request).await.unwrap().into_inner();
    assert_eq!((waiting.state(), waiting.attempt), (JobState::Queued, 0));
    let cancel = CancelTrainingJobRequest { job_id: waiting.job_id, ..Default::default() };
    let first = trainings.cancel_training_job(cancel.clone()).await.unwrap().into_inner();
    assert_eq!(first.state(), JobState::Cancelled);
    let again = trainings.cancel_training_job(cancel).await.unwrap().into_inner();
    assert_eq!(again, first);
}

#[tokio::test]
async fn a_watch_tells_states_in_order_and_ends_with_the_final_one() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let request = CreateTrainingJobRequest { model: "churn".to_owned(), ..Default::default() };
    let id = app.trainings().create_training_job(request).await.unwrap().into_inner().job_id;
    let watch = async || {
        let request = WatchTrainingJobRequest { job_id: id.clone() };
        let mut stream = app.trainings().watch_training_job(request).await.unwrap().into_inner();
        let mut states = Vec::new();
        while let Some(job) = stream.message().await.unwrap() {
            states.push(job.state);
        }
        states
    };
    let states = timeout(crate::app::PATIENCE, watch()).await.unwrap();
    assert!(states.is_sorted(), "queued, running, succeeded: {states:?}");
    assert_eq!(states.last(), Some(&(JobState::Succeeded as i32)));
    assert_eq!(watch().await, [JobState::Succeeded as i32], "a finished job is told once");
}

/// Five waiting trainings and a cancelled one, oldest first.
async fn six_trainings(app: &Clients) -> Vec<String> {
    let mut ids = Vec::new();
    for model in ["churn", "segments", "churn", "forecast", "churn", "segments"] {
        let request = CreateTrainingJobRequest { model: model.to_owned(), ..Default::default() };
        let job = app.trainings().create_training_job(request).await.unwrap().into_inner();
        ids.push(job.job_id);
    }
    let cancel = CancelTrainingJobRequest { job_id: ids[5].clone(), ..Default::default() };
    app.trainings().cancel_training_job(cancel).await.unwrap();
    ids
}

#[tokio::test]
async fn jobs_are_listed_by_page_state_and_model() {
    let app = TestApp::with(&[("jobs.workers", "0")]).await;
    let mut ids = six_trainings(&app).await;
    ids.reverse();
    let list = async |request: ListTrainingJobsRequest| {
        let page = app.trainings().list_training_jobs(request).await.unwrap().into_inner();
        let ids: Vec<String> = page.jobs.into_iter().map(|job| job.job_id).collect();
        (ids, page.next_page_token)
    };
    let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
    while pages == 0 || !token.is_empty() {
        let request =
            ListTrainingJobsRequest { page_size: 4, page_token: token, ..Default::default() };
        let (page, next) = list(request).await;
        seen.extend(page);
        (token, pages) = (next, pages + 1);
    }
    assert_eq!((seen, pages), (ids.clone(), 2));
    let of_state =
        |state: JobState| ListTrainingJobsRequest { state: state as i32, ..Default::default() };
    assert_eq!(list(of_state(JobState::Cancelled)).await.0, ids[..1]);
    assert_eq!(list(of_state(JobState::Queued)).await.0, ids[1..]);
    assert!(list(of_state(JobState::Failed)).await.0.is_empty());
    let of_model = ListTrainingJobsRequest { model: "forecast".to_owned(), ..Default::default() };
    assert_eq!(list(of_model).await.0, ids[2..3]);
}

#[tokio::test]
async fn waiting_jobs_are_worked_off_after_a_restart() {
    let app = TestApp::with(&[("jobs.workers", "0")]).await;
    let file = app.file("shop.csv", shop::csv());
    let request = import_request(&file, shop::MAPPING);
    let job = app.transactions().import_transactions(request).await.unwrap().into_inner();
    let (directory, _) = app.shutdown().await;
    let app = TestApp::copy_of(directory.path()).await;
    let job = app.import_end(&job.job_id).await;
    assert_eq!((job.state(), job.attempt), (JobState::Succeeded, 1));
}

#[tokio::test]
async fn a_shutdown_gives_a_running_job_back_to_the_queue() {
    let app = TestApp::empty().await;
    let file = project("tests/data/online_retail/online_retail.parquet");
    let mapping = project_text("tests/data/online_retail/mapping.toml");
    let mut transactions = app.transactions();
    let request = import_request(file.to_str().unwrap(), &mapping);
    let id = transactions.import_transactions(request).await.unwrap().into_inner().job_id;
    until!("import", transactions, get_import_job(GetImportJobRequest), id);
    drop(transactions);
    let (directory, _) = timeout(SOON, app.shutdown()).await.expect("it does not wait for the job");
    let app = TestApp::copy_of(directory.path()).await;
    let job = app.import_end(&id).await;
    assert_eq!((job.state(), job.attempt), (JobState::Succeeded, 1));
    assert_eq!(job.report.unwrap().accepted, 541_909);
}

#[tokio::test]
async fn an_id_of_no_job_or_of_another_type_is_not_found() {
    let app = TestApp::with(&[("jobs.workers", "0")]).await;
    let training = six_trainings(&app).await.remove(0);
    for id in ["", "no-id", "01890000-0000-7000-8000-000000000000", &training] {
        let request = GetImportJobRequest { job_id: id.to_owned() };
        let refused = app.transactions().get_import_job(request).await.unwrap_err();
        assert_eq!(told(&refused), format!("NOT_FOUND JOB_NOT_FOUND patron.v1.Job {id:?}"));
    }
}

#[tokio::test]
async fn a_job_that_fails_carries_code_reason_and_remedy() {
    let app = TestApp::empty().await;
    let job = app.train("churn").await;
    let error = carried(&job.error.unwrap());
    assert_eq!(told(&error), "FAILED_PRECONDITION NOT_ENOUGH_DATA");
    assert!(error.message().contains("import some first"), "{}", error.message());
    assert!(job.end_time.is_some());
}

/// Niceness and policy of the threads of a process that have this name.
#[cfg(target_os = "linux")]
fn standing(process: u32, name: &str) -> Vec<(i64, i64)> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let standing = |stat: String| {
        let (head, rest) = stat.rsplit_once(") ")?;
        // Fields 19 and 41 of proc_pid_stat(5); the first of the rest is the third.
        let fields: Vec<&str> = rest.split(' ').collect();
        let number = |field: usize| fields.get(field - 3)?.parse().ok();
        head.ends_with(&format!("({name}")).then(|| Some((number(19)?, number(41)?)))?
    };
    let stats =
        tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    stats.filter_map(standing).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn jobs_stand_where_they_are_told_to() {
    const SCHED_OTHER: i64 = 0;
    const SCHED_IDLE: i64 = 5;
    for (priority, steps, policy) in [("low", 5, SCHED_OTHER), ("idle", 0, SCHED_IDLE)] {
        let directory = new_directory();
        let mut command = serve(directory.path(), &[]);
        let process = Process::run(command.env("PATRON_JOBS_PRIORITY", priority)).await;
        let requests = standing(process.id(), "tokio-rt-worker");
        let expected = requests.first().map(|(niceness, _)| ((niceness + steps).min(19), policy));
        assert!(expected.is_some() && requests.iter().all(|(_, policy)| *policy == SCHED_OTHER));
        let stepped = async {
            while standing(process.id(), "job-0").first().copied() != expected {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(crate::app::PATIENCE, stepped).await.expect(priority);
        let listed = process.clients.models().list_models(ListModelsRequest::default()).await;
        assert!(listed.unwrap().into_inner().models.is_empty());
        assert!(process.stop().await.success());
    }
}
