//! What the shop sells and where: categories, products, stores.

use super::calendar::season;
use super::parameters::Parameters;
use super::plan::Plan;
use super::random::{Choice, Purpose, Stream, zipf};

/// Names of the categories, the largest first.
const CATEGORIES: [&str; 24] = [
    "food/pantry",
    "food/fresh",
    "drinks/soft",
    "household/cleaning",
    "food/frozen",
    "beauty/care",
    "drinks/wine",
    "clothing/women",
    "household/kitchen",
    "food/sweets",
    "clothing/men",
    "beauty/hair",
    "home/decoration",
    "toys/games",
    "drinks/coffee",
    "clothing/children",
    "garden/plants",
    "home/textiles",
    "electronics/small",
    "toys/outdoor",
    "garden/tools",
    "beauty/fragrance",
    "electronics/audio",
    "books/fiction",
];

/// A group of products.
#[derive(Clone, Debug)]
pub(super) struct Category {
    pub(super) name: &'static str,
    /// Share of all lines, where customers have no other preference.
    pub(super) share: f64,
    /// How much days of gifts raise demand, on the log scale.
    pub(super) gifts: f64,
    /// Probability that a line comes back, for a customer of propensity 1.
    pub(super) return_rate: f64,
    /// Its products, which stand together.
    pub(super) products: std::ops::Range<usize>,
}

/// A product. Money is in cents.
#[derive(Clone, Debug)]
pub(super) struct Product {
    pub(super) id: String,
    pub(super) category: usize,
    /// Share of its category's lines at base price and without season.
    pub(super) share: f64,
    pub(super) base_price: i64,
    pub(super) unit_cost: i64,
    pub(super) elasticity: f64,
    pub(super) promotion_multiplier: f64,
    pub(super) season_amplitude: f64,
    /// Day of the year on which its season is highest.
    pub(super) season_peak: f64,
}

impl Product {
    pub(super) fn season(&self, day_of_year: f64) -> f64 {
        season(self.season_amplitude, self.season_peak, day_of_year)
    }
}

/// The shop.
#[derive(Clone, Debug)]
pub(super) struct Shop {
    pub(super) categories: Vec<Category>,
    pub(super) products: Vec<Product>,
    pub(super) stores: Vec<String>,
    /// Which store, by size.
    pub(super) store_sizes: Choice,
    /// The country of the shop first.
    pub(super) countries: Vec<String>,
}

impl Shop {
    pub(super) fn new(plan: &Plan, parameters: &Parameters) -> Self {
        let mut stream = Stream::new(plan.seed, Purpose::Shop, 0, 0);
        let products = plan.products as usize;
        let count = (products / 4).clamp(1, CATEGORIES.len());
        let mut shop = Self {
            categories: Vec::new(),
            products: Vec::new(),
            stores: (1..=plan.stores).map(|store| format!("S{store:03}")).collect(),
            store_sizes: Choice::new(zipf(plan.stores as usize, parameters.store_exponent)),
            countries: countries(&plan.currency),
        };
        let shares = zipf(count, parameters.category_exponent);
        for (position, (name, share)) in CATEGORIES.into_iter().zip(shares).enumerate() {
            let from = products * position / count;
            let to = products * (position + 1) / count;
            let (low, high) = parameters.return_rates;
            shop.categories.push(Category {
                name,
                share,
                gifts: 1.2 * stream.uniform().powi(2),
                return_rate: low + (high - low) * stream.uniform().powi(2),
                products: from..to,
            });
            shop.fill(position, from..to, parameters, &mut stream);
        }
        shop
    }

    pub(super) fn shares(&self) -> Vec<f64> {
        self.categories.iter().map(|category| category.share).collect()
    }

    /// The products of one category.
    fn fill(
        &mut self,
        category: usize,
        range: std::ops::Range<usize>,
        parameters: &Parameters,
        stream: &mut Stream,
    ) {
        let amplitude = parameters.season_amplitude * stream.uniform().powi(2);
        let peak = 365.25 * stream.uniform();
        let level = (0.4 * stream.normal()).exp();
        let shares = zipf(range.len(), parameters.product_exponent);
        for (number, share) in range.zip(shares) {
            let base_price = charm_price(level * log_normal(parameters.price, stream));
            let (low, high) = parameters.cost_bounds;
            let cost = base_price as f64 * (low + (high - low) * stream.uniform());
            let (least, largest) = parameters.elasticity_bounds;
            self.products.push(Product {
                id: format!("P{:05}", number + 1),
                category,
                share,
                base_price,
                unit_cost: (cost.round() as i64).max(1),
                elasticity: log_normal(parameters.elasticity, stream).clamp(least, largest),
                promotion_multiplier: log_normal(parameters.promotion_multiplier, stream).max(1.0),
                season_amplitude: amplitude * (0.5 + stream.uniform()),
                season_peak: (peak + 10.0 * stream.normal()).rem_euclid(365.25),
            });
        }
    }
}

/// A log-normal number of a median and a standard deviation of the logarithm.
pub(super) fn log_normal((median, deviation): (f64, f64), stream: &mut Stream) -> f64 {
    median * (deviation * stream.normal()).exp()
}

/// Cents that end in 9, from 0.19 up.
fn charm_price(price: f64) -> i64 {
    let tens = (price * 10.0).round().clamp(2.0, 100_000.0) as i64;
    tens * 10 - 1
}

/// The shop's own country and its neighbours. The first two letters of a currency are its
/// country's; the euro has none.
fn countries(currency: &str) -> Vec<String> {
    let home = match currency {
        "EUR" => "DE",
        code => code.get(..2).unwrap_or("GB"),
    };
    let others = ["FR", "NL", "IE", "BE", "ES"].into_iter().filter(|code| *code != home);
    std::iter::once(home).chain(others).map(str::to_owned).collect()
}
