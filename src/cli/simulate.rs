//! `patron simulate`: transactions of a shop whose truth is known.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use clap::{Args, ValueEnum};
use jiff::civil::Date;

use crate::grpc::proto::JobProgress;
use crate::simulation::{
    FileFormat, InvalidPlan, Plan, Simulated, SimulationError, Size, simulate,
};
use crate::transaction::{Money, Quantity, ShopClock};

use super::arguments::InvalidArgument;
use super::exit::Failure;
use super::output::{Format, Output};
use super::progress::Progress;
use super::signal;
use super::table::Table;
use crate::readable::count;

/// Arguments of `patron simulate`.
#[derive(Args, Clone, Debug)]
pub(super) struct SimulateArgs {
    /// Customers of the shop
    #[arg(long, value_name = "N", required_unless_present = "lines", conflicts_with = "lines")]
    customers: Option<u32>,
    /// About how many lines to write, instead of a number of customers
    #[arg(long, value_name = "N")]
    lines: Option<u64>,
    /// Length of the period in months
    #[arg(long, value_name = "M", default_value_t = 24)]
    months: u32,
    /// Chooses the shop; the same seed gives the same files
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Directory for transactions, mapping and truth
    #[arg(long, value_name = "DIRECTORY")]
    output: PathBuf,
    /// Products of the shop
    #[arg(long, value_name = "N", default_value_t = 2000)]
    products: u32,
    /// Stores of the shop
    #[arg(long, value_name = "N", default_value_t = 20)]
    stores: u32,
    /// First day of the period
    #[arg(long, value_name = "DATE", default_value = "2022-01-01")]
    start: String,
    /// IANA time zone of the shop
    #[arg(long, value_name = "ZONE", default_value = "Europe/London")]
    time_zone: String,
    /// ISO 4217 code of the shop's currency
    #[arg(long, value_name = "CODE", default_value = "GBP")]
    currency: String,
    /// Which files of transactions to write
    #[arg(long, value_name = "FORMAT", default_value = "parquet")]
    format: TransactionFormat,
    /// Share of rows that break the data contract, 0 to 0.5
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    dirty: f64,
    /// Threads that generate lines; the files do not depend on it [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Replace the files of an earlier simulation
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TransactionFormat {
    Parquet,
    Csv,
    Both,
}

/// Simulates a shop.
pub(super) async fn run(args: SimulateArgs) -> Result<(), Failure> {
    let (directory, force) = (args.output.clone(), args.force);
    let plan = plan(args)?;
    let started = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let work = move || {
        let mut bar = Progress::new("simulate");
        let mut show = |fraction: f64| {
            let stage = "generating".to_owned();
            bar.show(&JobProgress { stage, fraction, message: String::new() });
            !stopped.load(Ordering::Relaxed)
        };
        let done = simulate(&plan, &directory, force, &mut show);
        bar.finish();
        done.map(|done| text(&done, &plan.currency))
    };
    let done = signal::interruptible(work, || stop.store(true, Ordering::Relaxed)).await?;
    let text = done.map_err(failure)?;
    let mut output = Output::new(Format::Text);
    output.line(format_args!("{text}\n{:.1} s", started.elapsed().as_secs_f64()))?;
    Ok(())
}

fn plan(args: SimulateArgs) -> Result<Plan, Failure> {
    let size = match (args.lines, args.customers) {
        (Some(lines), _) => Size::Lines(lines),
        (None, customers) => Size::Customers(customers.unwrap_or(0)),
    };
    let start: Date = args
        .start
        .parse()
        .map_err(|_| InvalidArgument::new("--start", "a date such as 2022-01-01", &args.start))?;
    let zone = "an IANA time zone such as Europe/London";
    let clock = ShopClock::new(&args.time_zone)
        .map_err(|_| InvalidArgument::new("--time-zone", zone, &args.time_zone))?;
    let cores = || thread::available_parallelism().map_or(1, |cores| cores.get().min(256));
    let plan = Plan {
        size,
        months: args.months,
        start,
        seed: args.seed,
        products: args.products,
        stores: args.stores,
        clock,
        currency: args.currency,
        format: match args.format {
            TransactionFormat::Parquet => FileFormat::Parquet,
            TransactionFormat::Csv => FileFormat::Csv,
            TransactionFormat::Both => FileFormat::Both,
        },
        dirty: args.dirty,
        threads: args.threads.unwrap_or_else(cores),
    };
    plan.check().map_err(wrong_argument)?;
    Ok(plan)
}

fn wrong_argument(invalid: InvalidPlan) -> InvalidArgument {
    let flag = match invalid.field {
        "size" => "--customers or --lines",
        "months" => "--months",
        "start" => "--start",
        "products" => "--products",
        "stores" => "--stores",
        "currency" => "--currency",
        "dirty" => "--dirty",
        _ => "--threads",
    };
    InvalidArgument::new(flag, invalid.expected, invalid.found)
}

fn failure(error: SimulationError) -> Failure {
    match error {
        SimulationError::Plan(invalid) => wrong_argument(invalid).into(),
        SimulationError::NotEmpty { path } => {
            let expected = "an empty or new directory, or --force";
            InvalidArgument::new("--output", expected, path.display()).into()
        }
        SimulationError::Stopped => Failure::Interrupted(error.to_string()),
        SimulationError::Output { .. } => Failure::Output(io::Error::other(error)),
    }
}

fn text(done: &Simulated, currency: &str) -> String {
    let counts = &done.counts;
    let mut rows = Table::new(["rows", ">count"]);
    for (name, number) in [
        ("written", counts.rows),
        ("lines, as corrected", counts.lines),
        ("corrections", counts.corrected),
        ("dirty", counts.dirty),
        ("without customer", counts.anonymous),
        ("late", counts.late),
        ("returns", counts.returns),
        ("cancelling an order", counts.cancellations),
    ] {
        rows.row([name.to_owned(), count(number)]);
    }
    let mut files = Table::new(["file", ">bytes"]);
    for file in &done.files {
        files.row([file.name.clone(), count(file.bytes)]);
    }
    let revenue = Money::from_micros(counts.amount_micros);
    let units = Quantity::from_thousandths(counts.quantity_thousandths);
    let (customers, orders) = (count(done.customers.into()), count(counts.orders));
    format!(
        "{rows}\ncustomers  {customers}\norders     {orders}\nrevenue    {revenue} {currency}, \
         as corrected, returns deducted\nunits      {units}\n\n{files}"
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;
    use crate::ingest::{Mapping, open};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SimulateArgs,
    }

    fn args(line: &str) -> SimulateArgs {
        Line::try_parse_from(line.split(' ')).unwrap().args
    }

    #[test]
    fn wrong_arguments_name_their_flag() {
        for (line, flag) in [
            ("simulate --output x --customers 0", "--customers or --lines"),
            ("simulate --output x --customers 1 --start tomorrow", "--start"),
            ("simulate --output x --lines 10 --time-zone Mars", "--time-zone"),
            ("simulate --output x --lines 10 --dirty 0.7", "--dirty"),
            ("simulate --output x --lines 10 --threads 0", "--threads"),
        ] {
            let error = plan(args(line)).unwrap_err().to_string();
            assert!(error.starts_with(flag), "{error}");
        }
        assert!(Line::try_parse_from(["simulate", "--output", "x"]).is_err());
    }

    #[test]
    fn the_importer_reads_what_is_simulated_and_refuses_what_is_dirty() {
        let folder = tempfile::tempdir().unwrap();
        let line = "simulate --output x --customers 300 --months 3 --format both --dirty 0.05";
        let plan = plan(args(line)).unwrap();
        let counts = simulate(&plan, folder.path(), false, &mut |_| true).unwrap().counts;
        for (file, mapping) in
            [("transactions.parquet", "mapping.toml"), ("transactions.csv", "mapping_csv.toml")]
        {
            let mapping = fs::read_to_string(folder.path().join(mapping)).unwrap();
            let mapping = Mapping::parse(&mapping).unwrap();
            let rows = open(&folder.path().join(file), &mapping).unwrap().map(Result::unwrap);
            let (mut good, mut refused, mut amount) = (0, 0, Money::ZERO);
            for row in rows {
                let recorded_at = row.recorded_at;
                match row.check("GBP") {
                    Ok(line) => {
                        assert!(recorded_at.is_some_and(|at| at > line.occurred_at), "{file}");
                        good += 1;
                        amount += line.amount();
                    }
                    Err(_) => refused += 1,
                }
            }
            assert!(refused > 0, "{file}");
            assert_eq!((good, refused), (counts.rows - counts.dirty, counts.dirty), "{file}");
            assert_eq!(amount.micros(), counts.row_amount_micros, "{file}");
        }
    }
}
