//! Effects of each series, drawn towards those of the panel.
//!
//! Empirical Bayes with a normal prior for each column: its mean and variance over the series by
//! restricted likelihood with a penalty (Chung, Rabe-Hesketh and Choi, "Avoiding zero between-study
//! variance estimates in random-effects meta-analysis", Statistics in Medicine 32, 2013). An estimate
//! of zero, where the series say little, would claim that all are alike and make intervals far too
//! narrow. Given the prior, the effects of a series are a ridge regression towards the prior's means.

use super::regression::Evidence;
use super::seasonal::cholesky_solve;

/// Fewest series that a prior is estimated from.
const FEWEST_SERIES: usize = 5;
/// Least share of a column's movement that trend and season may leave, so that it says something.
pub(super) const LEAST_UNEXPLAINED: f64 = 0.05;
/// Standard deviations between series that are tried: the least, the largest, and how many steps.
const NARROWEST: f64 = 1e-3;
const WIDEST: f64 = 10.0;
const SPREADS: i32 = 200;

/// What is expected of an effect before the series is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Prior {
    pub(super) mean: f64,
    pub(super) variance: f64,
    /// How many series it was learned from; 0 for one that was set.
    pub(super) series: usize,
}

/// The effects of a series: means and standard deviations.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Posterior {
    pub(super) means: Vec<f64>,
    pub(super) deviations: Vec<f64>,
}

/// The prior of each column; `set` where fewer than five series tell.
pub(super) fn priors(all: &[Option<Evidence>], set: &[Prior]) -> Vec<Prior> {
    let learned = |(column, set): (usize, &Prior)| {
        let own = all.iter().flatten().filter_map(|evidence| evidence.alone(column, set));
        let own: Vec<(f64, f64)> = own.collect();
        if own.len() < FEWEST_SERIES { *set } else { pooled(&own) }
    };
    set.iter().enumerate().map(learned).collect()
}

/// Mean and variance over estimates and their variances. The spread between the series is where the
/// restricted likelihood times the spread is largest.
fn pooled(estimates: &[(f64, f64)]) -> Prior {
    let weigh = |between: f64| {
        let (mut sum, mut total) = (0.0, 0.0);
        for (estimate, variance) in estimates {
            let weight = 1.0 / (variance + between);
            sum += weight * estimate;
            total += weight;
        }
        (sum / total, total)
    };
    let likelihood = |spread: f64| {
        let between = spread * spread;
        let (mean, total) = weigh(between);
        let term = |(own, variance): &(f64, f64)| {
            let all = variance + between;
            all.ln() + (own - mean).powi(2) / all
        };
        let terms: f64 = estimates.iter().map(term).sum();
        spread.ln() - 0.5 * (terms + total.ln())
    };
    let step = (WIDEST / NARROWEST).powf(1.0 / SPREADS as f64);
    let spreads = (0..=SPREADS).map(|power| NARROWEST * step.powi(power));
    let best = spreads.max_by(|a, b| likelihood(*a).total_cmp(&likelihood(*b)));
    let between = best.unwrap_or(NARROWEST).powi(2);
    let (mean, total) = weigh(between);
    Prior { mean, variance: between + 1.0 / total, series: estimates.len() }
}

impl Evidence {
    /// The estimate of one column with all others, and its variance; `None` when the series does
    /// not tell.
    fn alone(&self, column: usize, set: &Prior) -> Option<(f64, f64)> {
        let tells = self.unexplained.get(column)? >= &LEAST_UNEXPLAINED;
        let flat = vec![Prior { mean: 0.0, variance: 1e4 * set.variance, series: 0 }; self.width()];
        let found = self.posterior(&flat)?;
        let (mean, deviation) = (*found.means.get(column)?, *found.deviations.get(column)?);
        let known = deviation * deviation < set.variance;
        (tells && known).then_some((mean, (deviation * deviation).max(f64::MIN_POSITIVE)))
    }

    pub(super) fn width(&self) -> usize {
        self.weighted.len()
    }

    /// The effects given priors; `None` when the equations are singular beyond repair.
    pub(super) fn posterior(&self, priors: &[Prior]) -> Option<Posterior> {
        let width = self.width();
        // In standard deviations of the prior the equations are well scaled.
        let scales: Vec<f64> = priors.iter().map(|prior| prior.variance.sqrt()).collect();
        let cells = self.precision.iter().enumerate().map(|(at, cell)| {
            let (row, column) = (at / width.max(1), at % width.max(1));
            let scale = |index: usize| scales.get(index).copied().unwrap_or(1.0);
            cell * scale(row) * scale(column) + f64::from(u8::from(row == column))
        });
        let matrix: Vec<f64> = cells.collect();
        let solve = |right: Vec<f64>| {
            let mut solution = right;
            cholesky_solve(&mut matrix.clone(), &mut solution, 0.0).then_some(solution)
        };
        let parts = self.weighted.iter().zip(&scales).zip(priors);
        let means =
            solve(parts.map(|((r, scale), prior)| r * scale + prior.mean / scale).collect())?;
        let mut deviations = Vec::with_capacity(width);
        for (column, scale) in scales.iter().enumerate() {
            let unit = (0..width).map(|row| f64::from(u8::from(row == column))).collect();
            let variance = solve(unit)?.get(column).copied()?;
            deviations.push(scale * variance.max(0.0).sqrt());
        }
        let means = means.iter().zip(&scales).map(|(mean, scale)| mean * scale).collect();
        Some(Posterior { means, deviations })
    }

