//! Forecasts: series that are not there are told of, the others are answered.

mod effects;
mod plan;
mod unknown;

use std::time::Instant;

use tonic::Status;

use crate::app::App;
use crate::dataset::{Frequency, SeriesKey};
use crate::model::{
    FittedModel, ForecastModel, ForecastQuery, Interval, IntervalSource, Model, ModelKind,
    SeriesForecast,
};
use crate::serving::{ServingError, Way};
use crate::training::{Measure, Recipe};
use crate::transaction::ShopClock;

use super::answer::served_by;
use super::work::{Load, Work};
use crate::grpc::convert::{
    MOST_ROWS, model_name, selector, series_key, wire_series_key, wire_time,
};
use crate::grpc::proto;
use crate::grpc::status::{from_serving, invalid, invalid_field, rpc_status};

const DEFAULT_LEVELS: [f64; 2] = [0.8, 0.95];
const MOST_LEVELS: usize = 10;
/// Most numbers of one answer: series x periods x levels.
const MOST_NUMBERS: usize = 100_000;
const MOST_SUMS: usize = 1_000;

/// What a request will cost, before it is answered.
///
/// # Errors
/// When it names no model.
pub(super) fn load(app: &App, request: &proto::ForecastRequest) -> Result<Load, Status> {
    let name = model_name(&request.model, ModelKind::Forecast)?;
    let served = app.catalog().at_hand(&name, &selector(request.selector.clone())?);
    let summed: usize = request.sums.iter().map(|sum| sum.series.len()).sum();
    let named = request.series.len().saturating_add(summed).min(MOST_ROWS);
    let moves_all = !request.plan.is_empty();
    let all = match served.as_ref().map(|served| served.model()) {
        _ if !request.series.is_empty() && !moves_all => 0,
        Some(FittedModel::Forecast(fitted)) => fitted.keys().len(),
        _ => MOST_ROWS,
    };
    let way = Way { reads_histories: false, explains: moves_all || request.include_effects };
    Ok(Load { rows: named.max(all), way, served })
}

/// Answers one forecast request.
pub(super) fn answer(
    work: &Work,
    request: proto::ForecastRequest,
) -> Result<proto::ForecastResponse, Status> {
    let (app, begun) = (&work.app, Instant::now());
    let proto::ForecastRequest {
        model,
        selector: wire_selector,
        series,
        horizon,
        levels,
        include_components: components,
        sums,
        include_effects: effects,
        plan: planned,
    } = request;
    let name = model_name(&model, ModelKind::Forecast)?;
    let selector = selector(wire_selector)?;
    let fail = |error: ServingError| from_serving(&error);
    let served = app.predictor().resolve(ModelKind::Forecast, &name, &selector).map_err(fail)?;
    let FittedModel::Forecast(fitted) = served.model() else {
        return Err(invalid("WRONG_MODEL_KIND", "model", "expected a forecast model"));
    };
    let mut inference = served.statistics().begin(begun);
    let levels = check_levels(levels)?;
    let horizon = horizon.map_or(fitted.horizon(), |horizon| horizon as usize);
    let known: Vec<SeriesKey> = fitted.keys().into_iter().cloned().collect();
    let asked: Vec<SeriesKey> = match series.len() {
        0 => known.clone(),
        rows if rows > MOST_ROWS => {
            let problem = format!("expected at most {MOST_ROWS}, found {rows}");
            return Err(invalid("TOO_MANY_ROWS", "series", problem));
        }
        _ => series.into_iter().map(series_key).collect(),
    };
    let summed: usize = sums.iter().map(|sum| sum.series.len()).sum();
    let asked_for = asked.len().saturating_add(summed);
    check_size(asked_for, horizon, levels.len())?;
    // A plan moves every series: groups and total have to agree.
    let moved = if planned.is_empty() { 0 } else { known.len() };
    work.caller.charge(asked_for.saturating_add(moved))?;
    work.limit().check().map_err(fail)?;
    let under_plan = plan::apply(fitted, &known, planned)?;
    let fitted = under_plan.as_ref().unwrap_or(fitted);
    work.limit().check().map_err(fail)?;
    let sums = sum_up((fitted, &known), sums, horizon, &levels)?;
    let (found, errors) = split_known(&asked, &known);
    inference.input_done();
    let answered = if found.is_empty() {
        Vec::new()
    } else {
        // The version that was resolved answers, whatever the alias means by now.
        let query = ForecastQuery { series: found, horizon, levels, components, effects };
        let answered = fitted.predict(&query);
        answered.map_err(|error| fail(error.into()))?
    };
    inference.infer_done();
    inference.succeed(answered.len());
    work.answered(&served, answered.len(), begun);
    let clock = app.store().clock();
    let starts = fitted.frequency();
    let manifest = served.manifest();
    let seen = starts.start_of(fitted.end_period(), clock);
    let newest_line = app.predictor().newest_line().map_err(fail)?;
    Ok(proto::ForecastResponse {
        served_by: Some(served_by(manifest, Some(seen), newest_line, work.caller.request_id())),
        period_starts: period_starts(starts, fitted.end_period(), horizon, clock),
        series: in_order(&asked, &answered),
        errors,
        frequency: wire_frequency(starts) as i32,
        measure: measure(&manifest.recipe).as_str().to_owned(),
        currency: if measure(&manifest.recipe).is_money() {
            app.config().currency.clone()
        } else {
            String::new()
        },
        sums,
    })
}

