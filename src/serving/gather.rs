//! From what a caller gave to the vectors that a model takes.

use std::cell::Cell;
use std::sync::Arc;

use crate::dataset::{FeatureMatrix, InputSchema, InvalidMatrix, Value};
use crate::feature::{Features, Settled, Workspace};
use crate::store::{AttributeJoin, Attributes, Glance, Reader, Remembered, TransactionStore};
use crate::transaction::{
    CustomerHistory, CustomerId, HistoryLine, HistorySource, SymbolTable, Timestamp,
    TransactionLine,
};

use super::{CallLimit, ServedModel, ServingError};

/// What a caller asks about.
#[derive(Clone, Debug)]
pub enum Input {
    /// Customers of the store.
    Customers(Vec<CustomerId>),
    /// Vectors that the caller has.
    Features(FeatureRows),
    /// Histories that the caller makes up.
    Histories(Vec<Vec<TransactionLine>>),
    /// Rows of a table that the caller has.
    Table(TableRows),
}

/// Columns of a caller's table, with values of their own types.
#[derive(Clone, Debug, Default)]
pub struct TableRows {
    /// The columns; those that the model does not take are not looked at.
    pub columns: Vec<TableColumn>,
    /// Number of rows.
    pub rows: usize,
}

/// One column of a caller's table.
#[derive(Clone, Debug)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its values, one per row.
    pub cells: Cells,
}

/// Values of one type.
#[derive(Clone, Debug)]
pub enum Cells {
    /// Numbers; NaN where nothing is known.
    Numbers(Vec<f64>),
    /// Flags; `None` where nothing is known.
    Flags(Vec<Option<bool>>),
    /// Texts, which may spell numbers and flags; empty where nothing is known.
    Texts(Vec<String>),
}

impl Cells {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Flags(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes away the value of a row; `false` when there is no such row.
    pub fn clear(&mut self, row: usize) -> bool {
        match self {
            Self::Numbers(values) => values.get_mut(row).map(|value| *value = f64::NAN).is_some(),
            Self::Flags(values) => values.get_mut(row).map(|value| *value = None).is_some(),
            Self::Texts(values) => values.get_mut(row).map(String::clear).is_some(),
        }
    }

    pub(super) fn value(&self, row: usize) -> Value<'_> {
        let value = match self {
            Self::Numbers(values) => {
                values.get(row).filter(|number| !number.is_nan()).map(|n| Value::Number(*n))
            }
            Self::Flags(values) => values.get(row).copied().flatten().map(Value::Flag),
            Self::Texts(values) => values.get(row).map(|text| Value::Text(text)),
        };
        value.unwrap_or(Value::Missing)
    }
}

/// A caller's vectors.
#[derive(Clone, Debug, Default)]
pub struct FeatureRows {
    /// Names of the columns; empty means the order of the schema.
    pub columns: Vec<String>,
    /// Number of rows.
    pub rows: usize,
    /// `rows` x columns values, row-major.
    pub values: Vec<f32>,
    /// Digest of the schema they were computed by, when the caller knows it.
    pub schema_digest: Option<String>,
}

/// Where the vector of a row comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RowSource {
    /// The stored history of the customer.
    History,
    /// The caller's vector.
    Features,
    /// The caller's lines.
    WhatIf,
    /// Nothing is known about the customer: the answer is that of the population.
    Prior,
}

/// Vectors in the order of the model's schema.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// One row per row of the input.
    pub matrix: FeatureMatrix,
    /// Where each row comes from.
    pub sources: Vec<RowSource>,
    /// When the latest line behind each row occurred; `None` without a line.
    pub last_lines: Vec<Option<Timestamp>>,
}

