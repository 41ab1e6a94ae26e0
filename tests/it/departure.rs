//! The real process: asked to go while rude clients are connected, and left alone by its callers.

use std::time::{Duration, Instant};

use patron::grpc::proto::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::app::{Clients, PATIENCE, churn_of, copied};
use crate::fixture::small_shop;
use crate::process::{Process, serve, terminate};

/// The preface of HTTP/2 and empty settings.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A server on a copy of the small shop, with some settings by the environment.
async fn process(settings: &[(&str, &str)]) -> (tempfile::TempDir, Process) {
    let directory = copied(&small_shop().directory);
    let mut command = serve(directory.path(), &["--as-of", "latest"]);
    command.envs(settings.iter().copied());
    let process = Process::run(&mut command).await;
    (directory, process)
}

/// A question that takes a while.
fn large(rows: usize) -> PredictChurnRequest {
    let ids = (0..rows).map(|number| format!("r{}", number % 140)).collect();
    let input = predict_churn_request::Input::CustomerIds(CustomerIds { ids });
    PredictChurnRequest { explain: 5, ..churn_of(input) }
}

#[expect(clippy::print_stderr, reason = "the figures are the result")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_asked_to_go_is_gone_in_time_whoever_is_connected() {
    let settings =
        [("PATRON_SERVER_DRAIN_SECONDS", "3"), ("PATRON_SERVER_DRAIN_DELAY_SECONDS", "1")];
    let (_directory, mut process) = process(&settings).await;
    // One who never says a word, one who begins HTTP/2 and then answers nothing, and one who never
    // ends his stream.
    let _silent = TcpStream::connect(process.address).await.unwrap();
    let mut rude = TcpStream::connect(process.address).await.unwrap();
    rude.write_all(GREETING).await.unwrap();
    let (sender, receiver) = mpsc::channel(1);
    let request = Some(large(1));
    sender.send(StreamPredictChurnRequest { sequence: 1, request }).await.unwrap();
    let mut streaming = Clients::connect(process.address).await.predictions();
    let items = ReceiverStream::new(receiver);
    let mut answers = streaming.stream_predict_churn(items).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 1);
    let mut health = HealthClient::new(process.clients.channel.clone());
    let watched = health.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watched = watched.into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let mut calls = JoinSet::new();
    for _ in 0..4 {
        let clients = process.clients.clone();
        calls.spawn(async move { clients.ask_churn(large(2_000)).await.map(drop) });
    }
    sleep(Duration::from_millis(20)).await;

    let asked = Instant::now();
    terminate(process.id());
    let told = timeout(PATIENCE, watched.message()).await.unwrap().unwrap().unwrap();
    let (status, told_after) = (told.status(), asked.elapsed());
    assert_eq!(status, ServingStatus::NotServing);
    for outcome in calls.join_all().await {
        outcome.expect("a call that was begun is answered");
    }
    drop((watched, health));
    let status = process.ended().await;
    let gone_after = asked.elapsed();
    eprintln!("NOT_SERVING {told_after:?} after SIGTERM, gone after {gone_after:?}");
    assert!(status.success(), "{status}");
    // A tenth of a second is what is wanted; other tests run beside this one.
    assert!(told_after < Duration::from_secs(1), "{told_after:?}");
    // Delay and drain, and a second more; the rest is for other tests.
    assert!(gone_after < Duration::from_secs(1 + 3 + 1 + 5), "{gone_after:?}");
    drop((sender, answers));
}

