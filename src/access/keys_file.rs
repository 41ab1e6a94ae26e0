//! The keys file: digests of API keys, and the roles of certificates.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::api_key::{ApiKey, KeyId, StoredDigest, check_name};
use super::file::{self, FileError};
use super::role::{Role, Roles};

const HEADING: &str = "\
# Who may call this server. Written by `patron keys`; comments are not kept.
# The server reads it again when it changes. It holds no secret, only their digests.

";

/// The content of a keys file.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeysFile {
    /// API keys.
    #[serde(default, rename = "key", skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<ApiKey>,
    /// Certificates.
    #[serde(default, rename = "certificate", skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateGrant>,
}

/// What the holder of a certificate may do.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateGrant {
    /// A DNS name or URI among the subject alternative names; also the name of the principal.
    pub name: String,
    /// What it may be used for.
    pub roles: Vec<Role>,
}

impl KeysFile {
    /// Reads a file; one that does not exist holds no keys.
    ///
    /// # Errors
    /// When it cannot be read, others may write it, or its content does not hold.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let file = Self::parse(&file::read_guarded(path)?);
        let file = file.map_err(|problem| FileError::content(path, problem))?;
        file.ring().map_err(|problem| FileError::content(path, problem))?;
        Ok(file)
    }

    /// Writes the file whole or not at all, readable for its owner only.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let content = toml::to_string_pretty(self);
        let content = content.map_err(|error| FileError::content(path, error))?;
        file::replace(path, &format!("{HEADING}{content}"))
    }

    /// Takes a key out. Returns whether it was there.
    pub fn revoke(&mut self, id: &KeyId) -> bool {
        let before = self.keys.len();
        self.keys.retain(|key| key.id != *id);
        self.keys.len() < before
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(bytes).map_err(|error| error.to_string())?;
        toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())
    }

    /// What callers are compared with.
    pub(super) fn ring(&self) -> Result<KeyRing, String> {
        let mut ring = KeyRing::default();
        for key in &self.keys {
            let digest = key.check().map_err(|problem| format!("key {}: {problem}", key.id))?;
            let entry = KeyEntry {
                name: Arc::from(key.name.as_str()),
                roles: key.roles.iter().copied().collect(),
                digest,
                key: key.clone(),
            };
            if ring.keys.insert(key.id.clone(), entry).is_some() {
                return Err(format!("key {}: the id stands there twice", key.id));
            }
        }
        let mut seen = HashSet::new();
        for grant in &self.certificates {
            let CertificateGrant { name, roles } = grant;
            check_name(name).map_err(|problem| format!("certificate {name:?}: {problem}"))?;
            if !seen.insert(name) {
                return Err(format!("certificate {name}: the name stands there twice"));
            }
            ring.certificates.insert(Arc::from(name.as_str()), roles.iter().copied().collect());
        }
        Ok(ring)
    }
}

/// A keys file, ready to be asked.
#[derive(Debug, Default)]
pub(super) struct KeyRing {
    keys: HashMap<KeyId, KeyEntry>,
    certificates: HashMap<Arc<str>, Roles>,
}

/// A key, ready to be compared with.
#[derive(Debug)]
pub(super) struct KeyEntry {
    pub(super) name: Arc<str>,
    pub(super) roles: Roles,
    pub(super) digest: StoredDigest,
    pub(super) key: ApiKey,
}

impl KeyRing {
    /// The key of an id.
    pub(super) fn key(&self, id: &KeyId) -> Option<&KeyEntry> {
        self.keys.get(id)
    }

    /// The first of a certificate's names that has roles.
    pub(super) fn certificate(&self, names: &[Arc<str>]) -> Option<(&Arc<str>, Roles)> {
        let known = |name| self.certificates.get_key_value::<Arc<str>>(name);
        names.iter().find_map(known).map(|(name, roles)| (name, *roles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ApiKey {
        ApiKey::generate(name.to_owned(), vec![Role::Predict, Role::Read], None).unwrap().0
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        assert_eq!(KeysFile::read(&path).unwrap(), KeysFile::default());
        let expires = Some("2031-01-01".parse().unwrap());
        let grant = CertificateGrant { name: "till.example".to_owned(), roles: vec![Role::Read] };
        let mut file = KeysFile {
            keys: vec![key("one"), ApiKey { expires, ..key("two") }],
            certificates: vec![grant],
        };
        file.write(&path).unwrap();
        assert_eq!(KeysFile::read(&path).unwrap(), file);
        let first = file.keys[0].id.clone();
        assert!(file.revoke(&first) && !file.revoke(&first));
        assert_eq!(file.keys.len(), 1);
    }

    #[test]
    fn a_file_that_does_not_hold_names_the_entry() {
        let one = key("one");
        let twice = KeysFile { keys: vec![one.clone(), one.clone()], certificates: Vec::new() };
        assert!(twice.ring().unwrap_err().contains(one.id.as_str()));
        let nameless = CertificateGrant { name: String::new(), roles: Vec::new() };
        let nameless = KeysFile { keys: Vec::new(), certificates: vec![nameless] };
        assert!(nameless.ring().unwrap_err().contains("name"));
        for text in
            ["[[key]]\nid = \"a\"", "colour = 1", "[[certificate]]\nname=\"a\"\nroles=[\"x\"]"]
        {
            assert!(KeysFile::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