/// Answers the sums, after checking that every series is there and named once.
fn sum_up(
    (fitted, known): (&ForecastModel, &[SeriesKey]),
    sums: Vec<proto::SeriesSum>,
    horizon: usize,
    levels: &[f64],
) -> Result<Vec<proto::SumForecast>, Status> {
    if sums.is_empty() {
        return Ok(Vec::new());
    }
    let series: usize = sums.iter().map(|sum| sum.series.len()).sum();
    if sums.len() > MOST_SUMS || series > MOST_ROWS {
        let found = sums.len();
        let problem = format!(
            "expected at most {MOST_SUMS} sums of {MOST_ROWS} series together, found {found} of {series}"
        );
        return Err(invalid("TOO_MANY_ROWS", "sums", problem));
    }
    let mut groups = Vec::with_capacity(sums.len());
    for (nth, proto::SeriesSum { series }) in sums.into_iter().enumerate() {
        let keys: Vec<SeriesKey> = series.into_iter().map(series_key).collect();
        let field = format!("sums[{nth}].series");
        if keys.is_empty() {
            return Err(invalid_field(field, "expected at least one series, found none"));
        }
        let mut sorted: Vec<&SeriesKey> = keys.iter().collect();
        sorted.sort();
        if let Some([twice, _]) = sorted.array_windows().find(|[one, next]| one == next) {
            return Err(invalid_field(
                field,
                format!("expected each series once, found {twice} twice"),
            ));
        }
        if let Some(unknown) = keys.iter().find(|key| known.binary_search(key).is_err()) {
            return Err(unknown::series(&field, unknown, known));
        }
        groups.push(keys);
    }
    let answered = fitted.sums(&groups, horizon, levels);
    let answered = answered.map_err(|error| from_serving(&error.into()))?;
    let wire = |sum: &crate::model::SumForecast| proto::SumForecast {
        mean: sum.mean.clone(),
        intervals: sum.intervals.iter().map(wire_interval).collect(),
    };
    Ok(answered.iter().map(wire).collect())
}

/// Coverages in ascending order, each once.
fn check_levels(mut levels: Vec<f64>) -> Result<Vec<f64>, Status> {
    if levels.is_empty() {
        return Ok(DEFAULT_LEVELS.to_vec());
    }
    if levels.len() > MOST_LEVELS {
        let problem = format!("expected at most {MOST_LEVELS}, found {}", levels.len());
        return Err(invalid_field("levels", problem));
    }
    if let Some(wrong) = levels.iter().find(|level| !(**level > 0.0 && **level < 1.0)) {
        let problem = format!("expected numbers above 0 and below 1, found {wrong}");
        return Err(invalid_field("levels", problem));
    }
    levels.sort_by(f64::total_cmp);
    if levels.array_windows().any(|[one, next]| one == next) {
        return Err(invalid_field("levels", "expected each level once, found one twice"));
    }
    Ok(levels)
}

