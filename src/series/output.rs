//! The file of forecasts: Parquet or CSV, there whole or not at all.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_array::{TimestampMicrosecondArray, array::Array as _};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::dataset::{LongSeries, Spacing, Stamp};
use crate::model::forecasting::Interval;
use crate::unfinished::Unfinished;

/// The name of the expected value's column, as forecasting libraries name it after the model.
const MODEL: &str = "Patron";
/// Rows that are written at a time.
const ROWS: usize = 1 << 16;

type Failed = Box<dyn Error>;

/// A file under another name until it is whole.
pub(super) struct ForecastFile {
    unfinished: Unfinished,
    sink: Sink,
    spacing: Spacing,
    schema: Arc<Schema>,
    rows: Rows,
    written: u64,
}

enum Sink {
    Parquet(Box<ArrowWriter<File>>),
    Csv(Box<csv::Writer<BufWriter<File>>>),
}

/// Rows that are not written yet, by column.
#[derive(Default)]
struct Rows {
    ids: Vec<String>,
    stamps: Vec<Stamp>,
    /// The expected value, then the ends of each level.
    numbers: Vec<Vec<f64>>,
}

impl ForecastFile {
    pub(super) fn create(path: &Path, spacing: Spacing, levels: &[f64]) -> Result<Self, Failed> {
        let (unfinished, file) = Unfinished::beside(path)?;
        let schema = Arc::new(schema(spacing, levels));
        let is_csv =
            path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        let sink = if is_csv {
            let mut writer = csv::Writer::from_writer(BufWriter::new(file));
            writer.write_record(schema.fields().iter().map(|field| field.name()))?;
            Sink::Csv(Box::new(writer))
        } else {
            let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
            let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties.build()))?;
            Sink::Parquet(Box::new(writer))
        };
        let numbers = vec![Vec::new(); 1 + 2 * levels.len()];
        let rows = Rows { numbers, ..Rows::default() };
        Ok(Self { unfinished, sink, spacing, schema, rows, written: 0 })
    }

    /// Adds the forecast of a series; intervals in the order of the levels.
    pub(super) fn add(
        &mut self,
        series: &LongSeries,
        mean: &[f64],
        intervals: &[Interval],
    ) -> Result<(), Failed> {
        let ends = intervals.iter().flat_map(|interval| [&*interval.lower, &*interval.upper]);
        let columns: Vec<&[f64]> = [mean].into_iter().chain(ends).collect();
        for (step, _) in mean.iter().enumerate() {
            self.rows.ids.push(series.id.clone());
            self.rows.stamps.push(self.spacing.stamp(series.end.saturating_add(step as i64)));
            for (own, column) in self.rows.numbers.iter_mut().zip(&columns) {
                own.push(column.get(step).copied().unwrap_or(f64::NAN));
            }
        }
        if self.rows.ids.len() >= ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Failed> {
        let width = self.rows.numbers.len();
        let numbers = vec![Vec::new(); width];
        let rows = std::mem::replace(&mut self.rows, Rows { numbers, ..Rows::default() });
        self.written += rows.ids.len() as u64;
        match &mut self.sink {
            Sink::Parquet(writer) => writer.write(&rows.batch(&self.schema)?)?,
            Sink::Csv(writer) => rows.write_csv(writer)?,
        }
        Ok(())
    }

    /// Syncs the file and gives it its name; the rows and bytes it has.
    pub(super) fn finish(mut self) -> Result<(u64, u64), Failed> {
        self.flush()?;
        let file = match self.sink {
            Sink::Parquet(writer) => writer.into_inner()?,
            Sink::Csv(writer) => writer.into_inner()?.into_inner()?,
        };
        Ok((self.written, self.unfinished.finish(&file)?))
    }
}

impl Rows {
    fn batch(self, schema: &Arc<Schema>) -> Result<RecordBatch, Failed> {
        let places = self.stamps.iter().map(|stamp| match stamp {
            Stamp::Index(place) | Stamp::Instant(place) => *place,
        });
        let places = Int64Array::from_iter_values(places);
        let stamps: ArrayRef = match schema.field(1).data_type() {
            DataType::Int64 => Arc::new(places),
            _ => Arc::new(TimestampMicrosecondArray::new(
                places.values().clone(),
                places.nulls().cloned(),
            )),
        };
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(StringArray::from(self.ids)), stamps];
        let numbers = self.numbers.into_iter();
        arrays.extend(numbers.map(|values| Arc::new(Float64Array::from(values)) as ArrayRef));
        Ok(RecordBatch::try_new(Arc::clone(schema), arrays)?)
    }

    fn write_csv(&self, writer: &mut csv::Writer<BufWriter<File>>) -> Result<(), Failed> {
        for (row, (id, stamp)) in self.ids.iter().zip(&self.stamps).enumerate() {
            writer.write_field(id)?;
            writer.write_field(stamp.to_string())?;
            for values in &self.numbers {
                writer.write_field(values.get(row).copied().unwrap_or(f64::NAN).to_string())?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }
}

fn schema(spacing: Spacing, levels: &[f64]) -> Schema {
    let stamp = match spacing {
        Spacing::Index { .. } => DataType::Int64,
        Spacing::Months { .. } | Spacing::Instants { .. } => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
    };
    let number = |name: String| Field::new(name, DataType::Float64, false);
    let mut fields = vec![
        Field::new("unique_id", DataType::Utf8, false),
        Field::new("ds", stamp, false),
        number(MODEL.to_owned()),
    ];
    for level in levels {
        // 95, not 95.00000000000001.
        let percent = (level * 1e6).round() / 1e4;
        fields.extend(["lo", "hi"].map(|end| number(format!("{MODEL}-{end}-{percent}"))));
    }
    Schema::new(fields)
}
