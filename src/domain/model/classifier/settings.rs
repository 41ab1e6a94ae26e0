//! The algorithms and their hyper-parameters.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::FitError;

/// Who learns.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassifierAlgorithm {
    /// Logistic regression by Newton's method.
    LogisticRegression,
    /// Logistic regression on the weights of evidence of binned columns: the classic score.
    Scorecard,
    /// One decision tree, cut back by rows it did not see.
    DecisionTree,
    /// Many trees on samples of rows and columns.
    RandomForest,
    /// Trees that each correct those before.
    GradientBoosting,
    /// Logistic regression by the crate linfa-logistic.
    LinfaLogistic,
    /// One decision tree whose splits the crate linfa-trees chooses.
    LinfaTree,
    /// A random forest by the crate smartcore.
    SmartcoreForest,
}

impl ClassifierAlgorithm {
    /// The settings that it reads, as in recipes.
    pub const fn settings(self) -> &'static [&'static str] {
        match self {
            Self::LogisticRegression => &["l2", "l1", "max_iterations", "tolerance"],
            Self::LinfaLogistic => &["l2", "max_iterations", "tolerance"],
            Self::Scorecard => &["l2", "l1", "max_iterations", "tolerance", "max_bins"],
            Self::DecisionTree => &["max_depth", "min_leaf", "min_gain", "max_leaves", "monotone"],
            Self::LinfaTree => &["max_depth", "min_leaf", "min_gain"],
            Self::RandomForest => &["max_depth", "min_leaf", "trees", "monotone"],
            Self::SmartcoreForest => &["max_depth", "min_leaf", "trees"],
            Self::GradientBoosting => &[
                "max_depth",
                "min_leaf",
                "max_leaves",
                "trees",
                "learning_rate",
                "row_share",
                "column_share",
                "l2",
                "monotone",
            ],
        }
    }
}

/// Hyper-parameters of all algorithms. What is `None` is chosen by the algorithm, on rows of the
/// training window that it does not learn from, where that pays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassifierSettings {
    /// Strength of the squared penalty, 0 or more: of standardised coefficients (scikit-learn's
    /// `C` is `1 / l2`), or of the leaves of boosted trees.
    pub l2: Option<f64>,
    /// Strength of the absolute penalty, 0 or more.
    pub l1: Option<f64>,
    /// Most iterations of the solver, at least 1.
    pub max_iterations: Option<u64>,
    /// A linear fit has converged when no component of the gradient of the penalised loss, divided
    /// by the number of rows, is larger than this. Above 0.
    pub tolerance: Option<f64>,
    /// Most bins of a numeric column of a scorecard, 1 to 64.
    pub max_bins: Option<usize>,
    /// Most splits from root to leaf, 1 to [`ClassifierSettings::DEEPEST`].
    pub max_depth: Option<usize>,
    /// Fewest training rows in a leaf, at least 1.
    pub min_leaf: Option<usize>,
    /// A split must lower the impurity by more than this, 0 to 0.5: of all rows for
    /// `decision-tree`, of the node with both outcomes weighing the same for `linfa-tree`.
    pub min_gain: Option<f64>,
    /// Most leaves of a tree, at least 2.
    pub max_leaves: Option<usize>,
    /// Trees of a forest, or most rounds of boosting, 1 to 10,000.
    pub trees: Option<usize>,
    /// Share of each boosting step that is taken, above 0 to 1.
    pub learning_rate: Option<f64>,
    /// Share of the rows that a boosted tree sees, above 0 to 1.
    pub row_share: Option<f64>,
    /// Share of the columns that a boosted tree sees, above 0 to 1.
    pub column_share: Option<f64>,
    /// Columns with which the probability may only rise (1) or only fall (-1).
    pub monotone: BTreeMap<String, i8>,
}

impl ClassifierSettings {
    /// Largest depth: a deeper tree is no longer a rule that anyone reads.
    pub const DEEPEST: usize = 30;

    pub(super) fn check(&self) -> Result<(), FitError> {
        let least = |value: Option<f64>, least: f64| {
            value.is_none_or(|value| value.is_finite() && value >= least)
        };
        let share = |value: Option<f64>| value.is_none_or(|value| value > 0.0 && value <= 1.0);
        let count = |value: Option<usize>, from: usize, to: usize| {
            value.is_none_or(|value| (from..=to).contains(&value))
        };
        let text = |value: Option<f64>| value.unwrap_or_default().to_string();
        let number = |value: Option<usize>| value.unwrap_or_default().to_string();
        let directions = self.monotone.values().all(|direction| matches!(direction, 1 | -1));
        let rows = [
            (least(self.l2, 0.0), "l2", "0 or more", text(self.l2)),
            (least(self.l1, 0.0), "l1", "0 or more", text(self.l1)),
            (self.max_iterations != Some(0), "max_iterations", "at least 1", "0".to_owned()),
            (
                least(self.tolerance, f64::MIN_POSITIVE),
                "tolerance",
                "above 0",
                text(self.tolerance),
            ),
            (count(self.max_bins, 1, 64), "max_bins", "1 to 64", number(self.max_bins)),
            (
                count(self.max_depth, 1, Self::DEEPEST),
                "max_depth",
                "1 to 30",
                number(self.max_depth),
            ),
            (count(self.min_leaf, 1, usize::MAX), "min_leaf", "at least 1", number(self.min_leaf)),
            (
                self.min_gain.is_none_or(|gain| (0.0..=0.5).contains(&gain)),
                "min_gain",
                "0 to 0.5",
                text(self.min_gain),
            ),
            (
                count(self.max_leaves, 2, 1 << 20),
                "max_leaves",
                "at least 2",
                number(self.max_leaves),
            ),
            (count(self.trees, 1, 10_000), "trees", "1 to 10000", number(self.trees)),
            (
                share(self.learning_rate),
                "learning_rate",
                "above 0, at most 1",
                text(self.learning_rate),
            ),
            (share(self.row_share), "row_share", "above 0, at most 1", text(self.row_share)),
            (
                share(self.column_share),
                "column_share",
                "above 0, at most 1",
                text(self.column_share),
            ),
            (directions, "monotone", "1 or -1 per column", format!("{:?}", self.monotone)),
        ];
        match rows.into_iter().find(|(holds, ..)| !holds) {
            Some((_, name, expected, found)) => {
                Err(FitError::Setting { name, expected: expected.to_owned(), found })
            }
            None => Ok(()),
        }
    }
}
