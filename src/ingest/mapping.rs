//! The mapping file: which source column fills which field of the data contract, and how.
//!
//! ```toml
//! [file]
//! format = "csv"                 # csv or parquet; by default the file's extension decides
//! delimiter = ";"                # csv; "," by default
//! encoding = "windows-1252"      # csv; "utf-8" by default
//! nulls = ["NULL", "NA"]         # texts that stand for an absent value, beside the empty cell
//! [time]
//! zone = "Europe/London"         # of times that carry none
//! format = "%d/%m/%Y %H:%M"      # strptime pattern of text times; without it RFC 3339 or a date
//! [money]                        # how texts write numbers, quantities included
//! decimal_separator = ","        # "." by default
//! thousands_separator = "."      # none by default
//! [columns]                      # field of the contract = source column
//! customer_id = "CustomerID"
//! category = ["Department", "Group"]   # a path of several columns
//! amount = "LineTotal"           # instead of unit_price, which is then amount / quantity
//! [constants]                    # field of the contract = the same value on every line
//! currency = "GBP"
//! quantity = 1
//! [returns]
//! cancellation_prefix = "C"      # order C17 cancels order 17
//! quantity_sign = "signed"       # "signed": as the file has it (default); "reversed": sales are
//!                                # negative; "unsigned": never negative, returns are marked
//! column = "Type"                # unsigned: the column that marks returns, beside cancellations
//! values = ["Return", "Refund"]  # unsigned: what it then holds
//! [recorded_at]
//! rule = "occurred_at"           # or "now"; a historical import is known as of the sale
//! # column = "LoadedAt"          # instead of a rule
//! ```

use std::collections::BTreeMap;
use std::fmt;

use encoding_rs::Encoding;
use jiff::civil;
use jiff::fmt::strtime::{self, BrokenDownTime};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NameError, StrDeserializer};

use super::file::Draft;
use super::row::{Cell, CellReader};
use crate::transaction::ShopClock;

/// A checked mapping from the columns of a file to the data contract.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(super) format: Option<FileFormat>,
    pub(super) delimiter: u8,
    pub(super) reader: CellReader,
    pub(super) bindings: Vec<Binding>,
    /// The line before any cell is read: the constants.
    pub(super) template: Draft,
    pub(super) returns: Returns,
    pub(super) recorded_at: RecordedAt,
    columns: Vec<String>,
}

impl Mapping {
    /// Reads and checks a mapping; see the top of this module for its form.
    pub fn parse(toml: &str) -> Result<Self, InvalidMapping> {
        let raw: RawMapping = toml::from_str(toml).map_err(|error| InvalidMapping {
            problems: vec![error.to_string().trim_end().to_owned()],
        })?;
        let mut check = Check::default();
        let mapping = check.mapping(&raw);
        if check.problems.is_empty() {
            return Ok(mapping);
        }
        Err(InvalidMapping { problems: check.problems })
    }

    /// The source columns that a file must have, each once.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The shop's clock, where the mapping names its time zone.
    pub fn clock(&self) -> Option<&ShopClock> {
        self.reader.clock.as_ref()
    }

    /// Where `recorded_at` comes from, in the words of the import report.
    pub fn recorded_at_rule(&self) -> String {
        match &self.recorded_at {
            RecordedAt::OccurredAt => "occurred_at".to_owned(),
            RecordedAt::Now => "now".to_owned(),
            RecordedAt::Column(column) => format!("column {column}"),
        }
    }
}

/// Everything that is wrong with a mapping.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct InvalidMapping {
    /// One for each fault; each names the key and the remedy.
    pub problems: Vec<String>,
}

