//! The rounds of boosting.

use rand::seq::index::sample as draw;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::super::checks::{monotone, refused, rows_that_count};
use super::super::grow::{Grower, Grown, Lists};
use super::super::histogram::Source;
use super::super::node::Tree;
use super::super::quantized::Weighted;
use super::super::scorer::{CodedTree, Scorer};
use super::super::split::{Growth, Newton};
use super::super::table::Sample;
use super::leaves::{set_medians, set_weights};
use super::{Boosting, End, Loss, Report, Settings, Validation};
use crate::model::{FitError, FitRun};

/// Rows that one task works on. Sums over blocks are added in their order.
const BLOCK: usize = 8_192;

/// Boosts trees (Friedman 2001, with second-order steps as in Chen & Guestrin 2016).
///
/// With validation rows the fit stops when their mean loss has not fallen for some rounds, and
/// keeps the trees up to the best round. Rows of weight 0 are left out.
///
/// # Errors
/// When settings are out of range, targets or weights do not fit the rows or the loss, no row has
/// a weight, or `run` was cancelled.
pub fn fit(
    sample: &Sample<'_, f64>,
    settings: &Settings,
    validation: Option<&Validation<'_>>,
    run: &FitRun<'_>,
) -> Result<(Boosting, Report), FitError> {
    settings.check()?;
    monotone(&settings.monotone, sample.binned)?;
    let rows = rows_that_count(sample)?;
    settings.loss.check(sample.target)?;
    let mut rounds = Rounds::new(sample, settings, rows, run);
    let mut watch = match validation {
        Some(validation) => {
            Some(Watch::new(validation, settings.loss, rounds.model.initial, sample)?)
        }
        None => None,
    };
    let end = rounds.all(&mut watch)?;
    let Rounds { mut model, .. } = rounds;
    let grown = model.trees.len();
    let mut validation_loss = Vec::new();
    if let Some(watch) = watch {
        model.trees.truncate(watch.best);
        validation_loss = watch.losses;
    }
    Ok((model, Report { end, rounds: grown, validation_loss }))
}

/// A fit on its way.
struct Rounds<'a> {
    sample: &'a Sample<'a, f64>,
    settings: &'a Settings,
    growth: Growth,
    run: &'a FitRun<'a>,
    random: Xoshiro256PlusPlus,
    /// The rows that have a weight.
    rows: Vec<u32>,
    /// Of the round before, for the next one.
    lists: Lists,
    /// The raw score of every row.
    raw: Vec<f64>,
    /// The largest weight.
    heaviest: f64,
    model: Boosting,
}

impl<'a> Rounds<'a> {
    fn new(
        sample: &'a Sample<'a, f64>,
        settings: &'a Settings,
        rows: Vec<u32>,
        run: &'a FitRun<'a>,
    ) -> Self {
        let loss = settings.loss;
        let pair = |row: &u32| {
            let target = sample.target.get(*row as usize).copied().unwrap_or(0.0);
            (target, weight_of(sample.weights, *row))
        };
        let best = || loss.best_constant(&mut rows.iter().map(pair).collect::<Vec<_>>());
        let initial = settings.initial.unwrap_or_else(best);
        let count = sample.binned.rows();
        let width = sample.binned.width();
        Self {
            sample,
            settings,
            growth: settings.growth(),
            run,
            random: Xoshiro256PlusPlus::seed_from_u64(run.seed),
            rows,
            lists: Lists::default(),
            raw: vec![initial; count],
            heaviest: sample.weights.map_or(1.0, |all| all.iter().copied().fold(0.0, f64::max)),
            model: Boosting { loss, initial, width, trees: Vec::new() },
        }
    }

