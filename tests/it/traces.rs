//! Traces, as a collector receives them.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use patron::grpc::proto::PredictChurnRequest;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::app::TestApp;
use crate::fixture::small_shop;

#[derive(Clone, Debug, Default)]
struct Collector(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self::default();
        let service = TraceServiceServer::new(collector.clone());
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (collector, endpoint)
    }

    fn spans(&self) -> Vec<Span> {
        let received = self.0.lock().unwrap();
        let resources = received.iter().flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{key}: {other:?} in {span:?}"),
    }
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Sent on, the caller's trace is recorded even where none would begin here.
#[tokio::test]
async fn a_call_is_a_part_of_its_callers_trace() {
    let (collector, endpoint) = Collector::start().await;
    let settings =
        [("telemetry.traces_endpoint", endpoint.as_str()), ("telemetry.traces_ratio", "0")];
    let app = TestApp::copy_of_with(&small_shop().directory, &settings).await;
    let mut request = Request::new(PredictChurnRequest {
        input: Some(patron::grpc::proto::predict_churn_request::Input::CustomerIds(
            patron::grpc::proto::CustomerIds { ids: vec!["r1".to_owned(), "o1".to_owned()] },
        )),
        ..PredictChurnRequest::default()
    });
    let metadata = request.metadata_mut();
    metadata.insert("traceparent", format!("00-{TRACE}-{CALLER}-01").parse().unwrap());
    metadata.insert("x-request-id", "till-7".parse().unwrap());
    app.predictions().predict_churn(request).await.unwrap();
    // Not sampled, neither by its caller nor here.
    app.churn(&["r2"]).await.unwrap();
    app.shutdown().await;

    let spans = collector.spans();
    let [work, call] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!(call.name, "patron.v1.PredictionService/PredictChurn");
    assert_eq!(call.kind(), SpanKind::Server);
    assert_eq!(hex(&call.trace_id), TRACE);
    assert_eq!(hex(&call.parent_span_id), CALLER);
    assert_eq!(attribute(call, "rpc.system"), "grpc");
    assert_eq!(attribute(call, "rpc.service"), "patron.v1.PredictionService");
    assert_eq!(attribute(call, "rpc.method"), "PredictChurn");
    assert_eq!(attribute(call, "rpc.grpc.status_code"), "0");
    assert_eq!(attribute(call, "patron.request_id"), "till-7");
    assert_eq!(work.name, "predict");
    assert_eq!(hex(&work.trace_id), TRACE);
    assert_eq!(work.parent_span_id, call.span_id);
    assert_eq!(attribute(work, "patron.model"), "churn");
    assert_eq!(attribute(work, "patron.version"), "1");
    assert_eq!(attribute(work, "patron.rows"), "2");
    assert!(work.start_time_unix_nano >= call.start_time_unix_nano);
    assert!(work.end_time_unix_nano <= call.end_time_unix_nano);
}

#[tokio::test]
async fn refused_calls_are_no_faults_and_no_span_names_a_customer() {
    let (collector, endpoint) = Collector::start().await;
    let settings = [("telemetry.traces_endpoint", endpoint.as_str())];
    let app = TestApp::copy_of_with(&small_shop().directory, &settings).await;
    app.churn(&[]).await.unwrap_err();
    app.churn(&["customer-of-nobody"]).await.unwrap();
    app.shutdown().await;

    let spans = collector.spans();
    let refused = spans.iter().find(|span| {
        span.kind() == SpanKind::Server && attribute(span, "rpc.grpc.status_code") == "3"
    });
    let status = refused.unwrap().status.clone().unwrap_or_default();
    assert_ne!(status.code(), StatusCode::Error);
    assert!(!format!("{spans:?}").contains("customer-of-nobody"));
}

/// A collector that is away costs spans and nothing else.
#[tokio::test]
async fn without_its_collector_the_server_answers_and_stops() {
    let settings = [("telemetry.traces_endpoint", "http://127.0.0.1:1")];
    let app = TestApp::copy_of_with(&small_shop().directory, &settings).await;
    app.churn(&["r1"]).await.unwrap();
    app.shutdown().await;
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
