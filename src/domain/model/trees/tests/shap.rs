use proptest::prelude::*;

use super::{Made, WIDTH};
use crate::model::FitRun;
use crate::model::trees::shap::Explainer;
use crate::model::trees::tree::Settings;
use crate::model::trees::{Node, Sample, Split, Table, Test, Tree, boosting, forest, tree};

/// The expected answer when only the columns in `known` are known.
fn expectation(tree: &Tree, at: usize, row: &[f32], known: usize) -> f64 {
    let node = &tree.nodes()[at];
    let Some(split) = &node.split else {
        return node.value;
    };
    let [left, right] = [split.left, split.left + 1];
    if known >> split.column & 1 == 1 {
        let next = if split.goes_left(row[split.column]) { left } else { right };
        return expectation(tree, next, row, known);
    }
    let part = |child: usize| {
        tree.nodes()[child].weight / node.weight * expectation(tree, child, row, known)
    };
    part(left) + part(right)
}

/// Shapley values by their definition.
fn by_subsets(tree: &Tree, row: &[f32]) -> Vec<f64> {
    let width = row.len();
    let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
    let value: Vec<f64> = (0..1 << width).map(|known| expectation(tree, 0, row, known)).collect();
    let share = |column: usize| {
        let without = (0..1usize << width).filter(|known| known >> column & 1 == 0);
        let parts = without.map(|known| {
            let size = known.count_ones() as usize;
            let chance = factorial(size) * factorial(width - size - 1) / factorial(width);
            chance * (value[known | 1 << column] - value[known])
        });
        parts.sum()
    };
    (0..width).map(share).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn shares_are_those_of_the_definition(seed in 0..10_000u64, depth in 1..10usize) {
        let made = Made::new(250, seed);
        let binned = made.binned();
        let weights: Vec<f64> = (0..250).map(|row| 0.25 + f64::from(row % 5)).collect();
        let sample = Sample { binned: &binned, target: &made.events, weights: Some(&weights) };
        let settings = Settings { max_depth: depth, min_rows: 1, ..Default::default() };
        let tree = tree::fit(&sample, &settings, &FitRun::quiet(1)).unwrap();
        let explainer = Explainer::of_tree(&tree);
        let fresh = Made::new(4, seed + 1);
        for row in made.rows().take(4).chain(fresh.rows()) {
            let parts = explainer.row(row);
            let expected = by_subsets(&tree, row);
            for (found, expected) in parts.columns.iter().zip(&expected) {
                prop_assert!((found - expected).abs() < 1e-12, "{:?} {:?}", parts.columns, expected);
            }
            let sum = parts.base + parts.columns.iter().sum::<f64>();
            prop_assert!((sum - tree.predict_row(row)).abs() < 1e-12);
        }
        let share = tree.nodes()[0].value;
        prop_assert!((explainer.row(&made.values[..WIDTH]).base - share).abs() < 1e-12);
    }
}

#[test]
fn deep_trees_over_many_columns_add_up() {
    let width = 40;
    let rows = 3_000usize;
    let values: Vec<f32> =
        (0..rows * width).map(|i| ((i * 7_919 + i / 97) % 1_009) as f32).collect();
    let events: Vec<bool> = values
        .chunks_exact(width)
        .map(|row| (row.iter().sum::<f32>() as u32).is_multiple_of(3))
        .collect();
    let run = FitRun::quiet(1);
    let table = Table::new(&values, width, &[]).unwrap();
    let binned = crate::model::trees::Binned::of(&table, 255, &run).unwrap();
    let sample = Sample { binned: &binned, target: &events, weights: None };
    let settings = Settings { max_depth: 40, min_rows: 1, ..Default::default() };
    let tree = tree::fit(&sample, &settings, &run).unwrap();
    assert!(tree.depth() > 16, "{}", tree.depth());
    let explainer = Explainer::of_tree(&tree);
    for row in values.chunks_exact(width).take(200) {
        let parts = explainer.row(row);
        let sum = parts.base + parts.columns.iter().sum::<f64>();
        assert!((sum - tree.predict_row(row)).abs() < 1e-9);
    }
}

#[test]
fn forests_and_boosting_add_up_for_one_row_and_for_many() {
    let made = Made::new(2_000, 3);
    let binned = made.binned();
    let target = made.outcomes();
    let run = FitRun::quiet(2);
    let sample = Sample { binned: &binned, target: &target, weights: None };
    let settings = boosting::Settings { rounds: 40, ..Default::default() };
    let (model, _) = boosting::fit(&sample, &settings, None, &run).unwrap();
    let explainer = Explainer::of_boosting(&model);
    let rows: Vec<&[f32]> = made.rows().collect();
    let parts = explainer.rows(&rows);
    assert_eq!(parts.len(), rows.len());
    for (row, part) in rows.iter().zip(&parts) {
        assert_eq!(explainer.row(row), *part);
        let sum = part.base + part.columns.iter().sum::<f64>();
        assert!((sum - model.raw_row(row)).abs() < 1e-9);
    }
    // Columns beyond the end of a row are missing, and rows of different lengths keep apart.
    let mut missing = [f32::NAN; WIDTH];
    missing[0] = made.values[0];
    let parts = explainer.rows(&[&missing[..1], rows[1], &missing]);
    assert_eq!(parts, [&missing, rows[1], &missing].map(|row| explainer.row(row)));
    assert!(explainer.rows::<&[f32]>(&[]).is_empty());

    let sample = Sample { binned: &binned, target: &made.events, weights: None };
    let settings = forest::Settings { trees: 10, ..Default::default() };
    let (forest, _) = forest::fit(&sample, &settings, &run).unwrap();
    let explainer = Explainer::of_forest(&forest);
    for row in made.rows().take(200) {
        let part = explainer.row(row);
        let sum = part.base + part.columns.iter().sum::<f64>();
        assert!((sum - forest.predict_row(row)).abs() < 1e-9);
    }
}

#[test]
fn a_way_nobody_went_does_no_harm() {
    let node = |weight: f64, value: f64, left: Option<usize>| {
        let split = left.map(|left| Split {
            column: left % 2,
            test: Test::Below(0.0),
            missing_left: false,
            gain: 1.0,
            left,
        });
        Node { rows: 1, weight, value, split }
    };
    let nodes = vec![
        node(4.0, 0.0, Some(1)),
        node(4.0, 1.0, None),
        node(0.0, 0.0, Some(3)),
        node(0.0, 2.0, None),
        node(0.0, 3.0, None),
    ];
    let tree = Tree::new(2, nodes).unwrap();
    let part = Explainer::of_tree(&tree).row(&[1.0, 1.0]);
    assert!(part.base == 1.0 && part.columns.iter().all(|share| share.is_finite()));
    let lone = Tree::new(2, vec![node(0.0, 0.5, None)]).unwrap();
    assert_eq!(Explainer::of_tree(&lone).row(&[1.0]).columns, [0.0, 0.0]);
}