/// What is asked about, as the store had it at one look: a line is seen by the whole answer or not
/// at all.
#[derive(Debug)]
pub(super) enum Look<'a> {
    /// One customer of the store.
    Customer(&'a CustomerId, Glance),
    /// Customers of the store.
    Customers(&'a [CustomerId], Reader<'a>),
    /// Histories that the caller makes up, and when the newest of all stored lines occurred.
    Histories(&'a [Vec<TransactionLine>], Option<Timestamp>),
    /// Vectors that the caller has: they do not depend on what is stored.
    Features(&'a FeatureRows),
    /// Rows that the caller has.
    Table(&'a TableRows),
}

impl<'a> Look<'a> {
    /// What `served` needs to answer for `input`.
    pub(super) fn at(
        store: &'a TransactionStore,
        served: &ServedModel,
        input: &'a Input,
    ) -> Result<Self, ServingError> {
        let joins_attributes = served.manifest().input_schema.is_some();
        Ok(match input {
            Input::Customers(customers) => match customers.as_slice() {
                [one] if !joins_attributes => Self::Customer(one, store.glance(one)?),
                _ => Self::Customers(customers, store.reader()?),
            },
            Input::Histories(histories) => {
                Self::Histories(histories, store.reader()?.summary().last_occurred_at)
            }
            Input::Features(block) => Self::Features(block),
            Input::Table(table) => Self::Table(table),
        })
    }

    /// When the newest of all stored lines occurred; `None` where nothing stored was looked at.
    pub(super) fn newest_line(&self) -> Option<Timestamp> {
        match self {
            Self::Customer(_, glance) => glance.last_occurred_at(),
            Self::Customers(_, reader) => reader.summary().last_occurred_at,
            Self::Histories(_, newest_line) => *newest_line,
            Self::Features(_) | Self::Table(_) => None,
        }
    }
}

/// The vectors of what was looked at, as of `as_of`.
pub(super) fn gather(
    served: &ServedModel,
    store: &TransactionStore,
    look: Look<'_>,
    as_of: Timestamp,
    limit: &CallLimit,
) -> Result<Gathered, ServingError> {
    limit.check()?;
    match look {
        Look::Customer(customer, glance) => from_glance(served, &glance, customer, as_of),
        Look::Customers(customers, reader) => from_store(served, reader, customers, as_of, limit),
        Look::Histories(histories, _) => from_lines(served, store, histories, as_of, limit),
        Look::Features(block) => from_block(served, block),
        Look::Table(table) => served.gather_table(table),
    }
}

fn from_glance(
    served: &ServedModel,
    glance: &Glance,
    customer: &CustomerId,
    as_of: Timestamp,
) -> Result<Gathered, ServingError> {
    let bound = served.features(glance.symbols())?;
    let nothing = Attributes::default();
    let mut rows = Rows::new(&bound.1, None, &nothing, 1);
    rows.push_stored(customer, glance.history(), as_of);
    rows.finish()
}

fn from_store(
    served: &ServedModel,
    mut reader: Reader<'_>,
    customers: &[CustomerId],
    as_of: Timestamp,
    limit: &CallLimit,
) -> Result<Gathered, ServingError> {
    let bound = served.features(reader.symbols())?;
    let own = served.manifest().input_schema.as_ref();
    let attributes = own.map(|_| reader.attributes_of(customers)).transpose()?;
    let attributes = attributes.unwrap_or_default();
    let mut rows = Rows::new(&bound.1, own, &attributes, customers.len());
    for (row, customer) in customers.iter().enumerate() {
        limit.check_row(row)?;
        let history = reader.history(customer)?;
        rows.push_stored(customer, &history, as_of);
    }
    rows.finish()
}

fn from_lines(
    served: &ServedModel,
    store: &TransactionStore,
    histories: &[Vec<TransactionLine>],
    as_of: Timestamp,
    limit: &CallLimit,
) -> Result<Gathered, ServingError> {
    let mut symbols = SymbolTable::default();
    let mut compact = |line: &TransactionLine| {
        HistoryLine::new(line, line.occurred_at, store.clock(), &mut symbols)
    };
    let histories: Vec<CustomerHistory> = histories
        .iter()
        .map(|lines| CustomerHistory::new(lines.iter().map(&mut compact).collect()))
        .collect();
    let features = served.bind(&symbols)?;
    let own = served.manifest().input_schema.as_ref();
    // A history that is made up has no attributes: all of them are missing.
    let nothing = Attributes::default();
    let mut rows = Rows::new(&features, own, &nothing, histories.len());
    for (row, history) in histories.iter().enumerate() {
        limit.check_row(row)?;
        rows.push(None, history, as_of, RowSource::WhatIf);
    }
    rows.finish()
}

/// Vectors of one kind in the making.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    features: &'a Features,
    own: Option<(&'a InputSchema, AttributeJoin<'a>)>,
    values: Vec<f32>,
    sources: Vec<RowSource>,
    last_lines: Vec<Option<Timestamp>>,
    workspace: Workspace,
    /// Lines of the longest history.
    longest: usize,
}

/// Lines of a history up to which its workspace is kept for the next call.
const KEPT_LINES: usize = 4_096;

thread_local! {
    /// Of the last call of this thread: to make one takes as long as the features of a short history.
    static WORKSPACE: Cell<Workspace> = Cell::default();
}

impl<'a> Rows<'a> {
    /// Room for so many `rows`.
    pub(super) fn new(
        features: &'a Features,
        own: Option<&'a InputSchema>,
        attributes: &'a Attributes,
        rows: usize,
    ) -> Self {
        let width = features.columns().len() + own.map_or(0, |own| own.columns.len());
        Self {
            features,
            own: own.map(|own| (own, AttributeJoin::new(attributes, own))),
            values: Vec::with_capacity(rows * width),
            sources: Vec::with_capacity(rows),
            last_lines: Vec::with_capacity(rows),
            workspace: WORKSPACE.take(),
            longest: 0,
        }
    }

    /// Adds the vector of a customer of the store, whose attributes join it.
    fn push_stored(&mut self, customer: &CustomerId, history: &Remembered, as_of: Timestamp) {
        let settled = history.derived(Settled::of).and_then(Option::as_ref);
        let (features, workspace) = (self.features, &mut self.workspace);
        let is_done = settled.is_some_and(|settled| {
            features.append_settled(settled, as_of, workspace, &mut self.values)
        });
        if is_done {
            self.tell(Some(customer), history, as_of, RowSource::History);
        } else {
            self.push(Some(customer), history, as_of, RowSource::History);
        }
    }

    /// Adds the vector of a customer, whose attributes join it, or of somebody made up.
    pub(super) fn push(
        &mut self,
        customer: Option<&CustomerId>,
        history: &CustomerHistory,
        as_of: Timestamp,
        source: RowSource,
    ) {
        self.longest = self.longest.max(history.lines().len());
        self.features.append_at(history, &[as_of], &mut self.workspace, &mut self.values);
        self.tell(customer, history, as_of, source);
    }

    /// What is to be said of a history beside its features, and the attributes.
    fn tell(
        &mut self,
        customer: Option<&CustomerId>,
        history: &CustomerHistory,
        as_of: Timestamp,
        source: RowSource,
    ) {
        let mut visible = history.lines().iter().filter(|line| line.is_visible(as_of));
        let bought = visible.clone().any(HistoryLine::is_purchase);
        self.sources.push(if bought { source } else { RowSource::Prior });
        // Lines are in the order of the sales.
        self.last_lines.push(visible.next_back().map(|line| line.occurred_at));
        if let Some((own, join)) = &self.own {
            match customer {
                Some(customer) => join.append(customer, as_of, &mut self.values),
                None => self.values.extend(own.columns.iter().map(|_| f32::NAN)),
            }
        }
    }

    pub(super) fn finish(self) -> Result<Gathered, ServingError> {
        if self.longest <= KEPT_LINES {
            WORKSPACE.set(self.workspace);
        }
        let derived = self.features.columns();
        let matrix = match &self.own {
            None => FeatureMatrix::new(Arc::clone(derived), self.values),
            Some((own, _)) => own.matrix_after(derived, self.values),
        };
        let matrix = matrix.map_err(|error| block_error(&error))?;
        Ok(Gathered { matrix, sources: self.sources, last_lines: self.last_lines })
    }
}

/// A caller's vectors in the order of the model's schema.
pub(super) fn from_block(
    served: &ServedModel,
    block: &FeatureRows,
) -> Result<Gathered, ServingError> {
    let expected = served.manifest().feature_schema_digest.clone().unwrap_or_default();
    if let Some(found) = block.schema_digest.clone().filter(|found| *found != expected) {
        return Err(ServingError::SchemaDigest { expected, found });
    }
    let columns = served.columns()?;
    let names = columns.names();
    let width = if block.columns.is_empty() { names.len() } else { block.columns.len() };
    if width != names.len() {
        let problem = format!("expected the {} features of the model, found {width}", names.len());
        return Err(ServingError::FeatureBlock { field: "columns", problem });
    }
    if block.values.len() != block.rows * width {
        let problem = format!(
            "expected row_count x columns = {} x {width} = {} numbers, found {}",
            block.rows,
            block.rows * width,
            block.values.len()
        );
        return Err(ServingError::FeatureBlock { field: "values", problem });
    }
    columns.own(in_schema_order(names, block)?)
}

fn in_schema_order(columns: &[String], block: &FeatureRows) -> Result<Vec<f32>, ServingError> {
    if block.columns.is_empty() || block.columns == columns {
        return Ok(block.values.clone());
    }
    let missing = |column: &String| ServingError::FeatureBlock {
        field: "columns",
        problem: format!("expected {column} once among the columns, found it not or twice"),
    };
    let mut order = Vec::with_capacity(columns.len());
    for column in columns {
        let mut places = block.columns.iter().enumerate().filter(|(_, name)| *name == column);
        match (places.next(), places.next()) {
            (Some((place, _)), None) => order.push(place),
            _ => return Err(missing(column)),
        }
    }
    let rows = block.values.chunks_exact(columns.len());
    let reordered = rows.flat_map(|row| order.iter().filter_map(|place| row.get(*place)));
    Ok(reordered.copied().collect())
}

pub(super) fn block_error(error: &InvalidMatrix) -> ServingError {
    ServingError::FeatureBlock { field: "values", problem: error.to_string() }
}
