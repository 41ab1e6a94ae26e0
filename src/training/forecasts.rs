//! Forecasts: panel, backtest on the last periods, fit on all; or new periods for the champion.

mod source;

use std::collections::BTreeMap;

use crate::dataset::{Panel, SeriesKey};
use crate::model::{
    Estimator, FitError, FittedModel, ForecastAlgorithm, ForecastEstimator, ForecastModel,
    GoldenInputs, PlannedPeriod,
};
use crate::repository::{Gate, Metric, Version};

use super::TrainingError;
use super::backtests::{Held, mean};
use super::evaluation::{Evaluation, ForecastEvaluation, SeriesEvaluation};
use super::panel::Wanted;
use super::recipe::{ForecastRecipe, Recipe, SeriesTableRecipe};
use super::run::{Made, Surroundings};

pub(super) use self::source::Source;

/// Series whose answers are replayed when the version is loaded.
const GOLDEN_SERIES: usize = 16;

/// Fits every series of the recipe, or lets the champion take in new periods.
pub(super) fn make(
    recipe: &ForecastRecipe,
    source: Source<'_, '_>,
    around: &Surroundings<'_>,
    update: bool,
) -> Result<Made, TrainingError> {
    if update { self::update(recipe, source, around) } else { fit(recipe, source, around) }
}

fn fit(
    recipe: &ForecastRecipe,
    mut source: Source<'_, '_>,
    around: &Surroundings<'_>,
) -> Result<Made, TrainingError> {
    let panel = source.panel(recipe, Wanted::Largest, around)?;
    let first_period = panel.end_period() - recipe.horizon as i32;
    // What customers do in the held-out periods must not decide in which segment they are there.
    let judged_on = source.panel_before(first_period, recipe, around)?;
    let judged_on = judged_on.as_ref().unwrap_or(&panel);
    let held_out = |recipe: &ForecastRecipe, panel: &Panel| {
        Held::out(&estimator(recipe), panel, recipe.horizon, around.run)
    };
    let own = held_out(recipe, judged_on)?;
    let naive = held_out(&seasonal_naive(recipe), judged_on)?;
    let champion = match champion_recipe(recipe, around) {
        Some(champion) => source
            .panel_of_champion((recipe, judged_on), &champion, first_period, around)?
            .map(|panel| held_out(&champion, &panel))
            .transpose()?,
        None => None,
    };
    let model = estimator(recipe).fit(&panel, around.run)?;
    let judged = Judged { own, naive, champion, first_period, updated_from: None };
    let gate = judged.gate();
    let segments = source.segments();
    Ok(Made { segments, ..judged.made(recipe, model, gate, around) })
}

/// Lets the champion take in the periods that closed since it was made. What it forecast of them is
/// its evaluation.
fn update(
    recipe: &ForecastRecipe,
    mut source: Source<'_, '_>,
    around: &Surroundings<'_>,
) -> Result<Made, TrainingError> {
    let Some(champion) = around.champion else { return Err(TrainingError::NoUpdate) };
    let FittedModel::Forecast(model) = &champion.model else {
        return Err(TrainingError::NoUpdate);
    };
    let keys: Vec<SeriesKey> = model.keys().into_iter().cloned().collect();
    let panel = source.panel(recipe, Wanted::Known(&keys), around)?;
    let updated = model.updated(&panel)?;
    let closed = usize::try_from(panel.end_period() - model.end_period()).unwrap_or_default();
    let horizon = closed.min(model.horizon());
    // Both are judged on the series that the champion knows.
    let seen = panel.without_last(closed - horizon).only(&keys);
    let naive = ForecastRecipe { horizon, ..seasonal_naive(recipe) };
    let judged = Judged {
        own: Held::of(&foreseeing(model, &seen, horizon)?, &seen, horizon)?,
        naive: Held::out(&estimator(&naive), &seen, horizon, around.run)?,
        champion: None,
        first_period: model.end_period(),
        updated_from: Some(champion.manifest.version),
    };
    let Gate { passed, reason } = judged.gate();
    let reason = format!("{closed} periods were taken in; on the first {horizon}: {reason}");
    let segments = source.segments();
    Ok(Made { segments, ..judged.made(recipe, updated, Gate { passed, reason }, around) })
}

/// The model under the promotions, prices and events that took place in the last `horizon` periods, as
/// if they had been planned.
fn foreseeing(
    model: &ForecastModel,
    seen: &Panel,
    horizon: usize,
) -> Result<ForecastModel, TrainingError> {
    let first = seen.end_period() - horizon as i32;
    let mut plan = Vec::new();
    for (index, series) in seen.series().iter().enumerate() {
        for period in first.max(series.first_period)..seen.end_period() {
            let place = (period - series.first_period) as usize;
            let columns = seen.regressors().iter().zip(seen.known(index));
            let values: Vec<(String, f64)> = columns
                .filter_map(|(column, known)| Some((column.name.clone(), *known.get(place)?)))
                .collect();
            if !values.is_empty() {
                plan.push(PlannedPeriod { key: series.key.clone(), period, values });
            }
        }
    }
    if plan.is_empty() {
        return Ok(model.clone());
    }
    model.planned(&plan).map_err(|problem| {
        let message = problem.to_string();
        FitError::Algorithm { algorithm: "forecast", message }.into()
    })
}

