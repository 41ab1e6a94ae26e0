//! The one layer that every call passes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service, ServiceExt as _};

use crate::grpc::status::status;

use super::body::{AnswerBody, AskedBody, Interrupt};
use super::call::Call;
use super::deadline::{Deadline, exceeded};
use super::incident::{caught, contained};
use super::method::Shape;
use super::seat::{Seat, SeatedBody};
use super::{Flow, Phase};

/// Whether a call may come in; tells the service who calls.
type Check = Arc<dyn Fn(&mut Request<Body>) -> Result<(), Status> + Send + Sync>;

/// Puts [`FlowService`] around a service.
#[derive(Clone)]
pub(in crate::grpc) struct FlowLayer {
    flow: Flow,
    check: Check,
}

impl FlowLayer {
    /// A layer whose calls have to pass `check`.
    pub(in crate::grpc) fn new(
        flow: Flow,
        check: impl Fn(&mut Request<Body>) -> Result<(), Status> + Send + Sync + 'static,
    ) -> Self {
        Self { flow, check: Arc::new(check) }
    }
}

/// Checks, bounds, times, contains and counts the calls of the service within.
#[derive(Clone)]
pub(in crate::grpc) struct FlowService<S> {
    inner: S,
    flow: Flow,
    check: Check,
}

impl<S> Layer<S> for FlowLayer {
    type Service = FlowService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FlowService { inner, flow: self.flow.clone(), check: Arc::clone(&self.check) }
    }
}

type Answered = Result<Response<Body>, Infallible>;

impl<S> Service<Request<Body>> for FlowService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answered> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Runs on the task of the connection: the call is let in or refused as it arrives, and begins
    /// when its own task comes to it. Strangers take no seat.
    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let call = Call::begin(self.flow.clone(), &mut request);
        let method = &call.method;
        let is_short = method.shape == Shape::Unary && method.is_safe && !method.is_long;
        let most = is_short.then_some(self.flow.0.max_call);
        let deadline = Deadline::of(request.headers(), most, call.arrived);
        request.extensions_mut().insert(deadline);
        let checked = caught(|| (self.check)(&mut request)).and_then(|checked| checked);
        let seat =
            checked.and_then(|()| method.is_bounded.then(|| Seat::take(&self.flow)).transpose());
        let inner = self.inner.clone();
        Box::pin(async move {
            Ok(match seat {
                Ok(seat) => answer(inner, request, call, deadline, seat).await,
                Err(status) => refuse(call, &status),
            })
        })
    }
}

async fn answer<S>(
    inner: S,
    request: Request<Body>,
    call: Call,
    deadline: Deadline,
    seat: Option<Seat>,
) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let now = Instant::now();
    if seat.is_some() {
        call.flow.meters().waited(now - call.arrived);
    }
    if deadline.has_passed(now) {
        return refuse(call, &exceeded());
    }
    let answering = contained(inner.oneshot(received(request, &call, seat.as_ref())));
    let answered = match deadline.instant() {
        Some(deadline) => timeout_at(deadline, answering).await,
        None => Ok(answering.await),
    };
    // The answer may wait for its reader; what it took to make it is free again.
    if let Some(seat) = seat {
        seat.leave();
    }
    match answered {
        Ok(Ok(Ok(response))) => observed(response, call, deadline),
        Ok(Err(status)) => refuse(call, &status),
        Err(_) => refuse(call, &exceeded()),
    }
}

/// The request as the service reads it.
fn received(request: Request<Body>, call: &Call, seat: Option<&Seat>) -> Request<Body> {
    if call.method.shape.receives_many() {
        return request.map(|body| Body::new(AskedBody::new(body, Arc::clone(&call.method))));
    }
    call.method.meter.received(1);
    match seat.cloned() {
        Some(seat) => request.map(|inner| Body::new(SeatedBody { inner, seat })),
        None => request,
    }
}

/// The response, whose body takes note of how the call ends.
fn observed(response: Response<Body>, mut call: Call, deadline: Deadline) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    call.told(&mut parts.headers);
    let interrupt = interrupt(&call, deadline);
    Response::from_parts(parts, Body::new(AnswerBody::new(body, call, interrupt)))
}

fn refuse(mut call: Call, status: &Status) -> Response<Body> {
    let mut response = status.clone().into_http::<Body>();
    call.told(response.headers_mut());
    response
}

/// What cuts the answer of a stream short: its caller's deadline, and a server that goes where the
/// stream has no end of its own.
fn interrupt(call: &Call, deadline: Deadline) -> Option<Interrupt> {
    if call.method.shape == Shape::Unary {
        return None;
    }
    let deadline = deadline.instant();
    let phase = call.method.is_endless().then(|| call.flow.phase());
    if deadline.is_none() && phase.is_none() {
        return None;
    }
    let over = async move {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    let gone = async move {
        match phase {
            // A server that is gone has drained.
            Some(mut phase) => drop(phase.wait_for(|phase| *phase == Phase::Draining).await),
            None => std::future::pending().await,
        }
    };
    Some(Box::pin(async move {
        tokio::select! {
            () = over => exceeded(),
            () = gone => status(
                Code::Unavailable,
                "SHUTTING_DOWN",
                "the server is stopping; ask again, and another one will answer",
            ),
        }
    }))
}
