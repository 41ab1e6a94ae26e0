//! The adapter of linfa-clustering.
//!
//! The library is asked for k-means++ starts and for single iterations over a block of rows, so
//! that a cancel is seen between blocks. That makes its defects harmless: counts are wrong with
//! several runs, k-means|| is not repeatable, more clusters than rows panic, reaching the last
//! iteration is not told, and data of another width or not finite panics or fails late.
//!
//! The library spreads rows over the threads of the current rayon pool. Each row is computed on its
//! own and all sums are made in the order of rows, so the result does not depend on their number.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_clustering::{KMeans, KMeansInit};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;

use super::points::Points;
use crate::model::FitError;

/// Any number that a move between two iterations exceeds: single iterations never converge.
const NO_TOLERANCE: f64 = f64::MIN_POSITIVE;

/// What one iteration over a block of rows found.
pub(super) struct Step {
    /// Sum of the rows nearest to each centre: clusters x width, row-major.
    pub(super) sums: Vec<f64>,
    /// Number of those rows.
    pub(super) counts: Vec<f64>,
}

/// Centres after k-means++ and one iteration: clusters x width, row-major. Centres may coincide
/// when there are fewer different rows than clusters.
pub(super) fn start(points: &Points, clusters: usize, seed: u64) -> Result<Vec<f64>, FitError> {
    let init = KMeansInit::KMeansPlusPlus;
    let (centres, _) = one_iteration(points.values(), points.width(), init, clusters, seed)?;
    Ok(centres.iter().copied().collect())
}

/// One iteration over `rows` (row-major, `width` wide) from the given centres.
pub(super) fn step(rows: &[f64], centres: &[f64], width: usize) -> Result<Step, FitError> {
    let before = view(centres, width)?;
    let init = KMeansInit::Precomputed(before.to_owned());
    let (after, counts) = one_iteration(rows, width, init, before.nrows(), 0)?;
    // The library takes the old centre for one more point of its cluster; this takes it out.
    let with_old = counts.mapv(|count| count + 1.0).insert_axis(Axis(1));
    let sums = after * with_old - before;
    Ok(Step { sums: sums.iter().copied().collect(), counts: counts.to_vec() })
}

/// Centres after one iteration, and how many of the rows belong to each.
fn one_iteration(
    rows: &[f64],
    width: usize,
    init: KMeansInit<f64>,
    clusters: usize,
    seed: u64,
) -> Result<(Array2<f64>, Array1<f64>), FitError> {
    let random = Xoshiro256Plus::seed_from_u64(seed);
    let fitted = KMeans::params_with_rng(clusters, random)
        .init_method(init)
        .n_runs(1)
        .max_n_iterations(1)
        .tolerance(NO_TOLERANCE)
        .fit(&DatasetBase::from(view(rows, width)?))
        .map_err(refused)?;
    Ok((fitted.centroids().clone(), fitted.cluster_count().clone()))
}

fn view(values: &[f64], width: usize) -> Result<ArrayView2<'_, f64>, FitError> {
    let rows = values.len() / width.max(1);
    ArrayView2::from_shape((rows, width), values).map_err(refused)
}

fn refused(error: impl std::fmt::Display) -> FitError {
    FitError::Algorithm { algorithm: "linfa-kmeans", message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::super::points::nearest;
    use super::*;

    #[test]
    fn a_step_gives_exact_sums_and_counts() {
        let rows: Vec<f64> = (0..300).map(|i| f64::from(i * 37 % 101) / 10.0).collect();
        let centres = [1.0, 1.0, 5.0, 5.0, 9.0, 2.0, 1e6, 1e6];
        let found = step(&rows, &centres, 2).unwrap();
        let (mut sums, mut counts) = (vec![0.0; 8], vec![0.0; 4]);
        for row in rows.chunks(2) {
            let (cluster, _) = nearest(row, &centres);
            counts[cluster] += 1.0;
            sums[2 * cluster] += row[0];
            sums[2 * cluster + 1] += row[1];
        }
        assert_eq!(found.counts, counts);
        for (found, expected) in found.sums.iter().zip(sums) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn starts_repeat_under_a_seed_and_differ_between_seeds() {
        let points = Points::new((0..2_000).map(|i| f64::from(i * 613 % 997)).collect(), 2);
        assert_eq!(start(&points, 5, 1), start(&points, 5, 1));
        assert_ne!(start(&points, 5, 1), start(&points, 5, 2));
    }

    #[test]
    fn more_clusters_than_rows_do_not_panic() {
        let points = Points::new(vec![1.0, 1.0], 1);
        assert_eq!(start(&points, 3, 1).unwrap(), [1.0; 3]);
    }
}
