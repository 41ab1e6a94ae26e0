//! The nearest centres of a block, looking only at centres that may be nearer.
//!
//! A few rows that lie together, one or more vectors of them, share a gap per group of centres: no
//! row of them is nearer to any of the group than this much beyond the distance to its own centre.
//! Centres move, gaps shrink by as much (the triangle inequality, as in Yinyang k-means by Ding et
//! al. 2015), and a group is looked at only once its gap is gone. Gaps are rounded down: a group
//! that is left out has no centre that would be found as near.

use pulp::{Arch, Simd, WithSimd};

use super::frame::PANEL;
use super::groups::{Groups, MOST_GROUPS};
use super::tile::{Found, Rows, VECTORS, error_bound, scan};

/// What rounding of the gaps' own arithmetic can take away.
const SHRINKAGE: f32 = 1.0 - 2.0 * f32::EPSILON;

/// More than a distance can lose below the smallest number; the largest value of a frame is `2^48`.
const TINY: f32 = 1.0 / (1_u64 << 60) as f32;

/// Rows that share gaps on this machine. It divides [`PANEL`].
pub(super) fn shared_rows() -> usize {
    struct Shared;
    impl WithSimd for Shared {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) -> usize {
            VECTORS * S::F32_LANES
        }
    }
    Arch::new().dispatch(Shared)
}

/// Finds the nearest centre of each row of whole panels; of equals, the first in its groups.
pub(super) struct Skim<'a> {
    pub(super) panels: &'a [f32],
    pub(super) groups: &'a Groups,
    /// The nearest centres in the pass before.
    pub(super) labels: &'a [u32],
    /// By [`shared_rows`] and group; below 0 where nothing is known.
    pub(super) gaps: &'a mut [f32],
    pub(super) found: &'a mut [u32],
}

impl Skim<'_> {
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Skim<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (groups, width) = (self.groups, self.groups.width);
        let mut gaps = self.gaps.chunks_exact_mut(groups.group_moves.len());
        let mut labels = self.labels.chunks(VECTORS * S::F32_LANES);
        let panels = self.panels.chunks_exact(width * PANEL);
        for (panel, found) in panels.zip(self.found.chunks_exact_mut(PANEL)) {
            let vectors = S::as_simd_f32s(panel).0.as_chunks::<VECTORS>().0;
            let found = S::as_mut_simd_u32s(found).0.as_chunks_mut::<VECTORS>().0;
            let count = found.len();
            for (group, found) in found.iter_mut().enumerate() {
                let rows = Rows::<S> { vectors, group, groups: count };
                let gaps = gaps.next().unwrap_or_default();
                shrink(gaps, groups, labels.next().unwrap_or_default());
                *found = skim(simd, rows, groups, gaps);
            }
        }
    }
}

/// Takes the moves of the centres off the gaps.
#[inline(always)]
fn shrink(gaps: &mut [f32], groups: &Groups, labels: &[u32]) {
    let mut own = 0.0_f32;
    for label in labels {
        let moved = groups.moves.get(*label as usize).copied().unwrap_or(f32::INFINITY);
        own = if moved > own { moved } else { own };
    }
    let growth = 1.0 + 4.0 * rounding(groups.width);
    for (gap, moved) in gaps.iter_mut().zip(&groups.group_moves) {
        *gap = (*gap - (moved + own) * growth) * SHRINKAGE;
    }
}

/// Relative error of a distance, with room to spare.
#[inline(always)]
fn rounding(width: usize) -> f32 {
    (width as f32 + 8.0) * f32::EPSILON
}

/// The labels of some rows, by `|c|^2 / 2 - x.c` or, where that could be wrong, by differences.
#[inline(always)]
fn skim<S: Simd>(
    simd: S,
    rows: Rows<'_, S>,
    groups: &Groups,
    gaps: &mut [f32],
) -> [S::u32s; VECTORS] {
    let infinity = simd.splat_f32s(f32::INFINITY);
    let mut best = [Found::none(simd); VECTORS];
    let mut least = [[infinity; VECTORS]; MOST_GROUPS];
    for (group, least) in (0..gaps.len()).zip(&mut least) {
        if gaps.get(group).is_some_and(|gap| *gap <= 0.0) {
            let found = scan::<S, false>(simd, rows, &groups.tiles, groups.tiles_of(group));
            for ((best, least), found) in best.iter_mut().zip(least).zip(found) {
                *best = best.meet(simd, found);
                *least = found.best;
            }
        }
    }
    let bound = simd.splat_f32s(error_bound(groups.width));
    let zero = simd.splat_f32s(0.0);
    let norms = rows.norms(simd);
    let mut upper = norms;
    let mut unsure = simd.splat_u32s(0);
    for ((best, norm), upper) in best.iter().zip(norms).zip(&mut upper) {
        let square = simd.add_f32s(norm, simd.add_f32s(best.best, best.best));
        let square = simd.max_f32s(square, zero);
        let error = simd.mul_f32s(bound, simd.add_f32s(norm, square));
        let close = simd.less_than_or_equal_f32s(simd.sub_f32s(best.second, best.best), error);
        let flags = simd.select_u32s(close, simd.splat_u32s(1), simd.splat_u32s(0));
        unsure = simd.or_u32s(unsure, flags);
        *upper = simd.sqrt_f32s(simd.add_f32s(square, simd.add_f32s(error, error)));
        *upper = simd.mul_f32s(*upper, simd.splat_f32s(1.0 + 4.0 * rounding(groups.width)));
    }
    let mut labels = best.map(|best| best.label);
    if pulp::bytemuck::bytes_of(&unsure).iter().any(|byte| *byte != 0) {
        labels = by_differences(simd, rows, groups, gaps);
    }
    let down = simd.splat_f32s(1.0 - rounding(groups.width));
    for (gap, least) in gaps.iter_mut().zip(&least).filter(|(gap, _)| **gap <= 0.0) {
        let mut narrowest = infinity;
        for ((score, upper), norm) in least.iter().zip(upper).zip(norms) {
            let square = simd.max_f32s(simd.add_f32s(norm, simd.add_f32s(*score, *score)), zero);
            let error = simd.mul_f32s(bound, simd.add_f32s(norm, square));
            let square = simd.sub_f32s(square, simd.add_f32s(error, error));
            let lower = simd.mul_f32s(simd.sqrt_f32s(simd.max_f32s(square, zero)), down);
            narrowest = simd.min_f32s(narrowest, simd.sub_f32s(lower, upper));
        }
        *gap = simd.reduce_min_f32s(narrowest) * SHRINKAGE - TINY;
    }
    labels
}

#[inline(always)]
fn by_differences<S: Simd>(
    simd: S,
    rows: Rows<'_, S>,
    groups: &Groups,
    gaps: &[f32],
) -> [S::u32s; VECTORS] {
    let mut best = [Found::none(simd); VECTORS];
    for (group, _) in gaps.iter().enumerate().filter(|(_, gap)| **gap <= 0.0) {
        let found = scan::<S, true>(simd, rows, &groups.tiles, groups.tiles_of(group));
        for (best, found) in best.iter_mut().zip(found) {
            *best = best.meet(simd, found);
        }
    }
    best.map(|best| best.label)
}
