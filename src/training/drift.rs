//! Whether the customers of today are still those that a version was judged on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::evaluation::{Evaluation, higher_is_better, probability_metrics};
use super::recipe::Recipe;
use super::rows::{DatedRows, Event, OwnColumns, RowPlan, collect};
use super::supervised::{event_of, probabilities};
use super::{TrainingError, data_as_of};
use crate::dataset::FeatureMatrix;
use crate::feature::{Features, Unit, definitions};
use crate::metrics::{Drift, DriftVerdict, ReferenceQuantiles, population_stability_index};
use crate::model::{FitRun, FittedModel, Model as _};
use crate::repository::{LoadedModel, ModelRepository};
use crate::store::{Reader, TransactionStore};
use crate::transaction::{HistorySource as _, Timestamp};

/// Bins of a reference.
const BINS: usize = 10;

/// Features and score of a population, in bins; stored with a version.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct DriftReference {
    /// When the population was looked at.
    pub as_of: Timestamp,
    /// The features by name.
    pub features: Vec<(String, ReferenceQuantiles)>,
    /// The probabilities, where the version answers with some.
    pub score: Option<ReferenceQuantiles>,
}

/// One feature, or the score, now against the reference.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureDrift {
    /// Its name; `score` for the probability.
    pub name: String,
    /// How far it moved.
    pub drift: Drift,
}

/// How a version does on the customers of another date.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftReport {
    /// When the reference was taken.
    pub reference_as_of: Timestamp,
    /// When the customers are looked at.
    pub as_of: Timestamp,
    /// Customers of the version's population then.
    pub rows: usize,
    /// The score first, if there is one, then the features by falling index.
    pub features: Vec<FeatureDrift>,
    /// The last date whose outcomes are known, where it is later than the hold-out.
    pub closed: Option<ClosedWindow>,
}

/// What became of the answers of a date whose outcomes are known.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedWindow {
    /// The date.
    pub as_of: Timestamp,
    /// Its rows.
    pub rows: usize,
    /// The metrics by name.
    pub metrics: BTreeMap<String, WindowMetric>,
}

/// A metric of a later window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowMetric {
    /// Its value there.
    pub value: f64,
    /// Its value on the hold-out of the version.
    pub on_holdout: Option<f64>,
    /// Whether more is better.
    pub higher_is_better: bool,
}

impl FeatureDrift {
    /// Whether it moved by more than noise and the upper limit.
    fn has_moved(&self) -> bool {
        self.drift.verdict == DriftVerdict::Major
    }
}

impl DriftReport {
    /// Whether the score or a feature moved by more than noise and the upper limit.
    pub fn has_moved(&self) -> bool {
        self.features.iter().any(FeatureDrift::has_moved)
    }

    /// What moved most, in a sentence.
    pub fn summary(&self) -> String {
        let has_moved = self.has_moved();
        let told = self.features.iter().filter(|feature| !has_moved || feature.has_moved());
        let most = told.max_by(|a, b| a.drift.index.total_cmp(&b.drift.index));
        let Some(FeatureDrift { name, drift }) = most else {
            return "no feature can be compared".to_owned();
        };
        let verdict = if has_moved { "drift" } else { "no drift" };
        format!(
            "{verdict}: {name} moved most, with a population stability index of {:.3} (noise {:.3}), {} customers as of {} against those as of {}",
            drift.index, drift.noise, self.rows, self.as_of, self.reference_as_of
        )
    }
}

impl DriftReference {
    /// Of the rows of a date and their probabilities; `None` without rows.
    pub(super) fn of(
        as_of: Timestamp,
        matrix: &FeatureMatrix,
        scores: Option<&[f64]>,
    ) -> Option<Self> {
        if matrix.rows() == 0 {
            return None;
        }
        let quantiles =
            |index: usize| ReferenceQuantiles::of(matrix.column(index).map(f64::from), BINS);
        // The time of the year is the same for everybody and no trait of a customer.
        let is_date =
            |name: &str| definitions().iter().any(|of| of.name == name && of.unit == Unit::Cycle);
        let columns = matrix.columns().iter().enumerate().filter(|(_, name)| !is_date(name));
        let features = columns.filter_map(|(index, name)| Some((name.clone(), quantiles(index)?)));
        let score = scores.and_then(|scores| ReferenceQuantiles::of(scores.iter().copied(), BINS));
        Some(Self { as_of, features: features.collect(), score })
    }

