//! How separate clusters are.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::frame::{Frame, PANEL};
use super::packed::Packed;
use super::points::{Points, refused};
use super::tile::{Tiles, distances};
use crate::model::{FitError, FitRun};

/// Rows of a tile.
const TOGETHER: usize = 4;

/// Mean silhouette (Rousseeuw 1987) of at most `sample` rows drawn by the seed: -1 to 1, higher is
/// better. Exact for the rows drawn, of which each is compared with each. A row alone in its
/// cluster counts 0. `None` unless the drawn rows are of two clusters at least.
///
/// # Errors
/// When there is not one label per row, a value is not finite, or `run` was cancelled.
pub fn silhouette(
    points: Points<'_>,
    labels: &[u32],
    sample: usize,
    run: &FitRun<'_>,
) -> Result<Option<f64>, FitError> {
    if labels.len() != points.rows() {
        let message = format!("expected {} labels, found {}", points.rows(), labels.len());
        return Err(refused(message));
    }
    let mut drawn = draw(points.rows(), sample, run.seed);
    // Rows of one cluster stand together, so that distances are added up run by run.
    drawn.sort_by_key(|row| (labels.get(*row).copied(), *row));
    let labels: Vec<u32> = drawn.iter().filter_map(|row| labels.get(*row).copied()).collect();
    let sizes: Vec<usize> = labels.chunk_by(|a, b| a == b).map(<[u32]>::len).collect();
    if sizes.len() < 2 {
        return Ok(None);
    }
    let rows = points.select(&drawn);
    let points = Points::new(&rows, points.width())?;
    let frame = Frame::of_points(points, points.largest(run)?);
    let packed = Packed::new(frame, points, None, run)?;
    let own: Vec<usize> = sizes.iter().enumerate().flat_map(|(c, size)| vec![c; *size]).collect();
    let groups = own.par_chunks(TOGETHER).enumerate();
    let sums = groups.map(|(group, own)| {
        run.check()?;
        Ok(of_rows(&packed, group * TOGETHER, own, &sizes))
    });
    let sums: Vec<f64> = sums.collect::<Result<_, FitError>>()?;
    Ok(Some(sums.iter().sum::<f64>() / drawn.len() as f64))
}

/// At most `most` row numbers, drawn without replacement.
fn draw(rows: usize, most: usize, seed: u64) -> Vec<usize> {
    if rows <= most {
        return (0..rows).collect();
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    rand::seq::index::sample(&mut random, rows, most).into_vec()
}

/// The silhouettes, added up, of a few rows whose clusters are `own`.
fn of_rows(packed: &Packed<'_>, first: usize, own: &[usize], sizes: &[usize]) -> f64 {
    let rows: Vec<f64> = (first..first + own.len()).flat_map(|row| packed.row(row)).collect();
    let tiles = Tiles::<TOGETHER>::of(&rows, packed.width());
    let mut lengths = vec![Vec::with_capacity(packed.rows() + PANEL); own.len()];
    let mut found = [[0.0; PANEL]; TOGETHER];
    for panel in (0..packed.blocks()).flat_map(|block| packed.block(block).panels()) {
        distances(panel, &tiles, 0, &mut found);
        for (lengths, found) in lengths.iter_mut().zip(&found) {
            lengths.extend(found.map(f32::sqrt));
        }
    }
    lengths.iter().zip(own).map(|(lengths, own)| of_row(lengths, *own, sizes)).sum()
}

/// The silhouette of a row of cluster `own` from its distances to all rows.
fn of_row(lengths: &[f32], own: usize, sizes: &[usize]) -> f64 {
    let (mut within, mut nearest, mut rest) = (0.0, f64::INFINITY, lengths);
    for (cluster, size) in sizes.iter().enumerate() {
        let (lengths, after) = rest.split_at_checked(*size).unwrap_or((rest, &[]));
        rest = after;
        let sum: f64 = lengths.iter().map(|length| f64::from(*length)).sum();
        if cluster != own {
            nearest = nearest.min(sum / *size as f64);
        } else if *size > 1 {
            within = sum / (*size as f64 - 1.0);
        } else {
            return 0.0;
        }
    }
    let larger = within.max(nearest);
    if larger > 0.0 { (nearest - within) / larger } else { 0.0 }
}
