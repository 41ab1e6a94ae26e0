//! One piece of a file: its rows into lines, and the lines into partitions.

use std::io;

use super::ReadHistoriesError;
use super::decode::{Contract, Decoder};
use super::judge::{Judged, Place};
use super::line::{Line, Lines, NONE};
use super::names::{ABSENT, FoldMap, context_key};
use super::plan::{ParquetInput, Piece};
use super::repeats::Runs;
use super::row::{Row, UNPROVEN};
use super::scatter::Scatter;
use super::storage::{Kept, Storage};
use super::tally::Tally;
use crate::ingest::mapping::RecordedAt;
use crate::ingest::parquet_file::contained;
use crate::ingest::row::{RowProblem, SourceRow};
use crate::transaction::{CustomerId, Money, OrderKey, Timestamp, TransactionLine};

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
    pub(super) kept: Kept,
    /// Where each partition begins, and the end of the last; in bytes.
    pub(super) bounds: Vec<u32>,
}

impl Block {
    /// Keeps the bytes of all partitions.
    fn keep((bytes, bounds): (Vec<u8>, Vec<u32>), storage: &Storage) -> io::Result<Self> {
        Ok(Self { kept: storage.keep(bytes)?, bounds })
    }

    /// The bytes of a partition.
    pub(super) fn partition<'a>(
        &'a self,
        partition: usize,
        storage: &Storage,
        buffer: &'a mut Vec<u8>,
    ) -> io::Result<&'a [u8]> {
        let bound = |at: usize| self.bounds.get(at).map_or(0, |bound| *bound as usize);
        storage.read(&self.kept, bound(partition)..bound(partition + 1), buffer)
    }

    /// The lines of a partition.
    pub(super) fn lines<'a>(
        &'a self,
        partition: usize,
        storage: &Storage,
        buffer: &'a mut Vec<u8>,
    ) -> io::Result<Lines<'a>> {
        Ok(Lines::new(self.partition(partition, storage, buffer)?))
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
    lines: Scatter<Line>,
    runs: Runs,
    tally: Tally,
    items: FoldMap<u64, u32>,
    /// Product -> category and item of its last line.
    last_items: Vec<(u32, u32)>,
    contexts: FoldMap<u128, u32>,
    last_context: Option<([u32; 4], u32)>,
    /// Partition of each customer that this thread met.
    places: Vec<u16>,
}

impl Judged for PieceReader<'_> {
    fn right(&mut self, place: &Place<'_>, _: usize, row: &Row, line: Line) {
        let number = place.before + u64::from(line.row);
        let context = [row.channel, row.store, row.promotion, row.country];
        let item = self.item([row.product, row.category], number);
        let context = self.context(context, number);
        self.push(Line { item, context, ..line });
    }

    fn doubtful(&mut self, place: &Place<'_>, at: usize, source: SourceRow) {
        let (row, recorded_at) = (place.first_row + at as u32, source.recorded_at);
        let number = source.row;
        match source.check(self.contract.currency) {
            Ok(line) => {
                let line = self.checked_line(&line, recorded_at, number - 1, row);
                self.push(line);
            }
            Err(RowProblem { field, reason, message }) => {
                self.tally.refuse(number, field, reason.as_str(), message);
            }
        }
    }
}

impl<'a> PieceReader<'a> {
    pub(super) fn new(
        contract: Contract<'a>,
        storage: &'a Storage,
        partitions: Partitions,
    ) -> Self {
        Self {
            contract,
            storage,
            partitions,
            decoder: Decoder::new(contract),
            rows: Vec::new(),
            lines: Scatter::new(partitions.count() + 1, Line::default()),
            runs: Runs::new(partitions),
            tally: Tally::default(),
            items: FoldMap::default(),
            last_items: Vec::new(),
            contexts: FoldMap::default(),
            last_context: None,
            places: Vec::new(),
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
        let mut batches = input.read(piece).map_err(|fault| input.fault(fault))?;
        let mut first_row = 0;
        self.lines.clear();
        self.runs.clear();
        loop {
            let batch = contained(|| batches.next().transpose());
            let Some(batch) = batch.map_err(|fault| input.fault(fault))? else { break };
            let mut rows = std::mem::take(&mut self.rows);
            self.decoder.decode(&batch, &input.positions, &mut rows);
            let (positions, before) = (input.positions.as_slice(), piece.rows_before);
            let place = Place { batch: &batch, positions, before, first_row };
            let contract = self.contract;
            contract.judge(&place, &rows, self);
            self.rows = rows;
            first_row += batch.num_rows() as u32;
            if !hear(batch.num_rows() as u64) {
                return Ok(None);
            }
        }
        self.finish().map(Some)
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
            let place = self.place(&line);
            self.lines.push(place, &line, |previous, line, bytes| line.write(previous, bytes));
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

    /// Hands the piece's lines and runs to the storage.
    fn finish(&mut self) -> Result<PieceResult, ReadHistoriesError> {
        let block = Block::keep(self.lines.take(), self.storage)?;
        let runs = Block::keep(self.runs.take(), self.storage)?;
        Ok(PieceResult { block, runs, tally: std::mem::take(&mut self.tally) })
    }

    /// The partition of a line.
    fn place(&mut self, line: &Line) -> usize {
        const UNKNOWN: u16 = u16::MAX;
        let nobody = self.partitions.count();
        let Some(at) = (line.customer as usize).checked_sub(1) else { return nobody };
        if at >= self.places.len() {
            self.places.resize(at + 1, UNKNOWN);
        }
        let Some(place) = self.places.get_mut(at) else { return nobody };
        if *place == UNKNOWN {
            let customer = self.contract.names.use_customer(line.customer);
            *place = customer.map_or(nobody, |id| self.partitions.of_customer(&id)) as u16;
        }
        usize::from(*place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
