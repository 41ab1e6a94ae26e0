//! The hot loops: distances of a panel of rows to a tile of centres, in registers.
//!
//! The same code is compiled for each instruction set, AVX-512 among them, and chosen at run time by
//! pulp. A row is one lane all the time, so its arithmetic does not depend on the width of the
//! vectors. Only a machine without fused multiply-add rounds otherwise; its distances differ by 1e-6
//! of themselves.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::frame::{MOST_NORM, PANEL};

/// Vectors of rows in registers.
pub(super) const VECTORS: usize = 3;

/// Centres of a tile of the search for the nearest.
pub(super) const CENTRES: usize = 4;

/// Centres as tiles of `C`: for each column the *negated* values of the tile's centres.
#[derive(Debug)]
pub(super) struct Tiles<const C: usize> {
    width: usize,
    values: Vec<[f32; C]>,
    /// Per tile, half the squared lengths. Infinite where the last tile has no centre.
    half_norms: Vec<[f32; C]>,
    /// Per tile, 0, or infinite where the last tile has no centre.
    zeros: Vec<[f32; C]>,
    /// Per tile, which centres they are.
    labels: Vec<[u32; C]>,
}

impl<const C: usize> Tiles<C> {
    /// Tiles of row-major centres, `width` wide, in the frame of the rows.
    pub(super) fn of(centres: &[f64], width: usize) -> Self {
        Self::ordered(centres, width, 0..(centres.len() / width) as u32)
    }

    /// The same of some of them, in the order of their `labels`.
    pub(super) fn ordered(
        centres: &[f64],
        width: usize,
        labels: impl ExactSizeIterator<Item = u32>,
    ) -> Self {
        let tiles = labels.len().div_ceil(C);
        let mut built = Self {
            width,
            values: vec![[0.0; C]; tiles * width],
            half_norms: vec![[f32::INFINITY; C]; tiles],
            zeros: vec![[f32::INFINITY; C]; tiles],
            labels: vec![[0; C]; tiles],
        };
        for (place, label) in labels.enumerate() {
            let start = label as usize * width;
            let centre = centres.get(start..start + width).unwrap_or_default();
            built.set(place / C, place % C, label, centre);
        }
        built
    }

    /// How many tiles.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    fn set(&mut self, tile: usize, lane: usize, label: u32, centre: &[f64]) {
        let columns = self.values.iter_mut().skip(tile * self.width);
        let mut norm = 0.0;
        for (column, value) in columns.zip(centre) {
            // The length is that of the rounded centre: the tile multiplies with that one.
            let rounded = *value as f32;
            norm += f64::from(rounded) * f64::from(rounded);
            if let Some(place) = column.get_mut(lane) {
                *place = -rounded;
            }
        }
        if let Some(place) = self.half_norms.get_mut(tile).and_then(|norms| norms.get_mut(lane)) {
            *place = (norm / 2.0) as f32;
        }
        if let Some(place) = self.zeros.get_mut(tile).and_then(|zeros| zeros.get_mut(lane)) {
            *place = 0.0;
        }
        if let Some(place) = self.labels.get_mut(tile).and_then(|labels| labels.get_mut(lane)) {
            *place = label;
        }
    }
}

/// Finds the nearest centre of each row of `panels`, the first on a tie. The outputs hold a whole
/// panel each; distances are squared, in the frame's unit, good to the error bound of the search.
/// A row too far out for f32 is infinitely far from every centre.
pub(super) fn nearest(
    panels: &[f32],
    centres: &Tiles<CENTRES>,
    labels: &mut [u32],
    distances: &mut [f32],
) {
    Arch::new().dispatch(Nearest { panels, centres, labels, distances });
}

/// Tiles of the search for the nearest.
pub(super) type SearchTiles = Tiles<CENTRES>;

struct Nearest<'a> {
    panels: &'a [f32],
    centres: &'a Tiles<CENTRES>,
    labels: &'a mut [u32],
    distances: &'a mut [f32],
}

impl WithSimd for Nearest<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let labels = self.labels.chunks_exact_mut(PANEL);
        let outputs = labels.zip(self.distances.chunks_exact_mut(PANEL));
        let panels = self.panels.chunks_exact(self.centres.width * PANEL);
        for (panel, (labels, distances)) in panels.zip(outputs) {
            let vectors = S::as_simd_f32s(panel).0.as_chunks::<VECTORS>().0;
            let labels = S::as_mut_simd_u32s(labels).0.as_chunks_mut::<VECTORS>().0;
            let distances = S::as_mut_simd_f32s(distances).0.as_chunks_mut::<VECTORS>().0;
            let groups = labels.len();
            for (group, (labels, distances)) in labels.iter_mut().zip(distances).enumerate() {
                let rows = Rows::<S> { vectors, group, groups };
                (*labels, *distances) = search(simd, rows, self.centres);
            }
        }
    }
}

