use proptest::prelude::*;
use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::super::sigmoid;
use super::*;
use crate::metrics;
use crate::model::CancelToken;

/// Scores between -4 and 4, and events with the probability that `truth` gives to a score.
fn rows(count: usize, truth: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<bool>) {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(11);
    let mut row = || {
        let score = generator.gen_range(-4.0..4.0);
        (score, generator.gen_range(0.0..1.0) < truth(score))
    };
    (0..count).map(|_| row()).unzip()
}

fn window<'a>(rows: &'a (Vec<f64>, Vec<bool>)) -> CalibrationWindow<'a> {
    CalibrationWindow { scores: &rows.0, target: &rows.1, weights: None, customers: None }
}

fn choose(rows: &(Vec<f64>, Vec<bool>)) -> CalibrationChoice {
    let choice = Calibration::choose(&window(rows), &FitRun::quiet(0)).unwrap();
    assert_eq!(choice.method, choice.calibration.method());
    assert!(choice.converged);
    choice
}

fn trial(choice: &CalibrationChoice, method: CalibrationMethod) -> CalibrationTrial {
    *choice.trials.iter().find(|trial| trial.method == method).unwrap()
}

#[test]
fn each_shape_gets_the_simplest_curve_that_fits() {
    let step = |s: f64| {
        if s < -1.0 {
            0.1
        } else if s < 2.0 {
            0.45
        } else {
            0.8
        }
    };
    let bent = Beta { a: 2.5, b: 0.3, c: 1.0 };
    let right = choose(&rows(8000, sigmoid));
    let steep = choose(&rows(8000, |s| sigmoid(0.5 * s - 1.0)));
    let skewed = choose(&rows(8000, |s| bent.apply(s)));
    let steps = choose(&rows(8000, step));
    let methods = [&right, &steep, &skewed, &steps].map(|choice| choice.method);
    use CalibrationMethod::{Beta as B, Identity, Isotonic as I, Platt as P};
    assert_eq!(methods, [Identity, P, B, I]);
    for (choice, method) in [(&steep, P), (&skewed, B), (&steps, I)] {
        let (before, after) = (trial(choice, Identity), trial(choice, method));
        assert!(after.log_loss < before.log_loss && after.brier_score < before.brier_score);
        assert!(after.expected_calibration_error < 0.03, "{after:?}");
        assert_eq!(choice.trials.len(), 4);
    }
}

#[test]
fn the_first_trial_is_the_scores_as_they_are() {
    let rows = rows(500, |s| sigmoid(0.5 * s));
    let probabilities: Vec<f64> = rows.0.iter().map(|score| sigmoid(*score)).collect();
    let before = trial(&choose(&rows), CalibrationMethod::Identity);
    let log_loss = metrics::log_loss(&probabilities, &rows.1).unwrap();
    let error = metrics::expected_calibration_error(&probabilities, &rows.1, 10).unwrap();
    assert!((before.log_loss - log_loss).abs() < 1e-12);
    assert!((before.expected_calibration_error - error).abs() < 1e-12);
}

#[test]
fn size_decides_what_is_tried() {
    let tried = |count, share: f64| choose(&rows(count, |_| share)).trials.len();
    assert_eq!(tried(0, 0.5), 0);
    assert_eq!(tried(15, 0.5), 1);
    assert_eq!(tried(100, 1.0), 1);
    assert_eq!(tried(900, 0.5), 3);
    assert_eq!(tried(1200, 0.5), 4);
    assert_eq!(tried(1200, 0.05), 3, "too few events");
    let few = choose(&rows(15, sigmoid));
    assert_eq!(few.calibration, Calibration::Identity);
}

#[test]
fn scores_that_rank_backwards_get_the_share_of_events() {
    let rows = rows(2000, |s| sigmoid(-s - 1.0));
    let choice = choose(&rows);
    let share = rows.1.iter().filter(|happened| **happened).count() as f64 / 2000.0;
    assert!(choice.ranks_backwards);
    for score in [-3.0, 0.0, 50.0] {
        assert!((choice.calibration.apply(score) - share).abs() < 1e-12);
    }
    let after = trial(&choice, choice.method);
    assert!(after.log_loss < trial(&choice, CalibrationMethod::Identity).log_loss);
}

#[test]
fn rows_of_a_customer_are_never_on_both_sides() {
    let customers = [5, 9, 5, 1, 2, 3, 9, 4, 5];
    let folds = Folds::new(9, Some(&customers));
    assert_eq!(folds.of_rows().collect::<Vec<_>>(), [0, 0, 0, 1, 2, 3, 0, 4, 0]);
    let one = Folds::new(9, Some(&[7; 9]));
    assert_eq!((one.count(), one.of_rows().sum::<usize>()), (1, 0));
}

