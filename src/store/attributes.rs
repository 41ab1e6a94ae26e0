//! What a shop knows of its customers beside their purchases, and when it held.
//!
//! Attributes come in named tables, each with columns of its own. A row holds from one instant
//! until another; what is known of a customer at an instant is, of every table, the row that began
//! last of those that hold then.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};
use xxhash_rust::xxh3::xxh3_128;

use crate::dataset::{ColumnType, InputColumn, InputSchema};
use crate::transaction::{CustomerId, ImportReport, StoreOutcome, Timestamp};

use super::database::Durability;
use super::error::Fault;
use super::merge::keep_report;
use super::reader::Reader;
use super::{StoreError, TransactionStore};

/// A column of some table of attributes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AttributeColumn {
    /// The table.
    pub table: String,
    /// The column; its name is one in all tables.
    pub column: InputColumn,
}

/// A row of a table of attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeRow {
    /// Whose it is.
    pub customer: CustomerId,
    /// From when on it holds; [`Timestamp::MIN`] when it always did.
    pub valid_from: Timestamp,
    /// Until when; [`Timestamp::MAX`] while it does.
    pub valid_to: Timestamp,
    /// Codes of the table's columns, in their order, NaN where nothing is known.
    pub codes: Vec<f32>,
}

/// A row as its table has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedAttributes {
    /// The table.
    pub table: String,
    /// From when on it holds.
    pub valid_from: Timestamp,
    /// Until when.
    pub valid_to: Timestamp,
    /// The values that are known, by column.
    pub values: Vec<(String, String)>,
}

/// What is stored of one customer in one table.
#[derive(Clone, Debug)]
struct Held {
    table: u32,
    valid_from: i64,
    valid_to: i64,
    codes: Vec<f32>,
}

/// The columns of all tables, and of each the places of its columns among them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AttributeColumns {
    columns: Vec<AttributeColumn>,
    tables: Vec<(String, Vec<usize>)>,
}

/// The attributes of all customers in memory.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    columns: AttributeColumns,
    rows: HashMap<CustomerId, Vec<Held>>,
}

impl AttributeColumns {
    /// All columns, in their order.
    pub fn all(&self) -> &[AttributeColumn] {
        &self.columns
    }

    /// The columns of one table, in their order.
    pub fn of_table(&self, table: &str) -> InputSchema {
        let own = self.columns.iter().filter(|column| column.table == table);
        InputSchema { columns: own.map(|column| column.column.clone()).collect() }
    }

    fn read(connection: &Connection) -> Result<Self, Fault> {
        let sql = "SELECT source, name, definition FROM attribute_column ORDER BY position";
        let mut select = connection.prepare_cached(sql)?;
        let mut rows = select.query([])?;
        let mut columns = Self::default();
        while let Some(row) = rows.next()? {
            let (table, name, text): (String, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let column_type = serde_json::from_str(&text)
                .map_err(|error| Fault::Damaged(format!("attribute column {name}: {error}")))?;
            let place = columns.columns.len();
            match columns.tables.iter_mut().find(|(known, _)| *known == table) {
                Some((_, places)) => places.push(place),
                None => columns.tables.push((table.clone(), vec![place])),
            }
            columns
                .columns
                .push(AttributeColumn { table, column: InputColumn { name, column_type } });
        }
        Ok(columns)
    }

    /// The values of a row that are known, by column.
    fn values(&self, held: &Held) -> Vec<(String, String)> {
        let places = self.tables.get(held.table as usize).map(|(_, places)| places.as_slice());
        let cells = places.unwrap_or_default().iter().zip(&held.codes);
        let value = |(place, code): (&usize, &f32)| {
            let InputColumn { name, column_type } = &self.columns.get(*place)?.column;
            Some((name.clone(), column_type.decode(*code)?))
        };
        cells.filter_map(value).collect()
    }

    fn held(&self, row: &Row<'_>) -> Result<Held, Fault> {
        let table: String = row.get(1)?;
        let place = self.tables.iter().position(|(known, _)| *known == table);
        let unknown = || Fault::Damaged(format!("attributes of a table {table} without columns"));
        let blob = row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?;
        Ok(Held {
            table: place.ok_or_else(unknown)? as u32,
            valid_from: row.get(2)?,
            valid_to: row.get(3)?,
            codes: codes(blob)?,
        })
    }
}

impl Attributes {
    /// The columns of all tables.
    pub fn columns(&self) -> &AttributeColumns {
        &self.columns
    }

