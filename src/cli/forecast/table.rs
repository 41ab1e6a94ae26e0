//! `patron forecast --table`: any series of a file, without transactions and without a server.

use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use crate::cli::arguments::{InvalidArgument, level};
use crate::cli::exit::Failure;
use crate::cli::output::{Output, Statement};
use crate::cli::progress::Shown;
use crate::cli::signal;
use crate::cli::table::Fields;
use crate::dataset::{Gaps, LongTable};
use crate::ingest::{LongColumns, read_long_table};
use crate::model::forecasting::{Method, Settings};
use crate::model::{CancelToken, FitError, FitRun};
use crate::readable::{count, metric, percent};
use crate::series::{TableForecast, TableForecastError, TableForecastResult};
use crate::training::ColumnChoice;

/// What a table of series is, and where its forecasts go.
#[derive(Args, Clone, Debug)]
pub(super) struct TableArgs {
    /// Forecast the series of this CSV or Parquet file instead of asking a server: one row per
    /// series and time
    #[arg(long, value_name = "FILE", requires = "horizon",
        conflicts_with_all = ["series", "model", "version", "alias", "sum", "components", "effects",
            "plan"])]
    pub(super) table: Option<PathBuf>,
    /// The Parquet or, by its extension, CSV file to write; there whole or not at all. --output
    /// names it as well
    #[arg(long, value_name = "FILE", requires = "table")]
    file: Option<PathBuf>,
    /// Periods after which the pattern repeats [default: the calendar's: 12 of months, 52 of weeks]
    #[arg(long, value_name = "PERIODS", requires = "table")]
    season_length: Option<usize>,
    /// Column that names the series
    #[arg(long, value_name = "COLUMN", default_value = "unique_id", requires = "table")]
    id: String,
    /// Column of the times: dates, or whole numbers
    #[arg(long, value_name = "COLUMN", default_value = "ds", requires = "table")]
    time: String,
    /// Column of the values
    #[arg(long, value_name = "COLUMN", default_value = "y", requires = "table")]
    value: String,
    /// Columns that are known in advance, as COLUMN:indicator (0 to 1) or COLUMN:price; rows without
    /// a value give what is to come
    #[arg(long, value_name = "COLUMN:KIND", value_delimiter = ',', requires = "table",
        value_parser = ColumnChoice::parse)]
    regressor: Vec<ColumnChoice>,
    /// Take periods without a row for zeros; otherwise they are refused
    #[arg(long, requires = "table")]
    fill_gaps: bool,
    /// Nothing below zero is forecast
    #[arg(long, requires = "table")]
    non_negative: bool,
    /// Threads; the file does not depend on it [default: one per core]
    #[arg(long, value_name = "N", requires = "table")]
    threads: Option<usize>,
}

impl TableArgs {
    /// With the file that `--output` names, where `--file` names none.
    ///
    /// # Errors
    /// When there is no file, or two.
    pub(super) fn or_file(self, output: Option<PathBuf>) -> Result<Self, InvalidArgument> {
        let refused = |found: &str| InvalidArgument::new("--file", "one file to write", found);
        let file = match (self.file, output) {
            (Some(_), Some(_)) => return Err(refused("two; --output names another")),
            (None, None) => return Err(refused("none")),
            (Some(file), None) | (None, Some(file)) => file,
        };
        Ok(Self { file: Some(file), ..self })
    }
}

/// A checked job.
struct Job {
    path: PathBuf,
    file: PathBuf,
    columns: LongColumns,
    gaps: Gaps,
    horizon: usize,
    season_length: Option<usize>,
    non_negative: bool,
    levels: Vec<f64>,
    threads: usize,
}

/// What was done.
struct Done {
    result: TableForecastResult,
    spacing: String,
    season_length: usize,
    regressors: Vec<String>,
    file: PathBuf,
}

/// Forecasts the table until done or interrupted.
pub(super) async fn run(
    args: TableArgs,
    horizon: u32,
    levels: &[String],
    output: &mut Output,
) -> Result<(), Failure> {
    let started = Instant::now();
    let job = Job::check(args, horizon, levels)?;
    let cancel = CancelToken::default();
    let token = cancel.clone();
    let work = move || {
        let shown = Shown::new("forecast");
        let threads = job.threads;
        let run = FitRun { seed: 0, threads, progress: &shown, cancel: token };
        let done = job.run(&run);
        shown.finish();
        done
    };
    let done = signal::interruptible(work, || cancel.cancel()).await??;
    Ok(output.report(&done.statement(started.elapsed().as_secs_f64()))?)
}

