//! Proximal Newton for the absolute penalty, alone or with the squared one: coordinate descent on
//! the quadratic model (Friedman, Hastie and Tibshirani 2010), then a line search (Lee, Sun and
//! Saunders 2014).

use rayon::prelude::*;

use super::pass::{Moments, moments};
use super::problem::{Problem, refused};
use super::wide::slope;
use super::{ACTIVE, ALGORITHM, ARMIJO, Fit, HALVINGS, ROUNDING, Settings, start};
use crate::model::{FitError, FitRun};

/// Most sweeps over the coordinates per quadratic model.
const SWEEPS: usize = 1_000;

/// Minimises over all columns at once.
///
/// # Errors
/// When sums overflow or the run was cancelled.
pub(super) fn minimise(
    problem: &Problem<'_>,
    settings: &Settings,
    run: &FitRun<'_>,
) -> Result<Fit, FitError> {
    let mut descent = Descent::new(problem, settings, start::null(problem), run)?;
    descent.run(settings.tolerance)?;
    let Descent { point, here, iterations, .. } = descent;
    let gradient = violation(&point, &here.gradient, settings) / problem.total;
    Ok(finish(&point, here.loss, iterations, (gradient, settings.tolerance)))
}

/// Minimises over the columns that take part, and adds those whose condition fails until none
/// does.
///
/// # Errors
/// When too many columns take part, sums overflow or the run was cancelled.
pub(super) fn minimise_active(
    problem: &Problem<'_>,
    settings: &Settings,
    run: &FitRun<'_>,
) -> Result<Fit, FitError> {
    let mut point = start::null(problem);
    let mut active: Vec<usize> = Vec::new();
    let mut iterations = 0;
    loop {
        let here = slope(problem, &point, run)?;
        let gradient = violation(&point, &here.gradient, settings) / problem.total;
        let added = missing(&active, &here.gradient, settings);
        let left = settings.max_iterations.saturating_sub(iterations);
        if gradient <= settings.tolerance || added.is_empty() || left == 0 {
            return Ok(finish(&point, here.loss, iterations, (gradient, settings.tolerance)));
        }
        active.extend(added);
        active.sort_unstable();
        if active.len() > ACTIVE {
            return Err(refused(format!(
                "more than {ACTIVE} columns take part at l1 = {}; raise l1, or use l2 alone",
                settings.l1
            )));
        }
        let values = gather(problem, &active);
        let narrow = narrow(problem, &values, &active);
        let start = select(&point, &active);
        let settings = Settings { max_iterations: left, ..*settings };
        let mut descent = Descent::new(&narrow, &settings, start, run)?;
        descent.run(settings.tolerance / 2.0)?;
        iterations += descent.iterations;
        spread(&descent.point, &active, &mut point);
    }
}

/// The iteration on one set of columns.
struct Descent<'a, 'b> {
    problem: &'a Problem<'a>,
    settings: &'a Settings,
    run: &'a FitRun<'b>,
    /// Intercept and coefficients.
    point: Vec<f64>,
    here: Moments,
    iterations: usize,
}

impl<'a, 'b> Descent<'a, 'b> {
    fn new(
        problem: &'a Problem<'a>,
        settings: &'a Settings,
        point: Vec<f64>,
        run: &'a FitRun<'b>,
    ) -> Result<Self, FitError> {
        let here = moments(problem, &point, 1, run)?;
        if !here.is_finite() {
            let remedy = "the sums overflow; standardise the columns and scale the weights down";
            return Err(refused(remedy.to_owned()));
        }
        Ok(Self { problem, settings, run, point, here, iterations: 0 })
    }

