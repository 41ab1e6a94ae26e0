//! From what a caller gave to the vectors that a model takes.

use std::sync::Arc;

use crate::dataset::{FeatureMatrix, InvalidMatrix};
use crate::feature::{Features, Workspace};
use crate::store::TransactionStore;
use crate::transaction::{
    CustomerHistory, CustomerId, HistoryLine, HistorySource, SymbolTable, Timestamp,
    TransactionLine,
};

use super::{ServedModel, ServingError};

/// What a caller asks about.
#[derive(Clone, Debug)]
pub enum Input {
    /// Customers of the store.
    Customers(Vec<CustomerId>),
    /// Vectors that the caller has.
    Features(FeatureRows),
    /// Histories that the caller makes up.
    Histories(Vec<Vec<TransactionLine>>),
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

/// The vectors of `input` as of `as_of`.
pub(super) fn gather(
    served: &ServedModel,
    store: &TransactionStore,
    input: &Input,
    as_of: Timestamp,
) -> Result<Gathered, ServingError> {
    match input {
        Input::Customers(customers) => from_store(served, store, customers, as_of),
        Input::Features(block) => from_block(served, block),
        Input::Histories(histories) => from_lines(served, store, histories, as_of),
    }
}

fn from_store(
    served: &ServedModel,
    store: &TransactionStore,
    customers: &[CustomerId],
    as_of: Timestamp,
) -> Result<Gathered, ServingError> {
    let mut reader = store.reader()?;
    let bound = served.features(reader.symbols())?;
    let mut rows = Rows::new(&bound.1, customers.len());
    for customer in customers {
        rows.push(&reader.history(customer)?, as_of, RowSource::History);
    }
    rows.finish()
}

fn from_lines(
    served: &ServedModel,
    store: &TransactionStore,
    histories: &[Vec<TransactionLine>],
    as_of: Timestamp,
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
    let mut rows = Rows::new(&features, histories.len());
    for history in &histories {
        rows.push(history, as_of, RowSource::WhatIf);
    }
    rows.finish()
}

/// The vectors of histories that the caller read itself.
pub(super) fn from_histories<'a>(
    served: &ServedModel,
    symbols: &Arc<SymbolTable>,
    histories: impl ExactSizeIterator<Item = &'a CustomerHistory>,
    as_of: Timestamp,
) -> Result<Gathered, ServingError> {
    let bound = served.features(symbols)?;
    let mut rows = Rows::new(&bound.1, histories.len());
    for history in histories {
        rows.push(history, as_of, RowSource::History);
    }
    rows.finish()
}

struct Rows<'a> {
    features: &'a Features,
    values: Vec<f32>,
    sources: Vec<RowSource>,
    last_lines: Vec<Option<Timestamp>>,
    workspace: Workspace,
}

impl<'a> Rows<'a> {
    fn new(features: &'a Features, rows: usize) -> Self {
        Self {
            features,
            values: Vec::with_capacity(rows * features.columns().len()),
            sources: Vec::with_capacity(rows),
            last_lines: Vec::with_capacity(rows),
            workspace: Workspace::default(),
        }
    }

    fn push(&mut self, history: &CustomerHistory, as_of: Timestamp, source: RowSource) {
        let visible = history.lines().iter().filter(|line| line.is_visible(as_of));
        let bought = visible.clone().any(HistoryLine::is_purchase);
        self.last_lines.push(visible.map(|line| line.occurred_at).max());
        self.sources.push(if bought { source } else { RowSource::Prior });
        self.features.append_at(history, &[as_of], &mut self.workspace, &mut self.values);
    }

    fn finish(self) -> Result<Gathered, ServingError> {
        let matrix = FeatureMatrix::new(Arc::clone(self.features.columns()), self.values);
        let matrix = matrix.map_err(|error| block_error(&error))?;
        Ok(Gathered { matrix, sources: self.sources, last_lines: self.last_lines })
    }
}

fn from_block(served: &ServedModel, block: &FeatureRows) -> Result<Gathered, ServingError> {
    let expected = served.manifest().feature_schema_digest.clone().unwrap_or_default();
    if let Some(found) = block.schema_digest.clone().filter(|found| *found != expected) {
        return Err(ServingError::SchemaDigest { expected, found });
    }
    let features = served.bind(&SymbolTable::default())?;
    let columns = features.columns();
    let width = if block.columns.is_empty() { columns.len() } else { block.columns.len() };
    if width != columns.len() {
        let problem =
            format!("expected the {} features of the model, found {width}", columns.len());
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
    let values = in_schema_order(columns, block)?;
    let matrix = FeatureMatrix::new(Arc::clone(columns), values);
    let matrix = matrix.map_err(|error| block_error(&error))?;
    Ok(Gathered {
        sources: vec![RowSource::Features; matrix.rows()],
        last_lines: vec![None; matrix.rows()],
        matrix,
    })
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

fn block_error(error: &InvalidMatrix) -> ServingError {
    ServingError::FeatureBlock { field: "values", problem: error.to_string() }
}
