//! K-means: groups of rows around centres, by Euclidean distance.
//!
//! Lloyd's algorithm (Lloyd 1982) over f32 rows with exact f64 sums, started by k-means++ (Arthur
//! and Vassilvitskii 2007), or mini-batches (Sculley 2010) when there are very many rows. Work is
//! cut into blocks of a fixed number of rows and reduced in their order: the same rows, settings
//! and seed give the same bytes at any number of threads. Threads are those of the current rayon
//! pool.
//!
//! With more than 32 clusters, groups of neighbouring centres are passed over while the triangle
//! inequality shows that none of them can be nearest (Ding et al. 2015): the answers are the same.
//!
//! How near: the nearest centre is found in f32 by `|c|^2 / 2 - x.c` around an origin inside the
//! data; where the two best are closer than the error bound of that formula, by `sum (x - c)^2`.
//! So an offset of the columns does not hurt; what remains is the rounding of a coordinate,
//! 6e-8 of its distance to the origin. Inertia and reported distances are f64 on the given rows.

mod assign;
mod farthest;
mod frame;
mod groups;
mod lloyd;
mod mini_batch;
mod packed;
mod points;
mod seeding;
mod skim;
mod starts;
mod sums;
#[cfg(test)]
mod tests;
mod tile;

pub use self::assign::{Assignment, assign};
pub use self::points::Points;
pub use self::starts::{fit, fit_from};

use serde::{Deserialize, Serialize};

use crate::model::FitError;

/// How the starting centres are drawn.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seeding {
    /// A row with a probability in proportion to its squared distance to the centres so far
    /// (Arthur and Vassilvitskii 2007).
    PlusPlus,
    /// The same for `2 + ln(clusters)` candidates, of which the one is kept that lowers the
    /// inertia most, as in scikit-learn.
    #[default]
    GreedyPlusPlus,
}

/// Settings of a fit.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Settings {
    /// Number of clusters, 1 to 65,536.
    pub clusters: usize,
    /// How the starting centres are drawn.
    pub seeding: Seeding,
    /// Starts to try, at least 1; the one with the smallest inertia is kept, the first on a tie.
    pub starts: usize,
    /// Most passes over the rows of one start, at least 1.
    pub max_iterations: usize,
    /// A start has converged when no row changes its cluster, or when the sum of the squared
    /// moves of the centres is at most this times the mean variance of the columns. At least 0;
    /// 0 leaves only the first. As in scikit-learn.
    pub tolerance: f64,
    /// Rows of a mini-batch, at least 1; `None` for full passes, except beyond
    /// [`Settings::MOST_FULL_ROWS`] rows, where batches of [`Settings::BATCH`] are taken.
    pub mini_batch: Option<usize>,
}

impl Settings {
    /// Rows beyond which mini-batches are used unasked.
    pub const MOST_FULL_ROWS: usize = 20_000_000;

    /// Rows of a mini-batch where none were set.
    pub const BATCH: usize = 16_384;

    /// Most clusters of a fit.
    pub const MOST_CLUSTERS: usize = 65_536;

    /// Greedy k-means++, 3 starts of at most 300 passes, tolerance 1e-4, full passes up to
    /// [`Settings::MOST_FULL_ROWS`].
    pub fn new(clusters: usize) -> Self {
        Self {
            clusters,
            seeding: Seeding::default(),
            starts: 3,
            max_iterations: 300,
            tolerance: 1e-4,
            mini_batch: None,
        }
    }

    fn check(&self) -> Result<(), FitError> {
        let range = |name, least: usize, most: usize, found: usize| {
            if (least..=most).contains(&found) {
                return Ok(());
            }
            let expected = format!("{least} to {most}");
            Err(FitError::Setting { name, expected, found: found.to_string() })
        };
        range("clusters", 1, Self::MOST_CLUSTERS, self.clusters)?;
        range("starts", 1, 10_000, self.starts)?;
        range("max_iterations", 1, 1_000_000, self.max_iterations)?;
        range("mini_batch", 1, 1 << 24, self.mini_batch.unwrap_or(1))?;
        if self.tolerance.is_finite() && self.tolerance >= 0.0 {
            return Ok(());
        }
        Err(FitError::Setting {
            name: "tolerance",
            expected: "a number, at least 0".to_owned(),
            found: self.tolerance.to_string(),
        })
    }

    /// Rows of a mini-batch, if batches are to be used for so many rows.
    fn batch(&self, rows: usize) -> Option<usize> {
        let unasked = (rows > Self::MOST_FULL_ROWS).then_some(Self::BATCH);
        self.mini_batch.or(unasked)
    }
}

/// A fitted clustering.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Fit {
    /// Clusters x width, row-major, in the units of the rows.
    pub centres: Vec<f64>,
    /// Sum of weight times squared distance to the nearest centre, over all rows.
    pub inertia: f64,
    /// Passes over the rows, or mini-batches, of the start that was kept.
    pub iterations: usize,
    /// Whether that start met its tolerance before it ran out of iterations. Mini-batches: whether
    /// their inertia had stopped to improve.
    pub converged: bool,
    /// Rows of each cluster, weight or not. One can be 0 only with fewer different rows than
    /// clusters.
    pub counts: Vec<u64>,
    /// The nearest centre of each row, the first on a tie.
    pub labels: Vec<u32>,
}
