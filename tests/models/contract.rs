use std::time::{Duration, Instant};

use patron::dataset::{FeatureMatrix, SupervisedData};
use patron::model::{
    CancelToken, ClassifierAlgorithm, ClassifierEstimator, ClassifierSettings, ClusterCount,
    ColumnChoice, Estimator, FitError, FitRun, Model, PredictError, ProgressSink,
    SegmentsAlgorithm, SegmentsEstimator, Transform,
};
use proptest::prelude::*;

use crate::tables::{Draws, dataset, identity, matrix, uncalibrated};

const COLUMNS: [&str; 3] = ["a", "b", "c"];

const SEGMENTS: [SegmentsAlgorithm; 2] =
    [SegmentsAlgorithm::KMeans, SegmentsAlgorithm::LinfaKmeans];
const CLASSIFIERS: [ClassifierAlgorithm; 8] = [
    ClassifierAlgorithm::LogisticRegression,
    ClassifierAlgorithm::Scorecard,
    ClassifierAlgorithm::DecisionTree,
    ClassifierAlgorithm::RandomForest,
    ClassifierAlgorithm::GradientBoosting,
    ClassifierAlgorithm::LinfaLogistic,
    ClassifierAlgorithm::LinfaTree,
    ClassifierAlgorithm::SmartcoreForest,
];

fn segments(algorithm: SegmentsAlgorithm) -> SegmentsEstimator {
    SegmentsEstimator {
        algorithm,
        columns: identity(&COLUMNS),
        clusters: ClusterCount::Auto { least: 2, most: 4 },
        restarts: 2,
        max_iterations: 50,
        tolerance: 1e-6,
        previous: None,
    }
}

fn classifier(algorithm: ClassifierAlgorithm) -> ClassifierEstimator {
    let settings = ClassifierSettings {
        max_depth: Some(5),
        min_leaf: Some(2),
        trees: Some(20),
        ..ClassifierSettings::default()
    };
    ClassifierEstimator { algorithm, columns: identity(&COLUMNS), settings }
}

/// Rows of three columns, of which the first tells something about the outcome.
fn rows(seed: u64, count: usize) -> (FeatureMatrix, Vec<bool>) {
    let mut draws = Draws(seed);
    let (mut values, mut target) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let a = draws.normal();
        values.extend([a as f32, draws.normal() as f32, (4.0 * draws.uniform()).floor() as f32]);
        target.push(draws.uniform() < 1.0 / (1.0 + (-a).exp()));
    }
    (matrix(&COLUMNS, values), target)
}

fn supervised(count: usize) -> SupervisedData {
    let (features, target) = rows(1, count);
    let (later, outcomes) = rows(2, count / 2);
    let (train, calibration) = (dataset(features, target), dataset(later, outcomes));
    SupervisedData { train, calibration, horizon_days: 0 }
}

/// The contract that does not depend on the kind.
fn owes_the_contract<E>(estimator: &E, data: &E::Data)
where
    E: Estimator<Model: Model<Input = FeatureMatrix, Output: PartialEq + std::fmt::Debug>>,
{
    let fit = |threads, seed| {
        let run = FitRun { threads, ..FitRun::quiet(seed) };
        estimator.fit(data, &run).unwrap()
    };
    let model = fit(1, 5);
    let bytes = rmp_serde::to_vec(&model).unwrap();
    assert_eq!(rmp_serde::to_vec(&fit(1, 5)).unwrap(), bytes);
    assert_eq!(rmp_serde::to_vec(&fit(8, 5)).unwrap(), bytes);
    let restored: E::Model = rmp_serde::from_slice(&bytes).unwrap();
    assert_eq!(rmp_serde::to_vec(&restored).unwrap(), bytes);
    let (unseen, _) = rows(9, 200);
    let answers = model.predict(&unseen).unwrap();
    assert_eq!(answers.len(), 200);
    assert_eq!(answers, restored.predict(&unseen).unwrap());
    assert_eq!(model.predict(&unseen.select_rows(&[])).unwrap(), []);
    let one = model.predict(&unseen.select_rows(&[17])).unwrap();
    assert_eq!(one[0], answers[17]);
    refuses_other_columns(&model);
    stops_when_cancelled(estimator, data);
}

fn refuses_other_columns<M>(model: &M)
where
    M: Model<Input = FeatureMatrix, Output: std::fmt::Debug>,
{
    for names in [&["a", "c", "b"][..], &["a", "b"], &["a", "b", "c", "d"], &["x", "b", "c"]] {
        let found = model.predict(&matrix(names, vec![0.0; names.len()]));
        assert!(matches!(found, Err(PredictError::Columns { expected: 3, .. })));
        let empty = model.predict(&matrix(names, Vec::new()));
        assert!(matches!(empty, Err(PredictError::Columns { .. })));
    }
}

