//! Starting centres by k-means++ (Arthur and Vassilvitskii 2007), plain or greedy.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::Seeding;
use super::frame::{BLOCK_ROWS, PANEL};
use super::packed::{Block, Packed};
use super::tile::{Tiles, distances};
use crate::model::{FitError, FitRun};

/// Candidates whose distances are computed at once.
const TOGETHER: usize = 4;

/// Draws `clusters` rows as centres, in the frame of the rows. Rows without weight are not drawn;
/// rows that are already centres only when there is no other.
pub(super) fn draw(
    packed: &Packed<'_>,
    clusters: usize,
    seeding: Seeding,
    seed: u64,
    run: &FitRun<'_>,
) -> Result<Vec<f64>, FitError> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let trials = match seeding {
        Seeding::PlusPlus => 1,
        Seeding::GreedyPlusPlus => 2 + (clusters as f64).ln() as usize,
    };
    let mut state = PlusPlus::new(packed, run)?;
    let mut centres = Vec::with_capacity(clusters * packed.width());
    for cluster in 0..clusters {
        run.progress.report("start", cluster as f64 / clusters as f64);
        let trials = if cluster == 0 { 1 } else { trials };
        let drawn = (0..trials).map(|_| state.draw(&mut random)).collect();
        let row = packed.row(state.best_of(drawn)?);
        state.take(&row)?;
        centres.extend(row);
    }
    Ok(centres)
}

struct PlusPlus<'a> {
    packed: &'a Packed<'a>,
    run: &'a FitRun<'a>,
    /// Squared distance of each row to the nearest centre so far, 1 while there is none; 0 in
    /// places beyond the last row.
    closest: Vec<f32>,
    /// Weight times `closest`, summed per block.
    potentials: Vec<f64>,
    started: bool,
}

impl<'a> PlusPlus<'a> {
    fn new(packed: &'a Packed<'a>, run: &'a FitRun<'a>) -> Result<Self, FitError> {
        let mut closest = vec![1.0; packed.rows()];
        closest.resize(packed.rows().next_multiple_of(PANEL), 0.0);
        let mut state = Self { packed, run, closest, potentials: Vec::new(), started: false };
        state.potentials = state.packed.map(run, |block| state.potential(block))?;
        Ok(state)
    }

    fn potential(&self, block: Block<'_>) -> f64 {
        self.closest_of(block)
            .iter()
            .enumerate()
            .map(|(row, d)| f64::from(*d) * block.weight(row))
            .sum()
    }

    fn closest_of(&self, block: Block<'_>) -> &[f32] {
        self.closest.get(block.first..block.first + block.rows).unwrap_or_default()
    }

    /// A row, with a probability in proportion to its potential.
    fn draw(&self, random: &mut Xoshiro256PlusPlus) -> usize {
        let total: f64 = self.potentials.iter().sum();
        let mut left = random.gen_range(0.0..1.0) * total;
        let mut chosen = 0;
        for (index, potential) in self.potentials.iter().enumerate() {
            if *potential > 0.0 {
                chosen = index;
                if left < *potential {
                    break;
                }
                left -= potential;
            }
        }
        let block = self.packed.block(chosen);
        let mut row = None;
        for (place, distance) in self.closest_of(block).iter().enumerate() {
            let potential = f64::from(*distance) * block.weight(place);
            if potential > 0.0 {
                row = Some(block.first + place);
                if left < potential {
                    break;
                }
                left -= potential;
            }
        }
        row.unwrap_or_else(|| self.any(random))
    }

    /// Any row with a weight: every row lies on a centre.
    fn any(&self, random: &mut Xoshiro256PlusPlus) -> usize {
        let start = random.gen_range(0..self.packed.rows().max(1));
        let rows = (start..self.packed.rows()).chain(0..start);
        rows.into_iter().find(|row| self.packed.weight(*row) > 0.0).unwrap_or(0)
    }

