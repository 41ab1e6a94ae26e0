//! Settings that keep strangers out.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr as _;

use crate::access::{AccessSettings, RateLimits, TokenSettings};

use super::settings::Check;

/// Why a public address is refused.
pub(super) const PUBLIC: &str = "server.listen: other machines can reach this address, and it is not closed to strangers; set tls.certificate and tls.private_key, and access.keys_file, access.jwks_file or tls.require_client_certificate; or listen on 127.0.0.1; or set server.allow_public = true behind a proxy that asks for credentials";

const MOST_PER_SECOND: u64 = 1_000_000_000;

/// How connections are encrypted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsSettings {
    /// The certificate chain, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub private_key: PathBuf,
    /// Authorities whose client certificates are accepted, in PEM.
    pub client_ca: Option<PathBuf>,
    /// Whether a connection without a client certificate is refused.
    pub require_client_certificate: bool,
    /// The oldest version.
    pub minimum: TlsMinimum,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsMinimum {
    /// For old clients.
    Tls12,
    /// The default.
    Tls13,
}

/// Whether everything is encrypted and every caller asked for a credential.
pub(super) fn is_closed_to_strangers(tls: Option<&TlsSettings>, access: &AccessSettings) -> bool {
    tls.is_some_and(|tls| access.is_on() || tls.require_client_certificate)
}

/// Reads the section `tls`. The outer `None` says that a problem was noted.
pub(super) fn tls(check: &mut Check<'_>) -> Option<Option<TlsSettings>> {
    let certificate = check.optional("tls.certificate");
    let private_key = check.optional("tls.private_key");
    let client_ca = check.optional("tls.client_ca").map(PathBuf::from);
    let required =
        check.parse("tls.require_client_certificate", "true or false", bool::from_str)?;
    let minimum = check.parse("tls.minimum", "1.3 or 1.2", minimum)?;
    if required && client_ca.is_none() {
        check.refuse("tls.require_client_certificate: expected tls.client_ca with it, the authorities whose certificates are accepted");
    }
    match (certificate, private_key) {
        (Some(certificate), Some(private_key)) => Some(Some(TlsSettings {
            certificate: certificate.into(),
            private_key: private_key.into(),
            client_ca,
            require_client_certificate: required,
            minimum,
        })),
        (None, None) if client_ca.is_none() => Some(None),
        _ => {
            check.refuse("tls: expected tls.certificate and tls.private_key, both or neither; tls.client_ca only with them");
            None
        }
    }
}

/// Reads the section `access`.
pub(super) fn access(check: &mut Check<'_>) -> Option<AccessSettings> {
    let calls = check.number("access.calls_per_second", 0, MOST_PER_SECOND);
    let rows = check.number("access.rows_per_second", 0, MOST_PER_SECOND);
    let limit = |number: u64| u32::try_from(number).ok().and_then(NonZeroU32::new);
    let tokens = tokens(check)?;
    Some(AccessSettings {
        keys_file: check.optional("access.keys_file").map(PathBuf::from),
        tokens,
        limits: RateLimits { calls_per_second: limit(calls?), rows_per_second: limit(rows?) },
    })
}

fn tokens(check: &mut Check<'_>) -> Option<Option<TokenSettings>> {
    let issuer = check.optional("access.jwt_issuer");
    let audience = check.optional("access.jwt_audience");
    let roles_claim = check.optional("access.jwt_roles_claim");
    let Some(jwks_file) = check.optional("access.jwks_file") else {
        return Some(None);
    };
    match (issuer, audience, roles_claim) {
        (Some(issuer), Some(audience), Some(roles_claim)) => {
            let jwks_file = jwks_file.into();
            Some(Some(TokenSettings { jwks_file, issuer, audience, roles_claim }))
        }
        _ => {
            check.refuse("access.jwks_file: expected access.jwt_issuer, access.jwt_audience and access.jwt_roles_claim with it; without them any token of the issuer would do");
            None
        }
    }
}

fn minimum(text: &str) -> Result<TlsMinimum, ()> {
    match text {
        "1.2" => Ok(TlsMinimum::Tls12),
        "1.3" => Ok(TlsMinimum::Tls13),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, InvalidConfig, RawConfig};

    const PAIR: &str = "certificate = \"c.pem\"\nprivate_key = \"k.pem\"\n";

    fn check(file: &str) -> Result<Config, InvalidConfig> {
        Config::check(&RawConfig::read(Some(("patron.toml", file)), |_| None))
    }

    #[test]
    fn a_public_address_needs_encryption_and_credentials() {
        let public = "[server]\nlisten = \"0.0.0.0:1\"\n";
        let keys = "[access]\nkeys_file = \"keys.toml\"\n";
        let client = "client_ca = \"ca.pem\"\nrequire_client_certificate = true\n";
        for open in [keys.to_owned(), format!("[tls]\n{PAIR}")] {
            let refused = check(&format!("{public}{open}")).unwrap_err().problems;
            assert!(refused[0].contains("server.allow_public"), "{refused:?}");
        }
        for closed in [format!("{keys}[tls]\n{PAIR}"), format!("[tls]\n{PAIR}{client}")] {
            let config = check(&format!("{public}{closed}")).unwrap();
            assert!(config.tls.is_some());
            assert_eq!(config.file_directories, Some(Vec::new()));
        }
    }

    #[test]
    fn settings_that_need_each_other_say_so() {
        for (file, part) in [
            ("[tls]\ncertificate = \"c.pem\"", "tls.private_key"),
            ("[tls]\nclient_ca = \"ca.pem\"", "only with them"),
            ("[tls]\nrequire_client_certificate = true", "tls.client_ca"),
            ("[tls]\nminimum = \"1.1\"", "1.3 or 1.2"),
            ("[access]\njwks_file = \"keys.json\"\njwt_issuer = \"me\"", "access.jwt_audience"),
            ("[access]\nrows_per_second = -1", "a number from 0"),
        ] {
            let problems = check(file).unwrap_err().problems;
            assert!(problems.iter().any(|problem| problem.contains(part)), "{file}: {problems:?}");
        }
    }
}
