//! Who calls.

use tonic::Request;

use crate::access::Principal;

/// Who calls, as the layer found out.
pub(in crate::grpc) fn caller<T>(request: &Request<T>) -> Principal {
    let known = request.extensions().get::<Principal>();
    known.cloned().unwrap_or_else(|| Principal::unchecked(&[]))
}
