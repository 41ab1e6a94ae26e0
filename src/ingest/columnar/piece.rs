//! One piece of a file: its rows into lines, and the lines into partitions.

use std::io;

use arrow_array::RecordBatch;

use super::ReadHistoriesError;
use super::decode::{Contract, Decoder};
use super::line::{Layout, Line, NONE};
use super::names::{ABSENT, FoldMap, context_key};
use super::plan::{PIECE_ROWS, ParquetInput, Piece};
use super::repeats::Runs;
use super::row::{Row, UNPROVEN};
use super::storage::{Storage, Words};
use super::tally::Tally;
use crate::ingest::mapping::{Field, QuantitySign, RecordedAt};
use crate::ingest::parquet_file::column::Column;
use crate::ingest::parquet_file::contained;
use crate::ingest::row::{Cell, RowProblem};
use crate::transaction::{CustomerId, Money, OrderKey, Quantity, Timestamp, TransactionLine};

/// How customers and orders are divided: by the highest bits of placement and order key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Partitions {
    bits: u32,
}

impl Partitions {
    const ROWS: u64 = 32_768;
    const MOST_BITS: u32 = 10;

    /// About 32,768 rows to a partition, at most 1,024 partitions.
    pub(super) fn of_rows(rows: u64) -> Self {
        let count = (rows / Self::ROWS).max(1).next_power_of_two();
        Self { bits: count.ilog2().min(Self::MOST_BITS) }
    }

    /// How many there are. Lines without a customer go to one more.
    pub(super) const fn count(self) -> usize {
        1 << self.bits
    }

    /// The partition of a customer.
    pub(super) fn of_customer(self, customer: &CustomerId) -> usize {
        (customer.placement() >> (63 - self.bits)) as usize
    }

    /// The partition of an order.
    pub(super) fn of_order(self, order: u64) -> usize {
        order.checked_shr(64 - self.bits).unwrap_or_default() as usize
    }
}

/// The lines of a piece, by partition and within one in the order of the rows.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) words: Words,
    pub(super) layout: Layout,
    /// Where each partition begins, and the end of the last; in lines.
    pub(super) bounds: Vec<u32>,
}

impl Block {
    /// The words of a partition, `stride` to each value.
    pub(super) fn partition<'a>(
        &'a self,
        partition: usize,
        stride: usize,
        storage: &Storage,
        buffer: &'a mut Vec<u64>,
    ) -> io::Result<&'a [u64]> {
        let bound = |at: usize| self.bounds.get(at).map_or(0, |bound| *bound as usize * stride);
        storage.read(&self.words, bound(partition)..bound(partition + 1), buffer)
    }

    /// The lines of a partition.
    pub(super) fn lines<'a>(
        &'a self,
        partition: usize,
        storage: &Storage,
        buffer: &'a mut Vec<u64>,
    ) -> io::Result<impl Iterator<Item = Line> + 'a> {
        let stride = self.layout.words();
        let words = self.partition(partition, stride, storage, buffer)?;
        Ok(words.chunks_exact(stride).map(|words| self.layout.read(words)))
    }
}

/// What a piece came to.
#[derive(Debug)]
pub(super) struct PieceResult {
    pub(super) block: Block,
    pub(super) runs: Block,
    pub(super) tally: Tally,
}

/// Reads pieces for one thread.
#[derive(Debug)]
pub(super) struct PieceReader<'a> {
    contract: Contract<'a>,
    storage: &'a Storage,
    partitions: Partitions,
    decoder: Decoder<'a>,
    rows: Vec<Row>,
    lines: Vec<Line>,
    runs: Runs,
    tally: Tally,
    items: FoldMap<u64, u32>,
    /// Product -> category and item of its last line.
    last_items: Vec<(u32, u32)>,
    contexts: FoldMap<u128, u32>,
    last_context: Option<([u32; 4], u32)>,
    /// Partition of each customer that this thread met.
    places: Vec<u16>,
    divides_amount: bool,
}

