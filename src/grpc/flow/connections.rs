//! Connections: taken, limited, aged, and closed in the end, whatever their clients do.
//!
//! tonic's own server waits without limit for connections to close, and closes an old connection
//! either without telling its client or without ever ending it. Here the tasks are ours.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Map;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use rand::Rng as _;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::{Stream, StreamExt as _};
use tonic::body::Body;
use tonic::transport::server::Connected;
use tower::Service;

use super::Phase;
use super::body::AnswerBody;
use super::calls::{Begun, Driven};
use super::gathered::gathered;
use super::heard::Heard;
use super::layer::{Answering, FlowService};

// Windows and frame sizes at which large messages are measured fastest.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
const FRAME: u32 = 1 << 20;
/// Calls of a connection at a time.
pub(in crate::grpc) const STREAMS: u32 = 100;
/// Bytes of the headers of a call.
pub(in crate::grpc) const HEADER_LIST: u32 = 16 << 10;
/// Calls that a client takes back before the server came to them, until the connection is cut. Where the
/// server is busy for a moment, the deadlines of some hundred calls pass at a client that does nothing wrong.
const RESET_STREAMS: usize = 5 * STREAMS as usize;
/// Calls that break the protocol, until the connection is cut.
const BROKEN_STREAMS: usize = 256;
/// A silent connection is asked whether it is still there, and for how long its answer may take.
const PING: Duration = Duration::from_secs(60);
const PONG: Duration = Duration::from_secs(20);
/// How long an aged connection may finish its calls.
const AGE_GRACE: Duration = Duration::from_secs(300);
/// How long a client without calls may take to close a connection that it was asked to close.
const GOODBYE: Duration = Duration::from_secs(1);
/// Between two looks at a connection that shall close.
const LOOK: Duration = Duration::from_millis(100);
/// After a connection could not be taken, for want of file handles for example.
const TAKE_AGAIN: Duration = Duration::from_millis(50);

/// How connections are closed.
#[derive(Clone, Copy, Debug)]
pub(in crate::grpc) struct ConnectionSettings {
    /// When a connection is asked to go, give or take a tenth.
    pub(in crate::grpc) age: Option<Duration>,
    /// How long calls may go on when the server drains.
    pub(in crate::grpc) drain: Duration,
}

/// Takes part in every call of a connection, so that their number is known.
#[derive(Clone, Debug)]
pub(super) struct OpenCall {
    _token: Arc<()>,
}

/// Serves connections until the server drains, and until they are closed.
#[derive(Debug)]
pub(in crate::grpc) struct Connections {
    settings: ConnectionSettings,
    phase: watch::Receiver<Phase>,
    tasks: JoinSet<()>,
}

impl Connections {
    pub(in crate::grpc) fn new(
        settings: ConnectionSettings,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        Self { settings, phase, tasks: JoinSet::new() }
    }

    /// Takes connections until the server drains. Then nobody listens any more, clients are asked
    /// to go, and calls may end until the drain time is over; what is left then is cut off.
    pub(in crate::grpc) async fn serve<IO, S>(
        mut self,
        incoming: impl Stream<Item = io::Result<IO>>,
        service: FlowService<S>,
    ) where
        IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        self.take(incoming, service).await;
        let closed = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(self.settings.drain, closed).await.is_err() {
            tracing::warn!(
                connections = self.tasks.len(),
                "calls that were still open after the drain time are cut off"
            );
            self.tasks.shutdown().await;
        }
    }

    async fn take<IO, S>(
        &mut self,
        incoming: impl Stream<Item = io::Result<IO>>,
        service: FlowService<S>,
    ) where
        IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        let mut incoming = pin!(incoming);
        let mut phase = self.phase.clone();
        let mut drains = pin!(draining(&mut phase));
        loop {
            tokio::select! {
                () = &mut drains => return,
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
                taken = incoming.next() => match taken {
                    Some(Ok(io)) => {
                        let connection = Connection::new(&io, service.clone(), self);
                        self.tasks.spawn(connection.run(io));
                    }
                    Some(Err(error)) => {
                        tracing::warn!(%error, "a connection was not taken");
                        sleep(TAKE_AGAIN).await;
                    }
                    None => return,
                },
            }
        }
    }
}

