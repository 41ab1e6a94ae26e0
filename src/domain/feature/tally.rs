//! The exact counts and sums of one history as of one date: what the formulas read.

use crate::transaction::{Money, Quantity, Timestamp};

use super::TOP_CATEGORIES;

/// Trailing windows in days.
pub(super) const WINDOWS: [i64; 5] = [7, 30, 90, 180, 365];
/// The window that "recent" means in the variation features, an index into [`WINDOWS`].
pub(super) const RECENT: usize = 2;

/// Money, units and visits within one trailing window.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Window {
    pub(super) spend: Money,
    pub(super) units: Quantity,
    pub(super) visits: u32,
}

/// What a history amounts to before the as-of date.
///
/// *Spend* and *units* are net of returns. A *purchase line* has a positive quantity and belongs to
/// no order that was taken back whole; a *visit* is a day of the shop's calendar with at least one
/// purchase line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) first_purchase: Option<Timestamp>,
    pub(super) last_purchase: Option<Timestamp>,
    pub(super) spend: Money,
    pub(super) units: Quantity,
    pub(super) gross: Money,
    pub(super) discount: Money,
    pub(super) margin: Money,
    pub(super) spend_with_known_margin: Money,
    pub(super) purchase_lines: u32,
    pub(super) purchase_units: Quantity,
    pub(super) returned: Money,
    pub(super) return_lines: u32,
    pub(super) weekend_lines: u32,
    pub(super) evening_lines: u32,
    pub(super) promoted: Money,
    pub(super) windows: [Window; WINDOWS.len()],
    pub(super) recent_gross: Money,
    pub(super) visits: u32,
    /// Gross spend of the dearest visit.
    pub(super) largest_visit: Money,
    /// Days from the first visit to the last.
    pub(super) active_span: f64,
    /// Mean of the days between neighbouring visits.
    pub(super) gap_mean: f64,
    /// Their standard deviation (population).
    pub(super) gap_deviation: f64,
    pub(super) distinct_products: u32,
    pub(super) distinct_categories: u32,
    pub(super) distinct_stores: u32,
    pub(super) distinct_channels: u32,
    /// Purchase lines on the first day of their product; all others are repeats.
    pub(super) first_day_lines: u32,
    /// Purchase lines in the store visited most.
    pub(super) main_store_lines: u32,
    /// Purchase lines through the channel used most.
    pub(super) main_channel_lines: u32,
    /// Gross spend on each of the schema's top categories or products.
    pub(super) top_spend: [Money; TOP_CATEGORIES],
}

impl Tally {
    /// Whether the customer bought nothing before the date.
    pub(super) fn is_empty(&self) -> bool {
        self.visits == 0
    }

    /// Visits in the recent window.
    pub(super) fn recent_visits(&self) -> u32 {
        self.windows.get(RECENT).map_or(0, |window| window.visits)
    }

    /// Length of the recent window in days.
    pub(super) fn recent_days() -> f64 {
        WINDOWS.get(RECENT).map_or(0.0, |days| *days as f64)
    }
}
