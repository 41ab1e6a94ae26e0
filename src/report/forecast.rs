//! Forecasts: what is to come, and how good the same was on periods that are known.

mod curves;
mod effects;

use super::figure::{Caption, Colour, Figure, Key, Shape};
use super::page::{Section, Table};
use super::words::{period, period_noun, plain};
use super::{ReportError, Subject};
use crate::dataset::{Frequency, SeriesKey};
use crate::model::{FittedModel, ForecastModel, ForecastQuery, Model as _, SeriesForecast};
use crate::readable::{figure, metric, percent};
use crate::training::{ForecastEvaluation, Measure, Recipe, SeriesExample, StepEvaluation};

#[cfg(test)]
pub(super) use self::curves::{ahead_plot, steps_plot};

/// Series that are drawn where the evaluation names none.
const DRAWN: usize = 6;

/// The future of some series, and the backtest.
pub(super) fn sections(
    subject: &Subject,
    evaluation: &ForecastEvaluation,
) -> Result<Vec<Section>, ReportError> {
    Ok(vec![ahead(subject, evaluation)?, backtest(subject, evaluation)?])
}

/// Length of a period, where the recipe tells it.
fn frequency(subject: &Subject) -> Option<Frequency> {
    match &subject.recipe {
        Some(Recipe::Forecast(recipe)) => Some(recipe.frequency),
        _ => None,
    }
}

/// What is forecast, with its unit.
fn measure(subject: &Subject) -> String {
    match &subject.recipe {
        Some(Recipe::Forecast(recipe)) => match recipe.measure() {
            Measure::Sales => format!("sales in {}", subject.currency),
            Measure::Units => "units sold".to_owned(),
            Measure::Margin => format!("margin in {}", subject.currency),
            Measure::Orders => "orders".to_owned(),
            Measure::Customers => "customers with a purchase".to_owned(),
            Measure::Value => "value".to_owned(),
        },
        _ => "value".to_owned(),
    }
}

/// What is to come.
fn ahead(subject: &Subject, evaluation: &ForecastEvaluation) -> Result<Section, ReportError> {
    let mut section = Section::new("ahead", "What is to come");
    let model = match &subject.model {
        Ok(FittedModel::Forecast(model)) => model,
        Ok(_) => {
            section.note("The model file is not one of forecasts: there is nothing to draw.");
            return Ok(section);
        }
        Err(reason) => {
            section.note(format!("The forecasts cannot be drawn: {reason}"));
            return Ok(section);
        }
    };
    if evaluation.examples.is_empty() {
        section.note(
            "This version keeps no history of its series, so the forecast is drawn alone; a \
             version that is trained anew keeps it.",
        );
    }
    let answers = answers(model, evaluation);
    for (index, answer) in answers.iter().enumerate() {
        let example = evaluation.examples.iter().find(|one| one.key == answer.key);
        section.figure(future(subject, index, answer, example)?);
    }
    section.table(weights(&answers));
    if let Some(table) = effects::table(&answers) {
        section.text(
            "Percent is the change while a promotion or an event runs, or when a price rises by one \
             percent. The baseline is what would have been sold without it in the periods it ran in \
             or the price was not the usual one.",
        );
        section.table(table);
    }
    Ok(section)
}

/// The forecasts of the series that are drawn.
fn answers(model: &ForecastModel, evaluation: &ForecastEvaluation) -> Vec<SeriesForecast> {
    let series: Vec<SeriesKey> = if evaluation.examples.is_empty() {
        let total = SeriesKey::total();
        let keys = model.keys();
        let first = keys.iter().filter(|key| ***key == total);
        let others = keys.iter().filter(|key| ***key != total);
        first.chain(others).take(DRAWN).map(|key| (*key).clone()).collect()
    } else {
        evaluation.examples.iter().map(|example| example.key.clone()).collect()
    };
    let known = series.into_iter().filter(|key| model.method(key).is_some()).collect();
    let query = ForecastQuery {
        series: known,
        horizon: model.horizon(),
        levels: vec![0.8, 0.95],
        effects: true,
        ..ForecastQuery::default()
    };
    if query.series.is_empty() { Vec::new() } else { model.predict(&query).unwrap_or_default() }
}

