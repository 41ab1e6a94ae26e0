//! Customers with their true rates, drop-out and tastes (Pareto/NBD with Dirichlet preferences).

use std::sync::atomic::{AtomicU32, Ordering};

use super::calendar::{Calendar, Channel};
use super::parameters::Parameters;
use super::plan::Plan;
use super::random::{Choice, Purpose, Stream};
use super::shop::Shop;

/// Customers that are generated together, from one stream of random numbers.
pub(super) const BLOCK: usize = 1024;

/// What is true of one customer.
#[derive(Clone, Debug)]
pub(super) struct Customer {
    /// Day of the first order, in days since 1970-01-01.
    pub(super) acquired: i32,
    /// The first day without orders for ever.
    pub(super) dropped: i32,
    /// Orders per week on days of factor 1.
    pub(super) rate: f64,
    /// Drop-out hazard per week.
    pub(super) hazard: f64,
    /// Position among [`Parameters::price_responses`].
    pub(super) level: usize,
    /// Mean number of lines of an order in a usual week.
    pub(super) basket: f64,
    pub(super) return_propensity: f64,
    pub(super) store: usize,
    pub(super) channel: Channel,
    /// Position among the shop's countries.
    pub(super) country: usize,
    /// Whether quantities are those of trade.
    pub(super) is_trade: bool,
}

/// Up to [`BLOCK`] customers.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) number: usize,
    pub(super) customers: Vec<Customer>,
    /// Orders of each customer so far.
    orders: Vec<AtomicU32>,
    /// One share per category, customer by customer.
    preferences: Vec<f32>,
    categories: usize,
}

impl Block {
    /// Number of the block's customer in the shop, from 0.
    pub(super) fn customer_number(&self, index: usize) -> u32 {
        (self.number * BLOCK + index) as u32
    }

    /// Shares of the categories; their sum is 1.
    pub(super) fn preferences(&self, index: usize) -> &[f32] {
        let from = index * self.categories;
        self.preferences.get(from..from + self.categories).unwrap_or_default()
    }

    pub(super) fn count_orders(&self, index: usize, count: u32) {
        if let Some(orders) = self.orders.get(index) {
            orders.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub(super) fn orders(&self, index: usize) -> u32 {
        self.orders.get(index).map_or(0, |orders| orders.load(Ordering::Relaxed))
    }
}

/// Draws customers.
#[derive(Debug)]
pub(super) struct Population<'a> {
    plan: &'a Plan,
    parameters: &'a Parameters,
    shop: &'a Shop,
    calendar: &'a Calendar,
    /// On which day of the period a new customer comes.
    arrivals: Choice,
    levels: Choice,
    channels: Choice,
    shares: Vec<f64>,
}

impl<'a> Population<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        parameters: &'a Parameters,
        shop: &'a Shop,
        calendar: &'a Calendar,
    ) -> Self {
        Self {
            plan,
            parameters,
            shop,
            calendar,
            arrivals: Choice::new(calendar.days().map(|day| day.factor)),
            levels: Choice::new(parameters.price_response_shares),
            channels: Choice::new(parameters.channels),
            shares: shop.shares(),
        }
    }

    /// The block of a number with its first `count` customers.
    pub(super) fn block(&self, number: usize, count: usize) -> Block {
        let mut stream = Stream::new(self.plan.seed, Purpose::Customers, number as u64, 0);
        let mut block = Block {
            number,
            customers: Vec::with_capacity(count),
            orders: std::iter::repeat_with(AtomicU32::default).take(count).collect(),
            preferences: Vec::with_capacity(count * self.shares.len()),
            categories: self.shares.len(),
        };
        for _ in 0..count {
            block.customers.push(self.customer(&mut stream));
            let concentration = self.parameters.preference_concentration;
            let preferences = stream.dirichlet(&self.shares, concentration);
            block.preferences.extend(preferences.into_iter().map(|share| share as f32));
        }
        block
    }

    fn customer(&self, stream: &mut Stream) -> Customer {
        let parameters = self.parameters;
        let gamma = |shape: f64, mean: f64, stream: &mut Stream| stream.gamma(shape) * mean / shape;
        let acquired = self.acquired(stream);
        let hazard = gamma(parameters.dropout_shape, parameters.dropout_mean, stream);
        let (propensity_shape, propensity_mean) = parameters.return_propensity;
        let country = if stream.chance(parameters.home_country) {
            0
        } else {
            1 + stream.below(self.shop.countries.len().saturating_sub(1))
        };
        Customer {
            acquired,
            dropped: self.dropped(acquired, hazard, stream),
            rate: gamma(parameters.rate_shape, parameters.rate_mean, stream),
            hazard,
            level: self.levels.draw(stream),
            basket: parameters.basket_least
                + gamma(parameters.basket_shape, parameters.basket_mean, stream),
            return_propensity: gamma(propensity_shape, propensity_mean, stream),
            store: self.shop.store_sizes.draw(stream),
            channel: self.channel(stream),
            country,
            is_trade: stream.chance(parameters.trade_share),
        }
    }

    /// A share came evenly before the first day, the others on a day of the period.
    fn acquired(&self, stream: &mut Stream) -> i32 {
        if stream.chance(self.parameters.earlier_customers) {
            let days = self.parameters.earlier_weeks * 7.0 * stream.uniform();
            return self.calendar.start - 1 - days as i32;
        }
        self.calendar.start + self.arrivals.draw(stream) as i32
    }

    /// Customers live at least the day of their first order and then an exponential time.
    fn dropped(&self, acquired: i32, hazard: f64, stream: &mut Stream) -> i32 {
        // A hazard may underflow to 0; a life ends at the latest after a century.
        let days = (7.0 * stream.exponential() / hazard.max(1e-12)).min(36_525.0);
        acquired + 1 + days as i32
    }

    pub(super) fn channel(&self, stream: &mut Stream) -> Channel {
        let position = self.channels.draw(stream);
        Channel::ALL.get(position).copied().unwrap_or(Channel::Store)
    }

    /// A level of price response.
    pub(super) fn level(&self, stream: &mut Stream) -> usize {
        self.levels.draw(stream)
    }
}
