//! Trainings on a table of cases: columns that the caller brings, with an outcome.
//!
//! With a column of times the rows are divided as transactions are: the earliest estimate the
//! parameters, later ones calibrate, the latest are only judged. Without one every row is judged by
//! models that were fitted without it (stratified cross-validation, rows of one key together); the
//! model that is kept is fitted on all rows and calibrated by those answers.

mod file;
mod folds;
mod split;

pub use self::file::{ColumnSummary, TableColumns, TableError};

use self::file::Cases;
use self::folds::cross_validate;
use self::split::divide;
use super::TrainingError;
use super::evaluation::{Evaluation, FoldEvaluation, SnapshotEvaluation, probability_metrics};
use super::judging::{Champion, Judged, Origin, base_rate};
use super::recipe::{EventRecipe, Recipe, TableRecipe};
use super::run::{Made, golden_rows};
use super::supervised::{converged, fitted};
use crate::dataset::{Dataset, FeatureMatrix, SupervisedData};
use crate::model::{
    ClassifierAlgorithm, ClassifierEstimator, ClassifierModel, ClassifierSettings, ColumnChoice,
    ColumnEvidence, Estimator as _, FitRun, Model as _, ModelKind, Transform, column_evidence,
};
use crate::repository::{DataLineage, LabelWindow, LoadedModel};
use crate::transaction::Timestamp;

/// What a table is trained by.
pub(super) struct TableTraining<'a> {
    pub(super) kind: ModelKind,
    pub(super) recipe: &'a EventRecipe,
    pub(super) table: &'a TableRecipe,
    pub(super) champion: Option<&'a LoadedModel>,
    /// Only rows that were known before, where the table has times.
    pub(super) as_of: Option<Timestamp>,
    /// The present, for a table without times.
    pub(super) now: Timestamp,
    pub(super) run: &'a FitRun<'a>,
}

/// A model with honest answers to rows.
struct Validated {
    model: ClassifierModel,
    /// Rows that were answered by models that had not seen them.
    rows: Dataset,
    /// Share of events in the rows that it learned from.
    base_rate: f64,
    predicted: Vec<f64>,
    /// The same rows by the strongest column alone, and by the champion's recipe.
    strongest: Vec<f64>,
    champion: Option<Result<Vec<f64>, String>>,
    folds: Vec<FoldEvaluation>,
    snapshots: Vec<SnapshotEvaluation>,
    train_dates: Vec<Timestamp>,
    calibration_dates: Vec<Timestamp>,
    holdout: Option<Timestamp>,
}

impl TableTraining<'_> {
    /// Fits, judges and describes; nothing is registered.
    pub(super) fn train(&self) -> Result<(Made, DataLineage), TrainingError> {
        let run = self.run;
        let cases = Cases::read(self.table, self.as_of, run)?;
        let schema = cases.columns.schema.clone();
        let estimator = estimator(self.kind, self.recipe, &cases.data.features);
        let names: Vec<&str> = schema.names().collect();
        let evidence = run.install(|| column_evidence(&cases.data, &names, run))?;
        let label = self.label();
        let features = &cases.data.features;
        let rival = |champion| (champion, self.rival(champion, &label, features));
        let champion = self.champion.map(rival);
        let rivals = Rivals {
            strongest: strongest(&evidence, &estimator),
            champion: champion.as_ref().map(|(_, rival)| rival.as_ref()),
        };
        // A training as of this instant sees the same rows again.
        let closed = |last: &Timestamp| {
            let end = last.plus_days(i64::from(self.table.horizon_days)).micros();
            Timestamp::from_micros(end.saturating_add(1))
        };
        let as_of = cases.times.last().map_or(self.now, closed);
        let as_of = self.as_of.unwrap_or(as_of);
        let mut data = DataLineage {
            digest: cases.digest.clone(),
            attributes_digest: None,
            segments: None,
            lines: cases.data.target.len() as u64,
            customers: cases.ids,
            as_of,
            train_snapshots: Vec::new(),
            calibration_snapshots: Vec::new(),
            holdout: None,
            imports: Vec::new(),
        };
        let (columns, left_out) = (cases.columns.summaries.clone(), cases.columns.left_out.clone());
        let validated = if cases.times.is_empty() {
            cross_validate(&estimator, &rivals, cases.data, self.table.folds, run)?
        } else {
            divide(&estimator, &rivals, cases, self.table, run)?
        };
        data.train_snapshots.clone_from(&validated.train_dates);
        data.calibration_snapshots.clone_from(&validated.calibration_dates);
        data.holdout = validated.holdout;
        run.progress.report("evaluate", 0.0);
        let model = fitted(self.kind, validated.model);
        let target = &validated.rows.target;
        let champion = champion.zip(validated.champion).map(|((champion, _), outcome)| Champion {
            version: champion.manifest.version,
            outcome,
        });
        let judged = Judged {
            model: &model,
            rows: &validated.rows,
            predicted: &validated.predicted,
            baselines: vec![
                ("base_rate", base_rate(validated.base_rate, target)),
                ("strongest_column", probability_metrics(target, &validated.strongest)),
            ],
            champion: champion.as_ref(),
            origin: Origin {
                as_of: validated.holdout.unwrap_or(as_of),
                holdout: validated.holdout,
                snapshots: validated.snapshots,
                folds: validated.folds,
                columns,
                left_out,
                evidence,
            },
        };
        let evaluation = judged.evaluate(run)?;
        let gate = judged.gate(&evaluation, self.recipe.gate);
        run.progress.report("evaluate", 1.0);
        let made = Made {
            golden: golden_rows(&validated.rows.features),
            converged: converged(&model),
            gate,
            metrics: evaluation.metrics.clone(),
            evaluation: Evaluation::Probability(Box::new(evaluation)),
            label: Some(label),
            schema: None,
            input: Some(schema),
            attributes_digest: None,
            segments: None,
            train_snapshots: validated.train_dates,
            calibration_snapshots: validated.calibration_dates,
            holdout: validated.holdout,
            updated_from: None,
            model,
        };
        Ok((made, data))
    }

    fn label(&self) -> LabelWindow {
        let TableRecipe { label, event, .. } = self.table;
        LabelWindow {
            event: format!("{label} is {}", event.as_deref().unwrap_or("true")),
            horizon_days: self.table.horizon_days,
            population: format!("cases such as those of {}", self.table.file_name()),
        }
    }

    /// The champion's recipe with the champion's columns, to be fitted on the same rows as the new
    /// one.
    fn rival(
        &self,
        champion: &LoadedModel,
        label: &LabelWindow,
        features: &FeatureMatrix,
    ) -> Result<ClassifierEstimator, String> {
        let manifest = &champion.manifest;
        let same = manifest.label.as_ref().is_some_and(|other| {
            (&other.event, other.horizon_days) == (&label.event, label.horizon_days)
        });
        let Some(own) = manifest.input_schema.as_ref().filter(|_| same) else {
            return Err("it answers another event or horizon".to_owned());
        };
        let recipe = Recipe::parse(&manifest.recipe).map_err(|error| error.to_string())?;
        let (Recipe::Churn(event) | Recipe::Propensity(event)) = &recipe else {
            return Err("it is of another kind".to_owned());
        };
        let columns = own.names().map(str::to_owned).collect();
        let columns: Vec<String> = event.columns.clone().unwrap_or(columns);
        let read = columns.iter().chain(event.monotone.keys());
        if let Some(missing) = read.into_iter().find(|name| features.column_index(name).is_none()) {
            return Err(format!("it takes a column {missing}, which is no feature here"));
        }
        let event = EventRecipe { columns: Some(columns), ..event.clone() };
        Ok(estimator(recipe.kind(), &event, features))
    }
}