fn stops_when_cancelled<E: Estimator>(estimator: &E, data: &E::Data) {
    let run = FitRun::quiet(1);
    run.cancel.cancel();
    assert!(matches!(estimator.fit(data, &run), Err(FitError::Cancelled)));
}

#[test]
fn segments_owe_the_contract() {
    for algorithm in SEGMENTS {
        owes_the_contract(&segments(algorithm), &rows(1, 3_000).0);
    }
}

#[test]
fn classifiers_owe_the_contract() {
    for algorithm in CLASSIFIERS {
        owes_the_contract(&classifier(algorithm), &supervised(3_000));
    }
}

#[test]
fn contributions_add_up_to_the_score() {
    let data = supervised(2_000);
    for algorithm in CLASSIFIERS {
        let model = classifier(algorithm).fit(&data, &FitRun::quiet(2)).unwrap();
        let scores = model.scores(&data.train.features).unwrap();
        for row in [0, 41, 1_999] {
            let reasons = model.explain(data.train.features.row(row), 9);
            let sum: f64 = reasons.iter().map(|reason| reason.contribution).sum();
            let explained = model.base_score() + sum;
            // A forest is explained in probabilities, the others in log-odds.
            let forests = [ClassifierAlgorithm::RandomForest, ClassifierAlgorithm::SmartcoreForest];
            let score = match forests.contains(&algorithm) {
                true => 1.0 / (1.0 + (-scores[row]).exp()),
                false => scores[row],
            };
            assert!((explained - score).abs() < 1e-9, "{algorithm:?} {explained} {score}");
        }
    }
}

/// Cancels at the first report of a stage that is under way.
struct CancelOnReport {
    cancel: CancelToken,
    reported: std::sync::Mutex<Option<Instant>>,
}

impl ProgressSink for CancelOnReport {
    fn report(&self, _stage: &str, _fraction: f64) {
        self.cancel.cancel();
        self.reported.lock().unwrap().get_or_insert_with(Instant::now);
    }
}

/// How long a fit goes on after a cancel that came in the middle of it.
fn time_to_stop<E: Estimator>(estimator: &E, data: &E::Data) -> Duration {
    let cancel = CancelToken::default();
    let sink = CancelOnReport { cancel: cancel.clone(), reported: std::sync::Mutex::new(None) };
    let run = FitRun { progress: &sink, cancel, ..FitRun::quiet(1) };
    assert!(matches!(estimator.fit(data, &run), Err(FitError::Cancelled)));
    let reported = sink.reported.lock().unwrap().unwrap();
    reported.elapsed()
}

#[test]
fn cancel_in_the_middle_is_seen_within_a_second() {
    let (features, target) = rows(1, 100_000);
    for algorithm in SEGMENTS {
        let clusters = ClusterCount::Fixed(64);
        let slow = SegmentsEstimator { clusters, restarts: 100, ..segments(algorithm) };
        assert!(time_to_stop(&slow, &features) < Duration::from_secs(1), "{algorithm:?}");
    }
    let data = uncalibrated(features, target);
    for algorithm in CLASSIFIERS {
        // smartcore's trees cannot be stopped and report nothing.
        if algorithm != ClassifierAlgorithm::SmartcoreForest {
            let mut slow = classifier(algorithm);
            slow.settings.max_depth = Some(30);
            let time = time_to_stop(&slow, &data);
            assert!(time < Duration::from_secs(1), "{algorithm:?} {time:?}");
        }
    }
}

fn set(change: impl Fn(&mut ClassifierSettings)) -> ClassifierEstimator {
    let mut estimator = classifier(ClassifierAlgorithm::GradientBoosting);
    change(&mut estimator.settings);
    estimator
}

#[test]
fn settings_out_of_range_are_named() {
    let named = |error: FitError| match error {
        FitError::Setting { name, .. } => name,
        other => panic!("{other}"),
    };
    let run = FitRun::quiet(1);
    let (features, _) = rows(1, 50);
    let data = supervised(50);
    let with_clusters =
        |clusters| SegmentsEstimator { clusters, ..segments(SegmentsAlgorithm::KMeans) };
    for settings in [
        with_clusters(ClusterCount::Fixed(0)),
        with_clusters(ClusterCount::Fixed(101)),
        with_clusters(ClusterCount::Auto { least: 1, most: 3 }),
        with_clusters(ClusterCount::Auto { least: 4, most: 3 }),
    ] {
        assert_eq!(named(settings.fit(&features, &run).unwrap_err()), "clusters");
    }
    let restarts = SegmentsEstimator { restarts: 0, ..segments(SegmentsAlgorithm::KMeans) };
    assert_eq!(named(restarts.fit(&features, &run).unwrap_err()), "restarts");
    for l2 in [-1.0, f64::NAN, f64::INFINITY] {
        let settings = set(|settings| settings.l2 = Some(l2));
        assert_eq!(named(settings.fit(&data, &run).unwrap_err()), "l2");
    }
    for max_depth in [0, 31] {
        let settings = set(|settings| settings.max_depth = Some(max_depth));
        assert_eq!(named(settings.fit(&data, &run).unwrap_err()), "max_depth");
    }
    for min_gain in [-0.1, 0.6, f64::NAN] {
        let settings = set(|settings| settings.min_gain = Some(min_gain));
        assert_eq!(named(settings.fit(&data, &run).unwrap_err()), "min_gain");
    }
}