fn future(
    subject: &Subject,
    index: usize,
    answer: &SeriesForecast,
    example: Option<&SeriesExample>,
) -> Result<Figure, ReportError> {
    let frequency = frequency(subject);
    let noun = period_noun(frequency);
    let columns = [noun, ">expected", ">80 % from", ">to", ">95 % from", ">to"];
    let mut table = Table::new("Forecast", columns);
    for (step, mean) in answer.mean.iter().enumerate() {
        let bounds = answer
            .intervals
            .iter()
            .flat_map(|interval| [interval.lower.get(step), interval.upper.get(step)]);
        let bounds = bounds.map(|bound| bound.map_or_else(|| "-".to_owned(), |one| figure(*one)));
        let first = [period(answer.first_period + step as i32, frequency), figure(*mean)];
        table.row(first.into_iter().chain(bounds));
    }
    let total: f64 = answer.mean.iter().sum();
    let method = answer.method.algorithm.to_string();
    let fallback = answer.method.fallback.as_ref();
    let caption = Caption {
        id: format!("forecast-{index}"),
        title: format!("{}: {}", answer.key.title(), measure(subject)),
        description: format!(
            "{} {noun}s from {} on, {} in all; by {method}{}.",
            answer.mean.len(),
            period(answer.first_period, frequency),
            figure(total),
            fallback.map_or_else(String::new, |reason| format!(" ({reason})"))
        ),
        reading: "Black is what was sold. Blue is what is expected; in the dark band lie 8 of 10 \
                  outcomes, in the light one 19 of 20. Green is what would have been forecast for \
                  the last known periods without knowing them: see how far it is from black."
            .to_owned(),
    };
    let legend = vec![
        Key { shape: Shape::Line, colour: Colour::Ink, label: "sold" },
        Key { shape: Shape::Dashes, colour: Colour::Green, label: "forecast of known periods" },
        Key {
            shape: Shape::Line,
            colour: Colour::Blue,
            label: "forecast, with 80 % and 95 % intervals",
        },
    ];
    let plot = curves::ahead_plot(answer, example, frequency);
    Figure::new(caption, &plot, legend, Some(table))
}

/// Who forecasts each series, and with which weight.
fn weights(answers: &[SeriesForecast]) -> Table {
    let mut table = Table::new("Who forecasts", ["series", "method", "weights"]);
    for answer in answers {
        let mut sorted: Vec<_> = answer.weights.iter().filter(|one| one.weight > 0.0).collect();
        sorted.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let weights: Vec<String> = sorted
            .iter()
            .map(|one| format!("{} {}", plain(&one.member), percent(one.weight)))
            .collect();
        let weights = if weights.is_empty() { "-".to_owned() } else { weights.join(", ") };
        table.row([answer.key.title(), answer.method.algorithm.to_string(), weights]);
    }
    table
}

/// How good the same was on the last periods.
fn backtest(subject: &Subject, evaluation: &ForecastEvaluation) -> Result<Section, ReportError> {
    let noun = period_noun(frequency(subject));
    let mut section = Section::new("backtest", "How good it was on periods that are known");
    section.text(format!(
        "The last {} {noun}s were forecast without knowing them, for {} series, and compared with \
         what was sold.",
        evaluation.horizon, evaluation.evaluated
    ));
    if evaluation.steps.is_empty() {
        section.note(
            "This version keeps no figures by how far ahead a period was; a version that is \
             trained anew does.",
        );
    } else {
        section.figure(steps(&evaluation.steps, noun)?);
    }
    let columns = ["series", "method", ">MASE", ">sMAPE", ">within 80 %", ">within 95 %"];
    let mut table = Table::new("By series", columns);
    let share = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), percent);
    let option = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), metric);
    for one in &evaluation.series {
        table.row([
            one.key.title(),
            one.method.clone(),
            option(one.mase),
            option(one.smape),
            share(one.coverage_80),
            share(one.coverage_95),
        ]);
    }
    section.table(table);
    Ok(section)
}

fn steps(steps: &[StepEvaluation], noun: &'static str) -> Result<Figure, ReportError> {
    let name = format!(">{noun}s ahead");
    let columns = [name.as_str(), ">scaled error", ">within 80 %", ">within 95 %"];
    let mut table = Table::new("Backtest by how far ahead", columns);
    let share = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), percent);
    for step in steps {
        let error = step.mase.map_or_else(|| "-".to_owned(), metric);
        table.row([step.step.to_string(), error, share(step.coverage_80), share(step.coverage_95)]);
    }
    let ends = steps.first().zip(steps.last());
    let told = ends.and_then(|(first, last)| Some((first.mase?, last.mase?)));
    let caption = Caption {
        id: "steps".to_owned(),
        title: "Error by how far ahead".to_owned(),
        description: told.map_or_else(String::new, |(first, last)| {
            format!(
                "The scaled error is {} for the first {noun} and {} for the last.",
                metric(first),
                metric(last)
            )
        }),
        reading: "Below the dashed line the forecast is better than repeating the last season was \
                  within the past. Errors usually grow with the distance; with few series the line \
                  jumps."
            .to_owned(),
    };
    let legend = vec![
        Key { shape: Shape::Line, colour: Colour::Blue, label: "mean scaled error of all series" },
        Key { shape: Shape::Dashes, colour: Colour::Ink, label: "repeating the last season" },
    ];
    Figure::new(caption, &curves::steps_plot(steps), legend, Some(table))
}
