//! The connection to a server.

use std::time::Duration;

use clap::Args;
use tonic::transport::{Channel, Endpoint};

use crate::grpc::proto::feature_service_client::FeatureServiceClient;
use crate::grpc::proto::model_service_client::ModelServiceClient;
use crate::grpc::proto::prediction_service_client::PredictionServiceClient;
use crate::grpc::proto::scoring_service_client::ScoringServiceClient;
use crate::grpc::proto::server_service_client::ServerServiceClient;
use crate::grpc::proto::training_service_client::TrainingServiceClient;
use crate::grpc::proto::transaction_service_client::TransactionServiceClient;

use super::arguments::{InvalidArgument, ServerAddress};
use super::exit::Failure;
use super::output::{Format, Output};
use super::status;

/// Largest answer that is taken, in bytes; the largest that a server can be configured to send.
const LARGEST_ANSWER: usize = 64 << 20;
/// How long to try to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the server is and how its answers are written.
#[derive(Args, Clone, Debug)]
pub(super) struct ConnectionArgs {
    /// Address of the server, as http://HOST:PORT or HOST:PORT
    #[arg(
        long,
        global = true,
        env = "PATRON_ENDPOINT",
        value_name = "ADDRESS",
        default_value = "http://127.0.0.1:50051",
        help_heading = "Connection and output"
    )]
    endpoint: String,
    /// How results are written
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Connection and output"
    )]
    output: Format,
}

/// What a command that talks to a server works with.
#[derive(Debug)]
pub(super) struct Session {
    address: ServerAddress,
    /// Where results go.
    pub(super) output: Output,
}

impl Session {
    /// Checks the flags; nothing is connected yet.
    pub(super) fn new(args: &ConnectionArgs) -> Result<Self, InvalidArgument> {
        let address = ServerAddress::parse(&args.endpoint)?;
        Ok(Self { address, output: Output::new(args.output) })
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Services, Failure> {
        Services::connect(&self.address).await
    }
}

/// The services of a connected server.
#[derive(Clone, Debug)]
pub(super) struct Services {
    channel: Channel,
}

impl Services {
    /// Connects to a server.
    pub(super) async fn connect(address: &ServerAddress) -> Result<Self, Failure> {
        let unreachable = |problem: tonic::transport::Error| Failure::Unreachable {
            endpoint: address.as_str().to_owned(),
            problem: status::causes(&problem),
        };
        let endpoint = Endpoint::from_shared(address.as_str().to_owned()).map_err(unreachable)?;
        let channel = endpoint.connect_timeout(CONNECT_TIMEOUT).connect().await;
        Ok(Self { channel: channel.map_err(unreachable)? })
    }

    /// Transactions, imports and customers.
    pub(super) fn transactions(&self) -> TransactionServiceClient<Channel> {
        let client = TransactionServiceClient::new(self.channel.clone());
        client.max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Features.
    pub(super) fn features(&self) -> FeatureServiceClient<Channel> {
        let client = FeatureServiceClient::new(self.channel.clone());
        client.max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Training jobs.
    pub(super) fn training(&self) -> TrainingServiceClient<Channel> {
        let client = TrainingServiceClient::new(self.channel.clone());
        client.max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Models and versions.
    pub(super) fn models(&self) -> ModelServiceClient<Channel> {
        let client = ModelServiceClient::new(self.channel.clone());
        client.max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Predictions.
    pub(super) fn predictions(&self) -> PredictionServiceClient<Channel> {
        let client = PredictionServiceClient::new(self.channel.clone());
        client.max_decoding_message_size(LARGEST_ANSWER)
    }

    /// The server itself.
    pub(super) fn server(&self) -> ServerServiceClient<Channel> {
        ServerServiceClient::new(self.channel.clone())
    }

    /// Scoring jobs.
    pub(super) fn scoring(&self) -> ScoringServiceClient<Channel> {
        let client = ScoringServiceClient::new(self.channel.clone());
        client.max_decoding_message_size(LARGEST_ANSWER)
    }
}

/// The id of a mutating call: the given one, or a new one, so that sending it again is safe.
pub(super) fn request_id(given: Option<String>) -> String {
    given.unwrap_or_else(|| uuid::Uuid::now_v7().to_string())
}
