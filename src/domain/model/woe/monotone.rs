//! Event rates that only rise or only fall, by pooling adjacent violators (Ayer et al. 1955).

use super::bins::Totals;
use super::numeric::Range;

/// Merges neighbours until the event rate only rises or only falls, whichever keeps more
/// information value; rising if both keep the same.
pub(super) fn monotone(ranges: &[Range], totals: Totals) -> Vec<Range> {
    let rising = pool(ranges, 1.0);
    let falling = pool(ranges, -1.0);
    let information = |ranges: &[Range]| -> f64 {
        ranges.iter().map(|range| totals.evidence(&range.count, ranges.len()).1).sum()
    };
    if information(&falling) > information(&rising) { falling } else { rising }
}

/// Pools until the event rate times `sign` strictly rises.
fn pool(ranges: &[Range], sign: f64) -> Vec<Range> {
    let mut pooled: Vec<Range> = Vec::new();
    for range in ranges {
        let mut range = *range;
        while let Some(last) =
            pooled.pop_if(|last| sign * last.count.rate() >= sign * range.count.rate())
        {
            range = last.with(&range);
        }
        pooled.push(range);
    }
    pooled
}
