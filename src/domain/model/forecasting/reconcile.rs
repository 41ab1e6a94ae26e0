//! Forecasts that add up.
//!
//! Every constraint says that one node is the sum of others: the total of all stores, and also of
//! all categories. Such a collection need not be a tree (Girolimetto and Di Fonzo, "Point and
//! probabilistic forecast reconciliation for general linearly constrained multiple time series",
//! Statistical Methods & Applications 33, 2024).
//!
//! Minimum trace reconciliation (Wickramasuriya, Athanasopoulos and Hyndman, "Optimal forecast
//! reconciliation for hierarchical and grouped time series through trace minimization", Journal of
//! the American Statistical Association 114, 2019) with the shrinkage estimator of Schäfer and
//! Strimmer ("A shrinkage approach to large-scale covariance matrix estimation", 2005):
//! correlations of the errors are shrunk towards zero by an intensity that the errors themselves
//! give. With base forecasts y and constraints C y = 0 the answer is y - W C' (C W C')^-1 C y. Only
//! a system of the size of the constraints has to be solved, and the covariance W of all nodes is
//! never written out.

use super::seasonal::cholesky_solve;
use super::settings::ForecastError;

/// Added to the diagonal of the system, as a share of its first element.
const RIDGE: f64 = 1e-12;
/// Variances below this share of the largest one count as this share of it.
const SMALLEST_VARIANCE: f64 = 1e-12;

/// One node is the sum of others; all by their indices.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Constraint {
    /// The sum.
    pub total: usize,
    /// What it is the sum of.
    pub parts: Vec<usize>,
}

/// Which sums must hold between nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Hierarchy {
    nodes: usize,
    constraints: Vec<Constraint>,
}

/// Past errors of a node, and what stands for them where there are none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeErrors {
    /// Actual less forecast, for all nodes from the same origins and steps; empty when they are not
    /// known.
    pub errors: Vec<f64>,
    /// Size of the errors, in the same proportion to their standard deviation for all nodes.
    pub spread: f64,
}

impl Hierarchy {
    /// Constraints between `nodes` nodes, from the bottom up: where a total is a part of another
    /// one, its own constraint comes first. Several constraints may have one total.
    ///
    /// # Errors
    /// [`ForecastError::UnknownSeries`].
    pub fn new(nodes: usize, constraints: Vec<Constraint>) -> Result<Self, ForecastError> {
        for Constraint { total, parts } in &constraints {
            if let Some(found) = parts.iter().chain([total]).find(|index| **index >= nodes) {
                return Err(ForecastError::UnknownSeries { known: nodes, found: *found });
            }
        }
        Ok(Self { nodes, constraints })
    }

    /// The parts of the first constraint of each total stay as they are and give the total. Parts
    /// of its further constraints share what they are off by, each in proportion to its size
    /// (Athanasopoulos, Ahmed and Hyndman, "Hierarchical forecasts for Australian domestic
    /// tourism", International Journal of Forecasting 25, 2009, forecast proportions), so none
    /// changes its sign where all have one.
    ///
    /// # Errors
    /// [`ForecastError::Shape`].
    pub fn bottom_up(&self, mut base: Vec<Vec<f64>>) -> Result<Vec<Vec<f64>>, ForecastError> {
        let horizon = self.check(&base)?;
        let mut settled = vec![false; self.nodes];
        for Constraint { total, parts } in &self.constraints {
            let sum = summed(&base, parts, horizon);
            match settled.get_mut(*total) {
                Some(settled) if *settled => share(&mut base, *total, parts, &sum),
                Some(settled) => {
                    *settled = true;
                    if let Some(row) = base.get_mut(*total) {
                        *row = sum;
                    }
                }
                None => {}
            }
        }
        Ok(base)
    }

