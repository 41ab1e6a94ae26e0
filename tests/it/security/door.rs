//! A server that asks who calls.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patron::access::{ApiKey, CertificateGrant, KeysFile, Role, Secret};
use patron::grpc::proto::model_service_client::ModelServiceClient;
use patron::grpc::proto::{ListModelsRequest, ListModelsResponse};
use patron::store::{AuditEntry, ControlStore};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Response, Status};

use super::authority::{Authority, Pair};
use crate::app::{bind, new_directory};

/// The server's name in its certificate.
pub(crate) const HOST: &str = "localhost";
/// Longer than the server takes to see a file that changed.
pub(crate) const RELOADED: Duration = Duration::from_secs(20);

/// A running server with a keys file; it goes down with its runtime.
pub(crate) struct Door {
    pub(crate) directory: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) authority: Authority,
    _serving: JoinHandle<()>,
}

impl Door {
    /// Over TLS, with a keys file that holds nothing yet.
    pub(crate) async fn open(settings: &[(&'static str, &str)]) -> Self {
        let directory = new_directory();
        let authority = Authority::new();
        authority.issue(HOST).install(directory.path());
        super::authority::write(&directory.path().join("clients.pem"), &authority.pem());
        KeysFile::default().write(&directory.path().join("keys.toml")).unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let mut all = vec![
            ("tls.certificate", path("server.pem")),
            ("tls.private_key", path("server.key")),
            ("access.keys_file", path("keys.toml")),
        ];
        for (key, text) in settings {
            // `@name` is a file of the directory.
            all.push((key, text.strip_prefix('@').map_or_else(|| (*text).to_owned(), path)));
        }
        let server = bind(directory.path(), &all).await;
        let address = server.local_addr();
        let serving = tokio::spawn(async move {
            server.serve(std::future::pending()).await.unwrap();
        });
        Self { directory, address, authority, _serving: serving }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts a key into the file.
    pub(crate) fn add_key(&self, name: &str, roles: &[Role]) -> Secret {
        self.add(ApiKey::generate(name.to_owned(), roles.to_vec(), None).unwrap())
    }

    /// Puts a key into the file that ended long ago.
    pub(crate) fn add_expired_key(&self, name: &str, roles: &[Role]) -> Secret {
        let end = Some("2011-01-01".parse().unwrap());
        self.add(ApiKey::generate(name.to_owned(), roles.to_vec(), end).unwrap())
    }

    fn add(&self, (key, secret): (ApiKey, Secret)) -> Secret {
        self.edit(|file| file.keys.push(key));
        secret
    }

    /// Gives roles to the holder of a certificate.
    pub(crate) fn grant(&self, name: &str, roles: &[Role]) {
        let grant = CertificateGrant { name: name.to_owned(), roles: roles.to_vec() };
        self.edit(|file| file.certificates.push(grant));
    }

    /// Changes the keys file.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut KeysFile)) {
        let path = self.path("keys.toml");
        let mut file = KeysFile::read(&path).unwrap();
        change(&mut file);
        file.write(&path).unwrap();
    }

    /// Waits until a secret is believed.
    pub(crate) async fn until_known(&self, secret: &Secret) {
        let caller = Caller::new(self.channel(None).await.unwrap(), Some(secret.reveal()));
        until(async || caller.list().await.err().is_none_or(|status| !is_unknown(&status))).await;
    }

    /// A connection that trusts the server's authority.
    pub(crate) async fn channel(
        &self,
        identity: Option<&Pair>,
    ) -> Result<Channel, tonic::transport::Error> {
        connect(self.address, &[&self.authority], identity).await
    }

    /// A caller with a key and without a certificate.
    pub(crate) async fn caller(&self, secret: &Secret) -> Caller {
        Caller::new(self.channel(None).await.unwrap(), Some(secret.reveal()))
    }

    /// What was written down, latest first.
    pub(crate) fn audit(&self) -> Vec<AuditEntry> {
        audit(self.directory.path())
    }
}

/// What the server on `directory` wrote down, latest first.
pub(crate) fn audit(directory: &Path) -> Vec<AuditEntry> {
    ControlStore::open(&directory.join("data")).unwrap().audit(1_000).unwrap()
}

/// A connection that trusts some authorities.
pub(crate) async fn connect(
    address: SocketAddr,
    trusted: &[&Authority],
    identity: Option<&Pair>,
) -> Result<Channel, tonic::transport::Error> {
    let trusted = trusted.iter().map(|authority| Certificate::from_pem(authority.pem()));
    let mut tls = ClientTlsConfig::new().ca_certificates(trusted).domain_name(HOST);
    if let Some(pair) = identity {
        tls = tls.identity(Identity::from_pem(&pair.certificate, &pair.key));
    }
    let endpoint = Endpoint::from_shared(format!("https://{address}"))?;
    endpoint.connect_timeout(Duration::from_secs(30)).tls_config(tls)?.connect().await
}

/// Calls with or without a bearer.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) channel: Channel,
    bearer: Option<String>,
}

impl Caller {
    pub(crate) fn new(channel: Channel, bearer: Option<&str>) -> Self {
        Self { channel, bearer: bearer.map(ToOwned::to_owned) }
    }

    /// A request that carries the bearer.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(bearer) = &self.bearer {
            let header = format!("Bearer {bearer}").parse().unwrap();
            request.metadata_mut().insert("authorization", header);
        }
        request
    }

    /// A call that needs the role `read`.
    pub(crate) async fn list(&self) -> Result<Response<ListModelsResponse>, Status> {
        let request = self.request(ListModelsRequest::default());
        ModelServiceClient::new(self.channel.clone()).list_models(request).await
    }
}

/// Whether nobody was seen behind a call.
pub(crate) fn is_unknown(status: &Status) -> bool {
    status.code() == tonic::Code::Unauthenticated
}

/// Asks again and again until it holds.
pub(crate) async fn until(holds: impl AsyncFn() -> bool) {
    let asking = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(RELOADED, asking).await.expect("the server reads its files again");
}
