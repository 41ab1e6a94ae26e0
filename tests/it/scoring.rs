//! Scores of all customers in a file.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Output, Stdio};

use arrow_array::cast::AsArray as _;
use arrow_array::types::Float64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use patron::grpc::proto::*;

use crate::app::{Clients, TestApp, churn_of, instant, project, version_selector};
use crate::failure::told;
use crate::fixture::{online_retail, small_shop};
use crate::process::command;
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

/// What a file says of one model's reasons for a row, beside what a single call said.
fn same_reasons(row: &HashMap<String, String>, model: &str, told: &RowReasons) {
    let (flags, features): (Vec<_>, Vec<_>) =
        told.reasons.iter().partition(|reason| reason.code != "FEATURE");
    let flag = flags.first().map_or("", |reason| reason.code.as_str());
    assert_eq!(row[&format!("{model}_flags")], flag);
    for place in 0..REASONS {
        let cell = |end: &str| row[&format!("{model}_reason_{}{end}", place + 1)].as_str();
        let Some(reason) = features.get(place) else {
            assert_eq!([cell(""), cell("_value"), cell("_contribution")], ["", "", ""]);
            continue;
        };
        assert_eq!(cell(""), reason.feature);
        assert_eq!(cell("_value").parse::<f64>().unwrap(), reason.value);
        assert_eq!(cell("_contribution").parse::<f64>().unwrap(), reason.contribution);
    }
}

const REASONS: usize = 3;