fn check_size(series: usize, horizon: usize, levels: usize) -> Result<(), Status> {
    let numbers = series.saturating_mul(horizon).saturating_mul(levels.max(1));
    if numbers <= MOST_NUMBERS {
        return Ok(());
    }
    let problem = format!(
        "expected series x horizon x levels up to {MOST_NUMBERS}, found {numbers}; ask for fewer series or use the stream"
    );
    Err(invalid("TOO_MANY_ROWS", "series", problem))
}

fn split_known(asked: &[SeriesKey], known: &[SeriesKey]) -> (Vec<SeriesKey>, Vec<proto::RowError>) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for (row, key) in asked.iter().enumerate() {
        if known.binary_search(key).is_ok() {
            found.push(key.clone());
            continue;
        }
        let status = unknown::series(&format!("series[{row}]"), key, known);
        errors.push(proto::RowError { row: row as u32, status: Some(rpc_status(&status)) });
    }
    (found, errors)
}

/// One entry per series of the request; a refused one has its key only.
fn in_order(asked: &[SeriesKey], answered: &[SeriesForecast]) -> Vec<proto::SeriesForecast> {
    let mut answered = answered.iter().peekable();
    let one = |key: &SeriesKey| match answered.next_if(|forecast| forecast.key == *key) {
        Some(forecast) => wire_series(forecast),
        None => proto::SeriesForecast {
            key: Some(wire_series_key(key)),
            ..proto::SeriesForecast::default()
        },
    };
    asked.iter().map(one).collect()
}

fn period_starts(
    frequency: Frequency,
    first: i32,
    horizon: usize,
    clock: &ShopClock,
) -> Vec<prost_types::Timestamp> {
    let start = |step: usize| wire_time(frequency.start_of(first + step as i32, clock));
    (0..horizon).map(start).collect()
}

fn wire_interval(interval: &Interval) -> proto::ForecastInterval {
    proto::ForecastInterval {
        level: interval.level,
        lower: interval.lower.clone(),
        upper: interval.upper.clone(),
        source: match interval.source {
            IntervalSource::Formula => proto::IntervalSource::Formula,
            _ => proto::IntervalSource::Conformal,
        } as i32,
        backtest_coverage: interval.backtest_coverage,
    }
}

fn wire_series(forecast: &SeriesForecast) -> proto::SeriesForecast {
    let components = forecast.components.as_ref().map(|parts| proto::ForecastComponents {
        level: parts.level.clone(),
        trend: parts.trend.clone(),
        seasonal: parts.seasonal.clone(),
        adjustment: parts.adjustment.clone(),
        regressors: parts.regressors.clone(),
    });
    let weight = |one: &crate::model::MemberWeight| proto::MethodWeight {
        method: one.member.clone(),
        weight: one.weight,
    };
    proto::SeriesForecast {
        key: Some(wire_series_key(&forecast.key)),
        mean: forecast.mean.clone(),
        intervals: forecast.intervals.iter().map(wire_interval).collect(),
        weights: forecast.weights.iter().map(weight).collect(),
        method: forecast.method.algorithm.to_string(),
        fallback_reason: forecast.method.fallback.clone().unwrap_or_default(),
        backtest_mase: forecast.backtest_mase,
        components,
        effects: forecast.effects.iter().map(effects::wire).collect(),
    }
}

fn wire_frequency(frequency: Frequency) -> proto::Frequency {
    match frequency {
        Frequency::Daily => proto::Frequency::Daily,
        Frequency::Weekly => proto::Frequency::Weekly,
        Frequency::Monthly => proto::Frequency::Monthly,
    }
}

/// What a forecast is the sum of; its recipe was checked when it was trained.
fn measure(recipe: &str) -> Measure {
    match Recipe::parse(recipe) {
        Ok(Recipe::Forecast(recipe)) => recipe.measure(),
        _ => Measure::Sales,
    }
}
