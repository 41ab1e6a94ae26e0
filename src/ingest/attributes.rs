//! A table of attributes of customers into the store, as a whole or not at all.
//!
//! ```toml
//! [attributes]
//! customer_id = "id"             # column of the customer's key
//! table = "profile"              # name of the table in the store; "customer" by default
//! valid_from = "since"           # column of the time from which a row holds; always without one
//! valid_to = "until"             # column of the time until which it holds; for good without one
//! exclude = ["comment"]          # columns that are left out
//! types = { region = "categorical" }   # instead of numeric, boolean or categorical by the values
//! ```

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;

use serde::Deserialize;

use crate::dataset::{ColumnKind, ColumnProfile, ColumnType, InputColumn, InputSchema, LeftOut};
use crate::store::{AttributeRow, TransactionStore};
use crate::transaction::{CustomerId, ImportReport, ReportBuilder, Timestamp};

use super::file::ReadFileError;
use super::import::{ImportError, ImportRequest, check_refusals, file_sha256};
use super::mapping::InvalidMapping;
use super::table::TableFile;

/// Rows between two looks at whether to go on.
const STEP: u64 = 8_192;
/// The share of the time that looking at the columns takes, about.
const LOOKING: f64 = 0.3;

/// What the columns of a table of attributes are.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct AttributeMapping {
    customer_id: String,
    #[serde(default = "default_table")]
    table: String,
    valid_from: Option<String>,
    valid_to: Option<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    types: BTreeMap<String, ColumnKind>,
}

fn default_table() -> String {
    "customer".to_owned()
}

#[derive(Deserialize)]
struct MappingFile {
    attributes: Option<toml::Value>,
}

impl AttributeMapping {
    /// The attributes part of a mapping; `None` when it maps transactions.
    ///
    /// # Errors
    /// What does not hold.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, InvalidMapping> {
        let Ok(MappingFile { attributes: Some(attributes) }) = toml::from_str(text) else {
            // What is wrong with the text is told by the mapping of transactions.
            return Ok(None);
        };
        let mapping: Self = attributes.try_into().map_err(|error: toml::de::Error| {
            InvalidMapping { problems: vec![format!("attributes: {}", error.to_string().trim())] }
        })?;
        if mapping.table.trim().is_empty() {
            let problems = vec!["attributes.table: expected a name, found none".to_owned()];
            return Err(InvalidMapping { problems });
        }
        Ok(Some(mapping))
    }

    fn leaves_out(&self, column: &str) -> bool {
        let named = [Some(&self.customer_id), self.valid_from.as_ref(), self.valid_to.as_ref()];
        named.into_iter().flatten().chain(&self.exclude).any(|name| name == column)
    }

    fn check_names(&self, header: &[String]) -> Result<(), ReadFileError> {
        let named = [Some(&self.customer_id), self.valid_from.as_ref(), self.valid_to.as_ref()];
        let named = named.into_iter().flatten().chain(&self.exclude).chain(self.types.keys());
        let missing: Vec<String> = named.filter(|name| !header.contains(name)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(ReadFileError::MissingColumns { missing, found: header.to_vec() })
    }
}

