//! `aliases.json`: which version is the champion.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::transaction::Timestamp;

use super::name::{AliasName, Version};

/// Where one alias points, and where it pointed before.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// The version.
    pub version: Version,
    /// The version before the last move, for a roll-back.
    pub previous: Option<Version>,
    /// When it was moved.
    pub moved_at: Timestamp,
}

/// All aliases of one model.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Aliases(BTreeMap<AliasName, Alias>);

impl Aliases {
    /// Where `alias` points.
    pub fn get(&self, alias: &AliasName) -> Option<&Alias> {
        self.0.get(alias)
    }

    /// The version of the champion.
    pub fn champion(&self) -> Option<Version> {
        self.get(&AliasName::champion()).map(|alias| alias.version)
    }

    /// All aliases by name.
    pub fn iter(&self) -> impl Iterator<Item = (&AliasName, &Alias)> {
        self.0.iter()
    }

    /// The alias that points at `version`, if one does.
    pub fn of_version(&self, version: Version) -> Option<&AliasName> {
        self.iter().find(|(_, alias)| alias.version == version).map(|(name, _)| name)
    }

    /// A text that changes whenever an alias does.
    pub fn etag(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn set(&mut self, alias: AliasName, version: Version) {
        let before = self.0.get(&alias).cloned();
        let previous = match before {
            Some(before) if before.version == version => before.previous,
            Some(before) => Some(before.version),
            None => None,
        };
        self.0.insert(alias, Alias { version, previous, moved_at: Timestamp::now() });
    }

    /// No alias was at this version before; whether one was.
    pub(super) fn forget(&mut self, version: Version) -> bool {
        let was_there = self.0.values_mut().filter(|alias| alias.previous == Some(version));
        was_there.map(|alias| alias.previous = None).count() > 0
    }

    pub(super) fn remove(&mut self, alias: &AliasName) -> Option<Alias> {
        self.0.remove(alias)
    }
}
