//! Prices and demand of a week: log-linear in price, season, gifts and promotion.

use super::calendar::Week;
use super::parameters::{LEVELS, Parameters};
use super::random::{Choice, Purpose, Stream};
use super::shop::{Product, Shop, log_normal};

/// The price of one product in one week.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Offer {
    /// Regular price in cents.
    pub(super) price: i32,
    /// Share of the price that a promotion takes off; 0 without one.
    pub(super) depth: f32,
}

impl Offer {
    pub(super) fn is_promotion(self) -> bool {
        self.depth > 0.0
    }

    /// Cents off `quantity` units.
    pub(super) fn discount(self, quantity: i64) -> i64 {
        let gross = quantity * i64::from(self.price);
        (gross as f64 * f64::from(self.depth)).round() as i64
    }

    /// What a customer pays for one unit, over the base price.
    fn ratio(self, product: &Product) -> f64 {
        f64::from(self.price) * (1.0 - f64::from(self.depth)) / product.base_price as f64
    }
}

/// The prices of all products in all weeks.
#[derive(Clone, Debug)]
pub(super) struct Prices {
    weeks: usize,
    /// Product by product.
    offers: Vec<Offer>,
}

impl Prices {
    pub(super) fn new(shop: &Shop, weeks: usize, seed: u64, parameters: &Parameters) -> Self {
        let mut offers = Vec::with_capacity(shop.products.len() * weeks);
        for (number, product) in (0..).zip(&shop.products) {
            let mut stream = Stream::new(seed, Purpose::Prices, number, 0);
            path(product, weeks, parameters, &mut stream, &mut offers);
        }
        Self { weeks, offers }
    }

    pub(super) fn offer(&self, product: usize, week: usize) -> Offer {
        self.offers.get(product * self.weeks + week).copied().unwrap_or_default()
    }
}

/// A regular price that now and then changes around a trend, and promotions of some weeks.
fn path(
    product: &Product,
    weeks: usize,
    parameters: &Parameters,
    stream: &mut Stream,
    offers: &mut Vec<Offer>,
) {
    let mut price = product.base_price as i32;
    let mut depth = 0.0;
    for week in 0..weeks {
        if week > 0 && stream.chance(parameters.price_change) {
            let trend = (1.0 + parameters.inflation).powf(week as f64 / 52.0);
            let level = product.base_price as f64 * trend;
            price = log_normal((level, parameters.price_spread), stream).round().max(1.0) as i32;
        }
        let goes_on = depth > 0.0 && stream.chance(parameters.promotion_stay);
        if !goes_on {
            depth = 0.0;
            if stream.chance(parameters.promotion_start) {
                let depths = parameters.promotion_depths;
                depth = depths.get(stream.below(depths.len())).copied().unwrap_or(0.0) as f32;
            }
        }
        offers.push(Offer { price, depth });
    }
}

/// What multiplies the demand for a product, beside the price.
#[derive(Clone, Copy, Debug)]
pub(super) struct Multipliers {
    pub(super) season: f64,
    pub(super) gifts: f64,
    pub(super) promotion: f64,
    /// The price over the base price.
    pub(super) price_ratio: f64,
    elasticity: f64,
}

impl Multipliers {
    pub(super) fn new(shop: &Shop, product: &Product, offer: Offer, week: &Week) -> Self {
        let gifts = shop.categories.get(product.category).map_or(0.0, |category| category.gifts);
        Self {
            season: product.season(week.day_of_year),
            gifts: (gifts * week.gifts).exp(),
            promotion: if offer.is_promotion() { product.promotion_multiplier } else { 1.0 },
            price_ratio: offer.ratio(product),
            elasticity: product.elasticity,
        }
    }

    /// The effect of the price on a customer of a price response.
    pub(super) fn price(&self, response: f64) -> f64 {
        (-self.elasticity * response * self.price_ratio.ln()).exp()
    }

    /// All effects together.
    pub(super) fn total(&self, response: f64) -> f64 {
        self.season * self.gifts * self.promotion * self.price(response)
    }
}

/// What customers of each price response choose among in one week.
#[derive(Clone, Debug)]
pub(super) struct Market {
    pub(super) week: usize,
    levels: Vec<Vec<Choice>>,
    attractions: Vec<Vec<f64>>,
}

impl Market {
    pub(super) fn new(
        shop: &Shop,
        prices: &Prices,
        week: &Week,
        number: usize,
        responses: &[f64; LEVELS],
    ) -> Self {
        let products = shop.products.iter().enumerate();
        let effects: Vec<(f64, Multipliers)> = products
            .map(|(at, product)| {
                let offer = prices.offer(at, number);
                (product.share, Multipliers::new(shop, product, offer, week))
            })
            .collect();
        let choice = |range: &std::ops::Range<usize>, response: f64| {
            let effects = effects.get(range.clone()).unwrap_or_default();
            Choice::new(effects.iter().map(|(share, effect)| share * effect.total(response)))
        };
        let level = |response: &f64| {
            let categories = shop.categories.iter();
            categories.map(|category| choice(&category.products, *response)).collect::<Vec<_>>()
        };
        let levels: Vec<Vec<Choice>> = responses.iter().map(level).collect();
        let totals = |choices: &Vec<Choice>| choices.iter().map(Choice::total).collect();
        let attractions = levels.iter().map(totals).collect();
        Self { week: number, levels, attractions }
    }

    /// Each category's demand over its demand at base prices without season; 1 is usual.
    pub(super) fn attractions(&self, level: usize) -> &[f64] {
        self.attractions.get(level).map_or(&[], Vec::as_slice)
    }

    /// A product of a category.
    pub(super) fn draw(
        &self,
        shop: &Shop,
        level: usize,
        category: usize,
        stream: &mut Stream,
    ) -> usize {
        let choice = self.levels.get(level).and_then(|choices| choices.get(category));
        let within = choice.map_or(0, |choice| choice.draw(stream));
        shop.categories.get(category).map_or(0, |category| category.products.start + within)
    }
}
