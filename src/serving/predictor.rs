//! The request path: one question, one answer per row, and what is needed to trust it.

use std::sync::Arc;
use std::time::Instant;

use crate::model::{
    Contribution, FittedModel, Model, ModelKind, Probability, RfmAssignment, SegmentAssignment,
};
use crate::repository::ModelName;
use crate::store::TransactionStore;
use crate::training::data_as_of;
use crate::transaction::Timestamp;

use super::gather::{Look, gather};
use super::{
    CallLimit, Gathered, Input, ModelCatalog, RowSource, Selector, ServedModel, ServingError,
};

/// What "now" is when a request names no as-of date.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AsOfRule {
    /// The machine's clock.
    #[default]
    Now,
    /// The end of the last complete day in the data: for data sets that ended in the past.
    Latest,
}

/// A question about customers.
#[derive(Clone, Debug)]
pub struct Question {
    /// The model.
    pub model: ModelName,
    /// Which version.
    pub selector: Selector,
    /// About whom.
    pub input: Input,
    /// As of when; by [`AsOfRule`] when absent.
    pub as_of: Option<Timestamp>,
    /// How many reasons per row.
    pub explain: usize,
}

/// What must be said of a row beside its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Note {
    /// Nothing is known of the customer.
    NoHistory,
    /// The customer is not in the population that the model was trained on.
    OutsidePopulation,
}

/// The answer to one row.
#[derive(Clone, Debug)]
pub struct Row<T> {
    /// Where its vector came from.
    pub source: RowSource,
    /// When the latest line behind it occurred.
    pub last_line: Option<Timestamp>,
    /// The answer.
    pub answer: T,
    /// Its reasons, strongest first.
    pub reasons: Vec<Contribution>,
    /// What must be said of it.
    pub note: Option<Note>,
}

/// The answers to all rows, in the order of the question.
#[derive(Clone, Debug)]
pub struct Answers<T> {
    /// The version that answered.
    pub served: Arc<ServedModel>,
    /// As of when.
    pub as_of: Timestamp,
    /// When the newest of all stored lines occurred; `None` where nothing stored was looked at.
    pub newest_line: Option<Timestamp>,
    /// The rows.
    pub rows: Vec<Row<T>>,
}

/// Answers questions from the store and the catalog.
#[derive(Clone, Debug)]
pub struct Predictor {
    store: Arc<TransactionStore>,
    catalog: Arc<ModelCatalog>,
    rule: AsOfRule,
    limit: CallLimit,
}

impl Predictor {
    /// A predictor over a store and a catalog.
    pub fn new(store: Arc<TransactionStore>, catalog: Arc<ModelCatalog>, rule: AsOfRule) -> Self {
        Self { store, catalog, rule, limit: CallLimit::default() }
    }

    /// The same predictor for one call, whose work ends early at a limit.
    pub fn within(&self, limit: CallLimit) -> Self {
        let Self { store, catalog, rule, limit: _ } = self;
        Self { store: Arc::clone(store), catalog: Arc::clone(catalog), rule: *rule, limit }
    }

    /// The catalog it answers from.
    pub fn catalog(&self) -> &ModelCatalog {
        &self.catalog
    }

