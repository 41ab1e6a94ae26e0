//! One pass over a tile of rows while it stays in the first cache: linear predictor, link, and
//! the weighted moments X'WX, X'W1 and X'r, by explicit vector instructions.
//!
//! The right side of the product is X in panels of one or two vectors; the left side is wX in
//! groups of four columns, and [w | r]. The inner loop keeps 4 x 2 vectors in registers; 4 x 3 made
//! the compiler spill and were slower.

use pulp::{Simd, WithSimd};

use super::link::link;

/// Rows of a tile.
pub(super) const TILE: usize = 64;

/// Columns of the left side that are multiplied at once.
const GROUP: usize = 4;

/// Vectors of the widest panel.
const PANEL: usize = 2;

/// Most lanes of any vector of doubles.
const LANES: usize = 8;

/// Buffers of one thread.
#[derive(Debug)]
pub(super) struct Scratch {
    panels: Vec<f64>,
    groups: Vec<f64>,
    weighted: [[f64; 2]; TILE],
    lanes: Vec<f64>,
    predictor: [f64; TILE],
    curvature: [f64; TILE],
    residual: [f64; TILE],
    loss: [f64; TILE],
}

impl Scratch {
    pub(super) fn new(width: usize) -> Self {
        Self {
            panels: vec![0.0; stride(width) * TILE],
            groups: vec![0.0; width.next_multiple_of(GROUP) * TILE],
            weighted: [[0.0; 2]; TILE],
            lanes: vec![0.0; TILE * LANES],
            predictor: [0.0; TILE],
            curvature: [0.0; TILE],
            residual: [0.0; TILE],
            loss: [0.0; TILE],
        }
    }
}

/// Sums over rows.
#[derive(Debug)]
pub(super) struct Sums {
    /// X'WX, row-major, a row of `stride(width)` per column. Only the upper triangle is right.
    pub(super) moments: Vec<f64>,
    /// X'W1 and X'r: two rows.
    pub(super) weighted: Vec<f64>,
    pub(super) loss: f64,
    pub(super) curvature: f64,
    pub(super) residual: f64,
    /// Smallest margin of a row that has weight.
    pub(super) margin: f64,
}

impl Sums {
    pub(super) fn new(width: usize) -> Self {
        let moments = vec![0.0; width.next_multiple_of(GROUP) * stride(width)];
        let weighted = vec![0.0; 2 * stride(width)];
        Self { moments, weighted, loss: 0.0, curvature: 0.0, residual: 0.0, margin: f64::INFINITY }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.moments.iter_mut().zip(&other.moments).for_each(|(to, from)| *to += from);
        self.weighted.iter_mut().zip(&other.weighted).for_each(|(to, from)| *to += from);
        self.loss += other.loss;
        self.curvature += other.curvature;
        self.residual += other.residual;
        self.margin = self.margin.min(other.margin);
    }
}

/// Doubles in a row of the moments.
pub(super) fn stride(width: usize) -> usize {
    // A panel may be cut short, but not within a vector.
    width.next_multiple_of(LANES)
}

/// Adds at most [`TILE`] rows to `sums`.
pub(super) struct Tile<'a> {
    pub(super) rows: &'a [f32],
    pub(super) width: usize,
    pub(super) target: &'a [bool],
    pub(super) weights: Option<&'a [f64]>,
    pub(super) intercept: f64,
    /// Padded with zeros to `stride(width)`.
    pub(super) slopes: &'a [f64],
    pub(super) scratch: &'a mut Scratch,
    pub(super) sums: &'a mut Sums,
}

impl WithSimd for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        self.pack_panels::<S>();
        self.predict(simd);
        self.link();
        self.pack_groups();
        self.multiply(simd);
    }
}

