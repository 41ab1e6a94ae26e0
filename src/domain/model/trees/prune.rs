//! Cutting a tree back to the size that holds on rows it has not seen.
//!
//! Of all cut-back trees those matter that are best for some price `alpha` of a leaf: minimal
//! cost-complexity pruning (Breiman, Friedman, Olshen and Stone 1984, chapter 3). The price is
//! chosen where the Brier score on other rows is lowest.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::checks::{refused, rows_that_count, within};
use super::node::{Node, Tree};
use super::scorer::CodedTree;
use super::table::{Sample, Table};
use super::tree::{Settings, fit_rows};
use crate::model::{FitError, FitRun};

/// A tree cut back.
#[derive(Clone, Debug, PartialEq)]
pub struct Pruned {
    /// The tree.
    pub tree: Tree,
    /// The price of a leaf that it is best for, as decrease of impurity over all rows.
    pub alpha: f64,
    /// The Brier score of the chosen size on the rows that chose it.
    pub brier: f64,
}

/// The prices at which a better tree has fewer leaves, rising, and for each node the index of the
/// first price at which it is a leaf or gone.
struct Path {
    alphas: Vec<f64>,
    cut_at: Vec<usize>,
}

/// Cuts a tree back to where it is best on validation rows; the smallest of equals.
///
/// # Errors
/// When the table has no rows, another number of columns than the tree or of rows than targets
/// and weights.
pub fn by_validation(
    tree: &Tree,
    table: &Table<'_>,
    target: &[bool],
    weights: Option<&[f64]>,
) -> Result<Pruned, FitError> {
    let rows = table.rows();
    let fits = table.width() == tree.width() && target.len() == rows && rows > 0;
    let weighed = weights.is_none_or(|weights| {
        weights.len() == rows && weights.iter().all(|weight| (0.0..=1e50).contains(weight))
    });
    let total = weights.map_or(rows as f64, |weights| weights.iter().sum());
    if !fits || !weighed || total <= 0.0 {
        let message = "validation: expected rows of the tree's columns, \
                       with a target and a weight of 0 or more for each";
        return Err(refused(message.to_owned()));
    }
    let path = Path::of(tree);
    let mut errors = Errors::new(tree.nodes().len());
    for (row, (values, happened)) in
        table.values().chunks_exact(table.width()).zip(target).enumerate()
    {
        let weight = weights.map_or(1.0, |all| all.get(row).copied().unwrap_or(0.0));
        errors.add(tree.leaf(values), *happened, weight);
    }
    let briers = errors.by_price(tree, &path, &path.alphas);
    let (best, brier) = lowest(&briers);
    let alpha = path.alphas.get(best).copied().unwrap_or(0.0);
    Ok(Pruned { tree: path.cut(tree, best)?, alpha, brier: brier / total })
}

/// Grows a tree on all rows and cuts it back to the price that is best over `folds` folds, drawn
/// by the run's seed: each fold is answered by a tree grown on the others (section 3.4.2 there).
///
/// # Errors
/// As [`super::tree::fit`], and when there are not 2 to 100 folds, each with a row.
pub fn by_folds(
    sample: &Sample<'_, bool>,
    settings: &Settings,
    folds: usize,
    run: &FitRun<'_>,
) -> Result<Pruned, FitError> {
    let mut rows = rows_that_count(sample)?;
    within("folds", folds as f64, 2.0..=(rows.len() as f64).min(100.0))?;
    let tree = fit_rows(sample, rows.clone(), settings, run)?;
    let path = Path::of(&tree);
    // A price between two steps of the path stands for the tree between them.
    let next = path.alphas.iter().skip(1).chain([&f64::INFINITY]);
    let prices: Vec<f64> = path.alphas.iter().zip(next).map(|(a, b)| (a * b).sqrt()).collect();
    rows.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(run.seed));
    let mut briers = vec![0.0; prices.len()];
    let mut total = 0.0;
    for fold in 0..folds {
        run.check()?;
        let part = |inside: bool| {
            let rows = rows.iter().enumerate();
            let rows = rows.filter(move |(place, _)| (place % folds == fold) == inside);
            rows.map(|(_, row)| *row)
        };
        let mut others: Vec<u32> = part(false).collect();
        others.sort_unstable();
        let grown = fit_rows(sample, others, settings, run)?;
        let coded = CodedTree::of(&grown, sample.binned);
        let mut errors = Errors::new(grown.nodes().len());
        for row in part(true).map(|row| row as usize) {
            let weight = sample.weights.map_or(1.0, |all| all.get(row).copied().unwrap_or(0.0));
            let happened = sample.target.get(row).copied().unwrap_or(false);
            errors.add(coded.leaf(row), happened, weight);
            total += weight;
        }
        let found = errors.by_price(&grown, &Path::of(&grown), &prices);
        briers.iter_mut().zip(found).for_each(|(sum, brier)| *sum += brier);
        run.progress.report("prune", (fold + 1) as f64 / folds as f64);
    }
    let (best, brier) = lowest(&briers);
    let alpha = path.alphas.get(best).copied().unwrap_or(0.0);
    Ok(Pruned { tree: path.cut(&tree, best)?, alpha, brier: brier / total })
}

/// Cuts a tree back to where it is best for a price of a leaf, as decrease of impurity over all
/// rows.
///
/// # Errors
/// None for a sound tree.
pub fn at_price(tree: &Tree, alpha: f64) -> Result<Tree, FitError> {
    let path = Path::of(tree);
    path.cut(tree, path.alphas.partition_point(|price| *price <= alpha).max(1) - 1)
}