impl fmt::Display for InvalidMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid mapping: {}", self.problems.join("; "))
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileFormat {
    Csv,
    Parquet,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Field {
    CustomerId,
    OrderId,
    LineNumber,
    OccurredAt,
    ProductId,
    Category,
    Quantity,
    UnitPrice,
    Amount,
    Discount,
    UnitCost,
    Currency,
    Channel,
    StoreId,
    PromotionId,
    Country,
    CancelsOrderId,
    #[serde(skip)]
    RecordedAt,
}

/// A field of the contract and the columns that fill it.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) field: Field,
    pub(super) name: String,
    /// Positions in [`Mapping::columns`]; several only for a category path.
    pub(super) columns: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Returns {
    pub(super) cancellation_prefix: Option<String>,
    /// The column that marks returns and what it then holds.
    pub(super) marker: Option<(usize, Vec<String>)>,
    pub(super) sign: QuantitySign,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum QuantitySign {
    #[default]
    Signed,
    Reversed,
    Unsigned,
}

#[derive(Clone, Debug)]
pub(super) enum RecordedAt {
    OccurredAt,
    Now,
    Column(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMapping {
    #[serde(default)]
    file: RawFile,
    #[serde(default)]
    time: RawTime,
    #[serde(default)]
    money: RawMoney,
    columns: BTreeMap<String, toml::Value>,
    #[serde(default)]
    constants: BTreeMap<String, toml::Value>,
    #[serde(default)]
    returns: RawReturns,
    #[serde(default)]
    recorded_at: RawRecordedAt,
}

impl RawMapping {
    fn gives(&self, field: &str) -> bool {
        self.columns.contains_key(field) || self.constants.contains_key(field)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawFile {
    format: Option<FileFormat>,
    delimiter: Option<char>,
    encoding: Option<String>,
    nulls: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawTime {
    zone: Option<String>,
    format: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawMoney {
    decimal_separator: Option<char>,
    thousands_separator: Option<char>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawReturns {
    cancellation_prefix: Option<String>,
    quantity_sign: QuantitySign,
    column: Option<String>,
    values: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawRecordedAt {
    rule: Option<String>,
    column: Option<String>,
}

/// Collects the source columns and the problems of one mapping.
#[derive(Debug, Default)]
struct Check {
    columns: Vec<String>,
    problems: Vec<String>,
}

impl Check {
    fn mapping(&mut self, raw: &RawMapping) -> Mapping {
        let reader = self.reader(raw);
        let mut bindings = self.bindings(raw);
        let template = self.template(raw, &reader);
        let recorded_at = self.recorded_at(raw, &mut bindings);
        let returns = self.returns(raw);
        self.required(raw);
        Mapping {
            format: raw.file.format,
            delimiter: self.delimiter(raw),
            reader,
            bindings,
            template,
            returns,
            recorded_at,
            columns: std::mem::take(&mut self.columns),
        }
    }

    fn reader(&mut self, raw: &RawMapping) -> CellReader {
        let reader = CellReader {
            encoding: self.encoding(raw),
            decimal_separator: raw.money.decimal_separator.unwrap_or('.'),
            thousands_separator: raw.money.thousands_separator,
            nulls: raw.file.nulls.clone(),
            clock: self.clock(raw),
            time_format: self.time_format(raw),
        };
        if reader.thousands_separator == Some(reader.decimal_separator) {
            self.problem("[money] thousands_separator: expected another than decimal_separator");
        }
        reader
    }

    fn delimiter(&mut self, raw: &RawMapping) -> u8 {
        match raw.file.delimiter.map_or(Ok(b','), u8::try_from) {
            Ok(byte) if byte.is_ascii() && !b"\"\r\n".contains(&byte) => byte,
            _ => {
                self.problem("[file] delimiter: expected an ASCII character such as \";\"");
                b','
            }
        }
    }

    fn encoding(&mut self, raw: &RawMapping) -> &'static Encoding {
        let label = raw.file.encoding.as_deref().unwrap_or("utf-8");
        let encoding = match label {
            "latin-1" => Some(encoding_rs::WINDOWS_1252),
            label => Encoding::for_label(label.as_bytes()),
        };
        // Cells are split before they are decoded, so no byte of a longer character may look
        // like a delimiter. In the encodings of ASCII's family such bytes begin at the digits.
        let delimiter = raw.file.delimiter.unwrap_or(',');
        let splits = |encoding: &&'static Encoding| {
            let is_safe = encoding.is_single_byte() || *encoding == encoding_rs::UTF_8;
            is_safe || (encoding.is_ascii_compatible() && delimiter < '0')
        };
        encoding.filter(splits).unwrap_or_else(|| {
            self.problem(format!(
                "[file] encoding: expected utf-8, windows-1252, latin-1 or another extension of \
                 ASCII, found {label:?}; convert the file to utf-8"
            ));
            encoding_rs::UTF_8
        })
    }

    fn clock(&mut self, raw: &RawMapping) -> Option<ShopClock> {
        let clock = ShopClock::new(raw.time.zone.as_deref()?);
        clock.map_err(|error| self.problem(format!("[time] zone: {error}"))).ok()
    }

    /// A pattern is tried on one date: it must write it and read it back.
    fn time_format(&mut self, raw: &RawMapping) -> Option<String> {
        let format = raw.time.format.as_deref()?;
        let sample = civil::date(2011, 12, 9).at(12, 50, 0, 0).in_tz("UTC").ok()?;
        let date = strtime::format(format, &sample)
            .and_then(|text| BrokenDownTime::parse(format, text)?.to_date());
        if date.is_err() {
            self.problem(format!(
                "[time] format: expected a strptime pattern with a date such as \
                 \"%Y-%m-%d %H:%M:%S\", found {format:?}"
            ));
        }
        Some(format.to_owned())
    }

    fn bindings(&mut self, raw: &RawMapping) -> Vec<Binding> {
        let mut bindings = Vec::new();
        for (name, value) in &raw.columns {
            let Some(field) = self.field("columns", name) else {
                continue;
            };
            let sources = source_names(value);
            if sources.is_empty() || (sources.len() > 1 && field != Field::Category) {
                self.problem(format!(
                    "[columns] {name}: expected the name of one column, or of several for category"
                ));
            }
            let columns = sources.iter().map(|source| self.column(source));
            bindings.push(Binding { field, name: name.clone(), columns: columns.collect() });
        }
        bindings
    }

    fn template(&mut self, raw: &RawMapping, reader: &CellReader) -> Draft {
        // Constants are written as TOML writes numbers and times, whatever the file does.
        let reader = CellReader {
            decimal_separator: '.',
            thousands_separator: None,
            time_format: None,
            ..reader.clone()
        };
        let mut template = Draft::default();
        for (name, value) in &raw.constants {
            let Some(field) = self.field("constants", name) else {
                continue;
            };
            let text = match value {
                toml::Value::String(text) => text.clone(),
                toml::Value::Integer(_) | toml::Value::Float(_) => value.to_string(),
                _ => String::new(),
            };
            if text.is_empty() {
                self.problem(format!("[constants] {name}: expected a text or a number"));
            } else if let Err(fault) = template.set(field, Cell::Text(&text), &reader) {
                self.problem(format!("[constants] {name}: {}", fault.message));
            }
            if raw.columns.contains_key(name) {
                self.problem(format!(
                    "{name}: expected in [columns] or in [constants], found in both"
                ));
            }
        }
        template
    }

    fn recorded_at(&mut self, raw: &RawMapping, bindings: &mut Vec<Binding>) -> RecordedAt {
        match (raw.recorded_at.rule.as_deref(), &raw.recorded_at.column) {
            (None, Some(column)) => {
                bindings.push(Binding {
                    field: Field::RecordedAt,
                    name: "recorded_at".to_owned(),
                    columns: vec![self.column(column)],
                });
                return RecordedAt::Column(column.clone());
            }
            (None | Some("occurred_at"), None) => {}
            (Some("now"), None) => return RecordedAt::Now,
            _ => self.problem(
                "[recorded_at]: expected rule = \"occurred_at\", rule = \"now\" or a column",
            ),
        }
        RecordedAt::OccurredAt
    }

    fn returns(&mut self, raw: &RawMapping) -> Returns {
        let returns = &raw.returns;
        let is_unsigned = returns.quantity_sign == QuantitySign::Unsigned;
        let has_column = returns.column.is_some();
        if has_column == returns.values.is_empty() || (has_column && !is_unsigned) {
            self.problem(
                "[returns] column: expected together with values and quantity_sign = \"unsigned\"",
            );
        }
        let prefix = returns.cancellation_prefix.as_deref();
        let has_one_source = raw.gives("order_id") && !raw.gives("cancels_order_id");
        if prefix.is_some_and(|prefix| prefix.is_empty() || !has_one_source) {
            self.problem(
                "[returns] cancellation_prefix: expected a text, with order_id mapped and \
                 cancels_order_id not",
            );
        }
        let marker = returns.column.as_deref();
        Returns {
            cancellation_prefix: prefix.map(str::to_owned),
            marker: marker.map(|column| (self.column(column), returns.values.clone())),
            sign: returns.quantity_sign,
        }
    }

    fn required(&mut self, raw: &RawMapping) {
        for name in ["occurred_at", "product_id", "quantity"] {
            if !raw.gives(name) {
                self.problem(format!(
                    "{name}: expected in [columns] or [constants], found in neither"
                ));
            }
        }
        if raw.gives("unit_price") == raw.gives("amount") {
            self.problem("unit_price or amount: expected exactly one of the two");
        }
    }

    fn field(&mut self, table: &str, name: &str) -> Option<Field> {
        let name: StrDeserializer<'_, NameError> = name.into_deserializer();
        Field::deserialize(name).map_err(|error| self.problem(format!("[{table}]: {error}"))).ok()
    }

    /// The position of a source column among those that the mapping uses.
    fn column(&mut self, name: &str) -> usize {
        let known = self.columns.iter().position(|column| column == name);
        known.unwrap_or_else(|| {
            self.columns.push(name.to_owned());
            self.columns.len() - 1
        })
    }

    fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }
}

/// The names in `"A"` or `["A", "B"]`; none when anything else is in there.
fn source_names(value: &toml::Value) -> Vec<&str> {
    let names: Option<Vec<&str>> = match value {
        toml::Value::Array(values) => values.iter().map(toml::Value::as_str).collect(),
        value => value.as_str().map(|name| vec![name]),
    };
    names.filter(|names| names.iter().all(|name| !name.is_empty())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_told_at_once() {
        let toml = "[columns]\norder = \"A\"\nunit_price = \"P\"\namount = \"P\"\nquantity = [\"Q\", \"R\"]\n\
                    [constants]\nquantity = 1\nproduct_id = \"\"\n[time]\nformat = \"%H\"";
        let invalid = Mapping::parse(toml).unwrap_err();
        assert_eq!(invalid.problems.len(), 7, "{invalid}");
        assert!(invalid.to_string().contains("occurred_at: expected in [columns]"));
        let unread = Mapping::parse("[columns]\n[returns]\nprefix = \"C\"").unwrap_err();
        assert!(unread.to_string().contains("unknown field `prefix`"), "{unread}");
    }
}
