//! Rows into lines: those that are plainly right at a glance, the others by the row-by-row reader.

use arrow_array::RecordBatch;

use super::decode::Contract;
use super::line::{Line, NONE};
use super::names::ABSENT;
use super::row::Row;
use crate::ingest::mapping::QuantitySign;
use crate::ingest::parquet_file::column::Column;
use crate::ingest::row::{Cell, SourceRow};
use crate::transaction::{Money, OrderKey, Quantity};

/// A batch and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) batch: &'a RecordBatch,
    /// Where the columns stand by their place in the mapping.
    pub(super) positions: &'a [usize],
    /// Rows before the piece.
    pub(super) before: u64,
    /// Rows of the piece before the batch.
    pub(super) first_row: u32,
}

/// Takes the rows of a batch, in order.
pub(super) trait Judged {
    /// A row that keeps the contract, at a place in the batch. Item and context are left out.
    fn right(&mut self, place: &Place<'_>, at: usize, row: &Row, line: Line);

    /// A row at a place in the batch as the row-by-row reader sees it, without its fingerprint.
    fn doubtful(&mut self, place: &Place<'_>, at: usize, source: SourceRow);
}

impl Contract<'_> {
    /// Hands the `rows` of a batch to `judged`.
    pub(super) fn judge(&self, place: &Place<'_>, rows: &[Row], judged: &mut impl Judged) {
        let divides_amount = self.mapping.divides_amount();
        let mut doubtful = 0..0;
        for (at, row) in rows.iter().enumerate() {
            let Some(line) = self.line(row, place.first_row + at as u32, divides_amount) else {
                doubtful.end = at + 1;
                continue;
            };
            // Rows are taken in order, so that each name is first met in its first row.
            self.ask(place, doubtful, judged);
            judged.right(place, at, row, line);
            doubtful = at + 1..at + 1;
        }
        self.ask(place, doubtful, judged);
    }

    /// Hands rows over that are not plainly right.
    fn ask(&self, place: &Place<'_>, rows: std::ops::Range<usize>, judged: &mut impl Judged) {
        if rows.is_empty() {
            return;
        }
        let slice = place.batch.slice(rows.start, rows.len());
        let columns: Vec<Column> = slice.columns().iter().map(Column::new).collect();
        for (at, row) in rows.enumerate() {
            let cell = |column: usize| {
                let position = place.positions.get(column);
                let column = position.and_then(|position| columns.get(*position));
                column.map_or(Cell::Null, |column| column.cell(at))
            };
            let number = place.before + u64::from(place.first_row) + row as u64;
            let source = self.mapping.source_row(number + 1, 0, &cell);
            judged.doubtful(place, row, source);
        }
    }

    /// The line of a row that keeps the contract at a glance, but for item and context.
    fn line(&self, row: &Row, number: u32, divides_amount: bool) -> Option<Line> {
        let is_complete =
            row.product != ABSENT && row.occurred_at != NONE && row.unit_price != NONE;
        let (quantity, unit_price) = self.signed(row, divides_amount).filter(|_| is_complete)?;
        let is_sound = |amount: i64| amount == NONE || amount >= 0;
        if row.is_unproven || !is_sound(row.discount) || !is_sound(row.unit_cost) {
            return None;
        }
        // Products that fit 64 bits even in thousandths of micros are surely in range.
        quantity.checked_mul(unit_price)?;
        if row.unit_cost != NONE {
            quantity.checked_mul(row.unit_cost)?;
        }
        Some(Line {
            occurred_at: row.occurred_at,
            recorded_at: if row.recorded_at == NONE { row.occurred_at } else { row.recorded_at },
            quantity,
            unit_price,
            discount: if row.discount == NONE { 0 } else { row.discount },
            unit_cost: row.unit_cost,
            order: row.order,
            cancels: row.cancels,
            customer: row.customer,
            line_number: u32::try_from(row.line_number).unwrap_or_default(),
            row: number,
            is_numbered: row.line_number >= 0 && row.order != OrderKey::NONE.raw(),
            ..Line::default()
        })
    }

    /// Quantity and price by the mapping's rule of signs.
    fn signed(&self, row: &Row, divides_amount: bool) -> Option<(i64, i64)> {
        let (mut quantity, mut unit_price) = (row.quantity, row.unit_price);
        if quantity == NONE || quantity == 0 {
            return None;
        }
        match self.mapping.returns.sign {
            QuantitySign::Signed => {}
            QuantitySign::Reversed => {
                quantity = -quantity;
                unit_price = if divides_amount { -unit_price.max(-i64::MAX) } else { unit_price };
            }
            // Negative quantities are refused there, and returns are negated.
            QuantitySign::Unsigned if quantity < 0 || row.cancels != 0 => return None,
            QuantitySign::Unsigned => {}
        }
        if divides_amount {
            let quantity = Quantity::from_thousandths(quantity);
            unit_price = Money::from_micros(unit_price).per_unit(quantity)?.micros();
        }
        Some((quantity, unit_price))
    }
}
