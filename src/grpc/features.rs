//! `FeatureService`: definitions and vectors.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::feature::{FeatureSchema, Features as Computer, definitions};
use crate::historical::fit_schema;
use crate::model::ModelKind;
use crate::serving::{CallLimit, ServedModel, ServingError, Way};
use crate::store::{Reader, StoreError};
use crate::transaction::{CustomerHistory, CustomerId, HistoryLine, HistorySource, Timestamp};

use super::blocking;
use super::convert::{Page, check_rows, model_name, selector, time, wire_time};
use super::flow::{Caller, Flow};
use super::proto::{self, feature_block, feature_service_server::FeatureService};
use super::status::{
    from_customer_id, from_serving, from_store, invalid, invalid_field, rpc_status,
};

const HISTORIES: Way = Way { reads_histories: true, explains: false };

/// Serves features.
#[derive(Clone, Debug)]
pub(super) struct Features {
    app: Arc<App>,
    flow: Flow,
    fitted: Arc<FittedSchema>,
}

impl Features {
    pub(super) fn new(app: Arc<App>, flow: Flow) -> Self {
        Self { app, flow, fitted: Arc::default() }
    }
}

/// The schema of the data as they were known at the beginning of a day, for callers who name no
/// model. Lines that arrive do not change it, so one pass over the data serves the whole day.
#[derive(Debug, Default)]
struct FittedSchema(Mutex<Option<(i64, Timestamp, FeatureSchema)>>);

impl FittedSchema {
    fn of(
        &self,
        reader: &mut Reader<'_>,
        app: &App,
        as_of: Timestamp,
    ) -> Result<FeatureSchema, StoreError> {
        let clock = app.store().clock();
        let start = clock.start_of_day(clock.local(as_of).day);
        let mut fitted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((generation, day, schema)) = &*fitted
            && (*generation, *day) == (reader.generation(), start)
        {
            return Ok(schema.clone());
        }
        let schema = fit_schema(reader, clock, start, app.config().job_threads)?;
        *fitted = Some((reader.generation(), start, schema.clone()));
        Ok(schema)
    }
}

#[tonic::async_trait]
impl FeatureService for Features {
    async fn list_features(
        &self,
        request: Request<proto::ListFeaturesRequest>,
    ) -> Result<Response<proto::ListFeaturesResponse>, Status> {
        let (app, fitted) = (Arc::clone(&self.app), Arc::clone(&self.fitted));
        blocking(move || list(&app, &fitted, request.into_inner())).await.map(Response::new)
    }

    async fn batch_get_features(
        &self,
        request: Request<proto::BatchGetFeaturesRequest>,
    ) -> Result<Response<proto::BatchGetFeaturesResponse>, Status> {
        let (app, fitted) = (Arc::clone(&self.app), Arc::clone(&self.fitted));
        let caller = Caller::of(&request);
        let request = request.into_inner();
        check_rows("customer_ids", request.customer_ids.len())?;
        caller.charge(request.customer_ids.len())?;
        let _rows = self.flow.admit(request.customer_ids.len(), &caller).await?;
        let (rows, flow) = (request.customer_ids.len(), self.flow.clone());
        let cost = flow.costs().estimate(HISTORIES, rows);
        let (core, _queued) = self.flow.core(cost, &caller).await?;
        let (limit, _cancelled_with_the_call) = caller.limit();
        let answer = move || {
            let (_core, begun) = (core, Instant::now());
            let features = get(&app, &fitted, request, &caller, &limit)?;
            flow.costs().learn(HISTORIES, rows, begun.elapsed());
            Ok(features)
        };
        blocking(answer).await.map(Response::new)
    }
}

fn list(
    app: &App,
    fitted: &FittedSchema,
    request: proto::ListFeaturesRequest,
) -> Result<proto::ListFeaturesResponse, Status> {
    let proto::ListFeaturesRequest { page_size, page_token, model, selector } = request;
    let page = Page::new(page_size, page_token)?;
    let mut reader = app.store().reader().map_err(|error| from_store(&error))?;
    let as_of = app.predictor().as_of(None).map_err(|error| from_serving(&error))?;
    let schema = schema(app, fitted, &mut reader, (&model, selector), as_of)?;
    let top = schema.top_values();
    let definition = |definition: &crate::feature::Definition| {
        let rank = definition.name.strip_prefix("top_share_").and_then(|n| n.parse::<usize>().ok());
        let fitted = rank.and_then(|rank| top.get(rank.checked_sub(1)?));
        proto::FeatureDefinition {
            name: definition.name.to_owned(),
            unit: definition.unit.as_str().to_owned(),
            window: definition.window.to_owned(),
            meaning: match fitted {
                Some(value) => format!("{}: {value}", definition.meaning),
                None => definition.meaning.to_owned(),
            },
            no_history_value: definition.no_history,
        }
    };
    let all: Vec<_> = definitions().iter().map(definition).collect();
    let feature_count = all.len() as u32;
    let (features, next_page_token) = page.cut(all)?;
    let schema_digest = schema.digest();
    Ok(proto::ListFeaturesResponse { features, next_page_token, schema_digest, feature_count })
}

