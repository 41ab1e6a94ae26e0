//! API keys: a secret that its caller keeps, and the digest that the server keeps.

use std::fmt;

use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::transaction::Timestamp;

use super::role::Role;

/// Every secret begins so; scanners for leaked secrets find it by this.
const PREFIX: &str = "patron_";
const ID_BYTES: usize = 4;
const SECRET_BYTES: usize = 32;
const LONGEST_ID: usize = 32;
const LONGEST_NAME: usize = 128;

/// What a caller sends: `patron_<id>_<64 hexadecimal digits>`. It is shown when it is made and never
/// again.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Makes one, with the id under which its digest is found.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub fn generate() -> Result<(KeyId, Self), ring::error::Unspecified> {
        let random = SystemRandom::new();
        let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
        random.fill(&mut id)?;
        random.fill(&mut secret)?;
        let id = KeyId(hexadecimal(&id));
        let secret = Self(format!("{PREFIX}{id}_{}", hexadecimal(&secret)));
        Ok((id, secret))
    }

    /// The secret itself, for the one who asked for it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The public part of a secret. It may stand in logs.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// Takes a text as it stands in a command; whether there is such a key shows in the file.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One key of the keys file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// The public part.
    pub id: KeyId,
    /// Whose it is: the name of the principal. Several keys may be of one.
    pub name: String,
    /// What it may be used for.
    pub roles: Vec<Role>,
    /// SHA-256 of the whole secret, in hexadecimal digits.
    pub sha256: String,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

impl ApiKey {
    /// Makes a key and its secret.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub fn generate(
        name: String,
        roles: Vec<Role>,
        expires: Option<Timestamp>,
    ) -> Result<(Self, Secret), ring::error::Unspecified> {
        let (id, secret) = Secret::generate()?;
        let sha256 = hexadecimal(&digest(secret.reveal()));
        Ok((Self { id, name, roles, sha256, created: Timestamp::now(), expires }, secret))
    }

    /// Checks what a hand may have written into the file.
    pub(super) fn check(&self) -> Result<StoredDigest, String> {
        let id = self.id.as_str();
        if !(1..=LONGEST_ID).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(format!(
                "id: expected 1 to {LONGEST_ID} ASCII letters and digits, found {id:?}"
            ));
        }
        check_name(&self.name)?;
        if self.roles.is_empty() {
            return Err("roles: expected at least one, found none".to_owned());
        }
        parse_digest(&self.sha256).ok_or_else(|| {
            "sha256: expected 64 hexadecimal digits; make keys with `patron keys create`".to_owned()
        })
    }

    /// Whether it is refused at an instant.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// Checks the name of a principal: it stands in the audit.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if (1..=LONGEST_NAME).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(format!("name: expected 1 to {LONGEST_NAME} bytes without control characters"))
}

/// A digest to compare with.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredDigest([u8; 32]);

impl StoredDigest {
    /// Compares in a time that says nothing of where the two differ.
    pub(super) fn is_of(&self, presented: &str) -> bool {
        self.0.ct_eq(&digest(presented)).into()
    }
}

/// The id within a secret; none where the text is no secret of ours.
pub(super) fn id_within(presented: &str) -> Option<&str> {
    let (id, _) = presented.strip_prefix(PREFIX)?.split_once('_')?;
    Some(id)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_digest(text: &str) -> Option<StoredDigest> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(StoredDigest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_recognised_by_its_digest_alone() {
        let (key, secret) = ApiKey::generate("till".to_owned(), vec![Role::Predict], None).unwrap();
        let (_, other) = ApiKey::generate("till".to_owned(), vec![Role::Predict], None).unwrap();
        assert_eq!(id_within(secret.reveal()), Some(key.id.as_str()));
        let stored = key.check().unwrap();
        assert!(stored.is_of(secret.reveal()) && !stored.is_of(other.reveal()));
        assert!(!format!("{key:?}{secret:?}").contains(secret.reveal()));
        assert_eq!(secret.reveal().len(), "patron_".len() + 8 + 1 + 64);
    }

    #[test]
    fn what_a_hand_wrote_wrong_is_named() {
        let (key, _) = ApiKey::generate("till".to_owned(), vec![Role::Predict], None).unwrap();
        let wrong = [
            (ApiKey { id: KeyId::new("a b"), ..key.clone() }, "id"),
            (ApiKey { name: "a\nb".to_owned(), ..key.clone() }, "name"),
            (ApiKey { roles: Vec::new(), ..key.clone() }, "roles"),
            (ApiKey { sha256: "+1".repeat(32), ..key.clone() }, "sha256"),
            (ApiKey { sha256: "secret".to_owned(), ..key }, "sha256"),
        ];
        for (key, field) in wrong {
            let problem = key.check().unwrap_err();
            assert!(problem.starts_with(field), "{problem}");
        }
    }
}
