//! Forecasts of a hierarchy that add up.
//!
//! Minimum trace reconciliation (Wickramasuriya, Athanasopoulos and Hyndman, "Optimal forecast
//! reconciliation for hierarchical and grouped time series through trace minimization", Journal of
//! the American Statistical Association 114, 2019) with the shrinkage estimator of Schäfer and
//! Strimmer ("A shrinkage approach to large-scale covariance matrix estimation", 2005):
//! correlations of the errors are shrunk towards zero by an intensity that the errors themselves
//! give.
//!
//! With base forecasts y and constraints C y = 0 (each sum less its series) the answer is
//! y - W C' (C W C')^-1 C y. Only a system of the size of the sums has to be solved, and the
//! covariance W of all nodes is never written out.

use super::seasonal::cholesky_solve;
use super::settings::ForecastError;

/// Added to the diagonal of the system, as a share of its first element.
const RIDGE: f64 = 1e-12;
/// Variances below this share of the largest one count as this share of it.
const SMALLEST_VARIANCE: f64 = 1e-12;

/// A hierarchy of one or more levels above its series. Sums may overlap (region and product group).
#[derive(Clone, Debug, PartialEq)]
pub struct Hierarchy {
    series: usize,
    sums: Vec<Vec<usize>>,
}

/// Forecasts or past errors of all nodes: `sums` in the order of the hierarchy's sums, `series` in
/// the order of the series; one row of equal length each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Nodes {
    /// Of the sums.
    pub sums: Vec<Vec<f64>>,
    /// Of the series.
    pub series: Vec<Vec<f64>>,
}

impl Hierarchy {
    /// A hierarchy over `series` series; each sum lists the series (their indices) it adds.
    ///
    /// # Errors
    /// [`ForecastError::UnknownSeries`].
    pub fn new(series: usize, sums: Vec<Vec<usize>>) -> Result<Self, ForecastError> {
        match sums.iter().flatten().find(|index| **index >= series) {
            Some(found) => Err(ForecastError::UnknownSeries { known: series, found: *found }),
            None => Ok(Self { series, sums }),
        }
    }

    /// The series as they are, and sums of them.
    ///
    /// # Errors
    /// [`ForecastError::Shape`].
    pub fn bottom_up(&self, series: Vec<Vec<f64>>) -> Result<Nodes, ForecastError> {
        shape("series", self.series, series.len())?;
        let length = series.first().map_or(0, Vec::len);
        for row in &series {
            shape("a series", length, row.len())?;
        }
        let sums = self.sums.iter().map(|members| {
            let mut sum = vec![0.0; length];
            for row in members.iter().filter_map(|index| series.get(*index)) {
                for (sum, value) in sum.iter_mut().zip(row) {
                    *sum += value;
                }
            }
            sum
        });
        Ok(Nodes { sums: sums.collect(), series })
    }

    /// Base forecasts of all nodes, reconciled with the past errors of the same nodes (actual less
    /// forecast, all from the same origins and steps). Sums of the answer are exact; with
    /// `non_negative` series below zero are cut before they are summed.
    ///
    /// # Errors
    /// [`ForecastError::Shape`].
    pub fn min_trace(
        &self,
        base: &Nodes,
        errors: &Nodes,
        non_negative: bool,
    ) -> Result<Nodes, ForecastError> {
        let horizon = self.check(base)?;
        let count = self.check(errors)?;
        let (lambda, variances) = shrinkage(errors, count);
        let gaps = self.gaps(errors, count);
        let mut system = self.system(&variances, &gaps, lambda);
        let mut multipliers = self.gaps(base, horizon);
        solve_columns(&mut system, &mut multipliers, horizon);
        let sums = self.sums.len();
        // What each multiplier moves a series by: -(W C')[series, sum].
        let scale = (1.0 - lambda) / count.max(1) as f64;
        let mut series = base.series.clone();
        for (index, row) in series.iter_mut().enumerate() {
            let own = errors.series.get(index).map(Vec::as_slice).unwrap_or_default();
            let variance = variances.get(sums + index).copied().unwrap_or_default();
            for (sum, (members, gap)) in self.sums.iter().zip(&gaps).enumerate() {
                let times = members.iter().filter(|member| **member == index).count() as f64;
                let weight = scale * dot(own, gap) - lambda * variance * times;
                let multiplier = multipliers.get(sum).map(Vec::as_slice).unwrap_or_default();
                for (value, multiplier) in row.iter_mut().zip(multiplier) {
                    *value -= weight * multiplier;
                }
            }
            if non_negative {
                row.iter_mut().for_each(|value| *value = value.max(0.0));
            }
        }
        self.bottom_up(series)
    }

