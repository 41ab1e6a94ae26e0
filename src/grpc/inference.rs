//! `inference.GRPCInferenceService`: the Open Inference Protocol, for models that take vectors.

mod answer;
mod datatype;
mod metadata;
mod question;
mod repository;
mod tensor;

use std::sync::Arc;
use std::time::Instant;

use tonic::{Code, Request, Response, Status, Streaming};

use crate::app::App;
use crate::repository::ModelName;
use crate::serving::{CallerRows, Selector, ServedModel, ServingError, TableRows, Way};

use self::question::{Head, Question, question};
use self::tensor::Place;
use super::answered;
use super::flow::{Caller, Flow, Phase};
use super::predictions::{Items, Load, Work, answer_items};
use super::proto::inference::{self as proto, grpc_inference_service_server::GrpcInferenceService};
use super::status::{after_name, from_name, from_serving, invalid, invalid_field};

/// Extensions of the protocol that are offered; of the repository's only the index.
const EXTENSIONS: [&str; 2] = ["statistics", "model_repository(index)"];

/// Serves vectors.
#[derive(Clone, Debug)]
pub(super) struct Inference {
    app: Arc<App>,
    flow: Flow,
}

impl Inference {
    pub(super) fn new(app: Arc<App>, flow: Flow) -> Self {
        Self { app, flow }
    }

    async fn infer(
        &self,
        request: proto::ModelInferRequest,
        caller: Caller,
    ) -> Result<proto::ModelInferResponse, Status> {
        let arrived = Instant::now();
        let (head, question) = question(request);
        // What the call will cost; nothing of it has been done yet.
        let rows = question.as_ref().map_or(0, Question::row_count);
        caller.charge(rows)?;
        let server = (Arc::clone(&self.app), &self.flow);
        let meant = (head.model.parse(), selector("model_version", &head.version));
        let served = match meant {
            (Ok(model), Ok(selector)) => self.app.catalog().at_hand(&model, &selector),
            // What is wrong is told in its turn.
            _ => None,
        };
        let way = Way { reads_histories: false, explains: false };
        let load = Load { rows, way, served };
        Work::run(server, load, caller, move |work| answer(work, &head, question, arrived)).await
    }
}

#[tonic::async_trait]
impl GrpcInferenceService for Inference {
    type ModelStreamInferStream = Items<proto::ModelStreamInferResponse>;

