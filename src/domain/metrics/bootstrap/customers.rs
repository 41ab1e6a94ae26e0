//! Whose row is whose, and draws of customers.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::RngCore;

use super::{BootstrapError, EvaluationRows};

/// The customer of each row.
#[derive(Clone, Debug)]
pub struct Customers {
    /// Place of the row's customer among all customers in rising order; empty when every row is a
    /// customer of its own.
    place: Vec<u32>,
    rows: usize,
    customers: usize,
}

/// Room for one draw, used again by the next.
#[derive(Debug, Default)]
pub(super) struct Draw {
    times: Vec<u32>,
    weights: Vec<f64>,
}

impl Customers {
    /// Rows of the customers with these numbers; any numbers that tell them apart. In which order
    /// customers are drawn depends on the numbers, not on the order of rows.
    ///
    /// # Errors
    /// [`BootstrapError::Rows`] without rows or with more than 2^32.
    pub fn new(of_row: &[u64]) -> Result<Self, BootstrapError> {
        check_rows(of_row.len())?;
        let mut known = of_row.to_vec();
        known.sort_unstable();
        known.dedup();
        let place = |customer: &u64| known.partition_point(|other| other < customer) as u32;
        Ok(Self {
            place: of_row.iter().map(place).collect(),
            rows: of_row.len(),
            customers: known.len(),
        })
    }

    /// That many rows, each a customer of its own.
    ///
    /// # Errors
    /// [`BootstrapError::Rows`] without rows or with more than 2^32.
    pub fn one_per_row(rows: usize) -> Result<Self, BootstrapError> {
        check_rows(rows)?;
        Ok(Self { place: Vec::new(), rows, customers: rows })
    }

    pub(super) fn of_rows(rows: &EvaluationRows<'_>) -> Result<Self, BootstrapError> {
        let expected = rows.target.len();
        let Some(customers) = rows.customers else {
            return Self::one_per_row(expected);
        };
        if customers.len() != expected {
            let found = customers.len();
            return Err(BootstrapError::Shape { what: "customers", expected, found });
        }
        Self::new(customers)
    }

    /// Number of rows, at least 1.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of customers, at least 1.
    pub fn customers(&self) -> usize {
        self.customers
    }

    /// Draws as many customers as there are, with replacement: how often each row counts.
    pub(super) fn draw<'a>(&self, mut stream: Xoshiro256PlusPlus, draw: &'a mut Draw) -> &'a [f64] {
        draw.times.clear();
        draw.times.resize(self.customers, 0);
        for _ in 0..self.customers {
            // The upper half of a 128-bit product: uniform to within customers / 2^64.
            let drawn = (u128::from(stream.next_u64()) * self.customers as u128) >> 64;
            if let Some(times) = draw.times.get_mut(drawn as usize) {
                *times += 1;
            }
        }
        draw.weights.clear();
        if self.place.is_empty() {
            draw.weights.extend(draw.times.iter().map(|times| f64::from(*times)));
        } else {
            let times = |place: &u32| draw.times.get(*place as usize).copied().unwrap_or(0);
            draw.weights.extend(self.place.iter().map(|place| f64::from(times(place))));
        }
        &draw.weights
    }
}

fn check_rows(found: usize) -> Result<(), BootstrapError> {
    let fits = u32::try_from(found).is_ok() && found > 0;
    if fits { Ok(()) } else { Err(BootstrapError::Rows { found }) }
}
