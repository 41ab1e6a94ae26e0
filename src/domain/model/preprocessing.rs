//! From raw features to numbers on one scale.
//!
//! K-means and logistic regression compare columns with each other, so a model picks columns,
//! takes the logarithm of the long-tailed ones, and brings all of them to mean 0 and standard
//! deviation 1. The numbers this needs are fitted once and stored in the model.

use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

use super::{FitError, PredictError};
use crate::dataset::FeatureMatrix;

/// What is done to a column before it is standardised.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transform {
    /// The value itself.
    #[default]
    Identity,
    /// `sign(x) * ln(1 + |x|)`: tames long tails, keeps zero and the sign (net spend can be
    /// negative).
    Log1p,
}

impl Transform {
    /// The transformed value; finite for every finite `value`.
    pub fn apply(self, value: f64) -> f64 {
        match self {
            Self::Identity => value,
            Self::Log1p => value.abs().ln_1p().copysign(value),
        }
    }

    /// The value whose transform is `transformed`.
    pub fn invert(self, transformed: f64) -> f64 {
        match self {
            Self::Identity => transformed,
            Self::Log1p => transformed.abs().exp_m1().copysign(transformed),
        }
    }
}

/// A column that a model uses.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnChoice {
    /// Its name among the features.
    pub name: String,
    /// What is done to it first.
    #[serde(default)]
    pub transform: Transform,
}

/// Chosen columns of a feature matrix, transformed to mean 0 and standard deviation 1.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Standardizer {
    /// All columns of the matrix it was fitted on, in order.
    input: Vec<String>,
    columns: Vec<Column>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Column {
    index: usize,
    name: String,
    transform: Transform,
    mean: f64,
    scale: f64,
    /// The column is 1 where a category has this level and 0 where it has another.
    #[serde(default)]
    level: Option<usize>,
}

impl Standardizer {
    /// Learns mean and population standard deviation of each chosen column after its transform. A
    /// constant column gets scale 1 and so becomes 0. A categorical column becomes one column per
    /// level. Missing values are left out here and count as the mean later.
    ///
    /// # Errors
    /// [`FitError::UnknownColumn`] for a name that the matrix does not have, [`FitError::Setting`]
    /// when no column or one column twice is chosen, [`FitError::TooFew`] without rows.
    pub fn fit(choices: &[ColumnChoice], matrix: &FeatureMatrix) -> Result<Self, FitError> {
        let names: Vec<&str> = choices.iter().map(|choice| choice.name.as_str()).collect();
        let indices = locate_columns(&names, matrix)?;
        if matrix.rows() == 0 {
            return Err(FitError::TooFew { what: "rows", expected: 1, found: 0 });
        }
        let columns = choices.iter().zip(indices);
        Ok(Self {
            input: matrix.columns().to_vec(),
            columns: columns.flat_map(|(choice, at)| Column::fit(choice, at, matrix)).collect(),
        })
    }

