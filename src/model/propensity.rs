//! Propensity: how likely a customer is to buy, by a decision tree.
//!
//! A tree says why in words: every leaf is a rule. Node counts, probabilities, explanations and
//! the stored form are our own; an algorithm only chooses where a node is split.

mod bins;
mod grow;
mod linfa_tree;
mod rules;
mod tree;

pub use self::rules::Rule;

use serde::{Deserialize, Serialize};

use self::bins::Bins;
use self::tree::Tree;
use super::preprocessing::{check_columns, locate_columns};
use super::probability::{Contribution, Prior, Probability, Scale, check_supervised, strongest};
use super::{Calibration, Estimator, FitError, FitRun, Model, PredictError};
use crate::dataset::{FeatureMatrix, SupervisedData};

/// Who chooses the splits.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PropensityAlgorithm {
    /// The crate linfa-trees: Gini impurity.
    #[default]
    LinfaTree,
}

/// Settings of a propensity model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PropensityEstimator {
    /// Who chooses the splits.
    pub algorithm: PropensityAlgorithm,
    /// Names of the columns to use.
    pub columns: Vec<String>,
    /// Most splits from root to leaf, 1 to [`PropensityEstimator::DEEPEST`].
    pub max_depth: usize,
    /// Fewest training rows in a leaf, at least 1.
    pub min_leaf: usize,
    /// A node is split when that lowers its Gini impurity, counted with the two outcomes weighing
    /// the same in the node (0.5 before any split), by more than this: 0 to 0.5. Splits below
    /// `1e-6` are never made; they are within the rounding of the impurity.
    pub min_gain: f64,
}

/// A fitted propensity model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PropensityModel {
    algorithm: PropensityAlgorithm,
    /// All columns of the matrix it was fitted on, in order.
    input: Vec<String>,
    tree: Tree,
    scale: Scale,
}

impl Estimator for PropensityEstimator {
    type Data = SupervisedData;
    type Model = PropensityModel;

    fn fit(&self, data: &SupervisedData, run: &FitRun<'_>) -> Result<PropensityModel, FitError> {
        self.check()?;
        run.check()?;
        check_supervised(data)?;
        let names: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        let columns = locate_columns(&names, &data.train.features)?;
        let bins = Bins::of(&data.train.features, &columns, run)?;
        let tree = grow::grow(self, &bins, &data.train.target, run)?;
        let scores = |matrix: &FeatureMatrix| -> Vec<f64> {
            matrix.iter_rows().map(|row| tree.score(row)).collect()
        };
        let train_scores = scores(&data.train.features);
        let later_scores = scores(&data.calibration.features);
        let scale = Scale::fit(data, &train_scores, &later_scores, run)?;
        Ok(PropensityModel {
            algorithm: self.algorithm,
            input: data.train.features.columns().to_vec(),
            tree,
            scale,
        })
    }
}

impl PropensityEstimator {
    /// Largest depth: a deeper tree is no longer a rule that anyone reads.
    pub const DEEPEST: usize = 30;

    fn check(&self) -> Result<(), FitError> {
        let setting = |name, expected: &str, found: String| FitError::Setting {
            name,
            expected: expected.to_owned(),
            found,
        };
        if !(1..=Self::DEEPEST).contains(&self.max_depth) {
            return Err(setting("max_depth", "1 to 30", self.max_depth.to_string()));
        }
        if self.min_leaf == 0 {
            return Err(setting("min_leaf", "at least 1", "0".to_owned()));
        }
        if !(0.0..=0.5).contains(&self.min_gain) {
            return Err(setting("min_gain", "0 to 0.5", self.min_gain.to_string()));
        }
        Ok(())
    }
}

impl Model for PropensityModel {
    type Input = FeatureMatrix;
    type Output = Probability;

    fn predict(&self, input: &FeatureMatrix) -> Result<Vec<Probability>, PredictError> {
        check_columns(&self.input, input.columns())?;
        let rows = input.iter_rows();
        Ok(rows.map(|row| self.scale.answer(self.tree.score(row))).collect())
    }
}

impl PropensityModel {
    /// Who chose the splits.
    pub fn algorithm(&self) -> PropensityAlgorithm {
        self.algorithm
    }

    /// Number of leaves, at least 1.
    pub fn leaves(&self) -> usize {
        self.tree.leaves()
    }

    /// Most splits from root to leaf.
    pub fn depth(&self) -> usize {
        self.tree.depth()
    }

    /// The leaves as rules, from left to right. Every row meets exactly one of them.
    pub fn rules(&self) -> Vec<Rule> {
        rules::rules(&self.tree, &self.input)
    }

    /// How scores become probabilities.
    pub fn calibration(&self) -> &Calibration {
        self.scale.calibration()
    }

    /// The answer for a customer without history.
    pub fn prior(&self) -> Prior {
        self.scale.prior()
    }

    /// Log-odds of the event over all training rows, uncalibrated.
    pub fn base_log_odds(&self) -> f64 {
        self.tree.base_score()
    }

    /// The columns that move this row's uncalibrated log-odds most, at most `top`: each split on
    /// the row's path counts the change of log-odds from node to child for its column. All of
    /// them together add up to the leaf's log-odds less [`PropensityModel::base_log_odds`].
    ///
    /// Empty for a row that could not come from the fitted matrix (another width, not finite).
    pub fn explain(&self, row: &[f32], top: usize) -> Vec<Contribution> {
        if row.len() != self.input.len() || row.iter().any(|value| !value.is_finite()) {
            return Vec::new();
        }
        let by_column = self.tree.contributions(row);
        let contribution = |(index, contribution): (usize, f64)| {
            Some(Contribution {
                column: self.input.get(index)?.clone(),
                value: f64::from(*row.get(index)?),
                contribution,
            })
        };
        strongest(by_column.into_iter().filter_map(contribution).collect(), top)
    }

    /// Share of each column that is split on in the sum of impurity decreases weighted by rows,
    /// largest first.
    pub fn importance(&self) -> Vec<(String, f64)> {
        let gains = self.tree.gains();
        let sum: f64 = gains.values().sum();
        let named = gains
            .into_iter()
            .filter_map(|(index, gain)| Some((self.input.get(index)?.clone(), gain / sum)));
        let mut shares: Vec<_> = named.collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        shares
    }
}
