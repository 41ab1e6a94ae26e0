//! Rows of features, with or without outcome, for a population at several dates, in one pass.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::dataset::{Dataset, FeatureMatrix, InputSchema, Snapshot};
use crate::feature::{Features, Workspace, definitions};
use crate::model::FitRun;
use crate::repository::Manifest;
use crate::store::{AttributeColumn, AttributeJoin, Attributes, Reader};
use crate::transaction::{
    CustomerHistory, CustomerId, HistoryLine, HistorySource, Symbol, Timestamp,
};

use super::TrainingError;

/// What counts as the event of a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    /// No purchase of anything.
    NoPurchase,
    /// A purchase, of anything.
    Purchase,
    /// A purchase of this product.
    Product(Symbol),
    /// A purchase from this category.
    Category(Symbol),
}

impl Event {
    /// Whether it happened in the `horizon_days` from `as_of` on. Corrections count as they stand
    /// today: an outcome is a fact, not a feature.
    fn happened(self, history: &CustomerHistory, as_of: Timestamp, horizon_days: u32) -> bool {
        let end = as_of.plus_days(i64::from(horizon_days));
        let lines = history.lines();
        let first = lines.partition_point(|line| line.occurred_at < as_of);
        let window = lines.iter().skip(first).take_while(|line| line.occurred_at < end);
        let mut purchases = window.filter(|line| line.is_purchase() && line.is_current());
        match self {
            Self::NoPurchase => purchases.next().is_none(),
            Self::Purchase => purchases.next().is_some(),
            Self::Product(product) => purchases.any(|line| line.product == product),
            Self::Category(category) => purchases.any(|line| line.category == category),
        }
    }
}

/// Who is a row, at which dates, and with which outcome.
#[derive(Clone, Debug)]
pub(super) struct RowPlan {
    /// Dates, earliest first.
    pub(super) dates: Vec<Timestamp>,
    /// Customers who bought in so many days before the date.
    pub(super) active_days: u32,
    /// The event and its horizon in days.
    pub(super) event: Option<(Event, u32)>,
}

impl RowPlan {
    fn is_row(&self, history: &CustomerHistory, as_of: Timestamp) -> bool {
        let active_from = as_of.plus_days(-i64::from(self.active_days));
        let lines = history.lines();
        let first = lines.partition_point(|line| line.occurred_at < active_from);
        let counts = |line: &HistoryLine| line.is_purchase() && line.is_visible(as_of);
        let window = lines.iter().skip(first).take_while(|line| line.occurred_at < as_of);
        window.into_iter().any(counts)
    }

    fn outcome(&self, history: &CustomerHistory, as_of: Timestamp) -> bool {
        self.event.is_some_and(|(event, horizon)| event.happened(history, as_of, horizon))
    }
}

/// What is known of customers beside their purchases, and the columns that are used of it.
pub(super) struct OwnColumns {
    pub(super) schema: InputSchema,
    pub(super) attributes: Attributes,
}

impl OwnColumns {
    /// The columns of a recipe, `*` for all; `None` when it names none.
    pub(super) fn named(
        names: &[String],
        reader: &mut Reader<'_>,
    ) -> Result<Option<Self>, TrainingError> {
        if names.is_empty() {
            return Ok(None);
        }
        let attributes = reader.attributes()?;
        let known = attributes.columns().all();
        let mut schema = InputSchema::default();
        for name in names {
            let matches = |column: &&AttributeColumn| name == "*" || column.column.name == *name;
            let before = schema.columns.len();
            for found in known.iter().filter(matches) {
                if schema.names().all(|taken| taken != found.column.name) {
                    schema.columns.push(found.column.clone());
                }
            }
            if schema.columns.len() == before && !known.iter().any(|one| matches(&one)) {
                let known = known.iter().map(|known| known.column.name.clone()).collect();
                return Err(TrainingError::UnknownAttribute { name: name.clone(), known });
            }
        }
        let is_derived = |name: &&str| definitions().iter().any(|of| of.name == *name);
        if let Some(name) = schema.names().find(is_derived) {
            return Err(TrainingError::AttributeName { name: name.to_owned() });
        }
        Ok(Some(Self { schema, attributes }))
    }

    /// The columns of a version; `None` when it takes none.
    pub(super) fn of_version(
        manifest: &Manifest,
        reader: &mut Reader<'_>,
    ) -> Result<Option<Self>, TrainingError> {
        let with = |schema: &InputSchema| {
            Ok(Self { schema: schema.clone(), attributes: reader.attributes()? })
        };
        manifest.input_schema.as_ref().map(with).transpose()
    }
}