#[test]
fn data_that_cannot_be_learned_from_is_refused() {
    let run = FitRun::quiet(1);
    let none = uncalibrated(matrix(&COLUMNS, vec![]), vec![]);
    let k_means = segments(SegmentsAlgorithm::KMeans);
    assert!(matches!(k_means.fit(&none.train.features, &run), Err(FitError::TooFew { .. })));
    for algorithm in CLASSIFIERS {
        let estimator = classifier(algorithm);
        let too_few = FitError::TooFew { what: "rows", expected: 2, found: 0 };
        assert_eq!(estimator.fit(&none, &run).unwrap_err(), too_few);
        for outcome in [true, false] {
            let data = uncalibrated(rows(1, 30).0, vec![outcome; 30]);
            let one_class = FitError::OneClass { rows: 30, outcome };
            assert_eq!(estimator.fit(&data, &run).unwrap_err(), one_class);
        }
        let unknown = FitError::UnknownColumn { column: "z".to_owned() };
        let settings = ClassifierEstimator { columns: identity(&["a", "z"]), ..estimator.clone() };
        assert_eq!(settings.fit(&supervised(30), &run).unwrap_err(), unknown);
        let mut short = supervised(30);
        short.train.target.pop();
        let refused = estimator.fit(&short, &run);
        assert!(matches!(refused, Err(FitError::TooFew { what: "outcomes", .. })));
        let mut other = supervised(30);
        other.calibration = dataset(matrix(&["a", "c", "b"], vec![0.0; 3]), vec![true]);
        assert!(matches!(estimator.fit(&other, &run), Err(FitError::UnknownColumn { .. })));
    }
}

/// Small tables with ties, constants, huge and tiny values, 1 to 12 rows.
fn small_tables() -> impl Strategy<Value = (Vec<f32>, Vec<bool>)> {
    let value = prop_oneof![
        4 => (-3i8..4).prop_map(f32::from),
        1 => Just(0.0f32),
        1 => prop::num::f32::NORMAL,
        1 => Just(f32::MAX),
        1 => Just(f32::MIN),
    ];
    let row = (prop::collection::vec(value, 3), any::<bool>());
    prop::collection::vec(row, 1..13).prop_map(|rows| {
        let (values, target): (Vec<Vec<f32>>, Vec<bool>) = rows.into_iter().unzip();
        (values.concat(), target)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn small_tables_never_panic(
        (values, target) in small_tables(),
        clusters in 1usize..5,
        log in any::<bool>(),
    ) {
        let run = FitRun::quiet(3);
        let features = matrix(&COLUMNS, values);
        let mut columns = identity(&COLUMNS);
        if log {
            for column in &mut columns {
                *column = ColumnChoice { transform: Transform::Log1p, ..column.clone() };
            }
        }
        let settings = SegmentsEstimator {
            columns: columns.clone(),
            clusters: ClusterCount::Fixed(clusters),
            ..segments(SegmentsAlgorithm::KMeans)
        };
        if let Ok(model) = settings.fit(&features, &run) {
            prop_assert_eq!(model.segments().len(), clusters);
            let sizes: u64 = model.segments().iter().map(|segment| segment.size).sum();
            prop_assert_eq!(sizes, features.rows() as u64);
            let mut names: Vec<_> = model.segments().iter().map(|s| s.name.clone()).collect();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), clusters);
            for answer in model.predict(&features).unwrap() {
                prop_assert!(answer.distance.is_finite());
                prop_assert!((0.0..=1.0).contains(&answer.confidence));
            }
        }
        let data = uncalibrated(features.clone(), target);
        let sane = |answers: Vec<patron::model::Probability>| answers.iter().all(|answer| {
            (0.0..=1.0).contains(&answer.probability) && (0.0..=100.0).contains(&answer.percentile)
        });
        for algorithm in CLASSIFIERS {
            let mut estimator = classifier(algorithm);
            estimator.columns.clone_from(&columns);
            estimator.settings.trees = Some(3);
            if let Ok(model) = estimator.fit(&data, &run) {
                prop_assert!(sane(model.predict(&features).unwrap()), "{:?}", algorithm);
                prop_assert!(model.rules().iter().all(|rule| rule.rows >= 2));
            }
        }
    }
}
