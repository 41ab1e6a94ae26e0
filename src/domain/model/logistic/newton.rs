//! Newton's method with step halving, for no penalty or the squared one.

use super::cholesky::Cholesky;
use super::derivatives::Derivatives;
use super::problem::{Problem, refused};
use super::separation::{NEAR, separation};
use super::{
    ALGORITHM, ARMIJO, Fit, HALVINGS, ROUNDING, Separation, Settings, StandardErrors, conjugate,
    start,
};
use crate::model::{FitError, FitRun};

/// Iterations before a search for separation, whose steps settle in the run-away direction.
const SETTLED: usize = 8;

/// Minimises the loss plus `l2` / 2 |b|^2.
///
/// # Errors
/// When sums overflow or the run was cancelled.
pub(super) fn minimise(
    problem: &Problem<'_>,
    settings: &Settings,
    run: &FitRun<'_>,
) -> Result<Fit, FitError> {
    let mut newton = Newton::new(problem, settings, run)?;
    let outcome = loop {
        if let Some(outcome) = newton.step()? {
            break outcome;
        }
        let iterations = newton.iterations as f64;
        run.progress.report(ALGORITHM, iterations / (iterations + 2.0));
    };
    Ok(newton.into_fit(outcome))
}

/// How the iteration ended.
enum Outcome {
    Converged,
    Separated(Separation),
    /// No step helped, or there were too many.
    Stopped,
}

struct Newton<'a, 'b> {
    problem: &'a Problem<'a>,
    settings: &'a Settings,
    run: &'a FitRun<'b>,
    /// Intercept and coefficients.
    point: Vec<f64>,
    here: Derivatives,
    /// Variables held at 0.
    held: Vec<bool>,
    iterations: usize,
}

impl<'a, 'b> Newton<'a, 'b> {
    fn new(
        problem: &'a Problem<'a>,
        settings: &'a Settings,
        run: &'a FitRun<'b>,
    ) -> Result<Self, FitError> {
        let mut point = start::point(problem, settings.l2, run)?;
        let mut here = Derivatives::at(problem, &point, run)?;
        // What cannot be as good as no slopes at all is a sample that misled.
        if !(here.is_finite() && here.objective(&point, settings.l2) <= start::null_loss(problem)) {
            point = start::null(problem);
            here = Derivatives::at(problem, &point, run)?;
        }
        if !here.is_finite() {
            let remedy = "the sums overflow; standardise the columns and scale the weights down";
            return Err(refused(remedy.to_owned()));
        }
        let held = if settings.l2 > 0.0 { vec![false; point.len()] } else { here.dependent() };
        let moved = |(value, held): (&f64, &bool)| *held && *value != 0.0;
        if point.iter().zip(&held).any(moved) {
            let kept = point.iter().zip(&held);
            point = kept.map(|(value, held)| if *held { 0.0 } else { *value }).collect();
            here = Derivatives::at(problem, &point, run)?;
        }
        Ok(Self { problem, settings, run, point, here, held, iterations: 0 })
    }

    /// One iteration; how it ended if it did.
    fn step(&mut self) -> Result<Option<Outcome>, FitError> {
        let l2 = self.settings.l2;
        let gradient = self.here.penalised_gradient(&self.point, l2);
        let near_zero = self.largest(&gradient) <= self.settings.tolerance;
        if near_zero && l2 > 0.0 {
            return Ok(Some(Outcome::Converged));
        }
        if l2 == 0.0 && separated_at(&self.here, self.problem, &self.point) {
            let found = separation(self.problem, &self.point, true);
            return Ok(Some(Outcome::Separated(found)));
        }
        let Some(direction) = self.direction(&gradient)? else {
            return Ok(Some(Outcome::Stopped));
        };
        if l2 == 0.0 && (near_zero || self.iterations >= SETTLED) {
            let spread = self.problem.spread(&direction, self.run)?;
            if spread.separates() {
                let found = separation(self.problem, &direction, spread.least > 0.0);
                return Ok(Some(Outcome::Separated(found)));
            }
            if near_zero && spread.largest <= NEAR {
                return Ok(Some(Outcome::Converged));
            }
        }
        if self.iterations == self.settings.max_iterations {
            return Ok(Some(Outcome::Stopped));
        }
        self.iterations += 1;
        Ok((!self.advance(&gradient, &direction)?).then_some(Outcome::Stopped))
    }

