use patron::dataset::FeatureMatrix;
use patron::metrics::adjusted_rand_index;
use patron::model::{
    ClusterCount, ColumnChoice, Estimator, FitError, FitRun, Model, SegmentsAlgorithm,
    SegmentsEstimator, SegmentsModel, Transform,
};

use crate::tables::{Draws, SPENDS, identity, matrix, wholesale};

fn estimator(columns: &[&str], clusters: ClusterCount, restarts: usize) -> SegmentsEstimator {
    SegmentsEstimator {
        algorithm: SegmentsAlgorithm::KMeans,
        columns: identity(columns),
        clusters,
        restarts,
        max_iterations: 300,
        tolerance: 1e-6,
        previous: None,
    }
}

fn fit(settings: &SegmentsEstimator, data: &FeatureMatrix) -> SegmentsModel {
    settings.fit(data, &FitRun::quiet(1)).unwrap()
}

#[test]
fn wholesale_inertia_agrees_with_scikit_learn() {
    let data = wholesale();
    let expected = [
        1_847.979_708,
        1_558.046_997,
        1_391.925_613,
        1_271.278_553,
        1_176.715_996,
        1_088.636_317,
        1_024.226_253,
    ];
    for algorithm in [SegmentsAlgorithm::KMeans, SegmentsAlgorithm::LinfaKmeans] {
        for (clusters, expected) in (2..).zip(expected) {
            let settings = estimator(&SPENDS, ClusterCount::Fixed(clusters), 50);
            let model = fit(&SegmentsEstimator { algorithm, ..settings }, &data);
            let ratio = model.inertia() / expected;
            assert!((0.999..1.005).contains(&ratio), "{clusters}: {} {expected}", model.inertia());
            assert!(model.converged());
        }
    }
}

/// Four groups of shoppers in recency, visits and spend; and the group of each row.
fn shoppers(seed: u64, rows: usize) -> (FeatureMatrix, Vec<u32>) {
    let centres = [[10.0, 30.0, 3e3], [12.0, 2.0, 60.0], [200.0, 25.0, 2e3], [220.0, 2.0, 50.0]];
    let mut draws = Draws(seed);
    let (mut values, mut groups) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let group = row % 4;
        let noisy =
            centres[group].map(|typical: f64| (typical * (0.2 * draws.normal()).exp()) as f32);
        values.extend(noisy);
        groups.push(group as u32);
    }
    (matrix(&SHOPPER, values), groups)
}

const SHOPPER: [&str; 3] = ["recency_days", "visits", "spend"];

fn shopper_estimator(clusters: ClusterCount) -> SegmentsEstimator {
    let choice =
        |name: &&str| ColumnChoice { name: (*name).to_owned(), transform: Transform::Log1p };
    SegmentsEstimator {
        columns: SHOPPER.iter().map(choice).collect(),
        ..estimator(&SHOPPER, clusters, 5)
    }
}

#[test]
fn automatic_count_finds_the_groups_and_names_them() {
    let (data, groups) = shoppers(1, 1_200);
    let model = fit(&shopper_estimator(ClusterCount::Auto { least: 2, most: 8 }), &data);
    let mut names: Vec<&str> = model.segments().iter().map(|s| s.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["at-risk", "champions", "hibernating", "new"]);
    let assigned = model.predict(&data).unwrap();
    let found: Vec<u32> = assigned.iter().map(|answer| answer.segment).collect();
    assert_eq!(adjusted_rand_index(&found, &groups), Some(1.0));
    assert!(model.silhouette().unwrap() > 0.7);
    assert!(assigned.iter().all(|answer| (0.0..=1.0).contains(&answer.confidence)));
    assert!(assigned.iter().all(|answer| answer.distances.len() == 4));
}

#[test]
fn centroids_and_medians_come_back_in_raw_units() {
    let (data, _) = shoppers(1, 1_200);
    let model = fit(&shopper_estimator(ClusterCount::Fixed(4)), &data);
    let champions = model.segments().iter().find(|s| s.name == "champions").unwrap();
    for (figures, typical) in [(&champions.centroid, 1.0), (&champions.medians, 1.0)] {
        for (figure, expected) in figures.iter().zip([10.0, 30.0, 3e3]) {
            assert!((figure / expected - typical).abs() < 0.06, "{figure} {expected}");
        }
    }
    assert_eq!((champions.size, champions.share), (300, 0.25));
    assert!(champions.description.starts_with("bought 10 days ago, "), "{}", champions.description);
    assert_eq!(model.prior().1, 0.25);
}