    /// Equal for equal attributes, whatever the order in which they came: 32 hex digits.
    pub fn digest(&self) -> String {
        let row = |(customer, held): (&CustomerId, &Held)| {
            let mut parts = vec![customer.as_str().to_owned()];
            parts.extend([held.valid_from.to_string(), held.valid_to.to_string()]);
            let mut values = self.columns.values(held);
            values.sort_unstable();
            let table = self.columns.tables.get(held.table as usize);
            parts.extend(table.map(|(name, _)| name.clone()));
            parts.extend(values.into_iter().flat_map(|(name, value)| [name, value]));
            let lengths = parts.iter().map(|part| format!("{}:{part}", part.len()));
            xxh3_128(lengths.collect::<String>().as_bytes())
        };
        let rows = self.rows.iter().flat_map(|(id, held)| held.iter().map(move |one| (id, one)));
        let sum = rows.map(row).fold(0_u128, u128::wrapping_add);
        format!("{sum:032x}")
    }
}

/// The columns of a model, read off the attributes of customers.
#[derive(Clone, Debug)]
pub struct AttributeJoin<'a> {
    attributes: &'a Attributes,
    places: Vec<Option<Place>>,
}

/// Where a column stands.
#[derive(Clone, Debug)]
struct Place {
    table: u32,
    index: usize,
    /// The model's code of each level of the store, NaN for one that it does not know; empty for
    /// numbers and flags, which are their own codes.
    codes: Vec<f32>,
}

impl<'a> AttributeJoin<'a> {
    /// Finds the columns by their names. One that is not there, or of another type, is always
    /// missing.
    pub fn new(attributes: &'a Attributes, own: &InputSchema) -> Self {
        let AttributeColumns { columns, tables } = &attributes.columns;
        let place = |own: &InputColumn| {
            let at = columns.iter().position(|column| column.column.name == own.name)?;
            let codes = match (&columns.get(at)?.column.column_type, &own.column_type) {
                (ColumnType::Categorical { levels }, ColumnType::Categorical { levels: own }) => {
                    let code = |level: &String| own.iter().position(|text| text == level);
                    levels.iter().map(|text| code(text).map_or(f32::NAN, |at| at as f32)).collect()
                }
                (stored, own) if stored.kind() == own.kind() => Vec::new(),
                _ => return None,
            };
            let of = |(_, places): &(String, Vec<usize>)| places.iter().position(|p| *p == at);
            let table = tables.iter().position(|table| of(table).is_some())?;
            let index = tables.get(table).and_then(of)?;
            Some(Place { table: table as u32, index, codes })
        };
        Self { attributes, places: own.columns.iter().map(place).collect() }
    }

    /// Appends the codes of a customer's columns at `as_of`, NaN where nothing is known.
    pub fn append(&self, customer: &CustomerId, as_of: Timestamp, row: &mut Vec<f32>) {
        let held = self.attributes.rows.get(customer).map(Vec::as_slice).unwrap_or_default();
        let as_of = as_of.micros();
        let code = |place: &Place| {
            let holds = |one: &&Held| {
                one.table == place.table && one.valid_from <= as_of && as_of < one.valid_to
            };
            let latest = held.iter().filter(holds).max_by_key(|one| one.valid_from)?;
            let code = latest.codes.get(place.index).copied()?;
            if place.codes.is_empty() {
                Some(code)
            } else {
                place.codes.get(code as usize).copied()
            }
        };
        let codes = self.places.iter().map(|place| place.as_ref().and_then(code));
        row.extend(codes.map(|code| code.unwrap_or(f32::NAN)));
    }
}

const OF_ALL: &str = "SELECT customer_id, source, valid_from, valid_to, codes FROM attribute";
const OF_ONE: &str =
    "SELECT customer_id, source, valid_from, valid_to, codes FROM attribute WHERE customer_id = ?1";

impl Reader<'_> {
    /// The columns of all tables of attributes.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn attribute_columns(&mut self) -> Result<AttributeColumns, StoreError> {
        self.read(|_, connection| AttributeColumns::read(connection))
    }

    /// The attributes of everybody.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn attributes(&mut self) -> Result<Attributes, StoreError> {
        self.read(|_, connection| {
            let columns = AttributeColumns::read(connection)?;
            let mut attributes = Attributes { columns, rows: HashMap::new() };
            let mut select = connection.prepare(OF_ALL)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let id: String = row.get(0)?;
                let customer = CustomerId::parse(&id)
                    .map_err(|error| Fault::Damaged(format!("attributes: {error}")))?;
                let held = attributes.columns.held(row)?;
                attributes.rows.entry(customer).or_default().push(held);
            }
            Ok(attributes)
        })
    }

    /// The attributes of some customers, as if there were nobody else.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn attributes_of(&mut self, customers: &[CustomerId]) -> Result<Attributes, StoreError> {
        self.read(|_, connection| {
            let columns = AttributeColumns::read(connection)?;
            let mut attributes = Attributes { columns, rows: HashMap::new() };
            let mut select = connection.prepare_cached(OF_ONE)?;
            for customer in customers {
                let mut rows = select.query([customer.as_str()])?;
                let mut held = Vec::new();
                while let Some(row) = rows.next()? {
                    held.push(attributes.columns.held(row)?);
                }
                attributes.rows.insert(customer.clone(), held);
            }
            Ok(attributes)
        })
    }

    /// The rows of one customer by table, earliest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn attribute_rows(
        &mut self,
        customer: &CustomerId,
    ) -> Result<Vec<NamedAttributes>, StoreError> {
        let attributes = self.attributes_of(std::slice::from_ref(customer))?;
        let held = attributes.rows.get(customer).map(Vec::as_slice).unwrap_or_default();
        let row = |one: &Held| {
            let (table, _) = attributes.columns.tables.get(one.table as usize)?;
            Some(NamedAttributes {
                table: table.clone(),
                valid_from: Timestamp::from_micros(one.valid_from),
                valid_to: Timestamp::from_micros(one.valid_to),
                values: attributes.columns.values(one),
            })
        };
        Ok(held.iter().filter_map(row).collect())
    }
}

