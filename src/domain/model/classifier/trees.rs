//! Scores from trees: one, a forest, or boosted ones.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::bins::Bins;
use super::rules::{self, Rule};
use super::validation::{Held, best_of};
use super::{ClassifierAlgorithm, ClassifierEstimator, Verdict, grow, smartcore_forest};
use crate::dataset::{Dataset, FeatureMatrix, SupervisedData};
use crate::model::preprocessing::locate_columns;
use crate::model::probability::bounded_log_odds;
use crate::model::trees::boosting::{self, Boosting};
use crate::model::trees::forest::{self, Forest};
use crate::model::trees::shap::Explainer;
use crate::model::trees::{Binned, Node, Sample, Scorer, Table, Tree, prune, tree};
use crate::model::{FitError, FitRun};

/// Rows from which on packing the trees for many rows pays.
const MANY_ROWS: usize = 256;
/// Rows of the base rate that every leaf is thought to hold beside its own (m-estimate, Cestnik
/// 1990). It keeps pure leaves off 0 and 1 and leaves the root exactly at the base rate.
pub(super) const PRIOR_ROWS: f64 = 2.0;
/// Rounds of boosting without a better validation loss before it stops.
const PATIENCE: usize = 30;
const BINS: usize = 255;

/// Trees over some columns of a matrix.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Trees {
    /// Where the columns of the trees stand in the matrix.
    columns: Vec<usize>,
    ensemble: Ensemble,
    /// Which of them had missing values.
    missing: Vec<bool>,
    #[serde(skip)]
    explainer: OnceLock<Explainer>,
}

impl PartialEq for Trees {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns
            && self.ensemble == other.ensemble
            && self.missing == other.missing
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Ensemble {
    /// The values of its nodes are log-odds.
    Tree(Tree),
    /// Probabilities, held off 0 and 1 by the number.
    Forest(Forest, f64),
    /// Log-odds.
    Boosting(Boosting),
}

/// The chosen columns of some rows.
struct Chosen {
    values: Vec<f32>,
    categorical: Vec<usize>,
    width: usize,
}

impl Chosen {
    fn of(features: &FeatureMatrix, columns: &[usize]) -> Self {
        let rows = features.iter_rows();
        let pick = |row: &[f32]| -> Vec<f32> { picked(row, columns).collect() };
        let is_categorical = |at: &(usize, &usize)| !features.levels(*at.1).is_empty();
        let categorical = columns.iter().enumerate().filter(is_categorical);
        Self {
            values: rows.flat_map(pick).collect(),
            categorical: categorical.map(|(place, _)| place).collect(),
            width: columns.len(),
        }
    }

    fn table(&self) -> Result<Table<'_>, FitError> {
        Table::new(&self.values, self.width, &self.categorical)
    }
}

fn picked<'a>(row: &'a [f32], columns: &'a [usize]) -> impl Iterator<Item = f32> + 'a {
    columns.iter().map(|column| row.get(*column).copied().unwrap_or(f32::NAN))
}

/// A fit in the making.
struct Fitting<'a> {
    estimator: &'a ClassifierEstimator,
    columns: Vec<usize>,
    monotone: Vec<i8>,
    run: &'a FitRun<'a>,
}

pub(super) fn fit(
    estimator: &ClassifierEstimator,
    data: &SupervisedData,
    run: &FitRun<'_>,
) -> Result<(Trees, Verdict), FitError> {
    let names: Vec<&str> = estimator.columns.iter().map(|column| column.name.as_str()).collect();
    let columns = locate_columns(&names, &data.train.features)?;
    let directions = &estimator.settings.monotone;
    if let Some(column) = directions.keys().find(|column| !names.contains(&column.as_str())) {
        return Err(FitError::UnknownColumn { column: column.clone() });
    }
    let direction = |name: &&str| directions.get(*name).copied().unwrap_or_default();
    let monotone = match directions.is_empty() {
        true => Vec::new(),
        false => names.iter().map(direction).collect(),
    };
    let fitting = Fitting { estimator, columns, monotone, run };
    let (ensemble, verdict) = match estimator.algorithm {
        ClassifierAlgorithm::RandomForest => fitting.forest(&data.train)?,
        ClassifierAlgorithm::SmartcoreForest => fitting.smartcore_forest(&data.train)?,
        ClassifierAlgorithm::GradientBoosting => fitting.boosting(data)?,
        ClassifierAlgorithm::LinfaTree => fitting.linfa_tree(&data.train)?,
        _ => fitting.tree(data)?,
    };
    let features = &data.train.features;
    let has_missing = |column: &usize| features.column(*column).any(f32::is_nan);
    let missing = fitting.columns.iter().map(has_missing).collect();
    Ok((Trees { columns: fitting.columns, ensemble, missing, explainer: OnceLock::new() }, verdict))
}

