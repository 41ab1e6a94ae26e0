//! A server on a free port, with its directories and clients.

use std::fs;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use patron::app::App;
use patron::config::{Config, RawConfig};
use patron::grpc::proto::feature_service_client::FeatureServiceClient;
use patron::grpc::proto::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use patron::grpc::proto::model_service_client::ModelServiceClient;
use patron::grpc::proto::prediction_service_client::PredictionServiceClient;
use patron::grpc::proto::scoring_service_client::ScoringServiceClient;
use patron::grpc::proto::server_service_client::ServerServiceClient;
use patron::grpc::proto::training_service_client::TrainingServiceClient;
use patron::grpc::proto::transaction_service_client::TransactionServiceClient;
use patron::grpc::proto::*;
use patron::grpc::{ServeError, Server};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::Status;
use tonic::transport::Channel;

/// Nothing in these tests takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A running server. Dropped without [`TestApp::shutdown`] it goes down with its runtime.
pub(crate) struct TestApp {
    directory: TempDir,
    settings: Vec<(&'static str, String)>,
    clients: Clients,
    /// Where metrics and probes are, when the settings say so.
    pub(crate) metrics: Option<SocketAddr>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl TestApp {
    /// A server without data, with the recipes of the project.
    pub(crate) async fn empty() -> Self {
        Self::with(&[]).await
    }

    /// As [`TestApp::empty`], with some settings changed.
    pub(crate) async fn with(settings: &[(&'static str, &str)]) -> Self {
        let directory = new_directory();
        copy(&project("models"), &directory.path().join("models"), &|path| {
            !path.is_dir() || path.file_name().is_some_and(|name| name.len() > 2)
        });
        Self::on(directory, settings).await
    }

    /// A server on a copy of directories that another one filled.
    pub(crate) async fn copy_of(source: &Path) -> Self {
        Self::copy_of_with(source, &[]).await
    }

    pub(crate) async fn copy_of_with(source: &Path, settings: &[(&'static str, &str)]) -> Self {
        Self::on(copied(source), settings).await
    }

    async fn on(directory: TempDir, settings: &[(&'static str, &str)]) -> Self {
        let owned = settings.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
        Self::start(directory, owned).await
    }

    async fn start(directory: TempDir, settings: Vec<(&'static str, String)>) -> Self {
        let server = bind(directory.path(), &settings).await;
        let (address, metrics) = (server.local_addr(), server.metrics_addr());
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async {
            // A dropped sender means the same: the test is over.
            let _ = stopped.await;
        }));
        let clients = Clients::connect(address).await;
        Self { directory, settings, clients, metrics, stop, serving }
    }

    /// Stops gracefully and gives the directories back.
    pub(crate) async fn shutdown(self) -> (TempDir, Vec<(&'static str, String)>) {
        let Self { directory, settings, clients, stop, serving, .. } = self;
        drop(clients);
        stop.send(()).unwrap();
        timeout(PATIENCE, serving).await.expect("the server stops").unwrap().unwrap();
        (directory, settings)
    }

    /// Stops gracefully and starts again on the same directories.
    pub(crate) async fn restart(self) -> Self {
        let (directory, settings) = self.shutdown().await;
        Self::start(directory, settings).await
    }

    /// Begins to stop without waiting for it.
    pub(crate) fn begin_shutdown(self) -> (TempDir, JoinHandle<Result<(), ServeError>>) {
        self.stop.send(()).unwrap();
        (self.directory, self.serving)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A new file in the server's reach.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Deref for TestApp {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.clients
    }
}

/// Calls to one server.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) channel: Channel,
}

impl Clients {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        Self { channel: endpoint.connect().await.unwrap() }
    }

    /// Imports a file and waits for the end.
    pub(crate) async fn import(&self, path: &str, mapping: &str) -> ImportJob {
        let request = import_request(path, mapping);
        let job = self.transactions().import_transactions(request).await.unwrap().into_inner();
        self.import_end(&job.job_id).await
    }

    /// Trains a model and waits for the end.
    pub(crate) async fn train(&self, model: &str) -> TrainingJob {
        self.train_as(CreateTrainingJobRequest { model: model.to_owned(), ..Default::default() })
            .await
    }

    /// Trains by a recipe of its own.
    pub(crate) async fn train_by(&self, model: &str, recipe: String) -> TrainingJob {
        let (model, recipe_toml) = (model.to_owned(), Some(recipe));
        self.train_as(CreateTrainingJobRequest { model, recipe_toml, ..Default::default() }).await
    }

    pub(crate) async fn train_as(&self, request: CreateTrainingJobRequest) -> TrainingJob {
        let job = self.trainings().create_training_job(request).await.unwrap().into_inner();
        self.training_end(&job.job_id).await
    }

    /// The version that `selector` means, with manifest and evaluation.
    pub(crate) async fn version(&self, model: &str, version: i64) -> ModelVersion {
        let selector = Some(version_selector(version));
        let request = GetModelVersionRequest { model: model.to_owned(), selector };
        self.models().get_model_version(request).await.unwrap().into_inner()
    }

    pub(crate) async fn churn(&self, ids: &[&str]) -> Result<PredictChurnResponse, Status> {
        let request = churn_of(predict_churn_request::Input::CustomerIds(customer_ids(ids)));
        self.ask_churn(request).await
    }

    pub(crate) async fn ask_churn(
        &self,
        request: PredictChurnRequest,
    ) -> Result<PredictChurnResponse, Status> {
        Ok(self.predictions().predict_churn(request).await?.into_inner())
    }
}

macro_rules! clients {
    ($($name:ident: $client:ident),+ $(,)?) => {
        impl Clients {
            $(pub(crate) fn $name(&self) -> $client<Channel> {
                $client::new(self.channel.clone())
            })+
        }
    };
}

clients! {
    transactions: TransactionServiceClient,
    features: FeatureServiceClient,
    trainings: TrainingServiceClient,
    models: ModelServiceClient,
    predictions: PredictionServiceClient,
    scorings: ScoringServiceClient,
    inference: GrpcInferenceServiceClient,
    server: ServerServiceClient,
}

/// Watches a job until its stream ends and gives the last state.
macro_rules! ends {
    ($($name:ident: $client:ident.$watch:ident($request:ident) -> $job:ident),+ $(,)?) => {
        impl Clients {
            $(pub(crate) async fn $name(&self, job_id: &str) -> $job {
                let request = $request { job_id: job_id.to_owned() };
                let mut states = self.$client().$watch(request).await.unwrap().into_inner();
                let last = async {
                    let mut last = None;
                    while let Some(job) = states.message().await.unwrap() {
                        last = Some(job);
                    }
                    last.expect("a watched job is sent at least once")
                };
                timeout(PATIENCE, last).await.expect("the job ends")
            })+
        }
    };
}

ends! {
    import_end: transactions.watch_import_job(WatchImportJobRequest) -> ImportJob,
    training_end: trainings.watch_training_job(WatchTrainingJobRequest) -> TrainingJob,
    scoring_end: scorings.watch_scoring_job(WatchScoringJobRequest) -> ScoringJob,
}

/// Binds a server to directories below `directory`.
pub(crate) async fn bind(directory: &Path, settings: &[(&'static str, String)]) -> Server {
    let mut raw = RawConfig::default();
    let below = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let defaults = [
        ("data_directory", below("data")),
        ("model_directory", below("models")),
        ("shop.time_zone", "Europe/London".to_owned()),
        ("shop.currency", "GBP".to_owned()),
        ("server.listen", "127.0.0.1:0".to_owned()),
        ("serving.as_of", "latest".to_owned()),
        ("log.filter", "off".to_owned()),
    ];
    for (key, text) in defaults.iter().chain(settings) {
        raw.set(key, "test", Some(text.clone()));
    }
    let config = Config::check(&raw).unwrap();
    Server::bind(Arc::new(App::open(config).unwrap())).await.unwrap()
}

/// A path of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file or text of the project.
pub(crate) fn project_text(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap()
}

pub(crate) fn import_request(path: &str, mapping: &str) -> ImportTransactionsRequest {
    ImportTransactionsRequest {
        source_uri: path.to_owned(),
        mapping_toml: mapping.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn customer_ids(ids: &[&str]) -> CustomerIds {
    CustomerIds { ids: ids.iter().map(|id| (*id).to_owned()).collect() }
}

pub(crate) fn churn_of(input: predict_churn_request::Input) -> PredictChurnRequest {
    PredictChurnRequest { input: Some(input), ..Default::default() }
}

pub(crate) fn version_selector(version: i64) -> ModelSelector {
    ModelSelector { choice: Some(model_selector::Choice::Version(version)) }
}

pub(crate) fn alias_selector(alias: &str) -> ModelSelector {
    ModelSelector { choice: Some(model_selector::Choice::Alias(alias.to_owned())) }
}

pub(crate) fn new_directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// What is stored of a customer, with up to a thousand lines.
pub(crate) fn customer_request(id: &str) -> GetCustomerRequest {
    GetCustomerRequest { customer_id: id.to_owned(), page_size: 1_000, ..Default::default() }
}

/// An instant of RFC 3339, or a date.
pub(crate) fn instant(text: &str) -> prost_types::Timestamp {
    let micros = text.parse::<patron::transaction::Timestamp>().unwrap().micros();
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: (micros.rem_euclid(1_000_000) * 1_000) as i32,
    }
}

/// A copy of a directory that a server filled, which may still have it open.
pub(crate) fn copied(source: &Path) -> TempDir {
    let directory = new_directory();
    copy_filled(source, directory.path());
    directory
}

/// Copies a directory that a server filled. The shared memory of who has it open is not data.
pub(crate) fn copy_filled(source: &Path, target: &Path) {
    copy(source, target, &|path| path.extension().is_none_or(|end| end != "sqlite3-shm"));
}

/// Copies what `wanted` keeps of a directory.
pub(crate) fn copy(source: &Path, target: &Path, wanted: &impl Fn(&Path) -> bool) {
    fs::create_dir_all(target).unwrap();
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        let to = target.join(path.file_name().unwrap());
        if !wanted(&path) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to, wanted);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}
