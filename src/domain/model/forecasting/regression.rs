//! What one series says about the effects of regressors.
//!
//! Regression with exponential smoothing errors (Hyndman, Koehler, Ord and Snyder, "Forecasting
//! with exponential smoothing", 2008, chapter 9):
//!
//! ```text
//! z(t) = l(t-1) + b t + season(t) + x(t)'c + e(t)        l(t) = l(t-1) + alpha e(t)
//! ```
//!
//! z is the logarithm of the values. Where some are zero, their expected values have the logarithm
//! on the right hand side, and z is what Fisher's scoring makes of the values: the working responses
//! of generalised linear models (McCullagh and Nelder, "Generalized linear models", 1989, chapter
//! 2.5). Values of which many are not positive are taken over their mean, and effects add. For
//! a given alpha the errors are linear in everything else, and smoothing a column with alpha tells
//! what it adds to them: least squares on smoothed columns is exact, and only alpha is searched.
//! The season is a Fourier series, so that a holiday is not taken for it.

use serde::{Deserialize, Serialize};

use super::seasonal::{cholesky_solve, dot};

/// Rates of the level that are tried.
const RATES: [f64; 9] = [0.0, 0.03, 0.07, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9];
/// Most harmonics of a season.
const HARMONICS: usize = 6;
/// Fewest values for each parameter of the season.
const VALUES_PER_PARAMETER: usize = 4;
/// Fewest degrees of freedom that a variance is estimated from.
const FEWEST_FREE: usize = 8;
/// Added to the diagonal of the normal equations, as a share of their first element.
const RIDGE: f64 = 1e-8;
/// Rounds of Fisher's scoring, and by how much the last one may still move a logarithm.
const ROUNDS: usize = 25;
const STILL: f64 = 1e-4;
/// Rounds after which the rate of the level stays.
const RATE_ROUNDS: usize = 3;
/// How far the logarithm of an expected value may be from that of the mean.
const SPAN: f64 = 6.0;
/// Share of the positive values that the negative ones may take away.
const TAKEN_AWAY: f64 = 0.05;
/// Variances below this share of the square of z are rounding.
const ROUNDING: f64 = 1e-14;

/// The values as the regression gets them.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) enum Form {
    /// Logarithms: effects multiply. Some values may be zero.
    Logarithmic,
    /// Over the mean of the absolute values: effects add.
    Level {
        /// The mean.
        mean: f64,
    },
}

impl Form {
    pub(super) fn of(values: &[f64]) -> Self {
        let positive = || values.iter().filter(|value| **value > 0.0);
        let (count, given) = (positive().count(), positive().sum::<f64>());
        let taken = given - values.iter().sum::<f64>();
        if 2 * count > values.len() && taken <= TAKEN_AWAY * given {
            return Self::Logarithmic;
        }
        let sum: f64 = values.iter().map(|value| value.abs()).sum();
        let mean = sum / values.len().max(1) as f64;
        Self::Level { mean: if mean > 0.0 { mean } else { 1.0 } }
    }
}

/// The likelihood of the effects, a normal one: its precision matrix and the precision times the
/// estimate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Evidence {
    pub(super) form: Form,
    /// Row by row, symmetric.
    pub(super) precision: Vec<f64>,
    pub(super) weighted: Vec<f64>,
    /// Degrees of freedom of the errors' variance.
    pub(super) freedom: f64,
    /// Share of each column's movement that trend and season leave.
    pub(super) unexplained: Vec<f64>,
}

/// The evidence of `values` about the effects of `width` columns, given row by row from the first
/// value on; `None` when there are too few values.
pub(super) fn evidence(
    values: &[f64],
    rows: &[f64],
    width: usize,
    season_lengths: &[usize],
) -> Option<Evidence> {
    let count = values.len();
    let mut columns = nuisance(count, season_lengths);
    let nuisance = columns.len();
    let freedom = count.checked_sub(nuisance + width).filter(|free| *free >= FEWEST_FREE)? as f64;
    for column in 0..width {
        columns.push(rows.iter().skip(column).step_by(width).take(count).copied().collect());
    }
    let form = Form::of(values);
    let z: Vec<f64> = match form {
        Form::Logarithmic if values.iter().any(|value| *value <= 0.0) => working(values, &columns)?,
        Form::Logarithmic => values.iter().map(|value| value.ln()).collect(),
        Form::Level { mean } => values.iter().map(|value| value / mean).collect(),
    };
    let best = Normal::best(&columns, &z, &RATES)?;
    let squares = best.squares;
    let variance = (best.error / freedom).max(ROUNDING * squares / count as f64);
    let variance = variance.max(f64::MIN_POSITIVE.sqrt());
    let (mut schur, mut right) = best.without_first(nuisance)?;
    let moved = |column: usize| best.cell(nuisance + column, nuisance + column);
    let unexplained = (0..width).map(|column| {
        let left = schur.get(column * width + column).copied().unwrap_or_default();
        if moved(column) > 0.0 { left / moved(column) } else { 0.0 }
    });
    let unexplained = unexplained.collect();
    schur.iter_mut().chain(&mut right).for_each(|value| *value /= variance);
    Some(Evidence { form, precision: schur, weighted: right, freedom, unexplained })
}