impl Fitting<'_> {
    fn chosen(&self, part: &Dataset) -> Chosen {
        Chosen::of(&part.features, &self.columns)
    }

    /// A tree, cut back to the price of a leaf that is best on rows held back.
    fn tree(&self, data: &SupervisedData) -> Result<(Ensemble, Verdict), FitError> {
        let settings = &self.estimator.settings;
        let settings = tree::Settings {
            impurity: tree::Impurity::Gini,
            max_depth: settings.max_depth.unwrap_or(6),
            max_leaves: settings.max_leaves,
            min_rows: settings.min_leaf.unwrap_or(50) as u64,
            min_gain: settings.min_gain.unwrap_or_default(),
            monotone: self.monotone.clone(),
            ..tree::Settings::default()
        };
        let grow = |part: &Dataset| {
            let chosen = self.chosen(part);
            let binned = Binned::of(&chosen.table()?, BINS, self.run)?;
            let sample = Sample { binned: &binned, target: &part.target, weights: None };
            tree::fit(&sample, &settings, self.run)
        };
        let mut grown = grow(&data.train)?;
        let mut notes = Vec::new();
        if let Some(Held { earlier, later }) = Held::of(&data.train, data.horizon_days) {
            let chosen = self.chosen(&later);
            let tried = grow(&earlier)?;
            let pruned = prune::by_validation(&tried, &chosen.table()?, &later.target, None)?;
            let leaves = grown.leaves();
            grown = prune::at_price(&grown, pruned.alpha)?;
            notes.push(format!("cut back from {leaves} to {} leaves", grown.leaves()));
        }
        let verdict = Verdict { converged: true, iterations: 1, notes };
        Ok((Ensemble::Tree(in_log_odds(&grown)?), verdict))
    }

    fn linfa_tree(&self, part: &Dataset) -> Result<(Ensemble, Verdict), FitError> {
        let settings = &self.estimator.settings;
        let limits = grow::Limits {
            max_depth: settings.max_depth.unwrap_or(6),
            min_leaf: settings.min_leaf.unwrap_or(50),
            min_gain: settings.min_gain.unwrap_or(1e-4),
        };
        let chosen = self.chosen(part);
        if chosen.values.iter().any(|value| value.is_nan()) || !chosen.categorical.is_empty() {
            let message = "takes numbers only, none missing; take decision-tree".to_owned();
            return Err(FitError::Algorithm { algorithm: "linfa-tree", message });
        }
        let bins = Bins::of(&chosen.values, chosen.width, self.run)?;
        let grown = grow::grow(limits, &bins, &part.target, self.run)?;
        let verdict = Verdict { converged: true, iterations: 1, notes: Vec::new() };
        Ok((Ensemble::Tree(in_log_odds(&grown)?), verdict))
    }

    fn forest(&self, part: &Dataset) -> Result<(Ensemble, Verdict), FitError> {
        let settings = &self.estimator.settings;
        let chosen = self.chosen(part);
        let binned = Binned::of(&chosen.table()?, BINS, self.run)?;
        let sample = Sample { binned: &binned, target: &part.target, weights: None };
        let settings = forest::Settings {
            trees: settings.trees.unwrap_or(200),
            max_depth: settings.max_depth.unwrap_or(16),
            min_rows: settings.min_leaf.unwrap_or(20) as u64,
            monotone: self.monotone.clone(),
            ..forest::Settings::default()
        };
        let (forest, out_of_bag) = forest::fit(&sample, &settings, self.run)?;
        let note = out_of_bag.map(|bag| {
            format!(
                "Brier score {:.4} on the {} rows that some trees did not see",
                bag.brier, bag.rows
            )
        });
        let iterations = forest.trees.len() as u64;
        let verdict = Verdict { converged: true, iterations, notes: note.into_iter().collect() };
        Ok((Ensemble::Forest(forest, off_the_ends(part)), verdict))
    }

    fn smartcore_forest(&self, part: &Dataset) -> Result<(Ensemble, Verdict), FitError> {
        let settings = &self.estimator.settings;
        let limits = smartcore_forest::Limits {
            trees: settings.trees.unwrap_or(100),
            max_depth: settings.max_depth.unwrap_or(16),
            min_leaf: settings.min_leaf.unwrap_or(20),
        };
        let chosen = self.chosen(part);
        if chosen.values.iter().any(|value| value.is_nan()) || !chosen.categorical.is_empty() {
            let message = "takes numbers only, none missing; take random-forest".to_owned();
            return Err(FitError::Algorithm { algorithm: "smartcore-forest", message });
        }
        let forest =
            smartcore_forest::fit(&chosen.values, chosen.width, &part.target, limits, self.run)?;
        let iterations = forest.trees.len() as u64;
        let verdict = Verdict { converged: true, iterations, notes: Vec::new() };
        Ok((Ensemble::Forest(forest, off_the_ends(part)), verdict))
    }

    /// Boosting with as many rounds as are best on rows held back; then on all rows.
    fn boosting(&self, data: &SupervisedData) -> Result<(Ensemble, Verdict), FitError> {
        let Some(held) = Held::of(&data.train, data.horizon_days) else {
            let settings = self.boosting_settings(self.most_rounds());
            let (model, _) = self.boost(&data.train, &settings, None)?;
            let iterations = model.trees.len() as u64;
            let verdict = Verdict { converged: true, iterations, notes: Vec::new() };
            return Ok((Ensemble::Boosting(model), verdict));
        };
        let sizes = match self.estimator.settings.max_leaves {
            Some(leaves) => vec![leaves],
            None => vec![31, 8],
        };
        let chosen = self.chosen(&held.later);
        let mut tried: Vec<(usize, usize)> = Vec::new();
        let candidates = sizes.iter().map(|leaves| {
            let settings = boosting::Settings {
                max_leaves: Some(*leaves),
                ..self.boosting_settings(self.most_rounds())
            };
            let (model, _) = self.boost(&held.earlier, &settings, Some(&held.later))?;
            tried.push((*leaves, model.trees.len().max(1)));
            Ok(model)
        });
        let models: Vec<Boosting> = candidates.collect::<Result<_, FitError>>()?;
        let places: Vec<usize> = (0..models.len()).collect();
        let scores = |place: &usize| {
            let rows = chosen.values.chunks_exact(chosen.width);
            Ok(models
                .get(*place)
                .map_or_else(Vec::new, |model| rows.map(|row| model.raw_row(row)).collect()))
        };
        let (best, loss) = best_of(places, &held.later.target, scores)?;
        let (leaves, rounds) = tried.get(best).copied().unwrap_or((31, 1));
        let settings =
            boosting::Settings { max_leaves: Some(leaves), ..self.boosting_settings(rounds) };
        let (model, _) = self.boost(&data.train, &settings, None)?;
        let note = format!(
            "{rounds} rounds of {leaves} leaves: log loss {loss:.4} on rows held back within the \
             training window"
        );
        let iterations = model.trees.len() as u64;
        let verdict = Verdict { converged: true, iterations, notes: vec![note] };
        Ok((Ensemble::Boosting(model), verdict))
    }

    fn most_rounds(&self) -> usize {
        self.estimator.settings.trees.unwrap_or(500)
    }

    fn boosting_settings(&self, rounds: usize) -> boosting::Settings {
        let settings = &self.estimator.settings;
        boosting::Settings {
            rounds,
            learning_rate: settings.learning_rate.unwrap_or(0.05),
            max_depth: settings.max_depth.unwrap_or(64).min(64),
            max_leaves: settings.max_leaves,
            min_rows: settings.min_leaf.unwrap_or(20) as u64,
            l2: settings.l2.unwrap_or(1.0),
            row_share: settings.row_share.unwrap_or(1.0),
            column_share: settings.column_share.unwrap_or(0.8),
            monotone: self.monotone.clone(),
            ..boosting::Settings::default()
        }
    }

    fn boost(
        &self,
        part: &Dataset,
        settings: &boosting::Settings,
        later: Option<&Dataset>,
    ) -> Result<(Boosting, boosting::Report), FitError> {
        let chosen = self.chosen(part);
        let binned = Binned::of(&chosen.table()?, BINS, self.run)?;
        let target = as_numbers(&part.target);
        let sample = Sample { binned: &binned, target: &target, weights: None };
        let Some(later) = later else {
            return boosting::fit(&sample, settings, None, self.run);
        };
        let (chosen, target) = (self.chosen(later), as_numbers(&later.target));
        let table = chosen.table()?;
        let validation = boosting::Validation {
            table: &table,
            target: &target,
            weights: None,
            patience: PATIENCE,
        };
        boosting::fit(&sample, settings, Some(&validation), self.run)
    }
}

