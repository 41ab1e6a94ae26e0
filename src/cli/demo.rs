//! `patron demo`: the whole service on real data, from an empty directory to answers.

mod directory;
mod tour;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use tokio::sync::oneshot;

use crate::config::Config;
use crate::grpc::Server;
use crate::telemetry;

use super::arguments::ServerAddress;
use super::client::Services;
use super::credentials::Credentials;
use super::exit::Failure;
use super::output::{Format, Output, note};
use super::serve::bind;
use super::signal;

use self::directory::Directory;
use self::tour::Tour;

/// Where the server of the demo listens unless it ends at once.
const LISTEN: &str = "127.0.0.1:50051";
/// A free port.
const ANY_PORT: &str = "127.0.0.1:0";

/// Arguments of `patron demo`.
#[derive(Args, Clone, Debug)]
pub(super) struct DemoArgs {
    /// End after the answers instead of serving on
    #[arg(long)]
    once: bool,
    /// Where data, recipes and models are kept; recipes that are there already stay as they are
    #[arg(long, value_name = "DIRECTORY", default_value = "patron-demo")]
    directory: PathBuf,
    /// Address and port of the server [default: 127.0.0.1:50051, with --once a free port]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

/// Shows everything and then serves until SIGINT or SIGTERM.
pub(super) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let listen = args.listen.unwrap_or_else(|| {
        let address = if args.once { ANY_PORT } else { LISTEN };
        address.to_owned()
    });
    let directory = Directory::new(args.directory)?;
    let config = directory.config(&listen)?;
    directory.write()?;
    telemetry::start(&config.log_filter, config.log_format);
    let (server, address) = start(config).await?;
    // One listener for the whole run, so that a signal is neither seen twice nor missed.
    let termination = signal::termination();
    tokio::pin!(termination);
    let shown = tokio::select! {
        biased;
        shown = show(&directory, address, args.once, started) => shown,
        () = &mut termination => Err(Failure::Interrupted(
            "interrupted; the next `patron demo` goes on with what is there".to_owned(),
        )),
    };
    if shown.is_ok() && !args.once {
        termination.await;
        note("stopping");
    }
    server.stop().await?;
    shown
}

/// A server that runs beside the tour.
struct Running {
    stop: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<Result<(), String>>,
}

async fn start(config: Config) -> Result<(Running, SocketAddr), Failure> {
    let server: Server = bind(config).await?;
    let address = server.local_addr();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        let _dropped_is_stopped_too = stopped.await;
    };
    let serve = async move { server.serve(shutdown).await.map_err(|error| error.to_string()) };
    Ok((Running { stop, done: tokio::spawn(serve) }, address))
}

impl Running {
    async fn stop(self) -> Result<(), Failure> {
        drop(self.stop);
        match self.done.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(problem)) => Err(Failure::Refused(format!("the server stopped: {problem}"))),
            Err(error) => Err(Failure::Refused(format!("the server stopped: {error}"))),
        }
    }
}

async fn show(
    directory: &Directory,
    address: SocketAddr,
    once: bool,
    started: Instant,
) -> Result<(), Failure> {
    let mut output = Output::new(Format::Text);
    output.line(format_args!("listening on {address}, files in {}", directory.path()))?;
    let address_of_server = ServerAddress::parse(&address.to_string())?;
    let services = Services::connect(&address_of_server, &Credentials::default()).await?;
    let mut tour = Tour { directory, services, output };
    tour.import().await?;
    tour.train().await?;
    tour.ask().await?;
    let seconds = started.elapsed().as_secs_f64();
    let memory = peak_memory().map(|memory| format!(", {memory} of memory at most"));
    let memory = memory.unwrap_or_default();
    tour.output.line(format_args!("\n{seconds:.1} s from the start{memory}"))?;
    if once {
        return Ok(());
    }
    tour.output.line(invitation(address))?;
    Ok(())
}

fn invitation(address: SocketAddr) -> String {
    format!(
        "\nThe server goes on at {address}; Ctrl-C ends it. From another terminal:\n\n  \
         patron predict churn --customer 17850 14911 --explain 3 --endpoint {address}\n  \
         patron forecast --series country=France --endpoint {address}\n  \
         grpcurl -plaintext -d '{{\"customer_ids\": {{\"ids\": [\"17850\"]}}, \"explain\": 3}}' \\\n    \
         {address} patron.v1.PredictionService/PredictChurn"
    )
}

/// The most memory that this process ever held; only Linux tells.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(format!("{} MiB", kibibytes / 1024))
}
