//! Who may call which method: looked at as a call arrives, before anything else is.

mod audit;
mod caller;
mod failures;
mod rules;

use std::sync::Arc;

use http::request::Parts;
use tonic::Status;

use crate::access::{Gate, Principal};
use crate::store::ControlStore;

use super::incoming::Peer;
use super::status::{permission_denied, rate_limited, unauthenticated};

pub(super) use self::audit::{audit, audit_job};
pub(super) use self::caller::caller;
use self::failures::Failures;
use self::rules::Rule;

/// Lets in whom the gate knows, and notes whom it does not.
#[derive(Debug)]
pub(super) struct Door {
    gate: Arc<Gate>,
    failures: Failures,
}

impl Door {
    /// A door that notes in `control` whom `gate` does not know.
    pub(super) fn new(gate: Arc<Gate>, control: Arc<ControlStore>) -> Self {
        Self { gate, failures: Failures::new(control) }
    }

    /// Tells the service who calls.
    ///
    /// # Errors
    /// When nobody may, or not this caller, or not now.
    pub(super) fn admit(&self, request: &mut Parts) -> Result<(), Status> {
        if let Some(principal) = self.caller(request)? {
            request.extensions.insert(principal);
        }
        Ok(())
    }

    /// Who calls; `None` for a method that anybody may call.
    fn caller(&self, request: &Parts) -> Result<Option<Principal>, Status> {
        let path = request.uri.path();
        let rule = rules::rule(path);
        if rule == Some(Rule::Anyone) {
            return Ok(None);
        }
        let nobody = Peer::default();
        let peer = request.extensions.get::<Peer>().unwrap_or(&nobody);
        let principal = match self.principal(&request.headers, peer) {
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
