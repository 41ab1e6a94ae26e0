//! `PredictionService`: convert, ask the predictor, convert.

mod answer;
mod ask;
mod forecast;
mod rfm;
mod work;

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::app::App;
use crate::model::ModelKind;
use crate::serving::{Input, Question, Way};

use self::answer::{churn_response, propensity_response, segments_response};
use self::ask::{Asked, Head};
pub(super) use self::work::{Load, Work};
use super::flow::{Caller, Flow, contained};
use super::proto::{self, prediction_service_server::PredictionService};
use super::status::{invalid_field, rpc_status};

/// Answered items of a stream that wait for a slow reader.
const ITEMS_IN_FLIGHT: usize = 4;

/// Serves predictions.
#[derive(Clone, Debug)]
pub(super) struct Predictions {
    app: Arc<App>,
    flow: Flow,
}

pub(super) type Items<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Predictions {
    pub(super) fn new(app: Arc<App>, flow: Flow) -> Self {
        Self { app, flow }
    }

    async fn segments(
        &self,
        request: proto::AssignSegmentsRequest,
        caller: Caller,
    ) -> Result<proto::AssignSegmentsResponse, Status> {
        let proto::AssignSegmentsRequest {
            model,
            selector,
            as_of,
            explain,
            all_distances,
            include_catalogue,
            input,
        } = request;
        let input = input.map(ask::Input::from);
        let head = Head { model, selector, input, as_of, explain };
        self.run(head, ModelKind::Segments, caller, move |work, asked| {
            let answers = work.ask(|predictor| predictor.segments(&asked.question))?;
            let shown = (all_distances, include_catalogue);
            segments_response(&asked, &answers, shown, work.caller.request_id())
        })
        .await
    }

    async fn rfm(
        &self,
        request: proto::AssignRfmRequest,
        caller: Caller,
    ) -> Result<proto::AssignRfmResponse, Status> {
        let proto::AssignRfmRequest { model, selector, as_of, input } = request;
        let input = input.map(ask::Input::from);
        let head = Head { model, selector, input, as_of, explain: 0 };
        self.run(head, ModelKind::Rfm, caller, move |work, asked| {
            let answers = work.ask(|predictor| predictor.rfm(&asked.question))?;
            rfm::response(&asked, &answers, work.caller.request_id())
        })
        .await
    }

    async fn churn(
        &self,
        request: proto::PredictChurnRequest,
        caller: Caller,
    ) -> Result<proto::PredictChurnResponse, Status> {
        let proto::PredictChurnRequest { model, selector, as_of, explain, threshold, input } =
            request;
        let threshold = check_threshold(threshold)?;
        let input = input.map(ask::Input::from);
        let head = Head { model, selector, input, as_of, explain };
        self.run(head, ModelKind::Churn, caller, move |work, asked| {
            let kind = ModelKind::Churn;
            let answers = work.ask(|predictor| predictor.probabilities(kind, &asked.question))?;
            Ok(churn_response(&asked, &answers, threshold, work.caller.request_id()))
        })
        .await
    }

    async fn propensity(
        &self,
        request: proto::PredictPropensityRequest,
        caller: Caller,
    ) -> Result<proto::PredictPropensityResponse, Status> {
        let proto::PredictPropensityRequest { model, selector, as_of, explain, threshold, input } =
            request;
        let threshold = check_threshold(threshold)?;
        let input = input.map(ask::Input::from);
        let head = Head { model, selector, input, as_of, explain };
        self.run(head, ModelKind::Propensity, caller, move |work, asked| {
            let kind = ModelKind::Propensity;
            let answers = work.ask(|predictor| predictor.probabilities(kind, &asked.question))?;
            Ok(propensity_response(&asked, &answers, threshold, work.caller.request_id()))
        })
        .await
    }

    async fn forecasts(
        &self,
        request: proto::ForecastRequest,
        caller: Caller,
    ) -> Result<proto::ForecastResponse, Status> {
        let server = (Arc::clone(&self.app), &self.flow);
        let load = forecast::load(&self.app, &request)?;
        Work::run(server, load, caller, move |work| forecast::answer(work, request)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        head: Head,
        kind: ModelKind,
        caller: Caller,
        answer: impl FnOnce(&Work, Asked) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let asked = ask::ask(head, kind, &self.app.config().currency)?;
        caller.charge(asked.rows)?;
        let server = (Arc::clone(&self.app), &self.flow);
        let Question { model, selector, .. } = &asked.question;
        let served = self.app.catalog().at_hand(model, selector);
        let load = Load { rows: asked.rows, way: way(&asked.question), served };
        Work::run(server, load, caller, move |work| answer(work, asked)).await
    }
}

/// What has to be done to answer.
fn way(question: &Question) -> Way {
    let reads_histories = matches!(question.input, Input::Customers(_) | Input::Histories(_));
    Way { reads_histories, explains: question.explain > 0 }
}

/// Answers the items of a stream one after the other, as slowly as they are read. What is at work
/// when the caller goes is given up.
pub(super) fn answer_items<Item, Answer, Future>(
    mut items: Streaming<Item>,
    answer: impl Fn(Item) -> Future + Send + Sync + 'static,
) -> Items<Answer>
where
    Item: Send + 'static,
    Answer: Send + 'static,
    Future: std::future::Future<Output = Answer> + Send,
{
    let (sender, receiver) = mpsc::channel(ITEMS_IN_FLIGHT);
    tokio::spawn(async move {
        loop {
            let next = async {
                match items.next().await {
                    Some(Ok(item)) => Some(contained(answer(item)).await),
                    Some(Err(status)) => Some(Err(status)),
                    None => None,
                }
            };
            let answered = tokio::select! {
                answered = next => answered,
                () = sender.closed() => None,
            };
            let Some(answered) = answered else { break };
            let broken = answered.is_err();
            // A receiver that is gone is a caller that is gone.
            if sender.send(answered).await.is_err() || broken {
                break;
            }
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

/// The body of a streaming method: each item is answered by the method `$ask` of one call.
macro_rules! answer_each {
    ($self:ident, $request:ident, $ask:ident, $item:ident, $answer:ident, $outcome:ident) => {{
        let caller = Caller::of_items(&$request);
        let service = $self.clone();
        let answer = move |item: proto::$item| {
            let (service, caller) = (service.clone(), caller.clone());
            async move {
                let proto::$item { sequence, request } = item;
                let answered = match request {
                    Some(request) => service.$ask(request, caller).await,
                    None => Err(invalid_field("request", "expected a request in each item")),
                };
                let outcome = match answered {
                    Ok(response) => proto::$outcome::Outcome::Response(response),
                    Err(status) => proto::$outcome::Outcome::Error(rpc_status(&status)),
                };
                proto::$answer { sequence, outcome: Some(outcome) }
            }
        };
        Ok(Response::new(answer_items($request.into_inner(), answer)))
    }};
}

#[tonic::async_trait]
impl PredictionService for Predictions {
    type StreamAssignSegmentsStream = Items<proto::StreamAssignSegmentsResponse>;
    type StreamAssignRfmStream = Items<proto::StreamAssignRfmResponse>;
    type StreamPredictChurnStream = Items<proto::StreamPredictChurnResponse>;
    type StreamPredictPropensityStream = Items<proto::StreamPredictPropensityResponse>;
    type StreamForecastStream = Items<proto::StreamForecastResponse>;

    async fn assign_segments(
        &self,
        request: Request<proto::AssignSegmentsRequest>,
    ) -> Result<Response<proto::AssignSegmentsResponse>, Status> {
        let caller = Caller::of(&request);
        self.segments(request.into_inner(), caller).await.map(Response::new)
    }

    async fn assign_rfm(
        &self,
        request: Request<proto::AssignRfmRequest>,
    ) -> Result<Response<proto::AssignRfmResponse>, Status> {
        let caller = Caller::of(&request);
        self.rfm(request.into_inner(), caller).await.map(Response::new)
    }

    async fn predict_churn(
        &self,
        request: Request<proto::PredictChurnRequest>,
    ) -> Result<Response<proto::PredictChurnResponse>, Status> {
        let caller = Caller::of(&request);
        self.churn(request.into_inner(), caller).await.map(Response::new)
    }

    async fn predict_propensity(
        &self,
        request: Request<proto::PredictPropensityRequest>,
    ) -> Result<Response<proto::PredictPropensityResponse>, Status> {
        let caller = Caller::of(&request);
        self.propensity(request.into_inner(), caller).await.map(Response::new)
    }

    async fn forecast(
        &self,
        request: Request<proto::ForecastRequest>,
    ) -> Result<Response<proto::ForecastResponse>, Status> {
        let caller = Caller::of(&request);
        self.forecasts(request.into_inner(), caller).await.map(Response::new)
    }

    async fn stream_assign_segments(
        &self,
        request: Request<Streaming<proto::StreamAssignSegmentsRequest>>,
    ) -> Result<Response<Self::StreamAssignSegmentsStream>, Status> {
        answer_each!(
            self,
            request,
            segments,
            StreamAssignSegmentsRequest,
            StreamAssignSegmentsResponse,
            stream_assign_segments_response
        )
    }

    async fn stream_assign_rfm(
        &self,
        request: Request<Streaming<proto::StreamAssignRfmRequest>>,
    ) -> Result<Response<Self::StreamAssignRfmStream>, Status> {
        answer_each!(
            self,
            request,
            rfm,
            StreamAssignRfmRequest,
            StreamAssignRfmResponse,
            stream_assign_rfm_response
        )
    }

    async fn stream_predict_churn(
        &self,
        request: Request<Streaming<proto::StreamPredictChurnRequest>>,
    ) -> Result<Response<Self::StreamPredictChurnStream>, Status> {
        answer_each!(
            self,
            request,
            churn,
            StreamPredictChurnRequest,
            StreamPredictChurnResponse,
            stream_predict_churn_response
        )
    }

    async fn stream_predict_propensity(
        &self,
        request: Request<Streaming<proto::StreamPredictPropensityRequest>>,
    ) -> Result<Response<Self::StreamPredictPropensityStream>, Status> {
        answer_each!(
            self,
            request,
            propensity,
            StreamPredictPropensityRequest,
            StreamPredictPropensityResponse,
            stream_predict_propensity_response
        )
    }

    async fn stream_forecast(
        &self,
        request: Request<Streaming<proto::StreamForecastRequest>>,
    ) -> Result<Response<Self::StreamForecastStream>, Status> {
        answer_each!(
            self,
            request,
            forecasts,
            StreamForecastRequest,
            StreamForecastResponse,
            stream_forecast_response
        )
    }
}

fn check_threshold(threshold: Option<f32>) -> Result<f32, Status> {
    let threshold = threshold.unwrap_or(0.5);
    if (0.0..=1.0).contains(&threshold) {
        return Ok(threshold);
    }
    Err(invalid_field("threshold", format!("expected 0 to 1, found {threshold}")))
}
