//! Logistic regression on two columns and a constant: what every recalibration of scores is.

/// One row of the regression.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogisticRow {
    /// First column.
    pub(crate) first: f64,
    /// Second column.
    pub(crate) second: f64,
    /// Outcome, 0 to 1; may lie between.
    pub(crate) target: f64,
    /// How much the row counts, 0 or more.
    pub(crate) weight: f64,
}

/// `P(event) = 1 / (1 + exp(-(first x1 + second x2 + constant)))`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LogisticCurve {
    /// Coefficient of the first column.
    pub(crate) first: f64,
    /// Coefficient of the second column.
    pub(crate) second: f64,
    /// The intercept.
    pub(crate) constant: f64,
}

/// Searches the curve of largest likelihood, without a penalty, by Newton's method with
/// backtracking. The caller drives it step by step, so that it can stop in between:
/// `while search.step() {}`.
///
/// A column of zeros gets the coefficient 0; among columns that cannot be told apart the first
/// gets all.
#[derive(Debug)]
pub(crate) struct LogisticSearch<'a> {
    rows: &'a [LogisticRow],
    /// Powers of two that bring each column to about 1: exact, and no square overflows.
    scale: (f64, f64),
    at: LogisticCurve,
    state: Moments,
    /// Columns that could be told apart at the start.
    rank: u8,
    steps_left: u32,
    converged: bool,
}

impl<'a> LogisticSearch<'a> {
    const MOST_STEPS: u32 = 60;
    /// The fit has converged when no coefficient moves by more than this share of the largest.
    /// Coefficients of outcomes that a column separates grow by about the same at every step, so
    /// they never get there.
    const SHORTEST_MOVE: f64 = 1e-9;
    const SHORTEST_STEP: f64 = 1e-10;

    /// A search over `rows` of finite values that starts at the share of events.
    pub(crate) fn new(rows: &'a [LogisticRow]) -> Self {
        let first = rows.iter().fold(0.0f64, |largest, row| largest.max(row.first.abs()));
        let second = rows.iter().fold(0.0f64, |largest, row| largest.max(row.second.abs()));
        let scale = (scale_of(first), scale_of(second));
        let weight: f64 = rows.iter().map(|row| row.weight).sum();
        let events: f64 = rows.iter().map(|row| row.weight * row.target).sum();
        let constant = (events / (weight - events)).ln();
        let constant = if constant.is_finite() { constant } else { 0.0 };
        let at = LogisticCurve { constant, ..LogisticCurve::default() };
        let state = Moments::of(rows, scale, at);
        let (_, rank) = state.newton_step();
        Self { rows, scale, at, state, rank, steps_left: Self::MOST_STEPS, converged: false }
    }

    /// One step; false when the search is over.
    pub(crate) fn step(&mut self) -> bool {
        if self.steps_left == 0 || self.converged {
            return false;
        }
        self.steps_left -= 1;
        let (change, rank) = self.state.newton_step();
        if rank == 0 || rank < self.rank {
            // The weights of separated rows have vanished.
            return false;
        }
        if change.largest() <= Self::SHORTEST_MOVE * (1.0 + self.at.largest()) {
            self.at = self.at.plus(change, 1.0);
            self.converged = true;
            return false;
        }
        self.backtrack(change)
    }

    /// The curve found, and whether the search came to rest there.
    pub(crate) fn finish(self) -> (LogisticCurve, bool) {
        let curve = LogisticCurve {
            first: self.at.first * self.scale.0,
            second: self.at.second * self.scale.1,
            constant: self.at.constant,
        };
        let finite = [curve.first, curve.second, curve.constant].iter().all(|x| x.is_finite());
        (curve, self.converged && finite)
    }

    /// Halves the step until the loss falls enough (Armijo's rule, with room for rounding).
    fn backtrack(&mut self, change: LogisticCurve) -> bool {
        let slope = self.state.slope(change);
        let room = 1e-13 * self.state.loss.abs();
        let mut length = 1.0;
        while length >= Self::SHORTEST_STEP {
            let at = self.at.plus(change, length);
            let state = Moments::of(self.rows, self.scale, at);
            if state.loss <= self.state.loss + 1e-4 * length * slope + room {
                (self.at, self.state) = (at, state);
                return true;
            }
            length /= 2.0;
        }
        false
    }
}

impl LogisticCurve {
    fn plus(self, other: Self, length: f64) -> Self {
        Self {
            first: self.first + length * other.first,
            second: self.second + length * other.second,
            constant: self.constant + length * other.constant,
        }
    }

    fn largest(self) -> f64 {
        self.first.abs().max(self.second.abs()).max(self.constant.abs())
    }
}

/// Loss, gradient and Hessian at a point; index 0 is the constant.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    loss: f64,
    g0: f64,
    g1: f64,
    g2: f64,
    h00: f64,
    h10: f64,
    h11: f64,
    h20: f64,
    h21: f64,
    h22: f64,
}

impl Moments {
    fn of(rows: &[LogisticRow], scale: (f64, f64), at: LogisticCurve) -> Self {
        let mut sum = Self::default();
        for row in rows {
            sum.add(row, (row.first * scale.0, row.second * scale.1), at);
        }
        sum
    }

