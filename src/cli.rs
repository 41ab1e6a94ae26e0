//! The command line: one file per subcommand.
//!
//! Arguments are read twice, as ripgrep does it: the structs that end in `Args` hold what stood on
//! the command line; each command checks them into requests before anything connects or opens.

mod arguments;
mod client;
mod credentials;
mod customers;
mod demo;
mod evaluation;
mod exit;
mod features;
mod forecast;
mod import;
mod info;
mod job;
mod jobs;
mod keys;
mod models;
mod output;
mod predict;
mod progress;
mod schedules;
mod score;
mod serve;
mod settings;
mod signal;
mod simulate;
mod status;
mod table;
mod train;
mod values;
mod worker;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tokio::runtime::Builder;

use self::client::{ConnectionArgs, Session};
use self::exit::{Exit, Failure};

/// How long work that nobody waits for may go on when the command has ended.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// Examples for `patron --help`.
const EXAMPLES: &str = "\
Examples:
  patron demo                                        see everything at work on real data
  patron serve --time-zone Europe/London --currency GBP
  patron import sales.parquet --mapping mapping.toml
  patron train churn
  patron predict churn --customer 17850 --explain 3
  patron forecast --series total --horizon 14 --output json
  patron score churn segments --file scores.parquet

Commands from import on talk to a running server; see --endpoint in their help.";

/// Predictions for retail from raw transactions: segments, churn, propensity, forecasts.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "patron",
    version,
    after_help = format!("{EXAMPLES}\n\n{}", exit::help()),
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Run the server
    #[command(
        after_help = "Example:\n  patron serve --config patron.toml --listen 127.0.0.1:50051"
    )]
    Serve(serve::ServeArgs),
    /// Work off jobs in a process of its own, beside a server on the same directories
    #[command(after_help = "Example:\n  patron worker --config patron.toml")]
    Worker(worker::WorkerArgs),
    /// Import real data, train all models, show their quality and ask them questions
    #[command(after_help = "Example:\n  patron demo --once")]
    Demo(demo::DemoArgs),
    /// Load transactions from a CSV or Parquet file
    #[command(after_help = "Example:\n  patron import sales.csv --mapping mapping.toml")]
    Import(Remote<import::ImportArgs>),
    /// Train a new version of a model
    #[command(after_help = "Example:\n  patron train churn --as-of 2011-12-01")]
    Train(Remote<train::TrainArgs>),
    /// Predict segments, churn or propensity of some customers
    #[command(after_help = "Example:\n  patron predict churn --customer 17850 14911 --explain 3")]
    Predict(Remote<predict::PredictArgs>),
    /// Forecast sales of the coming periods
    #[command(
        after_help = "Example:\n  patron forecast --series total country=France --horizon 14"
    )]
    Forecast(Remote<forecast::ForecastArgs>),
    /// Predict for all customers and write the answers to a file
    #[command(
        after_help = "Examples:\n  patron score churn segments@champion --file scores.parquet\n  patron score churn,propensity,segments/3 --explain 3 --local --file scores.csv"
    )]
    Score(Remote<score::ScoreArgs>),
    /// List features, or compute them for customers
    #[command(after_help = "Example:\n  patron features get --customer 17850 --model churn")]
    Features(features::FeaturesArgs),
    /// List models and versions, promote, roll back, delete
    #[command(after_help = "Example:\n  patron models version churn@champion --evaluation")]
    Models(Remote<models::ModelsArgs>),
    /// List, show, watch and cancel jobs
    #[command(after_help = "Example:\n  patron jobs list --kind training")]
    Jobs(Remote<jobs::JobsArgs>),
    /// Show what recipes schedule, with the next and the last run
    #[command(after_help = "Example:\n  patron schedules churn")]
    Schedules(Remote<schedules::SchedulesArgs>),
    /// Show or erase what is stored of a customer
    #[command(after_help = "Example:\n  patron customers show 17850")]
    Customers(Remote<customers::CustomersArgs>),
    /// Make, list and revoke API keys
    #[command(
        after_help = "Example:\n  patron keys create --name till --role predict,read --expires 90d"
    )]
    Keys(keys::KeysArgs),
    /// Show what the server is and what it takes
    #[command(after_help = "Example:\n  patron info --output json")]
    Info(Remote<info::InfoArgs>),
    /// Write the transactions of a shop whose truth is known, and the truth
    #[command(
        after_help = "Example:\n  patron simulate --customers 10000 --months 24 --output shop"
    )]
    Simulate(simulate::SimulateArgs),
}

