use super::{CATEGORICAL, Made, WIDTH};
use crate::model::FitRun;
use crate::model::trees::prune::{by_folds, by_validation};
use crate::model::trees::tree::{Settings, fit};
use crate::model::trees::{Binned, Node, Sample, Split, Table, Test, Tree};

fn node(rows: u64, value: f64, split: Option<(f64, f64, usize)>) -> Node {
    let split = split.map(|(border, gain, left)| Split {
        column: 0,
        test: Test::Below(border),
        missing_left: true,
        gain,
        left,
    });
    Node { rows, weight: rows as f64, value, split }
}

/// Splits at 2, then at 1 and at 3; the branch on the right gains least per leaf.
fn tree() -> Tree {
    let nodes = vec![
        node(100, 0.5, Some((2.0, 20.0, 1))),
        node(50, 0.3, Some((1.0, 6.0, 3))),
        node(50, 0.7, Some((3.0, 2.0, 5))),
        node(25, 0.1, None),
        node(25, 0.5, None),
        node(25, 0.6, None),
        node(25, 0.8, None),
    ];
    Tree::new(1, nodes).unwrap()
}

#[test]
fn the_weakest_link_goes_first() {
    // Validation rows that like the split at 2 and the one at 1 but not the one at 3.
    let values = [0.5, 0.5, 1.5, 1.5, 2.5, 2.5, 3.5, 3.5];
    let target = [false, false, true, false, true, true, true, false];
    let table = Table::new(&values, 1, &[]).unwrap();
    let pruned = by_validation(&tree(), &table, &target, None).unwrap();
    assert_eq!(pruned.tree.leaves(), 3);
    assert_eq!(pruned.alpha, 0.02);
    assert_eq!(pruned.tree.predict_row(&[3.5]), 0.7);
    // 2 * 0.01 + 2 * 0.25 + 3 * 0.09 + 0.49, over 8.
    assert!((pruned.brier - 1.28 / 8.0).abs() < 1e-12);
    let weights = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 3.0];
    let flat = by_validation(&tree(), &table, &target, Some(&weights)).unwrap();
    assert_eq!((flat.tree.leaves(), flat.alpha), (1, 0.2));
}

#[test]
fn folds_cut_noise_away_and_keep_what_holds() {
    let made = Made::new(3_000, 1);
    let settings = Settings { max_depth: 12, min_rows: 3, ..Default::default() };
    let binned = made.binned();
    let sample = Sample { binned: &binned, target: &made.events, weights: None };
    let run = FitRun::quiet(5);
    let full = fit(&sample, &settings, &run).unwrap();
    let pruned = by_folds(&sample, &settings, 5, &run).unwrap();
    assert!(pruned.tree.leaves() * 4 < full.leaves(), "{} {}", pruned.tree.leaves(), full.leaves());
    assert!(pruned.tree.leaves() > 4);
    let fresh = Made::new(3_000, 2);
    let brier = |tree: &Tree| {
        let rows = fresh.rows().zip(&fresh.events);
        rows.map(|(row, event)| (tree.predict_row(row) - f64::from(u8::from(*event))).powi(2))
            .sum::<f64>()
    };
    assert!(brier(&pruned.tree) < 0.93 * brier(&full));
    let watched = by_validation(&full, &fresh.table(), &fresh.events, None).unwrap();
    assert!(brier(&watched.tree) <= brier(&pruned.tree));
    assert!((brier(&watched.tree) / 3_000.0 - watched.brier).abs() < 1e-9);
}

#[test]
fn noise_alone_leaves_next_to_nothing() {
    let made = Made::new(500, 1);
    let events: Vec<bool> = (0..500).map(|row| row * 7_919 % 13 < 6).collect();
    let noise: Vec<f32> = made.values.iter().skip(4).step_by(WIDTH).copied().collect();
    let run = FitRun::quiet(5);
    let binned = Binned::of(&Table::new(&noise, 1, &[]).unwrap(), 255, &run).unwrap();
    let sample = Sample { binned: &binned, target: &events, weights: None };
    let settings = Settings { max_depth: 10, min_rows: 2, ..Default::default() };
    let pruned = by_folds(&sample, &settings, 10, &run).unwrap();
    let full = fit(&sample, &settings, &run).unwrap();
    assert!(pruned.tree.leaves() <= 3 && full.leaves() > 50, "{}", pruned.tree.leaves());
}

#[test]
fn what_does_not_fit_is_refused() {
    let made = Made::new(20, 1);
    let binned = made.binned();
    let sample = Sample { binned: &binned, target: &made.events, weights: None };
    let run = FitRun::quiet(1);
    assert!(by_folds(&sample, &Settings::default(), 1, &run).is_err());
    assert!(by_folds(&sample, &Settings::default(), 21, &run).is_err());
    let table = Table::new(&made.values, WIDTH, &CATEGORICAL).unwrap();
    assert!(by_validation(&tree(), &table, &made.events, None).is_err());
}
