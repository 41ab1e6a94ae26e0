//! Cholesky factors of a symmetric positive definite matrix, scaled to a unit diagonal so that the
//! units of the columns do not matter.

/// A scaled diagonal below this is a column that the columns before it explain to 12 digits.
const EXPLAINED: f64 = 1e-12;

/// Diagonals to add to a scaled matrix that rounding has made indefinite, least first.
const JITTER: [f64; 7] = [0.0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4];

/// Lower factor L of S A S, where S is diagonal, and which variables were left out.
#[derive(Debug)]
pub(super) struct Cholesky {
    size: usize,
    /// Row-major; the row of a variable that was left out is 0 but for the diagonal.
    lower: Vec<f64>,
    /// Diagonal of S; 0 for a variable that was left out.
    scale: Vec<f64>,
}

impl Cholesky {
    /// Factors `matrix`, row-major. Variables in `left_out` are held at 0.
    ///
    /// `None` when it is indefinite by more than rounding.
    pub(super) fn new(matrix: &[f64], left_out: &[bool]) -> Option<Self> {
        let factor = |jitter: &f64| {
            let mut held = left_out.to_vec();
            factor(matrix, &mut held, *jitter, 1e-15).filter(|_| held == left_out)
        };
        JITTER.iter().find_map(factor)
    }

    /// Marks in `left_out` every variable that is a combination of those before it.
    pub(super) fn mark_dependent(matrix: &[f64], left_out: &mut [bool]) {
        // Never `None`: whatever has no pivot is marked.
        let _ = factor(matrix, left_out, 0.0, EXPLAINED);
    }

    /// x of A x = `right`; 0 where a variable was left out.
    pub(super) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut x: Vec<f64> = right.iter().zip(&self.scale).map(|(b, scale)| b * scale).collect();
        self.forward(&mut x, 0);
        for row in (0..self.size).rev() {
            let line = self.lower.get(row * self.size..).unwrap_or_default();
            let (head, tail) = x.split_at_mut(row);
            if let (Some(value), Some(diagonal)) = (tail.first_mut(), line.get(row)) {
                *value /= diagonal;
                head.iter_mut().zip(line).for_each(|(x, factor)| *x -= factor * *value);
            }
        }
        x.iter().zip(&self.scale).map(|(x, scale)| x * scale).collect()
    }

    /// Diagonal of the inverse; `None` where a variable was left out.
    pub(super) fn inverse_diagonal(&self) -> Vec<Option<f64>> {
        let diagonal = self.scale.iter().enumerate().map(|(index, scale)| {
            let mut unit = vec![0.0; self.size];
            unit.get_mut(index).map(|one| *one = 1.0)?;
            self.forward(&mut unit, index);
            let square: f64 = unit.iter().map(|value| value * value).sum();
            (*scale > 0.0).then_some(square * scale * scale)
        });
        diagonal.collect()
    }

    /// Solves L y = `x` in place; `x` is 0 before `start`.
    fn forward(&self, x: &mut [f64], start: usize) {
        for (row, line) in self.lower.chunks_exact(self.size).enumerate().skip(start) {
            let (head, tail) = x.split_at_mut(row);
            let known = dot(head.get(start..).unwrap_or_default(), line.get(start..row));
            if let (Some(value), Some(diagonal)) = (tail.first_mut(), line.get(row)) {
                *value = (*value - known) / diagonal;
            }
        }
    }
}

