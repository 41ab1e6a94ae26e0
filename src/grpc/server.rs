//! The server: one port, all services, health, reflection, and an end that comes.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::Router;
use tonic_health::ServingStatus;
use tower_layer::{Identity, Stack};

use crate::access::FileError;
use crate::app::App;

use super::access::AccessLayer;
use super::compression::{ENCODINGS, only_where_asked};
use super::features::Features;
use super::inference::Inference;
use super::models::Models;
use super::predictions::Predictions;
use super::proto::feature_service_server::FeatureServiceServer;
use super::proto::inference::grpc_inference_service_server::GrpcInferenceServiceServer;
use super::proto::model_service_server::ModelServiceServer;
use super::proto::prediction_service_server::PredictionServiceServer;
use super::proto::scoring_service_server::ScoringServiceServer;
use super::proto::training_service_server::TrainingServiceServer;
use super::proto::transaction_service_server::TransactionServiceServer;
use super::proto::{self};
use super::scoring::Scorings;
use super::security::Security;
use super::training::Trainings;
use super::transactions::Transactions;

// Windows and frame sizes at which large messages are measured fastest.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
const FRAME: u32 = 1 << 20;
/// Between two looks at aliases that another process may have moved.
const REFRESH: Duration = Duration::from_secs(2);

const SERVICES: [&str; 7] = [
    "patron.v1.TransactionService",
    "patron.v1.FeatureService",
    "patron.v1.TrainingService",
    "patron.v1.ModelService",
    "patron.v1.PredictionService",
    "patron.v1.ScoringService",
    "inference.GRPCInferenceService",
];

/// A server that holds its port and does not answer yet.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    security: Security,
    listener: TcpListener,
    address: SocketAddr,
}

/// Why the server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not this machine's.
    #[error("cannot listen on {address}: {source}; choose another with --listen")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// A certificate or a file of credentials.
    #[error(transparent)]
    Security(#[from] FileError),
    /// The transport ended.
    #[error("the server broke off: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The protos in the program are damaged.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

impl Server {
    /// Reads certificates and credentials and takes the configured address.
    ///
    /// # Errors
    /// When a file does not hold, or when the address is taken or not this machine's.
    pub async fn bind(app: Arc<App>) -> Result<Self, ServeError> {
        let security = Security::open(app.config())?;
        let address = app.config().listen;
        let fail = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self { app, security, listener, address })
    }

    /// The address, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Works off jobs and answers calls until `shutdown`; then finishes the calls that were begun,
    /// for as long as the configuration allows, and gives running jobs back to the queue.
    ///
    /// # Errors
    /// When the transport breaks off.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let Self { app, security, listener, .. } = self;
        app.start_jobs(app.config().job_workers);
        let refresher = tokio::spawn(refresh(Arc::clone(&app)));
        let (began, mut begun) = watch::channel(false);
        let (router, health) = router(&app, security.layer(&app), begun.clone()).await?;
        let stop = async move {
            shutdown.await;
            for service in SERVICES.iter().chain(&[""]) {
                health.set_service_status(*service, ServingStatus::NotServing).await;
            }
            began.send_replace(true);
        };
        let incoming = security.incoming(listener, app.config());
        let _reloader = security.reload();
        let serving = router.serve_with_incoming_shutdown(incoming, stop);
        let drain = app.config().drain;
        let limit = async move {
            // An error means that the server ended by itself.
            let _ = begun.wait_for(|begun| *begun).await;
            tokio::time::sleep(drain).await;
        };
        let outcome = tokio::select! {
            outcome = serving => outcome.map_err(ServeError::from),
            () = limit => {
                tracing::warn!("calls that were still open after the drain time are cut off");
                Ok(())
            }
        };
        refresher.abort();
        let stopped = tokio::task::spawn_blocking(move || app.stop_jobs()).await;
        if let Err(error) = stopped {
            tracing::error!(%error, "jobs were not stopped cleanly");
        }
        outcome
    }
}

async fn router(
    app: &Arc<App>,
    access: AccessLayer,
    stopping: watch::Receiver<bool>,
) -> Result<(Router<Stack<AccessLayer, Identity>>, tonic_health::server::HealthReporter), ServeError>
{
    let (limit, reflected) = (app.config().max_message_bytes, app.config().reflection);
    let (health, health_service) = tonic_health::server::health_reporter();
    for service in SERVICES {
        health.set_service_status(service, ServingStatus::Serving).await;
    }
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    macro_rules! service {
        ($server:ident, $service:expr) => {
            InterceptedService::new(
                ENCODINGS.into_iter().fold(
                    $server::new($service)
                        .max_decoding_message_size(limit)
                        .max_encoding_message_size(limit),
                    |server, encoding| server.accept_compressed(encoding).send_compressed(encoding),
                ),
                only_where_asked,
            )
        };
    }
    let router = tonic::transport::Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .http2_keepalive_interval(Some(Duration::from_secs(60)))
        .layer(access)
        .add_service(health_service)
        .add_optional_service(reflected.then(|| reflection().build_v1()).transpose()?)
        .add_optional_service(reflected.then(|| reflection().build_v1alpha()).transpose()?)
        .add_service(service!(TransactionServiceServer, Transactions::new(Arc::clone(app))))
        .add_service(service!(FeatureServiceServer, Features::new(Arc::clone(app))))
        .add_service(service!(TrainingServiceServer, Trainings::new(Arc::clone(app))))
        .add_service(service!(ModelServiceServer, Models::new(Arc::clone(app))))
        .add_service(service!(PredictionServiceServer, Predictions::new(Arc::clone(app))))
        .add_service(service!(ScoringServiceServer, Scorings::new(Arc::clone(app))))
        .add_service(service!(
            GrpcInferenceServiceServer,
            Inference::new(Arc::clone(app), stopping)
        ));
    Ok((router, health))
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
