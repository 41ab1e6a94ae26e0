//! Names and descriptions from profiles.

mod words;

use self::words::{describe, slug};
use super::Segment;
use super::matching::Placed;
use super::profile::{Cluster, Profile};
use crate::model::preprocessing::Standardizer;

/// How many standard deviations from the population's mean a centre is high or low.
const FAR: f64 = 0.5;

/// The segments in their final order, each with a unique name.
pub(super) fn segments(
    standardizer: &Standardizer,
    profile: &Profile,
    order: &[Placed],
) -> Vec<Segment> {
    let columns: Vec<&str> = standardizer.column_names().collect();
    let names = names(&columns, profile, order);
    let clusters = order.iter().filter_map(|placed| profile.clusters.get(placed.cluster));
    let segment = |(cluster, name): (&Cluster, String)| Segment {
        name,
        size: cluster.size,
        share: cluster.share,
        centroid: standardizer.invert(&cluster.centre),
        medians: cluster.medians.clone(),
        description: describe(&columns, cluster),
    };
    clusters.zip(names).map(segment).collect()
}

/// A name under discussion.
struct Candidate<'a> {
    name: String,
    kept: bool,
    centre: &'a [f64],
}

fn names(columns: &[&str], profile: &Profile, order: &[Placed]) -> Vec<String> {
    let alone = order.len() == 1;
    let candidate = |placed: &Placed| {
        let centre = profile.clusters.get(placed.cluster)?.centre.as_slice();
        let kept = placed.name.is_some();
        let name = match &placed.name {
            Some(name) => name.clone(),
            None if alone => "everyone".to_owned(),
            None => base_name(columns, centre),
        };
        Some(Candidate { name, kept, centre })
    };
    let candidates: Vec<Candidate<'_>> = order.iter().filter_map(candidate).collect();
    let mut names: Vec<String> = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let rivals: Vec<&[f64]> = candidates
            .iter()
            .enumerate()
            .filter(|(other, rival)| *other != index && rival.name == candidate.name)
            .map(|(_, rival)| rival.centre)
            .collect();
        let name = if candidate.kept || rivals.is_empty() {
            candidate.name.clone()
        } else {
            let suffix = difference(columns, candidate.centre, &rivals);
            format!("{}-{suffix}", candidate.name)
        };
        names.push(unique(name, &names, &candidates));
    }
    names
}

/// The name, with a number where it is already given or kept by another.
fn unique(name: String, given: &[String], candidates: &[Candidate<'_>]) -> String {
    let own_kept = candidates.get(given.len()).is_some_and(|own| own.kept);
    let taken = |name: &String| {
        let kept = candidates.iter().any(|other| other.kept && other.name == *name);
        given.contains(name) || (kept && !own_kept)
    };
    let numbered = |number: u32| format!("{name}-{number}");
    if !taken(&name) {
        return name;
    }
    let free = (2..).map(numbered).find(|name| !taken(name));
    free.unwrap_or(name)
}

/// `high-` or `low-` and the column in which a centre differs most from the mean of others.
fn difference(columns: &[&str], centre: &[f64], others: &[&[f64]]) -> String {
    let mean = |column: usize| {
        let values = others.iter().filter_map(|other| other.get(column));
        values.sum::<f64>() / others.len() as f64
    };
    let gaps = centre.iter().enumerate().map(|(column, value)| value - mean(column));
    most_distinguishing(columns, gaps)
}

fn most_distinguishing(columns: &[&str], gaps: impl Iterator<Item = f64>) -> String {
    let mut most = ("", 0.0f64);
    for (column, gap) in columns.iter().zip(gaps) {
        if gap.abs() > most.1.abs() {
            most = (column, gap);
        }
    }
    match most {
        ("", _) => "average".to_owned(),
        (column, gap) if gap > 0.0 => format!("high-{}", slug(column)),
        (column, _) => format!("low-{}", slug(column)),
    }
}

/// A name from recency and value where the columns tell them, otherwise from the column that
/// stands out most.
fn base_name(columns: &[&str], centre: &[f64]) -> String {
    let find = |names: &[&str]| -> Option<f64> {
        let mut places = names.iter().filter_map(|name| columns.iter().position(|c| c == name));
        centre.get(places.next()?).copied()
    };
    let recency = find(&["recency_days", "recency"]);
    let visits = find(&["visits", "frequency", "visits_365d"]);
    let spend = find(&["spend", "monetary", "spend_365d"]);
    let tenure = find(&["tenure_days", "tenure"]);
    let value = match (visits, spend) {
        (Some(visits), Some(spend)) => Some((visits + spend) / 2.0),
        (only, None) | (None, only) => only,
    };
    match (recency, value) {
        (Some(recency), Some(value)) => shopper(recency, value, tenure).to_owned(),
        _ => most_distinguishing(columns, centre.iter().copied()),
    }
}

/// The usual names of recency-frequency-monetary analysis, by how far a group is from the
/// population in time since the last purchase and in visits and spend.
fn shopper(recency: f64, value: f64, tenure: Option<f64>) -> &'static str {
    let young = tenure.is_none_or(|tenure| tenure < 0.0);
    match (level(recency), level(value)) {
        (Level::Low, Level::High) => "champions",
        (Level::Low, Level::Middle) => "promising",
        (Level::Low, Level::Low) if young => "new",
        (Level::Low | Level::Middle, Level::Low) => "occasional",
        (Level::Middle, Level::High) => "loyal",
        (Level::Middle, Level::Middle) => "regular",
        (Level::High, Level::High) => "at-risk",
        (Level::High, Level::Middle) => "fading",
        (Level::High, Level::Low) => "hibernating",
    }
}

