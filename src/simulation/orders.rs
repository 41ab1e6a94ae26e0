//! The orders of one block of customers in one week, and what becomes of them later.

use super::aftermath::Aftermath;
use super::calendar::{Calendar, Channel, Hours};
use super::customer::{Block, Customer, Population};
use super::demand::{Attraction, Expected, Exposure};
use super::line::{Counts, Kind, Line, OrderNumber};
use super::market::{Market, Prices};
use super::parameters::Parameters;
use super::plan::Plan;
use super::random::{Choice, Purpose, Stream, Zeta};
use super::shop::Shop;

/// Longest time from a sale to its return, in days.
pub(super) const LONGEST_RETURN: usize = 60;

/// All that does not change from week to week.
#[derive(Debug)]
pub(super) struct World<'a> {
    pub(super) plan: &'a Plan,
    pub(super) parameters: &'a Parameters,
    pub(super) shop: &'a Shop,
    pub(super) calendar: &'a Calendar,
    pub(super) prices: &'a Prices,
    pub(super) population: &'a Population<'a>,
    pub(super) hours: Hours,
    pub(super) quantity: Zeta,
    pub(super) trade_quantity: Zeta,
    pub(super) shares: Vec<f64>,
}

impl World<'_> {
    fn quantities(&self, is_trade: bool) -> &Zeta {
        if is_trade { &self.trade_quantity } else { &self.quantity }
    }

    fn usual_basket(&self) -> f64 {
        self.parameters.basket_least + self.parameters.basket_mean
    }

    /// Orders of nobody for each order of a customer.
    fn walk_ins(&self) -> f64 {
        self.parameters.anonymous / (1.0 - self.parameters.anonymous)
    }
}

/// A week as the blocks need it.
#[derive(Debug)]
pub(super) struct Period<'a> {
    pub(super) market: &'a Market,
    pub(super) exposure: Exposure,
    /// First instants of the hours from Monday to the last day on which a return is possible.
    pub(super) instants: Vec<i64>,
}

/// What a block did in a week.
#[derive(Debug)]
pub(super) struct BlockWeek {
    pub(super) lines: Vec<Line>,
    pub(super) counts: Counts,
    pub(super) expected: Expected,
}

/// Who orders.
#[derive(Clone, Copy, Debug)]
struct Buyer {
    number: Option<u32>,
    level: usize,
    store: usize,
    channel: Channel,
    country: usize,
    is_trade: bool,
    return_propensity: f64,
}

/// Generates the orders of a block in a week.
pub(super) struct Desk<'a> {
    world: &'a World<'a>,
    period: &'a Period<'a>,
    block: &'a Block,
    stream: Stream,
    orders: u64,
    categories: Choice,
    order: Vec<Line>,
    done: BlockWeek,
}

impl<'a> Desk<'a> {
    pub(super) fn new(world: &'a World<'a>, period: &'a Period<'a>, block: &'a Block) -> Self {
        let week = period.market.week as u64;
        Self {
            world,
            period,
            block,
            stream: Stream::new(world.plan.seed, Purpose::Orders, block.number as u64, week),
            orders: 0,
            categories: Choice::default(),
            order: Vec::new(),
            done: BlockWeek {
                lines: Vec::new(),
                counts: Counts::default(),
                expected: Expected::new(world.shares.len()),
            },
        }
    }

    /// Orders of all customers of the block, and of the nobodies that come beside them.
    pub(super) fn run(mut self) -> BlockWeek {
        let block = self.block;
        let mut expected = 0.0;
        for (index, customer) in block.customers.iter().enumerate() {
            expected += self.customer(index, customer);
        }
        self.walk_ins(expected * self.world.walk_ins());
        self.done
    }

    /// What the block is expected to do, without doing it.
    pub(super) fn expect(mut self) -> Expected {
        let mut orders = 0.0;
        for (index, customer) in self.block.customers.iter().enumerate() {
            let expected = self.expected_orders(customer);
            if expected > 0.0 {
                self.attraction(index, customer, expected);
            }
            orders += expected;
        }
        self.attraction_of_walk_ins(orders * self.world.walk_ins());
        self.done.expected
    }

    fn expected_orders(&self, customer: &Customer) -> f64 {
        let first = self.period.exposure.first_order(customer).is_some();
        customer.rate * self.period.exposure.of(customer) + f64::from(u8::from(first))
    }

    /// The orders of one customer; returns how many were expected.
    fn customer(&mut self, index: usize, customer: &Customer) -> f64 {
        let expected = self.expected_orders(customer);
        if expected <= 0.0 {
            return 0.0;
        }
        let attraction = self.attraction(index, customer, expected);
        let first = self.period.exposure.first_order(customer);
        let repeats = self.stream.poisson(customer.rate * self.period.exposure.of(customer));
        if first.is_none() && repeats == 0 {
            return expected;
        }
        self.block.count_orders(index, repeats + u32::from(first.is_some()));
        let preferences = self.block.preferences(index).iter().map(|share| f64::from(*share));
        let attractions = self.period.market.attractions(customer.level);
        self.categories.refill(preferences.zip(attractions).map(|(share, index)| share * index));
        let buyer = Buyer {
            number: Some(self.block.customer_number(index)),
            level: customer.level,
            store: customer.store,
            channel: customer.channel,
            country: customer.country,
            is_trade: customer.is_trade,
            return_propensity: customer.return_propensity,
        };
        if let Some(day) = first {
            self.place(buyer, attraction, day);
        }
        for _ in 0..repeats {
            let day = self.period.exposure.day(customer, self.stream.uniform());
            self.place(buyer, attraction, day);
        }
        expected
    }

