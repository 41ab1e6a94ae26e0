//! Makes the seeds of all targets, and the small trained shop that `requests` asks.

use std::fs;
use std::path::Path;

use patron::grpc::proto::feature_service_client::FeatureServiceClient;
use patron::grpc::proto::training_service_client::TrainingServiceClient;
use patron::grpc::proto::transaction_service_client::TransactionServiceClient;
use patron::grpc::proto::*;
use patron_fuzz::requests::{CUSTOMERS, Vectors, requests};
use patron_fuzz::{SHOP_MAPPING, Served, project, shop_csv, shop_directory};

type Failure = Box<dyn std::error::Error>;

/// Windows that fit the year and a half of the shop.
const RECIPES: [(&str, &str); 4] = [
    ("segments", "kind = \"segments\"\nactive_days = 365\nclusters = { least = 2, most = 3 }\n"),
    (
        "churn",
        "kind = \"churn\"\nactive_days = 180\nhorizon_days = 45\n[snapshots]\ncount = 3\nstep_days = 30\nhistory_days = 60\n",
    ),
    (
        "propensity",
        "kind = \"propensity\"\nactive_days = 365\nhorizon_days = 30\nmax_depth = 3\nmin_leaf = 60\n[snapshots]\ncount = 3\nstep_days = 30\nhistory_days = 60\n",
    ),
    (
        "forecast",
        "kind = \"forecast\"\nalgorithm = \"theta\"\nfrequency = \"weekly\"\nhorizon = 6\nmeasure = \"sales\"\n[[series]]\ngroup = \"total\"\n[[series]]\ngroup = \"store\"\n",
    ),
];

fn main() -> Result<(), Failure> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let seed = |target: &str, name: &str, bytes: &[u8]| -> Result<(), Failure> {
        fs::create_dir_all(seeds.join(target))?;
        Ok(fs::write(seeds.join(target).join(name), bytes)?)
    };
    for kind in ["churn", "segments", "propensity", "rfm", "forecast"] {
        seed("recipes", kind, &fs::read(project(&format!("models/{kind}/recipe.toml")))?)?;
    }
    for kind in ["churn", "segments", "propensity", "forecast"] {
        let file = fs::read(project(&format!("tests/data/model_format_1/{kind}/1/model.bin")))?;
        let payload =
            file.get(20..file.len().saturating_sub(32)).ok_or("a model file is longer")?;
        seed("models", kind, payload)?;
    }
    for data in ["online_retail", "cdnow"] {
        seed("mappings", data, &fs::read(project(&format!("tests/data/{data}/mapping.toml")))?)?;
    }
    seed("mappings", "shop", SHOP_MAPPING.as_bytes())?;
    let attributes = "[attributes]\nname = \"profile\"\n[columns]\ncustomer_id = \"id\"\n";
    seed("mappings", "attributes", attributes.as_bytes())?;
    let csv = shop_csv();
    seed("csv", "shop", csv.get(..2_000).unwrap_or(&csv).as_bytes())?;
    seed("parquet", "cdnow", &fs::read(project("tests/data/cdnow/cdnow_sample.parquet"))?)?;
    let vectors = make_shop(&csv)?;
    for (number, (_, message)) in requests(&vectors).into_iter().enumerate() {
        let bytes = [vec![u8::try_from(number)?], message].concat();
        seed("requests", &number.to_string(), &bytes)?;
    }
    Ok(())
}

/// Imports and trains, anew each time; gives vectors of the churn model.
fn make_shop(csv: &str) -> Result<Vectors, Failure> {
    let directory = shop_directory();
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    for (model, recipe) in RECIPES {
        fs::create_dir_all(directory.join("models").join(model))?;
        fs::write(directory.join("models").join(model).join("recipe.toml"), recipe)?;
    }
    let file = directory.join("shop.csv");
    fs::write(&file, csv)?;
    let Served { runtime, channel } = Served::on(&directory);
    runtime.block_on(async {
        let mut transactions = TransactionServiceClient::new(channel.clone());
        let request = ImportTransactionsRequest {
            source_uri: file.display().to_string(),
            mapping_toml: SHOP_MAPPING.to_owned(),
            ..Default::default()
        };
        let job_id = transactions.import_transactions(request).await?.into_inner().job_id;
        let watch = WatchImportJobRequest { job_id };
        let mut states = transactions.watch_import_job(watch).await?.into_inner();
        while states.message().await?.is_some() {}
        let mut trainings = TrainingServiceClient::new(channel.clone());
        for (model, _) in RECIPES {
            let request =
                CreateTrainingJobRequest { model: model.to_owned(), ..Default::default() };
            let job_id = trainings.create_training_job(request).await?.into_inner().job_id;
            let watch = WatchTrainingJobRequest { job_id };
            let mut states = trainings.watch_training_job(watch).await?.into_inner();
            while let Some(job) = states.message().await? {
                if job.state() == JobState::Failed {
                    return Err(format!("{model}: {:?}", job.error).into());
                }
            }
        }
        let request = BatchGetFeaturesRequest {
            customer_ids: CUSTOMERS.map(str::to_owned).to_vec(),
            model: "churn".to_owned(),
            encoding: FeatureEncoding::Floats as i32,
            ..Default::default()
        };
        let answer = FeatureServiceClient::new(channel).batch_get_features(request).await?;
        Vectors::of(answer.into_inner()).ok_or_else(|| "no vectors".into())
    })
}
