//! Who calls, and what they may do: API keys, bearer tokens, certificates, roles, rate limits.
//!
//! Nothing here knows the wire. The edge hands over what a caller showed and gets a [`Principal`]
//! or the reason why there is none.

mod api_key;
mod file;
mod gate;
mod keys_file;
mod principal;
mod rate;
mod role;
mod settings;
mod token;
mod watch;

pub use self::api_key::{ApiKey, KeyId, Secret};
pub use self::file::FileError;
pub use self::gate::{Gate, Unauthenticated};
pub use self::keys_file::{CertificateGrant, KeysFile};
pub use self::principal::{Credential, Principal};
pub use self::rate::{Exceeded, Limit, RateLimits};
pub use self::role::{Role, Roles, UnknownRole};
pub use self::settings::{AccessSettings, TokenSettings};
pub use self::token::InvalidToken;
pub use self::watch::WatchedFiles;
