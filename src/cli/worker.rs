//! `patron worker`: works off jobs in a process of its own.

use clap::Args;

use crate::app::App;
use crate::telemetry;

use super::exit::Failure;
use super::output;
use super::settings::{ConfigArgs, ListenArgs};
use super::signal;

/// Arguments of `patron worker`.
#[derive(Args, Clone, Debug)]
pub(super) struct WorkerArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Works until SIGINT or SIGTERM; running jobs then go back to the queue.
pub(super) async fn run(args: WorkerArgs) -> Result<(), Failure> {
    let config = args.config.read(ListenArgs::default(), |name| std::env::var(name).ok())?;
    telemetry::start(&config.log_filter, config.log_format);
    let workers = config.job_workers.max(1);
    let app = App::open(config).map_err(|error| Failure::Refused(error.to_string()))?;
    app.start_jobs(workers);
    output::note(format_args!("working off jobs, {workers} at a time"));
    signal::termination().await;
    app.stop_jobs();
    Ok(())
}
