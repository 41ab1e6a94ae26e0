//! Requests and files that are damaged in every way: each is answered, and nothing panics.
//!
//! `PATRON_MUTATIONS=1000000` makes a long run of it.

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use patron::grpc::proto::*;
use patron::ingest::Mapping;
use patron::repository::decode_model;
use patron::training::Recipe;
use proptest::prelude::*;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

use crate::app::{Clients, customer_ids, project_text};
use crate::fixture::small_shop_server;
use crate::shop::Chance;

/// Mutations per test.
fn mutations() -> u64 {
    let asked = std::env::var("PATRON_MUTATIONS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(400)
}

/// Messages as bytes.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining())))
    }
}

/// Flips, cuts, repeats or puts in some bytes.
fn mutated(bytes: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len() as u64 + 1) as usize;
        match chance.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, chance.below(256) as u8),
            2 => {
                let end = (at + chance.below(16) as usize).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
        }
    }
    bytes
}

/// Good requests of every shape that carries data.
fn requests() -> Vec<(&'static str, Vec<u8>)> {
    let ids = || customer_ids(&["r1", "o1", "nobody"]);
    let line = TransactionLine {
        customer_id: "r1".to_owned(),
        order_id: "1".to_owned(),
        occurred_at: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 1 }),
        product_id: "p1".to_owned(),
        quantity_thousandths: Some(1_000),
        unit_price_micros: Some(2_500_000),
        ..Default::default()
    };
    let lines =
        CustomerLines { customers: vec![WhatIfHistory { lines: vec![line.clone(), line] }] };
    let churn =
        |input| PredictChurnRequest { explain: 3, input: Some(input), ..Default::default() };
    let floats = FloatValues { values: vec![1.5; 20] };
    let block = |values| FeatureBlock { row_count: 2, values: Some(values), ..Default::default() };
    let numbers = table_column::Values::Numbers(DoubleValues { values: vec![1.0, f64::NAN] });
    let column = TableColumn { name: "age".to_owned(), values: Some(numbers), missing: vec![1, 7] };
    let table = TableBlock { columns: vec![column], row_count: 2 };
    let series = SeriesKey { group: "store".to_owned(), value: "north".to_owned() };
    let forecast = ForecastRequest {
        series: vec![series],
        horizon: Some(3),
        levels: vec![0.8, 0.95],
        ..Default::default()
    };
    use predict_churn_request::Input;
    vec![
        ("PredictionService/PredictChurn", churn(Input::CustomerIds(ids())).encode_to_vec()),
        ("PredictionService/PredictChurn", churn(Input::Histories(lines)).encode_to_vec()),
        (
            "PredictionService/PredictChurn",
            churn(Input::Features(block(feature_block::Values::Floats(floats)))).encode_to_vec(),
        ),
        (
            "PredictionService/PredictChurn",
            churn(Input::Features(block(feature_block::Values::F32Le(vec![0; 80].into()))))
                .encode_to_vec(),
        ),
        ("PredictionService/PredictChurn", churn(Input::Table(table)).encode_to_vec()),
        ("PredictionService/Forecast", forecast.encode_to_vec()),
        (
            "FeatureService/BatchGetFeatures",
            BatchGetFeaturesRequest { customer_ids: ids().ids, ..Default::default() }
                .encode_to_vec(),
        ),
        (
            "ModelService/ListModels",
            ListModelsRequest { page_size: 2, ..Default::default() }.encode_to_vec(),
        ),
    ]
}

async fn send(app: &Clients, method: &str, bytes: Vec<u8>) -> Result<Bytes, Status> {
    let mut client = Grpc::new(app.channel.clone());
    client.ready().await.unwrap();
    let path: PathAndQuery = format!("/patron.v1.{method}").parse().unwrap();
    client.unary(Request::new(bytes), path, Raw).await.map(tonic::Response::into_inner)
}

#[expect(clippy::print_stderr, reason = "the figures are the result")]
#[tokio::test]
async fn damaged_requests_are_answered_without_a_panic() {
    let app = small_shop_server().await;
    let (requests, mut chance) = (requests(), Chance(7));
    let mut outcomes = std::collections::BTreeMap::<String, usize>::new();
    for number in 0..mutations() {
        let (method, good) = &requests[number as usize % requests.len()];
        let bytes = mutated(good, &mut chance);
        let outcome = send(&app, method, bytes.clone()).await;
        let told = match &outcome {
            Ok(_) => "OK".to_owned(),
            Err(status) => {
                let info = status.get_details_error_info();
                let incident = info.is_some_and(|info| info.metadata.contains_key("incident"));
                assert!(!incident, "{method} {bytes:?}: {status}");
                format!("{:?}", status.code())
            }
        };
        *outcomes.entry(told).or_default() += 1;
    }
    eprintln!("{outcomes:?}");
    assert!(!outcomes.contains_key("Unknown") && !outcomes.contains_key("Cancelled"));
    app.churn(&["r1"]).await.unwrap();
}

#[test]
fn damaged_recipes_and_mappings_are_refused_or_hold() {
    let mut chance = Chance(11);
    let recipes = ["churn", "segments", "propensity", "forecast", "rfm"]
        .map(|model| project_text(&format!("models/{model}/recipe.toml")));
    let mapping = project_text("tests/data/online_retail/mapping.toml");
    for number in 0..mutations() {
        let recipe = &recipes[number as usize % recipes.len()];
        let text = mutated(recipe.as_bytes(), &mut chance);
        // Neither may panic; a change in a comment may well hold.
        let _ = Recipe::parse(&String::from_utf8_lossy(&text));
        let text = mutated(mapping.as_bytes(), &mut chance);
        let _ = Mapping::parse(&String::from_utf8_lossy(&text));
    }
}

#[test]
fn damaged_models_under_a_right_checksum_do_not_panic() {
    let mut chance = Chance(13);
    for kind in ["churn", "segments", "propensity", "forecast"] {
        let path = format!("tests/data/model_format_1/{kind}/1/model.bin");
        let file = std::fs::read(crate::app::project(&path)).unwrap();
        for _ in 0..mutations() / 4 {
            let payload = mutated(&file[20..file.len() - 32], &mut chance);
            let mut bytes = file[..12].to_vec();
            bytes.extend((payload.len() as u64).to_le_bytes());
            bytes.extend(payload);
            let checksum: [u8; 32] = Sha256::digest(&bytes).into();
            bytes.extend(checksum);
            let _ = decode_model(&bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_decode_or_do_not(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        // Decoding gives a message or an error; it never panics and never takes more memory than
        // a small multiple of the bytes.
        if let Ok(request) = PredictChurnRequest::decode(bytes.as_slice()) {
            prop_assert!(request.encoded_len() <= 2 * bytes.len() + 64);
        }
    }
}
