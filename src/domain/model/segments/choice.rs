//! The numbers of clusters that were tried.

use serde::{Deserialize, Serialize};

/// How one number of clusters did.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Tried {
    /// The number of clusters.
    pub clusters: usize,
    /// Mean silhouette of at most 2,000 rows, the same for all numbers; `None` for one cluster.
    pub silhouette: Option<f64>,
    /// Sum of the squared distances of all rows, in standardised columns.
    pub inertia: f64,
    /// Whether the best start converged.
    pub converged: bool,
}

/// The number whose inertia lies farthest below the line from the first to the last one, both axes
/// scaled to 1; `None` with fewer than three numbers or without a fall. Information only: clusters
/// are chosen by silhouette.
pub fn elbow(tried: &[Tried]) -> Option<usize> {
    let (first, last) = (tried.first()?, tried.last()?);
    let fall = first.inertia - last.inertia;
    let steps = last.clusters.saturating_sub(first.clusters) as f64;
    let below = |tried: &Tried| {
        let right = (tried.clusters - first.clusters) as f64 / steps;
        (first.inertia - tried.inertia) / fall - right
    };
    let mut best = None;
    for tried in tried.iter().filter(|_| fall > 0.0 && steps >= 2.0) {
        let depth = below(tried);
        if best.is_none_or(|(most, _)| depth > most) {
            best = Some((depth, tried.clusters));
        }
    }
    best.filter(|(depth, _)| *depth > 0.0).map(|(_, clusters)| clusters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_elbow_is_farthest_from_the_chord() {
        let tried = |pairs: &[(usize, f64)]| -> Vec<Tried> {
            let tried = |(clusters, inertia): &(usize, f64)| Tried {
                clusters: *clusters,
                silhouette: None,
                inertia: *inertia,
                converged: true,
            };
            pairs.iter().map(tried).collect()
        };
        assert_eq!(
            elbow(&tried(&[(1, 100.0), (2, 60.0), (3, 20.0), (4, 15.0), (5, 10.0)])),
            Some(3)
        );
        assert_eq!(elbow(&tried(&[(1, 100.0), (2, 50.0), (3, 0.0)])), None);
        assert_eq!(elbow(&tried(&[(1, 100.0), (2, 50.0)])), None);
        assert_eq!(elbow(&tried(&[(1, 5.0), (2, 5.0), (3, 5.0)])), None);
        assert_eq!(elbow(&[]), None);
    }
}
