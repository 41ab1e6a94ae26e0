//! All services of the port.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{Request, Response};
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_reflection::server::{Builder, Error};
use tower::Service;

use crate::app::App;

use super::compression::ENCODINGS;
use super::features::Features;
use super::flow::Flow;
use super::inference::Inference;
use super::info::ServerInfo;
use super::models::Models;
use super::predictions::Predictions;
use super::proto;
use super::proto::feature_service_server::FeatureServiceServer;
use super::proto::inference::grpc_inference_service_server::GrpcInferenceServiceServer;
use super::proto::model_service_server::ModelServiceServer;
use super::proto::prediction_service_server::PredictionServiceServer;
use super::proto::scoring_service_server::ScoringServiceServer;
use super::proto::server_service_server::ServerServiceServer;
use super::proto::training_service_server::TrainingServiceServer;
use super::proto::transaction_service_server::TransactionServiceServer;
use super::scoring::Scorings;
use super::training::Trainings;
use super::transactions::Transactions;

/// The services whose health is told.
pub(super) const SERVICES: [&str; 8] = [
    "patron.v1.TransactionService",
    "patron.v1.FeatureService",
    "patron.v1.TrainingService",
    "patron.v1.ModelService",
    "patron.v1.PredictionService",
    "patron.v1.ScoringService",
    "patron.v1.ServerService",
    "inference.GRPCInferenceService",
];

/// Finds the service of a call. Those in the request path of other software are looked at first,
/// because the router costs a small call several times its own work.
#[derive(Clone, Debug)]
pub(super) struct Services {
    predictions: PredictionServiceServer<Predictions>,
    inference: GrpcInferenceServiceServer<Inference>,
    others: Routes,
}

impl Services {
    /// The services of an app, and who tells their health.
    ///
    /// # Errors
    /// When the protos in the program contradict each other.
    pub(super) async fn new(app: &Arc<App>, flow: &Flow) -> Result<(Self, HealthReporter), Error> {
        let (limit, is_reflected) = (app.config().max_message_bytes, app.config().reflection);
        let (health, health_service) = tonic_health::server::health_reporter();
        for service in SERVICES {
            health.set_service_status(service, ServingStatus::Serving).await;
        }
        macro_rules! service {
            ($server:ident, $service:expr) => {
                ENCODINGS.into_iter().fold(
                    $server::new($service)
                        .max_decoding_message_size(limit)
                        .max_encoding_message_size(limit),
                    |server, encoding| server.accept_compressed(encoding).send_compressed(encoding),
                )
            };
        }
        let (app, flow) = (|| Arc::clone(app), || flow.clone());
        let mut others = Routes::new(health_service)
            .add_service(service!(TransactionServiceServer, Transactions::new(app(), flow())))
            .add_service(service!(FeatureServiceServer, Features::new(app(), flow())))
            .add_service(service!(TrainingServiceServer, Trainings::new(app())))
            .add_service(service!(ModelServiceServer, Models::new(app())))
            .add_service(service!(ScoringServiceServer, Scorings::new(app())))
            .add_service(service!(ServerServiceServer, ServerInfo::new(app(), flow())));
        if is_reflected {
            let reflection = || {
                Builder::configure()
                    .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
                    .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            };
            others = others
                .add_service(reflection().build_v1()?)
                .add_service(reflection().build_v1alpha()?);
        }
        let predictions = service!(PredictionServiceServer, Predictions::new(app(), flow()));
        let inference = service!(GrpcInferenceServiceServer, Inference::new(app(), flow()));
        Ok((Self { predictions, inference, others: others.prepare() }, health))
    }
}

type Boxed = BoxFuture<Response<Body>, Infallible>;

impl Service<Request<Body>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Boxed, <Routes as Service<Request<Body>>>::Future>;

    /// All of them are always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if is_of(&self.predictions, &request) {
            Either::Left(self.predictions.call(request))
        } else if is_of(&self.inference, &request) {
            Either::Left(self.inference.call(request))
        } else {
            Either::Right(self.others.call(request))
        }
    }
}

/// Whether a call is of a service: its path is `/service/method`.
fn is_of<S: NamedService>(_: &S, request: &Request<Body>) -> bool {
    let path = request.uri().path().strip_prefix('/');
    let method = path.and_then(|path| path.strip_prefix(S::NAME));
    method.is_some_and(|method| method.starts_with('/'))
}
