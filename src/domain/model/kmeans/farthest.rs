//! Rows that lie far from their own centre, where an empty cluster may start again.

use super::packed::{Block, Packed};
use crate::model::{FitError, FitRun};

/// A row and its squared distance to its centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Far {
    pub(super) distance: f64,
    pub(super) row: usize,
}

/// At most `most` rows with a weight and a distance above 0, the farthest first, the earlier on a
/// tie. Centres are in the frame of the rows.
pub(super) fn farthest(
    packed: &Packed<'_>,
    centres: &[f64],
    labels: &[u32],
    most: usize,
    run: &FitRun<'_>,
) -> Result<Vec<Far>, FitError> {
    let blocks = packed.map(run, |block| of_block(packed, block, centres, labels, most))?;
    Ok(first(blocks.into_iter().flatten().collect(), most))
}

/// The farthest of `rows`, in order.
pub(super) fn first(mut rows: Vec<Far>, most: usize) -> Vec<Far> {
    rows.sort_by(|a, b| b.distance.total_cmp(&a.distance).then(a.row.cmp(&b.row)));
    rows.truncate(most);
    rows
}

fn of_block(
    packed: &Packed<'_>,
    block: Block<'_>,
    centres: &[f64],
    labels: &[u32],
    most: usize,
) -> Vec<Far> {
    let width = packed.width();
    let labels = labels.iter().skip(block.first).take(block.rows).enumerate();
    let rows =
        labels.filter(|(row, _)| packed.weight(block.first + row) > 0.0).map(|(row, label)| {
            let start = *label as usize * width;
            let centre = centres.get(start..start + width).unwrap_or_default();
            let squares = block.row(row).zip(centre).map(|(x, c)| (x - c) * (x - c));
            Far { distance: squares.sum(), row: block.first + row }
        });
    first(rows.filter(|far| far.distance > 0.0).collect(), most)
}
