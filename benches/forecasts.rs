//! Forecasts the series of a file and times it.
//!
//! ```sh
//! cargo run --release --example forecasts -- --data series.txt --output forecasts.txt \
//!     --horizon 18 --season-length 12 --threads 2 --method ensemble
//! ```
//!
//! A line of the file is a series, its values separated by commas. A line of the answer is the
//! forecast of a series: the expected values, then the lower and upper bounds of 80 % and of 95 %,
//! one after the other. `seconds=` is the time of fit and answer, without reading and writing, and
//! `peak_mib=` the most memory that they took beyond that of the series.
//! `benches/peers/compare.py forecast` runs this in turn with statsforecast and scores everyone.

#[path = "kernels/memory.rs"]
mod memory;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use patron::model::forecasting::{Member, Method, NoControl, Settings, fit_panel};
use rayon::prelude::*;

use self::memory::Resident;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Levels of the intervals in the answer.
const LEVELS: [f64; 2] = [0.8, 0.95];

/// Times one panel.
#[derive(Debug, Parser)]
struct Args {
    /// The series
    #[arg(long)]
    data: PathBuf,
    /// Where forecasts go
    #[arg(long)]
    output: PathBuf,
    /// Periods to forecast
    #[arg(long)]
    horizon: usize,
    /// Periods of a season
    #[arg(long)]
    season_length: usize,
    /// Threads to use
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Who forecasts
    #[arg(long, value_enum, default_value = "ensemble")]
    method: Who,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Who {
    Ensemble,
    Theta,
    Ets,
}

impl From<Who> for Method {
    fn from(who: Who) -> Self {
        match who {
            Who::Ensemble => Self::Ensemble,
            Who::Theta => Self::Single(Member::Theta),
            Who::Ets => Self::Single(Member::Ets),
        }
    }
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let text = fs::read_to_string(&args.data)?;
    let series = text.lines().map(numbers).collect::<Result<Vec<Vec<f64>>, Failure>>()?;
    let series: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
    let settings = Settings {
        horizon: args.horizon,
        season_lengths: vec![args.season_length],
        non_negative: true,
        method: args.method.into(),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build()?;
    pool.broadcast(|_| ());
    let (resident, start) = (Resident::now(), Instant::now());
    let answers = pool.install(|| answers(&series, &settings))?;
    let (seconds, peak_mib) = (start.elapsed().as_secs_f64(), resident.peak_mib());
    let mut output = String::new();
    for parts in answers {
        let numbers: Vec<String> = parts.iter().flatten().map(f64::to_string).collect();
        output.push_str(&numbers.join(","));
        output.push('\n');
    }
    fs::write(&args.output, output)?;
    writeln!(
        std::io::stdout(),
        "seconds={seconds:.6} series={} peak_mib={peak_mib:.2}",
        series.len()
    )?;
    Ok(())
}

fn numbers(line: &str) -> Result<Vec<f64>, Failure> {
    line.split(',').map(|number| Ok(number.parse()?)).collect()
}

/// Of each series the expected values and the bounds of all levels.
fn answers(series: &[&[f64]], settings: &Settings) -> Result<Vec<Vec<Vec<f64>>>, Failure> {
    let fit = fit_panel(series, settings, &NoControl)?;
    let indices: Vec<usize> = (0..series.len()).collect();
    let widths = LEVELS.map(|level| fit.widths(&indices, level));
    let points = indices.par_iter().map(|index| Ok(vec![fit.point(*index, settings.horizon)?]));
    let mut answers = points.collect::<Result<Vec<Vec<Vec<f64>>>, Failure>>()?;
    for (level, widths) in LEVELS.into_iter().zip(widths) {
        for (answer, width) in answers.iter_mut().zip(widths?) {
            let interval = fit.around(answer.first().ok_or("no forecast")?, &width, level);
            answer.extend([interval.lower, interval.upper]);
        }
    }
    Ok(answers)
}
