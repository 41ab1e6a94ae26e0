//! Whether a feature still looks as it did when the model was trained.
//!
//! The population stability index compares the shares of bins: the sum of
//! `(q - p) ln(q / p)` over bins with share `p` in the reference and `q` now (Jeffreys' divergence;
//! Siddiqi 2006 for the name and the limits of 0.1 and 0.25). Without any drift it is not 0 but,
//! by sampling alone, distributed about as `(1/n + 1/m)` times a chi-square with `k - 1` degrees of
//! freedom (Yurdakul 2018): 0.18 on average for ten bins of 100 rows each way. So the noise is
//! added to the limits.

mod reference;

use serde::{Deserialize, Serialize};

pub use self::reference::{BinCounts, ReferenceQuantiles};

/// How far a feature has moved.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftVerdict {
    /// An index of at most 0.1 plus the noise.
    Stable,
    /// At most 0.25 plus the noise.
    Moderate,
    /// More.
    Major,
}

/// One feature now against its reference.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Drift {
    /// The population stability index, 0 or more.
    pub index: f64,
    /// What the index stays below without drift, but for about one case in 700: `(1/n + 1/m)`
    /// times the quantile of chi-square that lies [`Drift::DEVIATIONS`] standard deviations up.
    pub noise: f64,
    /// What the index says beyond its noise.
    pub verdict: DriftVerdict,
    /// Bins with rows in either, missing values among them.
    pub bins: usize,
    /// Rows in the reference.
    pub reference_rows: u64,
    /// Rows now.
    pub current_rows: u64,
    /// Share of missing values in the reference, 0 to 1.
    pub reference_missing: f64,
    /// Share of missing values now, 0 to 1.
    pub current_missing: f64,
}

impl Drift {
    /// Standard deviations of noise that are forgiven, on the scale of the normal distribution.
    pub const DEVIATIONS: f64 = 3.0;
    /// The usual limits of the index.
    pub const LIMITS: (f64, f64) = (0.1, 0.25);

    /// Whether the index is more than sampling explains, however small: 0.14 % of the features
    /// that have not moved are called significant.
    pub fn is_significant(&self) -> bool {
        self.index > self.noise
    }
}

/// The population stability index of `current` against the feature's reference, with its noise.
///
/// Half a row is added to every bin that has rows in either, so that a bin which is new or has
/// emptied counts much but not infinitely. `None` without current rows, and for counts of another
/// reference.
pub fn population_stability_index(
    reference: &ReferenceQuantiles,
    current: &BinCounts,
) -> Option<Drift> {
    let (before, now) = (reference.counts(), current);
    let cells = before.cells().zip(now.cells());
    let cells: Vec<(f64, f64)> = cells
        .filter(|(before, now)| before + now > 0)
        .map(|(before, now)| (before as f64 + 0.5, now as f64 + 0.5))
        .collect();
    if now.rows() == 0 || before.bins() != now.bins() {
        return None;
    }
    let n: f64 = cells.iter().map(|cell| cell.0).sum();
    let m: f64 = cells.iter().map(|cell| cell.1).sum();
    let divergence = |(before, now): &(f64, f64)| {
        let (p, q) = (before / n, now / m);
        (q - p) * (q / p).ln()
    };
    let index = cells.iter().map(divergence).sum::<f64>().max(0.0);
    let (reference_rows, current_rows) = (before.rows(), now.rows());
    let scale = 1.0 / reference_rows as f64 + 1.0 / current_rows as f64;
    let noise = scale * chi_square_quantile(cells.len().saturating_sub(1), Drift::DEVIATIONS);
    Some(Drift {
        index,
        noise,
        verdict: verdict(index - noise),
        bins: cells.len(),
        reference_rows,
        current_rows,
        reference_missing: before.missing_share(),
        current_missing: now.missing_share(),
    })
}

fn verdict(beyond_noise: f64) -> DriftVerdict {
    let (moderate, major) = Drift::LIMITS;
    if beyond_noise <= moderate {
        DriftVerdict::Stable
    } else if beyond_noise <= major {
        DriftVerdict::Moderate
    } else {
        DriftVerdict::Major
    }
}

/// The quantile of chi-square that lies where the normal distribution has `deviations` standard
/// deviations, by the cube root (Wilson and Hilferty 1931). 0 without degrees of freedom.
fn chi_square_quantile(freedom: usize, deviations: f64) -> f64 {
    if freedom == 0 {
        return 0.0;
    }
    let freedom = freedom as f64;
    let spread = 2.0 / (9.0 * freedom);
    freedom * (1.0 - spread + deviations * spread.sqrt()).powi(3)
}

#[cfg(test)]
mod tests;
