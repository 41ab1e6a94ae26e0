//! Health, reflection, shutdown.

use std::time::Duration;

use patron::grpc::proto::*;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::app::{PATIENCE, TestApp, churn_of, customer_ids};
use crate::fixture::{small_shop, small_shop_server};

const SERVICES: [&str; 8] = [
    "inference.GRPCInferenceService",
    "patron.v1.FeatureService",
    "patron.v1.ModelService",
    "patron.v1.PredictionService",
    "patron.v1.ScoringService",
    "patron.v1.ServerService",
    "patron.v1.TrainingService",
    "patron.v1.TransactionService",
];

#[tokio::test]
async fn every_service_is_serving() {
    let app = small_shop_server().await;
    let mut health = HealthClient::new(app.channel.clone());
    for service in SERVICES.iter().chain(&[""]) {
        let request = HealthCheckRequest { service: (*service).to_owned() };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
}

#[tokio::test]
async fn reflection_lists_every_service() {
    let app = small_shop_server().await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(app.channel.clone());
    let answers = client.server_reflection_info(tokio_stream::iter([request])).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let listed: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    for service in SERVICES.iter().chain(&["grpc.health.v1.Health"]) {
        assert!(listed.iter().any(|name| name == service), "{service} in {listed:?}");
    }
}

/// An open stream of churn questions on a server of its own: the sender of the next question, and
/// the answers, of which one has come.
async fn open_call(
    app: &TestApp,
) -> (mpsc::Sender<StreamPredictChurnRequest>, tonic::Streaming<StreamPredictChurnResponse>) {
    let (sender, receiver) = mpsc::channel(1);
    sender.send(question(1)).await.unwrap();
    let mut client = app.predictions();
    let answers = client.stream_predict_churn(ReceiverStream::new(receiver)).await.unwrap();
    let mut answers = answers.into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 1);
    (sender, answers)
}

fn question(sequence: u64) -> StreamPredictChurnRequest {
    let ids = customer_ids(&["r1"]);
    let request = Some(churn_of(predict_churn_request::Input::CustomerIds(ids)));
    StreamPredictChurnRequest { sequence, request }
}

#[tokio::test]
async fn a_shutdown_finishes_the_calls_that_are_open() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let (sender, mut answers) = open_call(&app).await;
    let mut health = HealthClient::new(app.channel.clone());
    let watched = health.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watched = watched.into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let (_directory, serving) = app.begin_shutdown();
    let told = timeout(PATIENCE, watched.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::NotServing);
    drop((health, watched));
    sender.send(question(2)).await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 2);
    assert!(!serving.is_finished());
    drop(sender);
    assert!(answers.message().await.unwrap().is_none());
    drop(answers);
    timeout(PATIENCE, serving).await.expect("the server stops").unwrap().unwrap();
}

#[tokio::test]
async fn a_call_that_does_not_end_holds_the_server_up_for_the_drain_time_at_most() {
    let settings = [("server.drain_seconds", "1")];
    let app = TestApp::copy_of_with(&small_shop().directory, &settings).await;
    let (_sender, _answers) = open_call(&app).await;
    let (_directory, serving) = app.begin_shutdown();
    timeout(Duration::from_secs(10), serving).await.expect("it stops").unwrap().unwrap();
}

#[tokio::test]
async fn data_versions_and_jobs_survive_a_restart() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let ids = ["r1", "o1", "l1", "nobody"];
    let before = app.churn(&ids).await.unwrap();
    let app = app.restart().await;
    let after = app.churn(&ids).await.unwrap();
    assert_eq!(before.probabilities, after.probabilities);
    let (before, after) = (before.served_by.unwrap(), after.served_by.unwrap());
    assert_eq!((before.version, before.model_digest), (after.version, after.model_digest));
    let jobs = app.trainings().list_training_jobs(ListTrainingJobsRequest::default()).await;
    assert_eq!(jobs.unwrap().into_inner().jobs.len(), 4);
}