/// HTTP/2 as it is spoken here; calls go to `calls`.
fn http(calls: Begun) -> http2::Builder<Begun> {
    let mut http = http2::Builder::new(calls);
    http.timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_LIST)
        .max_pending_accept_reset_streams(RESET_STREAMS)
        .max_local_error_reset_streams(BROKEN_STREAMS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
    http
}

async fn draining(phase: &mut watch::Receiver<Phase>) {
    // Where nobody can say so any more, the server is gone.
    drop(phase.wait_for(|phase| *phase == Phase::Draining).await);
}

/// One connection.
struct Connection<S, Info> {
    service: Tagged<S, Info>,
    age: Option<Duration>,
    phase: watch::Receiver<Phase>,
}

impl<S, Info> Connection<S, Info>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    Info: Clone + Send + Sync + 'static,
{
    fn new(
        io: &impl Connected<ConnectInfo = Info>,
        inner: FlowService<S>,
        all: &Connections,
    ) -> Self {
        let age = all.settings.age;
        Self {
            service: Tagged { inner, info: io.connect_info(), token: Arc::default() },
            age: age.map(|age| age.mul_f64(rand::thread_rng().gen_range(0.9..1.1))),
            phase: all.phase.clone(),
        }
    }

    async fn run(self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self { service, age, mut phase } = self;
        let token = Arc::clone(&service.token);
        // This one, that of the service, and one for each call.
        let calls = || Arc::strong_count(&token).saturating_sub(2);
        let (io, word) = Heard::new(io);
        let (io, outbox) = gathered(io);
        let begun = Begun::default();
        let served = http(begun.clone()).serve_connection(TokioIo::new(io), service);
        let mut connection = Driven::new(served, begun, outbox);
        let mut aged = pin!(until(age));
        let grace = tokio::select! {
            ended = &mut connection => return told(ended),
            () = word.missed() => return tracing::debug!("a silent connection was closed"),
            () = aged.as_mut() => AGE_GRACE,
            // The server has a limit of its own for all connections.
            () = draining(&mut phase) => Duration::MAX,
        };
        connection.connection().graceful_shutdown();
        tokio::select! {
            ended = &mut connection => told(ended),
            () = closable(calls, grace) => tracing::debug!("a connection was closed by force"),
        }
    }
}

/// Sleeps for a time, for ever where there is none.
async fn until(age: Option<Duration>) {
    match age {
        Some(age) => sleep(age).await,
        None => std::future::pending().await,
    }
}

/// Resolves when a connection whose client was asked to go may be closed from this side: after it
/// had no call for a moment, or when its time is over.
async fn closable(calls: impl Fn() -> usize, grace: Duration) {
    let asked = Instant::now();
    let mut idle_since = asked;
    while asked.elapsed() < grace {
        let now = Instant::now();
        if calls() > 0 {
            idle_since = now;
        } else if now - idle_since >= GOODBYE {
            return;
        }
        sleep(LOOK).await;
    }
}

fn told(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Tells every request which connection it came over.
#[derive(Clone)]
struct Tagged<S, Info> {
    inner: FlowService<S>,
    info: Info,
    token: Arc<()>,
}

impl<S, Info> hyper::service::Service<Request<Incoming>> for Tagged<S, Info>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    Info: Clone + Send + Sync + 'static,
{
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Map<Answering, fn(Response<AnswerBody>) -> Result<Self::Response, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let extensions = request.extensions_mut();
        extensions.insert(self.info.clone());
        extensions.insert(OpenCall { _token: Arc::clone(&self.token) });
        self.inner.answer(request).map(Ok)
    }
}
