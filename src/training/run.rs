//! One training: read, make rows, fit, evaluate, register, promote.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dataset::{FeatureMatrix, InputSchema};
use crate::feature::FeatureSchema;
use crate::model::{FitRun, FittedModel, GoldenInputs};
use crate::repository::{
    AliasName, DataLineage, Gate, GoldenRows, LabelWindow, LoadedModel, MANIFEST_VERSION, Manifest,
    Metric, ModelName, ModelRepository, NewVersion, RepositoryError, SegmentsLineage, Version,
};
use crate::store::{DataSummary, Reader, TransactionStore};
use crate::transaction::{ShopClock, Timestamp};

use super::drift::drift;
use super::evaluation::Evaluation;
use super::forecasts::Source;
use super::panel::{self, SeriesFile};
use super::recipe::{ForecastRecipe, Recipe, SeriesTableRecipe};
use super::table::TableTraining;
use super::timeline::data_as_of;
use super::{TrainingError, forecasts, segmentation, supervised};

/// Rows that are stored with a version and answered again when it is loaded.
const GOLDEN_ROWS: usize = 16;

/// Versions that are looked at for one that the same job registered already.
const RECENT_VERSIONS: usize = 16;

/// What to train. It is the payload of a training job.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRequest {
    /// The model.
    pub model: ModelName,
    /// Nothing known at or after this instant is used; the end of the last complete day when
    /// absent.
    pub as_of: Option<Timestamp>,
    /// A recipe instead of the repository's.
    pub recipe: Option<String>,
    /// A seed instead of the recipe's.
    pub seed: Option<u64>,
    /// Let the champion take in what is new, without fitting anew; forecasts only.
    #[serde(default)]
    pub update: bool,
    /// Look first whether the customers moved away from those of the champion.
    #[serde(default)]
    pub drift: Option<DriftCheck>,
}

/// What a look at drift leads to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DriftCheck {
    /// Nothing but its result.
    Report,
    /// A training when the score or a feature moved by more than noise and 0.25, or when there is
    /// no champion to look at.
    Retrain,
}

/// What became of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct TrainingResult {
    /// The model.
    pub model: ModelName,
    /// The version that was registered; none when a look at drift found no need.
    pub version: Option<Version>,
    /// Nothing known at or after this instant was used.
    pub as_of: Timestamp,
    /// Whether it is the champion now.
    pub promoted: bool,
    /// Why, or why not.
    pub reason: String,
    /// The metrics of the hold-out.
    pub metrics: BTreeMap<String, Metric>,
}

/// Trains versions from one store into one repository.
#[derive(Clone, Copy, Debug)]
pub struct Training<'a> {
    /// Where the transactions are.
    pub store: &'a TransactionStore,
    /// Where versions go.
    pub repository: &'a ModelRepository,
}

/// What every kind needs beside its recipe.
pub(super) struct Surroundings<'a> {
    pub(super) run: &'a FitRun<'a>,
    pub(super) clock: &'a ShopClock,
    pub(super) first_line: Timestamp,
    pub(super) as_of: Timestamp,
    pub(super) champion: Option<&'a LoadedModel>,
    pub(super) repository: &'a ModelRepository,
}

/// A fitted and evaluated model that is not registered yet.
pub(super) struct Made {
    pub(super) model: FittedModel,
    pub(super) evaluation: Evaluation,
    pub(super) metrics: BTreeMap<String, Metric>,
    pub(super) converged: bool,
    pub(super) gate: Gate,
    pub(super) label: Option<LabelWindow>,
    pub(super) schema: Option<FeatureSchema>,
    /// The caller's columns, where the model takes some.
    pub(super) input: Option<InputSchema>,
    /// Digest of the attributes they were taken from.
    pub(super) attributes_digest: Option<String>,
    /// Whose segments group the series.
    pub(super) segments: Option<SegmentsLineage>,
    pub(super) train_snapshots: Vec<Timestamp>,
    pub(super) calibration_snapshots: Vec<Timestamp>,
    pub(super) holdout: Option<Timestamp>,
    pub(super) golden: GoldenInputs,
    /// The version that took in what is new.
    pub(super) updated_from: Option<Version>,
}

