//! What a command shows to a server: certificates and an API key.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use tonic::{Request, Status};

use super::arguments::{InvalidArgument, ServerAddress};
use super::exit::Failure;
use super::output::note;

/// The variable of the environment that may hold the API key.
const VARIABLE: &str = "PATRON_API_KEY";

/// Where certificates and the API key are.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct CredentialArgs {
    /// Authorities to trust at an https:// address, in PEM [default: those of the system]
    #[arg(
        long,
        global = true,
        env = "PATRON_TLS_CA",
        value_name = "FILE",
        help_heading = "Connection and output"
    )]
    tls_ca: Option<PathBuf>,
    /// Certificate that tells the server who is calling, in PEM
    #[arg(
        long,
        global = true,
        env = "PATRON_TLS_CERT",
        value_name = "FILE",
        help_heading = "Connection and output"
    )]
    tls_cert: Option<PathBuf>,
    /// Private key of that certificate, in PEM
    #[arg(
        long,
        global = true,
        env = "PATRON_TLS_KEY",
        value_name = "FILE",
        help_heading = "Connection and output"
    )]
    tls_key: Option<PathBuf>,
    /// File that holds the API key [default: the variable PATRON_API_KEY, else none]
    #[arg(
        long,
        global = true,
        env = "PATRON_API_KEY_FILE",
        value_name = "FILE",
        help_heading = "Connection and output"
    )]
    api_key_file: Option<PathBuf>,
}

/// Credentials, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Credentials {
    tls: Option<ClientTlsConfig>,
    bearer: Bearer,
}

impl CredentialArgs {
    /// Reads the files.
    pub(super) fn read(
        &self,
        address: &ServerAddress,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Credentials, Failure> {
        let bearer = self.bearer(variable)?;
        if bearer.0.is_some() && !address.is_encrypted() && !address.is_loopback() {
            note(format_args!(
                "warning: the API key travels in clear text; use https:// in --endpoint"
            ));
        }
        let tls = address.is_encrypted().then(|| self.tls()).transpose()?;
        if tls.is_none() && (self.tls_ca.is_some() || self.tls_cert.is_some()) {
            let expected = "an https:// address with --tls-ca and --tls-cert";
            return Err(InvalidArgument::new("--endpoint", expected, address.as_str()).into());
        }
        Ok(Credentials { tls, bearer })
    }

    fn tls(&self) -> Result<ClientTlsConfig, Failure> {
        let config = match &self.tls_ca {
            Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        match (&self.tls_cert, &self.tls_key) {
            (None, None) => Ok(config),
            (Some(certificate), Some(key)) => {
                Ok(config.identity(Identity::from_pem(read(certificate)?, read(key)?)))
            }
            (Some(_), None) => {
                Err(InvalidArgument::new("--tls-key", "the key of --tls-cert", "none").into())
            }
            (None, Some(_)) => {
                Err(InvalidArgument::new("--tls-cert", "the certificate of --tls-key", "none")
                    .into())
            }
        }
    }

    fn bearer(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Bearer, Failure> {
        let (text, origin) = match &self.api_key_file {
            Some(path) => {
                let bytes = read(path)?;
                (String::from_utf8_lossy(&bytes).into_owned(), path.display().to_string())
            }
            None => (variable(VARIABLE).unwrap_or_default(), VARIABLE.to_owned()),
        };
        let key = text.trim();
        if key.is_empty() && self.api_key_file.is_none() {
            return Ok(Bearer::default());
        }
        let header = if key.is_empty() || key.contains(char::is_whitespace) {
            None
        } else {
            format!("Bearer {key}").parse::<MetadataValue<Ascii>>().ok()
        };
        let mut header = header.ok_or_else(|| Failure::Data {
            path: origin,
            problem:
                "expected one line of an API key or a token, as `patron keys create` prints it"
                    .to_owned(),
        })?;
        header.set_sensitive(true);
        Ok(Bearer(Some(header)))
    }
}

impl Credentials {
    /// How to encrypt; `None` in clear text.
    pub(super) fn tls(&self) -> Option<ClientTlsConfig> {
        self.tls.clone()
    }

    /// What goes with each call.
    pub(super) fn bearer(&self) -> Bearer {
        self.bearer.clone()
    }
}

/// Puts the API key into the header of each call.
#[derive(Clone, Debug, Default)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            request.metadata_mut().insert("authorization", header.clone());
        }
        Ok(request)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::data(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> ServerAddress {
        ServerAddress::parse(text).unwrap()
    }

    #[test]
    fn a_key_comes_from_the_file_or_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "patron_1_2\n").unwrap();
        let from_file = CredentialArgs { api_key_file: Some(path.clone()), ..Default::default() };
        let local = address("127.0.0.1:1");
        let shown = |args: &CredentialArgs, variable: Option<&str>| {
            let read = args.read(&local, |_| variable.map(ToOwned::to_owned));
            read.map(|credentials| {
                credentials.bearer.0.map(|value| value.to_str().unwrap().to_owned())
            })
        };
        assert_eq!(shown(&from_file, Some("x")).unwrap().unwrap(), "Bearer patron_1_2");
        let from_variable = CredentialArgs::default();
        assert_eq!(shown(&from_variable, Some("x")).unwrap().unwrap(), "Bearer x");
        assert_eq!(shown(&from_variable, None).unwrap(), None);
        fs::write(&path, "two words").unwrap();
        assert!(shown(&from_file, None).is_err());
        let debug = format!("{:?}", from_variable.read(&local, |_| Some("hidden".to_owned())));
        assert!(!debug.contains("hidden"), "{debug}");
    }

    #[test]
    fn certificates_need_an_encrypted_address() {
        let args = CredentialArgs { tls_ca: Some("ca.pem".into()), ..Default::default() };
        let error = args.read(&address("shop.example:1"), |_| None).unwrap_err().to_string();
        assert!(error.contains("https://"), "{error}");
        let error = args.read(&address("https://shop.example:1"), |_| None).unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
    }
}
