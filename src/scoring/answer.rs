//! The answers of one version for a chunk of rows, as columns of the file.

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, StringBuilder};
use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow_schema::{DataType, Field};

use crate::model::{Contribution, FittedModel, ModelKind};
use crate::serving::{
    CallLimit, Explain, Gathered, Note, Row, ServedModel, ServingError, answer_probabilities,
    answer_rfm, answer_segments,
};

/// The columns of a version, in the order of [`columns`].
pub(super) fn fields(served: &ServedModel, explain: usize) -> Vec<Field> {
    let manifest = served.manifest();
    let field = |name: &str, data_type: DataType, is_nullable: bool| {
        Field::new(format!("{}_{name}", manifest.model), data_type, is_nullable)
    };
    let mut fields = match manifest.kind {
        ModelKind::Segments => vec![
            field("segment", DataType::Utf8, false),
            field("segment_number", DataType::Int64, false),
            field("distance", DataType::Float64, true),
            field("confidence", DataType::Float64, false),
        ],
        ModelKind::Rfm => {
            vec![field("segment", DataType::Utf8, true), field("cell", DataType::Utf8, true)]
        }
        _ => vec![
            field("probability", DataType::Float64, false),
            field("percentile", DataType::Float64, false),
        ],
    };
    fields.push(field("flags", DataType::Utf8, true));
    fields.push(field("version", DataType::Int64, false));
    for place in 1..=reasons_of(served, explain) {
        fields.push(field(&format!("reason_{place}"), DataType::Utf8, true));
        fields.push(field(&format!("reason_{place}_value"), DataType::Float64, true));
        fields.push(field(&format!("reason_{place}_contribution"), DataType::Float64, true));
    }
    fields
}

/// What a version answers to the vectors that were gathered for it.
pub(super) fn columns(
    served: &ServedModel,
    gathered: &Gathered,
    explain: usize,
) -> Result<Vec<ArrayRef>, ServingError> {
    let limit = CallLimit::default();
    let explain = Explain { reasons: reasons_of(served, explain), limit: &limit };
    Ok(match served.manifest().kind {
        ModelKind::Segments => {
            let rows = answer_segments(served, gathered, explain)?;
            let names = segment_names(served);
            let name = |segment: u32| names.get(segment as usize).copied().unwrap_or_default();
            let columns: Vec<ArrayRef> = vec![
                Arc::new(StringArray::from_iter_values(
                    rows.iter().map(|row| name(row.answer.segment)),
                )),
                Arc::new(Int64Array::from_iter_values(
                    rows.iter().map(|row| i64::from(row.answer.segment)),
                )),
                Arc::new(Float64Array::from_iter(
                    rows.iter().map(|row| known(row.answer.distance)),
                )),
                numbers(&rows, |answer| answer.confidence),
            ];
            with_common(columns, served, &rows, explain.reasons)
        }
        ModelKind::Rfm => {
            let rows = answer_rfm(served, gathered, explain)?;
            let (mut segments, mut cells) = (StringBuilder::new(), StringBuilder::new());
            for row in &rows {
                segments.append_option(row.answer.as_ref().map(|answer| answer.segment.name()));
                cells.append_option(row.answer.as_ref().map(|answer| answer.cell.as_str()));
            }
            let columns: Vec<ArrayRef> =
                vec![Arc::new(segments.finish()), Arc::new(cells.finish())];
            with_common(columns, served, &rows, explain.reasons)
        }
        _ => {
            let rows = answer_probabilities(served, gathered, explain)?;
            let columns = vec![
                numbers(&rows, |answer| answer.probability),
                numbers(&rows, |answer| answer.percentile),
            ];
            with_common(columns, served, &rows, explain.reasons)
        }
    })
}

/// Scores of recency, frequency and monetary value are their own reasons.
fn reasons_of(served: &ServedModel, explain: usize) -> usize {
    if served.manifest().kind == ModelKind::Rfm { 0 } else { explain }
}

fn segment_names(served: &ServedModel) -> Vec<&str> {
    match served.model() {
        FittedModel::Segments(model) => {
            model.segments().iter().map(|segment| segment.name.as_str()).collect()
        }
        _ => Vec::new(),
    }
}

fn known(value: f64) -> Option<f64> {
    Some(value).filter(|value| !value.is_nan())
}

fn numbers<T>(rows: &[Row<T>], read: impl Fn(&T) -> f64) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| read(&row.answer))))
}

/// Adds the columns that every kind has.
fn with_common<T>(
    mut columns: Vec<ArrayRef>,
    served: &ServedModel,
    rows: &[Row<T>],
    explain: usize,
) -> Vec<ArrayRef> {
    let flag = |row: &Row<T>| {
        row.note.map(|note| match note {
            Note::NoHistory => "NO_HISTORY",
            Note::OutsidePopulation => "OUTSIDE_POPULATION",
        })
    };
    columns.push(Arc::new(StringArray::from_iter(rows.iter().map(flag))));
    columns.push(Arc::new(Int64Array::from_value(served.manifest().version as i64, rows.len())));
    for place in 0..explain {
        columns.extend(reason_columns(rows.iter().map(|row| row.reasons.get(place)), rows.len()));
    }
    columns
}

/// Feature, value and contribution of the reason at one place.
fn reason_columns<'a>(
    reasons: impl Iterator<Item = Option<&'a Contribution>>,
    rows: usize,
) -> [ArrayRef; 3] {
    let mut names = StringBuilder::new();
    let mut values = Float64Builder::with_capacity(rows);
    let mut contributions = Float64Builder::with_capacity(rows);
    for reason in reasons {
        match reason.map(|reason| (&reason.column, &reason.level)) {
            Some((column, Some(level))) => names.append_value(format!("{column}={level}")),
            column => names.append_option(column.map(|(column, _)| column)),
        }
        values.append_option(reason.and_then(|reason| known(reason.value)));
        contributions.append_option(reason.map(|reason| reason.contribution));
    }
    [Arc::new(names.finish()), Arc::new(values.finish()), Arc::new(contributions.finish())]
}