    fn attraction(&mut self, index: usize, customer: &Customer, orders: f64) -> Attraction {
        let preferences = || self.block.preferences(index).iter().map(|share| f64::from(*share));
        let market = self.period.market;
        let found = Attraction::new(market, customer.level, customer.basket, preferences());
        let quantity = self.world.quantities(customer.is_trade).mean();
        self.done.expected.add(customer.level, orders, quantity, found, preferences());
        found
    }

    /// The attraction of the offers for nobody in particular, by level.
    fn attraction_of_walk_ins(&mut self, orders: f64) -> Vec<Attraction> {
        let world = self.world;
        let shares = || world.shares.iter().copied();
        let basket = world.usual_basket();
        let levels = world.parameters.price_response_shares.into_iter().enumerate();
        let attractions = levels.map(|(level, part)| {
            let found = Attraction::new(self.period.market, level, basket, shares());
            let quantity = world.quantity.mean();
            self.done.expected.add(level, orders * part, quantity, found, shares());
            found
        });
        attractions.collect()
    }

    fn walk_ins(&mut self, expected: f64) {
        let world = self.world;
        let attractions = self.attraction_of_walk_ins(expected);
        for _ in 0..self.stream.poisson(expected) {
            let level = world.population.level(&mut self.stream);
            let Some(attraction) = attractions.get(level) else { continue };
            let indices = self.period.market.attractions(level);
            let weights = world.shares.iter().zip(indices).map(|(share, index)| share * index);
            self.categories.refill(weights);
            let buyer = Buyer {
                number: None,
                level,
                store: world.shop.store_sizes.draw(&mut self.stream),
                channel: world.population.channel(&mut self.stream),
                country: 0,
                is_trade: false,
                return_propensity: world.parameters.return_propensity.1,
            };
            let day = self.period.exposure.any_day(self.stream.uniform());
            self.place(buyer, *attraction, day);
        }
    }

    /// One order on a day of the week: its lines, and what becomes of them.
    fn place(&mut self, buyer: Buyer, attraction: Attraction, day: usize) {
        let header = self.header(buyer, day);
        let size = self.world.parameters.basket_size;
        let lines = 1 + self.stream.negative_binomial(attraction.lines - 1.0, size).min(65_000);
        self.order.clear();
        for number in 1..=lines {
            let line = self.line(header, buyer, number as u16);
            self.order.push(line);
        }
        let number = self.next_order();
        let mut aftermath = Aftermath {
            world: self.world,
            instants: &self.period.instants,
            stream: &mut self.stream,
            lines: &mut self.done.lines,
            counts: &mut self.done.counts,
        };
        let propensity = buyer.return_propensity;
        if aftermath.follow(&self.order, day, propensity, number) {
            self.orders += 1;
        }
    }

    /// What the lines of an order have in common.
    fn header(&mut self, buyer: Buyer, day: usize) -> Line {
        let world = self.world;
        let stream = &mut self.stream;
        let is_main = stream.chance(world.parameters.main_channel);
        let channel = if is_main { buyer.channel } else { world.population.channel(stream) };
        let is_home = stream.chance(world.parameters.main_channel);
        let store = if is_home { buyer.store } else { world.shop.store_sizes.draw(stream) };
        let week = world.calendar.weeks.get(self.period.market.week);
        let date = week.and_then(|week| week.days.get(day));
        let (hour, second) = date.map_or((12, 0), |date| world.hours.draw(channel, date, stream));
        let instant = self.period.instants.get(day * 24 + hour).copied().unwrap_or(0);
        let occurred_at = instant + second * 1_000_000;
        let is_late = self.stream.chance(world.parameters.late);
        let order = self.next_order();
        self.orders += 1;
        let mut header = Line {
            recorded_at: occurred_at,
            occurred_at,
            order,
            cancels: None,
            customer: buyer.number,
            product: 0,
            quantity: 1,
            unit_price: 0,
            discount: 0,
            number: 0,
            store: (channel == Channel::Store).then_some(store as u16),
            country: buyer.country as u8,
            channel,
            is_promotion: false,
            kind: Kind::Sale,
            flaw: None,
        };
        header.recorded_at += super::aftermath::delay(is_late, world.parameters, &mut self.stream);
        header
    }

    fn line(&mut self, header: Line, buyer: Buyer, number: u16) -> Line {
        let world = self.world;
        let market = self.period.market;
        let category = self.categories.draw(&mut self.stream);
        let product = market.draw(world.shop, buyer.level, category, &mut self.stream);
        let offer = world.prices.offer(product, market.week);
        let quantity = world.quantities(buyer.is_trade).draw(&mut self.stream) as i32;
        Line {
            number,
            product: product as u32,
            quantity,
            unit_price: offer.price,
            discount: offer.discount(quantity.into()) as i32,
            is_promotion: offer.is_promotion(),
            ..header
        }
    }

    fn next_order(&self) -> OrderNumber {
        OrderNumber::new(self.period.market.week, self.block.number, self.orders)
    }
}
