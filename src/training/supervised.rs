//! Churn and propensity: rows, fit, evaluation against baselines and champion.

use std::collections::BTreeMap;

use crate::dataset::{Dataset, FeatureMatrix, InvalidMatrix, SupervisedData};
use crate::feature::{FeatureSchema, Features, Unit, definitions};
use crate::historical::fit_schema;
use crate::model::{
    ClassifierEstimator, ClassifierModel, ColumnChoice, Estimator, FitRun, FittedModel, Model,
    ModelKind, PredictError, Transform, column_evidence, fit_platt,
};
use crate::repository::{LabelWindow, LoadedModel};
use crate::store::Reader;
use crate::transaction::{HistorySource, SymbolTable, Timestamp};

use super::TrainingError;
use super::evaluation::{Evaluation, SnapshotEvaluation, probability_metrics};
use super::judging::{Champion, Judged, Origin, base_rate};
use super::recipe::{EventRecipe, GateRule, SnapshotRule};
use super::rows::{DatedRows, Event, OwnColumns, RowPlan, collect, dataset};
use super::run::{Made, Surroundings, golden_rows};
use super::timeline::Timeline;

/// Trains a model of an event: churn or propensity.
pub(super) fn event(
    kind: ModelKind,
    recipe: &EventRecipe,
    reader: &mut Reader<'_>,
    around: &Surroundings<'_>,
) -> Result<Made, TrainingError> {
    let (event, words) = event_of(kind, recipe, reader.symbols());
    let (active_days, horizon_days) = recipe.days();
    let label = LabelWindow {
        event: format!("{words}in the next {horizon_days} days"),
        horizon_days,
        population: population(active_days),
    };
    let own = OwnColumns::named(&recipe.attributes, reader)?;
    let plan = Plan {
        own,
        event,
        active_days,
        horizon_days,
        rule: recipe.snapshots.unwrap_or_default(),
        label,
        gate: recipe.gate,
    };
    let estimator = ClassifierEstimator {
        algorithm: recipe.algorithm(kind),
        columns: all_columns(recipe.columns.as_deref(), plan.own.as_ref()),
        settings: recipe.settings(),
    };
    train(&plan, reader, around, |data, run| Ok(fitted(kind, estimator.fit(data, run)?)))
}

/// The classifier as a model of its kind.
pub(super) fn fitted(kind: ModelKind, model: ClassifierModel) -> FittedModel {
    if kind == ModelKind::Churn {
        FittedModel::Churn(model)
    } else {
        FittedModel::Propensity(model)
    }
}

/// What a recipe asks for, and how to say it.
pub(super) fn event_of(
    kind: ModelKind,
    recipe: &EventRecipe,
    symbols: &SymbolTable,
) -> (Event, String) {
    let find = |text: &str| symbols.find(text).unwrap_or_default();
    match (kind, &recipe.product, &recipe.category) {
        (ModelKind::Churn, ..) => (Event::NoPurchase, "no purchase ".to_owned()),
        (_, Some(product), _) => {
            (Event::Product(find(product)), format!("a purchase of product {product} "))
        }
        (_, None, Some(category)) => {
            (Event::Category(find(category)), format!("a purchase from category {category} "))
        }
        (_, None, None) => (Event::Purchase, "a purchase ".to_owned()),
    }
}

/// What both kinds are trained by.
struct Plan {
    own: Option<OwnColumns>,
    event: Event,
    active_days: u32,
    horizon_days: u32,
    rule: SnapshotRule,
    label: LabelWindow,
    gate: GateRule,
}

/// The rows by what they are used for.
pub(super) struct Split {
    pub(super) data: SupervisedData,
    pub(super) holdout: Dataset,
    pub(super) dated: Vec<DatedRows>,
}

