//! Opens a file of transactions and turns its rows into lines, as the mapping says.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use bytes::Bytes;

use super::csv_file::CsvFile;
use super::mapping::{Binding, Field, FileFormat, Mapping, QuantitySign, RecordedAt, Returns};
use super::parquet_file::ParquetFile;
use super::row::{Cell, CellReader, Fault, RefusalReason, RowProblem, SourceRow};
use crate::transaction::{LineDraft, Money, Quantity, Timestamp};

const PARQUET_MAGIC: [u8; 4] = *b"PAR1";

/// Opens the file at `path`. Nothing but its header or footer is read yet.
pub fn open(path: &Path, mapping: &Mapping) -> Result<TransactionFile, ReadFileError> {
    let mut file = File::open(path)?;
    let name = path.to_string_lossy();
    match check_format(&name, mapping, &mut file)? {
        FileFormat::Csv => {
            let length = file.metadata()?.len();
            let csv = CsvFile::open(Box::new(file), Some(length), mapping)?;
            Ok(TransactionFile::csv(csv))
        }
        FileFormat::Parquet => Ok(TransactionFile::parquet(ParquetFile::open(file, mapping)?)),
    }
}

/// Opens a file that is in memory; the extension of `name` decides on its format where the
/// mapping does not.
pub fn from_bytes(
    name: &str,
    bytes: Bytes,
    mapping: &Mapping,
) -> Result<TransactionFile, ReadFileError> {
    let mut cursor = Cursor::new(bytes.clone());
    match check_format(name, mapping, &mut cursor)? {
        FileFormat::Csv => {
            let length = bytes.len() as u64;
            let csv = CsvFile::open(Box::new(cursor), Some(length), mapping)?;
            Ok(TransactionFile::csv(csv))
        }
        FileFormat::Parquet => Ok(TransactionFile::parquet(ParquetFile::open(bytes, mapping)?)),
    }
}

/// The rows of one file, read as they are asked for. After an error there are no more.
#[derive(Debug)]
pub struct TransactionFile {
    rows: Rows,
    has_failed: bool,
}

#[derive(Debug)]
enum Rows {
    Csv(Box<CsvFile>),
    Parquet(Box<ParquetFile>),
}

impl TransactionFile {
    fn csv(file: CsvFile) -> Self {
        Self { rows: Rows::Csv(Box::new(file)), has_failed: false }
    }

    fn parquet(file: ParquetFile) -> Self {
        Self { rows: Rows::Parquet(Box::new(file)), has_failed: false }
    }

    /// How many rows there are, to show progress: exact for Parquet, for CSV an estimate that
    /// exists once rows have been read.
    pub fn rows_hint(&self) -> Option<u64> {
        match &self.rows {
            Rows::Csv(file) => file.rows_hint(),
            Rows::Parquet(file) => file.rows_hint(),
        }
    }
}

impl Iterator for TransactionFile {
    type Item = Result<SourceRow, ReadFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let row = match &mut self.rows {
            Rows::Csv(file) => file.next_row(),
            Rows::Parquet(file) => file.next_row(),
        };
        self.has_failed = row.is_err();
        row.transpose()
    }
}

