//! Transactions as comma-separated values.

use crate::simulation::SimulationError;
use crate::simulation::line::Line;
use crate::transaction::Timestamp;

use super::Sink;
use super::digest::{DigestFile, Written};
use super::row::{COLUMNS, Row, Words};

/// Writes `transactions.csv`: times in RFC 3339, decimals with a point, no value as an empty cell.
pub(super) struct CsvSink<'a> {
    writer: csv::Writer<DigestFile>,
    words: Words<'a>,
    path: std::path::PathBuf,
}

impl<'a> CsvSink<'a> {
    pub(super) fn new(file: DigestFile, words: Words<'a>) -> Result<Self, SimulationError> {
        let path = file.path().to_owned();
        let mut writer = csv::Writer::from_writer(file);
        let header = writer.write_record(COLUMNS);
        header.map_err(|error| SimulationError::output(&path)(&error))?;
        Ok(Self { writer, words, path })
    }
}

impl Sink for CsvSink<'_> {
    fn write(&mut self, lines: &[Line]) -> Result<(), SimulationError> {
        let mut cell = Cell::default();
        for line in lines {
            let row = self.words.row(line);
            let written = write(&mut self.writer, &row, &mut cell);
            written.map_err(|error| SimulationError::output(&self.path)(&error))?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Written, SimulationError> {
        let file = self.writer.into_inner();
        file.map_err(|error| SimulationError::output(&self.path)(error.error()))?.finish()
    }
}

/// A buffer for the texts of numbers and times.
#[derive(Debug, Default)]
struct Cell(String);

fn write(writer: &mut csv::Writer<DigestFile>, row: &Row<'_>, cell: &mut Cell) -> csv::Result<()> {
    writer.write_field(row.order_id)?;
    writer.write_field(cell.number(row.line_number.into()))?;
    writer.write_field(row.customer_id.unwrap_or_default())?;
    match row.occurred_at {
        Some(micros) => writer.write_field(cell.time(micros))?,
        None => writer.write_field("31/02/20x2 25:61")?,
    }
    writer.write_field(row.product_id.unwrap_or_default())?;
    writer.write_field(row.category)?;
    writer.write_field(cell.number(row.quantity))?;
    writer.write_field(row.unit_price.map_or("", |cents| cell.money(cents)))?;
    writer.write_field(cell.money(row.discount))?;
    writer.write_field(cell.money(row.unit_cost))?;
    writer.write_field(row.currency)?;
    writer.write_field(row.channel)?;
    writer.write_field(row.store_id.unwrap_or_default())?;
    writer.write_field(row.promotion_id.unwrap_or_default())?;
    writer.write_field(row.country)?;
    writer.write_field(row.cancels_order_id.unwrap_or_default())?;
    writer.write_field(cell.time(row.recorded_at))?;
    writer.write_record(None::<&[u8]>)
}

impl Cell {
    fn number(&mut self, number: i64) -> &str {
        self.text(format_args!("{number}"))
    }

    fn money(&mut self, cents: i64) -> &str {
        let sign = if cents < 0 { "-" } else { "" };
        let cents = cents.unsigned_abs();
        self.text(format_args!("{sign}{}.{:02}", cents / 100, cents % 100))
    }

    fn time(&mut self, micros: i64) -> &str {
        self.text(format_args!("{}", Timestamp::from_micros(micros)))
    }

    fn text(&mut self, text: std::fmt::Arguments<'_>) -> &str {
        self.0.clear();
        // Writing into a string does not fail.
        let _ = std::fmt::Write::write_fmt(&mut self.0, text);
        &self.0
    }
}