fn as_numbers(target: &[bool]) -> Vec<f64> {
    target.iter().map(|happened| f64::from(u8::from(*happened))).collect()
}

/// How far the probabilities of a forest are held off 0 and 1: as if each leaf held the base rate
/// of [`PRIOR_ROWS`] beside the rows that it has.
fn off_the_ends(part: &Dataset) -> f64 {
    1.0 / (part.target.len() as f64 + PRIOR_ROWS)
}

/// The tree with log-odds in place of shares of events, pulled towards the base rate by
/// [`PRIOR_ROWS`].
pub(super) fn in_log_odds(tree: &Tree) -> Result<Tree, FitError> {
    let base = tree.nodes().first().map_or(0.5, |root| root.value);
    let node = |node: &Node| {
        let share = (node.value * node.weight + PRIOR_ROWS * base) / (node.weight + PRIOR_ROWS);
        Node { value: bounded_log_odds(share), ..node.clone() }
    };
    Tree::new(tree.width(), tree.nodes().iter().map(node).collect())
        .map_err(|error| FitError::Algorithm { algorithm: "tree", message: error.to_string() })
}

impl Trees {
    /// A single tree whose values are log-odds, over all columns of its matrix.
    pub(super) fn single(tree: Tree) -> Self {
        let (columns, missing) = ((0..tree.width()).collect(), vec![false; tree.width()]);
        Self { columns, ensemble: Ensemble::Tree(tree), missing, explainer: OnceLock::new() }
    }

