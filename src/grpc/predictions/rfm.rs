//! Scores of recency, frequency and monetary value, for the wire.

use tonic::Status;

use crate::model::{FittedModel, RfmAssignment, RfmBand};
use crate::serving::{Answers, Row};

use super::super::proto;
use super::super::status::status;
use super::answer::{Columns, column, dated, served_by};
use super::ask::Asked;

/// Scores in the order of the request.
pub(super) fn response(
    asked: &Asked,
    answers: &Answers<Option<RfmAssignment>>,
    request_id: &str,
) -> Result<proto::AssignRfmResponse, Status> {
    let FittedModel::Rfm(model) = answers.served.model() else {
        return Err(status(tonic::Code::Internal, "INTERNAL", "the model changed its kind"));
    };
    let columns = Columns::of(asked, answers);
    let scores = |band: fn(&RfmAssignment) -> &RfmBand| {
        let score = |row: &Row<Option<RfmAssignment>>| {
            row.answer.as_ref().map_or(0, |answer| u32::from(band(answer).score))
        };
        column(asked, answers, 0, score)
    };
    let texts = |text: fn(&RfmAssignment) -> String| {
        let of = |row: &Row<Option<RfmAssignment>>| row.answer.as_ref().map(text);
        column(asked, answers, String::new(), |row| of(row).unwrap_or_default())
    };
    let [recency, frequency, monetary] = model.edges().map(|edges| edges.values().collect());
    Ok(proto::AssignRfmResponse {
        served_by: Some(served_by(
            answers.served.manifest(),
            dated(answers),
            answers.newest_line,
            request_id,
        )),
        recency_scores: scores(|answer| &answer.recency),
        frequency_scores: scores(|answer| &answer.frequency),
        monetary_scores: scores(|answer| &answer.monetary),
        cells: texts(|answer| answer.cell.clone()),
        segments: texts(|answer| answer.segment.to_string()),
        naming_version: model.naming().to_string(),
        edges: Some(proto::RfmEdges { recency, frequency, monetary }),
        sources: columns.sources,
        reasons: columns.reasons,
        last_line_time_micros: columns.last_lines,
        errors: asked.errors.clone(),
    })
}
