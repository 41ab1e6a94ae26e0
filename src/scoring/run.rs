//! One pass over the histories, in chunks, through the same code that answers single calls.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::model::{FitRun, ModelKind};
use crate::repository::ModelReference;
use crate::serving::{ModelCatalog, Panel, PanelRows, Selector, ServedModel};
use crate::store::{Attributes, TransactionStore};
use crate::transaction::{CustomerHistory, CustomerId, HistoryLine, HistorySource, Timestamp};

use super::answer;
use super::output::{ScoreWriter, Written};
use super::table;
use super::{Population, ScoredModel, ScoringError, ScoringRequest, ScoringResult};

/// Scores from a store and a catalog.
#[derive(Clone, Copy, Debug)]
pub struct Scoring<'a> {
    /// Where the histories are.
    pub store: &'a TransactionStore,
    /// Where the models are.
    pub catalog: &'a ModelCatalog,
}

impl Scoring<'_> {
    /// Writes the file, whole or not at all. Memory holds a few chunks of customers and one row
    /// group of the file. `name` tells this run from others that write the same file.
    ///
    /// # Errors
    /// When a model is not there, the file cannot be written, or `run` was cancelled.
    pub fn run(
        &self,
        request: &ScoringRequest,
        name: &str,
        run: &FitRun<'_>,
    ) -> Result<ScoringResult, ScoringError> {
        let models = self.resolve(&request.models)?;
        let written = match &request.table {
            Some(source) => table::score(request, source, &models, name, run)?,
            None => self.score_customers(request, &models, name, run)?,
        };
        Ok(ScoringResult {
            rows: written.rows,
            bytes: written.bytes,
            sha256: written.sha256,
            models: models.iter().map(|served| scored(served)).collect(),
        })
    }

    fn score_customers(
        &self,
        request: &ScoringRequest,
        models: &[Arc<ServedModel>],
        name: &str,
        run: &FitRun<'_>,
    ) -> Result<Written, ScoringError> {
        let mut reader = self.store.reader()?;
        let customers = reader.summary().customers.max(1);
        let panel = Panel::new(models, reader.symbols())?;
        let takes_some = panel.takes_attributes();
        let attributes = if takes_some { reader.attributes()? } else { Attributes::default() };
        let schema = customer_schema(models, request.explain);
        let mut writer = ScoreWriter::create(&request.output, name, request.format, &schema)?;
        let pass =
            Pass { request, models, panel: &panel, bought: Span::of(request, models), schema };
        let mut read = 0_u64;
        let mut outcome = Ok(());
        reader.scan_parallel(
            run.threads,
            || pass.chunk(&attributes),
            |chunk, customer, history| pass.add(chunk, customer, history),
            |chunk| (chunk.read, pass.score(chunk)),
            |(customers_read, scored)| {
                read += customers_read;
                run.progress.report("score", read as f64 / customers as f64);
                outcome = run.check().map_err(ScoringError::from);
                if outcome.is_ok() {
                    outcome = scored.and_then(|batch| writer.write(&batch));
                }
                if outcome.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        )?;
        outcome?;
        run.check()?;
        writer.finish()
    }

    fn resolve(&self, models: &[ModelReference]) -> Result<Vec<Arc<ServedModel>>, ScoringError> {
        let one = |wanted: &ModelReference| {
            let served = self.catalog.resolve(&wanted.model, &Selector::from(wanted))?;
            match served.manifest().kind {
                ModelKind::Forecast => Err(ScoringError::Kind {
                    model: wanted.model.clone(),
                    kind: ModelKind::Forecast,
                }),
                _ => Ok(served),
            }
        };
        models.iter().map(one).collect()
    }
}

struct Pass<'a> {
    request: &'a ScoringRequest,
    models: &'a [Arc<ServedModel>],
    panel: &'a Panel<'a>,
    bought: Span,
    schema: SchemaRef,
}

/// Which lines make a customer one who is scored.
struct Span {
    from: Timestamp,
    purchases_only: bool,
}

/// The customers of a chunk who are to be scored, and their vectors.
struct Chunk<'a> {
    read: u64,
    scored: usize,
    ids: StringBuilder,
    rows: PanelRows<'a>,
}

impl Span {
    fn of(request: &ScoringRequest, models: &[Arc<ServedModel>]) -> Self {
        let windows = models.iter().map(|served| served.manifest().active_days);
        let widest = || windows.collect::<Option<Vec<u32>>>()?.into_iter().max();
        let days = match (request.active_within_days, request.population) {
            (Some(days), _) => Some(days),
            (None, Population::Active) => widest(),
            (None, Population::All | Population::Known) => None,
        };
        Self {
            from: days.map_or(Timestamp::MIN, |days| request.as_of.plus_days(-i64::from(days))),
            purchases_only: request.population != Population::Known,
        }
    }
}

impl<'a> Pass<'a> {
    fn chunk<'b>(&'b self, attributes: &'b Attributes) -> Chunk<'b> {
        let rows = self.panel.rows(attributes, self.request.as_of);
        Chunk { read: 0, scored: 0, ids: StringBuilder::new(), rows }
    }

    fn add(&self, chunk: &mut Chunk<'_>, customer: &CustomerId, history: &CustomerHistory) {
        chunk.read += 1;
        if self.is_wanted(history) {
            chunk.scored += 1;
            chunk.ids.append_value(customer.as_str());
            chunk.rows.push(customer, history);
        }
    }

    fn is_wanted(&self, history: &CustomerHistory) -> bool {
        let Span { from, purchases_only } = self.bought;
        let counts = |line: &HistoryLine| {
            (line.is_purchase() || !purchases_only)
                && line.is_visible(self.request.as_of)
                && line.occurred_at >= from
        };
        history.lines().iter().any(counts)
    }

    fn score(&self, mut chunk: Chunk<'_>) -> Result<RecordBatch, ScoringError> {
        let dates =
            TimestampMicrosecondArray::from_value(self.request.as_of.micros(), chunk.scored);
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(chunk.ids.finish()), Arc::new(dates.with_timezone("UTC"))];
        let gathered = chunk.rows.finish()?;
        for (served, gathered) in self.models.iter().zip(self.panel.by_model(&gathered)) {
            columns.extend(answer::columns(served, gathered, self.request.explain)?);
        }
        batch(&self.schema, columns, self.request)
    }
}

/// A chunk as it goes into the file.
pub(super) fn batch(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    request: &ScoringRequest,
) -> Result<RecordBatch, ScoringError> {
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| ScoringError::Output {
        path: request.output.clone(),
        problem: error.to_string(),
    })
}

/// The columns of a file about customers.
fn customer_schema(models: &[Arc<ServedModel>], explain: usize) -> SchemaRef {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut fields =
        vec![Field::new("customer_id", DataType::Utf8, false), Field::new("as_of", instant, false)];
    fields.extend(models.iter().flat_map(|served| answer::fields(served, explain)));
    Arc::new(Schema::new(fields))
}

fn scored(served: &ServedModel) -> ScoredModel {
    let manifest = served.manifest();
    ScoredModel {
        model: manifest.model.clone(),
        version: manifest.version,
        sha256: manifest.model_sha256.clone(),
    }
}
