//! What recipes schedule, by the machine's clock.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use patron::grpc::proto::*;
use patron::transaction::Timestamp;
use tokio::time::{sleep, timeout};

use crate::app::{Clients, PATIENCE, TestApp, copied};
use crate::fixture::{SHOP_RECIPES, small_shop};
use crate::process::Process;

/// Writes the recipe of a model of the small shop, with a schedule.
fn schedule(directory: &Path, model: &str, schedule: &str) {
    let (_, recipe) = SHOP_RECIPES.iter().find(|(name, _)| *name == model).unwrap();
    let text = format!("{recipe}[schedule]\n{schedule}\n");
    fs::write(directory.join("models").join(model).join("recipe.toml"), text).unwrap();
}

async fn schedules(app: &Clients, model: &str) -> Vec<ModelSchedule> {
    let request = GetModelRequest { model: model.to_owned() };
    app.models().get_model(request).await.unwrap().into_inner().schedules
}

/// Asks again and again until the answer is one.
async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            match ask().await {
                Some(answer) => return answer,
                None => sleep(Duration::from_millis(50)).await,
            }
        }
    };
    timeout(PATIENCE, asking).await.expect("it comes")
}

async fn scorings(app: &Clients) -> Vec<ScoringJob> {
    let request = ListScoringJobsRequest { page_size: 1_000, ..Default::default() };
    app.scorings().list_scoring_jobs(request).await.unwrap().into_inner().jobs
}

#[tokio::test]
async fn what_is_due_runs_as_a_job() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let output = app.path("%Y%m%d%H%M%S.csv");
    let every = "* * * * * *";
    let score = format!(
        "score = {{ cron = \"{every}\", output = {output:?}, population = \"active\", with = [\"segments@champion\"] }}"
    );
    schedule(&app.path(""), "churn", &score);
    schedule(&app.path(""), "segments", &format!("drift = \"{every}\""));
    let scored = until(async || {
        let found = schedules(&app, "churn").await.pop()?;
        assert_eq!((found.problem.as_str(), found.cron.as_str()), ("", every));
        assert_eq!(
            (found.time_zone.as_str(), found.task()),
            ("Europe/London", ScheduledTask::Score)
        );
        (found.last_job_state() == JobState::Succeeded).then_some(found)
    })
    .await;
    let job = app.scoring_end(&scored.last_job_id).await;
    assert!(job.request_id.starts_with("schedule/churn/score/20"), "{}", job.request_id);
    assert_eq!((job.population(), job.models_used.len()), (ScoringPopulation::Active, 2));
    assert!(Path::new(&job.output_uri).is_file() && job.rows_written > 0);
    let looked = until(async || {
        let found = schedules(&app, "segments").await.pop()?;
        (found.last_job_state() == JobState::Succeeded).then_some(found)
    })
    .await;
    let job = app.training_end(&looked.last_job_id).await;
    let result = job.result.unwrap();
    assert_eq!((result.version, result.promoted), (0, false));
    assert!(result.promotion_reason.contains("population stability index"));
    // The recipe without its schedule ends it, without a restart.
    schedule(&app.path(""), "churn", "");
    assert!(schedules(&app, "churn").await.is_empty());
    let taken = CreateScoringJobRequest {
        models: vec![ScoringModel { model: "churn".to_owned(), selector: None }],
        output_uri: app.path("own.csv").to_str().unwrap().to_owned(),
        request_id: "schedule/churn/score/now".to_owned(),
        ..Default::default()
    };
    let refused = app.scorings().create_scoring_job(taken).await.unwrap_err();
    assert!(refused.message().contains("request_id"), "{refused}");
}

#[tokio::test]
async fn a_scheduled_training_goes_through_its_gate() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    schedule(&app.path(""), "segments", "retrain = \"* * * * * *\"");
    let trained = until(async || {
        let found = schedules(&app, "segments").await.pop()?;
        (found.last_job_state() == JobState::Succeeded).then_some(found)
    })
    .await;
    schedule(&app.path(""), "segments", "");
    let result = app.training_end(&trained.last_job_id).await.result.unwrap();
    assert!(result.version > 1 && !result.promotion_reason.is_empty());
}

/// The due times of the scheduled scorings, each once.
async fn due_times(app: &Clients) -> BTreeSet<Timestamp> {
    let jobs = scorings(app).await;
    let due = |job: &ScoringJob| job.request_id.rsplit('/').next().unwrap().parse().unwrap();
    let times: BTreeSet<Timestamp> = jobs.iter().map(due).collect();
    assert_eq!(times.len(), jobs.len(), "no time ran twice");
    times
}

#[tokio::test]
async fn two_servers_and_a_kill_run_a_time_once_and_the_missed_ones_once() {
    let directory = copied(&small_shop().directory);
    let output = directory.path().join("%H%M%S.csv");
    let score = format!("score = {{ cron = \"* * * * * *\", output = {output:?} }}");
    schedule(directory.path(), "churn", &score);
    let mut one = Process::start(directory.path()).await;
    let mut other = Process::start(directory.path()).await;
    until(async || (due_times(&one.clients).await.len() >= 3).then_some(())).await;
    one.kill();
    other.kill();
    let killed = Timestamp::now();
    // Some times go by while nobody looks.
    sleep(Duration::from_secs(4)).await;
    let started = Timestamp::now();
    let again = Process::start(directory.path()).await;
    assert!(told(&again, &["schedules"]).contains("churn  score  * * * * * *  Europe/London"));
    let after = |times: &BTreeSet<Timestamp>| times.iter().filter(|due| **due > started).count();
    let times =
        until(async || Some(due_times(&again.clients).await).filter(|due| after(due) >= 1)).await;
    let missed = times.iter().filter(|due| (killed..started).contains(*due)).count();
    assert!(missed <= 1, "{missed} of at least three");
    let jobs = told(&again, &["jobs", "list"]);
    assert!(jobs.lines().nth(1).unwrap().contains("schedule"), "{jobs}");
}

/// What a command prints of a server.
fn told(server: &Process, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patron"));
    command.args(arguments).args(["--endpoint", &server.address.to_string()]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
