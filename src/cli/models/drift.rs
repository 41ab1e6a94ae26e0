//! `patron models drift`: whether the customers of today are still those of the training.

use clap::Args;
use serde_json::{Value, json};

use crate::grpc::proto::{
    CreateTrainingJobRequest, DriftVerdict, FeatureDrift, GetModelDriftRequest, ModelDrift,
};

use crate::cli::arguments::{ModelReference, time};
use crate::cli::client::{Session, request_id};
use crate::cli::evaluation::{metrics_json, metrics_table};
use crate::cli::exit::Failure;
use crate::cli::output::{Report, Statement};
use crate::cli::table::Table;
use crate::cli::values::{time_json, time_text, wire_time};
use crate::readable::{count, metric, percent};

/// Features that are shown.
const SHOWN: usize = 12;

/// Arguments of `patron models drift`.
#[derive(Args, Clone, Debug)]
pub(super) struct DriftArgs {
    /// NAME, NAME@ALIAS or NAME/VERSION; NAME alone is its champion
    model: String,
    /// The customers as of this time or date [default: the end of the last complete day]
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Start a training, with its gate, when the score or a feature moved by more than noise and
    /// 0.25
    #[arg(long)]
    retrain: bool,
}

pub(super) async fn run(args: DriftArgs, session: &mut Session) -> Result<(), Failure> {
    let model = ModelReference::parse(&args.model)?;
    let as_of = time("--as-of", args.as_of.as_deref())?;
    let request = GetModelDriftRequest {
        model: model.name.clone(),
        selector: model.selector(),
        as_of: as_of.map(wire_time),
    };
    let services = session.connect().await?;
    let drift = services.models().get_model_drift(request).await?.into_inner();
    let has_moved = drift.features.iter().any(|feature| feature.verdict() == DriftVerdict::Major);
    session.output.report(&Shown(drift))?;
    if args.retrain && has_moved {
        let request = CreateTrainingJobRequest {
            model: model.name,
            request_id: request_id(None),
            ..CreateTrainingJobRequest::default()
        };
        let job = services.training().create_training_job(request).await?.into_inner();
        let text = format!("training job {}", job.job_id);
        let json = json!({ "training_job_id": job.job_id });
        session.output.report(&Statement { json, text })?;
    }
    Ok(())
}

struct Shown(ModelDrift);

impl Report for Shown {
    fn json(&self) -> Value {
        let drift = &self.0;
        let feature = |feature: &FeatureDrift| {
            json!({
                "name": feature.name,
                "population_stability_index": feature.population_stability_index,
                "noise": feature.noise,
                "verdict": verdict(feature),
                "reference_missing": feature.reference_missing,
                "missing": feature.missing,
            })
        };
        let window = drift.closed_window.as_ref().map(|window| {
            json!({
                "as_of": time_json(window.as_of.as_ref()),
                "rows": window.rows,
                "metrics": metrics_json(&window.metrics),
            })
        });
        json!({
            "model": drift.model,
            "version": drift.version,
            "reference_as_of": time_json(drift.reference_as_of.as_ref()),
            "as_of": time_json(drift.as_of.as_ref()),
            "rows": drift.rows,
            "features": drift.features.iter().map(feature).collect::<Vec<_>>(),
            "closed_window": window,
        })
    }

    fn text(&self) -> String {
        let drift = &self.0;
        let mut table = Table::new(["feature", ">psi", ">noise", ">missing", "verdict"]);
        for feature in drift.features.iter().take(SHOWN) {
            table.row([
                feature.name.clone(),
                metric(feature.population_stability_index),
                metric(feature.noise),
                percent(feature.missing),
                verdict(feature).to_owned(),
            ]);
        }
        let hidden = drift.features.len().saturating_sub(SHOWN);
        let more =
            if hidden > 0 { format!("and {hidden} that moved less\n") } else { String::new() };
        let window = drift.closed_window.as_ref().map(|window| {
            let (rows, as_of) = (count(window.rows), time_text(window.as_of.as_ref()));
            let metrics = metrics_table(&window.metrics);
            format!(
                "\nanswers as of {as_of} for {rows} customers, whose outcomes are known:\n{metrics}"
            )
        });
        format!(
            "{}/{}: {} customers as of {}, against those of {}\n\n{table}{more}{}",
            drift.model,
            drift.version,
            count(drift.rows),
            time_text(drift.as_of.as_ref()),
            time_text(drift.reference_as_of.as_ref()),
            window.unwrap_or_default(),
        )
    }
}

fn verdict(feature: &FeatureDrift) -> &'static str {
    match feature.verdict() {
        DriftVerdict::Stable => "stable",
        DriftVerdict::Moderate => "moderate",
        DriftVerdict::Major => "major",
        DriftVerdict::Unspecified => "unknown",
    }
}