fn estimator(recipe: &ForecastRecipe) -> ForecastEstimator {
    ForecastEstimator {
        algorithm: recipe.algorithm,
        horizon: recipe.horizon,
        season_length: recipe.season_length,
        non_negative: recipe.non_negative(),
        coherence: recipe.coherence(),
        groups: recipe.series.iter().map(|choice| choice.group.clone()).collect(),
        regressors: recipe.takes_regressors(),
        boosting: recipe.boosting,
    }
}

/// The recipe of the baseline, which knows nothing in advance.
fn seasonal_naive(recipe: &ForecastRecipe) -> ForecastRecipe {
    let table = recipe.table.clone();
    ForecastRecipe {
        algorithm: ForecastAlgorithm::SeasonalNaive,
        regressors: Vec::new(),
        events: Vec::new(),
        events_file: None,
        table: table.map(|table| SeriesTableRecipe { regressors: Vec::new(), ..table }),
        ..recipe.clone()
    }
}

/// The champion's recipe when it forecasts the same thing, so that it can be judged on the same
/// periods: the champion itself has seen them.
fn champion_recipe(recipe: &ForecastRecipe, around: &Surroundings<'_>) -> Option<ForecastRecipe> {
    match Recipe::parse(&around.champion?.manifest.recipe).ok()? {
        Recipe::Forecast(other)
            if other.frequency == recipe.frequency && other.measure() == recipe.measure() =>
        {
            Some(ForecastRecipe { horizon: recipe.horizon, ..other })
        }
        _ => None,
    }
}

/// A model's forecasts of the held-out periods beside those of others.
struct Judged {
    own: Held,
    naive: Held,
    champion: Option<Held>,
    first_period: i32,
    updated_from: Option<Version>,
}

impl Judged {
    fn metrics(&self) -> BTreeMap<String, Metric> {
        type Read = fn(&SeriesEvaluation) -> Option<f64>;
        let columns: [(&str, Read); 4] = [
            ("mase", |series| series.mase),
            ("smape", |series| series.smape),
            ("coverage_80", |series| series.coverage_80),
            ("coverage_95", |series| series.coverage_95),
        ];
        let mut metrics = BTreeMap::new();
        for (name, read) in columns {
            let of = |held: &Held| mean(held.series.iter().filter_map(read));
            let Some(value) = of(&self.own) else {
                continue;
            };
            let mut references = BTreeMap::new();
            references.extend(of(&self.naive).map(|value| ("seasonal_naive".to_owned(), value)));
            let champion = self.champion.as_ref().and_then(of);
            references.extend(champion.map(|value| ("champion".to_owned(), value)));
            let higher_is_better = name.starts_with("coverage");
            metrics.insert(name.to_owned(), Metric { value, higher_is_better, references });
        }
        metrics
    }

    fn gate(&self) -> Gate {
        if self.own.series.is_empty() {
            let reason =
                "no series is long enough to hold out the horizon; import more history".to_owned();
            return Gate { passed: false, reason };
        }
        let metrics = self.metrics();
        let Some(mase) = metrics.get("mase") else {
            let reason = "every series is constant: there is no error to compare".to_owned();
            return Gate { passed: true, reason };
        };
        let value = mase.value;
        for reference in ["seasonal_naive", "champion"] {
            if let Some(other) = mase.references.get(reference).filter(|other| value > **other) {
                let reason = format!(
                    "mase {value:.3} is worse than {other:.3} of {reference} on the last periods"
                );
                return Gate { passed: false, reason };
            }
        }
        let against = match (&self.champion, self.updated_from) {
            (Some(_), _) => "does not lose to seasonal naive nor to the champion",
            (None, Some(_)) => "does not lose to seasonal naive",
            (None, None) => "does not lose to seasonal naive; there is no champion to compare",
        };
        Gate { passed: true, reason: against.to_owned() }
    }

    fn made(
        self,
        recipe: &ForecastRecipe,
        model: ForecastModel,
        gate: Gate,
        around: &Surroundings<'_>,
    ) -> Made {
        let metrics = self.metrics();
        let evaluation = ForecastEvaluation {
            horizon: self.own.steps.len(),
            evaluated: self.own.series.len(),
            metrics: metrics.clone(),
            series: self.own.series,
            steps: self.own.steps,
            examples: self.own.examples,
        };
        Made {
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
            segments: None,
            train_snapshots: vec![around.as_of],
            calibration_snapshots: Vec::new(),
            holdout: Some(recipe.frequency.start_of(self.first_period, around.clock)),
            updated_from: self.updated_from,
        }
    }
}

fn golden(model: &ForecastModel) -> GoldenInputs {
    GoldenInputs {
        series: model.keys().into_iter().take(GOLDEN_SERIES).cloned().collect(),
        ..GoldenInputs::default()
    }
}
