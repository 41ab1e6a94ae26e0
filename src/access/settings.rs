//! How callers show who they are, as it was configured.

use std::path::PathBuf;

use super::rate::RateLimits;

/// Everything that access control is told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AccessSettings {
    /// The file of API keys and of certificates' roles.
    pub keys_file: Option<PathBuf>,
    /// Bearer tokens.
    pub tokens: Option<TokenSettings>,
    /// What each principal may send.
    pub limits: RateLimits,
}

/// Which bearer tokens are believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenSettings {
    /// Public keys of the issuer, as a JSON Web Key Set.
    pub jwks_file: PathBuf,
    /// The claim `iss`.
    pub issuer: String,
    /// The claim `aud`.
    pub audience: String,
    /// The claim that lists roles; dots lead into objects.
    pub roles_claim: String,
}

impl AccessSettings {
    /// Whether callers have to show anything.
    pub fn is_on(&self) -> bool {
        self.keys_file.is_some() || self.tokens.is_some()
    }
}