    /// Base forecasts of all nodes, moved as little as their past errors allow. With `non_negative`
    /// what falls below zero is cut. Sums of the answer are those of [`Self::bottom_up`].
    ///
    /// # Errors
    /// [`ForecastError::Shape`].
    pub fn min_trace(
        &self,
        mut base: Vec<Vec<f64>>,
        errors: &[NodeErrors],
        non_negative: bool,
    ) -> Result<Vec<Vec<f64>>, ForecastError> {
        let horizon = self.check(&base)?;
        shape("errors", self.nodes, errors.len())?;
        let count = errors.iter().map(|node| node.errors.len()).max().unwrap_or_default();
        for node in errors.iter().filter(|node| !node.errors.is_empty()) {
            shape("errors of a node", count, node.errors.len())?;
        }
        let Shrunk { lambda, variances } = Shrunk::of(errors, count);
        let known: Vec<Vec<f64>> = errors.iter().map(|node| node.errors.clone()).collect();
        let gaps = self.gaps(&known, count);
        let mut multipliers = self.gaps(&base, horizon);
        let mut system = self.system(&variances, &gaps, lambda);
        solve_columns(&mut system, &mut multipliers, horizon);
        let scale = (1.0 - lambda) / count.max(1) as f64;
        for (index, (row, own)) in base.iter_mut().zip(&known).enumerate() {
            let variance = variances.get(index).copied().unwrap_or_default();
            let constraints = self.constraints.iter().zip(&gaps).zip(&multipliers);
            for ((constraint, gap), multiplier) in constraints {
                let weight =
                    scale * dot(own, gap) + lambda * variance * constraint.coefficient(index);
                for (value, multiplier) in row.iter_mut().zip(multiplier) {
                    *value -= weight * multiplier;
                }
            }
            if non_negative {
                row.iter_mut().for_each(|value| *value = value.max(0.0));
            }
        }
        self.bottom_up(base)
    }

    /// All rows are there and of the same length, which is returned.
    fn check(&self, rows: &[Vec<f64>]) -> Result<usize, ForecastError> {
        shape("nodes", self.nodes, rows.len())?;
        let length = rows.first().map_or(0, Vec::len);
        for row in rows {
            shape("a node", length, row.len())?;
        }
        Ok(length)
    }

    /// C y: what each total is larger than its parts together, by column. Empty rows count as
    /// zeros.
    fn gaps(&self, rows: &[Vec<f64>], length: usize) -> Vec<Vec<f64>> {
        let gap = |constraint: &Constraint| {
            let mut gap = rows.get(constraint.total).cloned().unwrap_or_default();
            gap.resize(length, 0.0);
            for (gap, sum) in gap.iter_mut().zip(summed(rows, &constraint.parts, length)) {
                *gap -= sum;
            }
            gap
        };
        self.constraints.iter().map(gap).collect()
    }

    /// C W C' by rows.
    fn system(&self, variances: &[f64], gaps: &[Vec<f64>], lambda: f64) -> Vec<f64> {
        let count = gaps.first().map_or(1, Vec::len).max(1) as f64;
        let mut system = Vec::with_capacity(gaps.len() * gaps.len());
        for (constraint, gap) in self.constraints.iter().zip(gaps) {
            for (other, other_gap) in self.constraints.iter().zip(gaps) {
                let indices = constraint.parts.iter().chain([&constraint.total]);
                let common = indices.filter_map(|index| {
                    let both = constraint.coefficient(*index) * other.coefficient(*index);
                    Some(both * variances.get(*index)?)
                });
                let independent: f64 = common.sum();
                system.push((1.0 - lambda) * dot(gap, other_gap) / count + lambda * independent);
            }
        }
        system
    }
}

impl Constraint {
    /// The node's entry in this row of C.
    fn coefficient(&self, node: usize) -> f64 {
        if node == self.total {
            1.0
        } else if self.parts.contains(&node) {
            -1.0
        } else {
            0.0
        }
    }
}

