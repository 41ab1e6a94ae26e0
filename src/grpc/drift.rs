//! How far the customers have moved since a version was judged, for the wire.

use tonic::Status;

use crate::app::App;
use crate::jobs::training_reason;
use crate::metrics::DriftVerdict;
use crate::model::{CancelToken, FitRun};
use crate::training::{ClosedWindow, DriftReport, FeatureDrift, TrainingError, drift};

use super::convert::{required_model, selector, time, wire_time};
use super::proto;
use super::status::{code_of, from_repository, from_serving, from_store, status};

/// Compares the customers of today, or of the time asked for, with the version's, until `cancel` is
/// set.
pub(super) fn get(
    app: &App,
    request: proto::GetModelDriftRequest,
    cancel: &CancelToken,
) -> Result<proto::ModelDrift, Status> {
    let proto::GetModelDriftRequest { model, selector: wire_selector, as_of } = request;
    let name = required_model(&model)?;
    let as_of = as_of.as_ref().map(time);
    let served = app.catalog().resolve(&name, &selector(wire_selector)?);
    let served = served.map_err(|error| from_serving(&error))?;
    let run = run(app, cancel);
    let report = drift(app.store(), app.catalog().repository(), served.loaded(), as_of, &run);
    let report = report.map_err(|error| from_training(&error))?;
    Ok(wire(served.manifest().model.to_string(), served.manifest().version, report))
}

/// Looks at all customers on as many threads as a job has.
pub(super) fn run(app: &App, cancel: &CancelToken) -> FitRun<'static> {
    let threads = app.config().job_threads;
    FitRun { threads, cancel: cancel.clone(), ..FitRun::quiet(0) }
}

fn from_training(error: &TrainingError) -> Status {
    match error {
        TrainingError::Store(error) => from_store(error),
        TrainingError::Repository(error) => from_repository(error),
        other => {
            let reason = training_reason(other);
            status(code_of(reason), reason, other.to_string())
        }
    }
}

fn wire(model: String, version: u64, report: DriftReport) -> proto::ModelDrift {
    let DriftReport { reference_as_of, as_of, rows, features, closed } = report;
    proto::ModelDrift {
        model,
        version: version as i64,
        reference_as_of: Some(wire_time(reference_as_of)),
        as_of: Some(wire_time(as_of)),
        rows: rows as u64,
        features: features.into_iter().map(wire_feature).collect(),
        closed_window: closed.map(wire_window),
    }
}

fn wire_feature(feature: FeatureDrift) -> proto::FeatureDrift {
    let FeatureDrift { name, drift } = feature;
    let verdict = match drift.verdict {
        DriftVerdict::Stable => proto::DriftVerdict::Stable,
        DriftVerdict::Moderate => proto::DriftVerdict::Moderate,
        DriftVerdict::Major => proto::DriftVerdict::Major,
    };
    proto::FeatureDrift {
        name,
        population_stability_index: drift.index,
        noise: drift.noise,
        verdict: verdict as i32,
        reference_missing: drift.reference_missing,
        missing: drift.current_missing,
    }
}

fn wire_window(window: ClosedWindow) -> proto::ClosedWindow {
    let ClosedWindow { as_of, rows, metrics } = window;
    let metric = |(name, metric): (String, crate::training::WindowMetric)| {
        let reference = |value| proto::MetricReference { name: "holdout".to_owned(), value };
        proto::EvaluationMetric {
            name,
            value: metric.value,
            higher_is_better: metric.higher_is_better,
            references: metric.on_holdout.map(reference).into_iter().collect(),
        }
    };
    let metrics = metrics.into_iter().map(metric).collect();
    proto::ClosedWindow { as_of: Some(wire_time(as_of)), rows: rows as u64, metrics }
}
