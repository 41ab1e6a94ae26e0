//! Rows of a file instead of customers, for models that were trained on a table.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::ingest::{ReadFileError, TableFile};
use crate::model::FitRun;
use crate::serving::{Cells, ServedModel, TableColumn, TableRows};

use super::answer;
use super::output::{ScoreWriter, Written};
use super::run::batch;
use super::{ScoringError, ScoringRequest, TableSource};

/// Rows that are answered at a time.
const CHUNK_ROWS: usize = 8_192;

/// Scores the rows of a table in their order.
pub(super) fn score(
    request: &ScoringRequest,
    source: &TableSource,
    models: &[Arc<ServedModel>],
    name: &str,
    run: &FitRun<'_>,
) -> Result<Written, ScoringError> {
    let mut table = Table::open(request, source, models)?;
    let mut writer = ScoreWriter::create(&request.output, name, request.format, &table.schema)?;
    // How many rows there are is known at the end only.
    run.progress.report("score", 0.0);
    while let Some(chunk) = table.next()? {
        run.check()?;
        writer.write(&table.score(chunk)?)?;
    }
    run.check()?;
    writer.finish()
}

struct Table<'a> {
    request: &'a ScoringRequest,
    source: &'a TableSource,
    models: &'a [Arc<ServedModel>],
    schema: SchemaRef,
    file: TableFile,
    key: usize,
    /// The columns that some model takes, and where they stand in the file.
    columns: Vec<(String, usize)>,
}

/// Some rows of the file.
struct Chunk {
    keys: StringBuilder,
    rows: TableRows,
}

impl<'a> Table<'a> {
    fn open(
        request: &'a ScoringRequest,
        source: &'a TableSource,
        models: &'a [Arc<ServedModel>],
    ) -> Result<Self, ScoringError> {
        let file = TableFile::open(&source.path).map_err(|error| unreadable(source, error))?;
        let place = |column: &str| {
            let found = file.header().iter().position(|name| name == column);
            found.ok_or_else(|| ScoringError::NoColumn {
                path: source.path.clone(),
                column: column.to_owned(),
                header: file.header().to_vec(),
            })
        };
        let mut names = BTreeSet::new();
        for served in models {
            names.extend(served.column_names()?.iter().cloned());
        }
        let columns = names.into_iter().map(|name| place(&name).map(|place| (name, place)));
        let columns = columns.collect::<Result<_, _>>()?;
        let key = place(&source.key)?;
        let mut fields = vec![Field::new(&source.key, DataType::Utf8, true)];
        fields.extend(models.iter().flat_map(|served| answer::fields(served, request.explain)));
        let schema = Arc::new(Schema::new(fields));
        Ok(Self { request, source, models, schema, file, key, columns })
    }

    /// Reads the next rows; `None` after the last.
    fn next(&mut self) -> Result<Option<Chunk>, ScoringError> {
        let fail = |error| unreadable(self.source, error);
        let mut keys = StringBuilder::new();
        let mut values = vec![Vec::new(); self.columns.len()];
        let mut rows = 0;
        while rows < CHUNK_ROWS && self.file.read().map_err(fail)? {
            rows += 1;
            keys.append_option(self.file.key(self.key).map_err(fail)?);
            for ((_, place), values) in self.columns.iter().zip(&mut values) {
                let text = self.file.text(*place).map_err(fail)?;
                values.push(text.unwrap_or_default().into_owned());
            }
        }
        let column = |((name, _), texts): (&(String, usize), Vec<String>)| TableColumn {
            name: name.clone(),
            cells: Cells::Texts(texts),
        };
        let columns = self.columns.iter().zip(values).map(column).collect();
        Ok((rows > 0).then_some(Chunk { keys, rows: TableRows { columns, rows } }))
    }

    fn score(&self, mut chunk: Chunk) -> Result<RecordBatch, ScoringError> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(chunk.keys.finish())];
        for served in self.models {
            let gathered = served.gather_table(&chunk.rows)?;
            columns.extend(answer::columns(served, &gathered, self.request.explain)?);
        }
        batch(&self.schema, columns, self.request)
    }
}

fn unreadable(source: &TableSource, error: ReadFileError) -> ScoringError {
    ScoringError::Table { path: source.path.clone(), source: error }
}
