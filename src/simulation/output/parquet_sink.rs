//! Transactions as Parquet.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::{
    Decimal128Builder, Int32Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;

use crate::simulation::SimulationError;
use crate::simulation::line::Line;

use super::Sink;
use super::digest::{DigestFile, Written};
use super::row::{COLUMNS, Row, Words};

/// Rows of a row group.
const ROW_GROUP: usize = 1 << 17;
/// Rows that are handed to the writer at once.
const BATCH: usize = 1 << 14;
/// Digits of money and quantities.
const PRECISION: u8 = 18;

/// Writes `transactions.parquet`: texts, decimals of 2 (money) and 3 digits (quantity), and
/// microseconds in UTC.
pub(super) struct ParquetSink<'a> {
    writer: ArrowWriter<DigestFile>,
    schema: Arc<Schema>,
    words: Words<'a>,
    columns: Columns,
    path: PathBuf,
}

impl<'a> ParquetSink<'a> {
    pub(super) fn new(file: DigestFile, words: Words<'a>) -> Result<Self, SimulationError> {
        let path = file.path().to_owned();
        let schema = Arc::new(schema());
        let writer = writer(file, Arc::clone(&schema));
        let writer = writer.map_err(|error| SimulationError::output(&path)(&error))?;
        Ok(Self { writer, schema, words, columns: Columns::default(), path })
    }

    fn flush(&mut self) -> Result<(), SimulationError> {
        let arrays = self.columns.finish();
        let written = arrays
            .and_then(|arrays| Ok(RecordBatch::try_new(Arc::clone(&self.schema), arrays)?))
            .and_then(|batch| self.writer.write(&batch));
        written.map_err(|error| SimulationError::output(&self.path)(&error))
    }
}

impl Sink for ParquetSink<'_> {
    fn write(&mut self, lines: &[Line]) -> Result<(), SimulationError> {
        for line in lines {
            self.columns.push(&self.words.row(line));
            if self.columns.rows == BATCH {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written, SimulationError> {
        self.flush()?;
        let file = self.writer.into_inner();
        file.map_err(|error| SimulationError::output(&self.path)(&error))?.finish()
    }
}

/// A writer with the settings of all files of the simulator.
pub(super) fn writer(file: DigestFile, schema: Arc<Schema>) -> Result<ArrowWriter<DigestFile>> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .build();
    ArrowWriter::try_new(file, schema, Some(properties))
}

fn schema() -> Schema {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let field = |name: &&str| {
        let data_type = match *name {
            "line_number" => DataType::Int32,
            "occurred_at" | "recorded_at" => time.clone(),
            "quantity" => DataType::Decimal128(PRECISION, 3),
            "unit_price" | "discount" | "unit_cost" => DataType::Decimal128(PRECISION, 2),
            _ => DataType::Utf8,
        };
        Field::new(*name, data_type, true)
    };
    Schema::new(COLUMNS.iter().map(field).collect::<Vec<_>>())
}

/// The columns of a batch that is being filled.
#[derive(Debug, Default)]
struct Columns {
    rows: usize,
    order_id: StringBuilder,
    line_number: Int32Builder,
    customer_id: StringBuilder,
    occurred_at: TimestampMicrosecondBuilder,
    product_id: StringBuilder,
    category: StringBuilder,
    quantity: Decimal128Builder,
    unit_price: Decimal128Builder,
    discount: Decimal128Builder,
    unit_cost: Decimal128Builder,
    currency: StringBuilder,
    channel: StringBuilder,
    store_id: StringBuilder,
    promotion_id: StringBuilder,
    country: StringBuilder,
    cancels_order_id: StringBuilder,
    recorded_at: TimestampMicrosecondBuilder,
}

impl Columns {
    fn push(&mut self, row: &Row<'_>) {
        self.rows += 1;
        self.order_id.append_value(row.order_id);
        self.line_number.append_value(row.line_number);
        self.customer_id.append_option(row.customer_id);
        self.occurred_at.append_option(row.occurred_at);
        self.product_id.append_option(row.product_id);
        self.category.append_value(row.category);
        self.quantity.append_value(i128::from(row.quantity) * 1000);
        self.unit_price.append_option(row.unit_price.map(i128::from));
        self.discount.append_value(row.discount.into());
        self.unit_cost.append_value(row.unit_cost.into());
        self.currency.append_value(row.currency);
        self.channel.append_value(row.channel);
        self.store_id.append_option(row.store_id);
        self.promotion_id.append_option(row.promotion_id);
        self.country.append_value(row.country);
        self.cancels_order_id.append_option(row.cancels_order_id);
        self.recorded_at.append_value(row.recorded_at);
    }

    /// The arrays, in the order of [`COLUMNS`].
    fn finish(&mut self) -> Result<Vec<ArrayRef>> {
        self.rows = 0;
        let texts = |column: &mut StringBuilder| -> ArrayRef { Arc::new(column.finish()) };
        let times = |column: &mut TimestampMicrosecondBuilder| -> ArrayRef {
            Arc::new(column.finish().with_timezone("UTC"))
        };
        let decimals = |column: &mut Decimal128Builder, scale: i8| -> Result<ArrayRef> {
            Ok(Arc::new(column.finish().with_precision_and_scale(PRECISION, scale)?))
        };
        Ok(vec![
            texts(&mut self.order_id),
            Arc::new(self.line_number.finish()),
            texts(&mut self.customer_id),
            times(&mut self.occurred_at),
            texts(&mut self.product_id),
            texts(&mut self.category),
            decimals(&mut self.quantity, 3)?,
            decimals(&mut self.unit_price, 2)?,
            decimals(&mut self.discount, 2)?,
            decimals(&mut self.unit_cost, 2)?,
            texts(&mut self.currency),
            texts(&mut self.channel),
            texts(&mut self.store_id),
            texts(&mut self.promotion_id),
            texts(&mut self.country),
            texts(&mut self.cancels_order_id),
            times(&mut self.recorded_at),
        ])
    }
}
