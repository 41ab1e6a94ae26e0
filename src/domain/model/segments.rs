//! Segments: groups of customers who buy alike, by k-means.
//!
//! Columns are transformed and standardised, clusters are fitted, and every cluster gets a name
//! from its profile. A retrained model hands its names on, so that "at-risk" means the same
//! customers next month.

mod choice;
mod cluster;
mod linfa_kmeans;
mod lloyd;
mod matching;
mod naming;
mod points;
mod profile;

use serde::{Deserialize, Serialize};

pub use self::choice::{Tried, elbow};

use self::points::Points;
pub(super) use self::profile::median;
use super::preprocessing::{ColumnChoice, Standardizer};
use super::probability::{Contribution, strongest};
use super::{Estimator, FitError, FitRun, Model, PredictError};
use crate::dataset::FeatureMatrix;

/// Who fits the clusters.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentsAlgorithm {
    /// [`crate::model::kmeans`]: Lloyd's algorithm from greedy k-means++ starts.
    #[default]
    KMeans,
    /// The crate linfa-clustering: Lloyd's algorithm from k-means++ starts.
    LinfaKmeans,
}

/// How many clusters there are.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterCount {
    /// This many, 1 to [`SegmentsEstimator::MOST_CLUSTERS`].
    Fixed(usize),
    /// As many as give the best mean silhouette, measured on at most 2,000 rows drawn by the
    /// run's seed; the fewer on a tie.
    Auto {
        /// Fewest to try, at least 2.
        least: usize,
        /// Most to try, at most [`SegmentsEstimator::MOST_CLUSTERS`]; counts beyond the number
        /// of different rows are left out.
        most: usize,
    },
}

/// Settings of a segments model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SegmentsEstimator {
    /// Who fits the clusters.
    pub algorithm: SegmentsAlgorithm,
    /// Columns to use.
    pub columns: Vec<ColumnChoice>,
    /// How many clusters.
    pub clusters: ClusterCount,
    /// Starts to try, at least 1; the one with the smallest inertia is kept.
    pub restarts: usize,
    /// Most iterations of a start, at least 1.
    pub max_iterations: u64,
    /// A start has converged when no centre moves farther than this between two iterations, in
    /// standard deviations. Above 0.
    pub tolerance: f64,
    /// The version before, whose names are handed on to the clusters that lie where its did.
    #[serde(skip)]
    pub previous: Option<SegmentsModel>,
}

/// A fitted segments model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SegmentsModel {
    algorithm: SegmentsAlgorithm,
    standardizer: Standardizer,
    /// Clusters x columns, standardised, row-major.
    centres: Vec<f64>,
    segments: Vec<Segment>,
    inertia: f64,
    silhouette: Option<f64>,
    converged: bool,
    iterations: u64,
    #[serde(default)]
    tried: Vec<Tried>,
}

/// A group of customers.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Segment {
    /// Unique within the model, such as `champions` or `at-risk`.
    pub name: String,
    /// Training rows in it.
    pub size: u64,
    /// Its share of the training rows, 0 to 1.
    pub share: f64,
    /// Its centre in raw units, per chosen column; a geometric mean where a logarithm was taken.
    pub centroid: Vec<f64>,
    /// Medians of its training rows in raw units, per chosen column.
    pub medians: Vec<f64>,
    /// What sets it apart, in plain English.
    pub description: String,
}

/// Where a customer belongs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SegmentAssignment {
    /// Place of the nearest segment in [`SegmentsModel::segments`].
    pub segment: u32,
    /// Euclidean distance to its centre, in standard deviations.
    pub distance: f64,
    /// `(d2 - d1) / d2` of the distances to the nearest and second nearest centre (the simplified
    /// silhouette, Hruschka et al. 2004): 0 between two segments, 1 at a centre. 1 with a single
    /// segment.
    pub confidence: f64,
    /// Distances to all segments, in their order.
    pub distances: Vec<f64>,
}

impl Estimator for SegmentsEstimator {
    type Data = FeatureMatrix;
    type Model = SegmentsModel;

    fn fit(&self, data: &FeatureMatrix, run: &FitRun<'_>) -> Result<SegmentsModel, FitError> {
        self.check()?;
        run.check()?;
        let standardizer = Standardizer::fit(&self.columns, data)?;
        let points = Points::of(&standardizer, data);
        let clustering = run.install(|| cluster::cluster(self, &points, run))?;
        let labels = clustering.labels(&points, run)?;
        let profile = profile::Profile::of(&standardizer, data, &clustering.centres, &labels, run)?;
        let order = matching::order(self.previous.as_ref(), &standardizer, &profile);
        let segments = naming::segments(&standardizer, &profile, &order);
        let centres = order.iter().filter_map(|kept| profile.clusters.get(kept.cluster));
        Ok(SegmentsModel {
            algorithm: self.algorithm,
            centres: centres.flat_map(|cluster| cluster.centre.clone()).collect(),
            standardizer,
            segments,
            inertia: clustering.inertia,
            silhouette: clustering.silhouette,
            converged: clustering.converged,
            iterations: clustering.iterations,
            tried: clustering.tried,
        })
    }
}

impl SegmentsEstimator {
    /// Most clusters: a shop cannot act on more.
    pub const MOST_CLUSTERS: usize = 100;