    /// Number of standardised columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Names of the standardised columns, in order; `column=level` for a level of a category.
    pub fn column_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Where the standardised columns come from among the columns of the matrix.
    pub(super) fn sources(&self) -> impl Iterator<Item = usize> + '_ {
        self.columns.iter().map(|column| column.index)
    }

    /// Names of all columns of the matrix it was fitted on, in order.
    pub fn input_columns(&self) -> &[String] {
        &self.input
    }

    /// Means of the transformed columns.
    pub fn means(&self) -> impl ExactSizeIterator<Item = f64> {
        self.columns.iter().map(|column| column.mean)
    }

    /// Standard deviations of the transformed columns; 1 for a constant column.
    pub fn scales(&self) -> impl ExactSizeIterator<Item = f64> {
        self.columns.iter().map(|column| column.scale)
    }

    /// Whether `matrix` has exactly the columns of the fit, in the same order.
    ///
    /// # Errors
    /// [`PredictError::Columns`] with the first difference.
    pub fn check(&self, matrix: &FeatureMatrix) -> Result<(), PredictError> {
        check_columns(&self.input, matrix.columns())
    }

    /// The standardised values of one row of the fitted matrix's width; columns beyond the end of
    /// `row` are passed over.
    pub fn transform_row<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        self.columns.iter().filter_map(|column| Some(column.standardize(*row.get(column.index)?)))
    }

    /// The sum of the standardised columns, each times its weight.
    pub(super) fn weighted(&self, weights: &[f64]) -> WeightedSum<'_> {
        let width = self.input.len();
        let mut sum =
            WeightedSum { means: vec![0.0; width], weights: vec![0.0; width], others: Vec::new() };
        for (column, weight) in self.columns.iter().zip(weights) {
            let weight = weight / column.scale;
            let places = (sum.means.get_mut(column.index), sum.weights.get_mut(column.index));
            match places {
                (Some(to_mean), Some(to_weight)) if column.is_plain() => {
                    (*to_mean, *to_weight) = (column.mean, weight);
                }
                _ => sum.others.push((column, weight)),
            }
        }
        sum
    }

    /// All rows, standardised: rows x [`Standardizer::width`] values, row-major.
    ///
    /// # Errors
    /// [`PredictError::Columns`] when the columns are not those of the fit.
    pub fn transform(&self, matrix: &FeatureMatrix) -> Result<Vec<f64>, PredictError> {
        self.check(matrix)?;
        let mut values = Vec::with_capacity(matrix.rows() * self.width());
        for row in matrix.iter_rows() {
            values.extend(self.transform_row(row));
        }
        Ok(values)
    }

    /// A standardised point in raw units, one value per chosen column. The mean of a logarithm
    /// comes back as a geometric mean.
    pub fn invert(&self, point: &[f64]) -> Vec<f64> {
        self.columns.iter().zip(point).map(|(column, value)| column.invert(*value)).collect()
    }

    /// The raw values of the chosen columns in `row`.
    pub fn raw<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        self.columns.iter().filter_map(|column| row.get(column.index).copied().map(f64::from))
    }

    /// A point standardised by `self` on the scale of `other`, or `None` when the two do not use
    /// the same columns and transforms.
    pub(super) fn rescale(&self, point: &[f64], other: &Self) -> Option<Vec<f64>> {
        if self.columns.len() != other.columns.len() {
            return None;
        }
        let columns = self.columns.iter().zip(&other.columns);
        columns
            .zip(point)
            .map(|((from, to), value)| {
                let same = from.name == to.name && from.transform == to.transform;
                same.then(|| (value * from.scale + from.mean - to.mean) / to.scale)
            })
            .collect()
    }

    /// Whether `row` could be a row of the fitted matrix: right width, all values finite.
    pub(super) fn accepts(&self, row: &[f32]) -> bool {
        row.len() == self.input.len() && row.iter().all(|value| value.is_finite())
    }
}

/// A sum over the columns of a row.
pub(super) struct WeightedSum<'a> {
    /// Per column of the matrix, of those whose value it takes as it is.
    means: Vec<f64>,
    /// The same, over the standard deviations; 0 for a column that is not taken.
    weights: Vec<f64>,
    /// The columns that it takes after a transform or by level.
    others: Vec<(&'a Column, f64)>,
}

impl WeightedSum<'_> {
    /// The sum of one row of the fitted matrix's width, in an order that depends on nothing else.
    /// Missing values count as the mean.
    #[inline(always)]
    pub(super) fn of(&self, row: &[f32]) -> f64 {
        const LANES: usize = 4;
        let add = |value: f32, mean: f64, weight: f64| {
            let product = (f64::from(value) - mean) * weight;
            if value.is_nan() { 0.0 } else { product }
        };
        let (values, value_rest) = row.as_chunks::<LANES>();
        let (means, mean_rest) = self.means.as_chunks::<LANES>();
        let (weights, weight_rest) = self.weights.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for ((values, means), weights) in values.iter().zip(means).zip(weights) {
            let lanes = values.iter().zip(means).zip(weights);
            for (sum, ((value, mean), weight)) in sums.iter_mut().zip(lanes) {
                *sum += add(*value, *mean, *weight);
            }
        }
        let [a, b, c, d] = sums;
        let mut sum = (a + b) + (c + d);
        for ((value, mean), weight) in value_rest.iter().zip(mean_rest).zip(weight_rest) {
            sum += add(*value, *mean, *weight);
        }
        for (column, weight) in &self.others {
            let value = row.get(column.index).copied().unwrap_or(f32::NAN);
            if !value.is_nan() {
                sum += (column.value(value) - column.mean) * weight;
            }
        }
        sum
    }

    /// [`Self::of`] for each row of a matrix of the fitted one's width.
    pub(super) fn of_rows(&self, matrix: &FeatureMatrix) -> Vec<f64> {
        let mut sums = vec![0.0; matrix.rows()];
        Arch::new().dispatch(SumRows { sum: self, matrix, sums: &mut sums });
        sums
    }
}

/// [`WeightedSum::of_rows`], compiled for each kind of processor.
struct SumRows<'a> {
    sum: &'a WeightedSum<'a>,
    matrix: &'a FeatureMatrix,
    sums: &'a mut [f64],
}