impl<'a> PieceReader<'a> {
    pub(super) fn new(
        contract: Contract<'a>,
        storage: &'a Storage,
        partitions: Partitions,
    ) -> Self {
        let mapping = contract.mapping;
        let mut fields = mapping.bindings.iter().map(|binding| binding.field);
        Self {
            contract,
            storage,
            partitions,
            decoder: Decoder::new(contract),
            rows: Vec::new(),
            lines: Vec::new(),
            runs: Runs::default(),
            tally: Tally::default(),
            items: FoldMap::default(),
            last_items: Vec::new(),
            contexts: FoldMap::default(),
            last_context: None,
            places: Vec::new(),
            divides_amount: mapping.template.amount.is_some()
                || fields.any(|field| field == Field::Amount),
        }
    }

    /// Reads a piece; `hear` is told of each batch's rows and may break the reading off, which
    /// gives none.
    pub(super) fn read(
        &mut self,
        input: &ParquetInput,
        piece: &Piece,
        hear: &dyn Fn(u64) -> bool,
    ) -> Result<Option<PieceResult>, ReadHistoriesError> {
        let mut batches = input.read(piece)?;
        let mut first_row = 0;
        self.lines.clear();
        // A footer may promise more than there is.
        self.lines.reserve_exact(piece.rows.min(PIECE_ROWS) as usize);
        loop {
            let batch = contained(|| batches.next().transpose());
            let Some(batch) = batch.map_err(|fault| input.fault(fault))? else { break };
            self.take(&batch, &input.positions, piece.rows_before, first_row);
            first_row += batch.num_rows() as u32;
            if !hear(batch.num_rows() as u64) {
                return Ok(None);
            }
        }
        self.finish().map(Some)
    }

    fn take(&mut self, batch: &RecordBatch, positions: &[usize], before: u64, first_row: u32) {
        let mut rows = std::mem::take(&mut self.rows);
        self.decoder.decode(batch, positions, &mut rows);
        let mut unproven = Vec::new();
        for (at, row) in (0..).zip(&rows) {
            let Some(line) = self.line(row, first_row + at) else {
                unproven.push(at);
                continue;
            };
            // Rows are taken in order, so that each name is first met in its first row.
            if !unproven.is_empty() {
                self.take_unproven(batch, positions, before, first_row, &mut unproven);
            }
            let number = before + u64::from(line.row);
            let context = [row.channel, row.store, row.promotion, row.country];
            let item = self.item([row.product, row.category], number);
            let context = self.context(context, number);
            self.push(Line { item, context, ..line });
        }
        self.take_unproven(batch, positions, before, first_row, &mut unproven);
        self.rows = rows;
    }

