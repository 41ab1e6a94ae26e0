//! Parquet files into the store, by column and on several threads.
//!
//! Report and store are those that reading the rows one after the other gives.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::RecordBatch;

use super::decode::{Contract, Decoder};
use super::judge::{Judged, Place};
use super::keys::Ids;
use super::line::{Line, NONE};
use super::names::{ABSENT, Names};
use super::plan::{Columns, ParquetInput, Piece, pieces};
use super::prints;
use super::row::Row;
use crate::ingest::file::ReadFileError;
use crate::ingest::import::ImportError;
use crate::ingest::mapping::{Field, Mapping, RecordedAt};
use crate::ingest::parquet_file::contained;
use crate::ingest::row::{RowProblem, SourceRow};
use crate::parallel::{Broken, in_order};
use crate::store::{Bulk, BulkBatch, BulkRow, BulkWriter, TextNumbers};
use crate::transaction::{LineRef, Money, Quantity, ReportBuilder, Timestamp};

/// A Parquet file that is to be imported.
#[derive(Debug)]
pub(in crate::ingest) struct ParquetImport<'a> {
    input: ParquetInput,
    mapping: &'a Mapping,
    currency: &'a str,
}

impl<'a> ParquetImport<'a> {
    /// Reads the footer and holds the columns against the mapping; `None` for a CSV file.
    pub(in crate::ingest) fn open(
        path: &std::path::Path,
        mapping: &'a Mapping,
        currency: &'a str,
    ) -> Result<Option<Self>, ReadFileError> {
        let input = ParquetInput::open(path, mapping, Columns::All)?;
        Ok(input.map(|input| Self { input, mapping, currency }))
    }

    /// Adds all lines to `bulk` and counts all rows in `report`, on `threads` threads beside this
    /// one. `tick` hears the fraction that is done and may break off.
    pub(in crate::ingest) fn read(
        self,
        threads: usize,
        bulk: &mut Bulk<'_>,
        report: &mut ReportBuilder,
        tick: &mut dyn FnMut(f64) -> ControlFlow<()>,
    ) -> Result<(), ImportError> {
        let names = Names::default();
        let contract = Contract {
            mapping: self.mapping,
            currency: self.currency,
            now: Timestamp::default(),
            names: &names,
            numbers_customers: false,
        };
        let input = &self.input;
        let total = input.rows();
        let pieces = pieces(std::slice::from_ref(input));
        let mut pieces = pieces.iter();
        let writer = bulk.writer();
        let new = || LineReader::new(contract, writer.clone());
        let work = |reader: &mut LineReader<'_>, piece: &Piece| reader.read(input, piece);
        let mut outcome = Ok(());
        let sink = |(counts, batch): (ReportBuilder, BulkBatch)| {
            report.append(counts);
            outcome = bulk.append(batch).map_err(ImportError::from);
            let read = report.so_far().rows_read as f64;
            if outcome.is_ok() && tick((read / total.max(1) as f64).min(1.0)).is_break() {
                outcome = Err(ImportError::Cancelled);
            }
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let passed = in_order(threads, || Ok(pieces.next()), new, work, sink);
        outcome?;
        passed.map_err(|broken| match broken {
            Broken::Failed(error) => ImportError::File(error),
            Broken::Panicked => {
                let message = "a thread that read it broke off".to_owned();
                ImportError::File(ReadFileError::Damaged { message })
            }
        })
    }
}

/// Makes the lines of pieces ready, for one thread.
struct LineReader<'a> {
    contract: Contract<'a>,
    decoder: Decoder<'a>,
    rows: Vec<Row>,
    prints: Vec<u64>,
    /// The texts of all numbers that this thread met.
    texts: Vec<Option<Arc<str>>>,
    writer: BulkWriter,
    report: ReportBuilder,
    buffer: Vec<u8>,
}

impl<'a> LineReader<'a> {
    fn new(contract: Contract<'a>, writer: BulkWriter) -> Self {
        Self {
            contract,
            decoder: Decoder::new(contract),
            rows: Vec::new(),
            prints: Vec::new(),
            texts: Vec::new(),
            writer,
            report: ReportBuilder::new(),
            buffer: Vec::new(),
        }
    }

    /// The lines and counts of a piece, whose rows are counted from 1.
    fn read(
        &mut self,
        input: &ParquetInput,
        piece: &Piece,
    ) -> Result<(ReportBuilder, BulkBatch), ReadFileError> {
        let mut batches = input.read(piece)?;
        let mut first_row = 0;
        while let Some(batch) = contained(|| batches.next().transpose())? {
            let (positions, before) = (input.positions.as_slice(), piece.rows_before);
            self.take(&Place { batch: &batch, positions, before, first_row });
            first_row += batch.num_rows() as u32;
        }
        Ok((std::mem::take(&mut self.report), self.writer.take()))
    }

