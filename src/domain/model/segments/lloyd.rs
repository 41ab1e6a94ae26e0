//! One start of k-means: iterate, refill clusters that ran empty, decide when it is done.

use super::SegmentsEstimator;
use super::cluster::{derive, draw};
use super::linfa_kmeans;
use super::points::{Points, nearest, squared_distance};
use crate::model::{FitError, FitRun};

/// Where one start ended.
pub(super) struct Fitted {
    /// Clusters x width, row-major.
    pub(super) centres: Vec<f64>,
    pub(super) inertia: f64,
    pub(super) converged: bool,
    pub(super) iterations: u64,
}

/// Multiplications of one call into a library, about a quarter of a second.
const CALL_WORK: usize = 150_000_000;

/// Rows between two looks at the cancel token.
const BLOCK: usize = 4_096;

pub(super) fn fit(
    settings: &SegmentsEstimator,
    points: &Points,
    clusters: usize,
    seed: u64,
    run: &FitRun<'_>,
) -> Result<Fitted, FitError> {
    run.check()?;
    let starting = starting_rows(points, clusters, seed);
    let mut centres = linfa_kmeans::start(&starting, clusters, seed)?;
    let (mut converged, mut iterations) = (false, 0);
    while !converged && iterations < settings.max_iterations {
        let mut moved = iterate(points, &centres, run)?;
        let refilled = refill(points, &mut moved.centres, &moved.counts, run)?;
        iterations += 1;
        let shift = farthest_move(&centres, &moved.centres, points.width());
        converged = !refilled && shift <= settings.tolerance;
        centres = moved.centres;
    }
    finish(points, centres, converged, iterations, run)
}

/// Centres after an iteration, and how many rows made each of them.
struct Moved {
    centres: Vec<f64>,
    counts: Vec<f64>,
}

/// One iteration of Lloyd's algorithm over all rows, in blocks.
fn iterate(points: &Points, centres: &[f64], run: &FitRun<'_>) -> Result<Moved, FitError> {
    let width = points.width();
    let block = (CALL_WORK / centres.len().max(1)).max(1);
    let mut sums = vec![0.0; centres.len()];
    let mut counts = vec![0.0; centres.len() / width];
    for rows in points.values().chunks(block * width) {
        run.check()?;
        let step = linfa_kmeans::step(rows, centres, width)?;
        add(&mut sums, &step.sums);
        add(&mut counts, &step.counts);
    }
    let sums_and_old = sums.chunks_exact(width).zip(centres.chunks_exact(width));
    let mean = |((sums, old), count): ((&[f64], &[f64]), &f64)| -> Vec<f64> {
        if *count > 0.0 { sums.iter().map(|sum| sum / count).collect() } else { old.to_vec() }
    };
    Ok(Moved { centres: sums_and_old.zip(&counts).flat_map(mean).collect(), counts })
}

fn add(sums: &mut [f64], more: &[f64]) {
    for (sum, value) in sums.iter_mut().zip(more) {
        *sum += value;
    }
}

/// The rows that starting centres are drawn from: all, or a seeded sample when k-means++, whose
/// time grows with the square of the clusters, would run for longer than one call may.
fn starting_rows(points: &Points, clusters: usize, seed: u64) -> Points {
    let work = (clusters * clusters * points.width() / 2).max(1);
    let most = (CALL_WORK / work).max(10 * clusters);
    points.select(&draw(points.rows(), most, derive(seed, 1, 1)))
}

/// Moves every centre without rows to the row that is farthest from its own centre, as
/// scikit-learn does. Whether there was one.
fn refill(
    points: &Points,
    centres: &mut [f64],
    counts: &[f64],
    run: &FitRun<'_>,
) -> Result<bool, FitError> {
    let empty = counts.iter().enumerate().filter(|(_, count)| **count == 0.0);
    let mut refilled = false;
    for (cluster, _) in empty {
        let farthest = farthest_row(points, centres, run)?;
        let place = centres.chunks_exact_mut(points.width()).nth(cluster);
        if let Some(place) = place {
            place.copy_from_slice(points.row(farthest));
        }
        refilled = true;
    }
    Ok(refilled)
}

fn farthest_row(points: &Points, centres: &[f64], run: &FitRun<'_>) -> Result<usize, FitError> {
    let mut farthest = (0, -1.0);
    for (row, point) in points.iter().enumerate() {
        if row.is_multiple_of(BLOCK) {
            run.check()?;
        }
        let (_, distance) = nearest(point, centres);
        if distance > farthest.1 {
            farthest = (row, distance);
        }
    }
    Ok(farthest.0)
}

/// The longest way a centre moved.
fn farthest_move(before: &[f64], after: &[f64], width: usize) -> f64 {
    let pairs = before.chunks_exact(width).zip(after.chunks_exact(width));
    let squares = pairs.map(|(a, b)| squared_distance(a, b));
    squares.fold(0.0, f64::max).sqrt()
}

/// Measures the final centres. The last move may have emptied a cluster; it is refilled first.
fn finish(
    points: &Points,
    mut centres: Vec<f64>,
    mut converged: bool,
    iterations: u64,
    run: &FitRun<'_>,
) -> Result<Fitted, FitError> {
    let clusters = centres.len() / points.width();
    let (mut inertia, mut counts) = measure(points, &centres, run)?;
    for _ in 0..clusters {
        if !refill(points, &mut centres, &counts, run)? {
            break;
        }
        converged = false;
        (inertia, counts) = measure(points, &centres, run)?;
    }
    Ok(Fitted { centres, inertia, converged, iterations })
}

/// Sum of squared distances to the nearest centres, and the rows of each centre.
fn measure(
    points: &Points,
    centres: &[f64],
    run: &FitRun<'_>,
) -> Result<(f64, Vec<f64>), FitError> {
    let mut inertia = 0.0;
    let mut counts = vec![0.0; centres.len() / points.width()];
    for (row, point) in points.iter().enumerate() {
        if row.is_multiple_of(BLOCK) {
            run.check()?;
        }
        let (cluster, distance) = nearest(point, centres);
        inertia += distance;
        if let Some(count) = counts.get_mut(cluster) {
            *count += 1.0;
        }
    }
    Ok((inertia, counts))
}