/// Factors the scaled matrix plus `jitter`; a variable with a pivot of at most `least` is marked
/// as left out. `None` when a pivot is not a number.
fn factor(matrix: &[f64], left_out: &mut [bool], jitter: f64, least: f64) -> Option<Cholesky> {
    let size = left_out.len();
    let scale: Vec<f64> = matrix
        .iter()
        .step_by(size + 1)
        .zip(left_out.iter())
        .map(|(diagonal, out)| if !out && *diagonal > 0.0 { diagonal.sqrt().recip() } else { 0.0 })
        .collect();
    let mut lower = vec![0.0; size * size];
    let mut scale = scale;
    for row in 0..size {
        let (done, rest) = lower.split_at_mut(row * size);
        let line = rest.get_mut(..size)?;
        let values = matrix.get(row * size..)?;
        let own = *scale.get(row)?;
        for (column, above) in done.chunks_exact(size).enumerate() {
            let (head, tail) = line.split_at_mut(column);
            let other = *scale.get(column)?;
            let known = dot(head, above.get(..column));
            *tail.first_mut()? = (values.get(column)? * own * other - known) / above.get(column)?;
        }
        let square = dot(line.get(..row)?, line.get(..row));
        let pivot = values.get(row)? * own * own + jitter - square;
        if pivot.is_nan() {
            return None;
        }
        if own <= 0.0 || pivot <= least {
            *left_out.get_mut(row)? = true;
            *scale.get_mut(row)? = 0.0;
            line.fill(0.0);
            *line.get_mut(row)? = 1.0;
        } else {
            *line.get_mut(row)? = pivot.sqrt();
        }
    }
    Some(Cholesky { size, lower, scale })
}

/// Sum of products in four interleaved parts.
fn dot(left: &[f64], right: Option<&[f64]>) -> f64 {
    let (left, left_rest) = left.as_chunks::<4>();
    let (right, right_rest) = right.unwrap_or_default().as_chunks::<4>();
    let mut parts = [0.0; 4];
    for (left, right) in left.iter().zip(right) {
        for ((part, left), right) in parts.iter_mut().zip(left).zip(right) {
            *part += left * right;
        }
    }
    let rest: f64 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    parts.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::Cholesky;

    #[test]
    fn solves_whatever_the_units() {
        for unit in [1e-30, 1.0, 1e30] {
            let a = [4.0 * unit * unit, 2.0 * unit, 2.0 * unit, 3.0];
            let cholesky = Cholesky::new(&a, &[false; 2]).unwrap();
            let x = cholesky.solve(&[8.0 * unit, 8.0]);
            // 4 u (u a) + 2 u b = 8 u and 2 (u a) + 3 b = 8.
            assert!((x[0] * unit - 1.0).abs() < 1e-14 && (x[1] - 2.0).abs() < 1e-14, "{x:?}");
            let inverse = cholesky.inverse_diagonal();
            assert!((inverse[0].unwrap() * unit * unit - 0.375).abs() < 1e-15, "{inverse:?}");
            assert!((inverse[1].unwrap() - 0.5).abs() < 1e-15, "{inverse:?}");
        }
    }

    #[test]
    fn dependent_variables_are_the_later_ones() {
        // Columns a, 0, b, a + b with a and b orthonormal.
        let a =
            [1., 0., 0., 1., 0., 0., 0., 0., 0., 0., 1., 1., 1., 0., 1., 2.].map(|v: f64| v * 1e6);
        let mut out = [false; 4];
        Cholesky::mark_dependent(&a, &mut out);
        assert_eq!(out, [false, true, false, true]);
        let cholesky = Cholesky::new(&a, &out).unwrap();
        let x = cholesky.solve(&[2e6, 5.0, 3e6, 7.0]);
        assert!(x.iter().zip([2.0, 0.0, 3.0, 0.0]).all(|(x, e)| (x - e).abs() < 1e-14), "{x:?}");
        assert_eq!(cholesky.inverse_diagonal()[3], None);
        assert!(Cholesky::new(&[1.0, 2.0, 2.0, 1.0], &[false; 2]).is_none());
        // Singular by rounding only: solved with a little on the diagonal.
        assert!(Cholesky::new(&[1.0; 4], &[false; 2]).is_some());
        assert!(Cholesky::new(&[f64::NAN; 4], &[false; 2]).is_none());
    }
}
