//! How tight, how separate and how alike clusterings are.
//!
//! Points are rows of `width` values in one slice, row-major; labels name the cluster of each.

use std::collections::BTreeMap;

/// Sum of the squared distances of points to the centre of their cluster. `None` when the shapes
/// do not fit or a label has no centre.
pub fn inertia(points: &[f64], width: usize, labels: &[u32], centres: &[Vec<f64>]) -> Option<f64> {
    if !fits(points, width, labels) {
        return None;
    }
    let mut sum = 0.0;
    for (point, label) in points.chunks_exact(width).zip(labels) {
        let centre = centres.get(usize::try_from(*label).ok()?)?;
        if centre.len() != width {
            return None;
        }
        sum += squared_distance(point, centre);
    }
    Some(sum)
}

/// Mean silhouette (Rousseeuw 1987) of the given points, exact, by Euclidean distance: -1 to 1,
/// higher is better. A point alone in its cluster counts 0. Takes time with the square of the
/// points. `None` unless there are at least two clusters.
pub fn silhouette_score(points: &[f64], width: usize, labels: &[u32]) -> Option<f64> {
    if !fits(points, width, labels) {
        return None;
    }
    let (clusters, sizes) = number_densely(labels);
    if sizes.len() < 2 {
        return None;
    }
    let rows = || points.chunks_exact(width).zip(&clusters);
    let mut distances = vec![0.0; sizes.len()];
    let mut sum = 0.0;
    for (point, own) in rows() {
        distances.fill(0.0);
        for (other, cluster) in rows() {
            if let Some(distance) = distances.get_mut(*cluster) {
                *distance += squared_distance(point, other).sqrt();
            }
        }
        sum += silhouette(*own, &distances, &sizes);
    }
    Some(sum / labels.len() as f64)
}

/// Labels as numbers from 0, and the size of each cluster.
fn number_densely(labels: &[u32]) -> (Vec<usize>, Vec<f64>) {
    let mut counts: BTreeMap<u32, f64> = BTreeMap::new();
    for label in labels {
        *counts.entry(*label).or_insert(0.0) += 1.0;
    }
    let numbers: BTreeMap<u32, usize> = counts.keys().copied().zip(0..).collect();
    let dense = labels.iter().filter_map(|label| numbers.get(label).copied());
    (dense.collect(), counts.into_values().collect())
}

/// The silhouette of one point of cluster `own` from its summed distances to each cluster.
fn silhouette(own: usize, distances: &[f64], sizes: &[f64]) -> f64 {
    let (mut within, mut nearest) = (0.0, f64::INFINITY);
    for (cluster, (distance, size)) in distances.iter().zip(sizes).enumerate() {
        if cluster != own {
            nearest = nearest.min(distance / size);
        } else if *size > 1.0 {
            within = distance / (size - 1.0);
        } else {
            return 0.0;
        }
    }
    let larger = within.max(nearest);
    if larger > 0.0 { (nearest - within) / larger } else { 0.0 }
}

/// Adjusted Rand index (Hubert and Arabie 1985) of two clusterings of the same points: 1 for the
/// same partition under any names, about 0 for unrelated ones, can be negative. `None` without
/// points or for unequal lengths.
pub fn adjusted_rand_index(a: &[u32], b: &[u32]) -> Option<f64> {
    if a.is_empty() || a.len() != b.len() {
        return None;
    }
    let together = pairs_within(a.iter().zip(b));
    let (in_a, in_b) = (pairs_within(a), pairs_within(b));
    let all = choose_two(a.len() as f64);
    let expected = if all > 0.0 { in_a * in_b / all } else { 0.0 };
    let largest = (in_a + in_b) / 2.0;
    if largest == expected {
        return Some(1.0);
    }
    Some((together - expected) / (largest - expected))
}

/// Pairs of points that share a label.
fn pairs_within<T: Ord>(labels: impl IntoIterator<Item = T>) -> f64 {
    let mut counts: BTreeMap<T, f64> = BTreeMap::new();
    for label in labels {
        *counts.entry(label).or_insert(0.0) += 1.0;
    }
    counts.into_values().map(choose_two).sum()
}

fn choose_two(count: f64) -> f64 {
    count * (count - 1.0) / 2.0
}

fn fits(points: &[f64], width: usize, labels: &[u32]) -> bool {
    width > 0 && !labels.is_empty() && labels.len().checked_mul(width) == Some(points.len())
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }

    #[test]
    fn inertia_sums_squares() {
        let points = [0.0, 0.0, 2.0, 0.0, 5.0, 5.0];
        let centres = [vec![1.0, 0.0], vec![5.0, 4.0]];
        close(inertia(&points, 2, &[0, 0, 1], &centres), 3.0);
        assert_eq!(inertia(&points, 2, &[0, 0, 2], &centres), None);
        assert_eq!(inertia(&points, 4, &[0, 0, 1], &centres), None);
    }

    #[test]
    fn silhouette_agrees_with_hand_computation() {
        // 0 and 1 against 4 and 6: (mean to the others - mean within) / the larger.
        let expected = [(5.0 - 1.0) / 5.0, (4.0 - 1.0) / 4.0, (3.5 - 2.0) / 3.5, (5.5 - 2.0) / 5.5];
        let mean = expected.iter().sum::<f64>() / 4.0;
        close(silhouette_score(&[0.0, 1.0, 4.0, 6.0], 1, &[0, 0, 7, 7]), mean);
    }

    #[test]
    fn lonely_points_count_zero_and_one_cluster_has_none() {
        close(silhouette_score(&[0.0, 9.0], 1, &[0, 1]), 0.0);
        close(silhouette_score(&[3.0; 4], 1, &[0, 0, 1, 1]), 0.0);
        assert_eq!(silhouette_score(&[0.0, 1.0], 1, &[4, 4]), None);
        assert_eq!(silhouette_score(&[], 1, &[]), None);
    }

    #[test]
    fn rand_index_agrees_with_scikit_learn() {
        close(adjusted_rand_index(&[0, 0, 1, 1], &[1, 1, 0, 0]), 1.0);
        close(adjusted_rand_index(&[0, 0, 1, 2], &[0, 0, 1, 1]), 4.0 / 7.0);
        close(adjusted_rand_index(&[0, 0, 0, 0], &[0, 1, 2, 3]), 0.0);
        close(adjusted_rand_index(&[0, 1, 0, 1], &[0, 0, 1, 1]), -0.5);
        close(adjusted_rand_index(&[3], &[5]), 1.0);
        assert_eq!(adjusted_rand_index(&[], &[]), None);
    }
}
