//! What a service needs to know of its caller.

use tonic::{Request, Status};

use crate::access::Principal;
use crate::grpc::convert::request_id;
use crate::grpc::status::rate_limited;

/// Who calls, as the layer found out.
pub(in crate::grpc) fn caller<T>(request: &Request<T>) -> Principal {
    let known = request.extensions().get::<Principal>();
    known.cloned().unwrap_or_else(|| Principal::unchecked(&[]))
}

/// Who asks a question, and the id under which the answer is found again.
#[derive(Clone, Debug)]
pub(in crate::grpc) struct Caller {
    principal: Principal,
    request_id: String,
}

impl Caller {
    /// The caller of a request.
    pub(in crate::grpc) fn of<T>(request: &Request<T>) -> Self {
        Self { principal: caller(request), request_id: request_id(request) }
    }

    /// The caller's id of the request, or a new one.
    pub(in crate::grpc) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Counts the rows of a question against the caller's limit, before anything is computed.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when there were too many lately.
    pub(in crate::grpc) fn charge(&self, rows: usize) -> Result<(), Status> {
        let taken = self.principal.take_rows(rows);
        taken.map_err(|exceeded| rate_limited(&exceeded, &self.principal))
    }
}