fn train(
    plan: &Plan,
    reader: &mut Reader<'_>,
    around: &Surroundings<'_>,
    fit: impl FnOnce(&SupervisedData, &FitRun<'_>) -> Result<FittedModel, TrainingError>,
) -> Result<Made, TrainingError> {
    let timeline = Timeline::lay(around.first_line, around.as_of, plan.horizon_days, plan.rule)?;
    let schema = fit_schema(reader, around.clock, timeline.last_training(), around.run.threads)?;
    let split = split(plan, &timeline, &schema, reader, around.run)?;
    let model = fit(&split.data, around.run)?;
    around.run.progress.report("evaluate", 0.0);
    let champion = champion_on_holdout(plan, &timeline, reader, around)?;
    let own: Vec<&str> = plan.own.iter().flat_map(|own| own.schema.names()).collect();
    let evidence = around.run.install(|| column_evidence(&split.data.train, &own, around.run))?;
    let predict = |rows: &DatedRows| probabilities(&model, &rows.features);
    let answers: Vec<Vec<f64>> = split.dated.iter().map(predict).collect::<Result<_, _>>()?;
    let snapshots = snapshots(&split.dated, &answers, &timeline);
    // The hold-out is the last date.
    let predicted = answers.last().map(Vec::as_slice).unwrap_or_default();
    let target = &split.holdout.target;
    let judged = Judged {
        model: &model,
        rows: &split.holdout,
        predicted,
        baselines: vec![
            ("base_rate", base_rate(split.data.train.base_rate(), target)),
            ("recency", recency_baseline(&split)),
        ],
        champion: champion.as_ref(),
        origin: Origin {
            as_of: timeline.holdout,
            holdout: Some(timeline.holdout),
            snapshots,
            folds: Vec::new(),
            columns: Vec::new(),
            left_out: Vec::new(),
            evidence,
        },
    };
    let evaluation = judged.evaluate(around.run)?;
    let gate = judged.gate(&evaluation, plan.gate);
    let made = Made {
        golden: golden_rows(&split.holdout.features),
        converged: converged(&model),
        metrics: evaluation.metrics.clone(),
        model,
        evaluation: Evaluation::Probability(Box::new(evaluation)),
        gate,
        label: Some(plan.label.clone()),
        schema: Some(schema),
        input: plan.own.as_ref().map(|own| own.schema.clone()),
        attributes_digest: plan.own.as_ref().map(|own| own.attributes.digest()),
        segments: None,
        train_snapshots: timeline.fit.clone(),
        calibration_snapshots: timeline.calibration.into_iter().collect(),
        holdout: Some(timeline.holdout),
        updated_from: None,
    };
    around.run.progress.report("evaluate", 1.0);
    Ok(made)
}

fn split(
    plan: &Plan,
    timeline: &Timeline,
    schema: &FeatureSchema,
    reader: &mut Reader<'_>,
    run: &FitRun<'_>,
) -> Result<Split, TrainingError> {
    let features = Features::new(schema, reader.symbols())?;
    let mut dates = timeline.fit.clone();
    dates.extend(timeline.calibration);
    dates.push(timeline.holdout);
    let row_plan = RowPlan {
        dates,
        active_days: plan.active_days,
        event: Some((plan.event, plan.horizon_days)),
    };
    let dated = collect(reader, &features, plan.own.as_ref(), &row_plan, run)?;
    if let Some(empty) = dated.iter().find(|rows| rows.target.is_empty()) {
        return Err(TrainingError::NoPopulation {
            active_days: plan.active_days,
            as_of: empty.as_of.to_string(),
        });
    }
    let (earlier, holdout) = dated.split_at(dated.len() - 1);
    let (fit, calibration) = earlier.split_at(timeline.fit.len());
    let Some(like) = dated.first().map(|rows| &rows.features) else {
        return Err(InvalidMatrix::NoColumns.into());
    };
    Ok(Split {
        data: SupervisedData {
            train: dataset(fit, like)?,
            calibration: dataset(calibration, like)?,
            horizon_days: plan.horizon_days,
        },
        holdout: dataset(holdout, like)?,
        dated,
    })
}

fn champion_on_holdout(
    plan: &Plan,
    timeline: &Timeline,
    reader: &mut Reader<'_>,
    around: &Surroundings<'_>,
) -> Result<Option<Champion>, TrainingError> {
    let Some(champion) = around.champion else {
        return Ok(None);
    };
    let version = champion.manifest.version;
    let outcome = match comparable(plan, champion, around.as_of) {
        Err(reason) => Err(reason),
        Ok(schema) => {
            let features = Features::new(schema, reader.symbols())?;
            let row_plan = RowPlan {
                dates: vec![timeline.holdout],
                active_days: plan.active_days,
                event: Some((plan.event, plan.horizon_days)),
            };
            let own = OwnColumns::of_version(&champion.manifest, reader)?;
            let dated = collect(reader, &features, own.as_ref(), &row_plan, around.run)?;
            let rows = dated.first().map(|rows| probabilities(&champion.model, &rows.features));
            Ok(rows.transpose()?.unwrap_or_default())
        }
    };
    Ok(Some(Champion { version, outcome }))
}

/// Whether the champion answers the same question and has not seen the hold-out's outcomes.
fn comparable<'a>(
    plan: &Plan,
    champion: &'a LoadedModel,
    as_of: Timestamp,
) -> Result<&'a FeatureSchema, String> {
    let manifest = &champion.manifest;
    if manifest.label.as_ref() != Some(&plan.label) {
        return Err("it answers another event, horizon or population".to_owned());
    }
    if manifest.data.as_of > as_of {
        return Err("it was trained on later data and may know the hold-out".to_owned());
    }
    manifest
        .feature_schema
        .as_ref()
        .filter(|schema| schema.is_current())
        .ok_or_else(|| "its features are of an older schema".to_owned())
}

