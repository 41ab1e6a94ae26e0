//! The server: one port, all services, health, reflection, and an end that comes.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::access::FileError;
use crate::app::App;
use crate::telemetry::{InvalidCollector, Traces};

use super::flow::{
    ConnectionSettings, Connections, Flow, FlowService, InvalidProtos, Phase, serve_probe,
};
use super::security::Security;
use super::services::{SERVICES, Services};

/// Between two looks at aliases that another process may have moved.
const REFRESH: Duration = Duration::from_secs(2);
/// How long jobs may take to give themselves back when the server goes.
const JOBS_STOP: Duration = Duration::from_secs(5);

/// A server that holds its port and does not answer yet.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    security: Security,
    flow: Flow,
    listener: TcpListener,
    address: SocketAddr,
    probe: Option<(TcpListener, SocketAddr)>,
}

/// Why the server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not this machine's.
    #[error("cannot listen on {address}: {source}; choose another with {setting}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The setting that names it.
        setting: &'static str,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// A certificate or a file of credentials.
    #[error(transparent)]
    Security(#[from] FileError),
    /// The collector of traces.
    #[error(transparent)]
    Traces(#[from] InvalidCollector),
    /// The protos in the program cannot be read.
    #[error(transparent)]
    Protos(#[from] InvalidProtos),
    /// The protos in the program contradict each other.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

impl Server {
    /// Reads certificates and credentials and takes the configured addresses.
    ///
    /// # Errors
    /// When a file does not hold, or when an address is taken or not this machine's.
    pub async fn bind(app: Arc<App>) -> Result<Self, ServeError> {
        let config = app.config();
        let security = Security::open(config)?;
        let traces = config.traces.as_ref().map(Traces::start).transpose()?;
        let flow = Flow::new(config, Arc::default(), traces)?;
        let (listener, address) = listen(config.listen, "--listen").await?;
        let probe = match config.metrics_listen {
            Some(address) => Some(listen(address, "telemetry.metrics_listen").await?),
            None => None,
        };
        Ok(Self { app, security, flow, listener, address, probe })
    }

    /// The address, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The address of metrics and probes, with the port that was taken.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.probe.as_ref().map(|(_, address)| *address)
    }

    /// Works off jobs and answers calls until `shutdown`. Then health says that the server goes;
    /// after the drain delay nobody is let in any more, the calls that were begun may end for as
    /// long as the configuration allows, and running jobs are given back to the queue.
    ///
    /// # Errors
    /// When the protos in the program do not hold.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let Self { app, security, flow, listener, probe, .. } = self;
        app.start_jobs(app.config().job_workers);
        let refresher = tokio::spawn(refresh(Arc::clone(&app)));
        let probe = probe.map(|(listener, _)| {
            tokio::spawn(serve_probe(listener, Arc::clone(&app), flow.clone()))
        });
        let (services, health) = Services::new(&app, &flow).await?;
        let settings = app.config().flow;
        let connections = Connections::new(
            ConnectionSettings { age: settings.connection_age, drain: settings.drain },
            flow.phase(),
        );
        let door = security.door(&app);
        let incoming = security.incoming(listener, app.config());
        let _reloader = security.reload();
        let leaving = tokio::spawn(leave(shutdown, flow.clone(), health, Arc::clone(&app)));
        let check = move |request: &mut Parts| door.admit(request);
        let service = FlowService::new(services, flow.clone(), check);
        connections.serve(incoming, service).await;
        refresher.abort();
        if let Some(probe) = probe {
            probe.abort();
        }
        match leaving.await {
            Ok(jobs) => stopped(jobs).await,
            Err(error) => tracing::error!(%error, "the server did not leave in order"),
        }
        let last = tokio::task::spawn_blocking(move || flow.traces().map(Traces::stop));
        if let Err(error) = last.await {
            tracing::error!(%error, "the last traces were not sent");
        }
        Ok(())
    }
}

async fn listen(
    address: SocketAddr,
    setting: &'static str,
) -> Result<(TcpListener, SocketAddr), ServeError> {
    let fail = |source| ServeError::Bind { address, setting, source };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    Ok((listener, address))
}

/// Waits for `shutdown`, says that the server goes, and after a while lets it go. Gives the work of
/// stopping the jobs.
async fn leave(
    shutdown: impl Future<Output = ()>,
    flow: Flow,
    health: HealthReporter,
    app: Arc<App>,
) -> JoinHandle<()> {
    shutdown.await;
    flow.enter(Phase::Leaving);
    for service in SERVICES.iter().chain(&[""]) {
        health.set_service_status(*service, ServingStatus::NotServing).await;
    }
    let settings = app.config().flow;
    tracing::info!(
        delay_seconds = settings.drain_delay.as_secs(),
        drain_seconds = settings.drain.as_secs(),
        "stopping"
    );
    sleep(settings.drain_delay).await;
    flow.enter(Phase::Draining);
    tokio::task::spawn_blocking(move || app.stop_jobs())
}

/// Waits for the jobs. One that does not stop is taken up by whoever starts next, as after a crash.
async fn stopped(jobs: JoinHandle<()>) {
    match timeout(JOBS_STOP, jobs).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "jobs were not stopped cleanly"),
        Err(_) => tracing::warn!("jobs did not stop in time; they are left as after a crash"),
    }
}

/// Follows aliases that a worker or another server moves.
async fn refresh(app: Arc<App>) {
    loop {
        tokio::time::sleep(REFRESH).await;
        let app = Arc::clone(&app);
        let refreshed = tokio::task::spawn_blocking(move || app.catalog().refresh()).await;
        match refreshed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "models could not be listed"),
            Err(error) => tracing::error!(%error, "models could not be listed"),
        }
    }
}