impl Tile<'_> {
    #[inline(always)]
    fn pack_panels<S: Simd>(&mut self) {
        let (rows, width) = (self.rows, self.width);
        let mut first = 0;
        for panel in self.scratch.panels.chunks_mut(PANEL * S::F64_LANES * TILE) {
            match width.saturating_sub(first).div_ceil(S::F64_LANES) {
                0 => {}
                1 => pack_panel::<S, 1>(rows, width, first, panel),
                _ => pack_panel::<S, PANEL>(rows, width, first, panel),
            }
            first += PANEL * S::F64_LANES;
        }
    }

    #[inline(always)]
    fn predict<S: Simd>(&mut self, simd: S) {
        let (lanes, _) = S::as_mut_simd_f64s(&mut self.scratch.lanes);
        lanes.iter_mut().for_each(|lane| *lane = simd.splat_f64s(0.0));
        let panels = self.scratch.panels.chunks(PANEL * S::F64_LANES * TILE);
        let used = self.slopes.get(..self.width.next_multiple_of(S::F64_LANES)).unwrap_or_default();
        for (slopes, panel) in used.chunks(PANEL * S::F64_LANES).zip(panels) {
            let (slopes, _) = S::as_simd_f64s(slopes);
            let (panel, _) = S::as_simd_f64s(panel);
            match slopes {
                [a] => predict_panel(simd, [*a], panel, lanes),
                [a, b] => predict_panel(simd, [*a, *b], panel, lanes),
                _ => {}
            }
        }
        for (eta, lane) in self.scratch.predictor.iter_mut().zip(lanes) {
            *eta = self.intercept + simd.reduce_sum_f64s(*lane);
        }
    }

    #[inline(always)]
    fn link(&mut self) {
        let scratch = &mut *self.scratch;
        let derivatives = scratch.residual.iter_mut().zip(&mut scratch.curvature);
        let outputs = derivatives.zip(&mut scratch.loss).zip(&mut scratch.predictor);
        for ((((residual, curvature), loss), eta), event) in outputs.zip(self.target) {
            let sign = if *event { 1.0 } else { -1.0 };
            *eta *= sign;
            let at = link(*eta, sign);
            (*residual, *curvature, *loss) = (at.residual, at.curvature, at.loss);
        }
        if let Some(weights) = self.weights {
            let derivatives = scratch.residual.iter_mut().zip(&mut scratch.curvature);
            let outputs = derivatives.zip(&mut scratch.loss).zip(&mut scratch.predictor);
            for ((((residual, curvature), loss), margin), weight) in outputs.zip(weights) {
                *residual *= weight;
                *curvature *= weight;
                *loss *= weight;
                *margin = if *weight > 0.0 { *margin } else { f64::INFINITY };
            }
        }
        let count = self.target.len();
        self.sums.residual += sum(scratch.residual.get(..count));
        self.sums.curvature += sum(scratch.curvature.get(..count));
        self.sums.loss += sum(scratch.loss.get(..count));
        let margins = scratch.predictor.iter().take(count);
        self.sums.margin = margins.fold(self.sums.margin, |least, margin| least.min(*margin));
    }

    #[inline(always)]
    fn pack_groups(&mut self) {
        let scratch = &mut *self.scratch;
        let mut first = 0;
        for group in scratch.groups.chunks_exact_mut(GROUP * TILE) {
            let (slots, _) = group.as_chunks_mut::<GROUP>();
            let rows = self.rows.chunks_exact(self.width).zip(&scratch.curvature);
            for (slot, (row, curvature)) in slots.iter_mut().zip(rows) {
                let rest = row.get(first..).unwrap_or_default();
                if let Some(full) = rest.first_chunk::<GROUP>() {
                    *slot = full.map(|value| f64::from(value) * curvature);
                } else {
                    let rest = rest.iter().map(|value| f64::from(*value) * curvature);
                    slot.iter_mut().zip(rest).for_each(|(to, from)| *to = from);
                }
            }
            first += GROUP;
        }
        let derivatives = scratch.curvature.iter().zip(&scratch.residual);
        for (slot, (curvature, residual)) in scratch.weighted.iter_mut().zip(derivatives) {
            *slot = [*curvature, *residual];
        }
    }

    #[inline(always)]
    fn multiply<S: Simd>(&mut self, simd: S) {
        let (count, stride) = (self.target.len(), stride(self.width));
        let groups = self.scratch.groups.chunks_exact(GROUP * TILE);
        let blocks = self.sums.moments.chunks_exact_mut(GROUP * stride);
        let panels = self.scratch.panels.as_slice();
        for ((index, group), block) in groups.enumerate().zip(blocks) {
            let (group, _) = group.as_chunks::<GROUP>();
            let group = group.get(..count).unwrap_or_default();
            let place = Place { width: self.width, stride, from: index * GROUP };
            multiply_panels(simd, group, panels, (place, block));
        }
        let group = self.scratch.weighted.get(..count).unwrap_or_default();
        let place = Place { width: self.width, stride, from: 0 };
        multiply_panels(simd, group, panels, (place, &mut self.sums.weighted));
    }
}

/// Where products go.
#[derive(Clone, Copy)]
struct Place {
    /// Columns that are used of a row.
    width: usize,
    /// Doubles in a row.
    stride: usize,
    /// Columns before this one may be left out.
    from: usize,
}

#[inline(always)]
fn pack_panel<S: Simd, const N: usize>(
    rows: &[f32],
    width: usize,
    first: usize,
    panel: &mut [f64],
) {
    let slots = panel.chunks_exact_mut(N * S::F64_LANES);
    for (slot, row) in slots.zip(rows.chunks_exact(width)) {
        let full = row.get(first..first + N * S::F64_LANES);
        let row = full.unwrap_or_else(|| row.get(first..).unwrap_or_default());
        // Four at once: one by one is not made vector code.
        let (fours, _) = row.as_chunks::<4>();
        let (slots, _) = slot.as_chunks_mut::<4>();
        for (to, from) in slots.iter_mut().zip(fours) {
            *to = from.map(f64::from);
        }
        let done = fours.len() * 4;
        let rest = row.iter().skip(done);
        slot.iter_mut().skip(done).zip(rest).for_each(|(to, from)| *to = f64::from(*from));
    }
}

#[inline(always)]
fn predict_panel<S: Simd, const N: usize>(
    simd: S,
    slopes: [S::f64s; N],
    panel: &[S::f64s],
    lanes: &mut [S::f64s],
) {
    let (panel, _) = panel.as_chunks::<N>();
    for (lane, values) in lanes.iter_mut().zip(panel) {
        for (value, slope) in values.iter().zip(slopes) {
            *lane = simd.mul_add_e_f64s(*value, slope, *lane);
        }
    }
}

