//! Panics end their call, not the server.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use uuid::Uuid;

use crate::grpc::status::DOMAIN;
use crate::telemetry;

/// Drives `work` to its end; a panic on the way becomes an INTERNAL status.
pub(in crate::grpc) async fn contained<F: Future>(work: F) -> Result<F::Output, Status> {
    let mut work = pin!(work);
    poll_fn(|context| match caught(|| work.as_mut().poll(context)) {
        Ok(polled) => polled.map(Ok),
        Err(status) => Poll::Ready(Err(status)),
    })
    .await
}

/// Does `work`; a panic becomes an INTERNAL status.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Status> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| incident(payload.as_ref()))
}

/// Logs and counts a panic under a new id. The caller learns the id and nothing else: what broke
/// may name things that are not for callers.
pub(in crate::grpc) fn incident(payload: &(dyn Any + Send)) -> Status {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let incident = Uuid::now_v7().to_string();
    tracing::error!(%incident, panic = text.unwrap_or("no message"), "a call broke off");
    telemetry::panicked();
    let message = format!("the call broke off; the server's log tells more at incident {incident}");
    let metadata = [("incident".to_owned(), incident)];
    let details = ErrorDetails::with_error_info("INTERNAL", DOMAIN, metadata);
    Status::with_error_details(Code::Internal, message, details)
}
