//! Until when a call may take.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::grpc::status::status;

/// The instant at which a caller gives up, or the server does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::grpc) struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline of a call that arrived at `now`: what its caller says, but not beyond `most`.
    pub(super) fn of(headers: &HeaderMap, most: Option<Duration>, now: Instant) -> Self {
        let asked = headers.get("grpc-timeout").and_then(timeout);
        let limit = match (asked, most) {
            (Some(asked), Some(most)) => Some(asked.min(most)),
            (asked, most) => asked.or(most),
        };
        // A time beyond what the clock can tell is none.
        Self(limit.and_then(|limit| now.checked_add(limit)))
    }

    #[cfg(test)]
    pub(super) fn at(instant: Instant) -> Self {
        Self(Some(instant))
    }

    /// The instant, where there is one.
    pub(in crate::grpc) fn instant(self) -> Option<Instant> {
        self.0
    }

    /// Whether there is time for work of so long.
    pub(super) fn leaves(self, work: Duration) -> bool {
        self.0.is_none_or(|deadline| deadline.saturating_duration_since(Instant::now()) > work)
    }

    /// Whether it is over at `now`.
    pub(super) fn has_passed(self, now: Instant) -> bool {
        self.0.is_some_and(|deadline| deadline <= now)
    }
}

/// What a caller is told whose deadline passed.
pub(in crate::grpc) fn exceeded() -> Status {
    status(
        Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED",
        "the deadline of the call, or the server's limit, passed before the answer was there",
    )
}

/// The time of a `grpc-timeout` header: up to eight digits and a unit. What cannot be read is
/// taken as not sent.
fn timeout(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount = digits.parse::<u64>().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3_600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Option<Duration> {
        timeout(&HeaderValue::from_static(text))
    }

    #[test]
    fn timeouts_are_digits_and_a_unit() {
        assert_eq!(read("50m"), Some(Duration::from_millis(50)));
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        assert_eq!(read("0n"), Some(Duration::ZERO));
        for text in ["", "m", "5", "123456789S", "-1S", "1 S", "1s", "1.5S", "+1S"] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(timeout(&HeaderValue::from_bytes("1é".as_bytes()).unwrap()), None);
    }

    #[test]
    fn the_earlier_of_what_the_caller_and_the_server_allow_counts() {
        let now = Instant::now();
        let mut headers = HeaderMap::new();
        let most = Duration::from_secs(30);
        let of = |headers: &HeaderMap| Deadline::of(headers, Some(most), now).instant();
        assert_eq!(of(&headers), Some(now + most));
        assert_eq!(Deadline::of(&headers, None, now).instant(), None);
        headers.insert("grpc-timeout", HeaderValue::from_static("5S"));
        assert_eq!(of(&headers), Some(now + Duration::from_secs(5)));
        headers.insert("grpc-timeout", HeaderValue::from_static("50S"));
        assert_eq!(of(&headers), Some(now + most));
        assert!(Deadline::of(&headers, Some(Duration::ZERO), now).has_passed(now));
    }
}
