//! Partial dependence: how a model's answer moves with one column, all else as it is.
//!
//! For each value of a grid the column is set to it in every row of a sample, and the answers are
//! averaged (Friedman 2001, section 8.2). Where columns move together, some of these rows could
//! not occur: the curve tells what the model does, not what the world would.

use rand::seq::index;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::preprocessing::locate_columns;
use super::{FitError, FitRun};
use crate::dataset::FeatureMatrix;

/// Settings of partial dependence.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PartialDependence {
    /// Most values per column, 2 to 100, at evenly spaced quantiles; equal ones are taken once.
    pub grid: usize,
    /// Most rows to average over, 1 to 100,000, drawn by the run's seed.
    pub rows: usize,
}

/// The curve of one column.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct DependenceCurve {
    /// Name of the column.
    pub column: String,
    /// Its points by rising value; a single one for a constant column, none for one that is
    /// missing everywhere.
    pub points: Vec<DependencePoint>,
    /// Rows averaged over.
    pub rows: usize,
}

/// What the model answers on average when the column has a value.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct DependencePoint {
    /// The value.
    pub value: f32,
    /// Mean answer over the rows.
    pub mean: f64,
}

impl Default for PartialDependence {
    fn default() -> Self {
        Self { grid: 20, rows: 1000 }
    }
}

impl PartialDependence {
    /// Rows between two looks at the cancel.
    const BLOCK: usize = 64;

    /// The curves of the named columns, in their order. `answer` gets one row of the matrix's
    /// width and gives a finite number.
    ///
    /// # Errors
    /// [`FitError::Setting`] for a setting out of range or a column given twice or none at all,
    /// [`FitError::UnknownColumn`], [`FitError::TooFew`] without rows, [`FitError::Algorithm`] for
    /// an answer that is not finite, [`FitError::Cancelled`].
    pub fn curves(
        &self,
        matrix: &FeatureMatrix,
        columns: &[&str],
        answer: impl Fn(&[f32]) -> f64 + Sync,
        run: &FitRun<'_>,
    ) -> Result<Vec<DependenceCurve>, FitError> {
        self.check()?;
        let indices = locate_columns(columns, matrix)?;
        if matrix.rows() == 0 {
            return Err(FitError::TooFew { what: "rows", expected: 1, found: 0 });
        }
        let rows = self.sample(matrix, run);
        let mut curves = Vec::with_capacity(columns.len());
        for (done, (name, index)) in columns.iter().zip(indices).enumerate() {
            run.progress.report("dependence", done as f64 / columns.len() as f64);
            run.check()?;
            let column = Column { matrix, rows: &rows, name, index };
            let grid = column.grid(self.grid);
            let point = |value: f32| column.mean(value, &answer, run);
            let points = grid.into_par_iter().map(point).collect::<Result<_, _>>()?;
            curves.push(DependenceCurve { column: (*name).to_owned(), points, rows: rows.len() });
        }
        run.progress.report("dependence", 1.0);
        Ok(curves)
    }

    fn check(&self) -> Result<(), FitError> {
        for (name, value, least, most) in
            [("grid", self.grid, 2, 100), ("rows", self.rows, 1, 100_000)]
        {
            if !(least..=most).contains(&value) {
                let (expected, found) = (format!("{least} to {most}"), value.to_string());
                return Err(FitError::Setting { name, expected, found });
            }
        }
        Ok(())
    }

    /// Numbers of the rows to average over, rising.
    fn sample(&self, matrix: &FeatureMatrix, run: &FitRun<'_>) -> Vec<usize> {
        if matrix.rows() <= self.rows {
            return (0..matrix.rows()).collect();
        }
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(run.seed);
        let mut rows = index::sample(&mut generator, matrix.rows(), self.rows).into_vec();
        rows.sort_unstable();
        rows
    }
}

impl DependenceCurve {
    /// The distance between the highest and the lowest mean: how much the column can move the
    /// answer.
    pub fn spread(&self) -> f64 {
        let means = || self.points.iter().map(|point| point.mean);
        let highest = means().fold(f64::NEG_INFINITY, f64::max);
        let lowest = means().fold(f64::INFINITY, f64::min);
        if self.points.is_empty() { 0.0 } else { highest - lowest }
    }
}

struct Column<'a> {
    matrix: &'a FeatureMatrix,
    rows: &'a [usize],
    name: &'a str,
    index: usize,
}