    /// All rows are there and of the same length, which is returned.
    fn check(&self, nodes: &Nodes) -> Result<usize, ForecastError> {
        shape("sums", self.sums.len(), nodes.sums.len())?;
        shape("series", self.series, nodes.series.len())?;
        let length = nodes.series.first().map_or(0, Vec::len);
        for row in nodes.sums.iter().chain(&nodes.series) {
            shape("a node", length, row.len())?;
        }
        Ok(length)
    }

    /// C y: what each sum is larger than its series together, by column.
    fn gaps(&self, nodes: &Nodes, length: usize) -> Vec<Vec<f64>> {
        let gap = |(sum, members): (&Vec<f64>, &Vec<usize>)| {
            let mut gap = sum.clone();
            gap.resize(length, 0.0);
            for row in members.iter().filter_map(|index| nodes.series.get(*index)) {
                for (gap, value) in gap.iter_mut().zip(row) {
                    *gap -= value;
                }
            }
            gap
        };
        nodes.sums.iter().zip(&self.sums).map(gap).collect()
    }

    /// C W C' by rows.
    fn system(&self, variances: &[f64], gaps: &[Vec<f64>], lambda: f64) -> Vec<f64> {
        let count = gaps.first().map_or(1, Vec::len).max(1) as f64;
        let (of_sums, of_series) = variances.split_at(self.sums.len().min(variances.len()));
        let mut times = vec![0.0; self.series];
        let mut system = Vec::with_capacity(gaps.len() * gaps.len());
        for (row, (members, gap)) in self.sums.iter().zip(gaps).enumerate() {
            times.fill(0.0);
            for member in members {
                if let Some(times) = times.get_mut(*member) {
                    *times += 1.0;
                }
            }
            for (column, (others, other)) in self.sums.iter().zip(gaps).enumerate() {
                let common = others
                    .iter()
                    .filter_map(|member| Some(times.get(*member)? * of_series.get(*member)?));
                let mut diagonal: f64 = common.sum();
                if row == column {
                    diagonal += of_sums.get(row).copied().unwrap_or_default();
                }
                system.push((1.0 - lambda) * dot(gap, other) / count + lambda * diagonal);
            }
        }
        system
    }
}

