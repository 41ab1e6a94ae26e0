//! The key under which a shop knows a customer.

use std::fmt;
use std::sync::Arc;

/// A customer's key: 1 to 128 bytes of text without control characters.
///
/// Its `Debug` form does not show the key, so that it cannot slip into a log.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CustomerId(Arc<str>);

impl CustomerId {
    /// Longest key, in bytes.
    pub const LIMIT: usize = 128;

    /// Checks `text` as it came in; surrounding white space is not removed but refused.
    pub fn parse(text: &str) -> Result<Self, InvalidCustomerId> {
        if text.is_empty() {
            return Err(InvalidCustomerId::Empty);
        }
        if text.len() > Self::LIMIT {
            return Err(InvalidCustomerId::TooLong { found: text.len() });
        }
        if text.trim() != text || has_control(text) {
            return Err(InvalidCustomerId::Characters);
        }
        Ok(Self(text.into()))
    }

    /// The key itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The place of this customer among all: 63 bits of the XXH3 of the key.
    ///
    /// Histories are stored, scanned and written out in the order of (placement, key), which depends
    /// neither on the order of arrival nor on how the customers are divided among threads,
    /// partitions or machines.
    pub fn placement(&self) -> i64 {
        Self::placement_of(&self.0)
    }

    /// The same for the text of a key.
    pub fn placement_of(key: &str) -> i64 {
        (xxhash_rust::xxh3::xxh3_64(key.as_bytes()) >> 1) as i64
    }
}

impl fmt::Debug for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerId(..)")
    }
}

/// Whether a text holds control characters. Nearly all texts are ASCII, where bytes tell.
pub(super) fn has_control(text: &str) -> bool {
    if text.is_ascii() {
        return text.bytes().fold(false, |found, byte| found | byte.is_ascii_control());
    }
    text.chars().any(char::is_control)
}

/// Why a text is no customer key. The text itself is not repeated: it is personal data.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidCustomerId {
    /// No text at all.
    #[error("expected 1 to 128 bytes, found an empty text")]
    Empty,
    /// Over the limit.
    #[error("expected 1 to 128 bytes, found {found}")]
    TooLong {
        /// Bytes that came.
        found: usize,
    },
    /// White space at an end, or control characters.
    #[error("expected no control characters and no blanks at either end")]
    Characters,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked_and_not_shown() {
        assert_eq!(CustomerId::parse(""), Err(InvalidCustomerId::Empty));
        assert_eq!(CustomerId::parse(" a"), Err(InvalidCustomerId::Characters));
        assert_eq!(CustomerId::parse("a\n"), Err(InvalidCustomerId::Characters));
        assert!(CustomerId::parse(&"x".repeat(128)).is_ok());
        assert_eq!(
            CustomerId::parse(&"x".repeat(129)),
            Err(InvalidCustomerId::TooLong { found: 129 })
        );
        assert_eq!(format!("{:?}", CustomerId::parse("17850").unwrap()), "CustomerId(..)");
    }
}