/// Why a file cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadFileError {
    /// The operating system refused.
    #[error("cannot read the file: {0}; check that it exists and may be read")]
    Io(#[from] io::Error),
    /// Neither mapping nor extension tells the format.
    #[error(
        "expected a name that ends in .csv or .parquet, found {name:?}; set [file] format in the \
         mapping"
    )]
    UnknownFormat {
        /// The file's name.
        name: String,
    },
    /// No bytes, or no header.
    #[error("expected a header and rows, found an empty file; export it again")]
    Empty,
    /// The file is the other format.
    #[error("expected a {expected} file, found {found}; set [file] format in the mapping")]
    WrongFormat {
        /// What mapping or extension said.
        expected: &'static str,
        /// What the first bytes say.
        found: &'static str,
    },
    /// A Parquet file without its end.
    #[error(
        "expected a whole Parquet file, found one without its end; it was cut off, so copy or \
         export it again"
    )]
    Truncated,
    /// A Parquet file that contradicts itself.
    #[error("expected intact Parquet data, found damage ({message}); copy or export it again")]
    Damaged {
        /// What the decoder saw.
        message: String,
    },
    /// Columns that the mapping names are not there.
    #[error(
        "expected the columns {}, found only {}; correct the names in the mapping{}",
        quoted(missing),
        quoted(found),
        delimiter_remedy(found)
    )]
    MissingColumns {
        /// Mapped but absent.
        missing: Vec<String>,
        /// All columns of the file.
        found: Vec<String>,
    },
    /// Two columns bear a name that the mapping uses.
    #[error("expected one column {column:?}, found {found}; rename all but one in the file")]
    AmbiguousColumn {
        /// The name.
        column: String,
        /// How many bear it.
        found: usize,
    },
    /// A column holds another type than its field needs.
    #[error("column {column:?}: expected {expected}, found {found}; map or export another column")]
    WrongType {
        /// The column.
        column: String,
        /// What the field needs.
        expected: &'static str,
        /// The column's type.
        found: String,
    },
    /// A header that is no text.
    #[error(
        "row {row}, column {column}: expected {expected} text, found other bytes; set [file] \
         encoding in the mapping or save the file as utf-8"
    )]
    Encoding {
        /// 0 for the header.
        row: u64,
        /// Its number, from 1.
        column: usize,
        /// The encoding that the mapping names.
        expected: String,
    },
    /// A row with more or fewer cells than the header.
    #[error(
        "row {row}: expected {expected} cells as in the header, found {found}; check its quotes"
    )]
    RaggedRow {
        /// Its number.
        row: u64,
        /// Cells of the header.
        expected: usize,
        /// Its cells.
        found: usize,
    },
    /// A cell of another kind than its column's.
    #[error("row {row}, column {column:?}: expected {expected}, found {found:?}")]
    Value {
        /// Its row.
        row: u64,
        /// Its column.
        column: String,
        /// What the column holds.
        expected: &'static str,
        /// What it holds.
        found: String,
    },
    /// A row that does not end.
    #[error(
        "row {row}: expected at most {limit} bytes, found more; look for a quote that is opened \
         and never closed there"
    )]
    RowTooLong {
        /// Its number.
        row: u64,
        /// The limit in bytes.
        limit: usize,
    },
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    names.join(", ")
}

fn delimiter_remedy(found: &[String]) -> &'static str {
    match found {
        [one] if one.contains([',', ';', '\t', '|']) => ", or set [file] delimiter there",
        _ => "",
    }
}

/// Finds the mapping's columns in a header.
pub(super) fn positions(mapping: &Mapping, header: &[String]) -> Result<Vec<usize>, ReadFileError> {
    let mut positions = Vec::new();
    let mut missing = Vec::new();
    for column in mapping.columns() {
        let mut found = (0..).zip(header).filter(|(_, name)| *name == column);
        match (found.next(), found.count()) {
            (Some((position, _)), 0) => positions.push(position),
            (Some(_), others) => {
                return Err(ReadFileError::AmbiguousColumn {
                    column: column.clone(),
                    found: others + 1,
                });
            }
            (None, _) => missing.push(column.clone()),
        }
    }
    if missing.is_empty() {
        return Ok(positions);
    }
    Err(ReadFileError::MissingColumns { missing, found: header.to_vec() })
}

/// The format by mapping or extension, held against the file's first and last bytes.
pub(super) fn check_format(
    name: &str,
    mapping: &Mapping,
    file: &mut (impl Read + Seek),
) -> Result<FileFormat, ReadFileError> {
    format_of(name, mapping.format, file)
}

