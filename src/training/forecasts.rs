//! Forecasts: panel, backtest on the last periods, fit on all.

use std::collections::BTreeMap;

use crate::dataset::Panel;
use crate::metrics::{coverage, mase, smape};
use crate::model::{
    Estimator, FitRun, FittedModel, ForecastAlgorithm, ForecastEstimator, ForecastModel,
    ForecastQuery, GoldenInputs, Model, SeriesForecast,
};
use crate::repository::{Gate, Metric};
use crate::store::Reader;

use super::TrainingError;
use super::evaluation::{Evaluation, ForecastEvaluation, SeriesEvaluation};
use super::panel;
use super::recipe::{ForecastRecipe, Measure, Recipe};
use super::run::{Made, Surroundings};

/// Series whose answers are replayed when the version is loaded.
const GOLDEN_SERIES: usize = 16;

/// Fits every series of the recipe.
pub(super) fn forecast(
    recipe: &ForecastRecipe,
    reader: &mut Reader<'_>,
    around: &Surroundings<'_>,
) -> Result<Made, TrainingError> {
    let panel = panel::build(reader, recipe, around.clock, around.as_of, around.run)?;
    let own = backtest(&estimator(recipe), &panel, recipe, around.run)?;
    let naive =
        ForecastEstimator { algorithm: ForecastAlgorithm::SeasonalNaive, ..estimator(recipe) };
    let naive = backtest(&naive, &panel, recipe, around.run)?;
    let champion = champion_recipe(recipe, around);
    let champion = match &champion {
        Some(other) => Some(backtest(&estimator(other), &panel, recipe, around.run)?),
        None => None,
    };
    let model = estimator(recipe).fit(&panel, around.run)?;
    let metrics = metrics(&own, &naive, champion.as_deref());
    let gate = gate(&metrics, own.is_empty());
    let evaluation = ForecastEvaluation {
        horizon: recipe.horizon,
        evaluated: own.len(),
        metrics: metrics.clone(),
        series: own,
    };
    Ok(Made {
        golden: golden(&model),
        converged: true,
        model: FittedModel::Forecast(model),
        metrics,
        evaluation: Evaluation::Forecast(evaluation),
        gate,
        label: None,
        schema: None,
        input: None,
        attributes_digest: None,
        train_snapshots: vec![around.as_of],
        calibration_snapshots: Vec::new(),
        holdout: Some(
            recipe.frequency.start_of(panel.end_period() - recipe.horizon as i32, around.clock),
        ),
    })
}

fn estimator(recipe: &ForecastRecipe) -> ForecastEstimator {
    ForecastEstimator {
        algorithm: recipe.algorithm,
        horizon: recipe.horizon,
        season_length: recipe.season_length,
        non_negative: recipe.measure != Measure::Margin,
    }
}

/// Forecasts the last periods from the periods before. Series without a past are left out.
fn backtest(
    estimator: &ForecastEstimator,
    panel: &Panel,
    recipe: &ForecastRecipe,
    run: &FitRun<'_>,
) -> Result<Vec<SeriesEvaluation>, TrainingError> {
    let past = panel.without_last(recipe.horizon);
    if past.series().is_empty() {
        return Ok(Vec::new());
    }
    let model = estimator.fit(&past, run)?;
    let query =
        ForecastQuery { series: Vec::new(), horizon: recipe.horizon, levels: vec![0.8, 0.95] };
    let answers = model.predict(&query)?;
    let season = recipe.season_length.unwrap_or(recipe.frequency.season_length());
    Ok(answers.iter().filter_map(|answer| judge(answer, panel, season)).collect())
}