/// One row per customer, everybody asked in calls of a few hundred.
#[tokio::test]
async fn a_file_holds_what_single_calls_answer_for_every_customer() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let path = app.path("scores.csv").to_str().unwrap().to_owned();
    let explained = CreateScoringJobRequest {
        explain: REASONS as u32,
        population: ScoringPopulation::Known as i32,
        ..request(&path, ScoringFormat::Csv)
    };
    let job = score(&app, explained).await;
    let rows = csv_rows(&path);
    assert_eq!(rows.len(), REGULAR + OCCASIONAL + LAPSED);
    assert_eq!((job.rows_written, job.explain), (rows.len() as u64, REASONS as u32));
    assert_eq!(job.output_bytes, fs::metadata(&path).unwrap().len());
    let used: Vec<_> =
        job.models_used.iter().map(|used| (used.model.as_str(), used.version)).collect();
    assert_eq!(used, [("churn", 1), ("propensity", 1), ("segments", 1)]);
    let mut ids: Vec<&str> = rows.keys().map(String::as_str).collect();
    ids.sort_unstable();
    // Of few rows and of many: trees answer these in different ways.
    for ids in [&ids[..100], &ids[100..]] {
        let customer_ids = crate::app::customer_ids(ids);
        let (as_of, explain) = (job.as_of, REASONS as u32);
        let input = predict_churn_request::Input::CustomerIds(customer_ids.clone());
        let churn = PredictChurnRequest { as_of, explain, ..churn_of(input) };
        let churn = app.ask_churn(churn).await.unwrap();
        let input = Some(predict_propensity_request::Input::CustomerIds(customer_ids.clone()));
        let propensity = PredictPropensityRequest { input, as_of, explain, ..Default::default() };
        let propensity = app.predictions().predict_propensity(propensity).await.unwrap();
        let propensity = propensity.into_inner();
        let input = Some(assign_segments_request::Input::CustomerIds(customer_ids));
        let segments = AssignSegmentsRequest { input, as_of, explain, ..Default::default() };
        let segments = app.predictions().assign_segments(segments).await.unwrap().into_inner();
        for (index, id) in ids.iter().enumerate() {
            let row = &rows[*id];
            let number = |column: &str| (row[column].parse::<f64>().unwrap() as f32).to_bits();
            assert_eq!(number("churn_probability"), churn.probabilities[index].to_bits(), "{id}");
            assert_eq!(number("churn_percentile"), churn.percentiles[index].to_bits(), "{id}");
            let probability = propensity.probabilities[index].to_bits();
            assert_eq!(number("propensity_probability"), probability, "{id}");
            let percentile = propensity.percentiles[index].to_bits();
            assert_eq!(number("propensity_percentile"), percentile, "{id}");
            assert_eq!(row["segments_segment"], segments.names[index], "{id}");
            assert_eq!(row["segments_segment_number"], segments.segments[index].to_string());
            assert_eq!(number("segments_distance"), segments.distances[index].to_bits(), "{id}");
            let confidence = segments.confidences[index].to_bits();
            assert_eq!(number("segments_confidence"), confidence, "{id}");
            assert_eq!(row["churn_version"], "1");
            same_reasons(row, "churn", &churn.reasons[index]);
            same_reasons(row, "propensity", &propensity.reasons[index]);
            same_reasons(row, "segments", &segments.reasons[index]);
        }
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
    let path = app.path("known.csv").to_str().unwrap().to_owned();
    let known = CreateScoringJobRequest {
        population: ScoringPopulation::Known as i32,
        explain: 1,
        ..request(&path, ScoringFormat::Csv)
    };
    assert_eq!(score(&app, known).await.rows_written, 4_372);
    let rows = csv_rows(&path);
    let without = rows.values().filter(|row| row["churn_flags"] == "NO_HISTORY");
    let without: Vec<_> = without.collect();
    assert_eq!(without.len(), 4_372 - 4_339);
    let told = |row: &&HashMap<String, String>| {
        (row["segments_distance"].as_str(), row["churn_reason_1"].as_str()) == ("", "")
    };
    assert!(without.iter().all(told));
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
    let active = CreateScoringJobRequest {
        models: vec![model("churn")],
        population: ScoringPopulation::Active as i32,
        ..request(&path("population.csv"), ScoringFormat::Csv)
    };
    score(&app, active).await;
    let rows = csv_rows(&path("population.csv"));
    assert!((REGULAR..REGULAR + OCCASIONAL + LAPSED).contains(&rows.len()), "{}", rows.len());
    assert!(rows.values().all(|row| row["churn_flags"].is_empty()));
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
    let cases = app.file("cases.csv", "id\n1\n");
    let table = |uri: &str, key: &str| CreateScoringJobRequest {
        table: Some(ScoringTable { uri: uri.to_owned(), key_column: key.to_owned() }),
        ..request(&path, ScoringFormat::Csv)
    };
    let missing_folder = app.path("nowhere/scores.csv").to_str().unwrap().to_owned();
    for (request, expected) in [
        (with(vec![]), "INVALID_ARGUMENT INVALID_FIELD models"),
        (with(vec![model("forecast")]), "INVALID_ARGUMENT WRONG_MODEL_KIND models[0]"),
        (with(vec![model("churn"), model("churn")]), "INVALID_ARGUMENT INVALID_FIELD models[1]"),
        (with(vec![model("nothing")]), "NOT_FOUND MODEL_NOT_FOUND patron.v1.Model \"nothing\""),
        (request(&missing_folder, ScoringFormat::Csv), "INVALID_ARGUMENT INVALID_FIELD output_uri"),
        (table("", "id"), "INVALID_ARGUMENT INVALID_FIELD table.uri"),
        (table("/no/such.csv", "id"), "INVALID_ARGUMENT INVALID_FIELD table.uri"),
        (table(&cases, ""), "INVALID_ARGUMENT INVALID_FIELD table.key_column"),
        (request("", ScoringFormat::Csv), "INVALID_ARGUMENT INVALID_FIELD output_uri"),
        (request(&path, ScoringFormat::Parquet), "INVALID_ARGUMENT INVALID_FIELD format"),
        (
            CreateScoringJobRequest {
                active_within_days: Some(0),
                ..request(&path, ScoringFormat::Csv)
            },
            "INVALID_ARGUMENT INVALID_FIELD active_within_days",
        ),
        (
            CreateScoringJobRequest {
                active_within_days: Some(9),
                population: ScoringPopulation::Known as i32,
                ..request(&path, ScoringFormat::Csv)
            },
            "INVALID_ARGUMENT INVALID_FIELD population",
        ),
        (
            CreateScoringJobRequest { population: 9, ..request(&path, ScoringFormat::Csv) },
            "INVALID_ARGUMENT INVALID_FIELD population",
        ),
        (
            CreateScoringJobRequest { explain: 21, ..request(&path, ScoringFormat::Csv) },
            "INVALID_ARGUMENT INVALID_FIELD explain",
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

/// `patron score --local` on the directories below `directory`.
fn score_locally(directory: &Path, arguments: &[&str]) -> Output {
    let mut local = command(directory, "score");
    local.args(["churn,propensity@champion", "segments/1", "--local"]).args(arguments);
    local.stderr(Stdio::piped()).output().unwrap()
}

#[tokio::test]
async fn a_run_without_a_server_writes_the_same_bytes() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let path = |name: &str| app.path(name).to_str().unwrap().to_owned();
    for name in ["scores.csv", "scores.parquet"] {
        let format =
            if name.ends_with("csv") { ScoringFormat::Csv } else { ScoringFormat::Parquet };
        let job = CreateScoringJobRequest {
            as_of: Some(instant("2023-05-01")),
            explain: 2,
            ..request(&path(name), format)
        };
        let job = score(&app, job).await;
        for threads in ["1", "3"] {
            let output = path(&format!("{threads}-{name}"));
            let (as_of, root) = (["--as-of", "2023-05-01"], app.path(""));
            let rest = ["--explain", "2", "--threads", threads, "--file", &output];
            let run = score_locally(&root, &[as_of.as_slice(), rest.as_slice()].concat());
            let told = String::from_utf8_lossy(&run.stdout).into_owned();
            assert!(run.status.success(), "{told}{}", String::from_utf8_lossy(&run.stderr));
            assert!(told.contains(&format!("{} rows by churn/1", job.rows_written)), "{told}");
            assert_eq!(fs::read(&output).unwrap(), fs::read(path(name)).unwrap(), "{output}");
        }
    }
    let again = score_locally(&app.path(""), &["--file", &path("scores.csv")]);
    assert_eq!(again.status.code(), Some(65));
    let forecast = score_locally(&app.path(""), &["forecast", "--file", &path("new.csv")]);
    let told = String::from_utf8_lossy(&forecast.stderr).into_owned();
    assert!(told.contains("forecast is of kind forecast") && told.contains("`patron forecast`"));
    assert!(!app.path("new.csv").exists());
}

#[tokio::test]
async fn rows_of_a_table_are_scored_in_their_order() {
    let app = TestApp::empty().await;
    let cases = project("tests/data/telco_churn/telco_churn.csv");
    let recipe =
        format!("kind = \"churn\"\n[table]\npath = {cases:?}\nlabel = \"Churn\"\nfolds = 3\n");
    let version = app.train_by("telco", recipe).await.result.unwrap();
    assert!(version.promoted);
    // The same cases with a key, and the columns in another order.
    let mut reader = csv::Reader::from_path(&cases).unwrap();
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let keyed = |key: String, row: &csv::StringRecord| {
        let cells: Vec<String> = row.iter().rev().map(|cell| format!("\"{cell}\"")).collect();
        format!("{},{key}\n", cells.join(","))
    };
    let numbered = rows.iter().enumerate().map(|(number, row)| keyed(format!("c{number}"), row));
    let text: String = [keyed("case".to_owned(), &header)].into_iter().chain(numbered).collect();
    let uri = app.file("cases.csv", text);
    let path = app.path("scores.csv").to_str().unwrap().to_owned();
    let table = ScoringTable { uri, key_column: "case".to_owned() };
    let request = CreateScoringJobRequest {
        models: vec![model("telco")],
        table: Some(table),
        explain: 2,
        ..request(&path, ScoringFormat::Csv)
    };
    let job = score(&app, request.clone()).await;
    assert_eq!(job.rows_written, rows.len() as u64);
    let mut scored = csv::Reader::from_path(&path).unwrap();
    assert_eq!(scored.headers().unwrap().get(0), Some("case"));
    let scored: Vec<HashMap<String, String>> = scored.deserialize().map(Result::unwrap).collect();
    let columns = header.iter().enumerate().map(|(place, name)| TableColumn {
        name: name.to_owned(),
        values: Some(table_column::Values::Texts(StringValues {
            values: rows.iter().take(300).map(|row| row[place].to_owned()).collect(),
        })),
        missing: Vec::new(),
    });
    let block = TableBlock { columns: columns.collect(), row_count: 300 };
    let online = PredictChurnRequest {
        model: "telco".to_owned(),
        ..churn_of(predict_churn_request::Input::Table(block))
    };
    let online = app.ask_churn(online).await.unwrap();
    for (row, probability) in scored.iter().zip(&online.probabilities) {
        let written: f64 = row["telco_probability"].parse().unwrap();
        assert_eq!((written as f32).to_bits(), probability.to_bits(), "{}", row["case"]);
    }
    assert!(scored[0]["case"] == "c0" && !scored[0]["telco_reason_1"].is_empty());
    let customers = CreateScoringJobRequest { table: None, ..request.clone() };
    let path = app.path("new.csv").to_str().unwrap().to_owned();
    let customers = CreateScoringJobRequest { output_uri: path.clone(), ..customers };
    assert_eq!(refused(&app, customers).await, "INVALID_ARGUMENT WRONG_MODEL_KIND models[0]");
    let table = ScoringTable { key_column: "nr".to_owned(), ..request.table.clone().unwrap() };
    let lacking = CreateScoringJobRequest { output_uri: path, table: Some(table), ..request };
    let job = app.scorings().create_scoring_job(lacking).await.unwrap().into_inner();
    let error = app.scoring_end(&job.job_id).await.error.unwrap();
    assert!(error.message.contains("expected a column \"nr\", found Churn"), "{}", error.message);
}
