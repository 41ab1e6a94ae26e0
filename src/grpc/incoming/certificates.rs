//! The server's certificate and the authorities of its callers, read again when they change.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::crypto::ring as crypto;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::TlsAcceptor;

use crate::access::{FileError, WatchedFiles};
use crate::config::{TlsMinimum, TlsSettings};

const TLS_1_3: &[&SupportedProtocolVersion] = &[&TLS13];
const TLS_1_2: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// How new connections are encrypted. Open ones stay as they are.
#[derive(Debug)]
pub(in crate::grpc) struct Certificates {
    settings: TlsSettings,
    files: Mutex<WatchedFiles>,
    current: ArcSwap<ServerConfig>,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read, others may write it, or its content does not hold.
    pub(in crate::grpc) fn open(settings: TlsSettings) -> Result<Self, FileError> {
        let paths = [&settings.certificate, &settings.private_key].into_iter();
        let paths = paths.chain(&settings.client_ca).cloned();
        let mut files = WatchedFiles::new(paths).with_secret(settings.private_key.clone());
        let first = server_config(&settings, &files.changed()?.unwrap_or_default())?;
        Ok(Self { settings, files: Mutex::new(files), current: ArcSwap::from_pointee(first) })
    }

    /// Reads the files again if one has changed. Where they do not hold, it is logged, and the
    /// certificate stays as it is.
    pub(in crate::grpc) fn refresh(&self) {
        let changed = self.files.lock().unwrap_or_else(PoisonError::into_inner).changed();
        let read = match changed {
            Ok(None) => return,
            Ok(Some(contents)) => server_config(&self.settings, &contents),
            Err(error) => Err(error),
        };
        match read {
            Ok(config) => {
                self.current.store(Arc::new(config));
                tracing::info!("new connections are shown the certificate that was read again");
            }
            Err(error) => tracing::error!(%error, "the certificate stays as it was read before"),
        }
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }
}

/// `contents` in the order of [`Certificates::open`].
fn server_config(settings: &TlsSettings, contents: &[Vec<u8>]) -> Result<ServerConfig, FileError> {
    let TlsSettings { certificate, private_key, client_ca, require_client_certificate, minimum } =
        settings;
    let content = |place: usize| contents.get(place).map(Vec::as_slice).unwrap_or_default();
    let chain = certificates(certificate, content(0))?;
    let key = PrivateKeyDer::from_pem_slice(content(1));
    let key = key.map_err(|error| {
        FileError::content(private_key, format!("expected a private key in PEM: {error}"))
    })?;
    let versions = match minimum {
        TlsMinimum::Tls12 => TLS_1_2,
        TlsMinimum::Tls13 => TLS_1_3,
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(crypto::default_provider()));
    let builder = builder.with_protocol_versions(versions);
    let builder = builder.map_err(|error| FileError::content(certificate, error))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let authorities = certificates(path, content(2))?;
            let verifier = client_verifier(path, authorities, *require_client_certificate)?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        let problem = format!("expected the key of {}: {error}", certificate.display());
        FileError::content(private_key, problem)
    })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|error| FileError::content(path, error))?;
    if read.is_empty() {
        return Err(FileError::content(path, "expected certificates in PEM, found none"));
    }
    Ok(read)
}

fn client_verifier(
    path: &Path,
    authorities: Vec<CertificateDer<'static>>,
    required: bool,
) -> Result<Arc<dyn ClientCertVerifier>, FileError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|error| FileError::content(path, error))?;
    }
    let provider = Arc::new(crypto::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| FileError::content(path, error))
}
