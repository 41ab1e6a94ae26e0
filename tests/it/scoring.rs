//! Scores of all customers in a file.

use std::collections::HashMap;
use std::fs::{self, File};

use arrow_array::cast::AsArray as _;
use arrow_array::types::Float64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use patron::grpc::proto::*;

use crate::app::{Clients, TestApp, instant, version_selector};
use crate::failure::told;
use crate::fixture::{online_retail, small_shop};
use crate::shop::{LAPSED, OCCASIONAL, REGULAR};

fn model(name: &str) -> ScoringModel {
    ScoringModel { model: name.to_owned(), selector: None }
}

fn request(output: &str, format: ScoringFormat) -> CreateScoringJobRequest {
    CreateScoringJobRequest {
        models: ["churn", "propensity", "segments"].map(model).to_vec(),
        output_uri: output.to_owned(),
        format: format as i32,
        ..Default::default()
    }
}

async fn score(app: &Clients, request: CreateScoringJobRequest) -> ScoringJob {
    let job = app.scorings().create_scoring_job(request).await.unwrap().into_inner();
    let job = app.scoring_end(&job.job_id).await;
    assert_eq!(job.state(), JobState::Succeeded, "{job:?}");
    job
}

async fn refused(app: &Clients, request: CreateScoringJobRequest) -> String {
    told(&app.scorings().create_scoring_job(request).await.unwrap_err())
}

/// Rows of a CSV file by customer; each by the name of its column.
fn csv_rows(path: &str) -> HashMap<String, HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let rows = reader.deserialize::<HashMap<String, String>>().map(Result::unwrap);
    rows.map(|row| (row["customer_id"].clone(), row)).collect()
}

/// Two columns of a Parquet file by customer.
fn parquet_rows(path: &str) -> HashMap<String, (f64, String)> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let mut rows = HashMap::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>();
        let numbers = batch.column_by_name("churn_probability").unwrap();
        for row in 0..batch.num_rows() {
            let values = (
                numbers.as_primitive::<Float64Type>().value(row),
                text("segments_segment").value(row).to_owned(),
            );
            rows.insert(text("customer_id").value(row).to_owned(), values);
        }
    }
    rows
}

#[tokio::test]
async fn a_file_holds_what_single_calls_answer() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let path = app.path("scores.csv").to_str().unwrap().to_owned();
    let job = score(&app, request(&path, ScoringFormat::Csv)).await;
    let rows = csv_rows(&path);
    assert_eq!(rows.len(), REGULAR + OCCASIONAL + LAPSED);
    assert_eq!(job.rows_written, rows.len() as u64);
    assert_eq!(job.output_bytes, fs::metadata(&path).unwrap().len());
    let used: Vec<_> =
        job.models_used.iter().map(|used| (used.model.as_str(), used.version)).collect();
    assert_eq!(used, [("churn", 1), ("propensity", 1), ("segments", 1)]);
    let ids: Vec<&str> = rows.keys().map(String::as_str).take(50).collect();
    let online = app.churn(&ids).await.unwrap();
    let segments = AssignSegmentsRequest {
        input: Some(assign_segments_request::Input::CustomerIds(crate::app::customer_ids(&ids))),
        ..Default::default()
    };
    let segments = app.predictions().assign_segments(segments).await.unwrap().into_inner();
    for (index, id) in ids.iter().enumerate() {
        let number = |column: &str| rows[*id][column].parse::<f64>().unwrap() as f32;
        assert_eq!(number("churn_probability"), online.probabilities[index], "{id}");
        assert_eq!(number("churn_percentile"), online.percentiles[index], "{id}");
        assert_eq!(rows[*id]["segments_segment"], segments.names[index], "{id}");
        assert_eq!(number("segments_distance"), segments.distances[index], "{id}");
    }
}

#[tokio::test]
async fn csv_and_parquet_say_the_same() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let [csv, parquet] =
        ["scores.csv", "scores.parquet"].map(|name| app.path(name).to_str().unwrap().to_owned());
    score(&app, request(&csv, ScoringFormat::Csv)).await;
    let job = score(&app, request(&format!("file://{parquet}"), ScoringFormat::Unspecified)).await;
    assert_eq!(job.format(), ScoringFormat::Parquet);
    let (texts, columns) = (csv_rows(&csv), parquet_rows(&parquet));
    assert_eq!(texts.len(), columns.len());
    for (id, row) in &texts {
        let (churn, segment) = &columns[id];
        assert_eq!(row["churn_probability"].parse::<f64>().unwrap(), *churn);
        assert_eq!(row["segments_segment"], *segment);
    }
}

#[tokio::test]
async fn customers_with_returns_only_are_not_scored() {
    let app = TestApp::copy_of(&online_retail().directory).await;
    let path = app.path("scores.parquet").to_str().unwrap().to_owned();
    let job = score(&app, request(&path, ScoringFormat::Parquet)).await;
    assert_eq!(job.rows_written, 4_339, "of 4,372 customers");
    let rows = parquet_rows(&path);
    let ids: Vec<&str> = rows.keys().map(String::as_str).take(100).collect();
    let online = app.churn(&ids).await.unwrap().probabilities;
    let scored: Vec<f32> = ids.iter().map(|id| rows[*id].0 as f32).collect();
    assert_eq!(scored, online);
}

