//! `patron features export`: the features of all customers at past dates, as a Parquet file.

use std::env;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use clap::Args;

use crate::app::{StartError, existing_store};
use crate::config::Config;
use crate::feature::FeatureSchema;
use crate::historical::{Export, ExportError, ExportResult, fit_schema};
use crate::ingest::{HistoryCounts, Mapping, ParquetHistories, ReadHistoriesError, ReadOptions};
use crate::model::{CancelToken, FitRun};
use crate::telemetry;
use crate::transaction::{HistorySource, Refusal, ShopClock, Timestamp};

use crate::cli::arguments::{InvalidArgument, time};
use crate::cli::exit::Failure;
use crate::cli::output::{self, Format, Output};
use crate::cli::progress::Shown;
use crate::cli::settings::{ConfigArgs, ListenArgs};
use crate::cli::signal;
use crate::readable::count;

const NO_STORE: &str = "no such file; name the server's directory with --data-directory";

/// Arguments of `patron features export`.
#[derive(Args, Clone, Debug)]
pub(super) struct ExportArgs {
    /// See only what was known before these times or dates; one row per customer and date
    #[arg(long, value_name = "TIME", num_args = 1.., required = true)]
    as_of: Vec<String>,
    /// The Parquet file to write; there whole or not at all
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Read these Parquet files of transactions instead of the data directory, without importing
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "mapping")]
    parquet: Vec<PathBuf>,
    /// The mapping of their columns, in TOML
    #[arg(long, value_name = "FILE", requires = "parquet")]
    mapping: Option<PathBuf>,
    /// Memory in MiB for their lines; what goes beyond is kept in a temporary file
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    memory_mib: u64,
    /// Highest share of their rows, in percent, that may break the data contract and be left out
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    max_refused_percent: f64,
    /// A schema as JSON, as an earlier export or a manifest has it [default: the top categories
    /// before the earliest date]
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Threads; the file does not depend on it [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What is exported, checked.
struct Plan {
    files: Option<(Vec<PathBuf>, Mapping)>,
    memory: u64,
    max_refused_percent: f64,
    as_ofs: Vec<Timestamp>,
    output: PathBuf,
    schema: Option<FeatureSchema>,
    threads: usize,
    config: Config,
}

impl Plan {
    fn check(args: ExportArgs) -> Result<Self, Failure> {
        let times = args.as_of.iter().map(|text| time("--as-of", Some(text)));
        let as_ofs: Vec<Option<Timestamp>> = times.collect::<Result<_, _>>()?;
        let config = args.config.read(ListenArgs::default(), |name| std::env::var(name).ok())?;
        if args.threads.is_some_and(|threads| !(1..=256).contains(&threads)) {
            let found = args.threads.unwrap_or_default();
            return Err(InvalidArgument::new("--threads", "1 to 256", found).into());
        }
        let cores = || thread::available_parallelism().map_or(1, |cores| cores.get().min(256));
        let mapping = args.mapping.map(read_mapping).transpose()?;
        Ok(Self {
            files: mapping.map(|mapping| (args.parquet, mapping)),
            memory: args.memory_mib << 20,
            max_refused_percent: args.max_refused_percent,
            as_ofs: as_ofs.into_iter().flatten().collect(),
            output: args.output,
            schema: args.schema.map(read_schema).transpose()?,
            threads: args.threads.unwrap_or_else(cores),
            config,
        })
    }

    /// Reads the histories and writes the file.
    fn run(&self, run: &FitRun<'_>) -> Result<ExportResult, Failure> {
        if let Some((files, mapping)) = &self.files {
            return self.export(&mut self.read_files(files, mapping, run)?, run);
        }
        let store = existing_store(&self.config).map_err(|error| match &error {
            StartError::NoStore { path } => Failure::data(path, NO_STORE),
            _ => Failure::Refused(error.to_string()),
        })?;
        let mut reader = store.reader().map_err(|error| Failure::Refused(error.to_string()))?;
        self.export(&mut reader, run)
    }

    fn read_files(
        &self,
        files: &[PathBuf],
        mapping: &Mapping,
        run: &FitRun<'_>,
    ) -> Result<ParquetHistories, Failure> {
        let tick = |fraction| {
            run.progress.report("reading", fraction);
            if run.cancel.is_cancelled() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let options = ReadOptions {
            currency: &self.config.currency,
            clock: &self.config.clock,
            threads: self.threads,
            memory_limit_bytes: self.memory,
            spill_directory: &env::temp_dir(),
            now: Timestamp::now(),
            tick: &tick,
        };
        let histories = ParquetHistories::read(files, mapping, options);
        let histories = histories.map_err(|error| match error {
            ReadHistoriesError::Cancelled => interrupted(),
            ReadHistoriesError::File { path, source } => Failure::data(&path, source),
            error => Failure::Refused(error.to_string()),
        })?;
        let counts = histories.counts();
        tell_refusals(counts);
        let percent = counts.refused as f64 / counts.rows_read.max(1) as f64 * 100.0;
        if counts.refused > 0 && percent > self.max_refused_percent {
            let problem = format!(
                "{} of {} rows were refused, more than {} %; no file",
                counts.refused, counts.rows_read, self.max_refused_percent
            );
            return Err(Failure::data(
                files.first().map_or("".as_ref(), PathBuf::as_path),
                problem,
            ));
        }
        Ok(histories)
    }

    fn export<H>(&self, source: &mut H, run: &FitRun<'_>) -> Result<ExportResult, Failure>
    where
        H: HistorySource,
        H::Error: std::error::Error,
    {
        let schema = match &self.schema {
            Some(schema) => schema.clone(),
            None => self
                .fit_schema(source, &self.config.clock)
                .map_err(|error| Failure::Refused(error.to_string()))?,
        };
        let export = Export { schema: &schema, as_ofs: &self.as_ofs, output: &self.output };
        export.run(source, run).map_err(|error| match error {
            ExportError::Cancelled => interrupted(),
            ExportError::Output { .. } => Failure::Output(io::Error::other(error.to_string())),
            error => Failure::Refused(error.to_string()),
        })
    }

    fn fit_schema<H: HistorySource>(
        &self,
        source: &mut H,
        clock: &ShopClock,
    ) -> Result<FeatureSchema, H::Error> {
        let first = self.as_ofs.iter().min().copied().unwrap_or_default();
        fit_schema(source, clock, first, self.threads)
    }
}

/// Rows that do not keep the contract are left out, but not in silence.
fn tell_refusals(counts: &HistoryCounts) {
    if counts.refused == 0 {
        return;
    }
    output::note(format_args!(
        "{} of {} rows do not keep the data contract and are left out; the first:",
        counts.refused, counts.rows_read
    ));
    for refusal in &counts.first_refusals {
        let Refusal { row, field, message } = refusal;
        output::note(format_args!("  row {row}, {field}: {message}"));
    }
}

fn interrupted() -> Failure {
    Failure::Interrupted("interrupted; no file".to_owned())
}

fn read_mapping(path: PathBuf) -> Result<Mapping, Failure> {
    let text = fs::read_to_string(&path).map_err(|error| Failure::data(&path, error))?;
    Mapping::parse(&text).map_err(|error| Failure::data(&path, error))
}

fn read_schema(path: PathBuf) -> Result<FeatureSchema, Failure> {
    let text = fs::read_to_string(&path).map_err(|error| Failure::data(&path, error))?;
    let schema: FeatureSchema =
        serde_json::from_str(&text).map_err(|error| Failure::data(&path, error))?;
    if schema.is_current() {
        Ok(schema)
    } else {
        Err(Failure::data(&path, "made for other features than this program computes"))
    }
}

/// Exports features until done or interrupted.
pub(super) async fn run(args: ExportArgs) -> Result<(), Failure> {
    let plan = Plan::check(args)?;
    telemetry::start(&plan.config.log_filter, plan.config.log_format);
    let started = Instant::now();
    let cancel = CancelToken::default();
    let token = cancel.clone();
    let work = move || {
        let shown = Shown::new("export");
        let run = FitRun { seed: 0, threads: plan.threads, progress: &shown, cancel: token };
        let result = plan.run(&run);
        shown.finish();
        result.map(|result| (result, plan.output))
    };
    let (result, path) = signal::interruptible(work, || cancel.cancel()).await??;
    Output::new(Format::Text).line(format_args!(
        "{}: {} rows of {} customers, {} bytes, {:.1} s",
        path.display(),
        count(result.rows),
        count(result.customers),
        count(result.bytes),
        started.elapsed().as_secs_f64()
    ))?;
    Ok(())
}
