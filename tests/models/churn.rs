use patron::dataset::SupervisedData;
use patron::metrics::{
    average_precision, brier_score, cumulative_gain, expected_calibration_error, log_loss, roc_auc,
};
use patron::model::{
    Calibration, ClassifierAlgorithm, ClassifierEstimator, ClassifierModel, ClassifierSettings,
    Estimator, FitRun, Model,
};

use crate::tables::{Draws, TELCO, dataset, identity, matrix, telco, uncalibrated};

const BOTH: [ClassifierAlgorithm; 2] =
    [ClassifierAlgorithm::LogisticRegression, ClassifierAlgorithm::LinfaLogistic];

fn estimator(algorithm: ClassifierAlgorithm, columns: &[&str], l2: f64) -> ClassifierEstimator {
    let settings = ClassifierSettings {
        l2: Some(l2),
        max_iterations: Some(1_000),
        tolerance: Some(1e-8),
        ..ClassifierSettings::default()
    };
    ClassifierEstimator { algorithm, columns: identity(columns), settings }
}

fn fit_by(
    algorithm: ClassifierAlgorithm,
    columns: &[&str],
    l2: f64,
    data: &SupervisedData,
) -> ClassifierModel {
    estimator(algorithm, columns, l2).fit(data, &FitRun::quiet(1)).unwrap()
}

fn fit(columns: &[&str], l2: f64, data: &SupervisedData) -> ClassifierModel {
    fit_by(ClassifierAlgorithm::LogisticRegression, columns, l2, data)
}

fn probabilities(model: &ClassifierModel, data: &SupervisedData) -> Vec<f64> {
    let answers = model.predict(&data.train.features).unwrap();
    answers.iter().map(|answer| answer.probability).collect()
}

#[test]
fn telco_agrees_with_statsmodels() {
    let data = telco();
    for algorithm in BOTH {
        let model = fit_by(algorithm, &TELCO, 0.0, &data);
        assert!(model.verdict().converged);
        let standardizer = model.standardizer().unwrap();
        let scales: Vec<f64> = standardizer.scales().collect();
        let slopes = model.coefficients().into_iter().zip(scales);
        let slopes: Vec<f64> = slopes.map(|((_, slope, _), scale)| slope / scale).collect();
        let shift: f64 = slopes.iter().zip(standardizer.means()).map(|(s, mean)| s * mean).sum();
        let expected = [-0.032_721, 0.014_354, -0.878_947, -1.741_118, 0.703_823, 0.528_441];
        for (slope, expected) in slopes.iter().zip(expected) {
            assert!((slope - expected).abs() < 1e-6, "{algorithm:?} {slope} {expected}");
        }
        let intercept = model.base_score() - shift;
        assert!((intercept - -1.350_747).abs() < 1e-6, "{algorithm:?} {intercept}");
    }
}

#[test]
fn telco_metrics_agree_with_statsmodels() {
    let data = telco();
    let found = probabilities(&fit(&TELCO, 0.0, &data), &data);
    let target = &data.train.target;
    let close = |found: Option<f64>, expected: f64, within: f64| {
        let found = found.unwrap();
        assert!((found - expected).abs() < within, "{found} {expected}");
    };
    let mean_loss = log_loss(&found, target);
    close(mean_loss.map(|loss| -7043.0 * loss), -3_020.192_660_657, 1e-6);
    close(mean_loss, 0.428_821_903, 1e-8);
    close(roc_auc(&found, target), 0.834_614_795, 1e-6);
    close(brier_score(&found, target), 0.140_267_075, 1e-7);
    close(average_precision(&found, target), 0.625_441_289, 1e-5);
    // The reference rounds the number of rows and splits ties by row order.
    close(cumulative_gain(&found, target, 0.1), 0.267_523, 5e-4);
    close(cumulative_gain(&found, target, 0.2), 0.487_961, 5e-4);
    close(cumulative_gain(&found, target, 0.3), 0.650_080, 5e-4);
}

#[test]
fn penalty_is_that_of_scikit_learn() {
    // Two groups of a centred column x = -1, 1; by symmetry the optimum solves
    // 10 (sigmoid(w) - 0.8) + l2 w = 0 with the intercept at 0.
    let values = [[-1.0; 5], [1.0; 5]].concat();
    let target = [true, false, false, false, false, true, true, true, true, false];
    let data = uncalibrated(matrix(&["x"], values), target.to_vec());
    for l2 in [0.0, 1.0, 10.0] {
        let model = fit(&["x"], l2, &data);
        let slope = model.coefficients()[0].1;
        let residual = 10.0 * (1.0 / (1.0 + (-slope).exp()) - 0.8) + l2 * slope;
        assert!(residual.abs() < 1e-6, "{l2} {slope} {residual}");
        assert!(model.base_score().abs() < 1e-6);
    }
}