#[cfg(target_os = "linux")]
#[expect(clippy::print_stderr, reason = "the figures are the result")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_goes_away_in_the_middle_of_a_stream_ends_the_work_on_it() {
    let (_directory, process) = process(&[]).await;
    let used = || crate::process::processor_time(process.id());
    process.clients.ask_churn(large(10_000)).await.unwrap();
    let begun = used();
    process.clients.ask_churn(large(10_000)).await.unwrap();
    let one = used() - begun;
    let item = |sequence| {
        let request = Some(large(10_000));
        StreamPredictChurnRequest { sequence, request }
    };
    let items = tokio_stream::iter((0..200).map(item).collect::<Vec<_>>());
    // A caller with a runtime of his own, which ends with all his connections: one who only drops his
    // answers goes on sending questions.
    let caller = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = process.address;
    let asking = caller.spawn(async move {
        let mut streaming = Clients::connect(address).await.predictions();
        let mut answers = streaming.stream_predict_churn(items).await.unwrap().into_inner();
        answers.message().await.unwrap().unwrap();
        answers
    });
    let answers = asking.await.unwrap();
    let before = used();
    caller.shutdown_background();
    drop(answers);
    let gone = Instant::now();
    // At rest is who used nothing for a second.
    let (mut idle_since, mut last) = (gone, before);
    let rest = async {
        while idle_since.elapsed() < Duration::from_secs(1) {
            sleep(Duration::from_millis(5)).await;
            let now = used();
            if now > last + Duration::from_millis(10) {
                (idle_since, last) = (Instant::now(), now);
            }
        }
    };
    timeout(PATIENCE, rest).await.expect("it comes to rest");
    let spent = used() - before;
    eprintln!(
        "an item takes {one:?} of a core; {spent:?} of a core until {:?} after 200 were dropped",
        idle_since - gone
    );
    // What is excluded is that it works off what nobody waits for. Processor time does not depend on
    // what else the machine does.
    assert!(spent < 2 * one, "{spent:?} spent, {one:?} for one");
    process.clients.churn(&["r1"]).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_dropped_within_80_seconds() {
    let (_directory, process) = process(&[]).await;
    let mut dead = TcpStream::connect(process.address).await.unwrap();
    dead.write_all(GREETING).await.unwrap();
    let begun = Instant::now();
    let mut rest = Vec::new();
    // A connection that is cut may end with an error instead of an end.
    let closed = timeout(Duration::from_secs(200), dead.read_to_end(&mut rest)).await;
    drop(closed.expect("it is closed"));
    let took = begun.elapsed();
    // Asked after a minute without a word, and given twenty seconds to answer.
    assert!((Duration::from_secs(79)..Duration::from_secs(90)).contains(&took), "{took:?}");
    process.clients.churn(&["r1"]).await.unwrap();
}

#[tokio::test]
async fn what_was_done_is_in_the_audit_and_in_the_log_after_a_kill() {
    const MOVES: usize = 20;
    let directory = copied(&small_shop().directory);
    let arguments =
        ["--as-of", "latest", "--log-format", "json", "--log-filter", "patron::audit=info"];
    let mut process = Process::with(directory.path(), &arguments).await;
    for number in 0..MOVES {
        let request = SetModelAliasRequest {
            model: "churn".to_owned(),
            alias: format!("trial-{number}"),
            version: 1,
            ..Default::default()
        };
        process.clients.models().set_model_alias(request).await.unwrap();
    }
    process.kill();
    let entries = crate::security::door::audit(directory.path());
    assert_eq!(entries.iter().filter(|entry| entry.action == "alias.set").count(), MOVES);
    let log = crate::process::logged(directory.path());
    let lines: Vec<&str> = log.lines().collect();
    let whole = lines.iter().filter(|line| {
        let parsed = serde_json::from_str::<serde_json::Value>(line);
        parsed.is_ok_and(|entry| entry.to_string().contains("alias.set"))
    });
    assert!(whole.count() + 1 >= MOVES, "at most the last line is cut off:\n{log}");
}

#[tokio::test]
async fn a_request_id_is_remembered_over_a_restart() {
    let (directory, process) = process(&[]).await;
    let set = SetModelAliasRequest {
        model: "churn".to_owned(),
        alias: "trial".to_owned(),
        version: 1,
        request_id: "once".to_owned(),
        ..Default::default()
    };
    let train = CreateTrainingJobRequest {
        model: "segments".to_owned(),
        request_id: "once".to_owned(),
        ..Default::default()
    };
    let ask = async |clients: &Clients| {
        let alias = clients.models().set_model_alias(set.clone()).await.unwrap().into_inner();
        let job = clients.trainings().create_training_job(train.clone()).await.unwrap();
        (alias, job.into_inner().job_id)
    };
    let (alias, job) = ask(&process.clients).await;
    process.clients.training_end(&job).await;
    assert!(process.stop().await.success());
    let process = Process::start(directory.path()).await;
    assert_eq!(ask(&process.clients).await, (alias, job));
    let jobs = process
        .clients
        .trainings()
        .list_training_jobs(ListTrainingJobsRequest::default())
        .await
        .unwrap();
    assert_eq!(jobs.into_inner().jobs.len(), 4 + 1);
}
