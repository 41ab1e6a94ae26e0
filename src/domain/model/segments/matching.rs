//! Handing names on from one version to the next.
//!
//! Clusters come out of a fit in any order. They are paired with those of the previous version so
//! that the sum of distances between paired centres is smallest, and a pair counts only if the new
//! centre lies within its own cluster's radius of the old one: a cluster that moved farther is a
//! new group of customers and gets a new name.

mod assignment;

use std::cmp::Ordering;

use self::assignment::assign;
use super::SegmentsModel;
use super::profile::{Cluster, Profile};
use crate::model::preprocessing::Standardizer;

/// A cluster in its final place.
pub(super) struct Placed {
    /// Its place in the profile.
    pub(super) cluster: usize,
    /// The name it keeps.
    pub(super) name: Option<String>,
}

/// The order of the segments: those of the previous version first and in its order, then new
/// ones, largest first.
pub(super) fn order(
    previous: Option<&SegmentsModel>,
    standardizer: &Standardizer,
    profile: &Profile,
) -> Vec<Placed> {
    let pairs = previous.map_or_else(Vec::new, |previous| pair(previous, standardizer, profile));
    let mut placed: Vec<Placed> = Vec::new();
    for (old, cluster) in pairs {
        placed.push(Placed { cluster, name: Some(old) });
    }
    let taken = |cluster: &usize| placed.iter().any(|kept| kept.cluster == *cluster);
    let mut fresh: Vec<usize> = (0..profile.clusters.len()).filter(|c| !taken(c)).collect();
    fresh.sort_by(|a, b| largest_first(profile.clusters.get(*a), profile.clusters.get(*b)));
    placed.extend(fresh.into_iter().map(|cluster| Placed { cluster, name: None }));
    placed
}

fn largest_first(a: Option<&Cluster>, b: Option<&Cluster>) -> Ordering {
    let (Some(a), Some(b)) = (a, b) else {
        return Ordering::Equal;
    };
    let mut coordinates = a.centre.iter().zip(&b.centre).map(|(x, y)| x.total_cmp(y));
    let by_centre = coordinates.find(|order| order.is_ne()).unwrap_or(Ordering::Equal);
    b.size.cmp(&a.size).then(by_centre)
}

/// Names of the previous version, in its order, with the cluster that keeps each.
fn pair(
    previous: &SegmentsModel,
    standardizer: &Standardizer,
    profile: &Profile,
) -> Vec<(String, usize)> {
    let rescaled = |centre| previous.standardizer.rescale(centre, standardizer);
    let Some(old) = previous.centres().map(rescaled).collect::<Option<Vec<_>>>() else {
        return Vec::new();
    };
    let costs: Vec<Vec<f64>> = old
        .iter()
        .map(|centre| profile.clusters.iter().map(|cluster| cost(centre, cluster)).collect())
        .collect();
    let pairs = previous.segments.iter().zip(assign(&costs)).zip(&costs);
    pairs
        .filter_map(|((segment, cluster), costs)| {
            let cluster = cluster?;
            let near = *costs.get(cluster)? < TOO_FAR;
            near.then(|| (segment.name.clone(), cluster))
        })
        .collect()
}

/// What pairing two clusters that lie too far apart costs; more than all true distances together.
const TOO_FAR: f64 = 1e12;

/// Smallest radius of the gate, for clusters whose rows all coincide.
const LEAST_RADIUS: f64 = 1e-6;

fn cost(old: &[f64], new: &Cluster) -> f64 {
    let distance = super::points::squared_distance(old, &new.centre).sqrt();
    if distance <= new.radius.max(LEAST_RADIUS) { distance } else { TOO_FAR }
}