/// The rows of one date, in the order of [`crate::transaction::CustomerId::placement`].
#[derive(Clone, Debug)]
pub(super) struct DatedRows {
    pub(super) as_of: Timestamp,
    pub(super) features: FeatureMatrix,
    pub(super) target: Vec<bool>,
    /// [`CustomerId::placement`] of each row's customer.
    pub(super) customers: Vec<u64>,
}

/// The rows of one date while they come in.
#[derive(Clone, Debug, Default)]
struct Dated {
    values: Vec<f32>,
    target: Vec<bool>,
    customers: Vec<u64>,
}

/// Rows of some neighbouring customers, by date.
#[derive(Debug)]
struct Chunk {
    customers: u64,
    dates: Vec<Dated>,
    /// Of one history: the dates at which it is a row, by their numbers, and its features then.
    numbers: Vec<usize>,
    as_ofs: Vec<Timestamp>,
    values: Vec<f32>,
    workspace: Workspace,
}

/// Makes the rows of every date. The result depends on the data alone, not on the order in which
/// they arrived nor on the number of threads.
pub(super) fn collect(
    reader: &mut Reader<'_>,
    features: &Features,
    own: Option<&OwnColumns>,
    plan: &RowPlan,
    run: &FitRun<'_>,
) -> Result<Vec<DatedRows>, TrainingError> {
    let join = own.map(|own| AttributeJoin::new(&own.attributes, &own.schema));
    let all = reader.customers().max(1);
    let mut dates = vec![Dated::default(); plan.dates.len()];
    let mut seen = 0;
    let mut cancelled = Ok(());
    reader.scan_parallel(
        run.threads,
        || Chunk::new(plan),
        |chunk, customer, history| chunk.add(customer, history, (features, join.as_ref()), plan),
        |chunk| (chunk.customers, chunk.dates),
        |(customers, rows)| {
            seen += customers;
            run.progress.report("features", seen as f64 / all as f64);
            for (dated, more) in dates.iter_mut().zip(rows) {
                dated.values.extend(more.values);
                dated.target.extend(more.target);
                dated.customers.extend(more.customers);
            }
            cancelled = run.check();
            if cancelled.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    )?;
    cancelled?;
    let rows = plan.dates.iter().zip(dates).map(|(as_of, dated)| {
        let Dated { values, target, customers } = dated;
        let features = match own {
            None => FeatureMatrix::new(Arc::clone(features.columns()), values)?,
            Some(own) => own.schema.matrix_after(features.columns(), values)?,
        };
        Ok(DatedRows { as_of: *as_of, features, target, customers })
    });
    rows.collect()
}

impl Chunk {
    fn new(plan: &RowPlan) -> Self {
        Self {
            customers: 0,
            dates: vec![Dated::default(); plan.dates.len()],
            numbers: Vec::new(),
            as_ofs: Vec::new(),
            values: Vec::new(),
            workspace: Workspace::default(),
        }
    }

    fn add(
        &mut self,
        customer: &CustomerId,
        history: &CustomerHistory,
        (features, join): (&Features, Option<&AttributeJoin<'_>>),
        plan: &RowPlan,
    ) {
        self.customers += 1;
        self.numbers.clear();
        self.as_ofs.clear();
        for (number, as_of) in plan.dates.iter().enumerate() {
            if plan.is_row(history, *as_of) {
                self.numbers.push(number);
                self.as_ofs.push(*as_of);
            }
        }
        self.values.clear();
        features.append_at(history, &self.as_ofs, &mut self.workspace, &mut self.values);
        let rows = self.values.chunks_exact(features.columns().len());
        for ((row, number), as_of) in rows.zip(&self.numbers).zip(&self.as_ofs) {
            if let Some(dated) = self.dates.get_mut(*number) {
                dated.values.extend_from_slice(row);
                if let Some(join) = join {
                    join.append(customer, *as_of, &mut dated.values);
                }
                dated.target.push(plan.outcome(history, *as_of));
                dated.customers.push(customer.placement() as u64);
            }
        }
    }
}

/// The rows of several dates as one data set, in the columns of `like`.
pub(super) fn dataset(dated: &[DatedRows], like: &FeatureMatrix) -> Result<Dataset, TrainingError> {
    let (mut values, mut target, mut snapshots) = (Vec::new(), Vec::new(), Vec::new());
    let mut groups = Vec::new();
    for rows in dated {
        let start = target.len();
        values.extend_from_slice(rows.features.values());
        target.extend_from_slice(&rows.target);
        groups.extend_from_slice(&rows.customers);
        snapshots.push(Snapshot { as_of: rows.as_of, rows: start..target.len() });
    }
    Ok(Dataset { features: like.of_same_columns(values)?, target, snapshots, groups })
}