/// What the new model is compared with on the same rows.
struct Rivals<'a> {
    strongest: ClassifierEstimator,
    champion: Option<Result<&'a ClassifierEstimator, &'a String>>,
}

fn estimator(
    kind: ModelKind,
    recipe: &EventRecipe,
    features: &FeatureMatrix,
) -> ClassifierEstimator {
    let choice = |name: &String| ColumnChoice {
        name: name.clone(),
        transform: features.column_index(name).map_or(Transform::Identity, |index| {
            if is_skewed(features, index) { Transform::Log1p } else { Transform::Identity }
        }),
    };
    let columns = match &recipe.columns {
        Some(names) => names.iter().map(choice).collect(),
        None => features.columns().iter().map(choice).collect(),
    };
    ClassifierEstimator { algorithm: recipe.algorithm(kind), columns, settings: recipe.settings() }
}

/// Whether a column of amounts has a long tail, so that a linear model takes its logarithm: no
/// value below zero, and a skewness above 1.
fn is_skewed(features: &FeatureMatrix, index: usize) -> bool {
    if !features.levels(index).is_empty() {
        return false;
    }
    let known = features.column(index).filter(|value| !value.is_nan()).map(f64::from);
    let values: Vec<f64> = known.collect();
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let moment = |power| values.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / count;
    let deviation = moment(2).sqrt();
    let is_flag = values.iter().all(|value| *value == 0.0 || *value == 1.0);
    !is_flag && values.iter().all(|value| *value >= 0.0) && moment(3) > deviation.powi(3)
}

/// A scorecard of the column of the model that alone ranks best.
fn strongest(evidence: &[ColumnEvidence], model: &ClassifierEstimator) -> ClassifierEstimator {
    let is_used = |one: &&ColumnEvidence| model.columns.iter().any(|of| of.name == one.column);
    let used = evidence.iter().filter(is_used);
    let best = used.max_by(|a, b| a.roc_auc.total_cmp(&b.roc_auc)).map(|best| best.column.clone());
    let first = || model.columns.first().map(|column| column.name.clone());
    let name = best.or_else(first).unwrap_or_default();
    ClassifierEstimator {
        algorithm: ClassifierAlgorithm::Scorecard,
        columns: vec![ColumnChoice { name, transform: Transform::Identity }],
        settings: ClassifierSettings { l2: Some(1.0), ..ClassifierSettings::default() },
    }
}

/// Fits on `data` and answers the rows of another part.
fn answers(
    estimator: &ClassifierEstimator,
    data: &SupervisedData,
    rows: &Dataset,
    run: &FitRun<'_>,
) -> Result<Vec<f64>, TrainingError> {
    probabilities_of(&estimator.fit(data, run)?, rows)
}

/// The same for the champion's recipe: that it cannot be fitted says only that it cannot be
/// compared.
fn comparable(
    outcome: Result<Vec<f64>, TrainingError>,
) -> Result<Result<Vec<f64>, String>, TrainingError> {
    match outcome {
        Err(error) if !error.is_cancelled() => Ok(Err(error.to_string())),
        Err(error) => Err(error),
        Ok(answers) => Ok(Ok(answers)),
    }
}

fn probabilities_of(model: &ClassifierModel, rows: &Dataset) -> Result<Vec<f64>, TrainingError> {
    let answers = model.predict(&rows.features)?;
    Ok(answers.into_iter().map(|answer| answer.probability).collect())
}