    /// The line of a row that keeps the contract at a glance, but for item and context.
    fn line(&self, row: &Row, number: u32) -> Option<Line> {
        let is_complete =
            row.product != ABSENT && row.occurred_at != NONE && row.unit_price != NONE;
        let (quantity, unit_price) = self.signed(row).filter(|_| is_complete)?;
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
    fn signed(&self, row: &Row) -> Option<(i64, i64)> {
        let (mut quantity, mut unit_price) = (row.quantity, row.unit_price);
        if quantity == NONE || quantity == 0 {
            return None;
        }
        match self.contract.mapping.returns.sign {
            QuantitySign::Signed => {}
            QuantitySign::Reversed => {
                quantity = -quantity;
                unit_price =
                    if self.divides_amount { -unit_price.max(-i64::MAX) } else { unit_price };
            }
            // Negative quantities are refused there, and returns are negated.
            QuantitySign::Unsigned if quantity < 0 || row.cancels != 0 => return None,
            QuantitySign::Unsigned => {}
        }
        if self.divides_amount {
            let quantity = Quantity::from_thousandths(quantity);
            unit_price = Money::from_micros(unit_price).per_unit(quantity)?.micros();
        }
        Some((quantity, unit_price))
    }

    /// Rows that are not plainly right, as the row-by-row reader judges them.
    fn take_unproven(
        &mut self,
        batch: &RecordBatch,
        positions: &[usize],
        before: u64,
        first_row: u32,
        rows: &mut Vec<u32>,
    ) {
        let (Some(first), count) = (rows.first().copied(), rows.len()) else { return };
        let slice = batch.slice(first as usize, count);
        let columns: Vec<Column> = slice.columns().iter().map(Column::new).collect();
        for (at, row) in rows.drain(..).enumerate() {
            let cell = |column: usize| {
                let position = positions.get(column);
                let column = position.and_then(|position| columns.get(*position));
                column.map_or(Cell::Null, |column| column.cell(at))
            };
            let number = before + u64::from(first_row + row);
            let mapping = self.contract.mapping;
            let source = mapping.source_row(number + 1, 0, &cell);
            let recorded_at = source.recorded_at;
            match source.check(self.contract.currency) {
                Ok(line) => {
                    let line = self.checked_line(&line, recorded_at, number, first_row + row);
                    self.push(line);
                }
                Err(RowProblem { field, reason, message }) => {
                    self.tally.refuse(number + 1, field, reason.as_str(), message);
                }
            }
        }
    }

    fn checked_line(
        &mut self,
        line: &TransactionLine,
        recorded_at: Option<Timestamp>,
        at: u64,
        row: u32,
    ) -> Line {
        let names = self.contract.names;
        let text = |text: &Option<String>| text.as_deref().map_or(ABSENT, |text| names.text(text));
        let recorded_at = match (&self.contract.mapping.recorded_at, recorded_at) {
            (RecordedAt::Now, _) | (_, None) => self.contract.now,
            (_, Some(recorded_at)) => recorded_at,
        };
        let context = [&line.channel, &line.store_id, &line.promotion_id, &line.country].map(text);
        let item = [names.text(&line.product_id), text(&line.category)];
        Line {
            occurred_at: line.occurred_at.micros(),
            recorded_at: recorded_at.micros(),
            quantity: line.quantity.thousandths(),
            unit_price: line.unit_price.micros(),
            discount: line.discount.micros(),
            unit_cost: line.unit_cost.map_or(NONE, Money::micros),
            order: OrderKey::of(line.order_id.as_deref()).raw(),
            cancels: OrderKey::of(line.cancels_order_id.as_deref()).raw(),
            customer: line.customer_id.as_ref().map_or(ABSENT, |id| names.customer(id)),
            item: self.item(item, at),
            context: self.context(context, at),
            line_number: line.line_number.unwrap_or_default(),
            row,
            is_numbered: line.line_number.is_some() && line.order_id.is_some(),
        }
    }

    fn push(&mut self, line: Line) {
        self.tally.observe(&line);
        if line.is_numbered {
            self.runs.push(line.order, line.line_number);
        }
        if line.is_numbered || !line.is_anonymous() {
            self.lines.push(line);
        }
    }

    fn item(&mut self, item: [u32; 2], row: u64) -> u32 {
        // Most products have one category: the last item of each is nearly always the right one.
        let [product, category] = item;
        if let Some((known, number)) = self.last_items.get(product as usize)
            && *known == category
        {
            return *number;
        }
        let names = self.contract.names;
        let key = u64::from(product) << 32 | u64::from(category);
        let number = *self.items.entry(key).or_insert_with(|| names.item(item, row));
        if self.last_items.len() <= product as usize {
            // No item has this category: it stands for a text that is not known to be right.
            self.last_items.resize(product as usize + 1, (UNPROVEN, 0));
        }
        if let Some(last) = self.last_items.get_mut(product as usize) {
            *last = (category, number);
        }
        number
    }

    fn context(&mut self, context: [u32; 4], row: u64) -> u32 {
        if let Some((known, number)) = self.last_context
            && known == context
        {
            return number;
        }
        let names = self.contract.names;
        let number = self.contexts.entry(context_key(context));
        let number = *number.or_insert_with(|| names.context(context, row));
        self.last_context = Some((context, number));
        number
    }

    /// Sorts the piece's lines and runs by partition and hands them to the storage.
    fn finish(&mut self) -> Result<PieceResult, ReadHistoriesError> {
        let mut lines = std::mem::take(&mut self.lines);
        let layout = Layout::of(&lines);
        let nobody = self.partitions.count();
        let places: Vec<u16> = lines.iter().map(|line| self.place(line, nobody)).collect();
        let write = |line: &Line, words: &mut [u64]| layout.write(line, words);
        let (bounds, words) = scattered(&lines, &places, nobody + 1, layout.words(), write);
        lines.clear();
        self.lines = lines;
        let block = Block { words: self.storage.keep(words)?, layout, bounds };
        let runs = self.runs.take();
        let places: Vec<u16> =
            runs.iter().map(|[order, _]| self.partitions.of_order(*order) as u16).collect();
        let write = |run: &[u64; 2], words: &mut [u64]| words.copy_from_slice(run);
        let (bounds, words) = scattered(&runs, &places, nobody, 2, write);
        let runs = Block { words: self.storage.keep(words)?, layout, bounds };
        Ok(PieceResult { block, runs, tally: std::mem::take(&mut self.tally) })
    }

    fn place(&mut self, line: &Line, nobody: usize) -> u16 {
        const UNKNOWN: u16 = u16::MAX;
        let Some(at) = (line.customer as usize).checked_sub(1) else { return nobody as u16 };
        if at >= self.places.len() {
            self.places.resize(at + 1, UNKNOWN);
        }
        let Some(place) = self.places.get_mut(at) else { return nobody as u16 };
        if *place == UNKNOWN {
            let customer = self.contract.names.use_customer(line.customer);
            *place = customer.map_or(nobody, |id| self.partitions.of_customer(&id)) as u16;
        }
        *place
    }
}

/// Writes `values` side by side by their places, each in `stride` words and in their order within
/// a place. With the bounds of the places, in values.
fn scattered<T>(
    values: &[T],
    places: &[u16],
    count: usize,
    stride: usize,
    write: impl Fn(&T, &mut [u64]),
) -> (Vec<u32>, Vec<u64>) {
    let mut bounds = vec![0_u32; count + 1];
    for place in places {
        if let Some(bound) = bounds.get_mut(usize::from(*place) + 1) {
            *bound += 1;
        }
    }
    let mut sum = 0;
    for bound in &mut bounds {
        sum += *bound;
        *bound = sum;
    }
    let mut next = bounds.clone();
    let mut words = vec![0; values.len() * stride];
    for (value, place) in values.iter().zip(places) {
        let Some(next) = next.get_mut(usize::from(*place)) else { continue };
        let start = *next as usize * stride;
        *next += 1;
        if let Some(words) = words.get_mut(start..start + stride) {
            write(value, words);
        }
    }
    (bounds, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_side_by_side_by_place() {
        let values: Vec<u64> = vec![10, 11, 12, 13, 14];
        let write = |value: &u64, words: &mut [u64]| words.fill(*value);
        let (bounds, words) = scattered(&values, &[2, 0, 2, 0, 3], 4, 2, write);
        assert_eq!(bounds, [0, 2, 2, 4, 5]);
        assert_eq!(words, [11, 11, 13, 13, 10, 10, 12, 12, 14, 14]);
    }

    #[test]
    fn partitions_follow_the_order_of_placement() {
        assert_eq!(Partitions::of_rows(0).count(), 1);
        assert_eq!(Partitions::of_rows(10_000_000).count(), 512);
        assert_eq!(Partitions::of_rows(u64::MAX / 2).count(), 1_024);
        let partitions = Partitions::of_rows(1 << 20);
        let mut ids: Vec<CustomerId> =
            (0..100).map(|id| CustomerId::parse(&id.to_string()).unwrap()).collect();
        ids.sort_by_key(CustomerId::placement);
        let places = ids.iter().map(|id| partitions.of_customer(id));
        assert!(places.is_sorted());
        assert_eq!(partitions.of_order(u64::MAX), 31);
        assert_eq!(Partitions::of_rows(1).of_order(u64::MAX), 0);
    }
}
