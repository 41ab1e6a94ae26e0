//! Recipes of a yes-or-no question: churn and propensity.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{GateRule, Schedule, SnapshotRule, TableRecipe, default_seed};
use crate::model::{ClassifierAlgorithm, ClassifierSettings, ModelKind};

/// Whether customers stop buying, or buy anything or something.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EventRecipe {
    /// Who learns; `logistic-regression` for churn and `decision-tree` for propensity when absent.
    pub algorithm: Option<ClassifierAlgorithm>,
    /// Seed.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Customers who bought in so many days before the as-of date. Not with a table; so for the
    /// next four.
    pub active_days: Option<u32>,
    /// The event happens within so many days, or does not.
    pub horizon_days: Option<u32>,
    /// Propensity: only purchases of this product count.
    pub product: Option<String>,
    /// Propensity: only purchases from this category (the first part of the path) count.
    pub category: Option<String>,
    /// Past as-of dates to learn from; the defaults of [`SnapshotRule`] when absent.
    pub snapshots: Option<SnapshotRule>,
    /// Learn from a table of cases instead of transactions.
    pub table: Option<TableRecipe>,
    /// Attributes of customers that join the features as they held at each date; `*` for all. Not
    /// with a table.
    #[serde(default)]
    pub attributes: Vec<String>,
    /// Features to use, attributes aside; all when absent.
    pub columns: Option<Vec<String>>,
    /// See [`ClassifierSettings::l2`]; so for the settings below.
    pub l2: Option<f64>,
    /// See [`ClassifierSettings::l1`].
    pub l1: Option<f64>,
    /// See [`ClassifierSettings::max_iterations`].
    pub max_iterations: Option<u64>,
    /// See [`ClassifierSettings::tolerance`].
    pub tolerance: Option<f64>,
    /// See [`ClassifierSettings::max_bins`].
    pub max_bins: Option<usize>,
    /// See [`ClassifierSettings::max_depth`].
    pub max_depth: Option<usize>,
    /// See [`ClassifierSettings::min_leaf`].
    pub min_leaf: Option<usize>,
    /// See [`ClassifierSettings::min_gain`].
    pub min_gain: Option<f64>,
    /// See [`ClassifierSettings::max_leaves`].
    pub max_leaves: Option<usize>,
    /// See [`ClassifierSettings::trees`].
    pub trees: Option<usize>,
    /// See [`ClassifierSettings::learning_rate`].
    pub learning_rate: Option<f64>,
    /// See [`ClassifierSettings::row_share`].
    pub row_share: Option<f64>,
    /// See [`ClassifierSettings::column_share`].
    pub column_share: Option<f64>,
    /// See [`ClassifierSettings::monotone`].
    #[serde(default)]
    pub monotone: BTreeMap<String, i8>,
    /// When to promote.
    #[serde(default)]
    pub gate: GateRule,
    /// What is done by itself.
    pub schedule: Option<Schedule>,
}

impl EventRecipe {
    /// The population and the horizon in days; 0 beside a table only, see [`super::Recipe::parse`].
    pub fn days(&self) -> (u32, u32) {
        (self.active_days.unwrap_or_default(), self.horizon_days.unwrap_or_default())
    }

    /// Who learns.
    pub fn algorithm(&self, kind: ModelKind) -> ClassifierAlgorithm {
        let default = match kind {
            ModelKind::Propensity => ClassifierAlgorithm::DecisionTree,
            _ => ClassifierAlgorithm::LogisticRegression,
        };
        self.algorithm.unwrap_or(default)
    }

    /// The hyper-parameters.
    pub fn settings(&self) -> ClassifierSettings {
        ClassifierSettings {
            l2: self.l2,
            l1: self.l1,
            max_iterations: self.max_iterations,
            tolerance: self.tolerance,
            max_bins: self.max_bins,
            max_depth: self.max_depth,
            min_leaf: self.min_leaf,
            min_gain: self.min_gain,
            max_leaves: self.max_leaves,
            trees: self.trees,
            learning_rate: self.learning_rate,
            row_share: self.row_share,
            column_share: self.column_share,
            monotone: self.monotone.clone(),
        }
    }

    pub(super) fn problems(&self, kind: ModelKind) -> Vec<String> {
        let mut problems = match &self.table {
            Some(table) => self.table_problems(table),
            None => self.window_problems(),
        };
        if self.product.is_some() && self.category.is_some() {
            problems.push("product, category: give one scope, not both".to_owned());
        }
        if kind == ModelKind::Churn && (self.product.is_some() || self.category.is_some()) {
            problems.push("product, category: churn has no scope; train a propensity".to_owned());
        }
        let algorithm = self.algorithm(kind);
        let name = super::plain_name(&algorithm);
        for given in self.given().into_iter().filter(|given| !algorithm.settings().contains(given))
        {
            let read = algorithm.settings().join(", ");
            problems.push(format!("{given}: {name} does not read it; it reads {read}"));
        }
        problems
    }

    fn window_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut days = |name: &str, value: u32| {
            if !(1..=3650).contains(&value) {
                problems.push(format!("{name}: expected 1 to 3650 days, found {value}"));
            }
        };
        let (active_days, horizon_days) = self.days();
        days("active_days", active_days);
        days("horizon_days", horizon_days);
        self.snapshots.unwrap_or_default().check(&mut days);
        problems
    }

    fn table_problems(&self, table: &TableRecipe) -> Vec<String> {
        let mut problems = table.problems();
        let given = [
            ("active_days", self.active_days.is_some()),
            ("horizon_days", self.horizon_days.is_some()),
            ("product", self.product.is_some()),
            ("category", self.category.is_some()),
            ("snapshots", self.snapshots.is_some()),
            ("attributes", !self.attributes.is_empty()),
        ];
        for (name, _) in given.iter().filter(|(_, is_given)| *is_given) {
            problems.push(format!("{name}: expected none beside a table, which has its own rows"));
        }
        problems
    }

    /// The settings that the recipe gives.
    fn given(&self) -> Vec<&'static str> {
        let all = [
            ("l2", self.l2.is_some()),
            ("l1", self.l1.is_some()),
            ("max_iterations", self.max_iterations.is_some()),
            ("tolerance", self.tolerance.is_some()),
            ("max_bins", self.max_bins.is_some()),
            ("max_depth", self.max_depth.is_some()),
            ("min_leaf", self.min_leaf.is_some()),
            ("min_gain", self.min_gain.is_some()),
            ("max_leaves", self.max_leaves.is_some()),
            ("trees", self.trees.is_some()),
            ("learning_rate", self.learning_rate.is_some()),
            ("row_share", self.row_share.is_some()),
            ("column_share", self.column_share.is_some()),
            ("monotone", !self.monotone.is_empty()),
        ];
        all.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }
}