    pub(super) fn scores(&self, matrix: &FeatureMatrix) -> Vec<f64> {
        let packed = (matrix.rows() >= MANY_ROWS).then(|| self.packed_scores(matrix)).flatten();
        packed.unwrap_or_else(|| matrix.iter_rows().map(|row| self.score(row)).collect())
    }

    /// The scores by all trees packed together; `None` for a single tree.
    fn packed_scores(&self, matrix: &FeatureMatrix) -> Option<Vec<f64>> {
        let (trees, width) = match &self.ensemble {
            Ensemble::Tree(_) => return None,
            Ensemble::Forest(forest, _) => (&forest.trees, forest.width),
            Ensemble::Boosting(model) => (&model.trees, model.width),
        };
        let rows: Vec<f32> =
            matrix.iter_rows().flat_map(|row| picked(row, &self.columns)).collect();
        let sums = Scorer::of(trees, width).sums(&rows).ok()?;
        let score = |sum: f64| match &self.ensemble {
            Ensemble::Forest(forest, ends) => {
                held_off(sum / forest.trees.len().max(1) as f64, *ends)
            }
            Ensemble::Boosting(model) => model.initial + sum,
            Ensemble::Tree(_) => sum,
        };
        Some(sums.into_iter().map(score).collect())
    }

    /// The score of a row of the matrix.
    pub(super) fn score(&self, row: &[f32]) -> f64 {
        let row: Vec<f32> = picked(row, &self.columns).collect();
        match &self.ensemble {
            Ensemble::Tree(tree) => tree.predict_row(&row),
            Ensemble::Forest(forest, ends) => held_off(forest.predict_row(&row), *ends),
            Ensemble::Boosting(model) => model.raw_row(&row),
        }
    }

    pub(super) fn tree(&self) -> Option<&Tree> {
        match &self.ensemble {
            Ensemble::Tree(tree) => Some(tree),
            Ensemble::Forest(..) | Ensemble::Boosting(_) => None,
        }
    }

    fn explainer(&self) -> &Explainer {
        self.explainer.get_or_init(|| match &self.ensemble {
            Ensemble::Tree(tree) => Explainer::of_tree(tree),
            Ensemble::Forest(forest, _) => Explainer::of_forest(forest),
            Ensemble::Boosting(model) => Explainer::of_boosting(model),
        })
    }

    pub(super) fn base(&self) -> f64 {
        self.explainer().base()
    }

    pub(super) fn parts(&self, rows: &[&[f32]], width: usize) -> Vec<Vec<f64>> {
        let picked = |row: &&[f32]| picked(row, &self.columns).collect();
        let rows: Vec<Vec<f32>> = rows.iter().map(picked).collect();
        let parts = self.explainer().rows(&rows);
        parts.iter().map(|part| self.by_input(&part.columns, width)).collect()
    }

    pub(super) fn weights(&self, width: usize) -> Vec<f64> {
        let gains = match &self.ensemble {
            Ensemble::Tree(tree) => tree.gain_importance(),
            Ensemble::Forest(forest, _) => forest.gain_importance(),
            Ensemble::Boosting(model) => model.gain_importance(),
        };
        self.by_input(&gains, width)
    }

    pub(super) fn rules(&self, columns: &[String], levels: &[Vec<String>]) -> Vec<Rule> {
        let Ensemble::Tree(tree) = &self.ensemble else {
            return Vec::new();
        };
        let name = |place: usize| {
            let column = self.columns.get(place).copied()?;
            let levels = levels.get(column).map(Vec::as_slice).unwrap_or_default();
            Some((columns.get(column)?.as_str(), levels, *self.missing.get(place)?))
        };
        rules::rules(tree, &name)
    }

    fn by_input(&self, parts: &[f64], width: usize) -> Vec<f64> {
        let mut by_input = vec![0.0; width];
        for (column, part) in self.columns.iter().zip(parts) {
            if let Some(place) = by_input.get_mut(*column) {
                *place += part;
            }
        }
        by_input
    }
}

fn held_off(probability: f64, ends: f64) -> f64 {
    bounded_log_odds(probability.clamp(ends, 1.0 - ends))
}
