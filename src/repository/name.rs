//! Names that are safe as a folder's name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Number of a version, from 1.
pub type Version = u64;

/// A model's name: `[a-z][a-z0-9_-]*`, at most 63 bytes. It is also its folder.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName(String);

/// An alias of a version, such as `champion`; spelled as a [`ModelName`].
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct AliasName(String);

/// A text that is no name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "expected lower-case letters, digits, _ or -, beginning with a letter, at most 63 bytes, found {found:?}"
)]
pub struct InvalidName {
    found: String,
}

fn check(text: &str) -> Result<String, InvalidName> {
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if starts_well && text.len() <= 63 && text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(InvalidName { found: text.chars().take(64).collect() })
    }
}

macro_rules! name {
    ($name:ident) => {
        impl $name {
            /// The name itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                check(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(ModelName);
name!(AliasName);

impl AliasName {
    /// The alias that is served when a request names none.
    pub fn champion() -> Self {
        Self("champion".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_the_repository() {
        for text in ["", "..", "a/b", "A", "1a", "a b", "a.b", &"a".repeat(64)] {
            assert!(text.parse::<ModelName>().is_err(), "{text}");
        }
        assert!("churn-90_days2".parse::<ModelName>().is_ok());
    }
}