impl Job {
    fn check(args: TableArgs, horizon: u32, levels: &[String]) -> Result<Self, Failure> {
        let threads = match args.threads {
            Some(threads) if (1..=256).contains(&threads) => threads,
            Some(found) => return Err(InvalidArgument::new("--threads", "1 to 256", found).into()),
            None => thread::available_parallelism().map_or(1, |cores| cores.get().min(256)),
        };
        let levels: Result<Vec<f64>, InvalidArgument> =
            levels.iter().map(|text| level(text)).collect();
        Ok(Self {
            path: args.table.unwrap_or_default(),
            file: args.file.unwrap_or_default(),
            columns: LongColumns {
                id: args.id,
                time: args.time,
                value: args.value,
                regressors: args.regressor.into_iter().map(|column| column.0).collect(),
            },
            gaps: if args.fill_gaps { Gaps::Zero } else { Gaps::Refuse },
            horizon: horizon as usize,
            season_length: args.season_length,
            non_negative: args.non_negative,
            levels: levels?,
            threads,
        })
    }

    fn run(self, run: &FitRun<'_>) -> Result<Done, Failure> {
        let table = read_long_table(&self.path, &self.columns, self.gaps);
        let table: LongTable = table.map_err(|error| Failure::data(&self.path, error))?;
        let season_length = self.season_length.unwrap_or(table.spacing().season_length());
        let settings = Settings {
            horizon: self.horizon,
            season_lengths: vec![season_length],
            non_negative: self.non_negative,
            method: Method::Ensemble,
        };
        let forecast = TableForecast { table: &table, settings, levels: self.levels };
        let result = forecast.run(&self.file, run).map_err(|error| match error {
            TableForecastError::Fit(FitError::Cancelled) => {
                Failure::Interrupted("interrupted; no file".to_owned())
            }
            TableForecastError::Output { path, problem } => Failure::data(&path, problem),
            error @ TableForecastError::Fit(_) => Failure::Refused(error.to_string()),
        })?;
        let spacing = table.spacing().to_string();
        let regressors = self.columns.regressors.into_iter().map(|column| column.name).collect();
        Ok(Done { result, spacing, season_length, regressors, file: self.file })
    }
}

impl Done {
    fn statement(&self, seconds: f64) -> Statement {
        let Self { result, spacing, season_length, regressors, file } = self;
        let within = [("80 %", result.calibration.at_80), ("95 %", result.calibration.at_95)];
        let mut fields = Fields::default();
        fields.add("series", count(result.series as u64));
        fields.add("a value every", spacing);
        fields.add("season", format_args!("{season_length} periods"));
        if let Some(mase) = result.mase {
            fields.add("mase", format_args!("{} on held-out periods", metric(mase)));
        }
        for (level, held) in within {
            if let Some(held) = held {
                fields.add("intervals", format_args!("{level} held {}", percent(held)));
            }
        }
        if !regressors.is_empty() {
            let left_out = count(result.without_regressors as u64);
            let names = regressors.join(", ");
            fields.add("regressors", format_args!("{names}; no part in {left_out} series"));
        }
        if result.fallbacks > 0 {
            let departed = count(result.fallbacks as u64);
            fields.add("other methods", format_args!("{departed} series"));
        }
        let (rows, bytes) = (count(result.rows), count(result.bytes));
        let path = file.display();
        fields.add("written", format_args!("{path}: {rows} rows, {bytes} bytes, {seconds:.1} s"));
        let json = json!({
            "series": result.series,
            "rows": result.rows,
            "bytes": result.bytes,
            "spacing": spacing,
            "season_length": season_length,
            "backtest_mase": result.mase,
            "backtest_coverage": { "0.8": result.calibration.at_80, "0.95": result.calibration.at_95 },
            "series_with_fallbacks": result.fallbacks,
            "regressors": regressors,
            "series_without_regressors": result.without_regressors,
            "file": path.to_string(),
        });
        Statement { json, text: fields.to_string() }
    }
}
