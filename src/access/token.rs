//! Signed bearer tokens (JWT): whom an identity provider vouches for.

mod signature;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::transaction::Timestamp;

use super::api_key::check_name;
use super::role::{Role, Roles};
use super::settings::TokenSettings;

/// Signatures that are believed. None of a shared secret: the public keys of the file would do as
/// one.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// How far two clocks may be apart, in seconds.
const LEEWAY: u64 = 30;
/// Tokens whose signatures need not be checked again.
const MOST_REMEMBERED: usize = 4_096;
const LONGEST_TOKEN: usize = 16 << 10;

/// Why a token is not believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidToken {
    /// No three parts, or parts that cannot be read.
    #[error("expected an API key or a signed token of three parts")]
    Malformed,
    /// Signed in a way that is not believed.
    #[error("expected a signature of RS, PS, ES or EdDSA, found another algorithm")]
    Algorithm,
    /// The key that it names is not in the file.
    #[error("the key that signed the token is not among the issuer's keys")]
    UnknownKey,
    /// Signed by somebody else, or changed since.
    #[error("the signature of the token does not hold")]
    Signature,
    /// Too late.
    #[error("the token has expired; ask the issuer for a new one")]
    Expired,
    /// Too early.
    #[error("the token is not valid yet; compare the clocks")]
    Early,
    /// A claim is not as configured.
    #[error("claim {claim}: expected {expected}")]
    Claim {
        /// Its name.
        claim: &'static str,
        /// What it should be.
        expected: String,
    },
}

/// Checks tokens against the keys of their issuer.
#[derive(Debug)]
pub(super) struct Tokens {
    settings: TokenSettings,
    keys: Vec<IssuerKey>,
    /// By the digest of the token; a signature costs more than a whole call.
    remembered: Mutex<HashMap<[u8; 32], Arc<Vouched>>>,
}

/// A public key of the issuer.
#[derive(Debug)]
struct IssuerKey {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

/// What a token says of its holder.
#[derive(Debug)]
pub(super) struct Vouched {
    pub(super) name: Arc<str>,
    pub(super) roles: Roles,
    /// Seconds since the epoch.
    expires: u64,
}

impl Tokens {
    /// Reads the issuer's keys.
    pub(super) fn parse(settings: TokenSettings, jwks: &[u8]) -> Result<Self, String> {
        signature::install();
        let set: JwkSet = serde_json::from_slice(jwks)
            .map_err(|error| format!("expected a JSON Web Key Set: {error}"))?;
        let keys: Vec<IssuerKey> = set.keys.iter().filter_map(IssuerKey::of).collect();
        if keys.is_empty() {
            return Err("expected at least one public key for signatures, found none".to_owned());
        }
        Ok(Self { settings, keys, remembered: Mutex::default() })
    }

    /// What a token says, if it is to be believed at `now`.
    pub(super) fn check(&self, token: &str, now: Timestamp) -> Result<Arc<Vouched>, InvalidToken> {
        if token.len() > LONGEST_TOKEN {
            return Err(InvalidToken::Malformed);
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = self.remembered().get(&digest).map(Arc::clone);
        let seconds = now.micros().div_euclid(1_000_000).unsigned_abs();
        if let Some(vouched) = known {
            let alive = seconds <= vouched.expires.saturating_add(LEEWAY);
            return if alive { Ok(vouched) } else { Err(InvalidToken::Expired) };
        }
        let vouched = Arc::new(self.verify(token)?);
        let mut remembered = self.remembered();
        if remembered.len() >= MOST_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(digest, Arc::clone(&vouched));
        Ok(vouched)
    }

    fn verify(&self, token: &str) -> Result<Vouched, InvalidToken> {
        let header = decode_header(token).map_err(|error| self.refuse(&error))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(InvalidToken::Algorithm);
        }
        let key = self.key(header.kid.as_deref(), header.alg)?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let decoded = decode::<Map<String, Value>>(token, key, &validation);
        let claims = decoded.map_err(|error| self.refuse(&error))?.claims;
        let name = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        if check_name(name).is_err() {
            return Err(claim("sub", "a name of 1 to 128 bytes without control characters"));
        }
        Ok(Vouched {
            name: Arc::from(name),
            roles: self.roles(&claims),
            expires: claims.get("exp").and_then(Value::as_f64).unwrap_or_default() as u64,
        })
    }

    /// The key that a header names; where it names none, the only one that fits.
    fn key(&self, id: Option<&str>, algorithm: Algorithm) -> Result<&DecodingKey, InvalidToken> {
        let fits = |key: &&IssuerKey| {
            (id.is_none() || key.id.as_deref() == id)
                && key.key.family() == algorithm.family()
                && key.algorithm.is_none_or(|own| own == algorithm)
        };
        let mut fitting = self.keys.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(&only.key),
            _ => Err(InvalidToken::UnknownKey),
        }
    }

    /// Roles by the configured claim: a list, or a text with blanks as in `scope`. What names no
    /// role is for somebody else.
    fn roles(&self, claims: &Map<String, Value>) -> Roles {
        let mut path = self.settings.roles_claim.split('.');
        let first = path.next().and_then(|name| claims.get(name));
        let listed = path.fold(first, |value, name| value.and_then(|value| value.get(name)));
        let role = |text: &str| text.parse::<Role>().ok();
        match listed {
            Some(Value::String(text)) => text.split_whitespace().filter_map(role).collect(),
            Some(Value::Array(list)) => {
                list.iter().filter_map(Value::as_str).filter_map(role).collect()
            }
            _ => Roles::default(),
        }
    }

    fn refuse(&self, error: &Error) -> InvalidToken {
        match error.kind() {
            ErrorKind::InvalidSignature => InvalidToken::Signature,
            ErrorKind::ExpiredSignature => InvalidToken::Expired,
            ErrorKind::ImmatureSignature => InvalidToken::Early,
            ErrorKind::InvalidIssuer => claim("iss", &self.settings.issuer),
            ErrorKind::InvalidAudience => claim("aud", &self.settings.audience),
            ErrorKind::MissingRequiredClaim(_) => claim("exp, iss, aud and sub", "all of them"),
            ErrorKind::InvalidAlgorithm
            | ErrorKind::InvalidAlgorithmName
            | ErrorKind::UnsupportedAlgorithm => InvalidToken::Algorithm,
            _ => InvalidToken::Malformed,
        }
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<Vouched>>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IssuerKey {
    /// A key for signatures; encryption keys, shared secrets and unknown kinds are passed by.
    fn of(jwk: &Jwk) -> Option<Self> {
        let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let named = jwk.common.key_algorithm.map(|name| name.to_string().parse::<Algorithm>());
        let algorithm = named.transpose().ok()?;
        let key = DecodingKey::from_jwk(jwk).ok()?;
        let believed = ALGORITHMS.iter().any(|one| one.family() == key.family());
        (signs && believed).then(|| Self { id: jwk.common.key_id.clone(), algorithm, key })
    }
}

fn claim(claim: &'static str, expected: &str) -> InvalidToken {
    InvalidToken::Claim { claim, expected: expected.to_owned() }
}