/// The format that was told, or else by extension, held against the file's first and last bytes.
pub(super) fn format_of(
    name: &str,
    told: Option<FileFormat>,
    file: &mut (impl Read + Seek),
) -> Result<FileFormat, ReadFileError> {
    let extension = Path::new(name).extension().unwrap_or_default();
    let extension = extension.to_string_lossy().to_ascii_lowercase();
    let by_name = match extension.as_str() {
        "csv" | "tsv" | "txt" => Some(FileFormat::Csv),
        "parquet" => Some(FileFormat::Parquet),
        _ => None,
    };
    let format = told.or(by_name);
    let format = format.ok_or_else(|| ReadFileError::UnknownFormat { name: name.to_owned() })?;
    let length = file.seek(SeekFrom::End(0))?;
    if length == 0 {
        return Err(ReadFileError::Empty);
    }
    let starts = magic_at(file, 0)? == Some(PARQUET_MAGIC);
    let ends = length >= 12 && magic_at(file, length - 4)? == Some(PARQUET_MAGIC);
    file.seek(SeekFrom::Start(0))?;
    match (format, starts, ends) {
        (FileFormat::Csv, true, _) => {
            Err(ReadFileError::WrongFormat { expected: "CSV", found: "Parquet" })
        }
        (FileFormat::Parquet, false, _) => {
            Err(ReadFileError::WrongFormat { expected: "Parquet", found: "something else" })
        }
        (FileFormat::Parquet, true, false) => Err(ReadFileError::Truncated),
        _ => Ok(format),
    }
}

/// Four bytes of the file; `None` when it ends before them.
fn magic_at(file: &mut (impl Read + Seek), position: u64) -> io::Result<Option<[u8; 4]>> {
    let mut magic = [0; 4];
    file.seek(SeekFrom::Start(position))?;
    match file.read_exact(&mut magic) {
        Ok(()) => Ok(Some(magic)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

impl Mapping {
    /// The row that `cell` holds by position in [`Mapping::columns`].
    pub(super) fn source_row<'a>(
        &self,
        row: u64,
        fingerprint: u64,
        cell: &dyn Fn(usize) -> Cell<'a>,
    ) -> SourceRow {
        let (line, recorded_at) = match self.draft(cell) {
            Ok(draft) => {
                let recorded_at = match self.recorded_at {
                    RecordedAt::OccurredAt => draft.line.occurred_at,
                    RecordedAt::Now => None,
                    RecordedAt::Column(_) => draft.recorded_at,
                };
                (Ok(draft.line), recorded_at)
            }
            Err(problem) => (Err(problem), None),
        };
        SourceRow { row, fingerprint, line, recorded_at }
    }

    fn draft<'a>(&self, cell: &dyn Fn(usize) -> Cell<'a>) -> Result<Draft, RowProblem> {
        let mut draft = self.template.clone();
        for binding in &self.bindings {
            self.fill(&mut draft, binding, cell)
                .map_err(|fault| fault.at(&binding.name, &self.label(binding)))?;
        }
        let at = |name: &str, fault: Fault| {
            let binding = self.bindings.iter().find(|binding| binding.name == name);
            fault.at(name, &binding.map_or_else(String::new, |binding| self.label(binding)))
        };
        let returns = &self.returns;
        returns.apply(&mut draft, &self.reader, cell).map_err(|fault| at("quantity", fault))?;
        if self.divides_amount() {
            draft.divide_amount().map_err(|fault| at("amount", fault))?;
        }
        Ok(draft)
    }

    pub(super) fn divides_amount(&self) -> bool {
        let mut fields = self.bindings.iter().map(|binding| binding.field);
        self.template.amount.is_some() || fields.any(|field| field == Field::Amount)
    }

    fn fill<'a>(
        &self,
        draft: &mut Draft,
        binding: &Binding,
        cell: &dyn Fn(usize) -> Cell<'a>,
    ) -> Result<(), Fault> {
        if let [column] = binding.columns.as_slice() {
            return draft.set(binding.field, cell(*column), &self.reader);
        }
        let mut path = String::new();
        for column in &binding.columns {
            if let Some(part) = self.reader.text(cell(*column))? {
                if !path.is_empty() {
                    path.push('/');
                }
                path.push_str(&part);
            }
        }
        draft.set(binding.field, Cell::Text(&path), &self.reader)
    }

    fn label(&self, binding: &Binding) -> String {
        let names: Vec<&str> = binding
            .columns
            .iter()
            .filter_map(|column| self.columns().get(*column))
            .map(String::as_str)
            .collect();
        names.join("/")
    }
}

/// A line while the mapping fills it.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) line: LineDraft,
    pub(super) amount: Option<Money>,
    recorded_at: Option<Timestamp>,
}