    fn check(&self) -> Result<(), FitError> {
        let setting = |name, expected: &str, found: String| FitError::Setting {
            name,
            expected: expected.to_owned(),
            found,
        };
        match self.clusters {
            ClusterCount::Fixed(count) if !(1..=Self::MOST_CLUSTERS).contains(&count) => {
                return Err(setting("clusters", "1 to 100", count.to_string()));
            }
            ClusterCount::Auto { least, most }
                if least < 2 || least > most || most > Self::MOST_CLUSTERS =>
            {
                let found = format!("{least} to {most}");
                return Err(setting("clusters", "a range within 2 to 100", found));
            }
            _ => {}
        }
        if self.restarts == 0 {
            return Err(setting("restarts", "at least 1", "0".to_owned()));
        }
        if self.max_iterations == 0 {
            return Err(setting("max_iterations", "at least 1", "0".to_owned()));
        }
        if !(self.tolerance.is_finite() && self.tolerance > 0.0) {
            return Err(setting("tolerance", "above 0", self.tolerance.to_string()));
        }
        Ok(())
    }
}

impl Model for SegmentsModel {
    type Input = FeatureMatrix;
    type Output = SegmentAssignment;

    fn predict(&self, input: &FeatureMatrix) -> Result<Vec<SegmentAssignment>, PredictError> {
        self.standardizer.check(input)?;
        Ok(input.iter_rows().map(|row| self.assign(row)).collect())
    }
}

impl SegmentsModel {
    /// Who fitted it.
    pub fn algorithm(&self) -> SegmentsAlgorithm {
        self.algorithm
    }

    /// Names of the columns in use, in the order of [`Segment::centroid`].
    pub fn column_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.standardizer.column_names()
    }

    /// The mean of all training rows in raw units, per chosen column; a geometric mean where a
    /// logarithm was taken.
    pub fn average(&self) -> Vec<f64> {
        self.standardizer.invert(&vec![0.0; self.standardizer.width()])
    }

    /// The segments; those of the previous version first and in its order, new ones by size.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Sum of squared standardised distances of the training rows to their centres.
    pub fn inertia(&self) -> f64 {
        self.inertia
    }

    /// Mean silhouette of at most 2,000 training rows, -1 to 1; `None` with a single segment.
    pub fn silhouette(&self) -> Option<f64> {
        self.silhouette
    }

    /// How each number of clusters did that was tried, the fewest first; empty for models of older
    /// programs.
    pub fn tried(&self) -> &[Tried] {
        &self.tried
    }

    /// Whether the centres came to rest within the iterations allowed.
    pub fn converged(&self) -> bool {
        self.converged
    }

    /// Iterations of the start that was kept.
    pub fn iterations(&self) -> u64 {
        self.iterations
    }

    /// The answer for a customer without history: the place of the largest segment, and its share
    /// of the training rows.
    pub fn prior(&self) -> (u32, f64) {
        let mut largest = (0, 0.0);
        for (index, segment) in (0..).zip(&self.segments) {
            if segment.share > largest.1 {
                largest = (index, segment.share);
            }
        }
        largest
    }

    /// The columns that keep this row from its segment's centre, at most `top`, as shares of the
    /// squared distance; all of them together add up to 1, or to nothing for a row at the centre.
    ///
    /// Empty for a row that could not come from the fitted matrix (another width, not finite).
    pub fn explain(&self, row: &[f32], top: usize) -> Vec<Contribution> {
        if !self.standardizer.accepts(row) {
            return Vec::new();
        }
        let nearest = self.assign(row).segment as usize;
        let centre = self.centres().nth(nearest).unwrap_or_default();
        let values = self.standardizer.transform_row(row);
        let squares: Vec<f64> = values.zip(centre).map(|(a, b)| (a - b).powi(2)).collect();
        let sum: f64 = squares.iter().sum();
        let names: Vec<&str> = self.column_names().collect();
        let raw: Vec<f64> = self.standardizer.raw(row).collect();
        let named = |(at, square): (usize, f64)| {
            let column = (*names.get(at)?).to_owned();
            let value = *raw.get(at)?;
            Some(Contribution { column, value, level: None, contribution: square / sum })
        };
        strongest(&squares, top).into_iter().filter_map(named).collect()
    }

    /// The centres in standard deviations from the mean of all training rows, in the order of the
    /// segments and of [`SegmentsModel::column_names`].
    pub fn centres(&self) -> std::slice::ChunksExact<'_, f64> {
        self.centres.chunks_exact(self.standardizer.width().max(1))
    }

    fn assign(&self, row: &[f32]) -> SegmentAssignment {
        let point: Vec<f64> = self.standardizer.transform_row(row).collect();
        let distance = |centre| points::squared_distance(&point, centre).sqrt();
        let distances: Vec<f64> = self.centres().map(distance).collect();
        let (mut segment, mut first, mut second) = (0, f64::INFINITY, f64::INFINITY);
        for (index, distance) in (0..).zip(&distances) {
            if *distance < first {
                (segment, first, second) = (index, *distance, first);
            } else if *distance < second {
                second = *distance;
            }
        }
        let confidence = if second == f64::INFINITY {
            1.0
        } else if second > 0.0 {
            (second - first) / second
        } else {
            0.0
        };
        SegmentAssignment { segment, distance: first, confidence, distances }
    }
}