    async fn server_live(
        &self,
        _request: Request<proto::ServerLiveRequest>,
    ) -> Result<Response<proto::ServerLiveResponse>, Status> {
        Ok(Response::new(proto::ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        _request: Request<proto::ServerReadyRequest>,
    ) -> Result<Response<proto::ServerReadyResponse>, Status> {
        let ready = *self.flow.phase().borrow() == Phase::Serving;
        Ok(Response::new(proto::ServerReadyResponse { ready }))
    }

    async fn model_ready(
        &self,
        request: Request<proto::ModelReadyRequest>,
    ) -> Result<Response<proto::ModelReadyResponse>, Status> {
        let proto::ModelReadyRequest { name, version } = request.into_inner();
        answered(&self.app, move |app| {
            let columns = resolve(app, ("name", &name), ("version", &version)).and_then(|served| {
                // A version of older features loads and cannot answer.
                served.input_columns().map_err(|error| from_serving(&error))
            });
            let ready = match columns {
                Ok(_) => true,
                Err(status)
                    if matches!(status.code(), Code::FailedPrecondition | Code::DataLoss) =>
                {
                    false
                }
                Err(status) => return Err(status),
            };
            Ok(proto::ModelReadyResponse { ready })
        })
        .await
    }

    async fn server_metadata(
        &self,
        _request: Request<proto::ServerMetadataRequest>,
    ) -> Result<Response<proto::ServerMetadataResponse>, Status> {
        Ok(Response::new(proto::ServerMetadataResponse {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            extensions: EXTENSIONS.map(str::to_owned).to_vec(),
        }))
    }

    async fn model_metadata(
        &self,
        request: Request<proto::ModelMetadataRequest>,
    ) -> Result<Response<proto::ModelMetadataResponse>, Status> {
        answered(&self.app, move |app| metadata::of_model(app, request.into_inner())).await
    }

    async fn model_infer(
        &self,
        request: Request<proto::ModelInferRequest>,
    ) -> Result<Response<proto::ModelInferResponse>, Status> {
        let caller = Caller::of(&request);
        self.infer(request.into_inner(), caller).await.map(Response::new)
    }

    async fn model_stream_infer(
        &self,
        request: Request<Streaming<proto::ModelInferRequest>>,
    ) -> Result<Response<Self::ModelStreamInferStream>, Status> {
        let caller = Caller::of_items(&request);
        let service = self.clone();
        let answer = move |request: proto::ModelInferRequest| {
            let (service, caller) = (service.clone(), caller.clone());
            async move {
                let unanswered = proto::ModelInferResponse {
                    model_name: request.model_name.clone(),
                    model_version: request.model_version.clone(),
                    id: request.id.clone(),
                    ..proto::ModelInferResponse::default()
                };
                match service.infer(request, caller).await {
                    Ok(response) => proto::ModelStreamInferResponse {
                        error_message: String::new(),
                        infer_response: Some(response),
                    },
                    Err(status) => proto::ModelStreamInferResponse {
                        error_message: format!(
                            "{}: {}",
                            code_name(status.code()),
                            status.message()
                        ),
                        infer_response: Some(unanswered),
                    },
                }
            }
        };
        Ok(Response::new(answer_items(request.into_inner(), answer)))
    }

    async fn model_statistics(
        &self,
        request: Request<proto::ModelStatisticsRequest>,
    ) -> Result<Response<proto::ModelStatisticsResponse>, Status> {
        answered(&self.app, move |app| repository::statistics(app, &request.into_inner())).await
    }

    async fn repository_index(
        &self,
        request: Request<proto::RepositoryIndexRequest>,
    ) -> Result<Response<proto::RepositoryIndexResponse>, Status> {
        answered(&self.app, move |app| repository::index(app, &request.into_inner())).await
    }
}

/// Answers a question with the version that it means. That version counts the outcome.
fn answer(
    work: &Work,
    head: &Head,
    question: Result<Question, Status>,
    arrived: Instant,
) -> Result<proto::ModelInferResponse, Status> {
    let Head { model, version, .. } = head;
    let served = resolve(&work.app, ("model_name", model), ("model_version", version))?;
    let mut inference = served.statistics().begin(arrived);
    let Question { rows, encoding, outputs } = question?;
    let gathered = served.take(&rows).map_err(|error| refusal(&error))?;
    if let CallerRows::Table(table) = &rows {
        refuse_unknown(table, gathered.matrix.columns())?;
    }
    inference.input_done();
    let answers = served.answer(&gathered, work.limit()).map_err(|error| refusal(&error))?;
    inference.infer_done();
    let outputs = answer::choose(answer::outputs(served.model(), &answers), &outputs)?;
    let response = answer::response(head, served.manifest(), answers.rows(), encoding, outputs);
    inference.succeed(answers.rows());
    work.answered(&served, answers.rows(), arrived);
    Ok(response)
}

/// The version that a request means; the fields are named as its message names them.
fn resolve(
    app: &App,
    (name_field, name): (&str, &str),
    (version_field, version): (&str, &str),
) -> Result<Arc<ServedModel>, Status> {
    let model: ModelName = name.parse().map_err(|error| from_name(name_field, &error))?;
    let selector = selector(version_field, version)?;
    app.catalog().resolve(&model, &selector).map_err(|error| from_serving(&error))
}

/// A version by its number or by an alias; the champion when nothing is said.
fn selector(field: &str, text: &str) -> Result<Selector, Status> {
    if text.is_empty() {
        return Ok(Selector::default());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse() {
            Ok(number) if number > 0 => Ok(Selector::Version(number)),
            _ => Err(invalid_field(field, "expected a version from 1, or an alias")),
        };
    }
    text.parse().map(Selector::Alias).map_err(|error| from_name(field, &error))
}

/// Why a version refuses rows, in the words of every other call and with the names of this one.
fn refusal(error: &ServingError) -> Status {
    let problem = || after_name(&error.to_string()).to_owned();
    match error {
        ServingError::FeatureBlock { .. } => invalid("INVALID_FEATURE_BLOCK", "inputs", problem()),
        ServingError::Table { .. } | ServingError::Cell { .. } => {
            invalid("INVALID_TABLE", "inputs", problem())
        }
        ServingError::NoVectors { .. } => {
            invalid("WRONG_MODEL_KIND", "model_name", error.to_string())
        }
        _ => from_serving(error),
    }
}

fn refuse_unknown(table: &TableRows, known: &[String]) -> Result<(), Status> {
    let mut columns = table.columns.iter().enumerate();
    match columns.find(|(_, column)| !known.contains(&column.name)) {
        None => Ok(()),
        Some((at, column)) => {
            let place = Place { at, name: column.name.clone() };
            let problem = format!("expected only the {} columns of the model", known.len());
            Err(place.refuse("name", problem))
        }
    }
}

/// `INVALID_ARGUMENT` for the code of that name.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
