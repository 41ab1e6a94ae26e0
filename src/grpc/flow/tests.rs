//! The layer and the connections around services that sleep, spin and break.

/// Clients that do not keep to the protocol.
mod rude;

use std::convert::Infallible;
use std::error::Error as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tonic::body::Body;
use tonic::server::{Grpc, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::service_fn;
use tower::util::BoxCloneService;

use crate::config::{Config, FlowConfig, RawConfig};
use crate::grpc::codec::ContiguousCodec;
use crate::grpc::proto::prediction_service_client::PredictionServiceClient;
use crate::grpc::proto::{PredictChurnRequest, PredictChurnResponse};

use super::{ConnectionSettings, Connections, Flow, FlowService, Phase};

type Work = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;

/// What the service does in each call, by the number of the call.
#[derive(Clone)]
struct Behaviour(Arc<dyn Fn(usize) -> Work + Send + Sync>);

impl Behaviour {
    fn of(work: impl Fn(usize) -> Work + Send + Sync + 'static) -> Self {
        Self(Arc::new(work))
    }

    /// Sleeps for so long.
    fn sleeping(time: Duration) -> Self {
        Self::of(move |_| {
            Box::pin(async move {
                sleep(time).await;
                Ok(())
            })
        })
    }
}

#[derive(Clone)]
struct Answerer {
    behaviour: Behaviour,
    begun: Arc<AtomicUsize>,
}

impl UnaryService<PredictChurnRequest> for Answerer {
    type Response = PredictChurnResponse;
    type Future =
        Pin<Box<dyn Future<Output = Result<tonic::Response<PredictChurnResponse>, Status>> + Send>>;

    fn call(&mut self, _: tonic::Request<PredictChurnRequest>) -> Self::Future {
        let work = (self.behaviour.0)(self.begun.fetch_add(1, Ordering::SeqCst));
        Box::pin(async move {
            work.await.map(|()| tonic::Response::new(PredictChurnResponse::default()))
        })
    }
}

/// A server whose predict calls do what a test wants.
struct TestServer {
    flow: Flow,
    address: SocketAddr,
    begun: Arc<AtomicUsize>,
    service: FlowService<BoxCloneService<Request<Body>, Response<Body>, Infallible>>,
    serving: JoinHandle<()>,
}

const SETTINGS: FlowConfig = FlowConfig {
    max_call: Duration::from_secs(30),
    max_calls: 64,
    max_rows: 10_000,
    connection_age: None,
    drain_delay: Duration::ZERO,
    drain: Duration::from_secs(1),
};

impl TestServer {
    async fn start(settings: FlowConfig, behaviour: Behaviour) -> Self {
        let config = Config::check(&RawConfig::default()).unwrap();
        let flow = Flow::new(&Config { flow: settings, ..config }, Arc::default(), None).unwrap();
        let begun = Arc::new(AtomicUsize::new(0));
        let answerer = Answerer { behaviour, begun: Arc::clone(&begun) };
        let service = service_fn(move |request: Request<Body>| {
            let answerer = answerer.clone();
            async move {
                let mut grpc = Grpc::new(ContiguousCodec::<
                    PredictChurnResponse,
                    PredictChurnRequest,
                >::default());
                Ok::<Response<Body>, Infallible>(grpc.unary(answerer, request).await)
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Connections::new(
            ConnectionSettings { age: settings.connection_age, drain: settings.drain },
            flow.phase(),
        );
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let service = BoxCloneService::new(service);
        let service = FlowService::new(service, flow.clone(), |_| Ok(()));
        let serving = tokio::spawn(connections.serve(incoming, service.clone()));
        Self { flow, address, begun, service, serving }
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap()
    }

    async fn client(&self) -> PredictionServiceClient<Channel> {
        PredictionServiceClient::new(self.endpoint().connect().await.unwrap())
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// The code of a call with a deadline, without a client that has one of its own.
    async fn code_within(&self, limit: Option<&str>) -> Code {
        let mut request = Request::post("/patron.v1.PredictionService/PredictChurn")
            .header("content-type", "application/grpc");
        if let Some(limit) = limit {
            request = request.header("grpc-timeout", limit);
        }
        let empty_message = axum::body::Body::from(vec![0; 5]);
        let request = request.body(Body::new(empty_message)).unwrap();
        let response = self.service.answer(request).await;
        // Only what went well has messages before its status.
        Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
    }

    /// Waits until nothing is at work.
    async fn idle(&self) {
        let idle = async {
            while self.flow.0.admission.at_work() != (0, 0) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(10), idle).await.expect("all permits come back");
    }

    /// Drains and gives the time until it was done.
    async fn drained(self) -> Duration {
        let begun = Instant::now();
        self.flow.enter(Phase::Draining);
        timeout(Duration::from_secs(20), self.serving).await.expect("it drains").unwrap();
        begun.elapsed()
    }
}

async fn ask(client: &PredictionServiceClient<Channel>) -> Result<(), Status> {
    client.clone().predict_churn(PredictChurnRequest::default()).await.map(drop)
}

async fn ask_within(client: &PredictionServiceClient<Channel>, limit: &str) -> Result<(), Status> {
    let mut request = tonic::Request::new(PredictChurnRequest::default());
    request.metadata_mut().insert("grpc-timeout", limit.parse().unwrap());
    client.clone().predict_churn(request).await.map(drop)
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

#[tokio::test]
async fn a_panic_ends_its_call_and_no_other_of_its_connection() {
    let behaviour = Behaviour::of(|number| {
        Box::pin(async move {
            sleep(Duration::from_millis(1)).await;
            assert!(!number.is_multiple_of(10), "customer 17850 is too much for me");
            Ok(())
        })
    });
    let server = TestServer::start(SETTINGS, behaviour).await;
    let client = server.client().await;
    let (mut broken, mut well) = (0, 0);
    for _ in 0..20 {
        let mut calls = JoinSet::new();
        for _ in 0..10 {
            let client = client.clone();
            calls.spawn(async move { ask(&client).await });
        }
        for outcome in calls.join_all().await {
            let Err(status) = outcome else {
                well += 1;
                continue;
            };
            broken += 1;
            assert_eq!((status.code(), reason(&status).as_str()), (Code::Internal, "INTERNAL"));
            let incident = status.get_details_error_info().unwrap().metadata["incident"].clone();
            assert!(status.message().contains(&incident), "{status}");
            assert!(!status.message().contains("17850"), "{status}");
        }
    }
    assert_eq!((broken, well), (20, 180));
    server.idle().await;
}

#[tokio::test]
async fn the_deadline_of_the_caller_and_the_limit_of_the_server_are_told_as_such() {
    let settings = FlowConfig { max_call: Duration::from_millis(300), ..SETTINGS };
    let server = TestServer::start(settings, Behaviour::sleeping(Duration::from_secs(20))).await;
    for limit in [Some("20000u"), Some("50m"), Some("3600S"), None] {
        let begun = Instant::now();
        assert_eq!(server.code_within(limit).await, Code::DeadlineExceeded, "{limit:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{limit:?}");
    }
    assert_eq!(server.begun(), 4);
    server.idle().await;
}

#[tokio::test]
async fn a_call_whose_deadline_passed_does_not_begin() {
    let server = TestServer::start(SETTINGS, Behaviour::sleeping(Duration::ZERO)).await;
    for limit in ["0n", "1n", "0m"] {
        assert_eq!(server.code_within(Some(limit)).await, Code::DeadlineExceeded);
    }
    assert_eq!(server.begun(), 0);
    assert_eq!(server.code_within(Some("10S")).await, Code::Ok);
}

#[tokio::test]
async fn calls_above_the_bound_are_refused_at_once_and_cancelled_ones_make_room() {
    let settings = FlowConfig { max_calls: 4, ..SETTINGS };
    let server = TestServer::start(settings, Behaviour::sleeping(Duration::from_secs(20))).await;
    let client = server.client().await;
    for round in 1..=25 {
        let mut held = JoinSet::new();
        for _ in 0..4 {
            let client = client.clone();
            held.spawn(async move { ask(&client).await });
        }
        while server.begun() < 4 * round {
            sleep(Duration::from_millis(1)).await;
        }
        let status = ask(&client).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert_eq!(reason(&status), "OVERLOADED");
        assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
        // Dropped calls are cancelled calls.
        held.shutdown().await;
        server.idle().await;
    }
    assert_eq!(server.begun(), 100, "a refused call does not begin");
}

#[tokio::test]
async fn who_only_begins_to_ask_keeps_nobody_out() {
    let settings = FlowConfig { max_calls: 4, ..SETTINGS };
    let server = TestServer::start(settings, Behaviour::sleeping(Duration::ZERO)).await;
    let channel = server.endpoint().connect().await.unwrap();
    let mut slow = JoinSet::new();
    for _ in 0..20 {
        let mut client = tonic::client::Grpc::new(channel.clone());
        slow.spawn(async move {
            client.ready().await.unwrap();
            let path = "/patron.v1.PredictionService/PredictChurn".parse().unwrap();
            let nothing = tokio_stream::pending::<PredictChurnRequest>();
            let codec = ContiguousCodec::<_, PredictChurnResponse>::default();
            client.client_streaming(tonic::Request::new(nothing), path, codec).await.map(drop)
        });
    }
    sleep(Duration::from_millis(200)).await;
    let client = server.client().await;
    for _ in 0..20 {
        ask(&client).await.unwrap();
    }
    assert_eq!(server.begun(), 20);
    slow.shutdown().await;
    server.idle().await;
}

#[tokio::test]
async fn ten_thousand_cancelled_calls_leave_nothing_behind() {
    let settings = FlowConfig { max_calls: 10_000, ..SETTINGS };
    let server = TestServer::start(settings, Behaviour::sleeping(Duration::from_secs(20))).await;
    let client = server.client().await;
    for _ in 0..100 {
        let mut calls = JoinSet::new();
        for _ in 0..100 {
            let client = client.clone();
            calls.spawn(async move { ask(&client).await });
        }
        tokio::task::yield_now().await;
        calls.shutdown().await;
    }
    server.idle().await;
    assert_eq!(server.flow.0.admission.at_work(), (0, 0));
}

/// Calls that take half a millisecond of a core each, from an open loop at a rate.
async fn load(server: &TestServer, rate: f64, seconds: f64) -> (usize, Vec<Duration>) {
    let client = server.client().await;
    let (mut calls, begun) = (JoinSet::new(), Instant::now());
    let number = (rate * seconds) as usize;
    for call in 0..number {
        let due = begun + Duration::from_secs_f64(call as f64 / rate);
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        let client = client.clone();
        calls.spawn(async move {
            let asked = Instant::now();
            (ask_within(&client, "50m").await, asked.elapsed())
        });
    }
    let outcomes = calls.join_all().await;
    let refused = outcomes.iter().filter_map(|(outcome, took)| {
        outcome
            .as_ref()
            .is_err_and(|status| status.code() == Code::ResourceExhausted)
            .then_some(*took)
    });
    let answered = outcomes.iter().filter(|(outcome, _)| outcome.is_ok()).count();
    (answered, refused.collect())
}

#[expect(clippy::print_stderr, reason = "the figures are the result")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overloaded_server_goes_on_answering() {
    // One call at a time computes, as on one core.
    let core = Arc::new(tokio::sync::Semaphore::new(1));
    let behaviour = Behaviour::of(move |_| {
        let core = Arc::clone(&core);
        Box::pin(async move {
            let _core = core.acquire().await.unwrap();
            sleep(Duration::from_millis(2)).await;
            Ok(())
        })
    });
    let settings = FlowConfig { max_calls: 8, ..SETTINGS };
    let server = TestServer::start(settings, behaviour).await;
    let capacity = {
        let (client, begun) = (server.client().await, Instant::now());
        for _ in 0..200 {
            ask(&client).await.unwrap();
        }
        200.0 / begun.elapsed().as_secs_f64()
    };
    let (answered, refused) = load(&server, 2.0 * capacity, 2.0).await;
    let goodput = answered as f64 / (2.0 * capacity);
    eprintln!(
        "capacity {capacity:.0}/s; at twice that {:.0} % of it answered, {} refused",
        goodput * 100.0,
        refused.len()
    );
    // The machine may be busy with other things; without the bound, it is nothing.
    assert!(goodput > 0.6, "{goodput}");
    assert!(!refused.is_empty());
    server.idle().await;
    ask(&server.client().await).await.unwrap();
}

#[tokio::test]
async fn connections_age_and_no_call_fails() {
    let age = Some(Duration::from_millis(200));
    let settings = FlowConfig { connection_age: age, ..SETTINGS };
    let server = TestServer::start(settings, Behaviour::sleeping(Duration::from_millis(5))).await;
    let client = server.client().await;
    let (begun, mut calls) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(2) {
        let (first, second) = tokio::join!(ask(&client), ask(&client));
        for asked in [first, second] {
            match asked {
                Ok(()) => calls += 1,
                // This client drops calls that it had not sent when its connection closed, where
                // others send them over the next one. No such call came to the server.
                Err(status) => assert!(status.source().is_some(), "{status:?}"),
            }
        }
    }
    assert!(calls > 50, "{calls}");
}

#[tokio::test]
async fn a_client_that_connects_and_says_nothing_is_let_go() {
    let server = TestServer::start(SETTINGS, Behaviour::sleeping(Duration::ZERO)).await;
    let (mut silent, idle) =
        (TcpStream::connect(server.address).await.unwrap(), server.client().await);
    let begun = Instant::now();
    let mut greeting = Vec::new();
    let closed = timeout(Duration::from_secs(20), silent.read_to_end(&mut greeting)).await;
    closed.expect("it is closed").unwrap();
    assert!(begun.elapsed() > Duration::from_secs(9));
    ask(&idle).await.unwrap();
}

#[tokio::test]
async fn a_drain_ends_in_time_with_a_silent_connection() {
    let server = TestServer::start(SETTINGS, Behaviour::sleeping(Duration::ZERO)).await;
    let _silent = TcpStream::connect(server.address).await.unwrap();
    let client = server.client().await;
    ask(&client).await.unwrap();
    let took = server.drained().await;
    assert!(took < SETTINGS.drain + Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_drain_ends_early_with_a_client_that_ignores_goaway() {
    let settings = FlowConfig { drain: Duration::from_secs(15), ..SETTINGS };
    let server = TestServer::start(settings, Behaviour::sleeping(Duration::ZERO)).await;
    let mut rude = TcpStream::connect(server.address).await.unwrap();
    // The preface and empty settings; what the server sends is never answered.
    rude.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let took = server.drained().await;
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_drain_waits_for_calls_and_cuts_off_those_that_do_not_end() {
    let settings = FlowConfig { drain: Duration::from_secs(10), ..SETTINGS };
    let server = TestServer::start(settings, Behaviour::sleeping(Duration::from_millis(300))).await;
    let client = server.client().await;
    let call = tokio::spawn(async move { ask(&client).await });
    while server.begun() == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let took = server.drained().await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    call.await.unwrap().unwrap();

    let server = TestServer::start(SETTINGS, Behaviour::sleeping(Duration::from_secs(60))).await;
    let client = server.client().await;
    let call = tokio::spawn(async move { ask(&client).await });
    while server.begun() == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let took = server.drained().await;
    assert!(took < SETTINGS.drain + Duration::from_secs(1), "{took:?}");
    call.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn headers_are_bounded() {
    let server = TestServer::start(SETTINGS, Behaviour::sleeping(Duration::ZERO)).await;
    for (bytes, fits) in [(14 << 10, true), (17 << 10, false)] {
        let mut request = tonic::Request::new(PredictChurnRequest::default());
        request.metadata_mut().insert("x-long", "x".repeat(bytes).parse().unwrap());
        let outcome = server.client().await.predict_churn(request).await;
        assert_eq!(outcome.is_ok(), fits, "{bytes}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_connection_has_a_hundred_calls_at_a_time() {
    let settings = FlowConfig { max_calls: 1_000, ..SETTINGS };
    let server = TestServer::start(settings, Behaviour::sleeping(Duration::from_millis(500))).await;
    let client = server.client().await;
    ask(&client).await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..101 {
        let client = client.clone();
        calls.spawn(async move { ask(&client).await });
    }
    sleep(Duration::from_millis(250)).await;
    assert_eq!(server.begun(), 1 + 100, "the last one waits in the client");
    calls.join_all().await.into_iter().for_each(Result::unwrap);
    assert_eq!(server.begun(), 1 + 101);
}
