//! Churn and propensity: rows, fit, evaluation against baselines and champion.

use std::collections::BTreeMap;

use crate::dataset::{Dataset, FeatureMatrix, SupervisedData};
use crate::feature::{FeatureSchema, Features, Unit, definitions};
use crate::historical::fit_schema;
use crate::metrics::roc_auc;
use crate::model::{
    Calibration, ChurnEstimator, ColumnChoice, Estimator, FitRun, FittedModel, Model, Platt,
    PredictError, PropensityEstimator, Rule, Transform, fit_platt,
};
use crate::repository::{Gate, LabelWindow, LoadedModel, Metric};
use crate::store::Reader;
use crate::transaction::{HistorySource, Timestamp};

use super::TrainingError;
use super::evaluation::{
    Evaluation, ProbabilityEvaluation, SnapshotEvaluation, curves, probability_metrics,
    with_references,
};
use super::recipe::{ChurnRecipe, PropensityRecipe, SnapshotRule};
use super::rows::{DatedRows, Event, RowPlan, collect, dataset};
use super::run::{Made, Surroundings, golden_rows};
use super::timeline::Timeline;

/// Trains a churn model.
pub(super) fn churn(
    recipe: &ChurnRecipe,
    reader: &mut Reader<'_>,
    around: &Surroundings<'_>,
) -> Result<Made, TrainingError> {
    let label = LabelWindow {
        event: format!("no purchase in the next {} days", recipe.horizon_days),
        horizon_days: recipe.horizon_days,
        population: population(recipe.active_days),
    };
    let plan = Plan {
        event: Event::NoPurchase,
        active_days: recipe.active_days,
        horizon_days: recipe.horizon_days,
        rule: recipe.snapshots,
        label,
    };
    train(&plan, reader, around, |data, run| {
        let estimator = ChurnEstimator {
            algorithm: recipe.algorithm,
            columns: columns(recipe.columns.as_deref()),
            l2: recipe.l2,
            max_iterations: recipe.max_iterations,
            tolerance: recipe.tolerance,
        };
        Ok(FittedModel::Churn(estimator.fit(data, run)?))
    })
}

/// Trains a propensity model.
pub(super) fn propensity(
    recipe: &PropensityRecipe,
    reader: &mut Reader<'_>,
    around: &Surroundings<'_>,
) -> Result<Made, TrainingError> {
    let find = |text: &str| reader.symbols().find(text).unwrap_or_default();
    let (event, scope) = match (&recipe.product, &recipe.category) {
        (Some(product), _) => (Event::Product(find(product)), format!("of product {product} ")),
        (None, Some(category)) => {
            (Event::Category(find(category)), format!("from category {category} "))
        }
        (None, None) => (Event::Purchase, String::new()),
    };
    let label = LabelWindow {
        event: format!("a purchase {scope}in the next {} days", recipe.horizon_days),
        horizon_days: recipe.horizon_days,
        population: population(recipe.active_days),
    };
    let plan = Plan {
        event,
        active_days: recipe.active_days,
        horizon_days: recipe.horizon_days,
        rule: recipe.snapshots,
        label,
    };
    train(&plan, reader, around, |data, run| {
        let estimator = PropensityEstimator {
            algorithm: recipe.algorithm,
            columns: columns(recipe.columns.as_deref()).into_iter().map(|c| c.name).collect(),
            max_depth: recipe.max_depth,
            min_leaf: recipe.min_leaf,
            min_gain: recipe.min_gain,
        };
        Ok(FittedModel::Propensity(estimator.fit(data, run)?))
    })
}

/// What both kinds are trained by.
struct Plan {
    event: Event,
    active_days: u32,
    horizon_days: u32,
    rule: SnapshotRule,
    label: LabelWindow,
}