impl Training<'_> {
    /// Trains and registers a version; makes it the champion when the gate lets it.
    ///
    /// `job` is noted in the manifest. `run.seed` is replaced by the request's or recipe's.
    ///
    /// # Errors
    /// When the recipe or the data do not allow it, or `run` was cancelled: then there is no new
    /// version.
    pub fn run(
        &self,
        request: &TrainingRequest,
        job: &str,
        run: &FitRun<'_>,
    ) -> Result<TrainingResult, TrainingError> {
        let text = match (&request.recipe, request.update) {
            (Some(text), _) => text.clone(),
            (None, false) => self.repository.recipe(&request.model)?,
            (None, true) => self.repository.recipe_of_champion(&request.model)?,
        };
        let recipe = Recipe::parse(&text)?;
        if let Some(manifest) = self.registered_by(&request.model, job) {
            return self.settle(&recipe, manifest);
        }
        let run = FitRun { seed: request.seed.unwrap_or(recipe.seed()), ..run.clone() };
        let champion = self.champion(&request.model, &recipe)?;
        let champion = champion.as_ref();
        if let Some(check) = request.drift
            && let Some(result) = self.look_at_drift(request, check, champion, &run)?
        {
            return Ok(result);
        }
        let (made, data) = match &recipe {
            Recipe::Forecast(forecast @ ForecastRecipe { table: Some(table), .. }) => {
                self.on_series(request, (forecast, table), champion, &run)?
            }
            _ => match recipe.table() {
                Some((event, table)) => TableTraining {
                    kind: recipe.kind(),
                    recipe: event,
                    table,
                    champion,
                    as_of: request.as_of,
                    now: self.store.now(),
                    run: &run,
                }
                .train()?,
                None => self.on_transactions(request, &recipe, champion, &run)?,
            },
        };
        run.check()?;
        run.progress.report("register", 0.0);
        let origin = Origin { recipe: text, data, job, seed: run.seed };
        let manifest = manifest(request.model.clone(), &recipe, &made, origin);
        self.register(&recipe, made, manifest)
    }

    /// The result when a look at drift is all there is to do.
    fn look_at_drift(
        &self,
        request: &TrainingRequest,
        check: DriftCheck,
        champion: Option<&LoadedModel>,
        run: &FitRun<'_>,
    ) -> Result<Option<TrainingResult>, TrainingError> {
        let (has_moved, as_of, reason) = match champion {
            None => (true, self.store.now(), "there is no champion to look at".to_owned()),
            Some(champion) => {
                let report = drift(self.store, self.repository, champion, request.as_of, run)?;
                (report.has_moved(), report.as_of, report.summary())
            }
        };
        tracing::info!(model = %request.model, has_moved, reason, "looked at drift");
        let result = TrainingResult {
            model: request.model.clone(),
            version: None,
            as_of,
            promoted: false,
            reason,
            metrics: BTreeMap::new(),
        };
        Ok(Some(result).filter(|_| !has_moved || check == DriftCheck::Report))
    }

    /// Fits and judges on the stored transactions.
    fn on_transactions(
        &self,
        request: &TrainingRequest,
        recipe: &Recipe,
        champion: Option<&LoadedModel>,
        run: &FitRun<'_>,
    ) -> Result<(Made, DataLineage), TrainingError> {
        let mut reader = self.store.reader()?;
        let summary = reader.summary();
        let as_of = self.as_of(request, &summary)?;
        let around = Surroundings {
            run,
            clock: self.store.clock(),
            first_line: summary.first_occurred_at.unwrap_or(as_of),
            as_of,
            champion,
            repository: self.repository,
        };
        let made = make(request, recipe, &mut reader, &around)?;
        let data = lineage(&made, as_of, summary, &mut reader)?;
        Ok((made, data))
    }

    /// Fits and judges on the series of a file.
    fn on_series(
        &self,
        request: &TrainingRequest,
        (recipe, table): (&ForecastRecipe, &SeriesTableRecipe),
        champion: Option<&LoadedModel>,
        run: &FitRun<'_>,
    ) -> Result<(Made, DataLineage), TrainingError> {
        let clock = self.store.clock();
        let file = panel::read_table(recipe, table, request.as_of, clock)?;
        let SeriesFile { panel, digest, values, end } = file;
        let as_of = request.as_of.unwrap_or(end);
        let customers = panel.series().len() as u64;
        let repository = self.repository;
        let around = Surroundings { run, clock, first_line: as_of, as_of, champion, repository };
        let made = forecasts::make(recipe, Source::Table(panel), &around, request.update)?;
        let data = DataLineage {
            digest,
            attributes_digest: None,
            segments: None,
            lines: values,
            customers,
            as_of,
            train_snapshots: made.train_snapshots.clone(),
            calibration_snapshots: Vec::new(),
            holdout: made.holdout,
            imports: Vec::new(),
        };
        Ok((made, data))
    }

    fn register(
        &self,
        recipe: &Recipe,
        made: Made,
        manifest: Manifest,
    ) -> Result<TrainingResult, TrainingError> {
        let evaluation = serde_json::to_string_pretty(&made.evaluation).unwrap_or_default();
        let new = NewVersion { manifest, model: &made.model, evaluation };
        let manifest = self.repository.register(new)?;
        self.settle(recipe, manifest)
    }

    /// The version that an earlier attempt of the same job registered before its worker went away.
    fn registered_by(&self, model: &ModelName, job: &str) -> Option<Manifest> {
        let versions = self.repository.versions(model).ok()?;
        let latest = versions.iter().rev().take(RECENT_VERSIONS);
        let manifests = latest.filter_map(|version| self.repository.manifest(model, *version).ok());
        manifests.into_iter().find(|manifest| manifest.training_job == job)
    }

    /// Promotes a registered version if its gate and the recipe allow it.
    fn settle(&self, recipe: &Recipe, manifest: Manifest) -> Result<TrainingResult, TrainingError> {
        let (passed, wanted) = (manifest.gate.passed, recipe.promotes());
        if passed && wanted {
            let champion = AliasName::champion();
            self.repository.set_alias(&manifest.model, &champion, manifest.version, None)?;
        }
        let reason = if passed && !wanted {
            format!("{}; the recipe does not promote by itself", manifest.gate.reason)
        } else {
            manifest.gate.reason
        };
        Ok(TrainingResult {
            model: manifest.model,
            version: Some(manifest.version),
            as_of: manifest.data.as_of,
            promoted: passed && wanted,
            reason,
            metrics: manifest.metrics,
        })
    }

    fn as_of(
        &self,
        request: &TrainingRequest,
        summary: &DataSummary,
    ) -> Result<Timestamp, TrainingError> {
        let now = self.store.now();
        let no_data = |as_of: Timestamp| TrainingError::NoData { as_of: as_of.to_string() };
        let last = summary.last_occurred_at.ok_or_else(|| no_data(request.as_of.unwrap_or(now)))?;
        let as_of = request.as_of.unwrap_or_else(|| data_as_of(last, now, self.store.clock()));
        match summary.first_occurred_at {
            Some(first) if first < as_of => Ok(as_of),
            _ => Err(no_data(as_of)),
        }
    }

    /// The champion, when there is one of the recipe's kind that still loads.
    fn champion(
        &self,
        model: &ModelName,
        recipe: &Recipe,
    ) -> Result<Option<LoadedModel>, TrainingError> {
        let version = match self.repository.aliases(model) {
            Ok(aliases) => aliases.champion(),
            Err(RepositoryError::UnknownModel { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let Some(version) = version else {
            return Ok(None);
        };
        match self.repository.load(model, version) {
            Ok(loaded) => Ok(Some(loaded).filter(|loaded| loaded.manifest.kind == recipe.kind())),
            Err(error) => {
                tracing::warn!(%model, version, %error, "the champion does not load; training without comparison");
                Ok(None)
            }
        }
    }
}

fn make(
    request: &TrainingRequest,
    recipe: &Recipe,
    reader: &mut Reader<'_>,
    around: &Surroundings<'_>,
) -> Result<Made, TrainingError> {
    match recipe {
        Recipe::Segments(recipe) => segmentation::segments(recipe, reader, around),
        Recipe::Rfm(recipe) => segmentation::rfm(recipe, reader, around),
        Recipe::Churn(event) | Recipe::Propensity(event) => {
            supervised::event(recipe.kind(), event, reader, around)
        }
        Recipe::Forecast(recipe) => {
            let source = Source::lines(recipe, reader, around, request.update)?;
            forecasts::make(recipe, source, around, request.update)
        }
    }
}

fn lineage(
    made: &Made,
    as_of: Timestamp,
    summary: DataSummary,
    reader: &mut Reader<'_>,
) -> Result<DataLineage, TrainingError> {
    Ok(DataLineage {
        digest: summary.digest,
        attributes_digest: made.attributes_digest.clone(),
        segments: made.segments.clone(),
        lines: summary.lines,
        customers: summary.customers,
        as_of,
        train_snapshots: made.train_snapshots.clone(),
        calibration_snapshots: made.calibration_snapshots.clone(),
        holdout: made.holdout,
        imports: reader.import_reports()?,
    })
}

/// What a version was made from.
struct Origin<'a> {
    recipe: String,
    data: DataLineage,
    job: &'a str,
    seed: u64,
}

/// The account of a version; its number, checksum and golden answers come with its registration.
fn manifest(model: ModelName, recipe: &Recipe, made: &Made, origin: Origin<'_>) -> Manifest {
    Manifest {
        manifest_version: MANIFEST_VERSION,
        model,
        version: 0,
        kind: recipe.kind(),
        algorithm: recipe.algorithm(),
        created_at: Timestamp::now(),
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
        training_job: origin.job.to_owned(),
        recipe: origin.recipe,
        seed: origin.seed,
        feature_schema_digest: made.schema.as_ref().map(FeatureSchema::digest),
        feature_schema: made.schema.clone(),
        input_schema: made.input.clone(),
        data: origin.data,
        label: made.label.clone(),
        active_days: recipe.active_days(),
        converged: made.converged,
        updated_from: made.updated_from,
        metrics: made.metrics.clone(),
        gate: made.gate.clone(),
        model_sha256: String::new(),
        golden: GoldenRows { inputs: made.golden.clone(), answers: Vec::new() },
    }
}

/// Rows spread evenly over a matrix.
pub(super) fn golden_rows(features: &FeatureMatrix) -> GoldenInputs {
    let known =
        |row: &[f32]| row.iter().map(|value| Some(*value).filter(|v| !v.is_nan())).collect();
    let step = features.rows().div_ceil(GOLDEN_ROWS).max(1);
    GoldenInputs {
        columns: features.columns().to_vec(),
        rows: features.iter_rows().step_by(step).map(known).collect(),
        series: Vec::new(),
    }
}
