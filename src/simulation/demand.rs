//! What a customer is expected to buy in a week.

use super::calendar::Week;
use super::customer::Customer;
use super::market::Market;
use super::parameters::LEVELS;

/// The factors of a week's days, as running sums.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exposure {
    monday: i32,
    sums: [f64; 8],
}

impl Exposure {
    pub(super) fn new(week: &Week) -> Self {
        let mut sums = [0.0; 8];
        let mut total = 0.0;
        for (sum, day) in sums.iter_mut().skip(1).zip(&week.days) {
            total += day.factor;
            *sum = total;
        }
        Self { monday: week.monday(), sums }
    }

    /// Sum of the factors between the day of the first order and the day of the drop-out, both
    /// left out, over those of a usual week.
    pub(super) fn of(&self, customer: &Customer) -> f64 {
        let (from, to) = self.active(customer);
        (self.sum(to) - self.sum(from)).max(0.0) / 7.0
    }

    /// A day of the week on which the customer is active, by factor; `uniform` is in [0, 1).
    pub(super) fn day(&self, customer: &Customer, uniform: f64) -> usize {
        let (from, to) = self.active(customer);
        self.between(from, to, uniform)
    }

    /// A day of the whole week, by factor.
    pub(super) fn any_day(&self, uniform: f64) -> usize {
        self.between(0, 7, uniform)
    }

    /// The weekday of the first order, where it falls into this week.
    pub(super) fn first_order(&self, customer: &Customer) -> Option<usize> {
        let offset =
            usize::try_from(customer.acquired - self.monday).ok().filter(|day| *day < 7)?;
        (self.sum(offset + 1) > self.sum(offset)).then_some(offset)
    }

    fn between(&self, from: usize, to: usize, uniform: f64) -> usize {
        let target = self.sum(from) + uniform * (self.sum(to) - self.sum(from));
        let position = self.sums.partition_point(|sum| *sum <= target);
        position.saturating_sub(1).min(6)
    }

    fn active(&self, customer: &Customer) -> (usize, usize) {
        let from = (customer.acquired + 1 - self.monday).clamp(0, 7) as usize;
        let to = (customer.dropped - self.monday).clamp(0, 7) as usize;
        (from, to.max(from))
    }

    fn sum(&self, position: usize) -> f64 {
        self.sums.get(position).copied().unwrap_or(0.0)
    }
}

/// How strongly the offers of a week attract a customer of a basket and of preferences.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attraction {
    /// Sum of preference times attraction of the category; 1 in a usual week.
    pub(super) total: f64,
    /// Expected lines of an order.
    pub(super) lines: f64,
}

impl Attraction {
    /// Expected lines are the basket times the attraction, at least 1, so that the expected lines
    /// of a product are exactly proportional to its multiplier as long as that bound is not met.
    pub(super) fn new(
        market: &Market,
        level: usize,
        basket: f64,
        preferences: impl Iterator<Item = f64>,
    ) -> Self {
        let attractions = market.attractions(level);
        let total: f64 = preferences.zip(attractions).map(|(share, index)| share * index).sum();
        Self { total, lines: (basket * total).max(1.0) }
    }
}

/// Expected units per level and category of one week, over the product's share times its
/// multiplier: what [`Expected::units`] turns into units of a product.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    categories: usize,
    weights: Vec<f64>,
    /// Expected rows of sales.
    pub(super) lines: f64,
}

impl Expected {
    pub(super) fn new(categories: usize) -> Self {
        Self { categories, weights: vec![0.0; categories * LEVELS], lines: 0.0 }
    }

    /// Adds `orders` expected orders with `quantity` expected units per line.
    pub(super) fn add(
        &mut self,
        level: usize,
        orders: f64,
        quantity: f64,
        attraction: Attraction,
        preferences: impl Iterator<Item = f64>,
    ) {
        self.lines += orders * attraction.lines;
        let units = orders * attraction.lines / attraction.total.max(1e-300) * quantity;
        let weights = self.weights.iter_mut().skip(level * self.categories);
        for (weight, share) in weights.zip(preferences) {
            *weight += units * share;
        }
    }

    /// Expected units of a product from its category, its share and its multiplier per level.
    pub(super) fn units(
        &self,
        category: usize,
        share: f64,
        multipliers: impl Iterator<Item = f64>,
    ) -> f64 {
        let weights = self.weights.iter().skip(category).step_by(self.categories.max(1));
        weights.zip(multipliers).map(|(weight, multiplier)| weight * share * multiplier).sum()
    }

    /// Adds another block's; blocks are added in their order, so that sums have the same bits.
    pub(super) fn merge(&mut self, other: &Self) {
        self.lines += other.lines;
        for (sum, weight) in self.weights.iter_mut().zip(&other.weights) {
            *sum += weight;
        }
    }
}