    fn take(&mut self, place: &Place<'_>) {
        let mut rows = std::mem::take(&mut self.rows);
        self.decoder.decode(place.batch, place.positions, &mut rows);
        prints::fill(place.batch, &mut self.prints);
        for row in rows.iter().filter(|row| !row.is_unproven) {
            for number in [row.product, row.category, row.channel, row.store] {
                self.learn(number);
            }
            self.learn(row.promotion);
            self.learn(row.country);
        }
        let contract = self.contract;
        let ids = BatchIds::of(contract.mapping, place.batch, place.positions);
        contract.judge(place, &rows, &mut Lines { reader: self, ids });
        self.rows = rows;
    }

    /// Remembers the text of a number.
    fn learn(&mut self, number: u32) {
        let place = number as usize;
        if place >= self.texts.len() {
            self.texts.resize(place + 1, None);
        }
        if let Some(text @ None) = self.texts.get_mut(place)
            && number != ABSENT
        {
            *text = Some(self.contract.names.text_of(number));
        }
    }
}

/// The ids of a batch.
struct BatchIds<'a> {
    customers: Ids<'a>,
    orders: Ids<'a>,
    cancelled: Ids<'a>,
}

impl<'a> BatchIds<'a> {
    fn of(mapping: &'a Mapping, batch: &'a RecordBatch, positions: &[usize]) -> Self {
        let ids = |field| Ids::of(field, mapping, batch, positions);
        Self {
            customers: ids(Field::CustomerId),
            orders: ids(Field::OrderId),
            cancelled: ids(Field::CancelsOrderId),
        }
    }
}

/// Takes the judged rows of one batch.
struct Lines<'a, 'b> {
    reader: &'a mut LineReader<'b>,
    ids: BatchIds<'a>,
}

impl Judged for Lines<'_, '_> {
    fn right(&mut self, place: &Place<'_>, at: usize, row: &Row, line: Line) {
        let LineReader { contract, texts, prints, writer, report, buffer, .. } = &mut *self.reader;
        let BatchIds { customers, orders, cancelled } = &self.ids;
        let customer = (row.customer != ABSENT).then(|| customers.text(at));
        let order = (row.order != 0).then(|| orders.text(at));
        let cancelled = (row.cancels != 0).then(|| cancelled.text(at));
        let text = |number: u32| texts.get(number as usize).and_then(Option::as_deref);
        let checked = LineRef {
            customer_id: customer.as_deref(),
            order_id: order.as_deref(),
            line_number: u32::try_from(row.line_number).ok(),
            occurred_at: Timestamp::from_micros(line.occurred_at),
            product_id: text(row.product).unwrap_or_default(),
            category: text(row.category),
            quantity: Quantity::from_thousandths(line.quantity),
            unit_price: Money::from_micros(line.unit_price),
            discount: Money::from_micros(line.discount),
            unit_cost: (line.unit_cost != NONE).then(|| Money::from_micros(line.unit_cost)),
            channel: text(row.channel),
            store_id: text(row.store),
            promotion_id: text(row.promotion),
            country: text(row.country),
            cancels_order_id: cancelled.as_deref(),
        };
        let is_told = !matches!(contract.mapping.recorded_at, RecordedAt::Now);
        report.observe(u64::from(line.row) + 1, checked);
        writer.push(&BulkRow {
            row: place.before + u64::from(line.row),
            line: checked,
            numbers: TextNumbers {
                product: row.product,
                category: row.category,
                channel: row.channel,
                store: row.store,
                promotion: row.promotion,
                country: row.country,
            },
            content: checked.content(buffer),
            recorded_at: is_told.then(|| Timestamp::from_micros(line.recorded_at)),
            fingerprint: prints.get(at).copied().unwrap_or_default(),
        });
    }

    fn doubtful(&mut self, place: &Place<'_>, at: usize, source: SourceRow) {
        let LineReader { contract, prints, writer, report, buffer, .. } = &mut *self.reader;
        let (number, recorded_at) = (source.row, source.recorded_at);
        let in_piece = number - place.before;
        match source.check(contract.currency) {
            Ok(line) => {
                let line = LineRef::from(&line);
                let number_of = |text: &str| Ok::<_, Infallible>(contract.names.text(text));
                let Ok(numbers) = TextNumbers::of(&line, number_of);
                report.observe(in_piece, line);
                writer.push(&BulkRow {
                    row: number - 1,
                    line,
                    numbers,
                    content: line.content(buffer),
                    recorded_at,
                    fingerprint: prints.get(at).copied().unwrap_or_default(),
                });
            }
            Err(RowProblem { field, reason, message }) => {
                report.refuse(in_piece, &field, reason.as_str(), message);
            }
        }
    }
}
