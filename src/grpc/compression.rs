//! Compression: taken from every caller, given to those that compress themselves.
//!
//! Many clients say that they understand gzip whether they want it or not, and compressing costs a
//! small call several times its own work. So an answer is compressed as its request was, and not
//! otherwise.

use http::HeaderMap;
use tonic::codec::CompressionEncoding;

/// The encodings that are understood.
pub(super) const ENCODINGS: [CompressionEncoding; 2] =
    [CompressionEncoding::Zstd, CompressionEncoding::Gzip];

const SENT: &str = "grpc-encoding";
const ACCEPTED: &str = "grpc-accept-encoding";

/// Leaves of the encodings that a caller understands the one that it uses.
pub(super) fn only_where_asked(headers: &mut HeaderMap) {
    let Some(accepted) = headers.remove(ACCEPTED) else {
        return;
    };
    let Some(used) = headers.get(SENT).cloned() else {
        return;
    };
    let accepted = accepted.to_str().unwrap_or_default();
    if accepted.split(',').any(|encoding| encoding.trim() == used) {
        headers.insert(ACCEPTED, used);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepted(sent: &[(&'static str, &'static str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        only_where_asked(&mut headers);
        let kept = headers.get(ACCEPTED)?;
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
