//! The best starting states for given smoothing parameters: one pass over the data and a small
//! system of equations, with sizes that the compiler knows. This is where the time of a fit goes.
#![expect(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "places in arrays of a known size, below the number of states, which is checked"
)]

use pulp::{Arch, Simd, WithSimd};

use super::{LONGEST, Parameters, RIDGE};

/// Errors with every starting state at 0, and what one unit of a state adds to them.
#[derive(Debug, Default)]
pub(super) struct Responses {
    base: Vec<f64>,
    season: Vec<f64>,
    slope: Vec<f64>,
}

/// Sums of products of errors.
struct Squares {
    base: f64,
    slope: f64,
    slope_base: f64,
}

/// The best starting states.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// The seasonal ones (with the level in them), then the slope; the rest is 0.
    pub(super) states: [f64; LONGEST + 1],
    /// Sum of squared errors that they leave; `f64::MAX` when there is no telling.
    pub(super) error: f64,
}

/// Finds the start for values with a season of `length`, at most [`LONGEST`].
pub(super) fn best(
    responses: &mut Responses,
    values: &[f64],
    length: usize,
    parameters: &Parameters,
) -> Start {
    let length = length.min(LONGEST);
    Arch::new().dispatch(Search { responses, values, length, parameters })
}

struct Search<'a> {
    responses: &'a mut Responses,
    values: &'a [f64],
    length: usize,
    parameters: &'a Parameters,
}

impl WithSimd for Search<'_> {
    type Output = Start;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Start {
        match self.length {
            ..8 => self.at::<8>(),
            8..16 => self.at::<16>(),
            _ => self.at::<32>(),
        }
    }
}

impl Search<'_> {
    /// With room for `N` states, more than there are in a season.
    #[inline(always)]
    fn at<const N: usize>(self) -> Start {
        let Self { responses, values, length, parameters } = self;
        let squares = responses.run::<N>(values, length, parameters);
        let Responses { base, season, slope } = &*responses;
        let early = &season[..values.len()];
        let mut system = System::<N> { rows: [[0.0; N]; N], right: [0.0; N] };
        // Along a diagonal each product lacks one more term at the end of the data.
        let mut products = lagged::<N>(early, season);
        let mut latest = [[0.0; N]; 2];
        for (place, response) in latest.as_flattened_mut().iter_mut().zip(early.iter().rev()) {
            *place = *response;
        }
        for row in 0..length {
            let (end, before) = (latest[0][row], latest.as_flattened()[row..].first_chunk::<N>());
            system.rows[row][row..length].copy_from_slice(&products[..length - row]);
            for lag in 0..N {
                products[lag] -= end * before.map_or(0.0, |before| before[lag]);
            }
        }
        let against = lagged::<N>(early, base);
        for state in 0..length {
            system.right[state] = -against[state];
        }
        let mut size = length;
        if parameters.phi > 0.0 {
            size += 1;
            let with_slope = lagged::<N>(early, slope);
            for state in 0..length {
                system.rows[state][length] = with_slope[state];
            }
            system.rows[length][length] = squares.slope;
            system.right[length] = -squares.slope_base;
        }
        let right = system.right;
        let mut start = Start { states: [0.0; LONGEST + 1], error: f64::MAX };
        let Some(states) = system.solve(size) else { return start };
        let mut error = squares.base;
        for state in 0..size {
            start.states[state] = states[state];
            error -= states[state] * right[state];
        }
        if error.is_finite() {
            start.error = error.max(0.0);
        }
        start
    }
}

impl Responses {
    /// The errors of each kind, and `N` zeros.
    #[inline(always)]
    fn run<const N: usize>(
        &mut self,
        values: &[f64],
        length: usize,
        parameters: &Parameters,
    ) -> Squares {
        let Parameters { alpha, beta, gamma, phi } = *parameters;
        // Data, response to a seasonal state, response to the slope, unused.
        let mut ring = [[0.0; 4]; LONGEST];
        ring[0][1] = 1.0;
        // Level and slope at the next period, and the slope once more damped.
        let mut level = [values.first().copied().unwrap_or_default(), 0.0, phi, 0.0];
        let mut slope = [0.0, 0.0, phi, 0.0];
        let (to_level, to_slope) = (alpha + phi * beta, phi * beta);
        let mut squares = Squares { base: 0.0, slope: 0.0, slope_base: 0.0 };
        let count = values.len();
        for series in [&mut self.base, &mut self.season, &mut self.slope] {
            series.resize(count + N, 0.0);
            series[count..].fill(0.0);
        }
        let series = (&mut self.base[..count], &mut self.season[..count], &mut self.slope[..count]);
        for start in (0..count).step_by(length.max(1)) {
            for at in start..count.min(start + length) {
                let (value, state) = (&values[at], &mut ring[at - start]);
                let seen = [*value, 0.0, 0.0, 0.0];
                let mut error = [0.0; 4];
                for lane in 0..4 {
                    error[lane] = seen[lane] - state[lane] - level[lane];
                    state[lane] += gamma * error[lane];
                    let damped = phi * slope[lane];
                    level[lane] += damped + to_level * error[lane];
                    slope[lane] = damped + to_slope * error[lane];
                }
                [series.0[at], series.1[at], series.2[at], _] = error;
                squares.base += error[0] * error[0];
                squares.slope += error[2] * error[2];
                squares.slope_base += error[2] * error[0];
            }
        }
        squares
    }
}

/// For each lag below `N` the sum of products of `early` and what comes so much later in `series`,
/// which is at least `N - 1` longer.
#[inline(always)]
fn lagged<const N: usize>(early: &[f64], series: &[f64]) -> [f64; N] {
    let mut sums = [0.0; N];
    for (at, early) in early.iter().enumerate() {
        let Some(later) = series.get(at..).and_then(<[f64]>::first_chunk::<N>) else { break };
        for lag in 0..N {
            sums[lag] += early * later[lag];
        }
    }
    sums
}

/// A symmetric system of equations with room for `N` unknowns.
struct System<const N: usize> {
    /// The upper triangle counts.
    rows: [[f64; N]; N],
    right: [f64; N],
}

impl<const N: usize> System<N> {
    /// The first `size` unknowns, or `None` when the matrix is not positive definite. [`RIDGE`] times
    /// its first element is added to the diagonal.
    #[inline(always)]
    fn solve(&mut self, size: usize) -> Option<[f64; N]> {
        let ridge = RIDGE * self.rows[0][0];
        for place in 0..size {
            self.rows[place][place] += ridge;
        }
        let mut inverses = [0.0; N];
        for place in 0..size {
            let row = self.rows[place];
            let pivot = row[place];
            if pivot.is_nan() || pivot <= 0.0 {
                return None;
            }
            let (inverse, known) = (1.0 / pivot, self.right[place]);
            inverses[place] = inverse;
            for below in place + 1..size {
                let factor = row[below] * inverse;
                self.right[below] -= factor * known;
                for column in 0..N {
                    self.rows[below][column] -= factor * row[column];
                }
            }
        }
        let mut states = self.right;
        for place in (0..size).rev() {
            states[place] *= inverses[place];
            let state = states[place];
            for above in 0..place {
                states[above] -= self.rows[above][place] * state;
            }
        }
        Some(states)
    }
}
