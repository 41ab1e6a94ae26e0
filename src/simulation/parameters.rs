//! The numbers of the model. They are written into `truth.json` as they stand here.

use serde::Serialize;

/// All fixed parameters of the generating equations; `docs/SIMULATOR.md` says what each does.
#[derive(Clone, Debug, Serialize)]
pub struct Parameters {
    /// Share of customers who came before the first day.
    pub earlier_customers: f64,
    /// How long before the first day the earliest of them came, in weeks.
    pub earlier_weeks: f64,
    /// Shape of the gamma law of purchase rates.
    pub rate_shape: f64,
    /// Its mean, in orders per week.
    pub rate_mean: f64,
    /// Shape of the gamma law of drop-out hazards.
    pub dropout_shape: f64,
    /// Its mean, per week.
    pub dropout_mean: f64,
    /// Least mean number of lines per order.
    pub basket_least: f64,
    /// Shape of the gamma law above the least.
    pub basket_shape: f64,
    /// Its mean, in lines.
    pub basket_mean: f64,
    /// Size of the negative binomial law of lines beyond the first.
    pub basket_size: f64,
    /// Concentration of the Dirichlet law of category preferences.
    pub preference_concentration: f64,
    /// Zipf exponent of category shares.
    pub category_exponent: f64,
    /// Zipf exponent of product shares within a category.
    pub product_exponent: f64,
    /// Zipf exponent of the stores' sizes.
    pub store_exponent: f64,
    /// The levels of customers' price response; they multiply a product's elasticity.
    pub price_responses: [f64; LEVELS],
    /// The share of customers at each level.
    pub price_response_shares: [f64; LEVELS],
    /// Log-normal law of elasticities: median and standard deviation of the logarithm.
    pub elasticity: (f64, f64),
    /// Least and largest elasticity.
    pub elasticity_bounds: (f64, f64),
    /// Log-normal law of base prices: median and standard deviation of the logarithm.
    pub price: (f64, f64),
    /// Probability of a new regular price in a week.
    pub price_change: f64,
    /// Standard deviation of the logarithm of a regular price around its trend.
    pub price_spread: f64,
    /// Yearly growth of regular prices.
    pub inflation: f64,
    /// Least and largest share of the base price that a unit costs the shop.
    pub cost_bounds: (f64, f64),
    /// Probability that a promotion of a product begins in a week.
    pub promotion_start: f64,
    /// Probability that a promotion goes on for another week.
    pub promotion_stay: f64,
    /// Price cuts of promotions, each as likely.
    pub promotion_depths: [f64; 4],
    /// Log-normal law of the promotion multiplier (feature and display): median and standard
    /// deviation of the logarithm.
    pub promotion_multiplier: (f64, f64),
    /// Largest amplitude of a category's season.
    pub season_amplitude: f64,
    /// Amplitude of the season of visits, which peaks on day 345 of the year.
    pub visit_amplitude: f64,
    /// Visits by weekday, Monday first; mean 1.
    pub weekdays: [f64; 7],
    /// Exponent and largest value of the zeta law of quantities.
    pub quantity: (f64, u32),
    /// The same for trade customers.
    pub trade_quantity: (f64, u32),
    /// Share of trade customers.
    pub trade_share: f64,
    /// Share of orders at the customer's main channel.
    pub main_channel: f64,
    /// Shares of web, store and phone as main channels.
    pub channels: [f64; 3],
    /// Share of customers in the shop's own country.
    pub home_country: f64,
    /// Share of orders without a customer.
    pub anonymous: f64,
    /// Shape and mean of the gamma law of a customer's return propensity, which multiplies the
    /// category's return rate.
    pub return_propensity: (f64, f64),
    /// Least and largest return rate of a category, per line.
    pub return_rates: (f64, f64),
    /// Probability that an order is cancelled as a whole.
    pub cancellation: f64,
    /// Mean delay of a return beyond the first day, in days.
    pub return_delay: f64,
    /// Probability that an order is recorded days late.
    pub late: f64,
    /// Mean delay of a late order beyond the first day, in days.
    pub late_delay: f64,
    /// Probability that a line is corrected later.
    pub corrected: f64,
    /// Most whole days of the delay of a correction; a part of a day is added.
    pub correction_days: u32,
}

/// How many levels of price response there are.
pub const LEVELS: usize = 5;

impl Default for Parameters {
    fn default() -> Self {
        Self {
            earlier_customers: 0.4,
            earlier_weeks: 104.0,
            rate_shape: 0.7,
            rate_mean: 0.35,
            dropout_shape: 0.8,
            dropout_mean: 0.015,
            basket_least: 2.0,
            basket_shape: 1.2,
            basket_mean: 3.0,
            basket_size: 1.5,
            preference_concentration: 6.0,
            category_exponent: 0.8,
            product_exponent: 1.0,
            store_exponent: 1.0,
            price_responses: [0.4, 0.7, 1.0, 1.3, 1.6],
            price_response_shares: [0.15, 0.2, 0.3, 0.2, 0.15],
            elasticity: (1.8, 0.35),
            elasticity_bounds: (0.4, 3.0),
            price: (4.0, 0.9),
            price_change: 0.04,
            price_spread: 0.05,
            inflation: 0.03,
            cost_bounds: (0.45, 0.75),
            promotion_start: 0.03,
            promotion_stay: 0.4,
            promotion_depths: [0.1, 0.2, 0.3, 0.4],
            promotion_multiplier: (1.6, 0.25),
            season_amplitude: 0.7,
            visit_amplitude: 0.15,
            weekdays: [0.85, 0.85, 0.95, 1.0, 1.25, 1.4, 0.7],
            quantity: (2.6, 144),
            trade_quantity: (1.5, 288),
            trade_share: 0.03,
            main_channel: 0.85,
            channels: [0.35, 0.6, 0.05],
            home_country: 0.92,
            anonymous: 0.15,
            return_propensity: (1.5, 1.0),
            return_rates: (0.005, 0.06),
            cancellation: 0.01,
            return_delay: 6.0,
            late: 0.02,
            late_delay: 3.0,
            corrected: 0.01,
            correction_days: 10,
        }
    }
}
