//! What stands between a socket and the services: encryption, credentials, roles.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::access::{FileError, Gate};
use crate::app::App;
use crate::config::Config;

use super::access::Door;
use super::incoming::{Certificates, Incoming};

/// Between two looks at files that may have changed.
const RELOAD: Duration = Duration::from_secs(1);

/// Certificates and credentials, read.
#[derive(Clone, Debug)]
pub(super) struct Security {
    gate: Arc<Gate>,
    certificates: Option<Arc<Certificates>>,
}

impl Security {
    /// Reads all files that the configuration names.
    ///
    /// # Errors
    /// When one cannot be read, others may write it, or its content does not hold.
    pub(super) fn open(config: &Config) -> Result<Self, FileError> {
        let gate = Arc::new(Gate::open(&config.access)?);
        let certificates = config.tls.clone().map(Certificates::open).transpose()?;
        Ok(Self { gate, certificates: certificates.map(Arc::new) })
    }

    /// What all calls pass first.
    pub(super) fn door(&self, app: &App) -> Door {
        Door::new(Arc::clone(&self.gate), Arc::clone(app.control()))
    }

    /// The connections that come in on a listener.
    pub(super) fn incoming(&self, listener: TcpListener, config: &Config) -> Incoming {
        Incoming::start(listener, self.certificates.clone(), config.max_connections)
    }

    /// Reads files again that change, until the reloader is dropped.
    pub(super) fn reload(self) -> Reloader {
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RELOAD).await;
                let Self { gate, certificates } = self.clone();
                let look = tokio::task::spawn_blocking(move || {
                    gate.refresh();
                    if let Some(certificates) = certificates {
                        certificates.refresh();
                    }
                });
                if let Err(error) = look.await {
                    tracing::error!(%error, "credentials could not be read again");
                }
            }
        });
        Reloader(task)
    }
}

/// Ends the looking when it is dropped.
#[derive(Debug)]
pub(super) struct Reloader(JoinHandle<()>);

impl Drop for Reloader {
    fn drop(&mut self) {
        self.0.abort();
    }
}
