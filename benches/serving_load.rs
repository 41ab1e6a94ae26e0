//! Asks a running server as fast as it answers, or at a given rate, and measures the answers.
//!
//! ```sh
//! cargo run --release --example serving_load -- --case row1 --connections 4 --in-flight 4
//! cargo run --release --example serving_load -- --case ids100 --customers ids.txt --rate 500 --deadline-ms 50
//! cargo run --release --example serving_load -- --bare     # the least that a server can do
//! ```
//!
//! Bounded in time and in calls; only this machine is ever asked. Messages are encoded beforehand
//! and answers are not decoded, except the first, which is checked.

/// A server that evaluates a dot product and nothing else.
#[path = "serving_load/bare.rs"]
mod bare;

/// What is asked.
#[path = "serving_load/cases.rs"]
mod cases;

/// The clients: gRPC and HTTP.
#[path = "serving_load/caller.rs"]
mod caller;

/// Who asks when.
#[path = "serving_load/drive.rs"]
mod drive;

/// HTTP/1.1, as far as JSON servers need it.
#[path = "serving_load/http.rs"]
mod http;

/// Processor time and memory of the server.
#[path = "serving_load/process.rs"]
mod process;

/// Outcomes, and the line that tells them.
#[path = "serving_load/report.rs"]
mod report;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use mimalloc::MiMalloc;
use tokio::runtime::Builder;

use self::bare::Bare;
use self::caller::Caller;
use self::cases::{Case, Messages};
use self::drive::{Pace, Plan};
use self::process::Watched;

// The bare server is held to the allocator that Patron has.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What breaks a run off.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measures the answers of a server.
#[derive(Clone, Debug, Parser)]
struct Args {
    /// The server; loopback only
    #[arg(long, default_value = "http://127.0.0.1:50051")]
    endpoint: String,
    /// What to ask
    #[arg(long, value_enum, default_value_t = Case::Row1)]
    case: Case,
    /// The model; the kind's own name without it
    #[arg(long, default_value = "")]
    model: String,
    /// Features of a made-up vector
    #[arg(long, default_value_t = 20)]
    features: usize,
    /// Vectors to send instead of made-up ones: 32-bit floats, little-endian, row after row
    #[arg(long)]
    vectors: Option<PathBuf>,
    /// Keys of customers to ask about, one per line
    #[arg(long)]
    customers: Option<PathBuf>,
    /// With --case message: one encoded request; it is sent again and again
    #[arg(long)]
    message: Option<PathBuf>,
    /// With --case message: the method, such as /inference.GRPCInferenceService/ModelInfer, or the
    /// path of an HTTP server
    #[arg(long, default_value = "/")]
    path: String,
    /// With --case message: rows of the request, to tell rows per second
    #[arg(long, default_value_t = 1)]
    rows: u64,
    /// With --case message: POST JSON over HTTP/1.1 instead of gRPC
    #[arg(long)]
    http: bool,
    /// Connections
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Calls that wait on one connection, or items of a stream
    #[arg(long, default_value_t = 4)]
    in_flight: usize,
    /// Calls per second whatever the server does, instead of as fast as it answers
    #[arg(long)]
    rate: Option<f64>,
    /// File of an API key to call with
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// File of the API key of somebody else who calls meanwhile and is not measured
    #[arg(long, requires = "neighbour_rate")]
    neighbour_key_file: Option<PathBuf>,
    /// How many calls a second they make, answered or not
    #[arg(long, requires = "neighbour_key_file")]
    neighbour_rate: Option<f64>,
    /// The deadline of a call; an answer after it does not count
    #[arg(long)]
    deadline_ms: Option<u64>,
    /// How long to measure
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How long to ask before measuring
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Most calls to make
    #[arg(long, default_value_t = 10_000_000)]
    calls: u64,
    /// Process of the server, whose processor time and memory are told, with all it started
    #[arg(long)]
    server_pid: Option<u32>,
    /// Be the bare server instead
    #[arg(long)]
    bare: bool,
    /// With --bare: where to listen
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// With --bare: use the runtime that Patron uses, with this many threads, instead of a single
    /// thread
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let mut builder = match args.threads.filter(|_| args.bare) {
        Some(_) => Builder::new_multi_thread(),
        None => Builder::new_current_thread(),
    };
    if let Some(threads) = args.threads {
        builder.worker_threads(threads.max(1));
    }
    let runtime = builder.enable_all().build()?;
    if args.bare {
        return runtime.block_on(Bare::new(args.features).serve(args.listen));
    }
    runtime.block_on(measure(args))
}

async fn measure(args: Args) -> Result<(), Failure> {
    let messages = Arc::new(Messages::of(&args)?);
    let caller = Caller::connect(&args, args.key_file.as_deref(), &messages).await?;
    let began = Instant::now();
    let first = caller.first(&messages).await?;
    let first_call = began.elapsed();
    messages.check(first)?;
    let neighbour = match (&args.neighbour_key_file, args.neighbour_rate) {
        (Some(key), Some(rate)) => {
            Some((Caller::connect(&args, Some(key), &messages).await?, rate))
        }
        _ => None,
    };
    let plan = Plan {
        pace: match args.rate {
            Some(rate) => Pace::Rate(rate),
            None => Pace::AsAnswered(args.in_flight.max(1)),
        },
        deadline: args.deadline_ms.map(Duration::from_millis),
        warm_up: Duration::from_secs_f64(args.warm_up),
        measured: Duration::from_secs_f64(args.seconds),
        calls: args.calls,
    };
    let watched = args.server_pid.map(Watched::new);
    let outcome = drive::run(&plan, (caller, neighbour), Arc::clone(&messages), watched).await?;
    let line = outcome.line(&args.case.name(), messages.rows());
    writeln!(std::io::stdout(), "{line} first_us={}", first_call.as_micros())?;
    Ok(())
}