/// The working responses of values that may be zero: the logarithm of what is expected, and the
/// error over it.
fn working(values: &[f64], columns: &[Vec<f64>]) -> Option<Vec<f64>> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let middle = mean.ln();
    let respond = |expected: &[f64]| -> Vec<f64> {
        let response = |(value, log): (&f64, &f64)| log + value / log.exp() - 1.0;
        values.iter().zip(expected).map(response).collect()
    };
    let start = |value: &f64| f64::midpoint(value.max(0.0), mean).ln();
    let mut expected: Vec<f64> = values.iter().map(start).collect();
    let mut rates = RATES.to_vec();
    for round in 0..ROUNDS {
        let z = respond(&expected);
        let best = Normal::best(columns, &z, &rates)?;
        if round >= RATE_ROUNDS {
            rates = vec![best.rate];
        }
        let mut moved = 0.0_f64;
        for (log, fitted) in expected.iter_mut().zip(best.fitted(columns, &z)) {
            let fitted = fitted.clamp(middle - SPAN, middle + SPAN);
            moved = moved.max((fitted - *log).abs());
            *log = fitted;
        }
        if moved <= STILL {
            break;
        }
    }
    Some(respond(&expected))
}

/// A level, a line and the harmonics of each season that has two cycles.
fn nuisance(count: usize, season_lengths: &[usize]) -> Vec<Vec<f64>> {
    let share = |t: usize| t as f64 / count.max(1) as f64;
    let mut columns = vec![vec![1.0; count], (0..count).map(share).collect()];
    for length in season_lengths.iter().filter(|length| **length > 1 && count >= 2 * **length) {
        let harmonics = (length / 2).min(HARMONICS).min(count / VALUES_PER_PARAMETER / 2);
        for harmonic in 1..=harmonics {
            let frequency = std::f64::consts::TAU * harmonic as f64 / *length as f64;
            columns.push((0..count).map(|t| (frequency * t as f64).cos()).collect());
            // At half of the length the sine is zero everywhere.
            if 2 * harmonic < *length {
                columns.push((0..count).map(|t| (frequency * t as f64).sin()).collect());
            }
        }
    }
    columns
}

/// The normal equations for one rate.
#[derive(Debug)]
struct Normal {
    rate: f64,
    solution: Vec<f64>,
    size: usize,
    /// Lower triangle, by rows.
    matrix: Vec<f64>,
    right: Vec<f64>,
    squares: f64,
    /// Sum of squared errors.
    error: f64,
}

impl Normal {
    fn new(columns: &[Vec<f64>], z: &[f64], rate: f64) -> Option<Self> {
        let size = columns.len();
        let smoothed: Vec<Vec<f64>> = columns.iter().map(|column| smooth(column, rate)).collect();
        let z = smooth(z, rate);
        let mut matrix = vec![0.0; size * size];
        for (row, (cells, own)) in matrix.chunks_exact_mut(size).zip(&smoothed).enumerate() {
            for (cell, other) in cells.iter_mut().zip(&smoothed).take(row + 1) {
                *cell = dot(own, other);
            }
        }
        let right: Vec<f64> = smoothed.iter().map(|column| dot(column, &z)).collect();
        let mut solution = right.clone();
        let squares = dot(&z, &z);
        if !cholesky_solve(&mut matrix.clone(), &mut solution, RIDGE) {
            return None;
        }
        let error = (squares - dot(&solution, &right)).max(0.0);
        error.is_finite().then_some(Self { rate, solution, size, matrix, right, squares, error })
    }

    /// Those of the rate with the smallest errors.
    fn best(columns: &[Vec<f64>], z: &[f64], rates: &[f64]) -> Option<Self> {
        let all = rates.iter().filter_map(|rate| Self::new(columns, z, *rate));
        all.min_by(|a, b| a.error.total_cmp(&b.error))
    }

