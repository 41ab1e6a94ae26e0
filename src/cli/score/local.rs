//! `patron score --local`: the same run in a process of its own, without a server.

use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use serde_json::json;

use crate::app::{Local, StartError};
use crate::config::Config;
use crate::grpc::proto::JobProgress;
use crate::model::{CancelToken, FitRun, ProgressSink};
use crate::repository::ModelReference;
use crate::scoring::{
    Population, ScoreFormat, ScoringError, ScoringRequest, ScoringResult, TableSource,
};
use crate::telemetry;
use crate::transaction::Timestamp;

use crate::cli::arguments::{InvalidArgument, time};
use crate::cli::exit::Failure;
use crate::cli::output::{Format, Output, Statement};
use crate::cli::progress::{Pace, Progress};
use crate::cli::settings::ListenArgs;
use crate::cli::signal;
use crate::readable::count;

use super::{ScoreArgs, format};

const NO_STORE: &str = "no such file; name the server's directory with --data-directory";

/// What is scored, checked.
struct Plan {
    models: Vec<ModelReference>,
    output: PathBuf,
    format: ScoreFormat,
    as_of: Option<Timestamp>,
    active_within_days: Option<u32>,
    population: Population,
    explain: usize,
    table: Option<TableSource>,
    threads: usize,
    config: Config,
}

impl Plan {
    fn check(args: ScoreArgs) -> Result<Self, Failure> {
        let model = |text: &String| {
            let expected = "NAME, NAME@ALIAS or NAME/VERSION";
            text.parse().map_err(|_| InvalidArgument::new("MODEL", expected, text))
        };
        let models = args.models.iter().map(model).collect::<Result<_, InvalidArgument>>()?;
        let format = format(&args.file)?;
        let as_of = time("--as-of", args.as_of.as_deref())?;
        let config = args.config.read(ListenArgs::default(), |name| std::env::var(name).ok())?;
        if args.file.exists() {
            let problem = "is there already; name a new file or remove it";
            return Err(Failure::data(&args.file, problem));
        }
        let cores = || thread::available_parallelism().map_or(1, |cores| cores.get().min(256));
        Ok(Self {
            models,
            output: args.file,
            format,
            as_of,
            active_within_days: args.active_within_days,
            population: args.population.population(),
            explain: args.explain as usize,
            table: args.table.zip(args.key).map(|(path, key)| TableSource { path, key }),
            threads: args.threads.map_or_else(cores, usize::from),
            config,
        })
    }

    fn run(self, cancel: CancelToken) -> Result<ScoringResult, Failure> {
        let refused = |error: &dyn std::error::Error| Failure::Refused(error.to_string());
        let local = Local::open(&self.config).map_err(|error| match &error {
            StartError::NoStore { path } => Failure::data(path, NO_STORE),
            _ => refused(&error),
        })?;
        let request = ScoringRequest {
            models: self.models,
            output: self.output,
            format: self.format,
            as_of: local.as_of(self.as_of).map_err(|error| refused(&error))?,
            active_within_days: self.active_within_days,
            population: self.population,
            explain: self.explain,
            table: self.table,
        };
        let customers = local.customers().map_err(|error| refused(&error))?;
        let shown = Shown(Mutex::new((Progress::new("scoring"), Pace::new())), customers);
        let run = FitRun { seed: 0, threads: self.threads, progress: &shown, cancel };
        let result = local.score(&request, &run);
        if let Ok((bar, _)) = shown.0.into_inner() {
            bar.finish();
        }
        result.map_err(|error| match error {
            ScoringError::Cancelled => Failure::Interrupted("interrupted; no file".to_owned()),
            ScoringError::Output { .. } => {
                Failure::Output(std::io::Error::other(error.to_string()))
            }
            error => refused(&error),
        })
    }
}

/// Shows the progress on standard error.
struct Shown(Mutex<(Progress, Pace)>, u64);

impl ProgressSink for Shown {
    fn report(&self, stage: &str, fraction: f64) {
        if let Ok(mut shown) = self.0.lock() {
            let (bar, pace) = &mut *shown;
            let message = pace.text(fraction, Some(self.1));
            bar.show(&JobProgress { stage: stage.to_owned(), fraction, message });
        }
    }
}

/// Scores until done or interrupted.
pub(in crate::cli) async fn run(args: ScoreArgs, format: Format) -> Result<(), Failure> {
    let plan = Plan::check(args)?;
    telemetry::start(&plan.config.log_filter, plan.config.log_format);
    let path = plan.output.clone();
    let started = Instant::now();
    let cancel = CancelToken::default();
    let token = cancel.clone();
    let result = signal::interruptible(move || plan.run(token), || cancel.cancel()).await??;
    let seconds = started.elapsed().as_secs_f64();
    let versions: Vec<String> =
        result.models.iter().map(|used| format!("{}/{}", used.model, used.version)).collect();
    let text = format!(
        "{}: {} rows by {}, {} bytes, {seconds:.1} s, {} rows a minute",
        path.display(),
        count(result.rows),
        versions.join(", "),
        count(result.bytes),
        count((result.rows as f64 / seconds * 60.0) as u64),
    );
    let json = json!({
        "file": path.display().to_string(),
        "rows": result.rows,
        "bytes": result.bytes,
        "sha256": result.sha256,
        "models": versions,
        "seconds": seconds,
    });
    Output::new(format).report(&Statement { json, text })?;
    Ok(())
}