impl WithSimd for SumRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (sum, row) in self.sums.iter_mut().zip(self.matrix.iter_rows()) {
            *sum = self.sum.of(row);
        }
    }
}

impl Column {
    /// The column of a number, or one per level of a category.
    fn fit(choice: &ColumnChoice, index: usize, matrix: &FeatureMatrix) -> Vec<Self> {
        let column = |name: String, transform, level| {
            let blank = Self { index, name, transform, mean: 0.0, scale: 1.0, level };
            let known = matrix.column(index).filter(|value| !value.is_nan());
            let values: Vec<f64> = known.map(|value| blank.value(value)).collect();
            let (mean, scale) = mean_and_scale(&values);
            Self { mean, scale, ..blank }
        };
        let levels = matrix.levels(index).iter().enumerate();
        let mut columns: Vec<Self> = levels
            .map(|(level, text)| {
                column(format!("{}={text}", choice.name), Transform::Identity, Some(level))
            })
            .collect();
        if columns.is_empty() {
            columns.push(column(choice.name.clone(), choice.transform, None));
        }
        columns
    }

    fn value(&self, value: f32) -> f64 {
        match self.level {
            Some(level) => f64::from(u8::from(f64::from(value) == level as f64)),
            None => self.transform.apply(f64::from(value)),
        }
    }

    fn standardize(&self, value: f32) -> f64 {
        if value.is_nan() { 0.0 } else { (self.value(value) - self.mean) / self.scale }
    }

    /// Whether its value is that of the matrix.
    fn is_plain(&self) -> bool {
        self.level.is_none() && self.transform == Transform::Identity
    }

    fn invert(&self, value: f64) -> f64 {
        self.transform.invert(value * self.scale + self.mean)
    }
}

/// Mean and population standard deviation in two passes. Whether a column is constant is decided
/// by comparing values, because rounding gives a constant column a tiny deviation.
fn mean_and_scale(values: &[f64]) -> (f64, f64) {
    let first = values.first().copied().unwrap_or(0.0);
    if values.iter().all(|value| *value == first) {
        return (first, 1.0);
    }
    let rows = values.len() as f64;
    let mean = values.iter().sum::<f64>() / rows;
    let squares = values.iter().map(|value| (value - mean).powi(2));
    (mean, (squares.sum::<f64>() / rows).sqrt())
}

/// Where the named columns stand in the matrix.
pub(super) fn locate_columns(
    names: &[&str],
    matrix: &FeatureMatrix,
) -> Result<Vec<usize>, FitError> {
    if names.is_empty() {
        return Err(columns_setting("at least one", "none"));
    }
    for (index, name) in names.iter().enumerate() {
        if names.iter().take(index).any(|earlier| earlier == name) {
            return Err(columns_setting("every column once", name));
        }
    }
    let locate = |name: &&str| {
        matrix
            .column_index(name)
            .ok_or_else(|| FitError::UnknownColumn { column: (*name).to_owned() })
    };
    names.iter().map(locate).collect()
}

fn columns_setting(expected: &str, found: &str) -> FitError {
    FitError::Setting { name: "columns", expected: expected.to_owned(), found: found.to_owned() }
}