    /// Which other column moves along with one so closely that they cannot be told apart: the one
    /// of largest correlation.
    pub(super) fn collinear(&self, column: usize) -> Option<usize> {
        let width = self.width();
        let cell = |row: usize, column: usize| {
            self.precision.get(row * width + column).copied().unwrap_or_default()
        };
        let own = cell(column, column);
        let others: Vec<usize> =
            (0..width).filter(|other| *other != column && cell(*other, *other) > 0.0).collect();
        let size = others.len();
        let system = (0..size * size).map(|at| {
            let pick = |index: usize| others.get(index).copied().unwrap_or_default();
            cell(pick(at / size), pick(at % size))
        });
        let right: Vec<f64> = others.iter().map(|other| cell(*other, column)).collect();
        let mut solution = right.clone();
        let solved = cholesky_solve(&mut system.collect::<Vec<f64>>(), &mut solution, 1e-9);
        let explained: f64 = solution.iter().zip(&right).map(|(a, b)| a * b).sum();
        if !solved || own <= 0.0 || 1.0 - explained / own >= LEAST_UNEXPLAINED {
            return None;
        }
        let closeness = |other: &usize| cell(*other, column).powi(2) / cell(*other, *other);
        others.into_iter().max_by(|a, b| closeness(a).total_cmp(&closeness(b)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::regression::Form;
    use super::*;

    fn evidence(precision: &[f64], means: &[f64]) -> Evidence {
        let width = means.len();
        let rows = precision.chunks_exact(width);
        let weighted = rows.map(|row| row.iter().zip(means).map(|(a, b)| a * b).sum()).collect();
        Evidence {
            form: Form::Logarithmic,
            precision: precision.to_vec(),
            weighted,
            freedom: 50.0,
            unexplained: vec![1.0; width],
        }
    }

    const SET: Prior = Prior { mean: 0.0, variance: 1.0, series: 0 };

    #[test]
    fn without_a_prior_worth_mentioning_the_estimate_stays() {
        let flat = Prior { variance: 1e8, ..SET };
        let found = evidence(&[5.0, 2.0, 2.0, 4.0], &[0.3, -1.2]).posterior(&[flat; 2]).unwrap();
        assert!((found.means[0] - 0.3).abs() < 1e-6 && (found.means[1] + 1.2).abs() < 1e-6);
        // The inverse of the precision has 4 / 16 and 5 / 16 on its diagonal.
        assert!((found.deviations[0] - 0.5).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn series_that_say_little_get_what_the_others_say() {
        let mut all: Vec<Option<Evidence>> =
            (0..20).map(|i| Some(evidence(&[100.0], &[0.3 + 0.01 * f64::from(i % 2)]))).collect();
        all.push(Some(evidence(&[1e-6], &[9.0])));
        all.push(None);
        let found = priors(&all, &[SET]);
        assert!((found[0].mean - 0.305).abs() < 1e-6 && found[0].series == 20, "{found:?}");
        let little = all[20].as_ref().unwrap().posterior(&found).unwrap();
        assert!((little.means[0] - 0.305).abs() < 0.01);
        assert_eq!(priors(&all[..4], &[SET]), [SET]);
    }

    #[test]
    fn unlike_series_have_a_wide_prior() {
        let all: Vec<Option<Evidence>> =
            (0..40).map(|i| Some(evidence(&[1e4], &[f64::from(i % 5) / 10.0]))).collect();
        let prior = priors(&all, &[SET])[0];
        assert!((prior.mean - 0.2).abs() < 0.01 && (prior.variance.sqrt() - 0.145).abs() < 0.02);
    }

    #[test]
    fn series_that_seem_alike_by_chance_are_not_taken_for_the_same() {
        // Their estimates differ by less than their errors.
        let all: Vec<Option<Evidence>> =
            (0..30).map(|i| Some(evidence(&[2.0], &[-2.0 + f64::from(i % 7 - 3) / 6.0]))).collect();
        let prior = priors(&all, &[Prior { variance: 9.0, ..SET }])[0];
        assert!((prior.mean + 2.0).abs() < 0.05, "{prior:?}");
        assert!((0.15..0.7).contains(&prior.variance.sqrt()), "{prior:?}");
    }

    #[test]
    fn columns_that_move_together_are_named() {
        let same = evidence(&[4.0, 0.1, 3.98, 0.1, 4.0, 0.0, 3.98, 0.0, 4.0], &[1.0, 1.0, 1.0]);
        assert_eq!((same.collinear(0), same.collinear(2)), (Some(2), Some(0)));
        assert_eq!(same.collinear(1), None);
    }
}
