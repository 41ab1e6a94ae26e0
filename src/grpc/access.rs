//! Who may call which method: one layer around all services, before any of them looks at a request.

mod audit;
mod caller;
mod failures;
mod rules;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tonic::Status;
use tonic::codegen::{Service, http};
use tower_layer::Layer;

use crate::access::{Gate, Principal};
use crate::store::ControlStore;

use super::incoming::Peer;
use super::status::{permission_denied, rate_limited, unauthenticated};

pub(super) use self::audit::{audit, audit_job};
pub(super) use self::caller::{Caller, caller};
use self::failures::Failures;
use self::rules::Rule;

/// Puts [`Guarded`] around services.
#[derive(Clone, Debug)]
pub(super) struct AccessLayer {
    door: Arc<Door>,
}

impl AccessLayer {
    /// A layer that lets in whom `gate` knows and notes in `control` whom it does not.
    pub(super) fn new(gate: Arc<Gate>, control: Arc<ControlStore>) -> Self {
        Self { door: Arc::new(Door { gate, failures: Failures::new(control) }) }
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, door: Arc::clone(&self.door) }
    }
}

#[derive(Debug)]
struct Door {
    gate: Arc<Gate>,
    failures: Failures,
}

impl Door {
    /// Who calls; `None` for a method that anybody may call.
    fn admit<Body>(&self, request: &http::Request<Body>) -> Result<Option<Principal>, Status> {
        let path = request.uri().path();
        let rule = rules::rule(path);
        if rule == Some(Rule::Anyone) {
            return Ok(None);
        }
        let nobody = Peer::default();
        let peer = request.extensions().get::<Peer>().unwrap_or(&nobody);
        let principal = match self.principal(request.headers(), peer) {
            Ok(principal) => principal,
            Err(status) => {
                self.failures.note("access.unauthenticated", path, peer, status.message());
                return Err(status);
            }
        };
        if self.gate.is_on() && !rule.is_some_and(|rule| rule.allows(&principal)) {
            self.failures.note("access.denied", path, peer, &principal.to_string());
            return Err(permission_denied(&principal, path, rule.and_then(Rule::role)));
        }
        principal.take_call().map_err(|exceeded| rate_limited(&exceeded, &principal))?;
        Ok(Some(principal))
    }

    fn principal(&self, headers: &http::HeaderMap, peer: &Peer) -> Result<Principal, Status> {
        let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
        let shown = match (values.next(), values.next()) {
            (None, _) => None,
            // What is no text, or came twice, is no credential.
            (Some(value), None) => Some(value.to_str().unwrap_or_default()),
            (Some(_), Some(_)) => Some(""),
        };
        self.gate.principal(shown, &peer.names).map_err(|error| unauthenticated(&error))
    }
}

/// A service that only callers with the right role reach.
#[derive(Clone, Debug)]
pub(super) struct Guarded<S> {
    inner: S,
    door: Arc<Door>,
}

impl<S, Body, Answer> Service<http::Request<Body>> for Guarded<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Answer>>,
    Answer: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Guarding<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        match self.door.admit(&request) {
            Ok(principal) => {
                if let Some(principal) = principal {
                    request.extensions_mut().insert(principal);
                }
                Guarding::Admitted { call: self.inner.call(request) }
            }
            Err(status) => Guarding::Refused { status: Some(status) },
        }
    }
}

pin_project! {
    /// A call that was let in, or the refusal.
    #[project = GuardingProjection]
    pub(super) enum Guarding<F> {
        Admitted { #[pin] call: F },
        Refused { status: Option<Status> },
    }
}

impl<F, Answer, Error> Future for Guarding<F>
where
    F: Future<Output = Result<http::Response<Answer>, Error>>,
    Answer: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        match self.project() {
            GuardingProjection::Admitted { call } => Poll::Ready(ready!(call.poll(context))),
            GuardingProjection::Refused { status } => {
                let status = status.take().unwrap_or_else(|| Status::internal("polled again"));
                Poll::Ready(Ok(status.into_http()))
            }
        }
    }
}
