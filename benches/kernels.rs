//! Times the learning kernels, and the libraries that Patron also offers, on rows from a file.
//!
//! ```sh
//! cargo run --release --example kernels -- --data x.f32 --rows 100000 --threads 2 kmeans
//! ```
//!
//! Rows are little-endian `f32`, one after the other; outcomes are a byte each, 0 or not. One run
//! per process: seconds, CPU seconds and the most memory beyond that of the rows are those of the
//! fit. `benches/peers/compare.py` makes the files and runs this in turn with libraries in Python.

#[path = "kernels/input.rs"]
mod input;
#[path = "kernels/libraries.rs"]
mod libraries;
#[path = "kernels/measure.rs"]
mod measure;
#[path = "kernels/memory.rs"]
mod memory;

use std::io::Write as _;

use clap::{Parser, Subcommand};
use patron::model::FitRun;
use patron::model::kmeans::{self, Points, assign, fit_from};
use patron::model::logistic::{self, Rows};
use patron::model::trees::{Binned, Sample, Table, boosting, forest, shap, tree};

use self::input::{Files, Labelled, read_values};
use self::measure::{Cost, gradient, log_loss, measured, probability};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a run took and how good its model is.
type Outcome = Result<(Cost, f64), Failure>;

/// Times one fit.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    files: Files,
    /// Threads to use
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(subcommand)]
    work: Work,
}