/// The rows by what they are used for.
struct Split {
    data: SupervisedData,
    holdout: Dataset,
    dated: Vec<DatedRows>,
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
    let champion = champion_on_holdout(plan, &timeline, &split.holdout, reader, around)?;
    let evaluation = evaluate(&model, &split, &timeline, champion.as_ref())?;
    let gate = gate(&model, &evaluation.metrics, champion.as_ref());
    let made = Made {
        golden: golden_rows(&split.holdout.features),
        converged: converged(&model),
        metrics: evaluation.metrics.clone(),
        model,
        evaluation: Evaluation::Probability(evaluation),
        gate,
        label: Some(plan.label.clone()),
        schema: Some(schema),
        train_snapshots: timeline.fit.clone(),
        calibration_snapshots: timeline.calibration.into_iter().collect(),
        holdout: Some(timeline.holdout),
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
    let dated = collect(reader, &features, &row_plan, run)?;
    if let Some(empty) = dated.iter().find(|rows| rows.target.is_empty()) {
        return Err(TrainingError::NoPopulation {
            active_days: plan.active_days,
            as_of: empty.as_of.to_string(),
        });
    }
    let (earlier, holdout) = dated.split_at(dated.len() - 1);
    let (fit, calibration) = earlier.split_at(timeline.fit.len());
    let columns = features.columns();
    Ok(Split {
        data: SupervisedData {
            train: dataset(fit, columns)?,
            calibration: dataset(calibration, columns)?,
        },
        holdout: dataset(holdout, columns)?,
        dated,
    })
}

/// The champion's metrics on the hold-out of the new version; why there are none otherwise.
struct Champion {
    version: u64,
    outcome: Result<BTreeMap<String, f64>, String>,
}

fn champion_on_holdout(
    plan: &Plan,
    timeline: &Timeline,
    holdout: &Dataset,
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
            let dated = collect(reader, &features, &row_plan, around.run)?;
            let rows = dataset(&dated, features.columns())?;
            let predicted = probabilities(&champion.model, &rows.features)?;
            Ok(probability_metrics(&holdout.target, &predicted))
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

fn evaluate(
    model: &FittedModel,
    split: &Split,
    timeline: &Timeline,
    champion: Option<&Champion>,
) -> Result<ProbabilityEvaluation, TrainingError> {
    let holdout = &split.holdout;
    let predicted = probabilities(model, &holdout.features)?;
    let mut others =
        vec![("base_rate", base_rate_baseline(split)), ("recency", recency_baseline(split))];
    if let Some(Ok(metrics)) = champion.map(|champion| &champion.outcome) {
        others.push(("champion", metrics.clone()));
    }
    let mut metrics = with_references(probability_metrics(&holdout.target, &predicted), &others);
    let (reliability, gains) = curves(&holdout.target, &predicted);
    if let Some(top) = gains.first() {
        let lift = Metric {
            value: top.cumulative_lift,
            higher_is_better: true,
            references: BTreeMap::from([("base_rate".to_owned(), 1.0)]),
        };
        metrics.insert("lift_top_decile".to_owned(), lift);
    }
    let (calibration, importance, rules) = account(model);
    Ok(ProbabilityEvaluation {
        holdout: timeline.holdout,
        rows: holdout.target.len(),
        positives: holdout.positives(),
        calibration,
        metrics,
        reliability,
        gains,
        snapshots: snapshots(model, &split.dated, timeline)?,
        importance,
        rules,
    })
}

/// Everybody has the event rate of the training rows.
fn base_rate_baseline(split: &Split) -> BTreeMap<String, f64> {
    let rate = split.data.train.base_rate();
    probability_metrics(&split.holdout.target, &vec![rate; split.holdout.target.len()])
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
    model: &FittedModel,
    dated: &[DatedRows],
    timeline: &Timeline,
) -> Result<Vec<SnapshotEvaluation>, TrainingError> {
    let evaluate = |rows: &DatedRows| {
        let predicted = probabilities(model, &rows.features)?;
        let count = rows.target.len().max(1) as f64;
        let role = if rows.as_of == timeline.holdout {
            "holdout"
        } else if Some(rows.as_of) == timeline.calibration {
            "calibration"
        } else {
            "fit"
        };
        Ok(SnapshotEvaluation {
            as_of: rows.as_of,
            role: role.to_owned(),
            rows: rows.target.len(),
            event_rate: rows.target.iter().filter(|event| **event).count() as f64 / count,
            roc_auc: roc_auc(&predicted, &rows.target),
            mean_predicted: predicted.iter().sum::<f64>() / count,
        })
    };
    dated.iter().map(evaluate).collect()
}

/// Passed when it converged, ranks better than recency alone, is surer than the base rate, and is
/// not worse than the champion.
fn gate(
    model: &FittedModel,
    metrics: &BTreeMap<String, Metric>,
    champion: Option<&Champion>,
) -> Gate {
    let refuse = |reason: String| Gate { passed: false, reason };
    if !converged(model) {
        return refuse("the solver did not converge; raise max_iterations or l2".to_owned());
    }
    for (name, baseline) in [("roc_auc", "recency"), ("log_loss", "base_rate")] {
        if let Some(reason) = lost(metrics, name, baseline) {
            return refuse(reason);
        }
    }
    match champion {
        None => Gate {
            passed: true,
            reason: "beats its baselines; there is no champion yet".to_owned(),
        },
        Some(Champion { version, outcome: Err(reason) }) => {
            refuse(format!("cannot be compared with champion {version}: {reason}"))
        }
        Some(Champion { version, outcome: Ok(_) }) => match lost(metrics, "log_loss", "champion") {
            Some(reason) => refuse(reason),
            None => Gate {
                passed: true,
                reason: format!("beats its baselines and does not lose to champion {version}"),
            },
        },
    }
}

/// Why a metric is worse than a reference, if it is.
fn lost(metrics: &BTreeMap<String, Metric>, name: &str, reference: &str) -> Option<String> {
    let metric = metrics.get(name)?;
    let other = *metric.references.get(reference)?;
    let worse = if metric.higher_is_better { metric.value < other } else { metric.value > other };
    let value = metric.value;
    worse.then(|| {
        format!("{name} {value:.4} is worse than {other:.4} of {reference} on the hold-out")
    })
}

fn converged(model: &FittedModel) -> bool {
    match model {
        FittedModel::Churn(model) => model.converged(),
        _ => true,
    }
}

/// Calibrated probabilities of the event.
pub(super) fn probabilities(
    model: &FittedModel,
    features: &FeatureMatrix,
) -> Result<Vec<f64>, PredictError> {
    let answers = match model {
        FittedModel::Churn(model) => model.predict(features)?,
        FittedModel::Propensity(model) => model.predict(features)?,
        _ => Vec::new(),
    };
    Ok(answers.into_iter().map(|answer| answer.probability).collect())
}

fn account(model: &FittedModel) -> (String, Vec<(String, f64)>, Vec<Rule>) {
    match model {
        FittedModel::Churn(model) => {
            (describe(model.calibration()), model.importance(), Vec::new())
        }
        FittedModel::Propensity(model) => {
            (describe(model.calibration()), model.importance(), model.rules())
        }
        _ => (String::new(), Vec::new(), Vec::new()),
    }
}

fn describe(calibration: &Calibration) -> String {
    match calibration {
        Calibration::Identity => "none: too few rows in a later period".to_owned(),
        Calibration::Platt(Platt { a, b }) => format!("platt, a {a:.4}, b {b:.4}"),
    }
}

fn population(active_days: u32) -> String {
    format!("customers with a purchase in the last {active_days} days")
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