fn shape(what: &'static str, expected: usize, found: usize) -> Result<(), ForecastError> {
    if expected == found { Ok(()) } else { Err(ForecastError::Shape { what, expected, found }) }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
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

/// The intensity of the shrinkage, 0 to 1, and the variance of each node (sums first). Without two
/// errors everything is shrunk, and all variances are 1.
fn shrinkage(errors: &Nodes, count: usize) -> (f64, Vec<f64>) {
    let nodes = || errors.sums.iter().chain(&errors.series);
    if count < 2 {
        return (1.0, vec![1.0; nodes().count()]);
    }
    let n = count as f64;
    let raw: Vec<f64> = nodes().map(|row| dot(row, row) / n).collect();
    let largest = raw.iter().fold(0.0_f64, |largest, variance| largest.max(*variance));
    if largest <= 0.0 {
        return (1.0, vec![1.0; raw.len()]);
    }
    let floor = SMALLEST_VARIANCE * largest;
    let variances: Vec<f64> = raw.iter().map(|variance| variance.max(floor)).collect();
    // Sums over all pairs of nodes, through the times by times matrix of standardised errors: with
    // w = x(i) x(j), of (sum of w)^2 and of sum of w^2; pairs of a node with itself are taken off.
    let mut gram = vec![0.0; count * count];
    let mut squares = vec![0.0; count];
    let (mut own_sums, mut own_squares) = (0.0, 0.0);
    for (row, variance) in nodes().zip(&variances) {
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
    let lambda = if correlation > 0.0 { (noise / correlation).clamp(0.0, 1.0) } else { 1.0 };
    (lambda, variances)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between -1 and 1 that look random (Park and Miller's generator).
    fn noise(state: &mut u64) -> f64 {
        *state = *state * 48_271 % 2_147_483_647;
        *state as f64 / 1_073_741_823.5 - 1.0
    }

    /// Two regions and a total over four series.
    fn hierarchy() -> Hierarchy {
        Hierarchy::new(4, vec![vec![0, 1, 2, 3], vec![0, 1], vec![2, 3]]).unwrap()
    }

    /// Truth that adds up, and forecasts whose errors have the given size at each node.
    fn simulated(state: &mut u64, length: usize) -> (Nodes, Nodes) {
        let series = (0..4).map(|i| (0..length).map(|_| 10.0 + f64::from(i)).collect()).collect();
        let truth = hierarchy().bottom_up(series).unwrap();
        let mut shaken = |rows: &[Vec<f64>], sizes: &[f64]| -> Vec<Vec<f64>> {
            let pairs = rows.iter().zip(sizes);
            pairs.map(|(row, size)| row.iter().map(|v| v + size * noise(state)).collect()).collect()
        };
        let base = Nodes {
            sums: shaken(&truth.sums, &[1.0, 1.0, 3.0]),
            series: shaken(&truth.series, &[2.0, 0.5, 1.0, 4.0]),
        };
        (truth, base)
    }

    fn difference(a: &Nodes, b: &Nodes) -> Nodes {
        let rows = |a: &[Vec<f64>], b: &[Vec<f64>]| {
            let pairs = a.iter().zip(b);
            pairs.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a - b).collect()).collect()
        };
        Nodes { sums: rows(&a.sums, &b.sums), series: rows(&a.series, &b.series) }
    }

    fn squares(nodes: &Nodes) -> f64 {
        nodes.sums.iter().chain(&nodes.series).flatten().map(|error| error * error).sum()
    }

    #[test]
    fn reconciled_forecasts_add_up_and_beat_the_base() {
        let mut state = 7;
        let (truth, base) = simulated(&mut state, 60);
        let errors = difference(&truth, &base);
        let (truth, base) = simulated(&mut state, 400);
        let found = hierarchy().min_trace(&base, &errors, false).unwrap();
        for (sum, members) in found.sums.iter().zip(&hierarchy().sums) {
            for (step, sum) in sum.iter().enumerate() {
                let added: f64 = members.iter().map(|index| found.series[*index][step]).sum();
                assert!((sum - added).abs() <= 1e-9 * sum.abs());
            }
        }
        let bottom_up = hierarchy().bottom_up(base.series.clone()).unwrap();
        let own = squares(&difference(&truth, &found));
        assert!(own < 0.7 * squares(&difference(&truth, &base)));
        assert!(own < 0.7 * squares(&difference(&truth, &bottom_up)));
    }

    /// The textbook's form, S (S' W^-1 S)^-1 S' W^-1 y, for one sum of two series and diagonal W.
    #[test]
    fn the_gap_is_shared_by_variance() {
        let hierarchy = Hierarchy::new(2, vec![vec![0, 1]]).unwrap();
        let errors = Nodes {
            sums: vec![vec![1.0, 1.0, -1.0, -1.0]],
            series: vec![vec![2.0, -2.0, 2.0, -2.0], vec![1.0, -1.0, -1.0, 1.0]],
        };
        let base = Nodes { sums: vec![vec![12.0]], series: vec![vec![3.0], vec![3.0]] };
        let found = hierarchy.min_trace(&base, &errors, false).unwrap();
        // Uncorrelated errors with variances 1, 4 and 1 share a gap of 6 in those parts.
        assert!((found.series[0][0] - 7.0).abs() < 1e-9, "{found:?}");
        assert!((found.series[1][0] - 4.0).abs() < 1e-9);
        assert!((found.sums[0][0] - 11.0).abs() < 1e-9);
    }

    #[test]
    fn coherent_forecasts_stay_and_nothing_known_is_least_squares() {
        let hierarchy = Hierarchy::new(2, vec![vec![0, 1]]).unwrap();
        let none = Nodes { sums: vec![vec![]], series: vec![vec![], vec![]] };
        let base = Nodes { sums: vec![vec![8.0]], series: vec![vec![3.0], vec![2.0]] };
        let found = hierarchy.min_trace(&base, &none, true).unwrap();
        assert!((found.series[0][0] - 4.0).abs() < 1e-9 && (found.sums[0][0] - 7.0).abs() < 1e-9);
        let again = hierarchy.min_trace(&found, &none, true).unwrap();
        assert!(squares(&difference(&again, &found)) < 1e-18);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let unknown = Hierarchy::new(2, vec![vec![0, 2]]);
        assert_eq!(unknown, Err(ForecastError::UnknownSeries { known: 2, found: 2 }));
        let found = hierarchy().bottom_up(vec![vec![1.0]; 3]);
        let expected = ForecastError::Shape { what: "series", expected: 4, found: 3 };
        assert_eq!(found, Err(expected));
        assert!(hierarchy().min_trace(&Nodes::default(), &Nodes::default(), false).is_err());
    }
}