/// A command that talks to a server.
#[derive(Args, Clone, Debug)]
struct Remote<A: Args> {
    #[command(flatten)]
    args: A,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl Cli {
    /// Reads the command line.
    ///
    /// # Errors
    /// The exit code where there is nothing to run: after help, or for wrong arguments, which are
    /// told on standard error.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, ExitCode> {
        Self::try_parse_from(args).map_err(|error| {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            match error.print() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Output.into(),
                _ => exit.into(),
            }
        })
    }

    /// Runs the command to its end; what went wrong is told on standard error.
    pub fn run(self) -> ExitCode {
        let runtime = match Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                output::note(format_args!("patron: cannot start: {error}"));
                return Exit::Refused.into();
            }
        };
        let outcome = runtime.block_on(self.command.run());
        // What nobody waits for any more must not keep the process.
        runtime.shutdown_timeout(LAST_MOMENT);
        match outcome {
            Ok(()) => Exit::Done.into(),
            Err(failure) => {
                output::note(format_args!("patron: {failure}"));
                failure.exit().into()
            }
        }
    }
}

impl Command {
    async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Serve(args) => serve::run(args).await,
            Self::Worker(args) => worker::run(args).await,
            Self::Demo(args) => demo::run(args).await,
            Self::Import(remote) => remote.run(import::run).await,
            Self::Train(remote) => remote.run(train::run).await,
            Self::Predict(remote) => remote.run(predict::run).await,
            Self::Forecast(remote) => remote.run_to_file(forecast::run).await,
            Self::Score(remote) if remote.args.is_local() => {
                score::local::run(remote.args, remote.connection.format()?).await
            }
            Self::Score(remote) => remote.run(score::run).await,
            Self::Features(args) => features::run(args).await,
            Self::Models(remote) if remote.args.writes_file() => {
                remote.run_to_file(models::run).await
            }
            Self::Models(remote) => remote.run(models::run).await,
            Self::Jobs(remote) => remote.run(jobs::run).await,
            Self::Schedules(remote) => remote.run(schedules::run).await,
            Self::Customers(remote) => remote.run(customers::run).await,
            Self::Keys(args) => keys::run(args),
            Self::Info(remote) => remote.run(info::run).await,
            Self::Simulate(args) => simulate::run(args).await,
        }
    }
}

impl<A: Args> Remote<A> {
    async fn run(
        self,
        command: impl AsyncFnOnce(A, &mut Session) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.connection.format()?;
        self.run_to_file(command).await
    }

    /// A command that may write the file which `--output` names.
    async fn run_to_file(
        self,
        command: impl AsyncFnOnce(A, &mut Session) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut session = Session::new(&self.connection)?;
        tokio::select! {
            biased;
            done = command(self.args, &mut session) => done,
            () = signal::interrupt() => Err(Failure::Interrupted("interrupted".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn verify_cli() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_examples_of_the_help_hold() {
        let mut command = Cli::command();
        let mut texts = vec![EXAMPLES.to_owned()];
        let helps = command.get_subcommands_mut().filter_map(|sub| sub.get_after_help());
        texts.extend(helps.map(ToString::to_string));
        let lines = texts.iter().flat_map(|text| text.lines());
        let examples: Vec<&str> = lines.filter_map(|line| line.strip_prefix("  ")).collect();
        assert!(examples.len() > 12, "{examples:?}");
        for example in examples {
            let words = example.split("  ").next().unwrap().split_whitespace();
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{example}: {error}");
            }
        }
    }

    #[test]
    fn one_kind_of_rows_is_asked_for() {
        for line in [
            "patron predict churn",
            "patron predict churn --customer 1 --features a.csv",
            "patron predict churn --customer 1 --version 1 --alias champion",
            "patron score --file a.csv",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn the_endpoint_may_stand_behind_the_inner_command() {
        let line = "patron predict churn --customer 1 --endpoint host:1 --output json";
        assert!(Cli::try_parse_from(line.split(' ')).is_ok());
    }
}