    #[inline]
    fn add(&mut self, row: &LogisticRow, (x1, x2): (f64, f64), at: LogisticCurve) {
        let z = at.first * x1 + at.second * x2 + at.constant;
        let e = (-z.abs()).exp();
        let (likely, unlikely) = (1.0 / (1.0 + e), e / (1.0 + e));
        let (p, q) = if z >= 0.0 { (likely, unlikely) } else { (unlikely, likely) };
        // ln(1 + exp(z)) - target z, in the form that neither overflows nor cancels.
        let past = if z >= 0.0 { (1.0 - row.target) * z } else { -row.target * z };
        self.loss += row.weight * (past + e.ln_1p());
        // `p - target`, but never 0 by rounding where p is nearly 1.
        let residual = row.weight * ((1.0 - row.target) * p - row.target * q);
        let weight = row.weight * p * q;
        self.g0 += residual;
        self.g1 += residual * x1;
        self.g2 += residual * x2;
        self.h00 += weight;
        self.h10 += weight * x1;
        self.h11 += weight * x1 * x1;
        self.h20 += weight * x2;
        self.h21 += weight * x1 * x2;
        self.h22 += weight * x2 * x2;
    }

    /// `-H^-1 g` by the factors `L D L'`, and how many pivots there were. A pivot lost to rounding
    /// belongs to a column that the others determine: its part of the step is 0.
    fn newton_step(&self) -> (LogisticCurve, u8) {
        let i0 = inverse(self.h00, self.h00);
        let (l10, l20) = (self.h10 * i0, self.h20 * i0);
        let i1 = inverse(self.h11 - l10 * self.h10, self.h11);
        let u21 = self.h21 - l20 * self.h10;
        let l21 = u21 * i1;
        let i2 = inverse(self.h22 - l20 * self.h20 - l21 * u21, self.h22);
        let y1 = self.g1 - l10 * self.g0;
        let y2 = self.g2 - l20 * self.g0 - l21 * y1;
        let second = -y2 * i2;
        let first = -y1 * i1 - l21 * second;
        let constant = -self.g0 * i0 - l10 * first - l20 * second;
        let rank = [i0, i1, i2].iter().map(|inverse| u8::from(*inverse > 0.0)).sum();
        (LogisticCurve { first, second, constant }, rank)
    }

    fn slope(&self, change: LogisticCurve) -> f64 {
        self.g0 * change.constant + self.g1 * change.first + self.g2 * change.second
    }
}

/// `1 / pivot`, or 0 where the pivot is no more than rounding of `size`.
fn inverse(pivot: f64, size: f64) -> f64 {
    if pivot > 1e-13 * size { 1.0 / pivot } else { 0.0 }
}

/// The power of two that brings `largest` between 1 and 2; 1 for a column of zeros.
fn scale_of(largest: f64) -> f64 {
    if largest > 0.0 { (-largest.log2().floor()).clamp(-1000.0, 1000.0).exp2() } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(rows: &[LogisticRow]) -> (LogisticCurve, bool) {
        let mut search = LogisticSearch::new(rows);
        while search.step() {}
        search.finish()
    }

    fn row(first: f64, second: f64, event: bool) -> LogisticRow {
        LogisticRow { first, second, target: f64::from(u8::from(event)), weight: 1.0 }
    }

    #[test]
    fn a_table_of_four_cells_has_its_log_odds() {
        // 3 of 10 at x = 0, 6 of 8 at x = 1: constant ln(3/7), slope ln(3) - ln(3/7).
        let low = (0..10).map(|i| row(0.0, 0.0, i < 3));
        let rows: Vec<_> = low.chain((0..8).map(|i| row(1.0, 0.0, i < 6))).collect();
        let (curve, converged) = fit(&rows);
        assert!(converged);
        assert!((curve.constant - (3.0f64 / 7.0).ln()).abs() < 1e-12, "{curve:?}");
        assert!((curve.first - 7.0f64.ln()).abs() < 1e-12, "{curve:?}");
        assert_eq!(curve.second, 0.0);
    }

    #[test]
    fn a_weight_counts_like_repeated_rows() {
        let weighted = [(0.0, 3.0, true), (0.0, 7.0, false), (1.0, 6.0, true), (1.0, 2.0, false)]
            .map(|(x, weight, event)| LogisticRow { weight, ..row(x * 1e30, -x * 1e30, event) });
        let (curve, converged) = fit(&weighted);
        assert!(converged);
        assert!((curve.first * 1e30 - 7.0f64.ln()).abs() < 1e-10, "{curve:?}");
        assert_eq!(curve.second, 0.0, "the first of two columns that are alike gets all");
    }

    #[test]
    fn separated_outcomes_do_not_converge() {
        for scale in [1e-9, 1.0, 1e30] {
            let rows: Vec<_> = (0..20).map(|i| row(f64::from(i) * scale, 0.0, i >= 10)).collect();
            assert!(!fit(&rows).1, "{scale}");
        }
        // Separated but for ties at one point: the likelihood still has no maximum.
        let tied = [row(0.0, 0.0, false), row(1.0, 0.0, false), row(1.0, 0.0, true)];
        assert!(!fit(&tied).1);
        assert!(!fit(&[]).1);
    }
}
