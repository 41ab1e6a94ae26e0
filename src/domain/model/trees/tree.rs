//! One decision tree for an event that happens or does not.

use serde::{Deserialize, Serialize};

use super::binned::Binned;
use super::checks::{DEEPEST, monotone, refused, rows_that_count, within};
use super::grow::{Grower, Lists};
use super::histogram::Source;
use super::node::Tree;
use super::quantized::{Events, Quantized, Weighted};
use super::split::{Criterion, Entropy, Growth, Newton};
use super::table::Sample;
use crate::model::{FitError, FitRun};

/// What a split shall bring down.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum Impurity {
    /// `2 p (1 - p)` for a share `p` of events.
    #[default]
    Gini,
    /// `-p ln p - (1 - p) ln (1 - p)`, in nats: the log-loss of the training rows.
    Entropy,
}

/// How a decision tree is grown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Settings {
    /// What a split shall bring down.
    pub impurity: Impurity,
    /// Most splits on the way to a leaf, 1 to 64.
    pub max_depth: usize,
    /// Most leaves, from 2 on; the splits that gain most come first. None: no limit.
    pub max_leaves: Option<usize>,
    /// Fewest training rows in a leaf, from 1 on.
    pub min_rows: u64,
    /// Least weight of the training rows in a leaf, from 0 on.
    pub min_weight: f64,
    /// A split must bring the impurity of all rows down by more than this, from 0 on.
    pub min_gain: f64,
    /// For each column whether the share of events may only rise (1) or only fall (-1) with it,
    /// or either (0); empty: either for all. Leaves are then kept between bounds, so that a value
    /// need not be the share of events among the leaf's rows.
    pub monotone: Vec<i8>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            impurity: Impurity::Gini,
            max_depth: 5,
            max_leaves: None,
            min_rows: 20,
            min_weight: 0.0,
            min_gain: 0.0,
            monotone: Vec::new(),
        }
    }
}

/// Grows a tree (CART: Breiman, Friedman, Olshen and Stone 1984). Values of nodes are shares of
/// events, gains are decreases of impurity times weight. Rows of weight 0 are left out.
///
/// # Errors
/// When settings are out of range, targets or weights do not fit the rows, no row has a weight,
/// or `run` was cancelled.
pub fn fit(
    sample: &Sample<'_, bool>,
    settings: &Settings,
    run: &FitRun<'_>,
) -> Result<Tree, FitError> {
    let rows = rows_that_count(sample)?;
    fit_rows(sample, rows, settings, run)
}

/// Grows a tree on some of the rows, all of which have a weight.
pub(super) fn fit_rows(
    sample: &Sample<'_, bool>,
    rows: Vec<u32>,
    settings: &Settings,
    run: &FitRun<'_>,
) -> Result<Tree, FitError> {
    settings.check()?;
    monotone(&settings.monotone, sample.binned)?;
    let Some(weights) = sample.weights else {
        return match Events::of_few(sample.target) {
            Some(few) => root(sample.binned, &few, rows, settings, run),
            None => root(sample.binned, &Events::of(sample.target), rows, settings, run),
        };
    };
    let weight = |row: usize| weights.get(row).copied().unwrap_or(0.0);
    let quantized = Weighted::of_events(sample.target, weight, Vec::new());
    root(sample.binned, &quantized, rows, settings, run)
}

fn root<Q: Quantized>(
    binned: &Binned,
    quantized: &Q,
    rows: Vec<u32>,
    settings: &Settings,
    run: &FitRun<'_>,
) -> Result<Tree, FitError> {
    let weight = quantized.scale().stats(quantized.total(&rows)).weight;
    if !weight.is_finite() {
        return Err(refused("the weights add up to more than can be counted".to_owned()));
    }
    let source = Source { binned, quantized, parallel: true, run };
    let tree = match settings.impurity {
        Impurity::Gini => {
            let mut tree = grown(
                source,
                rows,
                &settings.growth(weight / 2.0),
                Newton { l2: 0.0, events: true },
            )?;
            let splits = tree.nodes_mut().iter_mut().filter_map(|node| node.split.as_mut());
            splits.for_each(|split| split.gain *= 2.0);
            tree
        }
        Impurity::Entropy => grown(source, rows, &settings.growth(weight), Entropy)?,
    };
    run.progress.report("grow", 1.0);
    Ok(tree)
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), FitError> {
        within("max_depth", self.max_depth as f64, 1.0..=DEEPEST as f64)?;
        let leaves = self.max_leaves.unwrap_or(usize::MAX);
        within("max_leaves", leaves as f64, 2.0..=f64::INFINITY)?;
        within("min_rows", self.min_rows as f64, 1.0..=1e9)?;
        within("min_weight", self.min_weight, 0.0..=f64::MAX)?;
        within("min_gain", self.min_gain, 0.0..=f64::MAX)
    }

    /// The same in the units of the engine; `weight` turns decreases into scores.
    pub(super) fn growth(&self, weight: f64) -> Growth {
        Growth {
            max_depth: self.max_depth,
            max_leaves: self.max_leaves.unwrap_or(usize::MAX),
            min_rows: self.min_rows,
            min_weight: self.min_weight,
            min_gain: self.min_gain * weight,
            category_l2: 0.0,
            monotone: self.monotone.clone(),
        }
    }
}

fn grown<C: Criterion, Q: Quantized>(
    source: Source<'_, Q>,
    rows: Vec<u32>,
    growth: &Growth,
    criterion: C,
) -> Result<Tree, FitError> {
    let columns = (0..source.binned.width()).collect();
    Ok(Grower { source, growth, criterion, columns, drawn: None }
        .grow(Lists { rows, spare: Vec::new() })?
        .tree)
}
