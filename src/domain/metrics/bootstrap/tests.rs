use super::*;
use crate::metrics;

const NEVER: &(dyn Fn() -> bool + Sync) = &|| false;

/// Probabilities in steps of 0.02 (so that many tie), outcomes that follow them, and customers of
/// three rows each whose outcomes are alike.
fn rows(count: u64) -> (Vec<f64>, Vec<bool>, Vec<u64>) {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut uniform = || rand::Rng::gen_range(&mut generator, 0.0..1.0);
    let (mut probabilities, mut target, mut customers) = (Vec::new(), Vec::new(), Vec::new());
    for customer in 0..count / 3 {
        let probability: f64 = uniform();
        let happened = uniform() < 0.8 * probability;
        for _ in 0..3 {
            probabilities.push((probability * 50.0).floor() / 50.0);
            target.push(happened);
            customers.push(1_000_000 - 7 * customer);
        }
    }
    (probabilities, target, customers)
}

fn plain(probabilities: &[f64], target: &[bool]) -> [Option<f64>; 7] {
    [
        metrics::roc_auc(probabilities, target),
        metrics::average_precision(probabilities, target),
        metrics::log_loss(probabilities, target),
        metrics::brier_score(probabilities, target),
        metrics::expected_calibration_error(probabilities, target, 10),
        metrics::ks_statistic(probabilities, target),
        metrics::cumulative_gain(probabilities, target, 0.1).map(|gain| gain / 0.1),
    ]
}

fn close(found: [Option<f64>; 7], expected: [Option<f64>; 7]) {
    for (measure, (found, expected)) in Measure::ALL.iter().zip(found.iter().zip(expected)) {
        let distance = found.unwrap_or(-1.0) - expected.unwrap_or(-1.0);
        assert!(distance.abs() < 1e-12, "{measure:?} {found:?} {expected:?}");
    }
}

#[test]
fn a_whole_weight_counts_like_repeated_rows() {
    let (probabilities, target, _) = rows(300);
    let ranking = WeightedRanking::new(&probabilities, &target).unwrap();
    close(ranking.measures(&[1.0; 300]), plain(&probabilities, &target));
    let weights: Vec<f64> = (0..300).map(|row| f64::from(row * 7 % 4)).collect();
    let (mut p, mut t) = (Vec::new(), Vec::new());
    for ((probability, happened), weight) in probabilities.iter().zip(&target).zip(&weights) {
        for _ in 0..*weight as usize {
            p.push(*probability);
            t.push(*happened);
        }
    }
    close(ranking.measures(&weights), plain(&p, &t));
}

#[test]
fn weights_of_one_outcome_leave_the_losses() {
    let ranking = WeightedRanking::new(&[0.25, 0.5], &[true, false]).unwrap();
    let [auc, precision, log_loss, brier, calibration, ks, lift] = ranking.measures(&[0.0, 2.0]);
    assert_eq!([auc, precision, ks, lift], [None; 4]);
    assert!((log_loss.unwrap() - 2.0f64.ln()).abs() < 1e-12);
    assert_eq!((brier, calibration), (Some(0.25), Some(0.5)));
    for weights in [&[0.0, 0.0][..], &[1.0], &[f64::NAN, 1.0], &[-1.0, 2.0], &[f64::MAX; 2]] {
        assert_eq!(ranking.measures(weights), [None; 7], "{weights:?}");
    }
}

#[test]
fn the_spread_is_that_of_customers_not_of_rows() {
    let (probabilities, target, customers) = rows(3000);
    let bootstrap = Bootstrap { replicates: 1000, ..Bootstrap::default() };
    let width = |customers| {
        let rows = EvaluationRows { probabilities: &probabilities, target: &target, customers };
        let table = bootstrap.measures(&rows, NEVER).unwrap();
        let brier = table[3].interval.unwrap();
        assert_eq!(brier.replicates, 1000);
        let plain = metrics::brier_score(&probabilities, &target).unwrap();
        assert!((brier.estimate - plain).abs() < 1e-12);
        brier.upper - brier.lower
    };
    // The textbook interval of a mean over 1,000 customers, and one over 3,000 rows.
    let errors = probabilities.iter().zip(&target);
    let errors: Vec<f64> = errors.map(|(p, t)| (p - f64::from(u8::from(*t))).powi(2)).collect();
    let mean = errors.iter().sum::<f64>() / 3000.0;
    let deviation = (errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / 3000.0).sqrt();
    let (clustered, single) = (width(Some(&customers[..])), width(None));
    let expected = |draws: f64| 2.0 * 1.96 * deviation / draws.sqrt();
    assert!((clustered / expected(1000.0) - 1.0).abs() < 0.1, "{clustered}");
    assert!((single / expected(3000.0) - 1.0).abs() < 0.1, "{single}");
}

