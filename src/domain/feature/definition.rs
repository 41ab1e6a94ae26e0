//! The table of features: name, unit, window, meaning, the answer for no history, and the formula.
//!
//! This table is the code, the documentation and the answer of `ListFeatures` at once.

use super::compute::AsOf;
use super::tally::Tally;

/// What a feature is measured in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Days of 24 hours.
    Days,
    /// A count.
    Count,
    /// The shop's reporting currency.
    Currency,
    /// Units of goods.
    Units,
    /// Between 0 and 1.
    Share,
    /// A quotient; 1 means no change.
    Ratio,
    /// Between -1 and 1.
    Cycle,
}

impl Unit {
    /// The unit's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Days => "days",
            Self::Count => "count",
            Self::Currency => "currency",
            Self::Units => "units",
            Self::Share => "share",
            Self::Ratio => "ratio",
            Self::Cycle => "cycle",
        }
    }
}

/// One feature.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Name of the column.
    pub name: &'static str,
    /// Unit of the value.
    pub unit: Unit,
    /// The time it looks at, ending at the as-of date.
    pub window: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// The value for a customer without a purchase before the as-of date; `None` when it does not
    /// depend on the customer.
    pub no_history: Option<f32>,
    pub(super) value: fn(&Tally, &AsOf) -> f64,
}

/// All features, in the order of the vector.
pub fn definitions() -> &'static [Definition] {
    DEFINITIONS
}

/// Days that stand for "never bought": ten years.
const NEVER: f32 = 3650.0;

macro_rules! feature {
    ($name:literal, $unit:ident, $window:literal, $none:expr, $meaning:literal, $value:expr) => {
        Definition {
            name: $name,
            unit: Unit::$unit,
            window: $window,
            meaning: $meaning,
            no_history: $none,
            value: $value,
        }
    };
}

macro_rules! windowed {
    ($spend:literal, $visits:literal, $units:literal, $window:literal, $index:literal) => {
        [
            feature!(
                $spend,
                Currency,
                $window,
                Some(0.0),
                "money spent in the window, net of returns",
                |tally, _| tally.windows[$index].spend.to_f64()
            ),
            feature!(
                $visits,
                Count,
                $window,
                Some(0.0),
                "visits (days with a purchase) in the window",
                |tally, _| f64::from(tally.windows[$index].visits)
            ),
            feature!(
                $units,
                Units,
                $window,
                Some(0.0),
                "units bought in the window, net of returns",
                |tally, _| tally.windows[$index].units.to_f64()
            ),
        ]
    };
}

macro_rules! top_share {
    ($name:literal, $rank:literal) => {
        feature!($name, Share, "all time", Some(0.0),
            "share of gross spend in one of the data set's top categories (top products where lines carry no category), fixed in the schema",
            |tally, as_of| as_of.top_share(tally, $rank))
    };
}

const SEVEN: [Definition; 3] = windowed!("spend_7d", "visits_7d", "units_7d", "7 days", 0);
const MONTH: [Definition; 3] = windowed!("spend_30d", "visits_30d", "units_30d", "30 days", 1);
const QUARTER: [Definition; 3] = windowed!("spend_90d", "visits_90d", "units_90d", "90 days", 2);
const HALF: [Definition; 3] = windowed!("spend_180d", "visits_180d", "units_180d", "180 days", 3);
const YEAR: [Definition; 3] = windowed!("spend_365d", "visits_365d", "units_365d", "365 days", 4);