/// Imports a table of attributes. `tick` hears the fraction that is done and may break it off.
pub(super) fn import_attributes(
    store: &TransactionStore,
    mapping: &AttributeMapping,
    request: &ImportRequest,
    import_id: &str,
    tick: &mut dyn FnMut(f64) -> ControlFlow<()>,
) -> Result<ImportReport, ImportError> {
    let known = store.reader()?.attribute_columns()?;
    let elsewhere: BTreeSet<&str> = known
        .all()
        .iter()
        .filter(|column| column.table != mapping.table)
        .map(|column| column.column.name.as_str())
        .collect();
    let mut halfway = |fraction: f64| tick(fraction * LOOKING);
    let columns = Columns::read(request, mapping, known.of_table(&mapping.table), &mut halfway)?;
    if let Some(column) = columns.schema.names().find(|name| elsewhere.contains(name)) {
        let problem = format!("{column} is a column of another table of attributes; exclude it");
        return Err(InvalidMapping { problems: vec![format!("attributes: {problem}")] }.into());
    }
    // Rows are checked once without storing any: so a table with too many bad ones changes nothing.
    let mut report = ReportBuilder::new();
    let mut customers = HashSet::new();
    let mut rows = columns.rows(request, mapping)?;
    while let Some(row) = rows.next_row()? {
        match row {
            Ok(row) => {
                customers.insert(row.customer);
                report.count(rows.table.row());
            }
            Err(Refused { field, reason, message }) => {
                report.refuse(rows.table.row(), &field, reason, message);
            }
        }
        if rows.table.row().is_multiple_of(STEP) && tick(LOOKING).is_break() {
            return Err(ImportError::Cancelled);
        }
    }
    check_refusals(&report, request.max_refused_percent)?;
    let name = request.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sha256 = file_sha256(&request.path);
    let mut rows = columns.rows(request, mapping)?;
    let mut next = std::iter::from_fn(|| {
        loop {
            match rows.next_row() {
                Ok(None) => return None,
                Ok(Some(Ok(row))) => {
                    let done = rows.table.row() as f64 / columns.count.max(1) as f64;
                    let at = LOOKING + (1.0 - LOOKING) * done.min(1.0);
                    if rows.table.row().is_multiple_of(STEP) && tick(at).is_break() {
                        return Some(Err(ImportError::Cancelled));
                    }
                    return Some(Ok(row));
                }
                Ok(Some(Err(_))) => {}
                Err(error) => return Some(Err(error.into())),
            }
        }
    });
    let customers = customers.len() as u64;
    let planned = (mapping.table.as_str(), &columns.schema);
    store.put_attributes(planned, &known, &mut next, import_id, |mut outcome| {
        outcome.customers = customers;
        report.finish(&name, sha256, "attributes", outcome)
    })
}

/// The columns of a file, those that the store knows first.
struct Columns {
    schema: InputSchema,
    count: u64,
}

/// A row that is left out, and why.
struct Refused {
    field: String,
    reason: &'static str,
    message: String,
}

impl Columns {
    fn read(
        request: &ImportRequest,
        mapping: &AttributeMapping,
        known: InputSchema,
        tick: &mut dyn FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Self, ImportError> {
        let mut table = TableFile::open(&request.path)?;
        mapping.check_names(table.header())?;
        let mut profiles = vec![ColumnProfile::default(); table.header().len()];
        let mut count = 0;
        while table.read()? {
            count += 1;
            if count % STEP == 0 && tick(0.5).is_break() {
                return Err(ImportError::Cancelled);
            }
            for (column, profile) in profiles.iter_mut().enumerate() {
                profile.add(table.value(column)?);
            }
        }
        let mut schema = known;
        for (name, profile) in table.header().iter().zip(&profiles) {
            if mapping.leaves_out(name) {
                continue;
            }
            let asked = mapping.types.get(name).copied();
            let place = schema.columns.iter().position(|column| column.name == *name);
            match place.and_then(|place| schema.columns.get_mut(place)) {
                Some(column) => grow(column, profile, asked).map_err(ImportError::from)?,
                None => match profile.column_type(asked) {
                    Ok(column_type) => {
                        schema.columns.push(InputColumn { name: name.clone(), column_type });
                    }
                    // Without any value or with too many texts it says nothing that could be
                    // learned.
                    Err(LeftOut::Empty | LeftOut::TooManyTexts) => {}
                    // It may differ in the next file.
                    Err(LeftOut::Constant) => {
                        let column_type = profile.constant();
                        schema.columns.push(InputColumn { name: name.clone(), column_type });
                    }
                },
            }
        }
        if schema.columns.is_empty() {
            let problem = "attributes: expected a column beside the key and the times, found none";
            return Err(InvalidMapping { problems: vec![problem.to_owned()] }.into());
        }
        Ok(Self { schema, count })
    }

    fn rows<'a>(
        &'a self,
        request: &ImportRequest,
        mapping: &AttributeMapping,
    ) -> Result<Rows<'a>, ImportError> {
        let table = TableFile::open(&request.path)?;
        mapping.check_names(table.header())?;
        let at = |name: &str| table.header().iter().position(|column| column == name);
        let place = |column: &'a InputColumn| {
            let at = at(&column.name).filter(|_| !mapping.leaves_out(&column.name));
            (at, column)
        };
        Ok(Rows {
            customer: at(&mapping.customer_id).unwrap_or_default(),
            from: mapping.valid_from.as_deref().and_then(at),
            to: mapping.valid_to.as_deref().and_then(at),
            columns: self.schema.columns.iter().map(place).collect(),
            table,
        })
    }
}