#[test]
fn threads_and_the_order_of_rows_change_nothing() {
    let (probabilities, target, customers) = rows(900);
    let run = |threads, reversed: bool| {
        let (mut p, mut t, mut c) = (probabilities.clone(), target.clone(), customers.clone());
        if reversed {
            p.reverse();
            t.reverse();
            c.reverse();
        }
        let rows = EvaluationRows { probabilities: &p, target: &t, customers: Some(&c) };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let table = pool.install(|| Bootstrap::default().measures(&rows, NEVER)).unwrap();
        serde_json::to_string(&table).unwrap()
    };
    let one = run(1, false);
    assert_eq!(one, run(2, false));
    assert_eq!(one, run(3, false));
    assert_eq!(one, run(2, true));
}

#[test]
fn a_model_does_not_differ_from_itself_and_does_from_noise() {
    let (probabilities, target, customers) = rows(1500);
    let rows = EvaluationRows {
        probabilities: &probabilities,
        target: &target,
        customers: Some(&customers),
    };
    let bootstrap = Bootstrap::default();
    for same in bootstrap.differences(&rows, &probabilities, NEVER).unwrap() {
        let difference = same.difference.unwrap();
        assert_eq!((difference.lower, difference.upper), (0.0, 0.0));
        assert_eq!(same.better, Some(0.5));
    }
    let noise: Vec<f64> = (0..1500).map(|row| f64::from(row * 37 % 101) / 101.0).collect();
    let against = bootstrap.differences(&rows, &noise, NEVER).unwrap();
    assert!(against[0].difference.unwrap().upper < -0.2 && against[0].better == Some(0.0));
    assert!(against[2].difference.unwrap().lower > 0.1 && against[2].better == Some(0.0));
}

#[test]
fn any_metric_can_be_replicated() {
    let (probabilities, target, customers) = rows(900);
    let customers = Customers::new(&customers).unwrap();
    let slope = |weights: &[f64]| {
        metrics::calibration_slope_intercept(&probabilities, &target, Some(weights))
            .map(|line| line.slope)
    };
    let bootstrap = Bootstrap { replicates: 200, ..Bootstrap::default() };
    let interval = bootstrap.interval(&customers, slope, NEVER).unwrap().unwrap();
    assert!(interval.lower < interval.estimate && interval.estimate < interval.upper);
    assert_eq!(bootstrap.interval(&customers, |_| None, NEVER), Ok(None));
}

#[test]
fn input_is_checked_and_a_stop_is_heard() {
    let (probabilities, target, customers) = rows(30);
    let bootstrap = Bootstrap::default();
    let rows =
        |probabilities, target, customers| EvaluationRows { probabilities, target, customers };
    let fails = |bootstrap: Bootstrap, rows: EvaluationRows<'_>| {
        bootstrap.measures(&rows, NEVER).unwrap_err().to_string()
    };
    let good = rows(&probabilities, &target, None);
    let setting = |replicates, level| Bootstrap { replicates, level, ..bootstrap };
    assert_eq!(fails(setting(20, 0.9), good), "replicates: expected 200 to 1000, found 20");
    assert_eq!(fails(setting(200, f64::NAN), good), "level: expected 0.5 to 0.99, found NaN");
    assert_eq!(
        fails(bootstrap, rows(&probabilities, &target, Some(&customers[1..]))),
        "customers: expected one per row (30), found 29"
    );
    assert_eq!(
        fails(bootstrap, rows(&probabilities[1..], &target, None)),
        "probabilities: expected one per row (30), found 29"
    );
    assert_eq!(
        fails(bootstrap, rows(&[0.5, -0.1], &[true, false], None)),
        "row 1: expected a probability between 0 and 1, found -0.1"
    );
    assert_eq!(fails(bootstrap, rows(&[], &[], None)), "expected 1 to 4,294,967,295 rows, found 0");
    assert_eq!(bootstrap.measures(&good, &|| true), Err(BootstrapError::Stopped));
}