    /// What was expected of each value by those before it.
    fn fitted(&self, columns: &[Vec<f64>], z: &[f64]) -> Vec<f64> {
        let mut errors = smooth(z, self.rate);
        for (column, by) in columns.iter().zip(&self.solution) {
            let smoothed = smooth(column, self.rate);
            errors.iter_mut().zip(smoothed).for_each(|(error, x)| *error -= by * x);
        }
        z.iter().zip(errors).map(|(value, error)| value - error).collect()
    }

    fn cell(&self, row: usize, column: usize) -> f64 {
        let (row, column) = (row.max(column), row.min(column));
        self.matrix.get(row * self.size + column).copied().unwrap_or_default()
    }

    /// The equations of the other columns once the first ones are solved for (Schur complement).
    fn without_first(&self, first: usize) -> Option<(Vec<f64>, Vec<f64>)> {
        let width = self.size - first;
        let known: Vec<f64> =
            (0..first * first).map(|at| self.cell(at / first, at % first)).collect();
        let mut schur = Vec::with_capacity(width * width);
        let mut right = Vec::with_capacity(width);
        for row in first..self.size {
            let mut solution: Vec<f64> = (0..first).map(|column| self.cell(row, column)).collect();
            if !cholesky_solve(&mut known.clone(), &mut solution, RIDGE) {
                return None;
            }
            for column in first..self.size {
                let parts = solution.iter().enumerate();
                let explained: f64 = parts.map(|(at, value)| value * self.cell(column, at)).sum();
                schur.push(self.cell(row, column) - explained);
            }
            let explained = dot(&solution, self.right.get(..first).unwrap_or_default());
            right.push(self.right.get(row).copied().unwrap_or_default() - explained);
        }
        Some((schur, right))
    }
}

/// What a column adds to the one-step errors of simple smoothing with a level of zero at the start.
fn smooth(column: &[f64], rate: f64) -> Vec<f64> {
    let mut level = 0.0;
    let error = |value: &f64| {
        let error = value - level;
        level += rate * error;
        error
    };
    column.iter().map(error).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between -1 and 1 that look random (Park and Miller's generator).
    fn noise(state: &mut u64) -> f64 {
        *state = *state * 48_271 % 2_147_483_647;
        *state as f64 / 1_073_741_823.5 - 1.0
    }

    #[test]
    fn effects_without_noise_are_found_exactly() {
        let mut random = 3;
        let rows: Vec<f64> = (0..160).map(|_| noise(&mut random)).collect();
        let values: Vec<f64> = rows
            .chunks_exact(2)
            .enumerate()
            .map(|(t, row)| {
                let season = (t as f64 * std::f64::consts::TAU / 12.0).cos();
                (2.0 + 0.01 * t as f64 + 0.3 * season + 0.5 * row[0] - 1.8 * row[1]).exp()
            })
            .collect();
        let found = evidence(&values, &rows, 2, &[12]).unwrap();
        assert_eq!(found.form, Form::Logarithmic);
        let [a, b, c, d] = found.precision[..] else { unreachable!() };
        let determinant = a * d - b * c;
        let first = (d * found.weighted[0] - b * found.weighted[1]) / determinant;
        let second = (a * found.weighted[1] - c * found.weighted[0]) / determinant;
        assert!((first - 0.5).abs() < 1e-4 && (second + 1.8).abs() < 1e-4, "{first} {second}");
        assert!(found.unexplained.iter().all(|share| (0.5..=1.0).contains(share)));
    }

    #[test]
    fn a_column_that_is_the_season_is_explained_by_it() {
        let rows: Vec<f64> =
            (0..72).map(|t| (f64::from(t) * std::f64::consts::TAU / 12.0).sin()).collect();
        let mut random = 5;
        let values: Vec<f64> = rows.iter().map(|x| 10.0 + x + noise(&mut random)).collect();
        let found = evidence(&values, &rows, 1, &[12]).unwrap();
        assert!(found.unexplained[0] < 1e-6, "{:?}", found.unexplained);
    }

    #[test]
    fn few_values_say_nothing_and_zeros_are_levels() {
        assert_eq!(evidence(&[1.0; 9], &[0.0; 9], 1, &[]), None);
        assert_eq!(Form::of(&[0.0, 4.0]), Form::Level { mean: 2.0 });
        assert_eq!(Form::of(&[0.0]), Form::Level { mean: 1.0 });
    }
}