#[test]
fn copies_of_a_row_do_not_make_a_choice_surer() {
    // Forty rows a customer: what looks like 8,000 rows is 200. The folds are the same either way.
    let customers: Vec<u64> = (0..8000).map(|row| row / 40).collect();
    let mut simpler = 0;
    for slope in [0.5, 0.6, 0.7, 1.4, 1.8] {
        let (scores, target) = rows(200, |s| sigmoid(slope * s));
        let repeated: (Vec<f64>, Vec<bool>) =
            (0..8000).map(|row| (scores[row / 40], target[row / 40])).unzip();
        let clustered = CalibrationWindow { customers: Some(&customers), ..window(&repeated) };
        let choice = Calibration::choose(&clustered, &FitRun::quiet(0)).unwrap();
        let single = choose(&repeated);
        assert_eq!(choice.trials, single.trials);
        assert!(choice.method <= single.method, "{:?} {:?}", choice.method, single.method);
        simpler += usize::from(choice.method < single.method);
    }
    assert!(simpler > 0);
}

#[test]
fn weights_count_like_repeated_rows() {
    let rows = rows(600, |s| sigmoid(0.4 * s - 1.0));
    let weights: Vec<f64> = (0..600).map(|row| f64::from(row % 3)).collect();
    let weighted = CalibrationWindow { weights: Some(&weights), ..window(&rows) };
    let weighted = Calibration::choose(&weighted, &FitRun::quiet(0)).unwrap();
    let repeat = |row: usize| std::iter::repeat_n((rows.0[row], rows.1[row]), row % 3);
    let repeated: (Vec<f64>, Vec<bool>) = (0..600).flat_map(repeat).unzip();
    let repeated = choose(&repeated);
    assert_eq!(weighted.method, CalibrationMethod::Platt);
    for score in [-3.0, 0.0, 2.0] {
        let (a, b) = (weighted.calibration.apply(score), repeated.calibration.apply(score));
        assert!((a - b).abs() < 1e-9, "{a} {b}");
    }
}

#[test]
fn threads_change_nothing() {
    let rows = rows(3000, |s| sigmoid(0.5 * s));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        serde_json::to_string(&pool.install(|| choose(&rows))).unwrap()
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
}

#[test]
fn separated_and_huge_scores_have_a_defined_answer() {
    for scale in [1e-30, 1.0, 1e30, 1e300] {
        let scores: Vec<f64> = (0..2000).map(|i| f64::from(i % 40 - 20) * scale).collect();
        let target: Vec<bool> = (0..2000).map(|i| i % 40 >= 20).collect();
        let choice = choose(&(scores, target));
        let ends = [-20.0 * scale, 20.0 * scale].map(|score| choice.calibration.apply(score));
        assert!(ends[0] < 0.51 && ends[1] > 0.49 && ends[0] <= ends[1], "{scale} {ends:?}");
    }
    let equal = choose(&(vec![0.7; 2000], (0..2000).map(|i| i % 4 == 0).collect()));
    assert!((equal.calibration.apply(0.7) - 0.25).abs() < 1e-3, "{equal:?}");
}

#[test]
fn input_is_checked_and_a_cancel_is_heard() {
    let rows = (vec![0.5, f64::NAN], vec![true, false]);
    let good = CalibrationWindow { scores: &[0.5, 0.7], ..window(&rows) };
    let fails = |window: CalibrationWindow<'_>| {
        Calibration::choose(&window, &FitRun::quiet(0)).unwrap_err().to_string()
    };
    assert_eq!(
        fails(window(&rows)),
        "calibration: row 1, score: expected a finite number, found NaN"
    );
    assert_eq!(
        fails(CalibrationWindow { weights: Some(&[1.0, -1.0]), ..good }),
        "calibration: row 1, weight: expected 0 to 1e12, found -1"
    );
    assert_eq!(
        fails(CalibrationWindow { customers: Some(&[1]), ..good }),
        "calibration: expected 2 customers, one per score, found 1"
    );
    let cancel = CancelToken::default();
    cancel.cancel();
    let run = FitRun { cancel, ..FitRun::quiet(0) };
    assert_eq!(Calibration::choose(&good, &run), Err(FitError::Cancelled));
}

proptest! {
    #[test]
    fn any_finite_scores_give_rising_probabilities(
        rows in prop::collection::vec((
            prop_oneof![
                -4.0f64..4.0,
                any::<f64>().prop_filter("finite", |score| score.is_finite()),
            ],
            any::<bool>(),
            0u8..3,
        ), 0..60),
        copies in prop_oneof![Just(1), Just(40)],
    ) {
        let every = || rows.iter().cycle().take(rows.len() * copies);
        let scores: Vec<f64> = every().map(|row| row.0).collect();
        let target: Vec<bool> = every().map(|row| row.1).collect();
        let weights: Vec<f64> = every().map(|row| f64::from(row.2)).collect();
        let window =
            CalibrationWindow { scores: &scores, target: &target, weights: Some(&weights), customers: None };
        for method in [CalibrationMethod::Platt, CalibrationMethod::Beta, CalibrationMethod::Isotonic] {
            let fixed = Calibration::fit_method(method, &window, &FitRun::quiet(0)).unwrap();
            prop_assert!(scores.iter().all(|score| (0.0..=1.0).contains(&fixed.apply(*score))));
        }
        let choice = Calibration::choose(&window, &FitRun::quiet(0)).unwrap();
        let mut sorted = scores.clone();
        sorted.sort_by(f64::total_cmp);
        let values: Vec<f64> =
            sorted.iter().map(|score| choice.calibration.apply(*score)).collect();
        prop_assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
        prop_assert!(values.is_sorted_by(|a, b| a <= &(b + 1e-12)), "{:?}", choice);
    }
}
