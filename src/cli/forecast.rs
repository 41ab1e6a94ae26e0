//! `patron forecast`: sales of the coming periods.

mod effects;
mod plan;
mod table;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::grpc::proto::{
    ForecastComponents, ForecastInterval, ForecastRequest, ForecastResponse, SeriesForecast,
    SeriesSum,
};

use super::arguments::{InvalidArgument, VersionChoice, level, name, series};
use super::client::{Services, Session};
use super::evaluation::series_name;
use super::exit::Failure;
use super::output::Report;
use super::predict::served_json;
use super::status;
use super::table::{Fields, Table};
use super::values::{given, short_name, time_json, time_text};
use crate::readable::{figure, metric, percent};

/// Arguments of `patron forecast`.
#[derive(Args, Clone, Debug)]
pub(super) struct ForecastArgs {
    /// Name of the model
    #[arg(long, value_name = "NAME", default_value = "forecast")]
    model: String,
    /// Series as total or GROUP=VALUE, such as country=France [default: all that the model has]
    #[arg(long, value_name = "SERIES", num_args = 1..)]
    series: Vec<String>,
    /// How many periods [default: all that the model forecasts]
    #[arg(long, value_name = "PERIODS", value_parser = clap::value_parser!(u32).range(1..))]
    horizon: Option<u32>,
    /// Coverages of the intervals, as shares (0.95) or percentages (95)
    #[arg(long, value_name = "LEVELS", value_delimiter = ',', default_value = "0.8,0.95")]
    level: Vec<String>,
    /// Number of the version [default: the champion]
    #[arg(long, value_name = "NUMBER", conflicts_with = "alias",
        value_parser = clap::value_parser!(i64).range(1..))]
    version: Option<i64>,
    /// Alias of the version [default: champion]
    #[arg(long, value_name = "NAME")]
    alias: Option<String>,
    /// Sums of series with intervals of their own, each as series separated by plus signs, such as
    /// country=France+country=Spain
    #[arg(long, value_name = "SERIES", num_args = 1..)]
    sum: Vec<String>,
    /// Show level, trend and season of what is expected
    #[arg(long)]
    components: bool,
    /// Show what promotions, prices and events do to each series
    #[arg(long)]
    effects: bool,
    /// Forecast under the promotions and prices of this CSV or Parquet file: unique_id (total or
    /// GROUP=VALUE), ds (a day of the period) and a column per regressor; empty cells plan nothing
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    table: table::TableArgs,
}

/// Asks and shows the answer.
pub(super) async fn run(args: ForecastArgs, session: &mut Session) -> Result<(), Failure> {
    if args.table.table.is_some() {
        let horizon = args.horizon.unwrap_or_default();
        let table = args.table.or_file(session.file.take())?;
        return table::run(table, horizon, &args.level, &mut session.output).await;
    }
    if let Some(path) = &session.file {
        let found = path.display();
        return Err(InvalidArgument::new("--output", "text or json without --table", found).into());
    }
    let request = request(args)?;
    let services = session.connect().await?;
    let answer = ask(&services, request).await?;
    Ok(session.output.report(&answer)?)
}

/// Asks the server.
pub(super) async fn ask(
    services: &Services,
    request: ForecastRequest,
) -> Result<ForecastResponse, Failure> {
    Ok(services.predictions().forecast(request).await?.into_inner())
}

fn request(args: ForecastArgs) -> Result<ForecastRequest, Failure> {
    let version = VersionChoice::from_flags(args.version, args.alias)?;
    Ok(ForecastRequest {
        model: name("--model", args.model)?,
        selector: version.map(VersionChoice::into_selector),
        series: args.series.iter().map(|text| series(text)).collect::<Result<_, _>>()?,
        horizon: args.horizon,
        levels: args.level.iter().map(|text| level(text)).collect::<Result<_, _>>()?,
        include_components: args.components,
        sums: args.sum.iter().map(|text| sum(text)).collect::<Result<_, _>>()?,
        include_effects: args.effects,
        plan: args.plan.as_deref().map(plan::read).transpose()?.unwrap_or_default(),
    })
}

fn sum(text: &str) -> Result<SeriesSum, InvalidArgument> {
    let keys = text.split('+').map(series).collect::<Result<_, _>>();
    Ok(SeriesSum { series: keys? })
}