#[rustfmt::skip]
const DEFINITIONS: &[Definition] = &[
    feature!("recency_days", Days, "all time", Some(NEVER), "time since the last purchase",
        |tally, as_of| tally.last_purchase.map_or(0.0, |last| as_of.days_since(last))),
    feature!("tenure_days", Days, "all time", Some(0.0), "time since the first purchase",
        |tally, as_of| tally.first_purchase.map_or(0.0, |first| as_of.days_since(first))),
    feature!("active_span_days", Days, "all time", Some(0.0), "time from the first visit to the last",
        |tally, _| tally.active_span),
    feature!("visits", Count, "all time", Some(0.0), "days of the shop's calendar with at least one purchase",
        |tally, _| f64::from(tally.visits)),
    feature!("lines", Count, "all time", Some(0.0), "purchase lines",
        |tally, _| f64::from(tally.purchase_lines)),
    feature!("units", Units, "all time", Some(0.0), "units bought, net of returns",
        |tally, _| tally.units.to_f64()),
    feature!("spend", Currency, "all time", Some(0.0), "money spent, net of returns",
        |tally, _| tally.spend.to_f64()),
    feature!("margin", Currency, "all time", Some(0.0), "spend less cost over the lines whose cost is known",
        |tally, _| tally.margin.to_f64()),
    feature!("margin_known_share", Share, "all time", Some(0.0), "share of spend whose cost is known",
        |tally, _| share(tally.spend_with_known_margin.to_f64(), tally.spend.to_f64())),
    feature!("average_order_value", Currency, "all time", Some(0.0), "gross spend per visit",
        |tally, _| share_of_count(tally.gross.to_f64(), tally.visits)),
    feature!("largest_visit_spend", Currency, "all time", Some(0.0), "gross spend of the dearest visit",
        |tally, _| tally.largest_visit.to_f64()),
    feature!("units_per_visit", Units, "all time", Some(0.0), "units bought per visit",
        |tally, _| share_of_count(tally.purchase_units.to_f64(), tally.visits)),
    feature!("lines_per_visit", Count, "all time", Some(0.0), "purchase lines per visit",
        |tally, _| share_of_count(f64::from(tally.purchase_lines), tally.visits)),
    feature!("average_unit_price", Currency, "all time", Some(0.0), "gross spend per unit bought",
        |tally, _| share(tally.gross.to_f64(), tally.purchase_units.to_f64())),
    feature!("gap_mean_days", Days, "all time", Some(0.0), "mean time between visits; 0 below two visits",
        |tally, _| tally.gap_mean),
    feature!("gap_std_days", Days, "all time", Some(0.0), "standard deviation (population) of the time between visits; 0 below three visits",
        |tally, _| tally.gap_deviation),
    feature!("recency_over_gap", Ratio, "all time", Some(0.0), "time since the last purchase over the mean time between visits; 0 below two visits",
        |tally, as_of| tally.last_purchase.map_or(0.0, |last| share(as_of.days_since(last), tally.gap_mean))),
    SEVEN[0], SEVEN[1], SEVEN[2],
    MONTH[0], MONTH[1], MONTH[2],
    QUARTER[0], QUARTER[1], QUARTER[2],
    HALF[0], HALF[1], HALF[2],
    YEAR[0], YEAR[1], YEAR[2],
    feature!("frequency_variation", Ratio, "90 days against before", Some(1.0), "visits a day in the last 90 days over the customer's own rate before; 1 without a before; at most 100",
        |tally, as_of| frequency_variation(tally, as_of)),
    feature!("basket_variation", Ratio, "90 days against before", Some(1.0), "gross spend a visit in the last 90 days over the customer's own before; 1 when either is missing; at most 100",
        |tally, _| basket_variation(tally)),
    feature!("distinct_products", Count, "all time", Some(0.0), "different products bought",
        |tally, _| f64::from(tally.distinct_products)),
    feature!("distinct_categories", Count, "all time", Some(0.0), "different categories bought from",
        |tally, _| f64::from(tally.distinct_categories)),
    feature!("distinct_stores", Count, "all time", Some(0.0), "different stores visited",
        |tally, _| f64::from(tally.distinct_stores)),
    feature!("distinct_channels", Count, "all time", Some(0.0), "different channels used",
        |tally, _| f64::from(tally.distinct_channels)),
    feature!("product_repeat_share", Share, "all time", Some(0.0), "share of purchase lines whose product was bought on an earlier day too",
        |tally, _| share_of_lines(tally.purchase_lines - tally.first_day_lines, tally)),
    feature!("main_store_share", Share, "all time", Some(0.0), "share of purchase lines in the store visited most",
        |tally, _| share_of_lines(tally.main_store_lines, tally)),
    feature!("main_channel_share", Share, "all time", Some(0.0), "share of purchase lines through the channel used most",
        |tally, _| share_of_lines(tally.main_channel_lines, tally)),
    feature!("promotion_share", Share, "all time", Some(0.0), "share of gross spend under a promotion",
        |tally, _| share(tally.promoted.to_f64(), tally.gross.to_f64())),
    feature!("discount_share", Share, "all time", Some(0.0), "discounts over the price before discounts",
        |tally, _| share(tally.discount.to_f64(), (tally.gross + tally.discount).to_f64())),
    top_share!("top_share_1", 0),
    top_share!("top_share_2", 1),
    top_share!("top_share_3", 2),
    top_share!("top_share_4", 3),
    top_share!("top_share_5", 4),
    feature!("return_rate", Share, "all time", Some(0.0), "value returned over value bought, at most 1",
        |tally, _| share(tally.returned.to_f64(), tally.gross.to_f64()).min(1.0)),
    feature!("return_line_share", Share, "all time", Some(0.0), "share of all lines that are returns",
        |tally, _| share(f64::from(tally.return_lines), f64::from(tally.return_lines + tally.purchase_lines))),
    feature!("weekend_share", Share, "all time", Some(0.0), "share of purchase lines on Saturday or Sunday, shop time",
        |tally, _| share_of_lines(tally.weekend_lines, tally)),
    feature!("evening_share", Share, "all time", Some(0.0), "share of purchase lines at or after 18:00, shop time",
        |tally, _| share_of_lines(tally.evening_lines, tally)),
    feature!("season_sin", Cycle, "as-of date", None, "sine of the as-of date's place in the year",
        |_, as_of| as_of.season.sine),
    feature!("season_cos", Cycle, "as-of date", None, "cosine of the as-of date's place in the year",
        |_, as_of| as_of.season.cosine),
];

/// `part / whole`, 0 when the whole is not positive.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn share_of_count(part: f64, count: u32) -> f64 {
    share(part, f64::from(count))
}

fn share_of_lines(lines: u32, tally: &Tally) -> f64 {
    share(f64::from(lines), f64::from(tally.purchase_lines))
}

const LARGEST_VARIATION: f64 = 100.0;

fn frequency_variation(tally: &Tally, as_of: &AsOf) -> f64 {
    let tenure = tally.first_purchase.map_or(0.0, |first| as_of.days_since(first));
    let recent = f64::from(tally.recent_visits());
    let earlier = f64::from(tally.visits) - recent;
    let earlier_rate = share(earlier, tenure - Tally::recent_days());
    if earlier_rate > 0.0 {
        (recent / Tally::recent_days() / earlier_rate).min(LARGEST_VARIATION)
    } else {
        1.0
    }
}

fn basket_variation(tally: &Tally) -> f64 {
    let recent_visits = f64::from(tally.recent_visits());
    let earlier_visits = f64::from(tally.visits) - recent_visits;
    let recent = share(tally.recent_gross.to_f64(), recent_visits);
    let earlier = share((tally.gross - tally.recent_gross).to_f64(), earlier_visits);
    if recent > 0.0 && earlier > 0.0 { (recent / earlier).min(LARGEST_VARIATION) } else { 1.0 }
}