/// `VECTORS` vectors of rows of a panel.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, S: Simd> {
    pub(super) vectors: &'a [[S::f32s; VECTORS]],
    pub(super) group: usize,
    pub(super) groups: usize,
}

impl<'a, S: Simd> Rows<'a, S> {
    #[inline(always)]
    fn columns(self) -> impl Iterator<Item = &'a [S::f32s; VECTORS]> {
        self.vectors.iter().skip(self.group).step_by(self.groups)
    }

    /// Squared lengths.
    #[inline(always)]
    pub(super) fn norms(self, simd: S) -> [S::f32s; VECTORS] {
        let mut norms = [simd.splat_f32s(0.0); VECTORS];
        for column in self.columns() {
            for (norm, value) in norms.iter_mut().zip(column) {
                *norm = simd.mul_add_e_f32s(*value, *value, *norm);
            }
        }
        norms
    }
}

/// What was found for one lane of each vector.
#[derive(Clone, Copy)]
pub(super) struct Found<S: Simd> {
    pub(super) best: S::f32s,
    pub(super) second: S::f32s,
    pub(super) label: S::u32s,
}

impl<S: Simd> Found<S> {
    /// Of no centre.
    #[inline(always)]
    pub(super) fn none(simd: S) -> Self {
        let infinity = simd.splat_f32s(f32::INFINITY);
        Self { best: infinity, second: infinity, label: simd.splat_u32s(0) }
    }

    /// Of two centres.
    #[inline(always)]
    fn pair(simd: S, [first, next]: [S::f32s; 2], labels: [u32; 2]) -> Self {
        let nearer = simd.less_than_f32s(next, first);
        let [label, next_label] = labels.map(|label| simd.splat_u32s(label));
        Self {
            best: simd.min_f32s(next, first),
            second: simd.max_f32s(next, first),
            label: simd.select_u32s(nearer, next_label, label),
        }
    }

    /// Of its own centres and later ones.
    #[inline(always)]
    pub(super) fn meet(self, simd: S, later: Self) -> Self {
        let nearer = simd.less_than_f32s(later.best, self.best);
        let loser = simd.max_f32s(later.best, self.best);
        Self {
            best: simd.min_f32s(later.best, self.best),
            second: simd.min_f32s(loser, simd.min_f32s(later.second, self.second)),
            label: simd.select_u32s(nearer, later.label, self.label),
        }
    }
}

type Answers<S> = ([<S as Simd>::u32s; VECTORS], [<S as Simd>::f32s; VECTORS]);

/// Nearest by `|c|^2 / 2 - x.c`; by differences where that could be wrong for one of the rows.
#[inline(always)]
fn search<S: Simd>(simd: S, rows: Rows<'_, S>, centres: &Tiles<CENTRES>) -> Answers<S> {
    let mut found = scan::<S, false>(simd, rows, centres, 0..centres.len());
    let norms = rows.norms(simd);
    let mut unsure = simd.splat_u32s(0);
    let mut distances = norms;
    for ((found, norm), distance) in found.iter().zip(norms).zip(&mut distances) {
        let twice = simd.add_f32s(found.best, found.best);
        *distance = simd.max_f32s(simd.add_f32s(norm, twice), simd.splat_f32s(0.0));
        let bound = simd.splat_f32s(error_bound(centres.width));
        let bound = simd.mul_f32s(bound, simd.add_f32s(norm, *distance));
        let gap = simd.sub_f32s(found.second, found.best);
        let close = simd.less_than_or_equal_f32s(gap, bound);
        let flags = simd.select_u32s(close, simd.splat_u32s(1), simd.splat_u32s(0));
        unsure = simd.or_u32s(unsure, flags);
    }
    let unsure = pulp::bytemuck::bytes_of(&unsure).iter().any(|byte| *byte != 0);
    if unsure {
        found = scan::<S, true>(simd, rows, centres, 0..centres.len());
        distances = found.map(|found| found.best);
    }
    let (most, infinity) = (simd.splat_f32s(MOST_NORM), simd.splat_f32s(f32::INFINITY));
    for (norm, distance) in norms.iter().zip(&mut distances) {
        let near = simd.less_than_f32s(*norm, most);
        *distance = simd.select_f32s(near, *distance, infinity);
    }
    (found.map(|found| found.label), distances)
}

