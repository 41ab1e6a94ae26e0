//! `patron serve`: the server.

use std::sync::Arc;

use clap::Args;

use crate::app::App;
use crate::config::Config;
use crate::grpc::Server;
use crate::telemetry;

use super::exit::Failure;
use super::output::{Format, Output};
use super::settings::{ConfigArgs, ListenArgs};
use super::signal;

/// Arguments of `patron serve`.
#[derive(Args, Clone, Debug)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Serves until SIGINT or SIGTERM, then lets running calls end.
pub(super) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let config = args.config.read(args.listen, |name| std::env::var(name).ok())?;
    telemetry::start(&config.log_filter, config.log_format);
    let server = bind(config).await?;
    let mut output = Output::new(Format::Text);
    output.line(format_args!("listening on {}", server.local_addr()))?;
    let served = server.serve(signal::termination()).await;
    served.map_err(|error| Failure::Refused(format!("the server stopped: {error}")))
}

/// Opens everything and takes the port.
pub(super) async fn bind(config: Config) -> Result<Server, Failure> {
    let app = App::open(config).map_err(|error| Failure::Refused(error.to_string()))?;
    let server = Server::bind(Arc::new(app)).await;
    server.map_err(|error| Failure::Refused(error.to_string()))
}