    /// The Newton step, or `None` where rounding leaves no direction that does not climb.
    fn direction(&self, gradient: &[f64]) -> Result<Option<Vec<f64>>, FitError> {
        let l2 = self.settings.l2;
        let direction = match &self.here {
            Derivatives::Linear(slope) => {
                conjugate::solve((self.problem, slope, l2), gradient, self.run)?
            }
            Derivatives::Dense(moments) => {
                let hessian = moments.penalised_hessian(l2);
                let Some(factors) = Cholesky::new(&hessian, &self.held) else { return Ok(None) };
                factors.solve(gradient)
            }
        };
        let direction: Vec<f64> = direction.into_iter().map(|value| -value).collect();
        let falls = product(gradient, &direction) <= 0.0;
        Ok((falls && direction.iter().all(|value| value.is_finite())).then_some(direction))
    }

    /// Moves along `direction` as far as the objective falls enough; whether it moved.
    fn advance(&mut self, gradient: &[f64], direction: &[f64]) -> Result<bool, FitError> {
        let now = self.here.objective(&self.point, self.settings.l2);
        let slope = product(gradient, direction);
        let mut length = 1.0;
        for _ in 0..HALVINGS {
            let steps = self.point.iter().zip(direction);
            let point: Vec<f64> = steps.map(|(value, step)| value + length * step).collect();
            if point == self.point {
                return Ok(false);
            }
            let there = Derivatives::at(self.problem, &point, self.run)?;
            let value = there.objective(&point, self.settings.l2);
            if there.is_finite() && value <= now + ARMIJO * length * slope + ROUNDING * now.abs() {
                (self.point, self.here) = (point, there);
                return Ok(true);
            }
            length /= 2.0;
        }
        Ok(false)
    }

    /// Largest component of the gradient per unit of weight, without the variables held at 0.
    fn largest(&self, gradient: &[f64]) -> f64 {
        let free = gradient.iter().zip(&self.held).filter(|(_, held)| !**held);
        free.fold(0.0, |most: f64, (value, _)| most.max(value.abs())) / self.problem.total
    }

    fn into_fit(self, outcome: Outcome) -> Fit {
        let gradient = self.here.penalised_gradient(&self.point, self.settings.l2);
        let separation = match outcome {
            Outcome::Separated(ref found) => Some(found.clone()),
            Outcome::Converged | Outcome::Stopped => None,
        };
        let standard_errors = if separation.is_none() { self.standard_errors() } else { None };
        let (intercept, coefficients) =
            self.point.split_first().map_or((0.0, Vec::new()), |(a, b)| (*a, b.to_vec()));
        let columns = self.held.iter().skip(1).enumerate();
        Fit {
            intercept,
            coefficients,
            iterations: self.iterations,
            converged: matches!(outcome, Outcome::Converged),
            gradient: self.largest(&gradient),
            log_likelihood: -self.here.loss(),
            standard_errors,
            collinear: columns.filter(|(_, held)| **held).map(|(index, _)| index).collect(),
            separation,
        }
    }

    fn standard_errors(&self) -> Option<StandardErrors> {
        let Derivatives::Dense(moments) = &self.here else { return None };
        let hessian = moments.penalised_hessian(self.settings.l2);
        let variances = Cholesky::new(&hessian, &self.held)?.inverse_diagonal();
        let deviation = |variance: &Option<f64>| variance.map(f64::sqrt);
        let (intercept, slopes) = variances.split_first()?;
        Some(StandardErrors {
            intercept: deviation(intercept)?,
            coefficients: slopes.iter().map(deviation).collect(),
        })
    }
}

/// Whether every row with weight lies on its side of `point`, by more than rounding.
fn separated_at(here: &Derivatives, problem: &Problem<'_>, point: &[f64]) -> bool {
    here.margin() > 1e-9 * problem.reach(point)
}

fn product(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}