/// How far apart two scores must be, over `|x|^2 + d^2`, to be in a certain order.
///
/// A score takes `width + 1` roundings of at most `u = 2^-24` of `|c|^2 / 2 + |x||c|` (Higham 2002,
/// eq. 3.5). With `|c| <= |x| + d` that is at most `2.5 |x|^2 + 1.5 d^2`; two scores have twice it.
#[inline(always)]
pub(super) fn error_bound(width: usize) -> f32 {
    5.0 * (width as f32 + 2.0) * f32::EPSILON / 2.0
}

/// Best and second best score of each row among some tiles; squared distances where `DIRECT`.
#[inline(always)]
pub(super) fn scan<S: Simd, const DIRECT: bool>(
    simd: S,
    rows: Rows<'_, S>,
    centres: &Tiles<CENTRES>,
    tiles: Range<usize>,
) -> [Found<S>; VECTORS] {
    let infinity = simd.splat_f32s(f32::INFINITY);
    let mut found = [Found::none(simd); VECTORS];
    let starts = if DIRECT { &centres.zeros } else { &centres.half_norms };
    let values = centres.values.get(tiles.start * centres.width..tiles.end * centres.width);
    let values = values.unwrap_or_default().chunks_exact(centres.width);
    let starts = starts.get(tiles.clone()).unwrap_or_default();
    let labels = centres.labels.get(tiles).unwrap_or_default();
    for (tile, (start, [p, q, r, t])) in values.zip(starts.iter().zip(labels)) {
        let scores = scores::<S, CENTRES, DIRECT>(simd, rows, tile, start);
        // One vector of rows after the other: all that is found at once does not fit in registers.
        for (vector, found) in found.iter_mut().enumerate() {
            let [a, b, c, d] = &scores;
            let of = |scores: &[S::f32s; VECTORS]| scores.get(vector).copied().unwrap_or(infinity);
            let pair = Found::pair(simd, [of(a), of(b)], [*p, *q]);
            let other = Found::pair(simd, [of(c), of(d)], [*r, *t]);
            *found = found.meet(simd, pair.meet(simd, other));
        }
    }
    found
}

/// `start` plus, for each centre and row, `sum (x - c)^2` where `DIRECT`, else `-x.c`.
#[inline(always)]
fn scores<S: Simd, const C: usize, const DIRECT: bool>(
    simd: S,
    rows: Rows<'_, S>,
    tile: &[[f32; C]],
    start: &[f32; C],
) -> [[S::f32s; VECTORS]; C] {
    let mut scores = start.map(|start| [simd.splat_f32s(start); VECTORS]);
    for (values, negated) in rows.columns().zip(tile) {
        for (scores, negated) in scores.iter_mut().zip(negated) {
            let negated = simd.splat_f32s(*negated);
            for (score, value) in scores.iter_mut().zip(values) {
                if DIRECT {
                    let difference = simd.add_f32s(*value, negated);
                    *score = simd.mul_add_e_f32s(difference, difference, *score);
                } else {
                    *score = simd.mul_add_e_f32s(*value, negated, *score);
                }
            }
        }
    }
    scores
}

/// Squared distances, by differences, of one panel to one tile of centres: `C` times [`PANEL`].
pub(super) fn distances<const C: usize>(
    panel: &[f32],
    centres: &Tiles<C>,
    tile: usize,
    distances: &mut [[f32; PANEL]; C],
) {
    let start = centres.zeros.get(tile).unwrap_or(&[0.0; C]);
    let values = centres.values.chunks_exact(centres.width).nth(tile).unwrap_or_default();
    Arch::new().dispatch(Distances { panel, values, start, distances });
}

struct Distances<'a, const C: usize> {
    panel: &'a [f32],
    values: &'a [[f32; C]],
    start: &'a [f32; C],
    distances: &'a mut [[f32; PANEL]; C],
}