    fn all(&mut self, watch: &mut Option<Watch<'_>>) -> Result<End, FitError> {
        for round in 0..self.settings.rounds {
            self.run.check()?;
            let grown = self.grow()?;
            if grown.tree.nodes().len() == 1 && self.sees_everything() {
                return Ok(End::NothingToSplit);
            }
            self.take(grown);
            let share = (round + 1) as f64 / self.settings.rounds as f64;
            self.run.progress.report("boost", share);
            if let (Some(watch), Some(tree)) = (watch.as_mut(), self.model.trees.last())
                && watch.is_over(tree)
            {
                return Ok(End::StoppedImproving);
            }
        }
        Ok(End::AllRounds)
    }

    /// Whether another round would look at the same rows and columns.
    fn sees_everything(&self) -> bool {
        self.settings.row_share >= 1.0 && self.settings.column_share >= 1.0
    }

    fn grow(&mut self) -> Result<Grown, FitError> {
        let quantized = self.quantized();
        let mut lists = std::mem::take(&mut self.lists);
        self.rows_of_round(&mut lists.rows);
        let columns = self.columns_of_round();
        let source = Source {
            binned: self.sample.binned,
            quantized: &quantized,
            parallel: true,
            run: self.run,
        };
        let criterion = Newton { l2: self.settings.l2, events: false };
        Grower { source, growth: &self.growth, criterion, columns, drawn: None }.grow(lists)
    }

    /// The derivatives at the scores so far.
    fn quantized(&self) -> Weighted {
        let loss = self.settings.loss;
        let derive = |row: usize| {
            let target = self.sample.target.get(row).copied().unwrap_or(0.0);
            let raw = self.raw.get(row).copied().unwrap_or(0.0);
            let pair = loss.derivatives(target, raw);
            match self.sample.weights {
                Some(weights) => pair.map(|part| part * weights.get(row).copied().unwrap_or(0.0)),
                None => pair,
            }
        };
        let rows = self.raw.len();
        let largest = loss.largest_derivatives().map(|pair| pair.map(|part| part * self.heaviest));
        let largest = largest.unwrap_or_else(|| {
            let most = |a: [f64; 2], b: [f64; 2]| [a[0].max(b[0].abs()), a[1].max(b[1])];
            (0..rows).into_par_iter().map(derive).reduce(|| [0.0; 2], most)
        });
        Weighted::of(rows, largest, derive)
    }