#[test]
fn probability_is_of_the_event_whichever_class_is_larger_or_comes_first() {
    for rare in [0.1, 0.5, 0.9] {
        for event_first in [true, false] {
            let mut draws = Draws(7);
            let mut rows: Vec<(f32, bool)> = (0..2_000)
                .map(|_| {
                    let event = draws.uniform() < rare;
                    let shift = if event { 1.0 } else { -1.0 };
                    ((draws.normal() + shift) as f32, event)
                })
                .collect();
            rows.sort_by_key(|(_, event)| *event != event_first);
            let (values, target): (Vec<f32>, Vec<bool>) = rows.into_iter().unzip();
            let data = uncalibrated(matrix(&["x"], values), target);
            let model = fit(&["x"], 1e-3, &data);
            let found = probabilities(&model, &data);
            let mean = found.iter().sum::<f64>() / found.len() as f64;
            assert!(model.coefficients()[0].1 > 0.0);
            assert!((mean - data.train.base_rate()).abs() < 1e-3, "{rare} {mean}");
            assert!(roc_auc(&found, &data.train.target).unwrap() > 0.9);
        }
    }
}

#[test]
fn calibration_follows_a_base_rate_that_moved() {
    let mut draws = Draws(3);
    let mut drawn = |shift: f64| {
        let (mut values, mut target) = (Vec::new(), Vec::new());
        for _ in 0..4_000 {
            let x = draws.normal();
            values.push(x as f32);
            target.push(draws.uniform() < 1.0 / (1.0 + (-(x + shift)).exp()));
        }
        dataset(matrix(&["x"], values), target)
    };
    let data = SupervisedData { train: drawn(-2.0), calibration: drawn(0.0), horizon_days: 0 };
    let model = fit(&["x"], 1.0, &data);
    assert!(matches!(model.calibration(), Calibration::Platt(_)));
    let answers = model.predict(&data.calibration.features).unwrap();
    let found: Vec<f64> = answers.iter().map(|answer| answer.probability).collect();
    let scores = model.scores(&data.calibration.features).unwrap();
    let raw: Vec<f64> = scores.iter().map(|score| 1.0 / (1.0 + (-score).exp())).collect();
    let target = &data.calibration.target;
    assert!(expected_calibration_error(&found, target, 10).unwrap() < 0.03);
    assert!(expected_calibration_error(&raw, target, 10).unwrap() > 0.25);
    let mean_percentile = answers.iter().map(|a| a.percentile).sum::<f64>() / 4_000.0;
    assert!((mean_percentile - 50.0).abs() < 0.1, "{mean_percentile}");
    let prior = model.prior();
    assert!(prior.lower < data.train.base_rate() && data.calibration.base_rate() < prior.upper);
    assert!(prior.lower < 0.15 && prior.upper > 0.85, "{prior:?}");
}

#[test]
fn explanation_adds_up_to_the_raw_log_odds() {
    let data = telco();
    let model = fit(&TELCO, 1.0, &data);
    let scores = model.scores(&data.train.features).unwrap();
    for row in [0, 17, 7_042] {
        let reasons = model.explain(data.train.features.row(row), 6);
        let sum: f64 = reasons.iter().map(|reason| reason.contribution).sum();
        assert!((model.base_score() + sum - scores[row]).abs() < 1e-9);
    }
    let first = model.explain(data.train.features.row(0), 1);
    assert_eq!((first.len(), first[0].column.as_str(), first[0].value), (1, "tenure", 1.0));
    assert!(first[0].contribution > 0.5, "a new customer is likelier to leave");
    assert!(model.explain(&[1.0], 3).is_empty());
    assert_eq!(model.importance()[0].0, "tenure");
}

#[test]
fn running_out_of_iterations_is_told() {
    for algorithm in BOTH {
        let mut settings = estimator(algorithm, &TELCO, 0.0);
        settings.settings.max_iterations = Some(1);
        let model = settings.fit(&telco(), &FitRun::quiet(1)).unwrap();
        assert!(!model.verdict().converged);
        assert_eq!(model.verdict().iterations, 1);
    }
}

#[test]
fn separable_rows_end_with_finite_numbers() {
    let data = uncalibrated(
        matrix(&["x"], (0..40).map(|i| i as f32).collect()),
        (0..40).map(|i| i >= 20).collect(),
    );
    for algorithm in BOTH {
        let model = fit_by(algorithm, &["x"], 0.0, &data);
        let answers = model.predict(&data.train.features).unwrap();
        let far = if algorithm == ClassifierAlgorithm::LinfaLogistic { 0.01 } else { 0.1 };
        let (first, last) = (answers[0].probability, answers[39].probability);
        assert!(first < far && last > 1.0 - far, "{algorithm:?} {first} {last}");
        assert!(fit_by(algorithm, &["x"], 1.0, &data).verdict().converged);
    }
    let model = fit(&["x"], 0.0, &data);
    assert!(!model.verdict().converged);
    assert!(model.verdict().notes[0].contains("told apart without error by x"));
}
