//! A model and which of its versions: `NAME`, `NAME@ALIAS` or `NAME/VERSION`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::name::{AliasName, ModelName, Version};

/// A version, named by its number or by an alias.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelReference {
    /// The model.
    pub model: ModelName,
    /// Exactly this version.
    pub version: Option<Version>,
    /// The version that this alias points at; `champion` when neither is given.
    pub alias: Option<AliasName>,
}

/// A text that names no version.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected NAME, NAME@ALIAS or NAME/VERSION, found {found:?}")]
pub struct InvalidReference {
    found: String,
}

impl ModelReference {
    /// The champion of a model.
    pub fn champion(model: ModelName) -> Self {
        Self { model, version: None, alias: None }
    }
}

impl FromStr for ModelReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let read = || {
            let (name, version, alias) = match (text.split_once('/'), text.split_once('@')) {
                (Some((name, version)), _) => (name, Some(version.parse().ok()?), None),
                (None, Some((name, alias))) => (name, None, Some(alias.parse().ok()?)),
                (None, None) => (text, None, None),
            };
            let version: Option<Version> = version;
            let is_number = version.is_none_or(|version| version > 0);
            is_number.then_some(Self { model: name.parse().ok()?, version, alias })
        };
        read().ok_or_else(|| InvalidReference { found: text.chars().take(200).collect() })
    }
}

impl fmt::Display for ModelReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.version, &self.alias) {
            (Some(version), _) => write!(f, "{}/{version}", self.model),
            (None, Some(alias)) => write!(f, "{}@{alias}", self.model),
            (None, None) => write!(f, "{}", self.model),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_named_by_its_number_or_an_alias() {
        for text in ["churn", "churn/3", "churn@challenger"] {
            assert_eq!(text.parse::<ModelReference>().unwrap().to_string(), text);
        }
        for wrong in ["", "churn/x", "churn/0", "churn@", "/3", "a/1@b"] {
            let error = wrong.parse::<ModelReference>().unwrap_err().to_string();
            assert!(error.contains("NAME@ALIAS"), "{wrong}");
        }
    }
}