    /// "Now" for a request that names no as-of date.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn as_of(&self, asked: Option<Timestamp>) -> Result<Timestamp, ServingError> {
        let newest_line = match (asked, self.rule) {
            (None, AsOfRule::Latest) => self.newest_line()?,
            _ => None,
        };
        Ok(self.settle(asked, newest_line))
    }

    fn settle(&self, asked: Option<Timestamp>, newest_line: Option<Timestamp>) -> Timestamp {
        let now = self.store.now();
        match (asked, self.rule, newest_line) {
            (Some(as_of), _, _) => as_of,
            (None, AsOfRule::Latest, Some(last)) => data_as_of(last, now, self.store.clock()),
            _ => now,
        }
    }

    /// When the newest of all stored lines occurred.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn newest_line(&self) -> Result<Option<Timestamp>, ServingError> {
        Ok(self.store.reader()?.summary().last_occurred_at)
    }

    /// Probabilities of churn or purchase, by `kind`.
    ///
    /// # Errors
    /// When the model is not there or of another kind, or the input is not the model's.
    pub fn probabilities(
        &self,
        kind: ModelKind,
        question: &Question,
    ) -> Result<Answers<Probability>, ServingError> {
        self.answer(kind, question, answer_probabilities)
    }

    /// The segment of each row.
    ///
    /// # Errors
    /// When the model is not there or of another kind, or the input is not the model's.
    pub fn segments(
        &self,
        question: &Question,
    ) -> Result<Answers<SegmentAssignment>, ServingError> {
        self.answer(ModelKind::Segments, question, answer_segments)
    }

    /// The scores of each row; `None` for a customer without history.
    ///
    /// # Errors
    /// When the model is not there or of another kind, or the input is not the model's.
    pub fn rfm(&self, question: &Question) -> Result<Answers<Option<RfmAssignment>>, ServingError> {
        self.answer(ModelKind::Rfm, question, answer_rfm)
    }

    /// The version that a question means, if it is of this kind.
    ///
    /// # Errors
    /// When the model is not there or of another kind.
    pub fn resolve(
        &self,
        kind: ModelKind,
        model: &ModelName,
        selector: &Selector,
    ) -> Result<Arc<ServedModel>, ServingError> {
        let served = self.catalog.resolve(model, selector)?;
        if served.manifest().kind == kind { Ok(served) } else { Err(wrong_kind(&served, kind)) }
    }

    fn answer<T>(
        &self,
        kind: ModelKind,
        question: &Question,
        predict: impl Fn(&ServedModel, &Gathered, Explain<'_>) -> Result<Vec<Row<T>>, ServingError>,
    ) -> Result<Answers<T>, ServingError> {
        let served = self.resolve(kind, &question.model, &question.selector)?;
        let look = Look::at(&self.store, &served, &question.input)?;
        let newest_line = look.newest_line();
        let as_of = self.settle(question.as_of, newest_line);
        let mut inference = served.statistics().begin(Instant::now());
        let gathered = gather(&served, &self.store, look, as_of, &self.limit)?;
        inference.input_done();
        self.limit.check()?;
        let explain = Explain { reasons: question.explain, limit: &self.limit };
        let rows = predict(&served, &gathered, explain)?;
        inference.infer_done();
        inference.succeed(rows.len());
        Ok(Answers { served, as_of, newest_line, rows })
    }
}

/// How many reasons per row, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Explain<'a> {
    /// Reasons of each row, at most.
    pub(crate) reasons: usize,
    /// When nobody waits for them any more.
    pub(crate) limit: &'a CallLimit,
}

/// Probabilities of churn or purchase of vectors that were gathered for `served`; the population's
/// where nothing is known.
pub(crate) fn answer_probabilities(
    served: &ServedModel,
    gathered: &Gathered,
    explain: Explain<'_>,
) -> Result<Vec<Row<Probability>>, ServingError> {
    let matrix = &gathered.matrix;
    let model = served.model().classifier();
    let model = model.ok_or_else(|| wrong_kind(served, ModelKind::Churn))?;
    let (answers, prior) = (model.predict(matrix)?, model.prior());
    let reasons = |rows: &[&[f32]]| model.explain_rows(rows, explain.reasons);
    let complete = |source, probability| match source {
        RowSource::Prior => Probability { probability: prior.probability, percentile: 50.0 },
        _ => probability,
    };
    rows(served, gathered, explain, answers, reasons, complete)
}

