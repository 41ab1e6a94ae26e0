//! Strangers stay out: encryption, credentials, roles, rate limits, and what is written down.

/// Certificates made for a test.
#[path = "security/authority.rs"]
mod authority;

/// A server that asks who calls.
#[path = "security/door.rs"]
pub(crate) mod door;

/// Every method with every kind of credential.
#[path = "security/matrix.rs"]
mod matrix;

/// Client certificates, and certificates that change.
#[path = "security/certificates.rs"]
mod certificates;

/// Signed bearer tokens.
#[path = "security/tokens.rs"]
mod tokens;

/// Rates and connections that are bounded.
#[path = "security/limits.rs"]
mod limits;

/// What is written down, and what is not.
#[path = "security/records.rs"]
mod records;

/// The command line with keys and certificates.
#[path = "security/commands.rs"]
mod commands;
