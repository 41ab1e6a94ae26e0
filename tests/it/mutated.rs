//! Requests and files that are damaged in every way: each is answered, and nothing panics.
//!
//! `PATRON_MUTATIONS=1000000` makes a long run of it. `PATRON_MUTATIONS_FROM=1000000` has requests go
//! on with the mutation of this number, so that one long run can be several.

/// Good requests, which are damaged.
#[expect(unreachable_pub, reason = "the fuzz targets, which are another crate, use it too")]
#[path = "mutated/requests.rs"]
mod requests;

/// What is done to them.
#[path = "mutated/damage.rs"]
mod damage;

/// Calls whose messages are bytes.
#[expect(unreachable_pub, reason = "the fuzz targets, which are another crate, use it too")]
#[path = "mutated/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use patron::grpc::proto::*;
use patron::ingest::{Mapping, ParquetHistories, ReadOptions, check_mapping, from_bytes};
use patron::repository::decode_model;
use patron::training::Recipe;
use patron::transaction::{ShopClock, Timestamp};
use proptest::prelude::*;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;
use tonic_types::StatusExt as _;

use self::damage::{changed_within, mutated};
use self::requests::{CUSTOMERS, Vectors, requests};
use self::wire::send;
use crate::app::{Clients, TestApp, new_directory, project, project_text};
use crate::fixture::small_shop;
use crate::shop::{self, Chance};

/// Mutations per test.
fn mutations() -> u64 {
    asked("PATRON_MUTATIONS").unwrap_or(400)
}

fn asked(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Vectors of the churn model's columns.
async fn vectors(app: &Clients) -> Vectors {
    let request = BatchGetFeaturesRequest {
        customer_ids: CUSTOMERS.map(str::to_owned).to_vec(),
        model: "churn".to_owned(),
        encoding: FeatureEncoding::Floats as i32,
        ..Default::default()
    };
    let answer = app.features().batch_get_features(request).await.unwrap();
    Vectors::of(answer.into_inner()).unwrap()
}

/// What became of a mutation, by number; the same number is the same mutation in every run.
async fn outcome(app: &Clients, number: u64, requests: &[requests::Encoded]) -> String {
    let (method, good) = &requests[number as usize % requests.len()];
    let mut chance = Chance(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    // One in four is damaged without regard to its fields, and seldom gets beyond the decoder.
    let bytes = match chance.below(4) {
        0 => mutated(good, &mut chance),
        _ => changed_within(good, &mut chance),
    };
    match send(app.channel.clone(), method, bytes.clone()).await {
        Ok(answer) => {
            // An item of a stream that broke off.
            let broken = answer.windows(8).any(|window| window == b"incident");
            assert!(!broken, "mutation {number} of {method}: {bytes:?}");
            "OK".to_owned()
        }
        Err(status) => {
            let info = status.get_details_error_info();
            let incident = info.is_some_and(|info| info.metadata.contains_key("incident"));
            assert!(!incident, "mutation {number} of {method}: {bytes:?}: {status}");
            // What is no message at all is told so by the decoder.
            let undecoded = status.message().contains("failed to decode");
            let is_ours = status.code() == tonic::Code::Internal && !undecoded;
            assert!(!is_ours, "mutation {number} of {method}: {bytes:?}: {status}");
            format!("{:?}", status.code())
        }
    }
}

#[expect(clippy::print_stderr, reason = "the figures are the result")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_requests_are_answered_without_a_panic() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let requests = Arc::new(requests(&vectors(&app).await));
    let mut answered = 0;
    for (method, good) in requests.iter() {
        answered += usize::from(send(app.channel.clone(), method, good.clone()).await.is_ok());
    }
    // This shop has no scores, no table and no plan.
    assert_eq!(answered, requests.len() - 3, "what is mutated would be answered");
    let first = asked("PATRON_MUTATIONS_FROM").unwrap_or(0);
    let next = Arc::new(AtomicU64::new(first));
    let mut workers = JoinSet::new();
    for _ in 0..16 {
        let (clients, requests, next) = ((*app).clone(), Arc::clone(&requests), Arc::clone(&next));
        workers.spawn(async move {
            let mut outcomes = BTreeMap::<String, usize>::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= first + mutations() {
                    return outcomes;
                }
                *outcomes.entry(outcome(&clients, number, &requests).await).or_default() += 1;
            }
        });
    }
    let mut outcomes = BTreeMap::<String, usize>::new();
    for (told, count) in workers.join_all().await.into_iter().flatten() {
        *outcomes.entry(told).or_default() += count;
    }
    eprintln!("{} damaged requests from {first} on: {outcomes:?}", mutations());
    assert!(!outcomes.contains_key("Unknown") && !outcomes.contains_key("Cancelled"));
    assert!(outcomes.contains_key("OK") && outcomes.contains_key("InvalidArgument"));
    app.churn(&["r2"]).await.unwrap();
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
        for mapping in [&mapping, ATTRIBUTES] {
            let text = mutated(mapping.as_bytes(), &mut chance);
            let _ = check_mapping(&String::from_utf8_lossy(&text));
        }
    }
}

/// A mapping of attributes of customers.
const ATTRIBUTES: &str = "[attributes]\nname = \"profile\"\n[columns]\ncustomer_id = \"id\"\n";

#[test]
fn damaged_files_of_transactions_are_read_or_refused() {
    let mut chance = Chance(17);
    let csv = shop::csv();
    let csv = &csv.as_bytes()[..4_000];
    let csv_mapping = Mapping::parse(shop::MAPPING).unwrap();
    let parquet = std::fs::read(project("tests/data/cdnow/cdnow_sample.parquet")).unwrap();
    let parquet_mapping = Mapping::parse(&project_text("tests/data/cdnow/mapping.toml")).unwrap();
    let (clock, directory) = (ShopClock::new("Europe/London").unwrap(), new_directory());
    let options = ReadOptions {
        currency: "USD",
        clock: &clock,
        threads: 1,
        memory_limit_bytes: 1 << 20,
        spill_directory: directory.path(),
        now: Timestamp::from_micros(0),
        tick: &|_| ControlFlow::Continue(()),
    };
    let path = directory.path().join("damaged.parquet");
    for _ in 0..mutations() / 4 {
        let rows = from_bytes("shop.csv", mutated(csv, &mut chance).into(), &csv_mapping);
        drop(rows.map(Iterator::count));
        let bytes = Bytes::from(mutated(&parquet, &mut chance));
        let rows = from_bytes("sales.parquet", bytes.clone(), &parquet_mapping);
        drop(rows.map(Iterator::count));
        std::fs::write(&path, &bytes).unwrap();
        drop(ParquetHistories::read(std::slice::from_ref(&path), &parquet_mapping, options));
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