#[test]
fn names_survive_retraining_on_new_rows_and_another_seed() {
    let (data, _) = shoppers(1, 1_200);
    let first = fit(&shopper_estimator(ClusterCount::Fixed(4)), &data);
    let (later, groups) = shoppers(2, 1_600);
    let settings = SegmentsEstimator {
        previous: Some(first.clone()),
        ..shopper_estimator(ClusterCount::Fixed(4))
    };
    let second = settings.fit(&later, &FitRun::quiet(99)).unwrap();
    let names = |model: &SegmentsModel| -> Vec<String> {
        model.segments().iter().map(|segment| segment.name.clone()).collect()
    };
    assert_eq!(names(&first), names(&second));
    let old: Vec<u32> = first.predict(&later).unwrap().iter().map(|a| a.segment).collect();
    let new: Vec<u32> = second.predict(&later).unwrap().iter().map(|a| a.segment).collect();
    assert_eq!(old, new);
    assert_eq!(adjusted_rand_index(&new, &groups), Some(1.0));
}

#[test]
fn a_group_that_was_not_there_gets_a_new_name() {
    let (data, groups) = shoppers(1, 1_200);
    let known: Vec<usize> = (0..1_200).filter(|row| groups[*row] != 2).collect();
    let first = fit(&shopper_estimator(ClusterCount::Fixed(3)), &data.select_rows(&known));
    let settings = SegmentsEstimator {
        previous: Some(first.clone()),
        ..shopper_estimator(ClusterCount::Fixed(4))
    };
    let second = fit(&settings, &data);
    let old: Vec<&str> = first.segments().iter().map(|s| s.name.as_str()).collect();
    let new: Vec<&str> = second.segments().iter().map(|s| s.name.as_str()).collect();
    assert_eq!(new[..3], old[..]);
    assert!(!old.contains(&new[3]), "{new:?}");
    let at_risk = second.predict(&data.select_rows(&[2])).unwrap();
    assert_eq!(at_risk[0].segment, 3);
}

#[test]
fn a_duplicated_minority_does_not_leave_empty_segments() {
    // Most rows coincide: k-means++ on a sample may draw the same point twice.
    let mut values = vec![0.0f32; 5_000];
    values.extend([1.0, 2.0, 3.0, 100.0]);
    let data = matrix(&["x"], values);
    for clusters in 1..=5 {
        let model = fit(&estimator(&["x"], ClusterCount::Fixed(clusters), 1), &data);
        assert!(model.segments().iter().all(|segment| segment.size > 0));
    }
    let six = estimator(&["x"], ClusterCount::Fixed(6), 1).fit(&data, &FitRun::quiet(1));
    let expected = FitError::TooFew { what: "rows that differ", expected: 6, found: 5 };
    assert_eq!(six.unwrap_err(), expected);
    let auto = fit(&estimator(&["x"], ClusterCount::Auto { least: 2, most: 9 }, 2), &data);
    assert!(auto.segments().len() <= 5);
}

#[test]
fn explanation_shares_the_squared_distance() {
    let (data, _) = shoppers(1, 1_200);
    let model = fit(&shopper_estimator(ClusterCount::Fixed(4)), &data);
    let reasons = model.explain(&[10.0, 30.0, 30_000.0], 3);
    assert_eq!((reasons[0].column.as_str(), reasons[0].value), ("spend", 30_000.0));
    assert!(reasons[0].contribution > 0.95);
    let sum: f64 = reasons.iter().map(|reason| reason.contribution).sum();
    assert!((sum - 1.0).abs() < 1e-12);
    assert!(model.explain(&[f32::NAN, 1.0, 1.0], 3).is_empty());
}

#[test]
fn more_restarts_are_never_worse() {
    let data = wholesale();
    let inertia =
        |restarts| fit(&estimator(&SPENDS, ClusterCount::Fixed(7), restarts), &data).inertia();
    let found = [1, 3, 10].map(inertia);
    assert!(found[0] >= found[1] && found[1] >= found[2], "{found:?}");
}