/// Where a centre stands against the population.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Level {
    Low,
    Middle,
    High,
}

fn level(deviations: f64) -> Level {
    if deviations <= -FAR {
        Level::Low
    } else if deviations >= FAR {
        Level::High
    } else {
        Level::Middle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [&str; 3] = ["recency_days", "visits", "spend"];

    fn name_all(columns: &[&str], centres: &[&[f64]], kept: &[Option<&str>]) -> Vec<String> {
        let cluster = |centre: &&[f64]| Cluster {
            centre: centre.to_vec(),
            size: 1,
            share: 0.1,
            medians: centre.to_vec(),
            radius: 1.0,
        };
        let profile = Profile { clusters: centres.iter().map(cluster).collect() };
        let place = |(cluster, name): (usize, &Option<&str>)| Placed {
            cluster,
            name: name.map(str::to_owned),
        };
        let order: Vec<Placed> = kept.iter().enumerate().map(place).collect();
        names(columns, &profile, &order)
    }

    #[test]
    fn profiles_get_the_usual_names() {
        let centres: [&[f64]; 4] =
            [&[-1.0, 1.2, 1.4], &[0.9, 0.8, 0.7], &[1.1, -0.8, -0.6], &[-0.7, -0.9, -0.9]];
        let names = name_all(&COLUMNS, &centres, &[None; 4]);
        assert_eq!(names, ["champions", "at-risk", "hibernating", "new"]);
    }

    #[test]
    fn rivals_are_told_apart_by_what_differs_most() {
        let centres: [&[f64]; 2] = [&[-1.0, 1.0, 2.5], &[-1.0, 1.2, 0.9]];
        let names = name_all(&COLUMNS, &centres, &[None; 2]);
        assert_eq!(names, ["champions-high-spend", "champions-low-spend"]);
    }

    #[test]
    fn kept_names_stay_and_newcomers_give_way() {
        let centres: [&[f64]; 3] = [&[-1.0, 1.0, 2.5], &[-1.0, 1.2, 0.9], &[-1.0, 1.2, 0.9]];
        let kept = [None, Some("champions"), Some("champions-high-spend")];
        let names = name_all(&COLUMNS, &centres, &kept);
        assert_eq!(names[1..], ["champions", "champions-high-spend"]);
        assert_eq!(names[0], "champions-high-spend-2");
    }

    #[test]
    fn other_columns_name_what_stands_out() {
        let centres: [&[f64]; 3] = [&[0.2, -1.3], &[0.9, 0.1], &[0.0, 0.0]];
        let names = name_all(&["Fresh", "Detergents_Paper"], &centres, &[None; 3]);
        assert_eq!(names, ["low-detergents-paper", "high-fresh", "average"]);
        let single = name_all(&["Fresh"], &[&[0.0]], &[None]);
        assert_eq!(single, ["everyone"]);
    }
}