/// Adds the products of `group` and every panel to the rows of `block`.
#[inline(always)]
fn multiply_panels<S: Simd, const M: usize>(
    simd: S,
    group: &[[f64; M]],
    panels: &[f64],
    (place, block): (Place, &mut [f64]),
) {
    let mut first = 0;
    for panel in panels.chunks(PANEL * S::F64_LANES * TILE) {
        let end = first + PANEL * S::F64_LANES;
        if end > place.from {
            let (panel, _) = S::as_simd_f64s(panel);
            match place.width.saturating_sub(first).div_ceil(S::F64_LANES) {
                0 => {}
                1 => multiply_panel::<S, M, 1>(simd, group, panel, (place, first, block)),
                _ => multiply_panel::<S, M, PANEL>(simd, group, panel, (place, first, block)),
            }
        }
        first = end;
    }
}

/// Adds the products of `group` and one panel to the rows of the block, at column `first`.
#[inline(always)]
fn multiply_panel<S: Simd, const M: usize, const N: usize>(
    simd: S,
    group: &[[f64; M]],
    panel: &[S::f64s],
    (place, first, block): (Place, usize, &mut [f64]),
) {
    let (panel, _) = panel.as_chunks::<N>();
    let mut sums = [[simd.splat_f64s(0.0); N]; M];
    for (left, right) in group.iter().zip(panel) {
        for (row, value) in sums.iter_mut().zip(left) {
            let value = simd.splat_f64s(*value);
            for (cell, other) in row.iter_mut().zip(right) {
                *cell = simd.mul_add_e_f64s(value, *other, *cell);
            }
        }
    }
    for (row, sums) in block.chunks_exact_mut(place.stride).zip(sums) {
        let (cells, _) = S::as_mut_simd_f64s(row.get_mut(first..).unwrap_or_default());
        for (cell, sum) in cells.iter_mut().zip(sums) {
            *cell = simd.add_f64s(*cell, sum);
        }
    }
}

/// Sum in four interleaved parts, so that it becomes vector code.
#[inline(always)]
fn sum(values: Option<&[f64]>) -> f64 {
    let (chunks, rest) = values.unwrap_or_default().as_chunks::<4>();
    let mut parts = [0.0; 4];
    for chunk in chunks {
        parts.iter_mut().zip(chunk).for_each(|(part, value)| *part += value);
    }
    parts.iter().chain(rest).sum()
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, Scalar, Scalar128b, Scalar256b, Scalar512b, WithSimd};

    use super::{Scratch, Sums, TILE, Tile, stride};

    #[test]
    fn vectors_of_any_length_agree() {
        for (rows, width) in [(TILE, 1), (1, 5), (63, 7), (TILE, 16), (10, 19), (TILE, 33)] {
            let values: Vec<f32> = (0..rows * width).map(|i| (i as f32 * 0.37).sin()).collect();
            let target: Vec<bool> = (0..rows).map(|i| i % 3 == 0).collect();
            let weights: Vec<f64> = (0..rows).map(|i| ((i + 1) % 5) as f64).collect();
            let mut slopes: Vec<f64> = (0..width).map(|i| (i as f64).cos()).collect();
            slopes.resize(stride(width), 0.0);
            let sums = |kernel: &dyn Fn(Tile<'_>)| {
                let (mut scratch, mut sums) = (Scratch::new(width), Sums::new(width));
                let weights = Some(&weights[..]);
                kernel(Tile {
                    rows: &values,
                    width,
                    target: &target,
                    weights,
                    intercept: 0.25,
                    slopes: &slopes,
                    scratch: &mut scratch,
                    sums: &mut sums,
                });
                sums
            };
            let plain = sums(&|tile| tile.with_simd(Scalar));
            for other in [
                sums(&|tile| tile.with_simd(Scalar128b)),
                sums(&|tile| tile.with_simd(Scalar256b)),
                sums(&|tile| tile.with_simd(Scalar512b)),
                sums(&|tile| Arch::new().dispatch(tile)),
            ] {
                let near = |a: f64, b: f64| (a - b).abs() < 1e-12 * (1.0 + a.abs());
                assert!(near(plain.loss, other.loss) && near(plain.margin, other.margin));
                assert!(near(plain.curvature, other.curvature));
                assert!(near(plain.residual, other.residual));
                let mut pairs = plain.weighted.iter().zip(&other.weighted);
                assert!(pairs.all(|(a, b)| near(*a, *b)));
                let stride = stride(width);
                let cells = |sums: &Sums| -> Vec<f64> {
                    let rows = sums.moments.chunks(stride).enumerate().take(width);
                    rows.flat_map(|(row, cells)| cells[row..].to_vec()).collect()
                };
                let (plain, other) = (cells(&plain), cells(&other));
                assert!(plain.iter().zip(&other).all(|(a, b)| near(*a, *b)), "{rows} {width}");
            }
        }
    }
}