/// A known column with the new levels of a file.
fn grow(
    column: &mut InputColumn,
    profile: &ColumnProfile,
    asked: Option<ColumnKind>,
) -> Result<(), InvalidMapping> {
    let refuse = |problem: String| {
        Err(InvalidMapping {
            problems: vec![format!("attributes: column {}: {problem}", column.name)],
        })
    };
    let kind = column.column_type.kind();
    if asked.is_some_and(|asked| asked != kind) {
        return refuse(format!("is {} in the store", kind.as_str()));
    }
    if let ColumnType::Categorical { levels } = &mut column.column_type {
        for text in profile.texts() {
            if !levels.contains(text) {
                levels.push(text.clone());
            }
        }
        if levels.len() > ColumnType::MOST_LEVELS {
            return refuse(format!(
                "has {} different texts, more than {}; exclude it",
                levels.len(),
                ColumnType::MOST_LEVELS
            ));
        }
    }
    Ok(())
}

/// The rows of a file as they are stored.
struct Rows<'a> {
    table: TableFile,
    customer: usize,
    from: Option<usize>,
    to: Option<usize>,
    /// Where each column of the store stands in the file, if it is there.
    columns: Vec<(Option<usize>, &'a InputColumn)>,
}

impl Rows<'_> {
    fn next_row(&mut self) -> Result<Option<Result<AttributeRow, Refused>>, ReadFileError> {
        if !self.table.read()? {
            return Ok(None);
        }
        let key = self.table.key(self.customer)?.unwrap_or_default();
        let customer = match CustomerId::parse(&key) {
            Ok(customer) => customer,
            Err(error) => {
                let message = error.to_string();
                return Ok(Some(Err(Refused {
                    field: "customer_id".to_owned(),
                    reason: "customer_id",
                    message,
                })));
            }
        };
        let (from, to) = match (self.time(self.from), self.time(self.to)) {
            (Ok(from), Ok(to)) => (from.unwrap_or(Timestamp::MIN), to.unwrap_or(Timestamp::MAX)),
            (Err(error), _) | (_, Err(error)) => return refused_value(error),
        };
        if from >= to {
            let message = format!("expected valid_from before valid_to, found {from} and {to}");
            let field = "valid_to".to_owned();
            return Ok(Some(Err(Refused { field, reason: "validity", message })));
        }
        let mut codes = Vec::with_capacity(self.columns.len());
        for (place, column) in &self.columns {
            let Some(place) = *place else {
                codes.push(f32::NAN);
                continue;
            };
            let value = self.table.value(place)?;
            match column.column_type.encode(value) {
                Ok(code) => codes.push(code),
                Err(expected) => {
                    return refused_value(self.table.wrong(place, expected, value.to_string()));
                }
            }
        }
        Ok(Some(Ok(AttributeRow { customer, valid_from: from, valid_to: to, codes })))
    }

    fn time(&self, column: Option<usize>) -> Result<Option<Timestamp>, ReadFileError> {
        column.map_or(Ok(None), |column| self.table.instant(column))
    }
}

/// A value that does not fit refuses its row; another failure ends the import.
fn refused_value(
    error: ReadFileError,
) -> Result<Option<Result<AttributeRow, Refused>>, ReadFileError> {
    match &error {
        ReadFileError::Value { column, .. } => {
            let (field, message) = (column.clone(), error.to_string());
            Ok(Some(Err(Refused { field, reason: "value", message })))
        }
        _ => Err(error),
    }
}