#[tokio::test]
async fn date_and_activity_choose_the_customers() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let path = |name: &str| app.path(name).to_str().unwrap().to_owned();
    let active = CreateScoringJobRequest {
        active_within_days: Some(30),
        ..request(&path("active.csv"), ScoringFormat::Csv)
    };
    score(&app, active).await;
    let rows = csv_rows(&path("active.csv"));
    let regular = rows.keys().filter(|id| id.starts_with('r')).count();
    assert!(regular == REGULAR && rows.len() < REGULAR + OCCASIONAL + LAPSED / 2, "{}", rows.len());
    let early = CreateScoringJobRequest {
        as_of: Some(instant("2023-02-01")),
        models: vec![ScoringModel {
            model: "churn".to_owned(),
            selector: Some(version_selector(1)),
        }],
        ..request(&path("early.csv"), ScoringFormat::Csv)
    };
    score(&app, early).await;
    let rows = csv_rows(&path("early.csv"));
    assert!((1..REGULAR + OCCASIONAL + LAPSED).contains(&rows.len()), "{}", rows.len());
    assert!(rows.values().all(|row| row["as_of"] == "2023-02-01T00:00:00Z"));
}

#[tokio::test]
async fn an_output_that_exists_is_never_overwritten() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let path = app.file("scores.csv", "mine");
    let exists = "ALREADY_EXISTS OUTPUT_EXISTS";
    assert_eq!(refused(&app, request(&path, ScoringFormat::Csv)).await, exists);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    let other = app.path("other.csv").to_str().unwrap().to_owned();
    let named = CreateScoringJobRequest {
        request_id: "s1".to_owned(),
        ..request(&other, ScoringFormat::Csv)
    };
    let job = score(&app, named.clone()).await;
    // Sent again it is the same job, though its file is there now.
    let again = app.scorings().create_scoring_job(named).await.unwrap().into_inner();
    assert_eq!(again.job_id, job.job_id);
}

#[tokio::test]
async fn a_cancelled_scoring_leaves_no_file() {
    let (directory, _) = TestApp::copy_of(&small_shop().directory).await.shutdown().await;
    let app = TestApp::copy_of_with(directory.path(), &[("jobs.workers", "0")]).await;
    let output = app.path("out");
    fs::create_dir(&output).unwrap();
    let path = output.join("scores.csv").to_str().unwrap().to_owned();
    let created = app.scorings().create_scoring_job(request(&path, ScoringFormat::Csv)).await;
    let job_id = created.unwrap().into_inner().job_id;
    let cancel = CancelScoringJobRequest { job_id, ..Default::default() };
    let job = app.scorings().cancel_scoring_job(cancel).await.unwrap().into_inner();
    assert_eq!((job.state(), job.rows_written), (JobState::Cancelled, 0));
    assert_eq!(fs::read_dir(&output).unwrap().count(), 0);
}

#[tokio::test]
async fn what_cannot_be_scored_is_refused_before_there_is_a_job() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let path = app.path("scores.csv").to_str().unwrap().to_owned();
    let with = |models: Vec<ScoringModel>| CreateScoringJobRequest {
        models,
        ..request(&path, ScoringFormat::Csv)
    };
    let missing_folder = app.path("nowhere/scores.csv").to_str().unwrap().to_owned();
    for (request, expected) in [
        (with(vec![]), "INVALID_ARGUMENT INVALID_FIELD models"),
        (with(vec![model("forecast")]), "INVALID_ARGUMENT WRONG_MODEL_KIND models[0]"),
        (with(vec![model("churn"), model("churn")]), "INVALID_ARGUMENT INVALID_FIELD models[1]"),
        (with(vec![model("nothing")]), "NOT_FOUND MODEL_NOT_FOUND patron.v1.Model \"nothing\""),
        (request(&missing_folder, ScoringFormat::Csv), "INVALID_ARGUMENT INVALID_FIELD output_uri"),
        (request("", ScoringFormat::Csv), "INVALID_ARGUMENT INVALID_FIELD output_uri"),
        (
            CreateScoringJobRequest {
                active_within_days: Some(0),
                ..request(&path, ScoringFormat::Csv)
            },
            "INVALID_ARGUMENT INVALID_FIELD active_within_days",
        ),
        (
            CreateScoringJobRequest { format: 9, ..request(&path, ScoringFormat::Csv) },
            "INVALID_ARGUMENT INVALID_FIELD format",
        ),
    ] {
        assert_eq!(refused(&app, request).await, expected);
    }
    let check =
        CreateScoringJobRequest { validate_only: true, ..request(&path, ScoringFormat::Csv) };
    let checked = app.scorings().create_scoring_job(check).await.unwrap().into_inner();
    assert_eq!(checked.job_id, "");
    let jobs = app.scorings().list_scoring_jobs(ListScoringJobsRequest::default()).await.unwrap();
    assert!(jobs.into_inner().jobs.is_empty());
}
