use std::time::{Duration, Instant};

use patron::dataset::{FeatureMatrix, SupervisedData};
use patron::model::{
    CancelToken, ChurnAlgorithm, ChurnEstimator, ClusterCount, ColumnChoice, Estimator, FitError,
    FitRun, Model, PredictError, ProgressSink, PropensityAlgorithm, PropensityEstimator,
    SegmentsAlgorithm, SegmentsEstimator, Transform,
};
use proptest::prelude::*;

use crate::tables::{Draws, dataset, identity, matrix, uncalibrated};

const COLUMNS: [&str; 3] = ["a", "b", "c"];

fn segments() -> SegmentsEstimator {
    SegmentsEstimator {
        algorithm: SegmentsAlgorithm::LinfaKmeans,
        columns: identity(&COLUMNS),
        clusters: ClusterCount::Auto { least: 2, most: 4 },
        restarts: 2,
        max_iterations: 50,
        tolerance: 1e-6,
        previous: None,
    }
}

fn churn() -> ChurnEstimator {
    ChurnEstimator {
        algorithm: ChurnAlgorithm::LinfaLogistic,
        columns: identity(&COLUMNS),
        l2: 1.0,
        max_iterations: 100,
        tolerance: 1e-8,
    }
}

fn propensity() -> PropensityEstimator {
    PropensityEstimator {
        algorithm: PropensityAlgorithm::LinfaTree,
        columns: COLUMNS.map(str::to_owned).to_vec(),
        max_depth: 5,
        min_leaf: 2,
        min_gain: 0.0,
    }
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
    SupervisedData { train: dataset(features, target), calibration: dataset(later, outcomes) }
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
    owes_the_contract(&segments(), &rows(1, 3_000).0);
}

#[test]
fn churn_owes_the_contract() {
    owes_the_contract(&churn(), &supervised(3_000));
}

#[test]
fn propensity_owes_the_contract() {
    owes_the_contract(&propensity(), &supervised(3_000));
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
    let slow = SegmentsEstimator { clusters: ClusterCount::Fixed(64), restarts: 100, ..segments() };
    assert!(time_to_stop(&slow, &features) < Duration::from_secs(1));
    let data = uncalibrated(features, target);
    assert!(time_to_stop(&churn(), &data) < Duration::from_secs(1));
    let deep = PropensityEstimator { max_depth: 30, ..propensity() };
    assert!(time_to_stop(&deep, &data) < Duration::from_secs(1));
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
    let with_clusters = |clusters| SegmentsEstimator { clusters, ..segments() };
    for settings in [
        with_clusters(ClusterCount::Fixed(0)),
        with_clusters(ClusterCount::Fixed(101)),
        with_clusters(ClusterCount::Auto { least: 1, most: 3 }),
        with_clusters(ClusterCount::Auto { least: 4, most: 3 }),
    ] {
        assert_eq!(named(settings.fit(&features, &run).unwrap_err()), "clusters");
    }
    let restarts = SegmentsEstimator { restarts: 0, ..segments() };
    assert_eq!(named(restarts.fit(&features, &run).unwrap_err()), "restarts");
    for l2 in [-1.0, f64::NAN, f64::INFINITY] {
        let settings = ChurnEstimator { l2, ..churn() };
        assert_eq!(named(settings.fit(&data, &run).unwrap_err()), "l2");
    }
    for max_depth in [0, 31] {
        let settings = PropensityEstimator { max_depth, ..propensity() };
        assert_eq!(named(settings.fit(&data, &run).unwrap_err()), "max_depth");
    }
    for min_gain in [-0.1, 0.6, f64::NAN] {
        let settings = PropensityEstimator { min_gain, ..propensity() };
        assert_eq!(named(settings.fit(&data, &run).unwrap_err()), "min_gain");
    }
}

#[test]
fn data_that_cannot_be_learned_from_is_refused() {
    let run = FitRun::quiet(1);
    let none = uncalibrated(matrix(&COLUMNS, vec![]), vec![]);
    let too_few = FitError::TooFew { what: "rows", expected: 2, found: 0 };
    assert_eq!(churn().fit(&none, &run).unwrap_err(), too_few);
    assert_eq!(propensity().fit(&none, &run).unwrap_err(), too_few);
    assert!(matches!(segments().fit(&none.train.features, &run), Err(FitError::TooFew { .. })));
    for outcome in [true, false] {
        let data = uncalibrated(rows(1, 30).0, vec![outcome; 30]);
        let one_class = FitError::OneClass { rows: 30, outcome };
        assert_eq!(churn().fit(&data, &run).unwrap_err(), one_class);
        assert_eq!(propensity().fit(&data, &run).unwrap_err(), one_class);
    }
    let unknown = FitError::UnknownColumn { column: "z".to_owned() };
    let settings = ChurnEstimator { columns: identity(&["a", "z"]), ..churn() };
    assert_eq!(settings.fit(&supervised(30), &run).unwrap_err(), unknown);
    let mut short = supervised(30);
    short.train.target.pop();
    assert!(matches!(churn().fit(&short, &run), Err(FitError::TooFew { what: "outcomes", .. })));
    let mut other = supervised(30);
    other.calibration = dataset(matrix(&["a", "c", "b"], vec![0.0; 3]), vec![true]);
    assert!(matches!(churn().fit(&other, &run), Err(FitError::UnknownColumn { .. })));
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
            ..segments()
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
        if let Ok(model) = (ChurnEstimator { columns, ..churn() }).fit(&data, &run) {
            prop_assert!(sane(model.predict(&features).unwrap()));
        }
        if let Ok(model) = propensity().fit(&data, &run) {
            prop_assert!(sane(model.predict(&features).unwrap()));
            prop_assert!(model.rules().iter().all(|rule| rule.rows >= 2));
        }
    }
}