impl Draft {
    /// Reads one cell into `field`.
    pub(super) fn set(
        &mut self,
        field: Field,
        cell: Cell<'_>,
        reader: &CellReader,
    ) -> Result<(), Fault> {
        let text = || reader.text(cell).map(|text| text.map(Cow::into_owned));
        let line = &mut self.line;
        match field {
            Field::CustomerId => line.customer_id = text()?,
            Field::OrderId => line.order_id = text()?,
            Field::LineNumber => line.line_number = reader.line_number(cell)?,
            Field::OccurredAt => line.occurred_at = reader.time(cell)?,
            Field::ProductId => line.product_id = text()?,
            Field::Category => line.category = text()?,
            Field::Quantity => line.quantity = reader.quantity(cell)?,
            Field::UnitPrice => line.unit_price = reader.money(cell)?,
            Field::Amount => self.amount = reader.money(cell)?,
            Field::Discount => line.discount = reader.money(cell)?,
            Field::UnitCost => line.unit_cost = reader.money(cell)?,
            Field::Currency => line.currency = text()?,
            Field::Channel => line.channel = text()?,
            Field::StoreId => line.store_id = text()?,
            Field::PromotionId => line.promotion_id = text()?,
            Field::Country => line.country = text()?,
            Field::CancelsOrderId => line.cancels_order_id = text()?,
            Field::RecordedAt => {
                let absent =
                    || Fault::new(RefusalReason::Missing, "expected a time, found nothing");
                self.recorded_at = Some(reader.time(cell)?.ok_or_else(absent)?);
            }
        }
        Ok(())
    }

    /// The price that makes the line's total, to the nearest millionth.
    fn divide_amount(&mut self) -> Result<(), Fault> {
        let Some(quantity) = self.line.quantity else {
            return Ok(()); // refused by the contract, which requires it
        };
        if quantity == Quantity::ZERO {
            let message = "expected a quantity other than 0 to divide the amount by";
            return Err(Fault::new(RefusalReason::ZeroQuantity, message));
        }
        let absent = || Fault::new(RefusalReason::Missing, "expected an amount, found nothing");
        let price = self.amount.ok_or_else(absent)?.per_unit(quantity);
        let too_large = || {
            let message = "expected an amount that divided by the quantity fits 64 bits of micros";
            Fault::new(RefusalReason::AmountTooLarge, message)
        };
        self.line.unit_price = Some(price.ok_or_else(too_large)?);
        Ok(())
    }

    fn negate(&mut self) {
        let quantity = self.line.quantity.map(Quantity::thousandths);
        self.line.quantity =
            quantity.map(|units| Quantity::from_thousandths(units.saturating_neg()));
        self.amount = self.amount.map(|amount| -amount);
    }
}

impl Returns {
    /// Names the cancelled order and gives the quantity its sign.
    fn apply<'a>(
        &self,
        draft: &mut Draft,
        reader: &CellReader,
        cell: &dyn Fn(usize) -> Cell<'a>,
    ) -> Result<(), Fault> {
        let line = &mut draft.line;
        if let (Some(prefix), Some(order)) = (&self.cancellation_prefix, &line.order_id) {
            let cancelled = order.strip_prefix(prefix.as_str());
            line.cancels_order_id = cancelled.filter(|id| !id.is_empty()).map(str::to_owned);
        }
        let marked = match &self.marker {
            Some((column, values)) => {
                let text = reader.text(cell(*column))?;
                text.is_some_and(|text| values.iter().any(|value| *value == text))
            }
            None => false,
        };
        let is_return = marked || line.cancels_order_id.is_some();
        match self.sign {
            QuantitySign::Signed => {}
            QuantitySign::Reversed => draft.negate(),
            QuantitySign::Unsigned if line.quantity.is_some_and(Quantity::is_return) => {
                let message = "expected no negative quantity under [returns] quantity_sign = \
                               \"unsigned\", found one; set \"signed\" if the file has signs";
                return Err(Fault::new(RefusalReason::Sign, message));
            }
            QuantitySign::Unsigned if is_return => {
                // Some tills mark a return by negative money, some do not: the mark decides.
                line.unit_price = line.unit_price.map(Money::abs);
                draft.amount = draft.amount.map(Money::abs);
                draft.negate();
            }
            QuantitySign::Unsigned => {}
        }
        Ok(())
    }
}