fn shape(what: &'static str, expected: usize, found: usize) -> Result<(), ForecastError> {
    if expected == found { Ok(()) } else { Err(ForecastError::Shape { what, expected, found }) }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn summed(rows: &[Vec<f64>], parts: &[usize], length: usize) -> Vec<f64> {
    let mut sum = vec![0.0; length];
    for row in parts.iter().filter_map(|part| rows.get(*part)) {
        for (sum, value) in sum.iter_mut().zip(row) {
            *sum += value;
        }
    }
    sum
}

/// Moves the parts, which add up to `sum`, so that they add up to the total.
fn share(rows: &mut [Vec<f64>], total: usize, parts: &[usize], sum: &[f64]) {
    let total = rows.get(total).cloned().unwrap_or_default();
    for (step, (total, sum)) in total.iter().zip(sum).enumerate() {
        let cells = parts.iter().filter_map(|part| rows.get(*part)?.get(step));
        let size: f64 = cells.map(|value| value.abs()).sum();
        let mut added = 0.0;
        for (nth, part) in parts.iter().enumerate() {
            let Some(cell) = rows.get_mut(*part).and_then(|row| row.get_mut(step)) else {
                continue;
            };
            let weight = if size > 0.0 { cell.abs() / size } else { 1.0 / parts.len() as f64 };
            *cell += (total - sum) * weight;
            // The last part takes what rounding left, unless that would change its sign.
            let rest = total - added;
            if nth + 1 == parts.len() && rest * *cell >= 0.0 {
                *cell = rest;
            }
            added += *cell;
        }
    }
}

/// Solves for all right-hand sides, which are columns of `rows`.
fn solve_columns(system: &mut [f64], rows: &mut [Vec<f64>], columns: usize) {
    for column in 0..columns {
        let mut right: Vec<f64> = rows.iter().filter_map(|row| row.get(column).copied()).collect();
        let mut factors = system.to_vec();
        if !cholesky_solve(&mut factors, &mut right, RIDGE) {
            right.fill(0.0);
        }
        for (row, solved) in rows.iter_mut().zip(right) {
            if let Some(cell) = row.get_mut(column) {
                *cell = solved;
            }
        }
    }
}

/// The covariance of the errors: correlations times 1 - `lambda`.
#[derive(Clone, Debug, PartialEq)]
struct Shrunk {
    /// Intensity of the shrinkage, 0 to 1.
    lambda: f64,
    /// Of each node.
    variances: Vec<f64>,
}

impl Shrunk {
    /// Without two errors everything is shrunk.
    fn of(nodes: &[NodeErrors], count: usize) -> Self {
        let n = count as f64;
        let known = || nodes.iter().filter(|node| count > 1 && !node.errors.is_empty());
        let variance = |node: &NodeErrors| dot(&node.errors, &node.errors) / n;
        // What a spread is worth where errors are not known.
        let of_spreads: f64 = known().map(|node| node.spread * node.spread).sum();
        let of_errors: f64 = known().map(variance).sum();
        let worth = if of_spreads > 0.0 { of_errors / of_spreads } else { 1.0 };
        let raw = nodes.iter().map(|node| match node.errors.as_slice() {
            errors if count > 1 && !errors.is_empty() => variance(node),
            _ => worth * node.spread * node.spread,
        });
        let raw: Vec<f64> = raw.collect();
        let largest = raw.iter().fold(0.0_f64, |largest, variance| largest.max(*variance));
        if !(largest > 0.0 && largest.is_finite()) {
            return Self { lambda: 1.0, variances: vec![1.0; raw.len()] };
        }
        let floor = SMALLEST_VARIANCE * largest;
        let variances: Vec<f64> = raw.iter().map(|variance| variance.max(floor)).collect();
        let rows = nodes.iter().zip(&variances).filter(|(node, _)| !node.errors.is_empty());
        let rows = rows.map(|(node, variance)| (node.errors.as_slice(), *variance));
        Self { lambda: intensity(rows, count), variances }
    }
}

/// How far correlations are shrunk: 1 when there are not two errors or none is seen.
fn intensity<'a>(rows: impl Iterator<Item = (&'a [f64], f64)>, count: usize) -> f64 {
    if count < 2 {
        return 1.0;
    }
    let n = count as f64;
    // Sums over all pairs of nodes, through the times by times matrix of standardised errors: with
    // w = x(i) x(j), of (sum of w)^2 and of sum of w^2; pairs of a node with itself are taken off.
    let mut gram = vec![0.0; count * count];
    let mut squares = vec![0.0; count];
    let (mut own_sums, mut own_squares) = (0.0, 0.0);
    for (row, variance) in rows {
        let own = dot(row, row) / variance;
        own_sums += own * own;
        for (value, cells) in row.iter().zip(gram.chunks_exact_mut(count)) {
            let value = value / variance;
            for (cell, other) in cells.iter_mut().zip(row) {
                *cell += value * other;
            }
        }
        for (value, square) in row.iter().zip(&mut squares) {
            let standardised = value * value / variance;
            *square += standardised;
            own_squares += standardised * standardised;
        }
    }
    let sums = dot(&gram, &gram) - own_sums;
    let of_squares = dot(&squares, &squares) - own_squares;
    let noise = (of_squares - sums / n) / (n * (n - 1.0));
    let correlation = sums / (n * n);
    if correlation > 0.0 { (noise / correlation).clamp(0.0, 1.0) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between -1 and 1 that look random (Park and Miller's generator).
    fn noise(state: &mut u64) -> f64 {
        *state = *state * 48_271 % 2_147_483_647;
        *state as f64 / 1_073_741_823.5 - 1.0
    }

    fn constraint(total: usize, parts: &[usize]) -> Constraint {
        Constraint { total, parts: parts.to_vec() }
    }

    /// Two regions (4, 5) of four stores, and a total (6) of both.
    fn tree() -> Hierarchy {
        let regions = [constraint(4, &[0, 1]), constraint(5, &[2, 3])];
        Hierarchy::new(7, [&regions[..], &[constraint(6, &[4, 5])]].concat()).unwrap()
    }

    /// Truth that adds up, and forecasts whose errors have the given size at each node.
    fn simulated(state: &mut u64, length: usize) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let stores = (0..7).map(|i| (0..length).map(|_| 10.0 + f64::from(i)).collect()).collect();
        let truth = tree().bottom_up(stores).unwrap();
        let sizes = [2.0, 0.5, 1.0, 4.0, 1.0, 3.0, 1.0];
        let rows = truth.iter().zip(sizes);
        let base =
            rows.map(|(row, size)| row.iter().map(|v| v + size * noise(state)).collect()).collect();
        (truth, base)
    }

    fn difference(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a - b).collect()).collect()
    }

    fn errors(rows: Vec<Vec<f64>>) -> Vec<NodeErrors> {
        rows.into_iter().map(|errors| NodeErrors { errors, spread: 1.0 }).collect()
    }

    fn squares(rows: &[Vec<f64>]) -> f64 {
        rows.iter().flatten().map(|error| error * error).sum()
    }

    fn assert_adds_up(hierarchy: &Hierarchy, rows: &[Vec<f64>]) {
        for Constraint { total, parts } in &hierarchy.constraints {
            for (step, value) in rows[*total].iter().enumerate() {
                let sum: f64 = parts.iter().map(|part| rows[*part][step]).sum();
                assert!((value - sum).abs() <= 1e-12 * value.abs(), "{value} {sum}");
            }
        }
    }

    #[test]
    fn reconciled_forecasts_add_up_and_beat_the_base() {
        let mut state = 7;
        let (truth, base) = simulated(&mut state, 60);
        let errors = errors(difference(&truth, &base));
        let (truth, base) = simulated(&mut state, 400);
        let found = tree().min_trace(base.clone(), &errors, false).unwrap();
        assert_adds_up(&tree(), &found);
        let bottom_up = tree().bottom_up(base.clone()).unwrap();
        assert_adds_up(&tree(), &bottom_up);
        let own = squares(&difference(&truth, &found));
        assert!(own < 0.7 * squares(&difference(&truth, &base)));
        assert!(own < 0.7 * squares(&difference(&truth, &bottom_up)));
    }

    /// The textbook's form, S (S' W^-1 S)^-1 S' W^-1 y, for one sum of two series and diagonal W.
    #[test]
    fn the_gap_is_shared_by_variance() {
        let hierarchy = Hierarchy::new(3, vec![constraint(2, &[0, 1])]).unwrap();
        let errors = errors(vec![
            vec![2.0, -2.0, 2.0, -2.0],
            vec![1.0, -1.0, -1.0, 1.0],
            vec![1.0, 1.0, -1.0, -1.0],
        ]);
        let base = vec![vec![3.0], vec![3.0], vec![12.0]];
        let found = hierarchy.min_trace(base, &errors, false).unwrap();
        // Uncorrelated errors with variances 4, 1 and 1 share a gap of 6 in those parts.
        for (row, expected) in found.iter().zip([7.0, 4.0, 11.0]) {
            assert!((row[0] - expected).abs() < 1e-9, "{found:?}");
        }
    }

    #[test]
    fn two_groupings_of_one_total_agree() {
        // Stores 0 and 1, categories 2 and 3, total 4.
        let both = vec![constraint(4, &[0, 1]), constraint(4, &[2, 3])];
        let hierarchy = Hierarchy::new(5, both).unwrap();
        let base = vec![vec![6.0], vec![2.0], vec![3.0], vec![1.0], vec![20.0]];
        let found = hierarchy.bottom_up(base.clone()).unwrap();
        assert_eq!(found, [[6.0], [2.0], [6.0], [2.0], [8.0]]);
        let unknown = vec![NodeErrors { errors: Vec::new(), spread: 1.0 }; 5];
        let found = hierarchy.min_trace(base, &unknown, true).unwrap();
        assert_adds_up(&hierarchy, &found);
        assert!(found[4][0] > 8.0 && found[4][0] < 20.0, "{found:?}");
        // Nothing is lost where all parts are zero, and signs stay.
        let zero = vec![vec![6.0], vec![-2.0], vec![0.0], vec![0.0], vec![9.0]];
        assert_eq!(hierarchy.bottom_up(zero).unwrap(), [[6.0], [-2.0], [2.0], [2.0], [4.0]]);
    }

    #[test]
    fn coherent_forecasts_stay_and_nothing_known_is_shared_by_spread() {
        let hierarchy = Hierarchy::new(3, vec![constraint(2, &[0, 1])]).unwrap();
        let spread = |spread| NodeErrors { errors: Vec::new(), spread };
        let spreads = [spread(2.0_f64.sqrt()), spread(0.0), spread(1.0)];
        let base = vec![vec![3.0], vec![2.0], vec![8.0]];
        let found = hierarchy.min_trace(base, &spreads, true).unwrap();
        assert!((found[0][0] - 5.0).abs() < 1e-9 && (found[1][0] - 2.0).abs() < 1e-9);
        let again = hierarchy.min_trace(found.clone(), &spreads, true).unwrap();
        assert!(squares(&difference(&again, &found)) < 1e-18);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let unknown = Hierarchy::new(2, vec![constraint(2, &[0])]);
        assert_eq!(unknown, Err(ForecastError::UnknownSeries { known: 2, found: 2 }));
        let found = tree().bottom_up(vec![vec![1.0]; 3]);
        let expected = ForecastError::Shape { what: "nodes", expected: 7, found: 3 };
        assert_eq!(found, Err(expected));
        let uneven = vec![vec![1.0, 2.0]; 6].into_iter().chain([vec![1.0]]).collect();
        assert!(tree().bottom_up(uneven).is_err());
        assert!(tree().min_trace(vec![vec![1.0]; 7], &[], false).is_err());
    }
}
