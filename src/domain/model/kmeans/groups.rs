//! Centres in groups of neighbours, and how far they moved.

use std::ops::Range;

use super::tile::{CENTRES, SearchTiles};

/// Clusters up to which all are one group: so few are searched faster than gaps are kept.
const UNGROUPED: usize = 32;

/// Most groups.
pub(super) const MOST_GROUPS: usize = 16;

/// The centres of a pass.
pub(super) struct Groups {
    /// Group by group.
    pub(super) tiles: SearchTiles,
    /// Tiles of a group.
    span: usize,
    /// How far each centre has moved since the pass before, rounded up.
    pub(super) moves: Vec<f32>,
    /// The most of each group.
    pub(super) group_moves: Vec<f32>,
    pub(super) width: usize,
    order: Vec<u32>,
    /// Centres as the tiles have them, in their own order.
    rounded: Vec<f32>,
}

impl Groups {
    /// How many groups.
    pub(super) fn count(clusters: usize) -> usize {
        clusters.div_ceil(Self::size(clusters)).max(1)
    }

    fn size(clusters: usize) -> usize {
        let groups = if clusters > UNGROUPED { MOST_GROUPS } else { 1 };
        clusters.div_ceil(groups).next_multiple_of(CENTRES)
    }

    /// Groups anew: the centre farthest from the middle of those that are left, with those nearest
    /// to it.
    pub(super) fn of(centres: &[f64], width: usize) -> Self {
        let clusters = centres.len() / width;
        let (count, size) = (Self::count(clusters), Self::size(clusters));
        let mut left: Vec<u32> = (0..clusters as u32).collect();
        let (mut near, mut order) = (Vec::with_capacity(clusters), Vec::with_capacity(clusters));
        for _ in 0..count {
            sort_by_nearness(centres, width, &left, &mut near);
            let (own, rest) = near.split_at(size.min(near.len()));
            left.clear();
            left.extend(rest.iter().map(|(_, label)| *label));
            left.sort_unstable();
            let first = order.len();
            order.extend(own.iter().map(|(_, label)| *label));
            order.get_mut(first..).unwrap_or_default().sort_unstable();
        }
        Self {
            tiles: SearchTiles::ordered(centres, width, order.iter().copied()),
            span: size / CENTRES,
            moves: vec![0.0; clusters],
            group_moves: vec![0.0; count],
            width,
            order,
            rounded: centres.iter().map(|value| *value as f32).collect(),
        }
    }

    /// Place of each centre when those of a group follow each other.
    pub(super) fn ranks(&self) -> Vec<u32> {
        let mut ranks = vec![0; self.order.len()];
        for (rank, label) in (0..).zip(&self.order) {
            if let Some(place) = ranks.get_mut(*label as usize) {
                *place = rank;
            }
        }
        ranks
    }

    /// Tiles of one group.
    #[inline(always)]
    pub(super) fn tiles_of(&self, group: usize) -> Range<usize> {
        group * self.span..((group + 1) * self.span).min(self.tiles.len())
    }

    /// The same groups with the centres moved.
    pub(super) fn move_to(&mut self, centres: &[f64]) {
        let rounded: Vec<f32> = centres.iter().map(|value| *value as f32).collect();
        let pairs = rounded.chunks_exact(self.width).zip(self.rounded.chunks_exact(self.width));
        for ((new, old), place) in pairs.zip(&mut self.moves) {
            let square = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
            let length = new.iter().zip(old).map(square).sum::<f64>().sqrt();
            *place = (length * (1.0 + 1e-6)) as f32;
        }
        let groups = self.order.chunks(self.span * CENTRES).zip(&mut self.group_moves);
        for (labels, most) in groups {
            let moves = labels.iter().filter_map(|label| self.moves.get(*label as usize));
            *most = moves.fold(0.0, |most, moved| most.max(*moved));
        }
        self.rounded = rounded;
        self.tiles = SearchTiles::ordered(centres, self.width, self.order.iter().copied());
    }
}

/// Puts those that are left into `near`, by their squared distance to the one of them that lies
/// farthest from their middle.
fn sort_by_nearness(centres: &[f64], width: usize, left: &[u32], near: &mut Vec<(f64, u32)>) {
    let centre = |label: u32| {
        let start = label as usize * width;
        centres.get(start..start + width).unwrap_or_default()
    };
    let square = |label: u32, to: &[f64]| -> f64 {
        centre(label).iter().zip(to).map(|(a, b)| (a - b) * (a - b)).sum()
    };
    let mut middle = vec![0.0; width];
    for label in left {
        middle.iter_mut().zip(centre(*label)).for_each(|(sum, value)| *sum += value);
    }
    middle.iter_mut().for_each(|sum| *sum /= left.len() as f64);
    let farthest = left.iter().max_by(|a, b| square(**a, &middle).total_cmp(&square(**b, &middle)));
    let pivot = centre(farthest.copied().unwrap_or(0));
    near.clear();
    near.extend(left.iter().map(|label| (square(*label, pivot), *label)));
    near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
}
