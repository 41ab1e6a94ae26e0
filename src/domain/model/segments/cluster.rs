//! Starts, counts and the choice between them.

use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;

use super::choice::Tried;
use super::lloyd::{self, Fitted};
use super::points::{Points, nearest};
use super::{ClusterCount, SegmentsAlgorithm, SegmentsEstimator};
use crate::metrics::silhouette_score;
use crate::model::{FitError, FitRun, kmeans};

/// The best clustering found.
pub(super) struct Clustering {
    /// Clusters x width, row-major.
    pub(super) centres: Vec<f64>,
    pub(super) inertia: f64,
    pub(super) silhouette: Option<f64>,
    pub(super) converged: bool,
    pub(super) iterations: u64,
    /// Every number of clusters that was tried, the fewest first.
    pub(super) tried: Vec<Tried>,
}

/// Rows that a silhouette is measured on.
const SILHOUETTE_ROWS: usize = 2_000;

/// Rows between two looks at the cancel token.
const BLOCK: usize = 4_096;

pub(super) fn cluster(
    settings: &SegmentsEstimator,
    points: &Points,
    run: &FitRun<'_>,
) -> Result<Clustering, FitError> {
    let counts = counts(settings.clusters, points)?;
    let sample = sample(points, run.seed);
    let mut best: Option<Clustering> = None;
    let mut tried = Vec::with_capacity(counts.len());
    for (index, clusters) in counts.iter().enumerate() {
        let report = |part: f64| {
            let fraction = (index as f64 + part) / counts.len() as f64;
            run.progress.report("cluster", fraction);
        };
        let fitted = best_of_restarts(settings, points, *clusters, run, report)?;
        let found = measured(fitted, &sample);
        run.check()?;
        let Clustering { silhouette, inertia, converged, .. } = found;
        tried.push(Tried { clusters: *clusters, silhouette, inertia, converged });
        let better = best.as_ref().is_none_or(|best| found.silhouette > best.silhouette);
        if better {
            best = Some(found);
        }
    }
    let best = best.map(|best| Clustering { tried, ..best });
    best.ok_or(FitError::TooFew { what: "clusters", expected: 1, found: 0 })
}

/// The numbers of clusters to try, fewest first; none needs more different rows than there are.
fn counts(clusters: ClusterCount, points: &Points) -> Result<Vec<usize>, FitError> {
    let (least, most) = match clusters {
        ClusterCount::Fixed(count) => (count, count),
        ClusterCount::Auto { least, most } => (least, most),
    };
    let distinct = points.distinct(most);
    if distinct < least {
        return Err(FitError::TooFew {
            what: "rows that differ",
            expected: least,
            found: distinct,
        });
    }
    Ok((least..=most.min(distinct)).collect())
}

fn best_of_restarts(
    settings: &SegmentsEstimator,
    points: &Points,
    clusters: usize,
    run: &FitRun<'_>,
    report: impl Fn(f64),
) -> Result<Fitted, FitError> {
    if settings.algorithm == SegmentsAlgorithm::KMeans {
        return by_kernel(settings, points, clusters, run);
    }
    let mut best: Option<Fitted> = None;
    for restart in 0..settings.restarts {
        report(restart as f64 / settings.restarts as f64);
        let seed = derive(run.seed, clusters as u64, restart as u64);
        let fitted = lloyd::fit(settings, points, clusters, seed, run)?;
        if best.as_ref().is_none_or(|best| fitted.inertia < best.inertia) {
            best = Some(fitted);
        }
    }
    best.ok_or(FitError::TooFew { what: "restarts", expected: 1, found: 0 })
}

fn by_kernel(
    settings: &SegmentsEstimator,
    points: &Points,
    clusters: usize,
    run: &FitRun<'_>,
) -> Result<Fitted, FitError> {
    let values: Vec<f32> = points.values().iter().map(|value| *value as f32).collect();
    let fit = kmeans::fit(
        kmeans::Points::new(&values, points.width())?,
        None,
        &kmeans::Settings {
            starts: settings.restarts,
            max_iterations: usize::try_from(settings.max_iterations).unwrap_or(usize::MAX),
            tolerance: settings.tolerance,
            ..kmeans::Settings::new(clusters)
        },
        run,
    )?;
    let (inertia, converged) = (fit.inertia, fit.converged);
    Ok(Fitted { centres: fit.centres, inertia, converged, iterations: fit.iterations as u64 })
}

fn measured(fitted: Fitted, sample: &Points) -> Clustering {
    let label = |point| nearest(point, &fitted.centres).0 as u32;
    let labels: Vec<u32> = sample.iter().map(label).collect();
    Clustering {
        silhouette: silhouette_score(sample.values(), sample.width(), &labels),
        centres: fitted.centres,
        inertia: fitted.inertia,
        converged: fitted.converged,
        iterations: fitted.iterations,
        tried: Vec::new(),
    }
}

fn sample(points: &Points, seed: u64) -> Points {
    let rows = draw(points.rows(), SILHOUETTE_ROWS, derive(seed, 0, u64::MAX));
    points.select(&rows)
}

/// At most `most` row numbers in rising order, drawn without replacement.
pub(super) fn draw(rows: usize, most: usize, seed: u64) -> Vec<usize> {
    if rows <= most {
        return (0..rows).collect();
    }
    let mut random = Xoshiro256Plus::seed_from_u64(seed);
    let mut drawn = rand::seq::index::sample(&mut random, rows, most).into_vec();
    drawn.sort_unstable();
    drawn
}

/// A seed for one purpose out of the run's seed (the finisher of SplitMix64 after each part).
pub(super) fn derive(seed: u64, first: u64, second: u64) -> u64 {
    let mix = |value: u64| {
        let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    };
    mix(mix(mix(seed) ^ first) ^ second)
}

impl Clustering {
    /// The cluster of each row.
    pub(super) fn labels(&self, points: &Points, run: &FitRun<'_>) -> Result<Vec<usize>, FitError> {
        let mut labels = Vec::with_capacity(points.rows());
        for (row, point) in points.iter().enumerate() {
            if row.is_multiple_of(BLOCK) {
                run.check()?;
            }
            labels.push(nearest(point, &self.centres).0);
        }
        Ok(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_distinct_sorted_and_repeatable() {
        let drawn = draw(10_000, 2_000, 7);
        assert_eq!(drawn.len(), 2_000);
        assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(drawn, draw(10_000, 2_000, 7));
        assert_ne!(drawn, draw(10_000, 2_000, 8));
        assert_eq!(draw(3, 2_000, 7), [0, 1, 2]);
    }

    #[test]
    fn derived_seeds_differ() {
        let mut seeds: Vec<u64> =
            (0..50).flat_map(|a| (0..50).map(move |b| derive(1, a, b))).collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 2_500);
    }
}
