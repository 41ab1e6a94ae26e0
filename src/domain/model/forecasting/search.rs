//! A search for the smallest value of a function over the unit cube.
//!
//! Nelder and Mead, "A simplex method for function minimization", The Computer Journal 7, 1965,
//! with points held inside the cube, on the stack and without a derivative.

/// Evaluations for each dimension.
const EVALUATIONS: usize = 40;
/// The search ends when the values of a simplex differ by less than this share.
const TOLERANCE: f64 = 1e-6;
/// Edge of the first simplex.
const EDGE: f64 = 0.25;

type Point = [f64; 4];

/// The best point found from `start` on, in the first `dimensions` (1 to 4) coordinates.
pub(super) fn minimise(
    value: &mut dyn FnMut(&Point) -> f64,
    dimensions: usize,
    start: Point,
) -> Point {
    let dimensions = dimensions.min(start.len());
    let mut vertices = [(start, f64::INFINITY); 5];
    for (index, vertex) in vertices.iter_mut().enumerate().take(dimensions + 1) {
        if let Some(x) = index.checked_sub(1).and_then(|axis| vertex.0.get_mut(axis)) {
            *x += if *x > 0.5 { -EDGE } else { EDGE };
        }
        vertex.1 = value(&vertex.0);
    }
    let (simplex, _) = vertices.split_at_mut(dimensions + 1);
    let mut left = EVALUATIONS * dimensions;
    while left > 0 {
        simplex.sort_by(|a, b| a.1.total_cmp(&b.1));
        let Some((worst, others)) = simplex.split_last_mut() else { break };
        let (Some(best), Some(second)) = (others.first().copied(), others.last()) else { break };
        if converged(best.1, worst.1) {
            break;
        }
        let mut centre = [0.0; 4];
        for (vertex, _) in others.iter() {
            for (sum, x) in centre.iter_mut().zip(vertex) {
                *sum += x / dimensions as f64;
            }
        }
        left = left.saturating_sub(2);
        match replacement(value, centre, best.1, second.1, *worst) {
            Some(found) => *worst = found,
            None => {
                left = left.saturating_sub(dimensions);
                for vertex in simplex.iter_mut().skip(1) {
                    *vertex = shrunk(value, best.0, vertex.0);
                }
            }
        }
    }
    simplex.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(start, |best| best.0)
}

fn converged(best: f64, worst: f64) -> bool {
    worst - best <= TOLERANCE * best.abs() || !best.is_finite()
}

/// Reflection, expansion or contraction of the worst vertex; `None` when all are no better.
fn replacement(
    value: &mut dyn FnMut(&Point) -> f64,
    centre: Point,
    best: f64,
    second: f64,
    worst: (Point, f64),
) -> Option<(Point, f64)> {
    let mut at = |factor: f64| {
        let mut point = centre;
        for (x, from) in point.iter_mut().zip(&worst.0) {
            *x = (*x + factor * (*x - from)).clamp(0.0, 1.0);
        }
        (point, value(&point))
    };
    let reflected = at(1.0);
    if reflected.1 < best {
        let expanded = at(2.0);
        return Some(if expanded.1 < reflected.1 { expanded } else { reflected });
    }
    if reflected.1 < second {
        return Some(reflected);
    }
    let contracted = at(if reflected.1 < worst.1 { 0.5 } else { -0.5 });
    (contracted.1 < worst.1.min(reflected.1)).then_some(contracted)
}

fn shrunk(value: &mut dyn FnMut(&Point) -> f64, best: Point, vertex: Point) -> (Point, f64) {
    let mut point = best;
    for (x, from) in point.iter_mut().zip(&vertex) {
        *x += 0.5 * (from - *x);
    }
    (point, value(&point))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(dimensions: usize, target: Point) -> Point {
        let mut value = |x: &Point| {
            let pairs = x.iter().zip(&target).take(dimensions);
            pairs.enumerate().map(|(i, (a, b))| (1.0 + i as f64) * (a - b).powi(2)).sum::<f64>()
                + 1.0
        };
        minimise(&mut value, dimensions, [0.3, 0.15, 0.1, 0.9])
    }

    #[test]
    fn inner_minima_are_found_in_every_dimension() {
        let target = [0.7, 0.4, 0.35, 0.2];
        for dimensions in 1..=4 {
            for (found, target) in found(dimensions, target).iter().zip(&target).take(dimensions) {
                assert!((found - target).abs() < 0.02, "{dimensions}: {found} {target}");
            }
        }
    }

    #[test]
    fn outer_minima_end_on_the_cube() {
        let point = found(2, [1.7, -0.4, 0.0, 0.0]);
        assert!(point[0] > 0.98 && point[1] < 0.02, "{point:?}");
    }

    #[test]
    fn values_without_end_do_not_trap_the_search() {
        let mut infinite = |_: &Point| f64::INFINITY;
        assert!(minimise(&mut infinite, 3, [0.5; 4]).iter().all(|x| x.is_finite()));
        let mut partly = |x: &Point| if x[0] > 0.4 { x[0] } else { f64::INFINITY };
        assert!(minimise(&mut partly, 1, [0.9, 0.0, 0.0, 0.0])[0] < 0.45);
    }
}
