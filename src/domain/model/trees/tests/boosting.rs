use proptest::prelude::*;

use super::{Made, WIDTH, log_loss, on_pools};
use crate::model::trees::boosting::{Boosting, End, Loss, Report, Settings, Validation, fit};
use crate::model::trees::{Binned, Sample, Table};
use crate::model::{FitError, FitRun};

fn boosted(made: &Made, target: &[f64], settings: &Settings) -> Boosting {
    let sample = Sample { binned: &made.binned(), target, weights: None };
    fit(&sample, settings, None, &FitRun::quiet(7)).unwrap().0
}

#[test]
fn boosting_learns_what_no_single_split_shows() {
    let made = Made::new(4_000, 1);
    let fresh = Made::new(4_000, 2);
    let model = boosted(
        &made,
        &made.outcomes(),
        &Settings { rounds: 60, learning_rate: 0.1, ..Default::default() },
    );
    let answers = model.predict(&fresh.values).unwrap();
    let base = made.outcomes().iter().sum::<f64>() / 4_000.0;
    let plain = log_loss(&vec![base; 4_000], &fresh.events);
    assert!(log_loss(&answers, &fresh.events) < plain - 0.1);
    for (row, answer) in fresh.rows().zip(&answers).take(200) {
        assert!((model.predict_row(row) - answer).abs() < 1e-12);
    }
    let gains = model.gain_importance();
    assert!(gains[0] > 2.0 * gains[4] && gains[1] > 2.0 * gains[4], "{gains:?}");
}

#[test]
fn each_loss_is_brought_down() {
    let made = Made::new(3_000, 3);
    let weights: Vec<f64> = (0..3_000).map(|row| 0.5 + f64::from(row % 3)).collect();
    for loss in [
        Loss::Squared,
        Loss::Absolute,
        Loss::Tweedie { power: 1.0 },
        Loss::Tweedie { power: 1.5 },
        Loss::Tweedie { power: 2.0 },
    ] {
        let binned = made.binned();
        let settings =
            Settings { loss, rounds: 60, learning_rate: 0.1, l2: 1.0, ..Default::default() };
        let sample = Sample { binned: &binned, target: &made.target, weights: Some(&weights) };
        let (model, report) = fit(&sample, &settings, None, &FitRun::quiet(7)).unwrap();
        assert_eq!((report.end, report.rounds), (End::AllRounds, 60));
        let mean = |raw: &dyn Fn(&[f32]) -> f64| {
            let rows = made.rows().zip(&made.target).zip(&weights);
            let losses = rows.map(|((row, y), weight)| weight * loss.of(*y, raw(row)));
            losses.sum::<f64>() / weights.iter().sum::<f64>()
        };
        let (before, after) = (mean(&|_| model.initial), mean(&|row| model.raw_row(row)));
        let scale = if loss == Loss::Squared || loss == Loss::Absolute {
            0.75 * before
        } else {
            before - 0.05
        };
        assert!(after < scale, "{loss:?} {before} {after}");
        let root = &model.trees[0].nodes()[0];
        assert!((root.weight - weights.iter().sum::<f64>()).abs() < 1e-9);
    }
}

#[test]
fn early_stopping_keeps_the_best_round() {
    let (made, fresh) = (Made::new(600, 4), Made::new(600, 5));
    let (target, watched) = (made.outcomes(), fresh.outcomes());
    let (binned, table) = (made.binned(), fresh.table());
    let sample = Sample { binned: &binned, target: &target, weights: None };
    let validation = Validation { table: &table, target: &watched, weights: None, patience: 5 };
    let settings = Settings { rounds: 400, learning_rate: 0.3, min_rows: 2, ..Default::default() };
    let run = FitRun::quiet(7);
    let (model, report) = fit(&sample, &settings, Some(&validation), &run).unwrap();
    let Report { end, rounds, validation_loss } = report;
    assert_eq!(end, End::StoppedImproving);
    assert_eq!(validation_loss.len(), rounds + 1);
    let best =
        (0..=rounds).min_by(|a, b| validation_loss[*a].total_cmp(&validation_loss[*b])).unwrap();
    assert_eq!(model.trees.len(), best);
    assert_eq!(rounds, best + 5);
    let answers = model.predict(&fresh.values).unwrap();
    assert!((log_loss(&answers, &fresh.events) - validation_loss[best]).abs() < 1e-9);
    let zero = Validation { patience: 0, ..validation };
    assert!(fit(&sample, &settings, Some(&zero), &run).is_err());
    let narrow = Table::new(&fresh.values, 1, &[]).unwrap();
    let narrow = Validation { table: &narrow, ..validation };
    assert!(fit(&sample, &settings, Some(&narrow), &run).is_err());
}

