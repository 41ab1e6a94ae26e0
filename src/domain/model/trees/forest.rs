//! A random forest for an event that happens or does not (Breiman 2001).

use std::sync::{Mutex, PoisonError};

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::binned::Binned;
use super::checks::{DEEPEST, monotone, rows_that_count, within};
use super::grow::{Draw, Grower, Grown, Lists};
use super::histogram::Source;
use super::node::{DamagedTree, Tree, gains, same_width};
use super::quantized::{Bagged, Entry, Quantized, Weighted};
use super::scorer::{CodedTree, Scorer};
use super::split::{Growth, Newton};
use super::table::Sample;
use crate::model::{FitError, FitRun, PredictError};

/// How a forest is grown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Settings {
    /// Number of trees, 1 to 100,000.
    pub trees: usize,
    /// Most splits on the way to a leaf, 1 to 64.
    pub max_depth: usize,
    /// Fewest distinct training rows in a leaf, from 1 on.
    pub min_rows: u64,
    /// Columns that each node draws; none: the square root of their number.
    pub columns_per_split: Option<usize>,
    /// How rows are drawn for a tree.
    pub bootstrap: Bootstrap,
    /// For each column whether the share of events may only rise (1) or only fall (-1) with it,
    /// or either (0); empty: either for all.
    pub monotone: Vec<i8>,
}

/// How rows are drawn for a tree.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum Bootstrap {
    /// As many rows as there are, with replacement.
    #[default]
    Multinomial,
    /// Each row a Poisson number of times with mean 1: nearly the same, and each on its own.
    Poisson,
    /// Every row once; there is no out-of-bag estimate then.
    Off,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trees: 100,
            max_depth: 16,
            min_rows: 5,
            columns_per_split: None,
            bootstrap: Bootstrap::Multinomial,
            monotone: Vec::new(),
        }
    }
}

/// A fitted forest; a row's probability is the mean over the trees.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Stored")]
pub struct Forest {
    /// Columns of the tables it answers for.
    pub width: usize,
    /// The trees; the values of their nodes are shares of events.
    pub trees: Vec<Tree>,
}

#[derive(Deserialize)]
struct Stored {
    width: usize,
    trees: Vec<Tree>,
}

impl TryFrom<Stored> for Forest {
    type Error = DamagedTree;

    fn try_from(stored: Stored) -> Result<Self, DamagedTree> {
        let Stored { width, trees } = stored;
        same_width(&trees, width)?;
        Ok(Self { width, trees })
    }
}

/// How well trees do on rows they were not grown on.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfBag {
    /// For each row the mean over the trees that did not see it, in steps of about 1e-9; NaN if
    /// all saw it or its weight is 0.
    pub probabilities: Vec<f64>,
    /// Rows with a probability.
    pub rows: usize,
    /// Their weighted mean of `(p - y)^2`.
    pub brier: f64,
}

/// Steps that a probability is counted in, so that sums do not depend on the order of the trees.
const STEPS: f64 = (1u64 << STEP_BITS) as f64;

const STEP_BITS: u32 = 30;

/// Most trees of a forest.
const MOST_TREES: usize = 100_000;

/// Grows a forest. With a bootstrap there is an out-of-bag estimate, unless every tree saw every
/// row. Rows of weight 0 are left out.
///
/// # Errors
/// When settings are out of range, targets or weights do not fit the rows, no row has a weight,
/// or `run` was cancelled.
pub fn fit(
    sample: &Sample<'_, bool>,
    settings: &Settings,
    run: &FitRun<'_>,
) -> Result<(Forest, Option<OutOfBag>), FitError> {
    settings.check(sample.binned)?;
    monotone(&settings.monotone, sample.binned)?;
    let rows = rows_that_count(sample)?;
    let unseen = Mutex::new(vec![Unseen::default(); sample.binned.rows()]);
    let growth = settings.growth();
    let planter = Planter { sample, settings, growth, rows, run, used: Mutex::default() };
    let planted = Mutex::new(0);
    let plant = |index: usize| {
        let tree = planter.plant(index, &unseen)?;
        let mut planted = planted.lock().unwrap_or_else(PoisonError::into_inner);
        *planted += 1;
        run.progress.report("plant", f64::from(*planted) / settings.trees as f64);
        Ok(tree)
    };
    let trees = (0..settings.trees).into_par_iter().with_max_len(1).map(plant);
    let trees = trees.collect::<Result<Vec<Tree>, FitError>>()?;
    let unseen = unseen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let forest = Forest { width: sample.binned.width(), trees };
    drop(planter);
    Ok((forest, OutOfBag::of(unseen, sample)))
}

/// Rows about which a tree tells at a time.
const TOLD: usize = 8_192;

/// Trees that did not see a row (low bits), and the sum of what they say about it in [`STEPS`] (the
/// others).
#[derive(Clone, Copy, Default)]
struct Unseen(u64);

/// Bits that count trees.
const TREE_BITS: u32 = 17;

