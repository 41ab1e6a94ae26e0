use super::{Made, WIDTH, log_loss, on_pools};
use crate::model::trees::Sample;
use crate::model::trees::forest::{Bootstrap, Forest, OutOfBag, Settings, fit};
use crate::model::trees::tree;
use crate::model::{FitError, FitRun};

fn grown(made: &Made, settings: &Settings) -> (Forest, Option<OutOfBag>) {
    let sample = Sample { binned: &made.binned(), target: &made.events, weights: None };
    fit(&sample, settings, &FitRun::quiet(3)).unwrap()
}

#[test]
fn a_forest_beats_its_trees_and_knows_how_good_it_is() {
    let (made, fresh) = (Made::new(3_000, 1), Made::new(3_000, 2));
    for bootstrap in [Bootstrap::Multinomial, Bootstrap::Poisson] {
        let settings = Settings { trees: 60, max_depth: 9, bootstrap, ..Default::default() };
        let (forest, out) = grown(&made, &settings);
        let out = out.unwrap();
        let answers = forest.predict(&fresh.values).unwrap();
        let brier = |answers: &[f64]| {
            let pairs = answers.iter().zip(&fresh.events);
            pairs.map(|(p, event)| (p - f64::from(u8::from(*event))).powi(2)).sum::<f64>() / 3_000.0
        };
        assert_eq!(out.rows, 3_000);
        assert!((out.brier - brier(&answers)).abs() < 0.012, "{} {}", out.brier, brier(&answers));
        let alone: Vec<f64> = fresh.rows().map(|row| forest.trees[0].predict_row(row)).collect();
        assert!(brier(&answers) < brier(&alone) - 0.01);
        let base = log_loss(&vec![0.5; 3_000], &fresh.events);
        assert!(log_loss(&answers, &fresh.events) < base - 0.05);
        for (row, answer) in fresh.rows().zip(&answers).take(100) {
            assert!((forest.predict_row(row) - answer).abs() < 1e-12);
        }
        let gains = forest.gain_importance();
        assert!(gains[0] > gains[4] && gains[1] > gains[4]);
    }
}

#[test]
fn threads_leave_no_trace() {
    let made = Made::new(5_000, 3);
    let settings = Settings { trees: 12, max_depth: 6, ..Default::default() };
    let forests = on_pools(|| {
        let (forest, out) = grown(&made, &settings);
        let out = out.unwrap();
        let bits: Vec<u64> = out.probabilities.iter().map(|p| p.to_bits()).collect();
        (serde_json::to_string(&forest).unwrap(), bits, out.brier.to_bits())
    });
    assert_eq!(forests[0], forests[1]);
    assert_eq!(forests[0], forests[2]);
}

#[test]
fn without_draws_it_is_a_tree() {
    let made = Made::new(800, 4);
    let settings = Settings {
        trees: 2,
        max_depth: 4,
        min_rows: 20,
        columns_per_split: Some(WIDTH),
        bootstrap: Bootstrap::Off,
        ..Default::default()
    };
    let (forest, out) = grown(&made, &settings);
    assert_eq!(out, None);
    let sample = Sample { binned: &made.binned(), target: &made.events, weights: None };
    let settings = tree::Settings { max_depth: 4, min_rows: 20, ..Default::default() };
    let alone = tree::fit(&sample, &settings, &FitRun::quiet(3)).unwrap();
    assert_eq!(forest.trees, [alone.clone(), alone]);
}

#[test]
fn poor_inputs_have_defined_results() {
    let one = Made::new(1, 1);
    for bootstrap in [Bootstrap::Multinomial, Bootstrap::Poisson, Bootstrap::Off] {
        let (forest, _) = grown(&one, &Settings { trees: 5, bootstrap, ..Default::default() });
        assert_eq!(forest.predict_row(&one.values), f64::from(u8::from(one.events[0])));
    }
    let made = Made::new(30, 1);
    let binned = made.binned();
    let run = FitRun::quiet(1);
    let weights = [0.0; 30];
    let sample = Sample { binned: &binned, target: &made.events, weights: Some(&weights) };
    assert!(matches!(fit(&sample, &Settings::default(), &run), Err(FitError::TooFew { .. })));
    let sample = Sample { weights: None, ..sample };
    let none = Settings { columns_per_split: Some(WIDTH + 1), ..Default::default() };
    assert!(matches!(fit(&sample, &none, &run), Err(FitError::Setting { .. })));
    run.cancel.cancel();
    assert_eq!(fit(&sample, &Settings::default(), &run).unwrap_err(), FitError::Cancelled);
}