impl TransactionStore {
    /// Stores rows of one table, with its columns as they are from now on: those that were there
    /// in their order, then new ones. `known` are the columns that this was planned by. All or
    /// nothing, with the report of the import.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another import changed the columns meanwhile; when the medium
    /// fails, or `rows` does; then nothing was stored.
    pub fn put_attributes<E: From<StoreError>>(
        &self,
        (table, schema): (&str, &InputSchema),
        known: &AttributeColumns,
        rows: &mut dyn Iterator<Item = Result<AttributeRow, E>>,
        import_id: &str,
        finish: impl FnOnce(StoreOutcome) -> ImportReport,
    ) -> Result<ImportReport, E> {
        let writer = self.database.writer();
        let mut refused = None;
        let stored = self.write(&writer, Durability::Full, |writing| {
            let connection = writing.connection;
            if AttributeColumns::read(connection)? != *known {
                let path = self.database.path().to_owned();
                return Err(StoreError::Busy { path }.into());
            }
            put_columns(connection, table, schema)?;
            let mut counts = StoreOutcome::default();
            for row in rows {
                match row {
                    Ok(row) => put_row(connection, table, &row, &mut counts)?,
                    Err(error) => {
                        refused = Some(error);
                        return Err(Fault::Cancelled);
                    }
                }
            }
            let report = finish(counts);
            keep_report(connection, import_id, &report)?;
            Ok(report)
        });
        match refused {
            Some(error) => Err(error),
            None => Ok(stored.map_err(|fault| self.database.fault(fault))?),
        }
    }
}

fn put_columns(connection: &Connection, table: &str, schema: &InputSchema) -> Result<(), Fault> {
    let sql = "INSERT INTO attribute_column (source, name, definition) VALUES (?1, ?2, ?3)
               ON CONFLICT (name) DO UPDATE SET definition = excluded.definition";
    let mut insert = connection.prepare_cached(sql)?;
    for column in &schema.columns {
        let definition = serde_json::to_string(&column.column_type).unwrap_or_default();
        insert.execute(params![table, column.name, definition])?;
    }
    Ok(())
}

fn put_row(
    connection: &Connection,
    table: &str,
    row: &AttributeRow,
    counts: &mut StoreOutcome,
) -> Result<(), Fault> {
    // Columns that were added later are missing in rows that came before; so they are not written
    // where they are missing.
    let known = row.codes.iter().rposition(|code| !code.is_nan()).map_or(0, |last| last + 1);
    let blob: Vec<u8> = row.codes.iter().take(known).flat_map(|code| code.to_le_bytes()).collect();
    let (id, from, to) = (row.customer.as_str(), row.valid_from.micros(), row.valid_to.micros());
    let sql = "SELECT valid_to, codes FROM attribute
               WHERE customer_id = ?1 AND source = ?2 AND valid_from = ?3";
    let mut select = connection.prepare_cached(sql)?;
    let mut found = select.query(params![id, table, from])?;
    match found.next()? {
        Some(known) => {
            let same = known.get::<_, i64>(0)? == to && known.get::<_, Vec<u8>>(1)? == blob;
            let count = if same { &mut counts.duplicates } else { &mut counts.corrected };
            *count += 1;
        }
        None => counts.accepted += 1,
    }
    let sql = "INSERT OR REPLACE INTO attribute (customer_id, source, valid_from, valid_to, codes)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![id, table, from, to, blob])?;
    Ok(())
}

/// Removes what is known of a customer; returns the number of rows.
pub(super) fn erase(connection: &Connection, customer: &CustomerId) -> Result<u64, Fault> {
    let sql = "DELETE FROM attribute WHERE customer_id = ?1";
    Ok(connection.execute(sql, [customer.as_str()])? as u64)
}

fn codes(blob: &[u8]) -> Result<Vec<f32>, Fault> {
    let (codes, rest) = blob.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Fault::Damaged("attributes: not whole numbers of 32 bits".to_owned()));
    }
    Ok(codes.iter().map(|code| f32::from_le_bytes(*code)).collect())
}
