//! Parting the rows of a node, keeping their order.

use rayon::prelude::*;

use super::binned::Lane;
use super::histogram::BINS;

/// Rows that one task parts.
const BLOCK: usize = 8_192;

/// The codes of one column, and which of them go left.
pub(super) struct Sides<'a> {
    pub(super) lane: Lane<'a>,
    pub(super) left: [bool; BINS],
}

/// Brings the rows that go left to the front and returns their number. `spare` is room for half
/// of them.
pub(super) fn part(
    rows: &mut [u32],
    spare: &mut Vec<u32>,
    sides: &Sides<'_>,
    parallel: bool,
) -> usize {
    if rows.len() <= BLOCK {
        return part_block(rows, sides);
    }
    let lefts: Vec<usize> = if parallel {
        rows.par_chunks_mut(BLOCK).map(|rows| part_block(rows, sides)).collect()
    } else {
        rows.chunks_mut(BLOCK).map(|rows| part_block(rows, sides)).collect()
    };
    let total = lefts.iter().sum();
    join(rows, spare, &lefts, total);
    total
}

/// The same for at most [`BLOCK`] rows. Never inlined: its room would be taken by every caller.
#[inline(never)]
fn part_block(rows: &mut [u32], sides: &Sides<'_>) -> usize {
    let mut high = [0; BLOCK];
    let (mut low_len, mut high_len) = (0, 0);
    for place in 0..rows.len() {
        let row = rows.get(place).copied().unwrap_or_default();
        let code = sides.lane.code(row as usize).unwrap_or(0);
        let left = sides.left.get(usize::from(code)).copied().unwrap_or(false);
        // Both at once, for a wrong guess costs more. What was not meant is written over.
        if let (Some(low), Some(high)) = (rows.get_mut(low_len), high.get_mut(high_len)) {
            (*low, *high) = (row, row);
        }
        low_len += usize::from(left);
        high_len += usize::from(!left);
    }
    let high = high.get(..high_len).unwrap_or_default();
    put(rows.get_mut(low_len..).unwrap_or_default(), high.iter());
    low_len
}

/// Joins blocks that were parted: the smaller side waits in `spare` while the other closes up.
fn join(rows: &mut [u32], spare: &mut Vec<u32>, lefts: &[usize], total: usize) {
    let len = rows.len();
    let blocks = (0..len).step_by(BLOCK).zip(lefts);
    let blocks = blocks.map(|(start, left)| (start, start + left, len.min(start + BLOCK)));
    spare.clear();
    if len - total <= total {
        let mut closed = 0;
        for (start, border, end) in blocks {
            spare.extend(rows.get(border..end).unwrap_or_default());
            rows.copy_within(start..border, closed);
            closed += border - start;
        }
        put(rows.get_mut(total..).unwrap_or_default(), spare.iter());
    } else {
        let mut closed = len;
        for (start, border, end) in blocks.rev() {
            spare.extend(rows.get(start..border).unwrap_or_default().iter().rev());
            closed -= end - border;
            rows.copy_within(border..end, closed);
        }
        put(rows, spare.iter().rev());
    }
}

/// Fills the beginning of `to` and returns the rest.
fn put<'a, 'b>(to: &'a mut [u32], from: impl ExactSizeIterator<Item = &'b u32>) -> &'a mut [u32] {
    let (here, rest) = to.split_at_mut_checked(from.len()).unwrap_or_default();
    for (place, row) in here.iter_mut().zip(from) {
        *place = *row;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FitRun;
    use crate::model::trees::{Binned, Table};

    #[test]
    fn rows_keep_their_order_on_both_sides() {
        for (count, parallel) in
            [(0u32, false), (1, false), (10, true), (50_001, true), (50_001, false)]
        {
            let values: Vec<f32> =
                (0..count).flat_map(|row| [0.0, (row * 31 % 7) as f32, 0.0]).collect();
            let table = Table::new(&values, 3, &[1]).unwrap();
            let binned = Binned::of(&table, 255, &FitRun::quiet(1)).unwrap();
            let mut left = [false; BINS];
            left[2] = true;
            left[5] = true;
            let sides = Sides { lane: binned.lane(1), left };
            let mut rows: Vec<u32> = (0..count).collect();
            let mut spare = Vec::new();
            let total = part(&mut rows, &mut spare, &sides, parallel);
            let goes = |row: &u32| [2, 5].contains(&(row * 31 % 7));
            let (low, high): (Vec<u32>, Vec<u32>) = (0..count).partition(goes);
            assert_eq!(total, low.len());
            assert_eq!(rows, [low, high].concat());
        }
    }
}
