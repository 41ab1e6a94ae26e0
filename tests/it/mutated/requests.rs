//! Good requests of every shape that carries data; the fuzz targets begin with them too.

use patron::grpc::proto::inference::model_infer_request::InferInputTensor;
use patron::grpc::proto::inference::{
    InferTensorContents, ModelInferRequest, ModelMetadataRequest, RepositoryIndexRequest,
};
use patron::grpc::proto::*;
use prost::Message as _;

/// A method, as its path names it, and a message to it.
pub type Encoded = (&'static str, Vec<u8>);

/// The vectors of some customers, to be sent again.
#[derive(Clone, Debug)]
pub struct Vectors {
    pub columns: usize,
    pub values: Vec<f32>,
}

impl Vectors {
    /// Of an answer of `BatchGetFeatures`.
    pub fn of(answer: BatchGetFeaturesResponse) -> Option<Self> {
        let FeatureBlock { columns, values, .. } = answer.features?;
        match values? {
            feature_block::Values::Floats(floats) => {
                Some(Self { columns: columns.len(), values: floats.values })
            }
            feature_block::Values::F32Le(_) => None,
        }
    }

    fn rows(&self) -> usize {
        self.values.len() / self.columns.max(1)
    }

    fn bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn block(&self, values: feature_block::Values) -> FeatureBlock {
        FeatureBlock {
            row_count: self.rows() as u32,
            values: Some(values),
            ..FeatureBlock::default()
        }
    }

    fn floats(&self) -> FeatureBlock {
        let values = self.values.clone();
        self.block(feature_block::Values::Floats(FloatValues { values }))
    }

    fn raw(&self) -> FeatureBlock {
        self.block(feature_block::Values::F32Le(self.bytes().into()))
    }

    fn tensor(&self) -> InferInputTensor {
        InferInputTensor {
            name: "features".to_owned(),
            datatype: "FP32".to_owned(),
            shape: vec![self.rows() as i64, self.columns as i64],
            ..InferInputTensor::default()
        }
    }

    fn typed_tensor(&self) -> InferInputTensor {
        let values = self.values.clone();
        let contents =
            InferTensorContents { fp32_contents: values, ..InferTensorContents::default() };
        InferInputTensor { contents: Some(contents), ..self.tensor() }
    }
}

/// The customers that are asked about.
pub const CUSTOMERS: [&str; 3] = ["r1", "o1", "nobody"];

fn ids() -> CustomerIds {
    CustomerIds { ids: CUSTOMERS.map(str::to_owned).to_vec() }
}

fn line(order: &str) -> TransactionLine {
    TransactionLine {
        customer_id: "r1".to_owned(),
        order_id: order.to_owned(),
        occurred_at: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 1_000 }),
        product_id: "p1".to_owned(),
        category: "food".to_owned(),
        quantity_thousandths: Some(1_000),
        unit_price_micros: Some(2_500_000),
        ..TransactionLine::default()
    }
}

fn histories() -> CustomerLines {
    let lines = vec![line("1"), line("2")];
    CustomerLines { customers: vec![WhatIfHistory { lines }, WhatIfHistory::default()] }
}

fn table() -> TableBlock {
    let column = |name: &str, values, missing| TableColumn {
        name: name.to_owned(),
        values: Some(values),
        missing,
    };
    let numbers = table_column::Values::Numbers(DoubleValues { values: vec![1.0, f64::NAN] });
    TableBlock { columns: vec![column("age", numbers, vec![1, 7])], row_count: 2 }
}

/// Calls that ask for predictions, one of each input that there is.
fn questions(vectors: &Vectors) -> Vec<Encoded> {
    use predict_churn_request::Input;
    let churn =
        |input| PredictChurnRequest { explain: 3, input: Some(input), ..Default::default() };
    let propensity = PredictPropensityRequest {
        threshold: Some(0.25),
        input: Some(predict_propensity_request::Input::Features(vectors.raw())),
        ..Default::default()
    };
    let segments = AssignSegmentsRequest {
        input: Some(assign_segments_request::Input::Features(vectors.floats())),
        all_distances: true,
        include_catalogue: true,
        explain: 2,
        ..Default::default()
    };
    let rfm = AssignRfmRequest {
        input: Some(assign_rfm_request::Input::Histories(histories())),
        ..Default::default()
    };
    let churn_of_ids = churn(Input::CustomerIds(ids()));
    let item = StreamPredictChurnRequest { sequence: 7, request: Some(churn_of_ids.clone()) };
    vec![
        ("patron.v1.PredictionService/PredictChurn", churn_of_ids.encode_to_vec()),
        (
            "patron.v1.PredictionService/PredictChurn",
            churn(Input::Histories(histories())).encode_to_vec(),
        ),
        (
            "patron.v1.PredictionService/PredictChurn",
            churn(Input::Features(vectors.floats())).encode_to_vec(),
        ),
        (
            "patron.v1.PredictionService/PredictChurn",
            churn(Input::Features(vectors.raw())).encode_to_vec(),
        ),
        ("patron.v1.PredictionService/PredictChurn", churn(Input::Table(table())).encode_to_vec()),
        ("patron.v1.PredictionService/PredictPropensity", propensity.encode_to_vec()),
        ("patron.v1.PredictionService/AssignSegments", segments.encode_to_vec()),
        ("patron.v1.PredictionService/AssignRfm", rfm.encode_to_vec()),
        ("patron.v1.PredictionService/StreamPredictChurn", item.encode_to_vec()),
    ]
}