impl<const C: usize> WithSimd for Distances<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let vectors = S::as_simd_f32s(self.panel).0.as_chunks::<VECTORS>().0;
        let groups = PANEL / (VECTORS * S::F32_LANES);
        for group in 0..groups {
            let rows = Rows::<S> { vectors, group, groups };
            let scores = scores::<S, C, true>(simd, rows, self.values, self.start);
            for (scores, out) in scores.iter().zip(self.distances.iter_mut()) {
                let out = S::as_mut_simd_f32s(out).0.as_chunks_mut::<VECTORS>().0;
                if let Some(place) = out.get_mut(group) {
                    *place = *scores;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kmeans::frame::Frame;
    use crate::model::kmeans::points::Points;
    use pulp::{Scalar, Scalar128b};
    use rand::{Rng, SeedableRng};

    fn random(seed: u64, values: usize) -> Vec<f32> {
        let mut random = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed);
        (0..values).map(|_| random.gen_range(-1.0..1.0)).collect()
    }

    fn square(a: &[f32], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(x, y)| (f64::from(*x) - y).powi(2)).sum()
    }

    /// Rows, centres, and a frame of theirs, of any width and number of centres.
    fn packed(rows: &[f32], width: usize) -> (Frame, Vec<f32>) {
        let largest = rows.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        let frame = Frame::of_points(Points::new(rows, width).unwrap(), largest);
        let mut panels = vec![0.0; rows.len().div_ceil(width * PANEL) * frame.panel_len()];
        frame.pack(rows, &mut panels);
        (frame, panels)
    }

    #[test]
    fn every_width_and_number_of_centres_is_searched_in_full() {
        for (width, clusters) in [(1, 1), (1, 3), (2, 5), (7, 4), (16, 9), (20, 8), (33, 64)] {
            let rows = random(width as u64, 100 * width);
            let centres: Vec<f64> =
                random(99, clusters * width).iter().map(|v| f64::from(*v)).collect();
            let (frame, panels) = packed(&rows, width);
            let tiles = Tiles::of(&frame.place(&centres), width);
            let (mut labels, mut found) = ([7; 3 * PANEL], [0.0; 3 * PANEL]);
            nearest(&panels, &tiles, &mut labels, &mut found);
            let unit = frame.restore(&vec![1.0; width])[0] - frame.restore(&vec![0.0; width])[0];
            for (row, (label, found)) in rows.chunks(width).zip(labels.iter().zip(found)) {
                let own = square(row, &centres[*label as usize * width..][..width]);
                let best = centres.chunks(width).map(|c| square(row, c)).fold(f64::MAX, f64::min);
                assert!(own <= best * (1.0 + 1e-5) + 1e-12, "{width} {clusters} {own} {best}");
                let found = f64::from(found) * unit * unit;
                assert!((found - own).abs() <= 1e-5 * (own + width as f64), "{found} {own}");
            }
        }
    }

    #[test]
    fn groups_far_from_the_origin_are_told_apart_by_differences() {
        // Around 1e4, rows 0.01 apart: the squares of the short formula have steps of 8.
        let mut rows: Vec<f32> = (0..90).map(|row| row as f32 * 0.01).collect();
        rows.extend((0..60).map(|row| 1e4 + row as f32 * 0.01));
        let centres = [0.1, 0.7, 10_000.1, 10_000.4];
        let (frame, panels) = packed(&rows, 1);
        let (mut labels, mut found) = ([0; 4 * PANEL], [0.0; 4 * PANEL]);
        nearest(&panels, &Tiles::of(&frame.place(&centres), 1), &mut labels, &mut found);
        for (row, label) in rows.iter().zip(labels) {
            let own = square(&[*row], &centres[label as usize..][..1]);
            let best = centres.iter().map(|c| square(&[*row], &[*c])).fold(f64::MAX, f64::min);
            assert!(own.sqrt() <= best.sqrt() + 2e-3, "{row} {label}");
        }
    }

    #[test]
    fn equal_centres_give_the_first() {
        let rows = random(3, 96 * 5);
        let centres: Vec<f64> = [0.3; 5].repeat(9);
        let (frame, panels) = packed(&rows, 5);
        let (mut labels, mut found) = ([1; 96], [0.0; 96]);
        nearest(&panels, &Tiles::of(&frame.place(&centres), 5), &mut labels, &mut found);
        assert_eq!(labels, [0; 96]);
    }

    #[test]
    fn instruction_sets_agree() {
        let (width, clusters) = (11, 13);
        let rows = random(5, 480 * width);
        let centres: Vec<f64> = random(6, clusters * width).iter().map(|v| f64::from(*v)).collect();
        let (frame, panels) = packed(&rows, width);
        let tiles = Tiles::of(&frame.place(&centres), width);
        let mut results = Vec::new();
        for way in 0..3 {
            let (mut labels, mut distances) = (vec![0; 480], vec![0.0; 480]);
            let op = Nearest {
                panels: &panels,
                centres: &tiles,
                labels: &mut labels,
                distances: &mut distances,
            };
            match way {
                0 => Arch::new().dispatch(op),
                1 => Scalar.vectorize(op),
                _ => Scalar128b.vectorize(op),
            }
            results.push((labels, distances));
        }
        for (labels, distances) in &results[1..] {
            assert_eq!(*labels, results[0].0);
            for (a, b) in distances.iter().zip(&results[0].1) {
                assert!((a - b).abs() <= 1e-5 * a.max(*b), "{a} {b}");
            }
        }
    }
}