/// Compares names and order of columns.
pub(super) fn check_columns(expected: &[String], found: &[String]) -> Result<(), PredictError> {
    if expected == found {
        return Ok(());
    }
    let differing = expected.iter().zip(found).position(|(a, b)| a != b);
    let at = differing.unwrap_or(expected.len().min(found.len()));
    let name = |columns: &[String]| -> String {
        columns.get(at).map_or("nothing".to_owned(), Clone::clone)
    };
    Err(PredictError::Columns {
        expected: expected.len(),
        found: found.len(),
        detail: format!("column {at} is {}, expected {}", name(found), name(expected)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(names: &[&str], values: &[f32]) -> FeatureMatrix {
        let columns = names.iter().map(|name| (*name).to_owned()).collect();
        FeatureMatrix::new(columns, values.to_vec()).unwrap()
    }

    fn choice(name: &str, transform: Transform) -> ColumnChoice {
        ColumnChoice { name: name.to_owned(), transform }
    }

    #[test]
    fn columns_get_mean_zero_and_population_deviation_one() {
        let data = matrix(&["a", "b"], &[1.0, 7.0, 3.0, 7.0]);
        let choices = [choice("a", Transform::Identity)];
        let standardizer = Standardizer::fit(&choices, &data).unwrap();
        assert_eq!(standardizer.transform(&data).unwrap(), [-1.0, 1.0]);
        assert_eq!(standardizer.invert(&[0.5]), [2.5]);
    }

    #[test]
    fn constant_column_becomes_exactly_zero_even_when_its_mean_rounds() {
        let data = matrix(&["a"], &[0.1; 7]);
        let standardizer = Standardizer::fit(&[choice("a", Transform::Log1p)], &data).unwrap();
        assert_eq!(standardizer.transform(&data).unwrap(), [0.0; 7]);
    }

    #[test]
    fn a_weighted_sum_is_that_of_the_standardised_values() {
        let names: Vec<String> = (0..7).map(|at| format!("x{at}")).collect();
        let levels = |at| if at == 2 { vec!["no".to_owned(), "yes".to_owned()] } else { vec![] };
        let values = (0..35).map(|i| match i % 7 {
            2 => (i / 7 % 2) as f32,
            _ if i == 15 => f32::NAN,
            _ => (i * i % 23) as f32 - 4.0,
        });
        let levels = (0..7).map(levels).collect();
        let data = FeatureMatrix::coded(names.into(), levels, values.collect()).unwrap();
        // One column is left out, one is a logarithm, one a category.
        let choices = ["x6", "x0", "x2", "x3", "x4", "x1"].map(|name| {
            let is_long_tailed = name == "x3";
            choice(name, if is_long_tailed { Transform::Log1p } else { Transform::Identity })
        });
        let standardizer = Standardizer::fit(&choices, &data).unwrap();
        let weights: Vec<f64> = (0..7).map(|at| 0.3 * f64::from(at) - 1.0).collect();
        let sum = standardizer.weighted(&weights);
        assert_eq!(standardizer.width(), weights.len());
        for row in data.iter_rows() {
            let products = standardizer.transform_row(row).zip(&weights).map(|(x, w)| x * w);
            let expected: f64 = products.sum();
            assert!((sum.of(row) - expected).abs() < 1e-12, "{} {expected}", sum.of(row));
        }
    }

    #[test]
    fn signed_logarithm_and_its_inverse_agree() {
        for value in [-1e9, -3.0, -0.0, 0.0, 1e-9, 12.5, 3e38] {
            let there = Transform::Log1p.apply(value);
            let back = Transform::Log1p.invert(there);
            assert!((back - value).abs() <= 1e-12 * value.abs(), "{value} {back}");
        }
        assert_eq!(Transform::Log1p.apply(-1.0), -Transform::Log1p.apply(1.0));
    }

    #[test]
    fn other_names_another_order_or_width_are_refused() {
        let data = matrix(&["a", "b"], &[1.0, 7.0, 3.0, 7.0]);
        let standardizer = Standardizer::fit(&[choice("a", Transform::Identity)], &data).unwrap();
        for names in [&["b", "a"][..], &["a"], &["a", "b", "c", "d"], &["a", "x"]] {
            let other = matrix(names, &[0.0; 4]);
            let error = standardizer.transform(&other).unwrap_err();
            assert!(matches!(error, PredictError::Columns { expected: 2, .. }));
        }
        let error = standardizer.transform(&matrix(&["b", "a"], &[])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected the 2 columns that the model was fitted on, found 2: \
             column 0 is b, expected a"
        );
    }

    #[test]
    fn choices_are_checked() {
        let data = matrix(&["a", "b"], &[1.0, 7.0]);
        let fit = |names: &[&str]| {
            let choices: Vec<_> = names.iter().map(|n| choice(n, Transform::Identity)).collect();
            Standardizer::fit(&choices, &data).unwrap_err()
        };
        assert!(matches!(fit(&["x"]), FitError::UnknownColumn { column } if column == "x"));
        assert!(matches!(fit(&[]), FitError::Setting { name: "columns", .. }));
        assert!(matches!(fit(&["a", "a"]), FitError::Setting { name: "columns", .. }));
    }

    #[test]
    fn rescaling_changes_the_ruler_and_not_the_point() {
        let old = matrix(&["a"], &[0.0, 2.0]);
        let new = matrix(&["a"], &[10.0, 30.0]);
        let choices = [choice("a", Transform::Identity)];
        let from = Standardizer::fit(&choices, &old).unwrap();
        let to = Standardizer::fit(&choices, &new).unwrap();
        let moved = from.rescale(&[1.0], &to).unwrap();
        assert_eq!(to.invert(&moved), from.invert(&[1.0]));
        let logged = Standardizer::fit(&[choice("a", Transform::Log1p)], &old).unwrap();
        assert_eq!(from.rescale(&[1.0], &logged), None);
    }
}