fn forecasts() -> Vec<Encoded> {
    let store = |name: &str| SeriesKey { group: "store".to_owned(), value: name.to_owned() };
    let planned = PlannedPeriod {
        series: Some(store("north")),
        date: "2024-07-01".to_owned(),
        values: vec![PlannedValue { regressor: "price".to_owned(), value: 2.5 }],
    };
    let plain = ForecastRequest {
        series: vec![store("north")],
        horizon: Some(3),
        levels: vec![0.8, 0.95],
        include_components: true,
        ..Default::default()
    };
    let sum = SeriesSum { series: vec![store("north"), store("south")] };
    let summed = ForecastRequest { sums: vec![sum], include_effects: true, ..Default::default() };
    let under_a_plan = ForecastRequest { plan: vec![planned], ..plain.clone() };
    let item = StreamForecastRequest { sequence: 1, request: Some(plain.clone()) };
    vec![
        ("patron.v1.PredictionService/Forecast", plain.encode_to_vec()),
        ("patron.v1.PredictionService/Forecast", summed.encode_to_vec()),
        ("patron.v1.PredictionService/Forecast", under_a_plan.encode_to_vec()),
        ("patron.v1.PredictionService/StreamForecast", item.encode_to_vec()),
    ]
}

fn tensors(vectors: &Vectors) -> Vec<Encoded> {
    let request = |inputs| ModelInferRequest {
        model_name: "churn".to_owned(),
        inputs,
        ..ModelInferRequest::default()
    };
    let typed = request(vec![vectors.typed_tensor()]);
    let raw = ModelInferRequest {
        raw_input_contents: vec![vectors.bytes().into()],
        ..request(vec![vectors.tensor()])
    };
    let name = "churn".to_owned();
    let metadata = ModelMetadataRequest { name, ..ModelMetadataRequest::default() };
    vec![
        ("inference.GRPCInferenceService/ModelInfer", typed.encode_to_vec()),
        ("inference.GRPCInferenceService/ModelInfer", raw.encode_to_vec()),
        ("inference.GRPCInferenceService/ModelStreamInfer", raw.encode_to_vec()),
        ("inference.GRPCInferenceService/ModelMetadata", metadata.encode_to_vec()),
        (
            "inference.GRPCInferenceService/RepositoryIndex",
            RepositoryIndexRequest { ready: true, ..Default::default() }.encode_to_vec(),
        ),
    ]
}

/// Requests whose answers come from the store and the repository, and two that change something.
fn others() -> Vec<Encoded> {
    let features = BatchGetFeaturesRequest { customer_ids: ids().ids, ..Default::default() };
    let customer = GetCustomerRequest {
        customer_id: "r1".to_owned(),
        page_size: 10,
        ..GetCustomerRequest::default()
    };
    let selector = model_selector::Choice::Alias("champion".to_owned());
    let version = GetModelVersionRequest {
        model: "churn".to_owned(),
        selector: Some(ModelSelector { choice: Some(selector) }),
    };
    let alias = SetModelAliasRequest {
        model: "churn".to_owned(),
        alias: "champion".to_owned(),
        version: 1,
        request_id: "again".to_owned(),
        ..SetModelAliasRequest::default()
    };
    let chunk = IngestTransactionsRequest {
        chunk_id: "1".to_owned(),
        lines: vec![line("1"), line("2"), line("")],
    };
    let jobs = ListTrainingJobsRequest { page_size: 2, ..Default::default() };
    vec![
        ("patron.v1.FeatureService/BatchGetFeatures", features.encode_to_vec()),
        ("patron.v1.TransactionService/GetCustomer", customer.encode_to_vec()),
        (
            "patron.v1.ModelService/ListModels",
            ListModelsRequest { page_size: 2, ..Default::default() }.encode_to_vec(),
        ),
        ("patron.v1.ModelService/GetModelVersion", version.encode_to_vec()),
        ("patron.v1.ModelService/SetModelAlias", alias.encode_to_vec()),
        ("patron.v1.TrainingService/ListTrainingJobs", jobs.encode_to_vec()),
        ("patron.v1.TransactionService/IngestTransactions", chunk.encode_to_vec()),
    ]
}

/// Whether a method takes a stream of messages.
pub fn is_stream(method: &str) -> bool {
    let name = method.rsplit('/').next().unwrap_or_default();
    name.contains("Stream") || name == "IngestTransactions"
}

/// All of them, with vectors of the models that are asked.
pub fn requests(vectors: &Vectors) -> Vec<Encoded> {
    [questions(vectors), forecasts(), tensors(vectors), others()].concat()
}
