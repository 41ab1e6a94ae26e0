//! Metrics and probes over plain HTTP, on a port of their own.

mod listener;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::app::App;

use self::listener::Bounded;
use super::{Flow, Phase, state};

/// What Prometheus asks for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// So long a page of metrics is given again: whoever asks more often costs nothing.
const PAGE_AGE: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Probe {
    app: Arc<App>,
    flow: Flow,
    /// The last page and when it was written; whoever holds it writes the next.
    page: Arc<Mutex<Option<(Instant, String)>>>,
}

/// Answers `/metrics`, `/healthz` and `/readyz` until it is dropped.
pub(in crate::grpc) async fn serve(listener: TcpListener, app: Arc<App>, flow: Flow) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "the process lives\n"))
        .route("/readyz", get(readiness))
        .with_state(Probe { app, flow, page: Arc::default() });
    if let Err(error) = axum::serve(Bounded::new(listener), router).await {
        tracing::error!(%error, "metrics are not served any more");
    }
}

async fn metrics(State(probe): State<Probe>) -> Response {
    let Probe { app, flow, page } = probe;
    let mut page = page.lock().await;
    if let Some((written, text)) = &*page
        && written.elapsed() < PAGE_AGE
    {
        return ([(header::CONTENT_TYPE, OPEN_METRICS)], text.clone()).into_response();
    }
    let written = tokio::task::spawn_blocking(move || flow.meters().text(&state::of(&app, &flow)));
    match written.await {
        Ok(Ok(text)) => {
            *page = Some((Instant::now(), text.clone()));
            ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response()
        }
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Ready until the server is asked to go.
async fn readiness(State(probe): State<Probe>) -> Response {
    if *probe.flow.phase().borrow() == Phase::Serving {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "the server is stopping\n").into_response()
}