    /// Iterates until the conditions hold to `tolerance`, no step helps or there were too many.
    fn run(&mut self, tolerance: f64) -> Result<(), FitError> {
        let enough = tolerance * self.problem.total;
        while self.iterations < self.settings.max_iterations {
            let violation = violation(&self.point, &self.here.gradient, self.settings);
            if violation <= enough {
                break;
            }
            self.iterations += 1;
            let aim = (violation * 1e-3).max(enough * 0.1);
            let step = self.coordinate_descent(aim)?;
            if !self.advance(&step)? {
                break;
            }
            let iterations = self.iterations as f64;
            self.run.progress.report(ALGORITHM, iterations / (iterations + 2.0));
        }
        Ok(())
    }

    /// The step to the minimum of the quadratic model plus penalties: sweeps over all variables,
    /// and between them over those that are not 0.
    fn coordinate_descent(&self, aim: f64) -> Result<Vec<f64>, FitError> {
        let hessian = self.here.penalised_hessian(self.settings.l2);
        let mut model = Model {
            hessian: &hessian,
            gradient: penalised_gradient(&self.point, &self.here.gradient, self.settings.l2),
            point: self.point.clone(),
            l1: self.settings.l1,
        };
        let mut full = true;
        for _ in 0..SWEEPS {
            self.run.check()?;
            let change = model.sweep(full);
            if change <= aim && full {
                break;
            }
            full = change <= aim;
        }
        Ok(model.point.iter().zip(&self.point).map(|(to, from)| to - from).collect())
    }

    /// Moves along `step` as far as the objective falls enough; whether it moved.
    fn advance(&mut self, step: &[f64]) -> Result<bool, FitError> {
        let now = objective(&self.point, self.here.loss, self.settings);
        let gradient = penalised_gradient(&self.point, &self.here.gradient, self.settings.l2);
        let linear: f64 = gradient.iter().zip(step).map(|(slope, step)| slope * step).sum();
        let whole: Vec<f64> = self.point.iter().zip(step).map(|(from, by)| from + by).collect();
        let fall = linear + self.settings.l1 * (absolute(&whole) - absolute(&self.point));
        let mut length = 1.0;
        for _ in 0..HALVINGS {
            let steps = self.point.iter().zip(step);
            let point: Vec<f64> = steps.map(|(value, step)| value + length * step).collect();
            if point == self.point {
                return Ok(false);
            }
            let there = moments(self.problem, &point, 1, self.run)?;
            let value = objective(&point, there.loss, self.settings);
            if there.is_finite() && value <= now + ARMIJO * length * fall + ROUNDING * now.abs() {
                (self.point, self.here) = (point, there);
                return Ok(true);
            }
            length /= 2.0;
        }
        Ok(false)
    }
}

/// The quadratic model around one point plus the absolute penalty.
struct Model<'a> {
    /// Row-major, the intercept first.
    hessian: &'a [f64],
    /// Of the model without the absolute penalty, at `point`.
    gradient: Vec<f64>,
    point: Vec<f64>,
    l1: f64,
}

impl Model<'_> {
    /// Minimises by each variable in turn; by those that are 0 only if `full`. Returns the largest
    /// change of a variable times its curvature.
    fn sweep(&mut self, full: bool) -> f64 {
        let size = self.point.len();
        let mut most = 0.0_f64;
        for (index, line) in self.hessian.chunks_exact(size).enumerate() {
            let (Some(value), Some(slope), Some(curvature)) =
                (self.point.get_mut(index), self.gradient.get(index), line.get(index))
            else {
                continue;
            };
            // A column of zeros has no curvature and keeps its 0.
            if *curvature <= 0.0 || !(full || index == 0 || *value != 0.0) {
                continue;
            }
            let penalty = if index == 0 { 0.0 } else { self.l1 };
            let to = shrink(curvature * *value - slope, penalty) / curvature;
            let change = to - *value;
            if change != 0.0 {
                *value = to;
                most = most.max(curvature * change.abs());
                let sums = self.gradient.iter_mut().zip(line);
                sums.for_each(|(sum, curvature)| *sum += change * curvature);
            }
        }
        most
    }
}

/// Minimiser of (x - `value`)^2 / 2 + `penalty` |x|.
fn shrink(value: f64, penalty: f64) -> f64 {
    if value.abs() <= penalty { 0.0 } else { value - penalty.copysign(value) }
}

