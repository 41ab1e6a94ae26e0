//! Bins of categories.

use std::collections::BTreeMap;

use super::Content;
use super::bins::{Count, Outcomes};

/// One bin per code that weighs at least `least`, by code; then one for all others if there are
/// any.
pub(super) fn bins(codes: &[u32], outcomes: Outcomes<'_>, least: f64) -> Vec<(Content, Count)> {
    let mut counts: BTreeMap<u32, Count> = BTreeMap::new();
    for (row, code) in codes.iter().enumerate() {
        counts.entry(*code).or_default().add(&outcomes.count(row));
    }
    let mut bins = Vec::new();
    let (mut rare, mut pool) = (Vec::new(), Count::default());
    for (code, count) in counts {
        if count.weight() >= least {
            bins.push((Content::Code(code), count));
        } else {
            rare.push(code);
            pool.add(&count);
        }
    }
    if !rare.is_empty() {
        bins.push((Content::Pooled(rare), pool));
    }
    bins
}