const _: () = assert!(MOST_TREES < 1 << TREE_BITS, "more trees than are counted");
const _: () = assert!((MOST_TREES as u64) < u64::MAX >> TREE_BITS >> STEP_BITS, "sums overflow");

impl Unseen {
    fn add(&mut self, steps: u64) {
        self.0 += steps << TREE_BITS | 1;
    }

    /// The mean of what they say; `None` where all trees saw the row.
    fn probability(self) -> Option<f64> {
        let (sum, trees) = (self.0 >> TREE_BITS, self.0 & ((1 << TREE_BITS) - 1));
        (trees > 0).then(|| sum as f64 / STEPS / trees as f64)
    }
}

struct Planter<'a> {
    sample: &'a Sample<'a, bool>,
    settings: &'a Settings,
    growth: Growth,
    rows: Vec<u32>,
    run: &'a FitRun<'a>,
    /// Lists of trees that are done, for the next ones.
    used: Mutex<Vec<Used>>,
}

/// Lists of a tree, as long as there are rows.
#[derive(Default)]
struct Used {
    /// How often the tree saw each row.
    bag: Vec<u8>,
    /// Empty where the bag tells all.
    entries: Vec<Entry>,
    lists: Lists,
}

impl Planter<'_> {
    /// A tree, which has told about the rows that it did not see.
    fn plant(&self, index: usize, unseen: &Mutex<Vec<Unseen>>) -> Result<Tree, FitError> {
        self.run.check()?;
        let used = || self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let Used { mut bag, entries, mut lists } = used().pop().unwrap_or_default();
        // An odd factor keeps the seeds of different trees apart.
        let seed =
            self.run.seed.wrapping_add((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        self.fill(&mut bag, &mut random);
        let seen = |row: &u32| bag.get(*row as usize).is_some_and(|times| *times > 0);
        lists.rows.clear();
        lists.rows.extend(self.rows.iter().copied().filter(seen));
        let bagged = Bagged::of(self.sample.target, &bag).filter(|_| self.sample.weights.is_none());
        let (grown, entries) = if let Some(bagged) = bagged {
            (self.grow(&bagged, lists, random)?, entries)
        } else {
            let weight = |row: usize| {
                let times = bag.get(row).copied().unwrap_or(0);
                let weight = self.sample.weights.and_then(|weights| weights.get(row));
                f64::from(times) * weight.copied().unwrap_or(1.0)
            };
            let quantized = Weighted::of_events(self.sample.target, weight, entries);
            (self.grow(&quantized, lists, random)?, quantized.into_entries())
        };
        let Grown { mut tree, lists, .. } = grown;
        let splits = tree.nodes_mut().iter_mut().filter_map(|node| node.split.as_mut());
        splits.for_each(|split| split.gain *= 2.0);
        self.tell(&tree, &bag, unseen);
        used().push(Used { bag, entries, lists });
        Ok(tree)
    }

    fn grow<Q: Quantized>(
        &self,
        quantized: &Q,
        lists: Lists,
        random: Xoshiro256PlusPlus,
    ) -> Result<Grown, FitError> {
        let binned = self.sample.binned;
        let source = Source { binned, quantized, parallel: false, run: self.run };
        let columns: Vec<usize> = (0..binned.width()).collect();
        let drawn = self.settings.columns(binned.width());
        let drawn = (drawn < columns.len()).then_some(Draw { columns: drawn, random });
        let criterion = Newton { l2: 0.0, events: true };
        Grower { source, growth: &self.growth, criterion, columns, drawn }.grow(lists)
    }

    /// Adds what a tree says about each row that it did not see, in [`STEPS`].
    fn tell(&self, tree: &Tree, bag: &[u8], unseen: &Mutex<Vec<Unseen>>) {
        let coded = CodedTree::of(tree, self.sample.binned);
        let steps = |row: usize| {
            let value = tree.nodes().get(coded.leaf(row)).map_or(0.0, |node| node.value);
            (value * STEPS).round() as u64
        };
        for (block, bag) in bag.chunks(TOLD).enumerate() {
            let first = block * TOLD;
            let told = |(row, times): (usize, &u8)| (*times == 0).then(|| steps(row));
            let told: Vec<Option<u64>> = (first..).zip(bag).map(told).collect();
            let mut unseen = unseen.lock().unwrap_or_else(PoisonError::into_inner);
            for (place, told) in unseen.iter_mut().skip(first).zip(told) {
                told.into_iter().for_each(|steps| place.add(steps));
            }
        }
    }

    /// How often each row is drawn; if by chance none is, each is drawn once.
    fn fill(&self, bag: &mut Vec<u8>, random: &mut Xoshiro256PlusPlus) {
        bag.clear();
        bag.resize(self.sample.binned.rows(), 0);
        let mut put = |row: u32, times: u8| {
            if let Some(place) = bag.get_mut(row as usize) {
                *place = place.saturating_add(times);
            }
        };
        let mut drawn = 0;
        match self.settings.bootstrap {
            Bootstrap::Off => {}
            Bootstrap::Multinomial => {
                for _ in &self.rows {
                    let place = random.gen_range(0..self.rows.len());
                    drawn += 1;
                    self.rows.get(place).iter().for_each(|row| put(**row, 1));
                }
            }
            Bootstrap::Poisson => {
                for row in &self.rows {
                    let times = poisson(random.r#gen());
                    drawn += u32::from(times > 0);
                    put(*row, times);
                }
            }
        }
        if drawn == 0 {
            self.rows.iter().for_each(|row| put(*row, 1));
        }
    }
}

impl Settings {
    fn check(&self, binned: &Binned) -> Result<(), FitError> {
        within("trees", self.trees as f64, 1.0..=MOST_TREES as f64)?;
        within("max_depth", self.max_depth as f64, 1.0..=DEEPEST as f64)?;
        within("min_rows", self.min_rows as f64, 1.0..=1e9)?;
        let drawn = self.columns_per_split.unwrap_or(1);
        within("columns_per_split", drawn as f64, 1.0..=binned.width() as f64)
    }

    fn columns(&self, width: usize) -> usize {
        let root = (width as f64).sqrt() as usize;
        self.columns_per_split.unwrap_or(root).clamp(1, width)
    }

    fn growth(&self) -> Growth {
        Growth {
            max_depth: self.max_depth,
            max_leaves: usize::MAX,
            min_rows: self.min_rows,
            min_weight: 0.0,
            min_gain: 0.0,
            category_l2: 0.0,
            monotone: self.monotone.clone(),
        }
    }
}

impl Forest {
    /// The probability of the event for a row.
    pub fn predict_row(&self, row: &[f32]) -> f64 {
        let sum: f64 = self.trees.iter().map(|tree| tree.predict_row(row)).sum();
        sum / (self.trees.len() as f64).max(1.0)
    }

    /// The probability of the event for each row of row-major `values`.
    ///
    /// # Errors
    /// When `values` are not whole rows of the width that the forest was grown on.
    pub fn predict(&self, values: &[f32]) -> Result<Vec<f64>, PredictError> {
        let mut sums = Scorer::of(&self.trees, self.width).sums(values)?;
        let trees = (self.trees.len() as f64).max(1.0);
        sums.iter_mut().for_each(|sum| *sum /= trees);
        Ok(sums)
    }

    /// By how much splits of each column brought down the Gini impurity, in total over all trees.
    pub fn gain_importance(&self) -> Vec<f64> {
        gains(&self.trees, self.width)
    }
}

impl OutOfBag {
    fn of(unseen: Vec<Unseen>, sample: &Sample<'_, bool>) -> Option<Self> {
        let weight = |row: usize| {
            sample.weights.map_or(1.0, |weights| weights.get(row).copied().unwrap_or(0.0))
        };
        let probability = |(row, unseen): (usize, Unseen)| {
            unseen.probability().filter(|_| weight(row) > 0.0).unwrap_or(f64::NAN)
        };
        let probabilities: Vec<f64> = unseen.into_iter().enumerate().map(probability).collect();
        let (mut counted, mut error, mut total) = (0, 0.0, 0.0);
        for (row, (probability, happened)) in probabilities.iter().zip(sample.target).enumerate() {
            if !probability.is_nan() {
                counted += 1;
                total += weight(row);
                error += weight(row) * (probability - f64::from(u8::from(*happened))).powi(2);
            }
        }
        (counted > 0).then(|| Self { probabilities, rows: counted, brier: error / total })
    }
}

/// A Poisson number with mean 1 from a number that is uniform on 0 to 1.
fn poisson(uniform: f64) -> u8 {
    let mut chance = (-1.0f64).exp();
    let mut reached = chance;
    let mut times = 0;
    while uniform >= reached && times < 12 {
        times += 1;
        chance /= f64::from(times);
        reached += chance;
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_trees_that_are_all_sure_are_told_right() {
        let mut unseen = Unseen::default();
        assert_eq!(unseen.probability(), None);
        (0..MOST_TREES).for_each(|_| unseen.add(STEPS as u64));
        assert_eq!(unseen.probability(), Some(1.0));
        unseen.add(0);
        let mean = MOST_TREES as f64 / (MOST_TREES + 1) as f64;
        assert!((unseen.probability().unwrap() - mean).abs() < 1e-12);
    }

    #[test]
    fn poisson_has_its_mean_and_its_zeros() {
        let numbers: Vec<f64> =
            (0..10_000).map(|i| f64::from(poisson((f64::from(i) + 0.5) / 1e4))).collect();
        let mean = numbers.iter().sum::<f64>() / 1e4;
        assert!((mean - 1.0).abs() < 1e-3, "{mean}");
        let zeros = numbers.iter().filter(|times| **times == 0.0).count();
        assert_eq!(zeros, 3_679);
    }
}