fn penalised_gradient(point: &[f64], gradient: &[f64], l2: f64) -> Vec<f64> {
    let mut gradient = gradient.to_vec();
    let slopes = gradient.iter_mut().zip(point).skip(1);
    slopes.for_each(|(sum, slope)| *sum += l2 * slope);
    gradient
}

fn objective(point: &[f64], loss: f64, settings: &Settings) -> f64 {
    let square: f64 = point.iter().skip(1).map(|slope| slope * slope).sum();
    loss + 0.5 * settings.l2 * square + settings.l1 * absolute(point)
}

/// Sum of the absolute slopes.
fn absolute(point: &[f64]) -> f64 {
    point.iter().skip(1).map(|slope| slope.abs()).sum()
}

/// Largest component of the least subgradient: 0 at the optimum (Karush, Kuhn and Tucker).
fn violation(point: &[f64], gradient: &[f64], settings: &Settings) -> f64 {
    let gradient = penalised_gradient(point, gradient, settings.l2);
    let intercept = gradient.first().map_or(0.0, |slope| slope.abs());
    let slopes = gradient.iter().zip(point).skip(1);
    let slopes = slopes.map(|(slope, value)| {
        if *value == 0.0 {
            (slope.abs() - settings.l1).max(0.0)
        } else {
            (slope + settings.l1.copysign(*value)).abs()
        }
    });
    slopes.fold(intercept, f64::max)
}

/// Columns that do not take part although their slope should not be 0, steepest first: at most as
/// many as take part already, or 64.
fn missing(active: &[usize], gradient: &[f64], settings: &Settings) -> Vec<usize> {
    let slopes = gradient.iter().skip(1).map(|slope| slope.abs()).enumerate();
    let outside = slopes
        .filter(|(column, slope)| *slope > settings.l1 && active.binary_search(column).is_err());
    let mut outside: Vec<(usize, f64)> = outside.collect();
    outside.sort_by(|(_, left), (_, right)| right.total_cmp(left));
    outside.into_iter().take(active.len().max(64)).map(|(column, _)| column).collect()
}

/// The values of `columns`, row-major.
fn gather(problem: &Problem<'_>, columns: &[usize]) -> Vec<f32> {
    let rows = problem.values.par_chunks_exact(problem.width);
    let picked = rows.flat_map_iter(|row| columns.iter().filter_map(|column| row.get(*column)));
    picked.copied().collect()
}

fn narrow<'a>(problem: &Problem<'a>, values: &'a [f32], columns: &[usize]) -> Problem<'a> {
    let largest = columns.iter().filter_map(|column| problem.largest.get(*column));
    let largest = largest.copied().collect();
    Problem { values, width: columns.len(), largest, ..*problem }
}

/// Intercept and the slopes of `columns`.
fn select(point: &[f64], columns: &[usize]) -> Vec<f64> {
    let slopes = columns.iter().filter_map(|column| point.get(column + 1));
    point.first().into_iter().chain(slopes).copied().collect()
}

/// Puts `part` back to intercept and `columns` of `point`.
fn spread(part: &[f64], columns: &[usize], point: &mut [f64]) {
    let places = std::iter::once(0).chain(columns.iter().map(|column| column + 1));
    for (value, place) in part.iter().zip(places) {
        point.iter_mut().skip(place).take(1).for_each(|to| *to = *value);
    }
}

fn finish(point: &[f64], loss: f64, iterations: usize, (gradient, tolerance): (f64, f64)) -> Fit {
    let (intercept, slopes) = point.split_first().map_or((0.0, point), |(a, b)| (*a, b));
    Fit {
        intercept,
        coefficients: slopes.to_vec(),
        iterations,
        converged: gradient <= tolerance,
        gradient,
        log_likelihood: -loss,
        standard_errors: None,
        collinear: Vec::new(),
        separation: None,
    }
}
