//! One pass over the data for several smoothing parameters at once, one in each lane.
#![expect(clippy::indexing_slicing, reason = "lanes are below the length of every array of lanes")]

use pulp::{Arch, Simd, WithSimd};

use super::{State, Trend};

/// Sums of one pass with given alphas. The level starts at the first value; the unknown is what the
/// true start differs from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass<const L: usize> {
    start_start: [f64; L],
    start_drift: [f64; L],
    drift_drift: [f64; L],
    start_error: [f64; L],
    drift_error: [f64; L],
    error_error: [f64; L],
    level: [f64; L],
    decay: [f64; L],
}

/// The unknowns for a given alpha and the sum of squared errors they leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Solution {
    /// What the starting level differs from the first value.
    pub(super) start: f64,
    /// 1 - 1/theta.
    pub(super) weight: f64,
    /// Sum of squared errors.
    pub(super) error: f64,
}

impl<const L: usize> Pass<L> {
    /// Runs over the values; `trends` are those after each of them.
    pub(super) fn run(values: &[f64], trends: &[Trend], alphas: [f64; L]) -> Self {
        Arch::new().dispatch(Run { values, trends, alphas })
    }

    /// Level and decay after the last value, by the alpha of a lane.
    pub(super) fn state(&self, lane: usize) -> State {
        State { level: self.level[lane], decay: self.decay[lane] }
    }

    /// Least squares for the alpha of a lane, with w held within 0 (theta = 1) and 1 (theta without
    /// end).
    pub(super) fn solution(&self, lane: usize) -> Solution {
        let (start_start, start_error) = (self.start_start[lane], self.start_error[lane]);
        let (drift_drift, drift_error) = (self.drift_drift[lane], self.drift_error[lane]);
        let start_drift = self.start_drift[lane];
        let determinant = start_start * drift_drift - start_drift * start_drift;
        let weight = if determinant > 1e-12 * start_start * drift_drift {
            let numerator = start_start * drift_error - start_drift * start_error;
            (numerator / determinant).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let start = if start_start > 0.0 {
            (start_error - weight * start_drift) / start_start
        } else {
            0.0
        };
        let error = self.error_error[lane] - 2.0 * (start * start_error + weight * drift_error)
            + start * start * start_start
            + 2.0 * start * weight * start_drift
            + weight * weight * drift_drift;
        Solution { start, weight, error: error.max(0.0) }
    }
}

struct Run<'a, const L: usize> {
    values: &'a [f64],
    trends: &'a [Trend],
    alphas: [f64; L],
}

impl<const L: usize> WithSimd for Run<'_, L> {
    type Output = Pass<L>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Pass<L> {
        let Self { values, trends, alphas } = self;
        let none = [0.0; L];
        let mut pass = Pass {
            start_start: none,
            start_drift: none,
            drift_drift: none,
            start_error: none,
            drift_error: none,
            error_error: none,
            level: [values.first().copied().unwrap_or_default(); L],
            decay: none,
        };
        let (mut keeps, mut inverses) = (none, none);
        for lane in 0..L {
            keeps[lane] = 1.0 - alphas[lane];
            inverses[lane] = 1.0 / alphas[lane];
        }
        pass.decay = keeps;
        // As in the paper's own code the errors count from the third value on: before that there
        // is no trend to speak of.
        let mut steps = values.iter().skip(1).zip(trends);
        if let Some((value, _)) = steps.next() {
            for lane in 0..L {
                pass.level[lane] += alphas[lane] * (value - pass.level[lane]);
                pass.decay[lane] *= keeps[lane];
            }
        }
        for (value, trend) in steps {
            for lane in 0..L {
                let start = pass.decay[lane];
                let next = start * keeps[lane];
                let drift = start * trend.intercept + (1.0 - next) * inverses[lane] * trend.slope;
                let error = value - pass.level[lane];
                pass.start_start[lane] += start * start;
                pass.start_drift[lane] += start * drift;
                pass.drift_drift[lane] += drift * drift;
                pass.start_error[lane] += start * error;
                pass.drift_error[lane] += drift * error;
                pass.error_error[lane] += error * error;
                pass.level[lane] += alphas[lane] * error;
                pass.decay[lane] = next;
            }
        }
        pass
    }
}