#[test]
fn threads_leave_no_trace() {
    let made = Made::new(40_000, 5);
    let shares = Settings { rounds: 6, row_share: 0.7, column_share: 0.6, ..Default::default() };
    let settings = [
        Settings { rounds: 6, ..Default::default() },
        shares.clone(),
        Settings { loss: Loss::Tweedie { power: 1.4 }, ..shares.clone() },
        Settings { loss: Loss::Absolute, ..shares },
    ];
    for settings in settings {
        let target =
            if settings.loss == Loss::LogLoss { made.outcomes() } else { made.target.clone() };
        let models =
            on_pools(|| serde_json::to_string(&boosted(&made, &target, &settings)).unwrap());
        assert_eq!(models[0], models[1]);
        assert_eq!(models[0], models[2]);
    }
}

#[test]
fn a_weight_is_a_repetition() {
    let made = Made::new(200, 6);
    let mut twice = Made { values: made.values.clone(), events: vec![], target: vec![] };
    twice.values.extend(&made.values[..100 * WIDTH]);
    let target = made.outcomes();
    let weights: Vec<f64> = (0..200).map(|row| if row < 100 { 2.0 } else { 1.0 }).collect();
    let settings = Settings {
        rounds: 5,
        min_rows: 1,
        min_weight: 3.0,
        max_leaves: Some(8),
        ..Default::default()
    };
    let binned = made.binned();
    let sample = Sample { binned: &binned, target: &target, weights: Some(&weights) };
    let (weighted, _) = fit(&sample, &settings, None, &FitRun::quiet(7)).unwrap();
    let repeated = boosted(&twice, &[&target[..], &target[..100]].concat(), &settings);
    for row in made.rows() {
        assert!((weighted.raw_row(row) - repeated.raw_row(row)).abs() < 1e-6);
    }
}

#[test]
fn an_initial_score_is_where_it_starts() {
    let made = Made::new(200, 7);
    let settings = Settings { rounds: 1, initial: Some(0.25), ..Default::default() };
    let model = boosted(&made, &made.outcomes(), &settings);
    assert_eq!(model.initial, 0.25);
}

#[test]
fn one_newton_step_is_exact() {
    // From 0 on: gradients +-1/2, Hessians 1/4; (3 - 1) / 2 / (4 / 4) = 1 with three events of four.
    let values = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
    let target = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    let run = FitRun::quiet(1);
    let binned = Binned::of(&Table::new(&values, 1, &[]).unwrap(), 255, &run).unwrap();
    let sample = Sample { binned: &binned, target: &target, weights: None };
    let settings = Settings { rounds: 1, min_rows: 1, learning_rate: 0.5, ..Default::default() };
    let (model, _) = fit(&sample, &settings, None, &run).unwrap();
    assert_eq!((model.raw_row(&[0.0]), model.raw_row(&[1.0])), (0.5, -0.5));
    let settings = Settings { l2: 1.0, ..settings };
    let (model, _) = fit(&sample, &settings, None, &run).unwrap();
    assert_eq!((model.raw_row(&[0.0]), model.raw_row(&[1.0])), (0.25, -0.25));
}