/// What is timed, and what `quality=` means.
#[derive(Debug, Subcommand)]
enum Work {
    /// Lloyd's algorithm from the first rows: mean squared distance to the nearest centre
    Kmeans(Clusters),
    /// The same by linfa-clustering, in f32
    LinfaKmeans(Clusters),
    /// Logistic regression: largest component of the gradient of the mean loss and its penalty
    Logistic(Penalty),
    /// The same by linfa-logistic, in f64
    LinfaLogistic(Penalty),
    /// A decision tree: log-loss on the test rows
    Tree(Growth),
    /// The same by linfa-trees, in f32, with shares of events that are counted for its leaves
    LinfaTree(Growth),
    /// A random forest: log-loss on the test rows
    Forest(Growth),
    /// The same by smartcore, as regression on 0 and 1: its classifier tells no probabilities
    SmartcoreForest(Growth),
    /// Gradient boosting: log-loss on the test rows
    Boosting(Rounds),
    /// Shapley values of the test rows by a boosted model: most that a row's sum is off its score
    Shap(Rounds),
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct Clusters {
    /// Number of clusters
    #[arg(long, default_value_t = 64)]
    clusters: usize,
    /// Passes over the rows
    #[arg(long, default_value_t = 20)]
    iterations: usize,
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct Penalty {
    /// Strength of the squared penalty
    #[arg(long, default_value_t = 1.0)]
    l2: f64,
    /// Largest component of the gradient, per row, at which it ends
    #[arg(long, default_value_t = 1e-8)]
    tolerance: f64,
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct Growth {
    /// Most splits on the way to a leaf
    #[arg(long, default_value_t = 8)]
    depth: u16,
    /// Fewest rows in a leaf
    #[arg(long, default_value_t = 50)]
    min_rows: u32,
    /// Trees of the forest
    #[arg(long, default_value_t = 100)]
    trees: usize,
    /// Columns that a node of the forest draws
    #[arg(long, default_value_t = 4)]
    columns_per_split: usize,
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct Rounds {
    /// Number of trees
    #[arg(long, default_value_t = 100)]
    trees: usize,
    /// Most leaves of a tree
    #[arg(long, default_value_t = 31)]
    leaves: usize,
    /// Fewest rows in a leaf
    #[arg(long, default_value_t = 20)]
    min_rows: u32,
    /// Share of each step that is taken
    #[arg(long, default_value_t = 0.1)]
    rate: f64,
}

/// Rows that are fitted before anything is measured, as `compare.py` has it for everyone.
const WARM_UP_ROWS: usize = 1_000;

/// Most bins of a column.
const BINS: usize = 255;

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let run = FitRun { threads: args.threads, ..FitRun::quiet(args.seed) };
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global()?;
    // What is loaded and started at the first use is not measured.
    let few = Files { rows: args.files.rows.min(WARM_UP_ROWS), ..args.files.clone() };
    outcome(&few, &args.work, &run)?;
    let (cost, quality) = outcome(&args.files, &args.work, &run)?;
    writeln!(std::io::stdout(), "{cost} quality={quality:.8e}")?;
    Ok(())
}

/// Does the work once: what it took, and how good it is.
fn outcome(files: &Files, work: &Work, run: &FitRun<'_>) -> Outcome {
    match *work {
        Work::Kmeans(settings) => clusters(files, settings, run),
        Work::LinfaKmeans(settings) => libraries::clusters(files, settings, run),
        Work::Logistic(settings) => regression(files, settings, run),
        Work::LinfaLogistic(settings) => libraries::regression(files, settings),
        Work::Tree(settings) => one_tree(files, settings, run),
        Work::LinfaTree(settings) => libraries::one_tree(files, settings),
        Work::Forest(settings) => random_forest(files, settings, run),
        Work::SmartcoreForest(settings) => libraries::random_forest(files, settings, run),
        Work::Boosting(settings) => boosted(files, settings, run),
        Work::Shap(settings) => explained(files, settings, run),
    }
}

fn clusters(files: &Files, settings: Clusters, run: &FitRun<'_>) -> Outcome {
    let values = read_values(&files.data, files.rows * files.columns)?;
    let points = Points::new(&values, files.columns)?;
    let start = values.iter().take(settings.clusters * files.columns);
    let start: Vec<f64> = start.map(|value| f64::from(*value)).collect();
    let lloyd = kmeans::Settings {
        tolerance: 0.0,
        max_iterations: settings.iterations,
        ..kmeans::Settings::new(settings.clusters)
    };
    let (fit, cost) = measured(|| Ok(fit_from(points, None, &start, &lloyd, run)?))?;
    Ok((cost, mean_distance(points, &fit.centres, run)?))
}

/// The inertia of the rows around any centres, per row.
fn mean_distance(points: Points<'_>, centres: &[f64], run: &FitRun<'_>) -> Result<f64, Failure> {
    let distances = assign(points, centres, run)?.distances;
    Ok(distances.iter().sum::<f64>() / distances.len() as f64)
}

fn regression(files: &Files, settings: Penalty, run: &FitRun<'_>) -> Outcome {
    let train = Labelled::train(files)?;
    let rows = Rows { values: &train.values, width: train.width };
    let newton = logistic::Settings {
        l2: settings.l2,
        l1: 0.0,
        max_iterations: 100,
        tolerance: settings.tolerance,
    };
    let (fit, cost) = measured(|| Ok(logistic::fit(rows, &train.target, None, &newton, run)?))?;
    Ok((cost, gradient(&train, fit.intercept, &fit.coefficients, settings.l2)))
}

fn one_tree(files: &Files, settings: Growth, run: &FitRun<'_>) -> Outcome {
    let train = Labelled::train(files)?;
    let grown = tree::Settings {
        max_depth: settings.depth.into(),
        min_rows: settings.min_rows.into(),
        ..tree::Settings::default()
    };
    let (tree, cost) = measured(|| {
        let binned = binned(&train, run)?;
        let sample = Sample { binned: &binned, target: &train.target, weights: None };
        Ok(tree::fit(&sample, &grown, run)?)
    })?;
    let test = Labelled::test(files)?;
    Ok((cost, log_loss(test.rows().map(|row| tree.predict_row(row)), &test.target)))
}

fn random_forest(files: &Files, settings: Growth, run: &FitRun<'_>) -> Outcome {
    let train = Labelled::train(files)?;
    let grown = forest::Settings {
        trees: settings.trees,
        max_depth: settings.depth.into(),
        min_rows: settings.min_rows.into(),
        columns_per_split: Some(settings.columns_per_split),
        ..forest::Settings::default()
    };
    let (forest, cost) = measured(|| {
        let binned = binned(&train, run)?;
        let sample = Sample { binned: &binned, target: &train.target, weights: None };
        Ok(forest::fit(&sample, &grown, run)?.0)
    })?;
    let test = Labelled::test(files)?;
    Ok((cost, log_loss(forest.predict(&test.values)?, &test.target)))
}

fn boosted(files: &Files, settings: Rounds, run: &FitRun<'_>) -> Outcome {
    let (model, cost) = boosting_of(files, settings, run)?;
    let test = Labelled::test(files)?;
    Ok((cost, log_loss(model.predict(&test.values)?, &test.target)))
}

fn explained(files: &Files, settings: Rounds, run: &FitRun<'_>) -> Outcome {
    let (model, _) = boosting_of(files, settings, run)?;
    let test = Labelled::test(files)?;
    let rows: Vec<&[f32]> = test.rows().collect();
    let (parts, cost) = measured(|| Ok(shap::Explainer::of_boosting(&model).rows(&rows)))?;
    let off = parts.iter().zip(rows).map(|(part, row)| {
        let sum = part.base + part.columns.iter().sum::<f64>();
        (probability(sum) - model.predict_row(row)).abs()
    });
    Ok((cost, off.fold(0.0, f64::max)))
}

fn boosting_of(
    files: &Files,
    settings: Rounds,
    run: &FitRun<'_>,
) -> Result<(boosting::Boosting, Cost), Failure> {
    let train = Labelled::train(files)?;
    let boosts = boosting::Settings {
        rounds: settings.trees,
        learning_rate: settings.rate,
        max_leaves: Some(settings.leaves),
        min_rows: settings.min_rows.into(),
        ..boosting::Settings::default()
    };
    measured(|| {
        let binned = binned(&train, run)?;
        let target: Vec<f64> = train.target.iter().map(|event| f64::from(*event)).collect();
        let sample = Sample { binned: &binned, target: &target, weights: None };
        Ok(boosting::fit(&sample, &boosts, None, run)?.0)
    })
}

/// The rows in bins, which belongs to the fit of every tree.
fn binned(train: &Labelled, run: &FitRun<'_>) -> Result<Binned, Failure> {
    let table = Table::new(&train.values, train.width, &[])?;
    Ok(Binned::of(&table, BINS, run)?)
}
