//! The learners against brute force, and what must hold for all of them.

mod boosting;
mod forest;
mod prune;
mod shap;
mod tree;

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::ThreadPoolBuilder;

use super::{Binned, Table};
use crate::model::FitRun;

/// Rows with two numbers, a count that may be missing, a category that may be, and noise.
pub(super) struct Made {
    pub(super) values: Vec<f32>,
    pub(super) events: Vec<bool>,
    pub(super) target: Vec<f64>,
}

pub(super) const WIDTH: usize = 5;
pub(super) const CATEGORICAL: [usize; 1] = [3];

impl Made {
    pub(super) fn new(rows: usize, seed: u64) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut made = Self { values: Vec::new(), events: Vec::new(), target: Vec::new() };
        for _ in 0..rows {
            let (a, b): (f32, f32) = (random.gen_range(-2.0..2.0), random.gen_range(-2.0..2.0));
            let count = random.gen_range(0..6u8);
            let category = random.gen_range(0..9u8);
            let missing = random.gen_bool(0.15);
            let lost = random.gen_bool(0.05);
            let raw = f32::from(u8::from((a > 0.0) != (b > 0.0))) * 2.0 - 1.5
                + if missing { 1.0 } else { 0.2 * f32::from(count) }
                + [0.7, -0.9, 0.1][usize::from(category % 3)];
            let chance = 1.0 / (1.0 + (-raw).exp());
            made.values.extend([
                a,
                b,
                if missing { f32::NAN } else { f32::from(count) },
                if lost { f32::NAN } else { f32::from(category) },
                random.gen_range(0.0..1.0),
            ]);
            made.events.push(random.gen_range(0.0..1.0) < chance);
            made.target.push(f64::from(raw.exp() * random.gen_range(0.5..1.5)));
        }
        made
    }

    pub(super) fn table(&self) -> Table<'_> {
        Table::new(&self.values, WIDTH, &CATEGORICAL).unwrap()
    }

    pub(super) fn binned(&self) -> Binned {
        Binned::of(&self.table(), 255, &FitRun::quiet(1)).unwrap()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(WIDTH)
    }

    /// The outcomes as numbers.
    pub(super) fn outcomes(&self) -> Vec<f64> {
        self.events.iter().map(|event| f64::from(u8::from(*event))).collect()
    }
}

/// Runs the same with 1, 2 and 3 threads and gives back what came of it.
pub(super) fn on_pools<T: Send>(work: impl Fn() -> T + Sync) -> Vec<T> {
    let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    (1..=3).map(|threads| pool(threads).install(&work)).collect()
}

pub(super) fn log_loss(probabilities: &[f64], events: &[bool]) -> f64 {
    let loss = |(p, event): (&f64, &bool)| -(if *event { *p } else { 1.0 - p }).max(1e-9).ln();
    probabilities.iter().zip(events).map(loss).sum::<f64>() / events.len() as f64
}
