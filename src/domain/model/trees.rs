//! Trees: one decision tree, a random forest, gradient boosting, and what their answers are made of.
//!
//! Every learner works on [`Binned`] columns and grows its trees with the same engine. Gradients
//! and weights are whole numbers while a tree grows, so that their sums are exact: the same rows
//! give the same bytes in any order and on any number of threads, and the histogram of a child is
//! its parent's less its sibling's without rounding.

mod binned;
pub mod boosting;
mod categories;
mod checks;
pub mod forest;
mod grow;
mod histogram;
mod node;
mod partition;
pub mod prune;
mod quantized;
mod rules;
mod scorer;
pub mod shap;
mod split;
mod table;
#[cfg(test)]
mod tests;
pub mod tree;

pub use self::binned::Binned;
pub use self::node::{CategorySet, DamagedTree, Node, Split, Test, Tree};
pub use self::rules::{Condition, Rule, rules};
pub use self::scorer::Scorer;
pub use self::table::{MISSING_BIN, Sample, Table};