impl Report for ForecastResponse {
    fn json(&self) -> Value {
        let series = self.series.iter().enumerate().map(|(row, series)| {
            let mut json = series_json(series);
            if let (Some(error), Some(object)) = (self.error(row), json.as_object_mut()) {
                object.insert("error".to_owned(), status::to_json(error));
            }
            json
        });
        json!({
            "served_by": served_json(&self.served_by.clone().unwrap_or_default()),
            "frequency": short_name(self.frequency().as_str_name(), "FREQUENCY_"),
            "measure": self.measure,
            "currency": given(&self.currency),
            "period_starts": self.period_starts.iter().map(|time| time_json(Some(time))).collect::<Vec<_>>(),
            "series": series.collect::<Vec<_>>(),
            "sums": self.sums.iter().map(|sum| json!({
                "mean": sum.mean,
                "intervals": intervals_json(&sum.intervals),
            })).collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let served = self.served_by.clone().unwrap_or_default();
        let frequency = short_name(self.frequency().as_str_name(), "FREQUENCY_");
        let mut fields = Fields::default();
        fields.add("model", format_args!("{}/{}", served.model, served.version));
        fields.add("seen until", time_text(served.as_of.as_ref()));
        let forecast = format!("{frequency} {} {}", self.measure, self.currency);
        fields.add("forecast", forecast.trim_end());
        let blocks = self.series.iter().enumerate().map(|(row, series)| match self.error(row) {
            Some(error) => format!("\n{}: {}\n", key(series), status::summary(error)),
            None => {
                let parts = series.components.as_ref();
                let table = self.table(&series.mean, &series.intervals, parts);
                format!("\n{}\n{table}", title(series))
            }
        });
        let sums = self.sums.iter().enumerate().map(|(nth, sum)| {
            let table = self.table(&sum.mean, &sum.intervals, None);
            format!("\nsum {}\n{table}", nth + 1)
        });
        let effects = effects::table(&self.series).map(|table| format!("\neffects\n{table}"));
        format!("{fields}{}", blocks.chain(sums).chain(effects).collect::<String>())
    }
}

impl ForecastResponse {
    fn error(&self, row: usize) -> Option<&tonic_types::Status> {
        let error = self.errors.iter().find(|error| error.row as usize == row)?;
        error.status.as_ref()
    }

    fn table(
        &self,
        mean: &[f64],
        intervals: &[ForecastInterval],
        parts: Option<&ForecastComponents>,
    ) -> Table {
        let mut columns = vec!["period from".to_owned(), ">expected".to_owned()];
        let levels = intervals.iter().map(|interval| interval.level * 100.0);
        columns.extend(levels.flat_map(|level| [format!(">{level} % from"), ">to".to_owned()]));
        let named = parts.map(|parts| {
            let ForecastComponents { level, trend, seasonal, adjustment, regressors } = parts;
            [
                ("level", level),
                ("trend", trend),
                ("season", seasonal),
                ("effects", regressors),
                ("agreed", adjustment),
            ]
        });
        let named = named.as_ref().map(|named| named.as_slice()).unwrap_or_default();
        columns.extend(named.iter().map(|(name, _)| format!(">{name}")));
        let mut table = Table::new(columns.iter().map(String::as_str));
        for (period, (start, mean)) in self.period_starts.iter().zip(mean).enumerate() {
            let ends = intervals.iter().flat_map(|interval| [&interval.lower, &interval.upper]);
            let values = ends.chain(named.iter().map(|(_, values)| *values));
            let values = values.map(|values| values.get(period));
            let rest = values.map(|value| value.map_or_else(String::new, |value| figure(*value)));
            table.row([time_text(Some(start)), figure(*mean)].into_iter().chain(rest));
        }
        table
    }
}

fn key(series: &SeriesForecast) -> String {
    series.key.as_ref().map_or_else(String::new, |key| series_name(&key.group, &key.value))
}

fn title(series: &SeriesForecast) -> String {
    let mut title = format!("{}: {}", key(series), series.method);
    if let Some(reason) = given(&series.fallback_reason) {
        title.push_str(&format!(" ({reason})"));
    }
    if let Some(mase) = series.backtest_mase {
        title.push_str(&format!(", MASE {} on held-out periods", metric(mase)));
    }
    for interval in &series.intervals {
        if let Some(coverage) = interval.backtest_coverage {
            let (level, coverage) = (percent(interval.level), percent(coverage));
            title.push_str(&format!(", {level} interval held {coverage}"));
        }
    }
    title
}

fn intervals_json(intervals: &[ForecastInterval]) -> Vec<Value> {
    let json = |interval: &ForecastInterval| {
        json!({
            "level": interval.level,
            "lower": interval.lower,
            "upper": interval.upper,
            "source": short_name(interval.source().as_str_name(), "INTERVAL_SOURCE_"),
            "backtest_coverage": interval.backtest_coverage,
        })
    };
    intervals.iter().map(json).collect()
}

fn series_json(series: &SeriesForecast) -> Value {
    let components = series.components.as_ref().map(|parts| {
        json!({
            "level": parts.level,
            "trend": parts.trend,
            "seasonal": parts.seasonal,
            "adjustment": parts.adjustment,
            "regressors": parts.regressors,
        })
    });
    let weights = series.weights.iter();
    let weights = weights.map(|part| json!({ "method": part.method, "weight": part.weight }));
    json!({
        "group": series.key.as_ref().map(|key| &key.group),
        "value": series.key.as_ref().and_then(|key| given(&key.value)),
        "mean": series.mean,
        "intervals": intervals_json(&series.intervals),
        "components": components,
        "method": series.method,
        "weights": weights.collect::<Vec<_>>(),
        "fallback_reason": given(&series.fallback_reason),
        "backtest_mase": series.backtest_mase,
        "effects": effects::json(&series.effects),
    })
}
