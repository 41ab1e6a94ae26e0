use proptest::prelude::*;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{CATEGORICAL, Made, WIDTH, log_loss, on_pools};
use crate::model::trees::tree::{Impurity, Settings, fit};
use crate::model::trees::{Binned, Sample, Scorer, Table, Test, Tree, rules};
use crate::model::{FitError, FitRun};

fn impurity(kind: Impurity, rows: &[(bool, f64)]) -> f64 {
    let weight: f64 = rows.iter().map(|row| row.1).sum();
    let p = rows.iter().filter(|row| row.0).map(|row| row.1).sum::<f64>() / weight;
    let part = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    weight
        * match kind {
            Impurity::Gini => 2.0 * p * (1.0 - p),
            Impurity::Entropy => part(p) + part(1.0 - p),
        }
}

/// The largest decrease over every threshold with missing values on either side, and over every
/// subset of categories.
fn largest_gain(
    values: &[f32],
    width: usize,
    categorical: &[usize],
    rows: &[(bool, f64)],
    settings: &Settings,
) -> f64 {
    let mut best = 0.0f64;
    let mut look = |goes_left: &dyn Fn(f32) -> bool, column: usize| {
        let sides = rows.iter().enumerate().filter(|(_, row)| row.1 > 0.0);
        let (left, right): (Vec<_>, Vec<_>) =
            sides.partition(|(row, _)| goes_left(values[row * width + column]));
        let side = |side: Vec<(usize, &(bool, f64))>| -> Vec<(bool, f64)> {
            side.into_iter().map(|(_, row)| *row).collect()
        };
        let (left, right) = (side(left), side(right));
        if left.len().min(right.len()) as u64 >= settings.min_rows {
            let all = [left.clone(), right.clone()].concat();
            let parts = impurity(settings.impurity, &left) + impurity(settings.impurity, &right);
            best = best.max(impurity(settings.impurity, &all) - parts);
        }
    };
    for column in 0..width {
        for missing_left in [false, true] {
            if categorical.contains(&column) {
                for set in 0..64u32 {
                    let left =
                        |v: f32| if v.is_nan() { missing_left } else { set >> v as u32 & 1 == 1 };
                    look(&left, column);
                }
                continue;
            }
            for border in values.iter().skip(column).step_by(width).chain([&f32::INFINITY]) {
                let left = |v: f32| if v.is_nan() { missing_left } else { v < *border };
                look(&left, column);
            }
        }
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_first_split_is_the_best_there_is(
        rows in prop::collection::vec((0..7u8, 0..12u8, 0..6u8, any::<bool>(), 0..4u8), 2..40),
        min_rows in 1..4u64,
        entropy in any::<bool>(),
    ) {
        let number = |code: u8, limit: u8| if code < limit { f32::from(code) * 1.5 } else { f32::NAN };
        let values: Vec<f32> = rows
            .iter()
            .flat_map(|row| [number(row.0, 6), number(row.1, 12), if row.2 < 5 { f32::from(row.2) } else { f32::NAN }])
            .collect();
        let events: Vec<bool> = rows.iter().map(|row| row.3).collect();
        let weights: Vec<f64> = rows.iter().map(|row| f64::from(row.4)).collect();
        prop_assume!(weights.iter().any(|weight| *weight > 0.0));
        let impurity = if entropy { Impurity::Entropy } else { Impurity::Gini };
        let settings = Settings { max_depth: 1, min_rows, impurity, ..Default::default() };
        // With a limit on rows the best subset of categories need not begin their order.
        let categorical: &[usize] = if min_rows == 1 { &[2] } else { &[] };
        let table = Table::new(&values, 3, categorical).unwrap();
        let run = FitRun::quiet(1);
        let binned = Binned::of(&table, 255, &run).unwrap();
        let sample = Sample { binned: &binned, target: &events, weights: Some(&weights) };
        let tree = fit(&sample, &settings, &run).unwrap();
        let pairs: Vec<(bool, f64)> = events.iter().copied().zip(weights.iter().copied()).collect();
        let expected = largest_gain(&values, 3, categorical, &pairs, &settings);
        let found = tree.nodes()[0].split.as_ref().map_or(0.0, |split| split.gain);
        prop_assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn rules_scorer_and_codes_agree_with_the_tree(seed in 0..1_000u64, depth in 1..7usize) {
        let made = Made::new(300, seed);
        let tree = grown(&made, &Settings { max_depth: depth, min_rows: 2, ..Default::default() });
        let found = rules(&tree);
        prop_assert_eq!(found.len(), tree.leaves());
        prop_assert_eq!(found.iter().map(|rule| rule.rows).sum::<u64>(), 300);
        let scorer = Scorer::of(std::slice::from_ref(&tree), WIDTH);
        let sums = scorer.sums(&made.values).unwrap();
        let other = Made::new(100, seed + 1);
        for (row, sum) in made.rows().zip(sums) {
            prop_assert_eq!(tree.predict_row(row), sum);
        }
        for row in made.rows().chain(other.rows()) {
            let meets = |column: usize| row[column];
            let holding = found.iter().filter(|rule| rule.conditions.iter().all(|c| c.holds(meets(c.column))));
            let leaves: Vec<usize> = holding.map(|rule| rule.leaf).collect();
            prop_assert_eq!(leaves, vec![tree.leaf(row)]);
        }
    }

    #[test]
    fn a_direction_holds_everywhere(seed in 0..1_000u64, rising in any::<bool>(), entropy in any::<bool>()) {
        let made = Made::new(400, seed);
        let direction = if rising { 1 } else { -1 };
        let impurity = if entropy { Impurity::Entropy } else { Impurity::Gini };
        let monotone = vec![direction, -direction, direction, 0, 0];
        let settings = Settings { max_depth: 6, min_rows: 3, impurity, monotone, ..Default::default() };
        let tree = grown(&made, &settings);
        prop_assert!(tree.leaves() > 2);
        for row in made.rows().take(50) {
            for (column, sign) in [(0, f64::from(direction)), (1, -f64::from(direction)), (2, f64::from(direction))] {
                let mut moved = row.to_vec();
                let steps = (-8..=24).map(|step| {
                    moved[column] = step as f32 / 4.0;
                    sign * tree.predict_row(&moved)
                });
                let answers: Vec<f64> = steps.collect();
                prop_assert!(answers.is_sorted(), "{:?}", answers);
            }
        }
    }
}

fn grown(made: &Made, settings: &Settings) -> Tree {
    let sample = Sample { binned: &made.binned(), target: &made.events, weights: None };
    fit(&sample, settings, &FitRun::quiet(1)).unwrap()
}

#[test]
fn the_order_of_rows_leaves_no_trace() {
    let made = Made::new(3_000, 4);
    let mut order: Vec<usize> = (0..3_000).collect();
    order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(9));
    let row = |row: &usize| made.values[row * WIDTH..(row + 1) * WIDTH].to_vec();
    let shuffled = Made {
        values: order.iter().flat_map(row).collect(),
        events: order.iter().map(|row| made.events[*row]).collect(),
        target: vec![],
    };
    for settings in [
        Settings { max_depth: 8, ..Default::default() },
        Settings {
            max_leaves: Some(20),
            impurity: Impurity::Entropy,
            max_depth: 64,
            ..Default::default()
        },
    ] {
        let (one, other) = (grown(&made, &settings), grown(&shuffled, &settings));
        assert!(one.leaves() > 10);
        assert_eq!(one, other);
    }
}

#[test]
fn threads_leave_no_trace() {
    let made = Made::new(60_000, 5);
    let settings = Settings { max_depth: 7, ..Default::default() };
    let trees = on_pools(|| serde_json::to_string(&grown(&made, &settings)).unwrap());
    assert_eq!(trees[0], trees[1]);
    assert_eq!(trees[0], trees[2]);
}

#[test]
fn a_weight_is_a_repetition() {
    let made = Made::new(250, 6);
    let times: Vec<usize> = (0..250).map(|row| row % 4).collect();
    let mut repeated = Made { values: vec![], events: vec![], target: vec![] };
    for (row, times) in times.iter().enumerate() {
        for _ in 0..*times {
            repeated.values.extend(&made.values[row * WIDTH..(row + 1) * WIDTH]);
            repeated.events.push(made.events[row]);
        }
    }
    let weights: Vec<f64> = times.iter().map(|times| *times as f64).collect();
    let settings = Settings { min_rows: 1, min_weight: 12.0, max_depth: 6, ..Default::default() };
    let binned = made.binned();
    let sample = Sample { binned: &binned, target: &made.events, weights: Some(&weights) };
    let weighted = fit(&sample, &settings, &FitRun::quiet(1)).unwrap();
    let other = grown(&repeated, &settings);
    assert!(other.leaves() > 5);
    assert_eq!(weighted.nodes().len(), other.nodes().len());
    for (a, b) in weighted.nodes().iter().zip(other.nodes()) {
        assert_eq!((a.weight, a.value), (b.weight, b.value));
        // Without any row of some value between, a border may lie elsewhere in the same gap.
        let asked =
            |node: &crate::model::trees::Node| node.split.clone().map(|s| (s.column, s.left));
        assert_eq!(asked(a), asked(b));
    }
}

#[test]
fn missing_values_go_the_better_way_and_can_stand_alone() {
    // The event follows where the value is missing, and nowhere else.
    let values: Vec<f32> =
        (0..40).map(|row| if row % 4 == 0 { f32::NAN } else { row as f32 }).collect();
    let events: Vec<bool> = (0..40).map(|row| row % 4 == 0).collect();
    let run = FitRun::quiet(1);
    let binned = Binned::of(&Table::new(&values, 1, &[]).unwrap(), 255, &run).unwrap();
    let sample = Sample { binned: &binned, target: &events, weights: None };
    let tree = fit(&sample, &Settings { min_rows: 5, ..Default::default() }, &run).unwrap();
    assert_eq!(tree.leaves(), 2);
    assert_eq!((tree.predict_row(&[f32::NAN]), tree.predict_row(&[3.0])), (1.0, 0.0));
    assert_eq!(tree.predict_row(&[f32::MAX]), 0.0);
    let split = tree.nodes()[0].split.as_ref().unwrap();
    assert_eq!((&split.test, split.missing_left), (&Test::Below(f64::MAX), false));
}

#[test]
fn limits_are_kept() {
    let made = Made::new(2_000, 8);
    let tree = grown(&made, &Settings { max_leaves: Some(7), max_depth: 64, ..Default::default() });
    assert_eq!(tree.leaves(), 7);
    let tree = grown(&made, &Settings { max_depth: 3, min_rows: 150, ..Default::default() });
    assert!(tree.depth() == 3 && tree.nodes().iter().all(|node| node.rows >= 150));
    let floor = 0.004;
    let tree = grown(&made, &Settings { min_gain: floor, min_rows: 1, ..Default::default() });
    let splits: Vec<f64> =
        tree.nodes().iter().filter_map(|n| n.split.as_ref()).map(|s| s.gain).collect();
    assert!(!splits.is_empty() && splits.iter().all(|gain| *gain > floor * 2_000.0));
    let gains = tree.gain_importance();
    assert!((gains.iter().sum::<f64>() - splits.iter().sum::<f64>()).abs() < 1e-9);
}

#[test]
fn a_tree_beats_the_base_rate_and_counts_its_leaves() {
    let made = Made::new(4_000, 9);
    let tree = grown(&made, &Settings::default());
    let answers: Vec<f64> = made.rows().map(|row| tree.predict_row(row)).collect();
    let base = tree.nodes()[0].value;
    assert!(log_loss(&answers, &made.events) < log_loss(&vec![base; 4_000], &made.events) - 0.05);
    for (index, node) in tree.nodes().iter().enumerate().filter(|(_, node)| node.split.is_none()) {
        let here = made.rows().zip(&made.events).filter(|(row, _)| tree.leaf(row) == index);
        let here: Vec<bool> = here.map(|(_, event)| *event).collect();
        let events = here.iter().filter(|event| **event).count();
        assert_eq!(node.rows, here.len() as u64);
        assert_eq!(node.value, events as f64 / here.len() as f64);
    }
}

#[test]
fn poor_inputs_have_defined_results() {
    let run = FitRun::quiet(1);
    let fitted = |values: &[f32], width: usize, events: &[bool], weights: Option<&[f64]>| {
        let table = Table::new(values, width, &[])?;
        let binned = Binned::of(&table, 255, &run)?;
        let settings = Settings { min_rows: 1, ..Default::default() };
        fit(&Sample { binned: &binned, target: events, weights }, &settings, &run)
    };
    assert_eq!(fitted(&[1.0], 1, &[true], None).unwrap().predict_row(&[1.0]), 1.0);
    assert_eq!(fitted(&[1.0; 4], 1, &[true, false, false, false], None).unwrap().leaves(), 1);
    assert_eq!(fitted(&[1.0, 2.0], 1, &[true, true], None).unwrap().leaves(), 1);
    assert_eq!(fitted(&[f32::NAN, f32::NAN], 1, &[true, false], None).unwrap().leaves(), 1);
    let huge =
        fitted(&[-1e30, 1e30, 1e30, -1e30], 1, &[true, false, false, true], Some(&[1e30; 4]));
    assert_eq!(huge.unwrap().predict_row(&[-1e30]), 1.0);
    let zero = fitted(&[1.0, 2.0], 1, &[true, false], Some(&[0.0, 0.0])).unwrap_err();
    assert!(matches!(zero, FitError::TooFew { .. }));
    assert!(matches!(fitted(&[], 1, &[], None).unwrap_err(), FitError::TooFew { .. }));
    let short = fitted(&[1.0, 2.0], 1, &[true], None).unwrap_err().to_string();
    assert!(short.contains("2 targets, found 1"), "{short}");
    let negative = fitted(&[1.0], 1, &[true], Some(&[f64::NAN])).unwrap_err().to_string();
    assert!(negative.contains("row 0: expected a weight"), "{negative}");
}

#[test]
fn settings_out_of_range_are_named() {
    let made = Made::new(10, 1);
    let binned = made.binned();
    let sample = Sample { binned: &binned, target: &made.events, weights: None };
    let name = |settings: Settings| match fit(&sample, &settings, &FitRun::quiet(1)) {
        Err(FitError::Setting { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(name(Settings { max_depth: 0, ..Default::default() }), "max_depth");
    assert_eq!(name(Settings { max_depth: 65, ..Default::default() }), "max_depth");
    assert_eq!(name(Settings { max_leaves: Some(1), ..Default::default() }), "max_leaves");
    assert_eq!(name(Settings { min_rows: 0, ..Default::default() }), "min_rows");
    assert_eq!(name(Settings { min_gain: f64::NAN, ..Default::default() }), "min_gain");
    assert_eq!(name(Settings { monotone: vec![1], ..Default::default() }), "monotone");
    let mut monotone = vec![0; WIDTH];
    monotone[CATEGORICAL[0]] = 1;
    assert_eq!(name(Settings { monotone, ..Default::default() }), "monotone");
}

#[test]
fn a_cancelled_run_ends() {
    let made = Made::new(1_000, 1);
    let binned = made.binned();
    let run = FitRun::quiet(1);
    run.cancel.cancel();
    let sample = Sample { binned: &binned, target: &made.events, weights: None };
    assert_eq!(fit(&sample, &Settings::default(), &run), Err(FitError::Cancelled));
    assert!(Binned::of(&made.table(), 255, &run).is_err());
}
