//! The one layer that every call passes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{BoxError, Service, ServiceExt as _};

use crate::grpc::compression::only_where_asked;
use crate::grpc::status::status;

use super::body::{AnswerBody, AskedBody, Interrupt};
use super::call::Call;
use super::deadline::{Deadline, exceeded};
use super::incident::{caught, contained};
use super::method::Shape;
use super::seat::Seat;
use super::{Flow, Phase};

/// Whether a call may come in; tells the service who calls.
type Check = Arc<dyn Fn(&mut Parts) -> Result<(), Status> + Send + Sync>;

/// The answer to a call, as it becomes.
pub(super) type Answering = Pin<Box<dyn Future<Output = Response<AnswerBody>> + Send>>;

/// Checks, bounds, times, contains and counts the calls of the service within.
#[derive(Clone)]
pub(in crate::grpc) struct FlowService<S> {
    inner: S,
    flow: Flow,
    check: Check,
}

impl<S> FlowService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    /// Around `inner`, for calls that pass `check`.
    pub(in crate::grpc) fn new(
        inner: S,
        flow: Flow,
        check: impl Fn(&mut Parts) -> Result<(), Status> + Send + Sync + 'static,
    ) -> Self {
        Self { inner, flow, check: Arc::new(check) }
    }

    /// Runs on the task of the connection: the call is let in or refused as it arrives, and begins
    /// when its own task comes to it. Strangers take no seat.
    pub(super) fn answer<B>(&self, request: Request<B>) -> Answering
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static,
    {
        let (mut parts, body) = request.into_parts();
        let call = Call::begin(self.flow.clone(), &mut parts);
        let method = &call.method;
        let is_short = method.shape == Shape::Unary && method.is_safe && !method.is_long;
        let most = is_short.then_some(self.flow.0.max_call);
        let deadline = Deadline::of(&parts.headers, most, call.arrived);
        parts.extensions.insert(deadline);
        only_where_asked(&mut parts.headers);
        let checked = caught(|| (self.check)(&mut parts)).and_then(|checked| checked);
        let seat =
            checked.and_then(|()| method.is_bounded.then(|| Seat::take(&self.flow)).transpose());
        match seat {
            Ok(seat) => {
                let request = Request::from_parts(parts, received(body, &call, seat.as_ref()));
                Box::pin(answer(self.inner.clone(), request, (call, deadline, seat)))
            }
            Err(status) => Box::pin(async move { refuse(call, &status) }),
        }
    }
}

async fn answer<S>(
    inner: S,
    request: Request<Body>,
    (call, deadline, seat): (Call, Deadline, Option<Seat>),
) -> Response<AnswerBody>
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
    let answering = contained(inner.oneshot(request));
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

/// What the caller sends, as the service reads it.
fn received<B>(body: B, call: &Call, seat: Option<&Seat>) -> Body
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static,
{
    if call.method.shape.receives_many() {
        return Body::new(AskedBody::many(body, Arc::clone(&call.method)));
    }
    call.method.meter.received(1);
    Body::new(AskedBody::one(body, seat.cloned()))
}

/// The response, whose body takes note of how the call ends.
fn observed(response: Response<Body>, mut call: Call, deadline: Deadline) -> Response<AnswerBody> {
    let (mut parts, body) = response.into_parts();
    call.told(&mut parts.headers);
    let interrupt = interrupt(&call, deadline);
    Response::from_parts(parts, AnswerBody::new(body, call, interrupt))
}

fn refuse(mut call: Call, status: &Status) -> Response<AnswerBody> {
    let (mut parts, ()) = status.clone().into_http::<()>().into_parts();
    call.told(&mut parts.headers);
    Response::from_parts(parts, AnswerBody::none(call))
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
