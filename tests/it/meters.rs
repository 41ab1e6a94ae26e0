//! Metrics and probes: what Prometheus and a prober see.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use patron::grpc::proto::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::app::{PATIENCE, TestApp};
use crate::fixture::small_shop;
use crate::shop;

const LISTEN: (&str, &str) = ("telemetry.metrics_listen", "127.0.0.1:0");

/// The status line and the body of a page.
pub(crate) async fn page(address: SocketAddr, path: &str) -> (String, String) {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: patron\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, connection.read_to_string(&mut answer)).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// The value of the series that begins with `series`.
pub(crate) fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(series));
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{text}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// Every metric that `/metrics` has; histograms without what they end with.
pub(crate) const NAMES: [&str; 20] = [
    "grpc_server_started_total",
    "grpc_server_handled_total",
    "grpc_server_handling_seconds",
    "grpc_server_msg_received_total",
    "grpc_server_msg_sent_total",
    "patron_predict_rows_total",
    "patron_inference_seconds",
    "patron_queue_seconds",
    "patron_inflight_calls",
    "patron_inflight_rows",
    "patron_rejected_total",
    "patron_panics_total",
    "patron_model_loaded",
    "patron_model_load_seconds",
    "patron_feature_age_seconds",
    "patron_jobs",
    "patron_job_seconds",
    "patron_ingest_lines_total",
    "patron_store_tail_bytes",
    "patron_build_info",
];

#[tokio::test]
async fn what_the_server_does_is_counted() {
    let settings = [LISTEN, ("server.max_message_bytes", "65536")];
    let app = TestApp::copy_of_with(&small_shop().directory, &settings).await;
    let address = app.metrics.unwrap();
    app.churn(&["r1", "o1", "nobody"]).await.unwrap();
    app.churn(&["r2"]).await.unwrap();
    app.churn(&[]).await.unwrap_err();
    let long = "k".repeat(70_000);
    app.churn(&[&long]).await.unwrap_err();
    let item = |sequence| StreamPredictChurnRequest { sequence, request: None };
    let items = tokio_stream::iter([item(1), item(2), item(3)]);
    let mut answers = app.predictions().stream_predict_churn(items).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
    let file = app.file("again.csv", shop::csv());
    let job = app.import(&file, shop::MAPPING).await;
    assert_eq!(job.state(), JobState::Succeeded);

    let (status, text) = page(address, "/metrics").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    for name in NAMES {
        assert!(text.contains(&format!("\n{name}")), "{name} in\n{text}");
    }
    let churn = "grpc_type=\"unary\",grpc_service=\"patron.v1.PredictionService\",\
                 grpc_method=\"PredictChurn\"";
    let count = |name: &str, rest: &str| value(&text, &format!("{name}{{{churn}{rest}}}"));
    assert_eq!(count("grpc_server_started_total", ""), 4.0);
    assert_eq!(count("grpc_server_handled_total", ",grpc_code=\"OK\""), 2.0);
    assert_eq!(count("grpc_server_handled_total", ",grpc_code=\"InvalidArgument\""), 1.0);
    assert_eq!(count("grpc_server_handled_total", ",grpc_code=\"ResourceExhausted\""), 1.0);
    assert_eq!(count("grpc_server_handling_seconds_count", ",grpc_code=\"OK\""), 2.0);
    let stream = "grpc_type=\"bidi_stream\",grpc_service=\"patron.v1.PredictionService\",\
                  grpc_method=\"StreamPredictChurn\"";
    assert_eq!(value(&text, &format!("grpc_server_msg_received_total{{{stream}}}")), 3.0);
    assert_eq!(value(&text, &format!("grpc_server_msg_sent_total{{{stream}}}")), 3.0);
    assert_eq!(value(&text, "patron_predict_rows_total{model=\"churn\",version=\"1\"}"), 4.0);
    assert_eq!(value(&text, "patron_inference_seconds_count{model=\"churn\"}"), 2.0);
    assert_eq!(value(&text, "patron_rejected_total{reason=\"MESSAGE_TOO_LARGE\"}"), 1.0);
    assert_eq!(value(&text, "patron_model_loaded{model=\"churn\",version=\"1\"}"), 1.0);
    assert!(value(&text, "patron_model_load_seconds{model=\"churn\"}") > 0.0);
    assert!(value(&text, "patron_feature_age_seconds{model=\"churn\"}") > 0.0);
    assert_eq!(value(&text, "patron_jobs{state=\"succeeded\",kind=\"training\"}"), 4.0);
    let ended = "patron_job_seconds_count{kind=\"import\",outcome=\"succeeded\"}";
    assert_eq!(value(&text, ended), 1.0);
    let lines = job.report.unwrap().duplicates as f64;
    assert_eq!(value(&text, "patron_ingest_lines_total{outcome=\"duplicate\"}"), lines);
    assert_eq!(value(&text, "patron_inflight_calls"), 0.0);
    // Nothing of a customer, and as many series whatever is asked for.
    for key in ["r1", "o1", "nobody", "r2"] {
        assert!(!text.contains(&format!("\"{key}\"")), "{key} in\n{text}");
    }
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    for number in 0..50 {
        app.churn(&[&format!("x{number}")]).await.unwrap();
    }
    // A page is given again for a second.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let (_, text) = page(address, "/metrics").await;
    assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), series);
}

#[tokio::test]
async fn probes_and_health_say_at_once_that_the_server_goes() {
    let settings = [LISTEN, ("server.drain_delay_seconds", "2")];
    let app = TestApp::copy_of_with(&small_shop().directory, &settings).await;
    let address = app.metrics.unwrap();
    assert_eq!(page(address, "/readyz").await.0, "HTTP/1.1 200 OK");
    assert_eq!(page(address, "/healthz").await.0, "HTTP/1.1 200 OK");
    let clients = (*app).clone();
    let mut health = HealthClient::new(clients.channel.clone());
    let mut watched = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let begun = Instant::now();
    let (_directory, serving) = app.begin_shutdown();
    let told = watched.message().await.unwrap().unwrap();
    let took = begun.elapsed();
    assert_eq!(told.status(), ServingStatus::NotServing);
    // A tenth of a second is what is wanted; this machine may be busy with other tests.
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert_eq!(page(address, "/readyz").await.0, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(page(address, "/healthz").await.0, "HTTP/1.1 200 OK");
    // Who has not heard of it yet is still answered.
    clients.churn(&["r1"]).await.unwrap();
    drop((health, clients));
    // The watch, which has no end of its own, does not hold the server up.
    let ended = watched.message().await.unwrap_err();
    assert_eq!(ended.code(), tonic::Code::Unavailable);
    timeout(Duration::from_secs(10), serving).await.expect("it stops").unwrap().unwrap();
}

#[tokio::test]
async fn nothing_is_served_where_no_address_is_given() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    assert_eq!(app.metrics, None);
}