    fn rows_of_round(&mut self, rows: &mut Vec<u32>) {
        let share = self.settings.row_share;
        rows.clear();
        if share < 1.0 {
            let random = &mut self.random;
            rows.extend(self.rows.iter().copied().filter(|_| random.r#gen::<f64>() < share));
        }
        if rows.is_empty() {
            rows.extend_from_slice(&self.rows);
        }
    }

    fn columns_of_round(&mut self) -> Vec<usize> {
        let width = self.sample.binned.width();
        if self.settings.column_share >= 1.0 {
            return (0..width).collect();
        }
        let count = (self.settings.column_share * width as f64).round() as usize;
        let mut columns = draw(&mut self.random, width, count.clamp(1, width)).into_vec();
        columns.sort_unstable();
        columns
    }

    /// Sets the leaves, moves the scores and keeps the tree.
    fn take(&mut self, mut grown: Grown) {
        if self.settings.loss == Loss::Absolute {
            let residual = |row: u32| {
                let at = row as usize;
                let target = self.sample.target.get(at).copied().unwrap_or(0.0);
                let raw = self.raw.get(at).copied().unwrap_or(0.0);
                (target - raw, weight_of(self.sample.weights, row))
            };
            set_medians(&mut grown, &self.growth.monotone, residual);
        }
        set_weights(&mut grown, self.sample.weights);
        let (rate, longest) = (self.settings.learning_rate, self.settings.loss.longest_step());
        for node in grown.tree.nodes_mut() {
            node.value = rate * node.value.clamp(-longest, longest);
        }
        self.move_scores(&grown);
        self.model.trees.push(grown.tree);
        self.lists = grown.lists;
    }

    fn move_scores(&mut self, grown: &Grown) {
        if self.settings.row_share < 1.0 {
            let coded = CodedTree::of(&grown.tree, self.sample.binned);
            let nodes = grown.tree.nodes();
            self.raw.par_chunks_mut(BLOCK).enumerate().for_each(|(block, raw)| {
                for (row, raw) in (block * BLOCK..).zip(raw) {
                    *raw += nodes.get(coded.leaf(row)).map_or(0.0, |node| node.value);
                }
            });
            return;
        }
        for (index, node) in grown.tree.nodes().iter().enumerate() {
            if node.split.is_some() {
                continue;
            }
            for row in grown.rows_at(index) {
                if let Some(raw) = self.raw.get_mut(*row as usize) {
                    *raw += node.value;
                }
            }
        }
    }
}

/// The validation rows and the best round so far.
struct Watch<'a> {
    validation: &'a Validation<'a>,
    loss: Loss,
    raw: Vec<f64>,
    weight: f64,
    losses: Vec<f64>,
    /// Trees at the lowest loss.
    best: usize,
}

impl<'a> Watch<'a> {
    fn new(
        validation: &'a Validation<'a>,
        loss: Loss,
        initial: f64,
        sample: &Sample<'_, f64>,
    ) -> Result<Self, FitError> {
        let Validation { table, target, weights, patience } = *validation;
        let (rows, width) = (table.rows(), sample.binned.width());
        if table.width() != width || target.len() != rows || rows == 0 {
            return Err(refused(format!(
                "validation: expected {width} columns and a target per row, \
                 found {} columns, {rows} rows and {} targets",
                table.width(),
                target.len()
            )));
        }
        if patience == 0 {
            let expected = "1 or more".to_owned();
            return Err(FitError::Setting { name: "patience", expected, found: "0".to_owned() });
        }
        loss.check(target)?;
        let weights_fit = weights.is_none_or(|weights| {
            let sound = weights.iter().all(|weight| (0.0..=1e50).contains(weight));
            weights.len() == rows && sound
        });
        let weight = weights.map_or(rows as f64, |weights| weights.iter().sum());
        if !weights_fit || weight <= 0.0 {
            return Err(refused("validation: expected a weight of 0 or more per row".to_owned()));
        }
        let raw = vec![initial; rows];
        let mut watch = Self { validation, loss, raw, weight, losses: Vec::new(), best: 0 };
        watch.losses.push(watch.mean_loss());
        Ok(watch)
    }

    /// Adds a tree and tells whether the loss has not fallen for too long.
    fn is_over(&mut self, tree: &Tree) -> bool {
        let scorer = Scorer::of(std::slice::from_ref(tree), self.validation.table.width());
        let steps = scorer.sums(self.validation.table.values()).unwrap_or_default();
        for (raw, step) in self.raw.iter_mut().zip(steps) {
            *raw += step;
        }
        let loss = self.mean_loss();
        let lowest = self.losses.get(self.best).copied().unwrap_or(f64::INFINITY);
        if loss < lowest {
            self.best = self.losses.len();
        }
        self.losses.push(loss);
        self.losses.len() - 1 - self.best >= self.validation.patience
    }

    fn mean_loss(&self) -> f64 {
        let loss = |(block, (raw, target)): (usize, (&[f64], &[f64]))| {
            let rows = (block * BLOCK) as u32..;
            let rows = rows.zip(raw.iter().zip(target));
            let losses = rows.map(|(row, (raw, target))| {
                weight_of(self.validation.weights, row) * self.loss.of(*target, *raw)
            });
            losses.sum::<f64>()
        };
        let blocks = self.raw.par_chunks(BLOCK).zip(self.validation.target.par_chunks(BLOCK));
        let losses: Vec<f64> = blocks.enumerate().map(loss).collect();
        losses.iter().sum::<f64>() / self.weight
    }
}

fn weight_of(weights: Option<&[f64]>, row: u32) -> f64 {
    weights.map_or(1.0, |weights| weights.get(row as usize).copied().unwrap_or(0.0))
}
