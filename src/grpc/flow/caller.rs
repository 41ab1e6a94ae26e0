//! What a service knows of who called it.

use std::time::Instant;

use tokio::time::timeout_at;
use tonic::{Request, Status};

use crate::access::Principal;
use crate::grpc::access::caller;
use crate::grpc::convert::request_id;
use crate::grpc::status::rate_limited;
use crate::model::CancelToken;
use crate::serving::CallLimit;
use crate::telemetry::TraceParent;

use super::deadline::{Deadline, exceeded};

/// Who asks, until when, and what happens when the server is busy.
#[derive(Clone, Debug)]
pub(in crate::grpc) struct Caller {
    principal: Principal,
    request_id: String,
    /// The trace of the call, where one is recorded.
    pub(super) trace: Option<TraceParent>,
    /// Whether rows wait for room instead of being refused.
    pub(super) waits: bool,
    deadline: Deadline,
}

impl Caller {
    /// The caller of a method that answers once.
    pub(in crate::grpc) fn of<T>(request: &Request<T>) -> Self {
        let deadline = request.extensions().get::<Deadline>().copied().unwrap_or_default();
        let (principal, request_id) = (caller(request), request_id(request));
        let trace = request.extensions().get::<TraceParent>().cloned();
        Self { principal, request_id, trace, waits: false, deadline }
    }

    /// The caller of a method that answers items of a stream.
    pub(in crate::grpc) fn of_items<T>(request: &Request<T>) -> Self {
        Self { waits: true, ..Self::of(request) }
    }

    /// The caller's id of the request, or one that was made for it.
    pub(in crate::grpc) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Counts the rows of a question against what this caller may ask, before anything is computed.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when there were too many lately.
    pub(in crate::grpc) fn charge(&self, rows: usize) -> Result<(), Status> {
        let taken = self.principal.take_rows(rows);
        taken.map_err(|exceeded| rate_limited(&exceeded, &self.principal))
    }

    /// Until when the caller can wait for its turn.
    pub(super) fn patience(&self) -> Deadline {
        if self.waits { Deadline::default() } else { self.deadline }
    }

    /// Drives `work`, but not beyond the caller's deadline.
    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        match self.deadline.instant() {
            Some(deadline) => timeout_at(deadline, work).await.unwrap_or_else(|_| Err(exceeded())),
            None => work.await,
        }
    }

    /// What ends the work on this call early: the deadline, and that the guard is dropped.
    pub(in crate::grpc) fn limit(&self) -> (CallLimit, CancelOnDrop) {
        let cancel = CancelToken::default();
        let deadline = self.deadline.instant().map(Instant::from);
        (CallLimit::new(deadline, cancel.clone()), CancelOnDrop(cancel))
    }
}

/// Cancels work on another thread when nobody waits for it any more.
#[derive(Debug)]
pub(in crate::grpc) struct CancelOnDrop(CancelToken);

impl CancelOnDrop {
    /// Sets `token` when it is dropped.
    pub(in crate::grpc) fn new(token: CancelToken) -> Self {
        Self(token)
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
