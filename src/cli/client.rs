//! The connection to a server.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

use crate::grpc::proto::feature_service_client::FeatureServiceClient;
use crate::grpc::proto::model_service_client::ModelServiceClient;
use crate::grpc::proto::prediction_service_client::PredictionServiceClient;
use crate::grpc::proto::scoring_service_client::ScoringServiceClient;
use crate::grpc::proto::server_service_client::ServerServiceClient;
use crate::grpc::proto::training_service_client::TrainingServiceClient;
use crate::grpc::proto::transaction_service_client::TransactionServiceClient;

use super::arguments::{InvalidArgument, ServerAddress};
use super::credentials::{Bearer, CredentialArgs, Credentials};
use super::exit::Failure;
use super::output::{Format, Output, OutputChoice};
use super::status;

/// Largest answer that is taken, in bytes; the largest that a server can be configured to send.
const LARGEST_ANSWER: usize = 64 << 20;
/// How long to try to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What calls go through: the channel, with the API key put in front.
type Authorized = InterceptedService<Channel, Bearer>;

/// Where the server is and how its answers are written.
#[derive(Args, Clone, Debug)]
pub(super) struct ConnectionArgs {
    /// Address of the server, as https://HOST:PORT, http://HOST:PORT or HOST:PORT
    #[arg(
        long,
        global = true,
        env = "PATRON_ENDPOINT",
        value_name = "ADDRESS",
        default_value = "http://127.0.0.1:50051",
        help_heading = "Connection and output"
    )]
    endpoint: String,
    #[command(flatten)]
    credentials: CredentialArgs,
    /// How results are written, text or json
    #[arg(
        long,
        global = true,
        value_parser = OutputChoice::parse,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Connection and output"
    )]
    output: OutputChoice,
}

impl ConnectionArgs {
    /// How results are written.
    ///
    /// # Errors
    /// When a file is named, which most commands do not write.
    pub(super) fn format(&self) -> Result<Format, InvalidArgument> {
        match &self.output {
            OutputChoice::Format(format) => Ok(*format),
            OutputChoice::File(path) => {
                Err(InvalidArgument::new("--output", "text or json", path.display()))
            }
        }
    }
}

/// What a command that talks to a server works with.
#[derive(Debug)]
pub(super) struct Session {
    address: ServerAddress,
    credentials: Credentials,
    /// Where results go.
    pub(super) output: Output,
    /// The file that `--output` names, of commands that write one.
    pub(super) file: Option<PathBuf>,
}

impl Session {
    /// Checks the flags and reads credentials; nothing is connected yet.
    pub(super) fn new(args: &ConnectionArgs) -> Result<Self, Failure> {
        let address = ServerAddress::parse(&args.endpoint)?;
        let credentials = args.credentials.read(&address, |name| std::env::var(name).ok())?;
        let (format, file) = match &args.output {
            OutputChoice::Format(format) => (*format, None),
            OutputChoice::File(path) => (Format::Text, Some(path.clone())),
        };
        Ok(Self { address, credentials, output: Output::new(format), file })
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Services, Failure> {
        Services::connect(&self.address, &self.credentials).await
    }
}

/// The services of a connected server.
#[derive(Clone, Debug)]
pub(super) struct Services {
    channel: Authorized,
}

impl Services {
    /// Connects to a server.
    pub(super) async fn connect(
        address: &ServerAddress,
        credentials: &Credentials,
    ) -> Result<Self, Failure> {
        let unreachable = |problem: tonic::transport::Error| Failure::Unreachable {
            endpoint: address.as_str().to_owned(),
            problem: with_remedy(status::causes(&problem)),
        };
        let endpoint = Endpoint::from_shared(address.as_str().to_owned()).map_err(unreachable)?;
        let mut endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT);
        if let Some(tls) = credentials.tls() {
            endpoint = endpoint.tls_config(tls).map_err(unreachable)?;
        }
        let channel = endpoint.connect().await.map_err(unreachable)?;
        Ok(Self { channel: InterceptedService::new(channel, credentials.bearer()) })
    }

    /// Transactions, imports and customers.
    pub(super) fn transactions(&self) -> TransactionServiceClient<Authorized> {
        let client = TransactionServiceClient::new(self.channel.clone());
        client.max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Features.
    pub(super) fn features(&self) -> FeatureServiceClient<Authorized> {
        let client = FeatureServiceClient::new(self.channel.clone());
        client.max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Training jobs.
    pub(super) fn training(&self) -> TrainingServiceClient<Authorized> {
        let client = TrainingServiceClient::new(self.channel.clone());
        client.max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Models and versions.
    pub(super) fn models(&self) -> ModelServiceClient<Authorized> {
        let client = ModelServiceClient::new(self.channel.clone());
        client.max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Predictions.
    pub(super) fn predictions(&self) -> PredictionServiceClient<Authorized> {
        let client = PredictionServiceClient::new(self.channel.clone());
        client.max_decoding_message_size(LARGEST_ANSWER)
    }

    /// The server itself.
    pub(super) fn server(&self) -> ServerServiceClient<Authorized> {
        ServerServiceClient::new(self.channel.clone())
    }

    /// Scoring jobs.
    pub(super) fn scoring(&self) -> ScoringServiceClient<Authorized> {
        let client = ScoringServiceClient::new(self.channel.clone());
        client.max_decoding_message_size(LARGEST_ANSWER)
    }
}

/// A certificate that is not trusted can be.
fn with_remedy(problem: String) -> String {
    if problem.contains("invalid peer certificate") {
        return format!("{problem}; name the authority to trust with --tls-ca");
    }
    problem
}

/// The id of a mutating call: the given one, or a new one, so that sending it again is safe.
pub(super) fn request_id(given: Option<String>) -> String {
    given.unwrap_or_else(|| uuid::Uuid::now_v7().to_string())
}