impl Column<'_> {
    /// At most `most` different values at evenly spaced quantiles of all rows, both ends included;
    /// missing values left out.
    fn grid(&self, most: usize) -> Vec<f32> {
        let column = self.matrix.column(self.index);
        let mut values: Vec<f32> = column.filter(|value| value.is_finite()).collect();
        values.sort_by(f32::total_cmp);
        let last = values.len().saturating_sub(1);
        let quantile = |step: usize| values.get(step * last / (most - 1)).copied();
        let mut grid: Vec<f32> = (0..most).filter_map(quantile).collect();
        grid.dedup();
        grid
    }

    fn mean(
        &self,
        value: f32,
        answer: &impl Fn(&[f32]) -> f64,
        run: &FitRun<'_>,
    ) -> Result<DependencePoint, FitError> {
        let mut changed = vec![0.0; self.matrix.width()];
        let mut mean = 0.0;
        for block in self.rows.chunks(PartialDependence::BLOCK) {
            run.check()?;
            for row in block {
                changed.copy_from_slice(self.matrix.row(*row));
                if let Some(cell) = changed.get_mut(self.index) {
                    *cell = value;
                }
                let answered = answer(&changed);
                if !answered.is_finite() {
                    return Err(self.not_finite(*row, value, answered));
                }
                mean += answered / self.rows.len() as f64;
            }
        }
        Ok(DependencePoint { value, mean })
    }

    fn not_finite(&self, row: usize, value: f32, answered: f64) -> FitError {
        let name = self.name;
        FitError::Algorithm {
            algorithm: "partial dependence",
            message: format!(
                "row {row} with column {name} set to {value}: expected a finite answer, found \
                 {answered}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CancelToken;

    fn matrix(rows: usize) -> FeatureMatrix {
        let columns = ["a", "b", "constant"].map(str::to_owned);
        let values = (0..rows).flat_map(|row| [row as f32, (row % 7) as f32, 4.0]);
        FeatureMatrix::new(columns.into(), values.collect()).unwrap()
    }

    fn answer(row: &[f32]) -> f64 {
        2.0 * f64::from(row[0]) + f64::from(row[1]).powi(2) + f64::from(row[2])
    }

    #[test]
    fn an_additive_model_shows_each_of_its_terms() {
        let matrix = matrix(70);
        let settings = PartialDependence { grid: 8, rows: 1000 };
        let names = ["b", "constant", "a"];
        let curves = settings.curves(&matrix, &names, answer, &FitRun::quiet(1)).unwrap();
        assert_eq!(curves[0].points.len(), 7);
        for point in &curves[0].points {
            let expected = 2.0 * 34.5 + f64::from(point.value).powi(2) + 4.0;
            assert!((point.mean - expected).abs() < 1e-9, "{point:?}");
        }
        assert!((curves[0].spread() - 36.0).abs() < 1e-9);
        assert_eq!((curves[1].points.len(), curves[1].spread()), (1, 0.0));
        let ends = [curves[2].points[0].value, curves[2].points[7].value];
        assert_eq!((ends, curves[2].rows), ([0.0, 69.0], 70));
    }

    #[test]
    fn the_sample_is_bounded_and_threads_change_nothing() {
        let matrix = matrix(5000);
        let run = |threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let settings = PartialDependence { grid: 10, rows: 500 };
            let curves =
                || settings.curves(&matrix, &["a", "b"], answer, &FitRun::quiet(seed)).unwrap();
            serde_json::to_string(&pool.install(curves)).unwrap()
        };
        let one = run(1, 5);
        assert!(one.contains("\"rows\":500"));
        assert_eq!(one, run(2, 5));
        assert_eq!(one, run(3, 5));
        assert_ne!(one, run(1, 6));
    }

    #[test]
    fn what_cannot_be_answered_is_an_error() {
        let fails = |settings: PartialDependence, rows, column: &str, run: &FitRun<'_>| {
            let answer = |row: &[f32]| if row[1] == 3.0 { f64::NAN } else { 1.0 };
            settings.curves(&matrix(rows), &[column], answer, run).unwrap_err()
        };
        let (settings, run) = (PartialDependence::default(), FitRun::quiet(0));
        assert_eq!(
            fails(settings, 7, "a", &run).to_string(),
            "partial dependence: row 3 with column a set to 0: expected a finite answer, found NaN"
        );
        let narrow = PartialDependence { grid: 1, ..settings };
        assert_eq!(fails(narrow, 7, "a", &run).to_string(), "grid: expected 2 to 100, found 1");
        assert!(matches!(fails(settings, 7, "z", &run), FitError::UnknownColumn { .. }));
        assert!(matches!(fails(settings, 0, "a", &run), FitError::TooFew { .. }));
        let cancel = CancelToken::default();
        cancel.cancel();
        let cancelled = FitRun { cancel, ..FitRun::quiet(0) };
        assert_eq!(fails(settings, 7, "a", &cancelled), FitError::Cancelled);
    }
}
