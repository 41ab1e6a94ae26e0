//! Groups of customers: rows of one date, clusters whose names stay, and scores.

use std::collections::BTreeMap;

use crate::feature::{FeatureSchema, Features};
use crate::historical::fit_schema;
use crate::metrics::adjusted_rand_index;
use crate::model::{
    ClusterCount, Estimator, FittedModel, Model, RfmEstimator, SegmentsEstimator, SegmentsModel,
    elbow,
};
use crate::repository::{Gate, Metric};
use crate::store::Reader;
use crate::transaction::HistorySource;

use super::TrainingError;
use super::drift::DriftReference;
use super::evaluation::{Evaluation, RfmEvaluation, SegmentsEvaluation};
use super::recipe::{ClusterRange, Clusters, RfmRecipe, SegmentsRecipe};
use super::rows::{DatedRows, RowPlan, collect};
use super::run::{Made, Surroundings, golden_rows};
use super::supervised::columns;

/// Finds the segments of the customers who are active at the as-of date.
pub(super) fn segments(
    recipe: &SegmentsRecipe,
    reader: &mut Reader<'_>,
    around: &Surroundings<'_>,
) -> Result<Made, TrainingError> {
    let (schema, rows) = active_rows(recipe.active_days, reader, around)?;
    let previous = match around.champion.map(|champion| &champion.model) {
        Some(FittedModel::Segments(model)) => Some(model),
        _ => None,
    };
    let estimator = SegmentsEstimator {
        algorithm: recipe.algorithm,
        columns: columns(Some(&recipe.columns)),
        clusters: match recipe.clusters {
            Clusters::Fixed(count) => ClusterCount::Fixed(count),
            Clusters::Auto(ClusterRange { least, most }) => ClusterCount::Auto { least, most },
        },
        restarts: recipe.restarts,
        max_iterations: recipe.max_iterations,
        tolerance: recipe.tolerance,
        previous: previous.cloned(),
    };
    let model = estimator.fit(&rows.features, around.run)?;
    let mut metrics = metrics(&model);
    if let Some(agreement) = agreement(previous, &model, &rows.features) {
        let metric =
            Metric { value: agreement, higher_is_better: true, references: BTreeMap::new() };
        metrics.insert("agreement_with_champion".to_owned(), metric);
    }
    let evaluation = SegmentsEvaluation {
        as_of: around.as_of,
        rows: rows.features.rows(),
        metrics: metrics.clone(),
        segments: model.segments().to_vec(),
        tried: model.tried().to_vec(),
        elbow: elbow(model.tried()),
        columns: model.column_names().map(str::to_owned).collect(),
        reference: DriftReference::of(around.as_of, &rows.features, None),
    };
    Ok(Made {
        golden: golden_rows(&rows.features),
        converged: model.converged(),
        gate: gate(&model),
        model: FittedModel::Segments(model),
        metrics,
        evaluation: Evaluation::Segments(evaluation),
        label: None,
        schema: Some(schema),
        input: None,
        attributes_digest: None,
        segments: None,
        train_snapshots: vec![around.as_of],
        calibration_snapshots: Vec::new(),
        holdout: None,
        updated_from: None,
    })
}

/// Cuts the customers who are active at the as-of date into scores.
pub(super) fn rfm(
    recipe: &RfmRecipe,
    reader: &mut Reader<'_>,
    around: &Surroundings<'_>,
) -> Result<Made, TrainingError> {
    let (schema, rows) = active_rows(recipe.active_days, reader, around)?;
    let estimator = RfmEstimator {
        recency: recipe.recency.clone(),
        frequency: recipe.frequency.clone(),
        monetary: recipe.monetary.clone(),
        scores: recipe.scores,
    };
    let model = estimator.fit(&rows.features, around.run)?;
    let evaluation = RfmEvaluation {
        as_of: around.as_of,
        rows: rows.features.rows(),
        naming: model.naming(),
        sizes: model.sizes().to_vec(),
        profiles: model.profiles(&rows.features)?,
        edges: model.edges().map(|edges| edges.values().collect()),
        reference: DriftReference::of(around.as_of, &rows.features, None),
    };
    let reason = "scores are cut from the customers themselves".to_owned();
    Ok(Made {
        golden: golden_rows(&rows.features),
        converged: true,
        gate: Gate { passed: true, reason },
        model: FittedModel::Rfm(model),
        metrics: BTreeMap::new(),
        evaluation: Evaluation::Rfm(evaluation),
        label: None,
        schema: Some(schema),
        input: None,
        attributes_digest: None,
        segments: None,
        train_snapshots: vec![around.as_of],
        calibration_snapshots: Vec::new(),
        holdout: None,
        updated_from: None,
    })
}

/// The features of the customers who are active at the as-of date.
fn active_rows(
    active_days: u32,
    reader: &mut Reader<'_>,
    around: &Surroundings<'_>,
) -> Result<(FeatureSchema, DatedRows), TrainingError> {
    let schema = fit_schema(reader, around.clock, around.as_of, around.run.threads)?;
    let features = Features::new(&schema, reader.symbols())?;
    let plan = RowPlan { dates: vec![around.as_of], active_days, event: None };
    let rows = collect(reader, &features, None, &plan, around.run)?;
    let rows = rows.into_iter().next().filter(|rows| !rows.target.is_empty());
    let as_of = around.as_of.to_string();
    Ok((schema, rows.ok_or(TrainingError::NoPopulation { active_days, as_of })?))
}

fn metrics(model: &SegmentsModel) -> BTreeMap<String, Metric> {
    let metric =
        |value, higher_is_better| Metric { value, higher_is_better, references: BTreeMap::new() };
    let mut metrics = BTreeMap::from([("inertia".to_owned(), metric(model.inertia(), false))]);
    if let Some(silhouette) = model.silhouette() {
        metrics.insert("silhouette".to_owned(), metric(silhouette, true));
    }
    metrics
}

/// Adjusted Rand index of the champion's and the new segments on the same rows.
fn agreement(
    previous: Option<&SegmentsModel>,
    model: &SegmentsModel,
    features: &crate::dataset::FeatureMatrix,
) -> Option<f64> {
    let labels = |model: &SegmentsModel| -> Option<Vec<u32>> {
        let answers = model.predict(features).ok()?;
        Some(answers.into_iter().map(|answer| answer.segment).collect())
    };
    adjusted_rand_index(&labels(previous?)?, &labels(model)?)
}

/// Clusters have no truth to lose against: they pass when they converged and are clusters at all.
fn gate(model: &SegmentsModel) -> Gate {
    if !model.converged() {
        let reason = "k-means did not converge; raise max_iterations".to_owned();
        return Gate { passed: false, reason };
    }
    match model.silhouette() {
        Some(silhouette) if silhouette <= 0.0 => Gate {
            passed: false,
            reason: format!("silhouette {silhouette:.3}: the rows do not fall into clusters"),
        },
        _ => Gate { passed: true, reason: "converged".to_owned() },
    }
}
