//! Compression: taken from every caller, given to those that compress themselves.
//!
//! Many clients say that they understand gzip whether they want it or not, and compressing costs a
//! small call several times its own work. So an answer is compressed as its request was, and not
//! otherwise.

use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataValue;
use tonic::{Request, Status};

/// The encodings that are understood.
pub(super) const ENCODINGS: [CompressionEncoding; 2] =
    [CompressionEncoding::Zstd, CompressionEncoding::Gzip];

const SENT: &str = "grpc-encoding";
const ACCEPTED: &str = "grpc-accept-encoding";

/// Leaves of the encodings that a caller understands the one that it uses.
pub(super) fn only_where_asked(mut request: Request<()>) -> Result<Request<()>, Status> {
    let metadata = request.metadata_mut();
    let Some(accepted) = metadata.remove(ACCEPTED) else {
        return Ok(request);
    };
    let used = metadata.get(SENT).and_then(|encoding| encoding.to_str().ok());
    let understood = |used: &&str| {
        let accepted = accepted.to_str().unwrap_or_default();
        accepted.split(',').any(|encoding| encoding.trim() == *used)
    };
    let kept = used.filter(understood).and_then(|used| MetadataValue::try_from(used).ok());
    if let Some(kept) = kept {
        metadata.insert(ACCEPTED, kept);
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(headers: &[(&'static str, &'static str)]) -> Option<String> {
        let mut request = Request::new(());
        for (name, value) in headers {
            request.metadata_mut().insert(*name, MetadataValue::from_static(value));
        }
        let request = only_where_asked(request).unwrap();
        let kept = request.metadata().get(ACCEPTED)?;
        Some(kept.to_str().unwrap().to_owned())
    }

    #[test]
    fn what_the_caller_only_understands_is_not_used() {
        assert_eq!(accepted(&[(ACCEPTED, "identity, deflate, gzip")]), None);
        assert_eq!(accepted(&[(SENT, "gzip")]), None);
        assert_eq!(accepted(&[(ACCEPTED, "gzip"), (SENT, "zstd")]), None);
    }

    #[test]
    fn what_the_caller_uses_and_understands_is() {
        let headers = [(ACCEPTED, "identity, zstd,gzip"), (SENT, "zstd")];
        assert_eq!(accepted(&headers).as_deref(), Some("zstd"));
    }
}