#[test]
fn poor_inputs_have_defined_results() {
    let run = FitRun::quiet(1);
    let fitted = |values: &[f32], target: &[f64], loss: Loss| {
        let binned = Binned::of(&Table::new(values, 1, &[])?, 255, &run)?;
        let settings = Settings {
            loss,
            min_rows: 1,
            min_weight: 0.0,
            learning_rate: 0.1,
            ..Default::default()
        };
        fit(&Sample { binned: &binned, target, weights: None }, &settings, None, &run)
    };
    let (model, report) = fitted(&[1.0, 2.0], &[1.0, 1.0], Loss::LogLoss).unwrap();
    assert!(model.predict_row(&[1.0]) > 0.999_999 && report.rounds <= 150);
    let (model, report) = fitted(&[3.0], &[5.0], Loss::Squared).unwrap();
    assert_eq!((model.predict_row(&[3.0]), report.end), (5.0, End::NothingToSplit));
    let huge = fitted(&[1.0, 2.0, 3.0], &[1e30, -1e30, 0.0], Loss::Squared).unwrap().0;
    assert!((huge.predict_row(&[1.0]) / 1e30 - 1.0).abs() < 0.01);
    for power in [1.0, 1.5] {
        let loss = Loss::Tweedie { power };
        let model = fitted(&[1.0, 2.0, 3.0, 4.0], &[0.0, 0.0, 1e12, 0.0], loss).unwrap().0;
        assert!(model.predict(&[1.0, 3.0, f32::NAN]).unwrap().iter().all(|mean| mean.is_finite()));
        assert!(model.predict_row(&[3.0]) > 100.0 * model.predict_row(&[1.0]));
        fitted(&[1.0, 2.0], &[0.0, 0.0], loss).unwrap();
    }
    let error = |target: f64, loss| fitted(&[1.0], &[target], loss).unwrap_err().to_string();
    assert!(error(2.0, Loss::LogLoss).contains("row 0: expected a target from 0 to 1"));
    assert!(error(f64::NAN, Loss::Squared).contains("row 0"));
    assert!(error(-1.0, Loss::Tweedie { power: 1.5 }).contains("row 0"));
    assert!(error(0.0, Loss::Tweedie { power: 2.0 }).contains("row 0"));
    assert!(error(1.0, Loss::Tweedie { power: 2.5 }).contains("power"));
    let made = Made::new(10, 1);
    let model = boosted(&made, &made.outcomes(), &Settings { rounds: 1, ..Default::default() });
    assert!(model.predict(&[0.0; WIDTH + 1]).is_err());
}

#[test]
fn a_damaged_file_is_refused() {
    let made = Made::new(100, 1);
    let model = boosted(&made, &made.outcomes(), &Settings { rounds: 2, ..Default::default() });
    let text = serde_json::to_string(&model).unwrap();
    assert_eq!(serde_json::from_str::<Boosting>(&text).unwrap(), model);
    let other = text.replacen("\"width\":5", "\"width\":0", 1);
    let error = serde_json::from_str::<Boosting>(&other).unwrap_err().to_string();
    assert!(error.contains("expected trees over 0 columns, found one over 5"), "{error}");
    let bare = r#"{"loss":"LogLoss","initial":0.0,"width":0,"trees":[]}"#;
    assert!(serde_json::from_str::<Boosting>(bare).is_err());
}

#[test]
fn a_cancelled_run_ends() {
    let made = Made::new(100, 1);
    let binned = made.binned();
    let target = made.outcomes();
    let sample = Sample { binned: &binned, target: &target, weights: None };
    let run = FitRun::quiet(1);
    run.cancel.cancel();
    assert_eq!(fit(&sample, &Settings::default(), None, &run).unwrap_err(), FitError::Cancelled);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_direction_holds_everywhere(seed in 0..1_000u64, which in 0..4usize, rising in any::<bool>()) {
        let made = Made::new(300, seed);
        let loss = [Loss::LogLoss, Loss::Squared, Loss::Absolute, Loss::Tweedie { power: 1.5 }][which];
        let target = if which == 0 { made.outcomes() } else { made.target.clone() };
        let direction = if rising { 1i8 } else { -1 };
        let monotone = vec![direction, -direction, direction, 0, 0];
        let settings = Settings { loss, rounds: 12, min_rows: 3, learning_rate: 0.4, monotone, ..Default::default() };
        let model = boosted(&made, &target, &settings);
        for row in made.rows().take(30) {
            for (column, sign) in [(0, f64::from(direction)), (1, -f64::from(direction)), (2, f64::from(direction))] {
                let mut moved = row.to_vec();
                let answers: Vec<f64> = (-8..=24).map(|step| {
                    moved[column] = step as f32 / 4.0;
                    sign * model.raw_row(&moved)
                }).collect();
                let falls = answers.windows(2).any(|pair| pair[1] < pair[0] - 1e-12);
                prop_assert!(!falls, "{:?} {:?}", loss, answers);
            }
        }
    }
}