    /// The row that lowers the potential most, the first on a tie.
    fn best_of(&self, drawn: Vec<usize>) -> Result<usize, FitError> {
        let [only] = drawn.as_slice() else {
            let rows: Vec<f64> = drawn.iter().flat_map(|row| self.packed.row(*row)).collect();
            let tiles = Tiles::<TOGETHER>::of(&rows, self.packed.width());
            let blocks =
                self.packed.map(self.run, |block| self.tried(block, &tiles, drawn.len()))?;
            let mut totals = vec![0.0; drawn.len()];
            for potentials in blocks {
                totals.iter_mut().zip(potentials).for_each(|(total, more)| *total += more);
            }
            let best = totals.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
            return Ok(best.and_then(|(place, _)| drawn.get(place)).copied().unwrap_or(0));
        };
        Ok(*only)
    }

    /// The block's potential with each of the candidates.
    fn tried(&self, block: Block<'_>, tiles: &Tiles<TOGETHER>, candidates: usize) -> Vec<f64> {
        let mut potentials = vec![0.0; candidates];
        let closest = self.closest_places(block);
        let mut found = [[0.0; PANEL]; TOGETHER];
        for (index, (panel, closest)) in block.panels().zip(closest.chunks_exact(PANEL)).enumerate()
        {
            let weights = block.weights().map(|w| w.get(index * PANEL..).unwrap_or_default());
            for (tile, potentials) in potentials.chunks_mut(TOGETHER).enumerate() {
                distances(panel, tiles, tile, &mut found);
                for (potential, found) in potentials.iter_mut().zip(&found) {
                    *potential += lower_sum(closest, found, weights);
                }
            }
        }
        potentials
    }

    fn closest_places(&self, block: Block<'_>) -> &[f32] {
        let places = block.rows.next_multiple_of(PANEL);
        self.closest.get(block.first..block.first + places).unwrap_or_default()
    }

    /// Makes a row a centre.
    fn take(&mut self, row: &[f64]) -> Result<(), FitError> {
        let centre = Tiles::<1>::of(row, self.packed.width());
        let (packed, run, started) = (self.packed, self.run, self.started);
        let blocks = self.closest.par_chunks_mut(BLOCK_ROWS).enumerate();
        let potentials = blocks.map(|(index, closest)| {
            run.check()?;
            let block = packed.block(index);
            if !started {
                closest.iter_mut().take(block.rows).for_each(|d| *d = f32::INFINITY);
            }
            Ok(nearer(block, &centre, closest))
        });
        self.potentials = potentials.collect::<Result<_, FitError>>()?;
        self.started = true;
        Ok(())
    }
}

/// Lowers `closest` to the distances to `centre`; the potential then.
fn nearer(block: Block<'_>, centre: &Tiles<1>, closest: &mut [f32]) -> f64 {
    let mut potential = 0.0;
    let mut found = [[0.0; PANEL]];
    for (index, (panel, closest)) in block.panels().zip(closest.chunks_exact_mut(PANEL)).enumerate()
    {
        distances(panel, centre, 0, &mut found);
        for (closest, found) in closest.iter_mut().zip(found.iter().flatten()) {
            *closest = closest.min(*found);
        }
        let weights = block.weights().map(|w| w.get(index * PANEL..).unwrap_or_default());
        potential += lower_sum(closest, &[f32::INFINITY; PANEL], weights);
    }
    potential
}

/// Sum of weight times the lower of two distances. Places without a weight count 0 if there are
/// weights.
fn lower_sum(a: &[f32], b: &[f32; PANEL], weights: Option<&[f64]>) -> f64 {
    const LANES: usize = 8;
    if let Some(weights) = weights {
        let lower = a.iter().zip(b).map(|(a, b)| f64::from(a.min(*b)));
        return lower.zip(weights).map(|(distance, weight)| distance * weight).sum();
    }
    let mut sums = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += if a < b { *a } else { *b };
        }
    }
    sums.iter().map(|sum| f64::from(*sum)).sum()
}
