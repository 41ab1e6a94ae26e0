//! Gradient boosting: each tree corrects what the ones before it leave.

mod fitting;
mod leaves;
mod loss;

pub use self::fitting::fit;
pub use self::loss::Loss;

use serde::{Deserialize, Serialize};

use super::checks::{DEEPEST, within};
use super::node::{DamagedTree, Tree, gains, same_width};
use super::scorer::Scorer;
use super::split::Growth;
use super::table::Table;
use crate::model::{FitError, PredictError};

/// How trees are boosted.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Settings {
    /// What is brought down.
    pub loss: Loss,
    /// Most trees, 1 to 100,000.
    pub rounds: usize,
    /// Share of each step that is taken, above 0 to 1.
    pub learning_rate: f64,
    /// Most splits on the way to a leaf, 1 to 64.
    pub max_depth: usize,
    /// Most leaves of a tree, from 2 on; the splits that gain most come first. None: no limit.
    pub max_leaves: Option<usize>,
    /// Fewest training rows in a leaf, from 1 on.
    pub min_rows: u64,
    /// Least sum of Hessians times weights in a leaf, from 0 on.
    pub min_weight: f64,
    /// A split must raise `sum of G^2 / (H + l2)` over the leaves by more than this, from 0 on.
    pub min_gain: f64,
    /// Penalty on the square of leaf values, from 0 on.
    pub l2: f64,
    /// Further penalty where categories are ordered and compared, from 0 on.
    pub category_l2: f64,
    /// Share of the rows that a tree sees, above 0 to 1.
    pub row_share: f64,
    /// Share of the columns that a tree sees, above 0 to 1; at least one.
    pub column_share: f64,
    /// For each column whether the score may only rise (1) or only fall (-1) with it, or either
    /// (0); empty: either for all.
    pub monotone: Vec<i8>,
    /// The raw score to start from; none: the one that fits all rows best.
    pub initial: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            loss: Loss::LogLoss,
            rounds: 150,
            learning_rate: 0.05,
            max_depth: DEEPEST,
            max_leaves: Some(15),
            min_rows: 20,
            min_weight: 1e-3,
            min_gain: 0.0,
            l2: 0.0,
            category_l2: 10.0,
            row_share: 1.0,
            column_share: 1.0,
            monotone: Vec::new(),
            initial: None,
        }
    }
}

/// Rows that boosting is not fitted on and that tell it when to stop.
#[derive(Clone, Copy, Debug)]
pub struct Validation<'a> {
    /// The rows, with the columns of the training rows.
    pub table: &'a Table<'a>,
    /// What followed, one per row.
    pub target: &'a [f64],
    /// How much each row counts; each counts 1 if there are none.
    pub weights: Option<&'a [f64]>,
    /// Rounds without a new best before the fit stops, from 1 on.
    pub patience: usize,
}

/// A fitted model: a raw score is `initial` and the leaves of all trees added up.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Stored")]
pub struct Boosting {
    /// The loss it was fitted for.
    pub loss: Loss,
    /// The raw score before the first tree.
    pub initial: f64,
    /// Columns of the tables it answers for.
    pub width: usize,
    /// The trees; the learning rate is in their leaves.
    pub trees: Vec<Tree>,
}

#[derive(Deserialize)]
struct Stored {
    loss: Loss,
    initial: f64,
    width: usize,
    trees: Vec<Tree>,
}

impl TryFrom<Stored> for Boosting {
    type Error = DamagedTree;

    fn try_from(stored: Stored) -> Result<Self, DamagedTree> {
        let Stored { loss, initial, width, trees } = stored;
        same_width(&trees, width)?;
        if !initial.is_finite() {
            return Err(DamagedTree::Number { node: 0 });
        }
        Ok(Self { loss, initial, width, trees })
    }
}

/// How a fit went.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Why it ended.
    pub end: End,
    /// Trees that were grown; with validation rows only the best first ones are kept.
    pub rounds: usize,
    /// Mean loss of the validation rows before the first tree and after each, if there are any.
    pub validation_loss: Vec<f64>,
}

/// Why boosting ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// All rounds were used; with validation rows the loss may still have been falling.
    AllRounds,
    /// The validation loss had stopped falling.
    StoppedImproving,
    /// No split was left that the settings allow and that gains anything.
    NothingToSplit,
}

impl Boosting {
    /// The raw score of a row.
    pub fn raw_row(&self, row: &[f32]) -> f64 {
        self.initial + self.trees.iter().map(|tree| tree.predict_row(row)).sum::<f64>()
    }

    /// The expected target of a row: a probability for log-loss.
    pub fn predict_row(&self, row: &[f32]) -> f64 {
        self.loss.mean(self.raw_row(row))
    }

    /// The expected target of each row of row-major `values`.
    ///
    /// # Errors
    /// When `values` are not whole rows of the width that the model was fitted on.
    pub fn predict(&self, values: &[f32]) -> Result<Vec<f64>, PredictError> {
        let mut scores = Scorer::of(&self.trees, self.width).sums(values)?;
        scores.iter_mut().for_each(|score| *score = self.loss.mean(self.initial + *score));
        Ok(scores)
    }

    /// By how much splits of each column lowered the loss, in total.
    pub fn gain_importance(&self) -> Vec<f64> {
        gains(&self.trees, self.width)
    }
}

impl Settings {
    fn check(&self) -> Result<(), FitError> {
        within("rounds", self.rounds as f64, 1.0..=100_000.0)?;
        within("learning_rate", self.learning_rate, 1e-9..=1.0)?;
        within("max_depth", self.max_depth as f64, 1.0..=DEEPEST as f64)?;
        let leaves = self.max_leaves.unwrap_or(usize::MAX);
        within("max_leaves", leaves as f64, 2.0..=f64::INFINITY)?;
        within("min_rows", self.min_rows as f64, 1.0..=1e9)?;
        within("min_weight", self.min_weight, 0.0..=f64::MAX)?;
        within("min_gain", self.min_gain, 0.0..=f64::MAX)?;
        within("l2", self.l2, 0.0..=1e50)?;
        within("category_l2", self.category_l2, 0.0..=1e50)?;
        within("row_share", self.row_share, 1e-9..=1.0)?;
        within("column_share", self.column_share, 1e-9..=1.0)?;
        within("initial", self.initial.unwrap_or(0.0), -1e50..=1e50)
    }

    fn growth(&self) -> Growth {
        Growth {
            max_depth: self.max_depth,
            max_leaves: self.max_leaves.unwrap_or(usize::MAX),
            min_rows: self.min_rows,
            min_weight: self.min_weight,
            min_gain: self.min_gain,
            category_l2: self.category_l2,
            monotone: self.monotone.clone(),
        }
    }
}
