//! Rows of one batch while their columns are read one after the other.

use super::line::NONE;
use super::names::ABSENT;

/// Stands for a text that only the row-by-row reader may judge.
pub(super) const UNPROVEN: u32 = u32::MAX;

/// What the columns gave for one row so far. Texts are numbers of [`super::names::Names`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) occurred_at: i64,
    pub(super) recorded_at: i64,
    pub(super) quantity: i64,
    /// The line's total while the mapping divides it by the quantity.
    pub(super) unit_price: i64,
    pub(super) discount: i64,
    pub(super) unit_cost: i64,
    pub(super) order: u64,
    pub(super) cancels: u64,
    /// -1 when it is not given.
    pub(super) line_number: i64,
    pub(super) customer: u32,
    pub(super) product: u32,
    pub(super) category: u32,
    pub(super) channel: u32,
    pub(super) store: u32,
    pub(super) promotion: u32,
    pub(super) country: u32,
    /// Never given: a currency is the right one or makes the row unproven.
    pub(super) currency: u32,
    /// Something about the row is not plainly right: the row-by-row reader decides.
    pub(super) is_unproven: bool,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            occurred_at: NONE,
            recorded_at: NONE,
            quantity: NONE,
            unit_price: NONE,
            discount: NONE,
            unit_cost: NONE,
            order: 0,
            cancels: 0,
            line_number: -1,
            customer: ABSENT,
            product: ABSENT,
            category: ABSENT,
            channel: ABSENT,
            store: ABSENT,
            promotion: ABSENT,
            country: ABSENT,
            currency: ABSENT,
            is_unproven: false,
        }
    }
}