    fn compare(&self, matrix: &FeatureMatrix, scores: Option<&[f64]>) -> Vec<FeatureDrift> {
        let feature = |(name, reference): &(String, ReferenceQuantiles)| {
            let column = matrix.column(matrix.column_index(name)?).map(f64::from);
            let drift = population_stability_index(reference, &reference.count(column))?;
            Some(FeatureDrift { name: name.clone(), drift })
        };
        let mut features: Vec<FeatureDrift> = self.features.iter().filter_map(feature).collect();
        features.sort_by(|a, b| b.drift.index.total_cmp(&a.drift.index));
        if let (Some(reference), Some(scores)) = (&self.score, scores) {
            let counts = reference.count(scores.iter().copied());
            if let Some(drift) = population_stability_index(reference, &counts) {
                features.insert(0, FeatureDrift { name: "score".to_owned(), drift });
            }
        }
        features
    }
}

/// Compares the customers of `as_of` (the end of the last complete day when absent) with those that
/// a version was judged on.
///
/// # Errors
/// [`TrainingError::NoReference`] for a version that keeps none, such as a forecast; when there are
/// no such customers; when the store cannot be read, or `run` was cancelled.
pub fn drift(
    store: &TransactionStore,
    repository: &ModelRepository,
    version: &LoadedModel,
    as_of: Option<Timestamp>,
    run: &FitRun<'_>,
) -> Result<DriftReport, TrainingError> {
    let manifest = &version.manifest;
    let text = repository.evaluation(&manifest.model, manifest.version)?;
    let evaluation: Option<Evaluation> = serde_json::from_str(&text).ok();
    let reference = evaluation.as_ref().and_then(Evaluation::reference);
    let (Some(reference), Some(active_days), Some(schema)) =
        (reference, manifest.active_days, &manifest.feature_schema)
    else {
        return Err(TrainingError::NoReference {
            model: manifest.model.to_string(),
            version: manifest.version,
        });
    };
    let mut reader = store.reader()?;
    let last = reader.summary().last_occurred_at;
    let as_of = as_of.or_else(|| Some(data_as_of(last?, store.now(), store.clock())));
    let as_of = as_of.unwrap_or_else(|| store.now());
    let features = Features::new(schema, reader.symbols())?;
    let plan = RowPlan { dates: vec![as_of], active_days, event: None };
    let own = OwnColumns::of_version(manifest, &mut reader)?;
    let rows = collect(&mut reader, &features, own.as_ref(), &plan, run)?;
    let rows = rows.into_iter().next().filter(|rows| !rows.target.is_empty());
    let rows =
        rows.ok_or_else(|| TrainingError::NoPopulation { active_days, as_of: as_of.to_string() })?;
    let scores = scores(&version.model, &rows.features)?;
    Ok(DriftReport {
        reference_as_of: reference.as_of,
        as_of,
        rows: rows.features.rows(),
        features: reference.compare(&rows.features, scores.as_deref()),
        closed: closed_window(version, as_of, (&features, own.as_ref()), &mut reader, run)?,
    })
}

fn scores(model: &FittedModel, matrix: &FeatureMatrix) -> Result<Option<Vec<f64>>, TrainingError> {
    let Some(model) = model.classifier() else {
        return Ok(None);
    };
    let answers = model.predict(matrix)?;
    Ok(Some(answers.into_iter().map(|answer| answer.probability).collect()))
}

/// The rows of the last date whose outcomes are known before `as_of`, unless the version was judged
/// on that date or a later one.
fn closed_window(
    version: &LoadedModel,
    as_of: Timestamp,
    (features, own): (&Features, Option<&OwnColumns>),
    reader: &mut Reader<'_>,
    run: &FitRun<'_>,
) -> Result<Option<ClosedWindow>, TrainingError> {
    let manifest = &version.manifest;
    let recipe = Recipe::parse(&manifest.recipe)?;
    let (Recipe::Churn(event) | Recipe::Propensity(event)) = &recipe else {
        return Ok(None);
    };
    let (active_days, horizon_days) = event.days();
    let date = as_of.plus_days(-i64::from(horizon_days));
    if manifest.data.holdout.is_none_or(|holdout| date <= holdout) {
        return Ok(None);
    }
    let (kind, _): (Event, String) = event_of(recipe.kind(), event, reader.symbols());
    let plan = RowPlan { dates: vec![date], active_days, event: Some((kind, horizon_days)) };
    let rows = collect(reader, features, own, &plan, run)?;
    let Some(DatedRows { features, target, .. }) = rows.into_iter().next() else {
        return Ok(None);
    };
    let predicted = probabilities(&version.model, &features)?;
    let metrics = probability_metrics(&target, &predicted);
    let metrics = metrics.into_iter().map(|(name, value)| {
        let on_holdout = manifest.metrics.get(&name).map(|metric| metric.value);
        let higher_is_better = higher_is_better(&name);
        (name, WindowMetric { value, on_holdout, higher_is_better })
    });
    Ok(Some(ClosedWindow { as_of: date, rows: target.len(), metrics: metrics.collect() }))
}
