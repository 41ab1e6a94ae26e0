//! How many clusters.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Fit, Points, Settings, fit, silhouette};
use crate::model::{FitError, FitRun};

/// Rows that a silhouette is measured on.
const SAMPLE: usize = 4_000;

/// The numbers of clusters that were tried, and the one that was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// One per number of clusters, the fewest first.
    pub tried: Vec<Tried>,
    /// The number with the best silhouette, the fewest on a tie and when there is none.
    pub chosen: usize,
    /// The number whose inertia lies farthest below the line from the first to the last one, both
    /// axes scaled to 1; `None` with fewer than three numbers or without a fall. Information only.
    pub elbow: Option<usize>,
    /// The fit of the chosen number.
    pub fit: Fit,
}

/// How one number of clusters did.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Tried {
    /// The number of clusters.
    pub clusters: usize,
    /// Mean silhouette of at most 4,000 rows, the same for all numbers.
    pub silhouette: Option<f64>,
    /// Sum of weight times squared distance over all rows.
    pub inertia: f64,
    /// Whether the fit converged.
    pub converged: bool,
}

/// Fits each number of clusters in `range` and chooses by silhouette; `settings.clusters` is not
/// used.
///
/// # Errors
/// Those of [`fit`]; and when the range is empty.
pub fn choose_k(
    points: Points<'_>,
    weights: Option<&[f64]>,
    range: RangeInclusive<usize>,
    settings: &Settings,
    run: &FitRun<'_>,
) -> Result<Choice, FitError> {
    let mut tried: Vec<Tried> = Vec::new();
    let mut best: Option<(Tried, Fit)> = None;
    for clusters in range {
        let fitted = fit(points, weights, &Settings { clusters, ..*settings }, run)?;
        let silhouette = silhouette(points, &fitted.labels, SAMPLE, run)?;
        let Fit { inertia, converged, .. } = fitted;
        let found = Tried { clusters, silhouette, inertia, converged };
        if best.as_ref().is_none_or(|(best, _)| found.silhouette > best.silhouette) {
            best = Some((found, fitted));
        }
        tried.push(found);
    }
    let Some((chosen, fit)) = best else {
        return Err(FitError::TooFew { what: "numbers of clusters", expected: 1, found: 0 });
    };
    Ok(Choice { chosen: chosen.clusters, elbow: elbow(&tried), fit, tried })
}

fn elbow(tried: &[Tried]) -> Option<usize> {
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
