//! Blocks of customers that are predicted from the others.

use std::collections::HashMap;

use super::super::Sample;

/// The customer and the fold of each row.
pub(super) struct Folds {
    /// Customers numbered by their first row.
    customers: Vec<usize>,
    distinct: usize,
}

/// Copied rows.
pub(super) struct Rows {
    scores: Vec<f64>,
    target: Vec<bool>,
    weights: Vec<f64>,
}

impl Folds {
    const MOST: usize = 5;

    /// Folds of `rows` rows; each row is a customer of its own where `customers` is `None`.
    pub(super) fn new(rows: usize, customers: Option<&[u64]>) -> Self {
        let Some(customers) = customers else {
            return Self { customers: (0..rows).collect(), distinct: rows };
        };
        let mut known = HashMap::new();
        let mut number = |customer: &u64| {
            let next = known.len();
            *known.entry(*customer).or_insert(next)
        };
        let customers = customers.iter().map(&mut number).collect();
        Self { customers, distinct: known.len() }
    }

    /// How many there are: five, or one per customer.
    pub(super) fn count(&self) -> usize {
        self.distinct.min(Self::MOST)
    }

    /// The fold of each row.
    pub(super) fn of_rows(&self) -> impl Iterator<Item = usize> + '_ {
        let fold = |customer: &usize| (customer * self.count()).checked_div(self.distinct);
        self.customers.iter().map(move |customer| fold(customer).unwrap_or(0))
    }

    /// The rows of all folds but one.
    pub(super) fn without(&self, fold: usize, sample: Sample<'_>) -> Rows {
        let others = sample.rows().zip(self.of_rows()).filter(|(_, of)| *of != fold);
        let mut rows = Rows { scores: Vec::new(), target: Vec::new(), weights: Vec::new() };
        for ((score, happened, weight), _) in others {
            rows.scores.push(score);
            rows.target.push(happened);
            rows.weights.push(weight);
        }
        rows
    }

    /// The sum of one value per row, and its standard error over customers.
    pub(super) fn sum_and_error(&self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let mut sums = vec![0.0; self.distinct];
        for (customer, value) in self.customers.iter().zip(values) {
            if let Some(sum) = sums.get_mut(*customer) {
                *sum += value;
            }
        }
        let sum: f64 = sums.iter().sum();
        let mean = sum / (self.distinct as f64).max(1.0);
        let squares: f64 = sums.iter().map(|value| (value - mean).powi(2)).sum();
        (sum, squares.sqrt())
    }
}

impl Rows {
    pub(super) fn sample(&self) -> Sample<'_> {
        Sample { scores: &self.scores, target: &self.target, weights: &self.weights }
    }
}
