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

/// Brings the rows that go left to the front and returns their number. `spare` is as long as
/// `rows`.
pub(super) fn part(
    rows: &mut [u32],
    spare: &mut [u32],
    sides: &Sides<'_>,
    parallel: bool,
) -> usize {
    let lefts: Vec<usize> = if parallel && rows.len() >= 2 * BLOCK {
        let blocks = rows.par_chunks(BLOCK).zip(spare.par_chunks_mut(BLOCK));
        blocks.map(|(rows, spare)| part_block(rows, spare, sides)).collect()
    } else {
        let blocks = rows.chunks(BLOCK).zip(spare.chunks_mut(BLOCK));
        blocks.map(|(rows, spare)| part_block(rows, spare, sides)).collect()
    };
    let total = lefts.iter().sum();
    let (mut low, mut high) = rows.split_at_mut_checked(total).unwrap_or_default();
    for (block, left) in spare.chunks(BLOCK).zip(lefts) {
        let (goes_low, goes_high) = block.split_at_checked(left).unwrap_or_default();
        low = put(low, goes_low.iter());
        high = put(high, goes_high.iter().rev());
    }
    total
}

/// Writes the rows that go left from the front of `spare` on, the others from its end back.
fn part_block(rows: &[u32], spare: &mut [u32], sides: &Sides<'_>) -> usize {
    let (mut front, mut back) = (0, rows.len());
    for row in rows {
        let code = sides.lane.code(*row as usize).unwrap_or(0);
        let left = sides.left.get(usize::from(code)).copied().unwrap_or(false);
        back -= usize::from(!left);
        if let Some(place) = spare.get_mut(if left { front } else { back }) {
            *place = *row;
        }
        front += usize::from(left);
    }
    front
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
            let mut spare = vec![0; rows.len()];
            let total = part(&mut rows, &mut spare, &sides, parallel);
            let goes = |row: &u32| [2, 5].contains(&(row * 31 % 7));
            let (low, high): (Vec<u32>, Vec<u32>) = (0..count).partition(goes);
            assert_eq!(total, low.len());
            assert_eq!(rows, [low, high].concat());
        }
    }
}