/// The segments of vectors that were gathered for `served`.
pub(crate) fn answer_segments(
    served: &ServedModel,
    gathered: &Gathered,
    explain: Explain<'_>,
) -> Result<Vec<Row<SegmentAssignment>>, ServingError> {
    let FittedModel::Segments(model) = served.model() else {
        return Err(wrong_kind(served, ModelKind::Segments));
    };
    let answers = model.predict(&gathered.matrix)?;
    let (largest, share) = model.prior();
    let complete = |source, answer: SegmentAssignment| match source {
        RowSource::Prior => SegmentAssignment {
            segment: largest,
            confidence: share,
            distance: f64::NAN,
            distances: vec![f64::NAN; answer.distances.len()],
        },
        _ => answer,
    };
    let reasons =
        |rows: &[&[f32]]| rows.iter().map(|row| model.explain(row, explain.reasons)).collect();
    rows(served, gathered, explain, answers, reasons, complete)
}

/// The scores of vectors that were gathered for `served`.
pub(crate) fn answer_rfm(
    served: &ServedModel,
    gathered: &Gathered,
    explain: Explain<'_>,
) -> Result<Vec<Row<Option<RfmAssignment>>>, ServingError> {
    let FittedModel::Rfm(model) = served.model() else {
        return Err(wrong_kind(served, ModelKind::Rfm));
    };
    let answers = model.predict(&gathered.matrix)?;
    let complete = |source, answer| (source != RowSource::Prior).then_some(answer);
    rows(served, gathered, explain, answers, |_: &[&[f32]]| Vec::new(), complete)
}

fn rows<A, T>(
    served: &ServedModel,
    gathered: &Gathered,
    explain: Explain<'_>,
    answers: Vec<A>,
    reasons: impl Fn(&[&[f32]]) -> Vec<Vec<Contribution>>,
    complete: impl Fn(RowSource, A) -> T,
) -> Result<Vec<Row<T>>, ServingError> {
    let mut reasons = explained(gathered, explain, reasons)?.into_iter();
    let recency = gathered.matrix.column_index("recency_days");
    let active = recency.zip(served.manifest().active_days);
    let is_outside = |row| {
        active.is_some_and(|(column, days)| {
            let recency = gathered.matrix.row(row).get(column);
            recency.is_some_and(|recency| f64::from(*recency) > f64::from(days))
        })
    };
    let known = gathered.sources.iter().zip(&gathered.last_lines);
    let row = |(index, (answer, (source, last_line))): (usize, (A, (&RowSource, &_)))| {
        let is_known = *source != RowSource::Prior;
        Row {
            source: *source,
            last_line: *last_line,
            answer: complete(*source, answer),
            reasons: if is_known { reasons.next().unwrap_or_default() } else { Vec::new() },
            note: match is_known {
                true => is_outside(index).then_some(Note::OutsidePopulation),
                false => Some(Note::NoHistory),
            },
        }
    };
    let mut rows = Vec::with_capacity(answers.len());
    let mut made = answers.into_iter().zip(known).enumerate().map(row);
    while made.len() > 0 {
        explain.limit.check()?;
        rows.extend(made.by_ref().take(CallLimit::BLOCK));
    }
    Ok(rows)
}

/// The reasons of the rows of which anything is known, in their order; none where none are asked for.
fn explained(
    gathered: &Gathered,
    explain: Explain<'_>,
    reasons: impl Fn(&[&[f32]]) -> Vec<Vec<Contribution>>,
) -> Result<Vec<Vec<Contribution>>, ServingError> {
    let mut explained = Vec::new();
    if explain.reasons > 0 {
        let rows = gathered.sources.iter().zip(gathered.matrix.iter_rows());
        let known = rows.filter(|(source, _)| **source != RowSource::Prior);
        let known: Vec<&[f32]> = known.map(|(_, row)| row).collect();
        for block in known.chunks(CallLimit::BLOCK) {
            explain.limit.check()?;
            explained.extend(reasons(block));
        }
    }
    Ok(explained)
}

fn wrong_kind(served: &ServedModel, expected: ModelKind) -> ServingError {
    let manifest = served.manifest();
    ServingError::WrongKind { model: manifest.model.clone(), expected, found: manifest.kind }
}
