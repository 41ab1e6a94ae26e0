//! Learned probabilities against the true ones of a simulated shop.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use patron::grpc::proto::*;

use crate::app::{TestApp, customer_ids, instant, new_directory};

const HORIZON_WEEKS: f64 = 6.0;
/// Six weeks before the simulated period ends.
const HOLDOUT: &str = "2023-11-19T00:00:00Z";
/// Customers of one question.
const BLOCK: usize = 500;

/// A customer's purchase process.
struct Process {
    id: String,
    acquired_at: i64,
    dropped_out_at: Option<i64>,
    rate: f64,
    hazard: f64,
}

impl Process {
    /// The chance of no order in the horizon from `at` on, for a customer who has begun by then:
    /// orders come with the rate until an exponential drop-out. The calendar, which moves the rate
    /// by up to a fifth in these weeks, is left out.
    fn stays_away(&self, at: i64) -> f64 {
        if self.dropped_out_at.is_some_and(|out| out <= at) {
            return 1.0;
        }
        let sum = self.rate + self.hazard;
        let neither = (-sum * HORIZON_WEEKS).exp();
        neither + self.hazard / sum * (1.0 - neither)
    }
}

fn processes(directory: &Path) -> Vec<Process> {
    let file = File::open(directory.join("customers.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut processes = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let ids = column("customer_id").as_string::<i32>();
        let begun = column("acquired_at").as_primitive::<TimestampMicrosecondType>();
        let ended = column("dropped_out_at").as_primitive::<TimestampMicrosecondType>();
        let rates = column("rate_per_week").as_primitive::<Float64Type>();
        let hazards = column("dropout_per_week").as_primitive::<Float64Type>();
        processes.extend((0..batch.num_rows()).map(|row| Process {
            id: ids.value(row).to_owned(),
            acquired_at: begun.value(row),
            dropped_out_at: ended.is_valid(row).then(|| ended.value(row)),
            rate: rates.value(row),
            hazard: hazards.value(row),
        }));
    }
    processes
}

const RECIPE: &str = r#"
kind = "churn"
algorithm = "ALGORITHM"
active_days = 180
horizon_days = 42
[snapshots]
count = 4
step_days = 42
history_days = 120
"#;

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

#[tokio::test]
async fn predicted_churn_agrees_with_the_true_chance() {
    let shop = new_directory();
    let output = shop.path().to_str().unwrap();
    let simulate = ["simulate", "--output", output, "--customers", "3000", "--seed", "11"];
    let status = Command::new(env!("CARGO_BIN_EXE_patron")).args(simulate).output().unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    let app = TestApp::with(&[("shop.time_zone", "Europe/London"), ("shop.currency", "GBP")]).await;
    let mapping = fs::read_to_string(shop.path().join("mapping.toml")).unwrap();
    app.import(shop.path().join("transactions.parquet").to_str().unwrap(), &mapping).await;
    let at = instant(HOLDOUT);
    let micros = at.seconds * 1_000_000;
    let mut processes = processes(shop.path());
    processes.retain(|process| process.acquired_at < micros - 30 * 86_400_000_000);
    let ids: Vec<&str> = processes.iter().map(|process| process.id.as_str()).collect();
    for algorithm in ["logistic-regression", "scorecard", "random-forest", "gradient-boosting"] {
        let job = app
            .train_as(CreateTrainingJobRequest {
                model: "churn".to_owned(),
                recipe_toml: Some(RECIPE.replace("ALGORITHM", algorithm)),
                ..Default::default()
            })
            .await;
        let version = job.result.unwrap().version;
        let mut rows: Vec<(f64, f64)> = Vec::new();
        // Reasons take their time where the tests are built for debugging.
        for (ids, processes) in ids.chunks(BLOCK).zip(processes.chunks(BLOCK)) {
            let request = PredictChurnRequest {
                input: Some(predict_churn_request::Input::CustomerIds(customer_ids(ids))),
                selector: Some(crate::app::version_selector(version)),
                as_of: Some(at),
                explain: 1,
                ..Default::default()
            };
            let answer = app.predictions().predict_churn(request).await.unwrap().into_inner();
            for (row, process) in processes.iter().enumerate() {
                let reasons = &answer.reasons[row].reasons;
                // Only whom the model speaks about: who bought lately enough.
                if reasons.iter().all(|reason| reason.code == "FEATURE") {
                    let probability = f64::from(answer.probabilities[row]);
                    rows.push((probability, process.stays_away(micros)));
                }
            }
        }
        assert!(rows.len() > 1_000, "{algorithm}: {}", rows.len());
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        for tenth in rows.chunks(rows.len().div_ceil(5)) {
            let predicted = mean(tenth.iter().map(|row| row.0));
            let truth = mean(tenth.iter().map(|row| row.1));
            assert!((predicted - truth).abs() < 0.1, "{algorithm}: {predicted:.3} {truth:.3}");
        }
        let all = mean(rows.iter().map(|row| row.1));
        let error = mean(rows.iter().map(|(predicted, truth)| (predicted - truth).powi(2)));
        let constant = mean(rows.iter().map(|(_, truth)| (all - truth).powi(2)));
        assert!(error < 0.5 * constant, "{algorithm}: {error:.4} against {constant:.4}");
    }
}