pub(super) fn converged(model: &FittedModel) -> bool {
    model.classifier().is_none_or(|model| model.verdict().converged)
}

/// Calibrated probabilities of the event.
pub(super) fn probabilities(
    model: &FittedModel,
    features: &FeatureMatrix,
) -> Result<Vec<f64>, PredictError> {
    let answers = match model.classifier() {
        Some(model) => model.predict(features)?,
        None => Vec::new(),
    };
    Ok(answers.into_iter().map(|answer| answer.probability).collect())
}

/// A logistic curve over the time since the last purchase alone, fitted on the training rows.
fn recency_baseline(split: &Split) -> BTreeMap<String, f64> {
    let scores = |data: &Dataset| -> Option<Vec<f64>> {
        let index = data.features.column_index("recency_days")?;
        Some(data.features.column(index).map(|days| f64::from(days).ln_1p()).collect())
    };
    let (Some(train), Some(holdout)) = (scores(&split.data.train), scores(&split.holdout)) else {
        return BTreeMap::new();
    };
    let curve = fit_platt(&train, &split.data.train.target);
    let predicted: Vec<f64> = holdout.iter().map(|score| curve.apply(*score)).collect();
    probability_metrics(&split.holdout.target, &predicted)
}

fn snapshots(
    dated: &[DatedRows],
    answers: &[Vec<f64>],
    timeline: &Timeline,
) -> Vec<SnapshotEvaluation> {
    let evaluate = |(rows, predicted): (&DatedRows, &Vec<f64>)| {
        let role = if rows.as_of == timeline.holdout {
            "holdout"
        } else if Some(rows.as_of) == timeline.calibration {
            "calibration"
        } else {
            "fit"
        };
        SnapshotEvaluation::of(rows.as_of, role, &rows.target, predicted)
    };
    dated.iter().zip(answers).map(evaluate).collect()
}

fn population(active_days: u32) -> String {
    format!("customers with a purchase in the last {active_days} days")
}

/// The features of a recipe and the attributes that join them.
fn all_columns(names: Option<&[String]>, own: Option<&OwnColumns>) -> Vec<ColumnChoice> {
    let mut choices = columns(names);
    for name in own.iter().flat_map(|own| own.schema.names()) {
        if choices.iter().all(|choice| choice.name != name) {
            choices.push(ColumnChoice { name: name.to_owned(), transform: Transform::Identity });
        }
    }
    choices
}

/// The features of a recipe (all when it names none), each with the scale that suits its unit:
/// money, counts and times are skewed and enter by their logarithm.
pub(super) fn columns(names: Option<&[String]>) -> Vec<ColumnChoice> {
    let unit = |name: &str| definitions().iter().find(|d| d.name == name).map(|d| d.unit);
    let choose = |name: &str| {
        let transform = match unit(name) {
            Some(Unit::Share | Unit::Cycle) | None => Transform::Identity,
            Some(_) => Transform::Log1p,
        };
        ColumnChoice { name: name.to_owned(), transform }
    };
    match names {
        Some(names) => names.iter().map(|name| choose(name)).collect(),
        None => definitions().iter().map(|definition| choose(definition.name)).collect(),
    }
}