fn get(
    app: &App,
    fitted: &FittedSchema,
    request: proto::BatchGetFeaturesRequest,
    caller: &Caller,
    limit: &CallLimit,
) -> Result<proto::BatchGetFeaturesResponse, Status> {
    limit.check().map_err(|error| from_serving(&error))?;
    let proto::BatchGetFeaturesRequest { customer_ids, as_of, model, selector, encoding } = request;
    let as_of = as_of.as_ref().map(time);
    let as_of = app.predictor().as_of(as_of).map_err(|error| from_serving(&error))?;
    let mut reader = app.store().reader().map_err(|error| from_store(&error))?;
    let schema = schema(app, fitted, &mut reader, (&model, selector), as_of)?;
    let computer = Computer::new(&schema, reader.symbols());
    let computer = computer.map_err(|error| from_serving(&ServingError::from(error)))?;
    let mut rows =
        Rows { values: Vec::new(), statuses: Vec::new(), last: Vec::new(), errors: Vec::new() };
    for (row, id) in customer_ids.iter().enumerate() {
        limit.check_row(row).map_err(|error| from_serving(&error))?;
        rows.add(row, id, &computer, &mut reader, as_of)?;
    }
    let features = proto::FeatureBlock {
        columns: schema.columns().to_vec(),
        row_count: rows.statuses.len() as u32,
        schema_digest: schema.digest(),
        values: Some(encode(rows.values, encoding)?),
    };
    Ok(proto::BatchGetFeaturesResponse {
        features: Some(features),
        statuses: rows.statuses,
        last_line_time_micros: rows.last,
        as_of: Some(wire_time(as_of)),
        errors: rows.errors,
        request_id: caller.request_id().to_owned(),
    })
}

struct Rows {
    values: Vec<f32>,
    statuses: Vec<i32>,
    last: Vec<i64>,
    errors: Vec<proto::RowError>,
}

impl Rows {
    fn add(
        &mut self,
        row: usize,
        id: &str,
        computer: &Computer,
        reader: &mut Reader<'_>,
        as_of: Timestamp,
    ) -> Result<(), Status> {
        let customer = match CustomerId::parse(id) {
            Ok(customer) => customer,
            Err(error) => {
                let status = from_customer_id(format!("customer_ids[{row}]"), error);
                let status = Some(rpc_status(&status));
                self.errors.push(proto::RowError { row: row as u32, status });
                computer.append(&CustomerHistory::default(), as_of, &mut self.values);
                self.statuses.push(proto::FeatureRowStatus::Unspecified as i32);
                self.last.push(0);
                return Ok(());
            }
        };
        let history = reader.history(&customer).map_err(|error| from_store(&error))?;
        let visible = history.lines().iter().filter(|line| line.is_visible(as_of));
        let bought = visible.clone().any(HistoryLine::is_purchase);
        let status = if bought {
            proto::FeatureRowStatus::Found
        } else {
            proto::FeatureRowStatus::NoHistory
        };
        self.statuses.push(status as i32);
        self.last.push(visible.map(|line| line.occurred_at.micros()).max().unwrap_or(0));
        computer.append(&history, as_of, &mut self.values);
        Ok(())
    }
}

fn encode(values: Vec<f32>, encoding: i32) -> Result<feature_block::Values, Status> {
    match proto::FeatureEncoding::try_from(encoding) {
        Ok(proto::FeatureEncoding::Floats) => {
            Ok(feature_block::Values::Floats(proto::FloatValues { values }))
        }
        Ok(_) => {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            Ok(feature_block::Values::F32Le(Bytes::from(bytes)))
        }
        Err(_) => {
            Err(invalid_field("encoding", format!("expected a known encoding, found {encoding}")))
        }
    }
}

/// The schema of a model, or one fitted to the data.
fn schema(
    app: &App,
    fitted: &FittedSchema,
    reader: &mut Reader<'_>,
    (model, wire_selector): (&str, Option<proto::ModelSelector>),
    as_of: Timestamp,
) -> Result<FeatureSchema, Status> {
    if model.is_empty() {
        return fitted.of(reader, app, as_of).map_err(|error| from_store(&error));
    }
    let name = model_name(model, ModelKind::Churn)?;
    let served = app.catalog().resolve(&name, &selector(wire_selector)?);
    let served: Arc<ServedModel> = served.map_err(|error| from_serving(&error))?;
    served.manifest().feature_schema.clone().ok_or_else(|| {
        invalid("WRONG_MODEL_KIND", "model", format!("model {name} takes no feature vectors"))
    })
}
