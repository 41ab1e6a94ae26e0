//! linfa and smartcore as they are, without Patron's adapters. What they take instead of our rows
//! is made before the clock runs.

use std::collections::HashMap;

use linfa::DatasetBase;
use linfa::traits::Fit as _;
use linfa_clustering::{KMeans, KMeansInit};
use linfa_logistic::LogisticRegression;
use linfa_trees::{DecisionTree, SplitQuality};
use ndarray::{Array1, Array2, ArrayView2};
use patron::model::FitRun;
use patron::model::kmeans::Points;
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng as _;
use smartcore::ensemble::random_forest_regressor::{
    RandomForestRegressor, RandomForestRegressorParameters,
};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::input::{Files, Labelled, read_values};
use crate::measure::{gradient, log_loss, measured};
use crate::{Clusters, Growth, Outcome, Penalty, mean_distance};

type Forest = RandomForestRegressor<f32, f64, DenseMatrix<f32>, Vec<f64>>;

pub(crate) fn clusters(files: &Files, settings: Clusters, run: &FitRun<'_>) -> Outcome {
    let values = read_values(&files.data, files.rows * files.columns)?;
    let rows = DatasetBase::from(ArrayView2::from_shape((files.rows, files.columns), &values)?);
    let start = values.iter().take(settings.clusters * files.columns).copied().collect();
    let start = Array2::from_shape_vec((settings.clusters, files.columns), start)?;
    let lloyd = KMeans::params_with_rng(settings.clusters, Xoshiro256Plus::seed_from_u64(run.seed))
        .init_method(KMeansInit::Precomputed(start))
        .n_runs(1)
        .max_n_iterations(settings.iterations as u64)
        .tolerance(f32::MIN_POSITIVE);
    let (fitted, cost) = measured(|| Ok(lloyd.fit(&rows)?))?;
    let centres: Vec<f64> = fitted.centroids().iter().map(|value| f64::from(*value)).collect();
    let points = Points::new(&values, files.columns)?;
    Ok((cost, mean_distance(points, &centres, run)?))
}

pub(crate) fn regression(files: &Files, settings: Penalty) -> Outcome {
    let train = Labelled::train(files)?;
    let values = train.values.iter().map(|value| f64::from(*value)).collect();
    let records = Array2::from_shape_vec((train.target.len(), train.width), values)?;
    let data = DatasetBase::new(records, Array1::from(train.target.clone()));
    // Its gradient is a sum over the rows.
    let solver = LogisticRegression::<f64>::default()
        .alpha(settings.l2)
        .max_iterations(1_000)
        .gradient_tolerance(settings.tolerance * train.target.len() as f64);
    let (fitted, cost) = measured(|| Ok(solver.fit(&data)?))?;
    // Its positive class may be "no event".
    let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
    let slopes: Vec<f64> = fitted.params().iter().map(|slope| sign * slope).collect();
    Ok((cost, gradient(&train, sign * fitted.intercept(), &slopes, settings.l2)))
}

pub(crate) fn one_tree(files: &Files, settings: Growth) -> Outcome {
    let train = Labelled::train(files)?;
    let records = ArrayView2::from_shape((train.target.len(), train.width), &train.values)?;
    let data = DatasetBase::new(records, Array1::from(train.target.clone()));
    let grown = DecisionTree::<f32, bool>::params()
        .split_quality(SplitQuality::Gini)
        .max_depth(Some(settings.depth.into()))
        .min_weight_leaf(settings.min_rows as f32)
        .min_weight_split(2.0 * settings.min_rows as f32)
        .min_impurity_decrease(f32::EPSILON);
    let (tree, cost) = measured(|| Ok(grown.fit(&data)?))?;
    let mut leaves: HashMap<u64, (f64, f64)> = HashMap::new();
    for (row, event) in train.rows().zip(&train.target) {
        let (events, rows) = leaves.entry(leaf(&tree, row)).or_default();
        *events += f64::from(*event);
        *rows += 1.0;
    }
    let share = |row| leaves.get(&leaf(&tree, row)).map_or(0.5, |(events, rows)| events / rows);
    let test = Labelled::test(files)?;
    Ok((cost, log_loss(test.rows().map(share), &test.target)))
}

/// The place of a row's leaf: 1 for the root, twice that for its left child, one more for its
/// right one.
fn leaf(tree: &DecisionTree<f32, bool>, row: &[f32]) -> u64 {
    let (mut node, mut place) = (tree.root_node(), 1);
    while !node.is_leaf() {
        let (column, border, _) = node.split();
        let right = row.get(column).is_some_and(|value| *value >= border);
        let Some(Some(child)) = node.children().get(usize::from(right)).copied() else { break };
        (node, place) = (child, 2 * place + u64::from(right));
    }
    place
}

pub(crate) fn random_forest(files: &Files, settings: Growth, run: &FitRun<'_>) -> Outcome {
    let train = Labelled::train(files)?;
    let matrix = |data: &Labelled| {
        DenseMatrix::new(data.target.len(), data.width, data.values.clone(), false)
    };
    let values = matrix(&train)?;
    let outcomes: Vec<f64> = train.target.iter().map(|event| f64::from(*event)).collect();
    let parameters = RandomForestRegressorParameters {
        max_depth: Some(settings.depth),
        min_samples_leaf: settings.min_rows as usize,
        min_samples_split: 2 * settings.min_rows as usize,
        n_trees: settings.trees,
        m: Some(settings.columns_per_split),
        keep_samples: false,
        seed: run.seed,
    };
    let (forest, cost) = measured(|| Ok(Forest::fit(&values, &outcomes, parameters)?))?;
    let test = Labelled::test(files)?;
    Ok((cost, log_loss(forest.predict(&matrix(&test)?)?, &test.target)))
}