fn judge(answer: &SeriesForecast, panel: &Panel, season: usize) -> Option<SeriesEvaluation> {
    let values = &panel.find(&answer.key)?.values;
    let (train, actual) = values.split_at_checked(values.len().checked_sub(answer.mean.len())?)?;
    let covered = |level: f64| {
        let interval = answer.intervals.iter().find(|interval| interval.level == level)?;
        coverage(actual, &interval.lower, &interval.upper)
    };
    // A season longer than the past has no seasonal error to scale by: use the step before.
    let scale = if train.len() > season { season } else { 1 };
    Some(SeriesEvaluation {
        key: answer.key.clone(),
        method: describe(answer),
        mase: mase(train, actual, &answer.mean, scale),
        smape: smape(actual, &answer.mean),
        coverage_80: covered(0.8),
        coverage_95: covered(0.95),
    })
}

fn describe(answer: &SeriesForecast) -> String {
    let algorithm = serde_json::to_value(answer.method.algorithm).unwrap_or_default();
    let algorithm = algorithm.as_str().unwrap_or_default().to_owned();
    match &answer.method.fallback {
        Some(reason) => format!("{algorithm}: {reason}"),
        None => algorithm,
    }
}

/// The champion's recipe when it forecasts the same thing, so that it can be judged on the same
/// periods: the champion itself has seen them.
fn champion_recipe(recipe: &ForecastRecipe, around: &Surroundings<'_>) -> Option<ForecastRecipe> {
    match Recipe::parse(&around.champion?.manifest.recipe).ok()? {
        Recipe::Forecast(other)
            if other.frequency == recipe.frequency && other.measure == recipe.measure =>
        {
            Some(ForecastRecipe { horizon: recipe.horizon, ..other })
        }
        _ => None,
    }
}

fn metrics(
    own: &[SeriesEvaluation],
    naive: &[SeriesEvaluation],
    champion: Option<&[SeriesEvaluation]>,
) -> BTreeMap<String, Metric> {
    type Read = fn(&SeriesEvaluation) -> Option<f64>;
    let columns: [(&str, Read); 4] = [
        ("mase", |series| series.mase),
        ("smape", |series| series.smape),
        ("coverage_80", |series| series.coverage_80),
        ("coverage_95", |series| series.coverage_95),
    ];
    let mut metrics = BTreeMap::new();
    for (name, read) in columns {
        let Some(value) = mean(own, read) else {
            continue;
        };
        let mut references = BTreeMap::new();
        references.extend(mean(naive, read).map(|value| ("seasonal_naive".to_owned(), value)));
        let champion = champion.and_then(|champion| mean(champion, read));
        references.extend(champion.map(|value| ("champion".to_owned(), value)));
        let higher_is_better = name.starts_with("coverage");
        metrics.insert(name.to_owned(), Metric { value, higher_is_better, references });
    }
    metrics
}

fn mean(series: &[SeriesEvaluation], read: fn(&SeriesEvaluation) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = series.iter().filter_map(read).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn gate(metrics: &BTreeMap<String, Metric>, nothing_evaluated: bool) -> Gate {
    if nothing_evaluated {
        let reason = "no series is long enough to hold out the horizon; import more history";
        return Gate { passed: false, reason: reason.to_owned() };
    }
    let Some(mase) = metrics.get("mase") else {
        let reason = "every series is constant: there is no error to compare";
        return Gate { passed: true, reason: reason.to_owned() };
    };
    for reference in ["seasonal_naive", "champion"] {
        if let Some(other) = mase.references.get(reference).filter(|other| mase.value > **other) {
            let value = mase.value;
            let reason = format!(
                "mase {value:.3} is worse than {other:.3} of {reference} on the last periods"
            );
            return Gate { passed: false, reason };
        }
    }
    let against = if mase.references.contains_key("champion") {
        "does not lose to seasonal naive nor to the champion"
    } else {
        "does not lose to seasonal naive; there is no champion to compare"
    };
    Gate { passed: true, reason: against.to_owned() }
}

fn golden(model: &ForecastModel) -> GoldenInputs {
    GoldenInputs {
        series: model.keys().into_iter().take(GOLDEN_SERIES).cloned().collect(),
        ..GoldenInputs::default()
    }
}