/// What other rows say about the leaves: weight of events and of all rows.
struct Errors(Vec<[f64; 2]>);

impl Errors {
    fn new(nodes: usize) -> Self {
        Self(vec![[0.0; 2]; nodes])
    }

    fn add(&mut self, leaf: usize, happened: bool, weight: f64) {
        if let Some([events, all]) = self.0.get_mut(leaf) {
            *events += if happened { weight } else { 0.0 };
            *all += weight;
        }
    }

    /// The sum of squared errors of the tree at each price.
    fn by_price(mut self, tree: &Tree, path: &Path, prices: &[f64]) -> Vec<f64> {
        for (index, node) in tree.nodes().iter().enumerate().rev() {
            let Some(split) = &node.split else { continue };
            let children = self.0.iter().skip(split.left).take(2);
            let sum = children.fold([0.0; 2], |sum, part| [sum[0] + part[0], sum[1] + part[1]]);
            if let Some(place) = self.0.get_mut(index) {
                *place = sum;
            }
        }
        let error = |(node, [events, all]): (&Node, &[f64; 2])| {
            let value = node.value;
            events * (1.0 - value).powi(2) + (all - events) * value * value
        };
        let errors: Vec<f64> = tree.nodes().iter().zip(&self.0).map(error).collect();
        let price = |price: &f64| {
            let step = path.alphas.partition_point(|alpha| alpha <= price).max(1) - 1;
            let leaves = path.leaves(tree, step);
            leaves.filter_map(|leaf| errors.get(leaf)).sum()
        };
        prices.iter().map(price).collect()
    }
}

impl Path {
    /// Cuts the weakest link until only the root is left. The gain of a split is the decrease of
    /// impurity times weight, so a branch's gains are what its leaves are worth together.
    fn of(tree: &Tree) -> Self {
        let nodes = tree.nodes();
        let total = nodes.first().map_or(1.0, |root| root.weight).max(f64::MIN_POSITIVE);
        let mut path = Self { alphas: vec![0.0], cut_at: vec![usize::MAX; nodes.len()] };
        for (index, node) in nodes.iter().enumerate() {
            if node.split.is_none() {
                put(&mut path.cut_at, index, 0);
            }
        }
        loop {
            let links = path.links(tree);
            let weakest = links.iter().filter(|link| link.is_finite()).copied().reduce(f64::min);
            let Some(weakest) = weakest else { break };
            let alpha = (weakest / total).max(0.0);
            if path.alphas.last().is_none_or(|last| alpha > *last * (1.0 + 1e-12)) {
                path.alphas.push(alpha);
            }
            let step = path.alphas.len() - 1;
            for (cut, link) in path.cut_at.iter_mut().zip(links) {
                if link <= weakest {
                    *cut = step;
                }
            }
        }
        path
    }

    /// For each node that still splits the gain of its branch by leaf that it would lose;
    /// infinite for the others.
    fn links(&self, tree: &Tree) -> Vec<f64> {
        let nodes = tree.nodes();
        let mut branches = vec![(0.0, 1usize); nodes.len()];
        let mut links = vec![f64::INFINITY; nodes.len()];
        for (index, node) in nodes.iter().enumerate().rev() {
            let open = self.cut_at.get(index).is_some_and(|cut| *cut == usize::MAX);
            let Some(split) = node.split.as_ref().filter(|_| open) else { continue };
            let children = branches.iter().skip(split.left).take(2);
            let add = |sum: (f64, usize), part: &(f64, usize)| (sum.0 + part.0, sum.1 + part.1);
            let branch = children.fold((split.gain, 0), add);
            put(&mut branches, index, branch);
            put(&mut links, index, branch.0 / (branch.1.max(2) - 1) as f64);
        }
        links
    }

    /// The leaves of the tree at a step of the path.
    fn leaves<'a>(&'a self, tree: &'a Tree, step: usize) -> impl Iterator<Item = usize> + 'a {
        let mut open = vec![0];
        std::iter::from_fn(move || {
            loop {
                let index = open.pop()?;
                let node = tree.nodes().get(index)?;
                let cut = self.cut_at.get(index).is_none_or(|cut| *cut <= step);
                match &node.split {
                    Some(split) if !cut => open.extend([split.left + 1, split.left]),
                    _ => return Some(index),
                }
            }
        })
    }

    /// The tree at a step of the path.
    fn cut(&self, tree: &Tree, step: usize) -> Result<Tree, FitError> {
        let mut nodes: Vec<Node> = tree.nodes().first().cloned().into_iter().collect();
        let mut open = vec![(0, 0)];
        while let Some((old, new)) = open.pop() {
            let cut = self.cut_at.get(old).is_none_or(|cut| *cut <= step);
            let Some(node) = nodes.get_mut(new) else { continue };
            let Some(split) = node.split.take().filter(|_| !cut) else { continue };
            let (from, to) = (split.left, nodes.len());
            if let Some(node) = nodes.get_mut(new) {
                node.split = Some(super::node::Split { left: to, ..split });
            }
            nodes.extend(tree.nodes().iter().skip(from).take(2).cloned());
            open.extend([(from + 1, to + 1), (from, to)]);
        }
        Tree::new(tree.width(), nodes).map_err(|error| refused(error.to_string()))
    }
}

/// The last place of the lowest number: the smallest of the trees that are equally good.
fn lowest(numbers: &[f64]) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (place, number) in numbers.iter().enumerate() {
        if *number <= best.1 {
            best = (place, *number);
        }
    }
    best
}

fn put<T>(list: &mut [T], at: usize, value: T) {
    if let Some(place) = list.get_mut(at) {
        *place = value;
    }
}
