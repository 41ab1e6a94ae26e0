//! From answers to columns in the order of the request.

use tonic::Status;

use crate::model::{FittedModel, Prior, Probability, SegmentAssignment};
use crate::repository::Manifest;
use crate::serving::{Answers, Note, Row, RowSource};
use crate::transaction::Timestamp;

use super::ask::Asked;
use crate::grpc::convert::wire_time;
use crate::grpc::proto;
use crate::grpc::status::status;

/// The level of the prior's interval.
const PRIOR_LEVEL: f32 = 0.95;

/// Which version answered, from what, and what it means.
pub(super) fn served_by(
    manifest: &Manifest,
    as_of: Option<Timestamp>,
    newest_line: Option<Timestamp>,
    request_id: &str,
) -> proto::ServedBy {
    let label = manifest.label.as_ref();
    let calibration = manifest.metrics.get("expected_calibration_error");
    proto::ServedBy {
        model: manifest.model.to_string(),
        version: manifest.version as i64,
        model_digest: manifest.model_sha256.clone(),
        schema_digest: manifest.feature_schema_digest.clone().unwrap_or_default(),
        as_of: as_of.map(wire_time),
        newest_line_time: newest_line.map(wire_time),
        trained_as_of: Some(wire_time(manifest.data.as_of)),
        event: label.map(|label| label.event.clone()).unwrap_or_default(),
        horizon_days: label.map_or(0, |label| label.horizon_days),
        population: match (label, manifest.active_days) {
            (Some(label), _) => label.population.clone(),
            (None, Some(days)) => format!("customers with a purchase in the last {days} days"),
            (None, None) => String::new(),
        },
        calibration_error: calibration.map(|metric| metric.value),
        request_id: request_id.to_owned(),
    }
}

/// The columns that every answer about customers has, and the place of each answered row.
pub(super) struct Columns {
    pub(super) sources: Vec<i32>,
    pub(super) reasons: Vec<proto::RowReasons>,
    pub(super) last_lines: Vec<i64>,
}

impl Columns {
    pub(super) fn of<T>(asked: &Asked, answers: &Answers<T>) -> Self {
        let is_bare = |row: &Row<T>| row.note.is_none() && row.reasons.is_empty();
        let has_reasons = !answers.rows.iter().all(is_bare);
        let has_lines = answers.rows.iter().any(|row| row.source != RowSource::Features);
        let unknown = proto::RowSource::Unspecified as i32;
        let last_line = |row: &Row<T>| row.last_line.map_or(0, Timestamp::micros);
        Self {
            sources: column(asked, answers, unknown, |row| source(row.source) as i32),
            reasons: match has_reasons {
                true => column(asked, answers, proto::RowReasons::default(), reasons),
                false => Vec::new(),
            },
            last_lines: if has_lines { column(asked, answers, 0, last_line) } else { Vec::new() },
        }
    }
}

/// One value per row of the request; refused rows keep the default.
pub(super) fn column<T, A: Clone>(
    asked: &Asked,
    answers: &Answers<T>,
    default: A,
    read: impl Fn(&Row<T>) -> A,
) -> Vec<A> {
    let mut answered = answers.rows.iter().map(read);
    if asked.errors.is_empty() {
        return answered.collect();
    }
    let mut refused = asked.errors.iter().map(|error| error.row as usize).peekable();
    let value = |row| match refused.next_if_eq(&row) {
        Some(_) => default.clone(),
        None => answered.next().unwrap_or_else(|| default.clone()),
    };
    (0..asked.rows).map(value).collect()
}

fn source(source: RowSource) -> proto::RowSource {
    match source {
        RowSource::History => proto::RowSource::History,
        RowSource::Features => proto::RowSource::Features,
        RowSource::WhatIf => proto::RowSource::WhatIf,
        RowSource::Prior => proto::RowSource::Prior,
    }
}

fn reasons<T>(row: &Row<T>) -> proto::RowReasons {
    let bare = |code: &str| proto::Reason { code: code.to_owned(), ..proto::Reason::default() };
    let note = row.note.map(|note| match note {
        Note::NoHistory => bare("NO_HISTORY"),
        Note::OutsidePopulation => bare("OUTSIDE_POPULATION"),
    });
    let features = row.reasons.iter().map(|reason| proto::Reason {
        code: "FEATURE".to_owned(),
        feature: reason.column.clone(),
        value: reason.value,
        contribution: reason.contribution,
        text: reason.level.clone().unwrap_or_default(),
    });
    proto::RowReasons { reasons: note.into_iter().chain(features).collect() }
}

struct ProbabilityColumns {
    probabilities: Vec<f32>,
    percentiles: Vec<f32>,
    labels: Vec<bool>,
    lower: Vec<f32>,
    upper: Vec<f32>,
    level: f32,
}

impl ProbabilityColumns {
    fn of(asked: &Asked, answers: &Answers<Probability>, threshold: f32) -> Self {
        let number = |read: fn(&Probability) -> f64| {
            column(asked, answers, f32::NAN, |row| read(&row.answer) as f32)
        };
        let probabilities = number(|answer| answer.probability);
        let is_prior = |row: &Row<Probability>| row.source == RowSource::Prior;
        let classifier = answers.served.model().classifier();
        let prior = classifier.filter(|_| answers.rows.iter().any(is_prior)).map(|it| it.prior());
        let bound = |read: fn(Prior) -> f64| {
            let Some(bound) = prior.map(|prior| read(prior) as f32) else { return Vec::new() };
            column(asked, answers, f32::NAN, |row| if is_prior(row) { bound } else { f32::NAN })
        };
        Self {
            labels: probabilities.iter().map(|probability| *probability >= threshold).collect(),
            percentiles: number(|answer| answer.percentile),
            lower: bound(|prior| prior.lower),
            upper: bound(|prior| prior.upper),
            level: if prior.is_some() { PRIOR_LEVEL } else { 0.0 },
            probabilities,
        }
    }
}

pub(super) fn churn_response(
    asked: &Asked,
    answers: &Answers<Probability>,
    threshold: f32,
    request_id: &str,
) -> proto::PredictChurnResponse {
    let columns = Columns::of(asked, answers);
    let values = ProbabilityColumns::of(asked, answers, threshold);
    let manifest = answers.served.manifest();
    proto::PredictChurnResponse {
        served_by: Some(served_by(manifest, dated(answers), answers.newest_line, request_id)),
        probabilities: values.probabilities,
        percentiles: values.percentiles,
        labels: values.labels,
        threshold,
        interval_lower: values.lower,
        interval_upper: values.upper,
        interval_level: values.level,
        sources: columns.sources,
        reasons: columns.reasons,
        last_line_time_micros: columns.last_lines,
        errors: asked.errors.clone(),
    }
}

pub(super) fn propensity_response(
    asked: &Asked,
    answers: &Answers<Probability>,
    threshold: f32,
    request_id: &str,
) -> proto::PredictPropensityResponse {
    let columns = Columns::of(asked, answers);
    let values = ProbabilityColumns::of(asked, answers, threshold);
    let manifest = answers.served.manifest();
    proto::PredictPropensityResponse {
        served_by: Some(served_by(manifest, dated(answers), answers.newest_line, request_id)),
        probabilities: values.probabilities,
        percentiles: values.percentiles,
        labels: values.labels,
        threshold,
        interval_lower: values.lower,
        interval_upper: values.upper,
        interval_level: values.level,
        sources: columns.sources,
        reasons: columns.reasons,
        last_line_time_micros: columns.last_lines,
        errors: asked.errors.clone(),
        scope: manifest.label.as_ref().map(|label| label.event.clone()).unwrap_or_default(),
    }
}

pub(super) fn segments_response(
    asked: &Asked,
    answers: &Answers<SegmentAssignment>,
    (all_distances, include_catalogue): (bool, bool),
    request_id: &str,
) -> Result<proto::AssignSegmentsResponse, Status> {
    let FittedModel::Segments(model) = answers.served.model() else {
        return Err(status(tonic::Code::Internal, "INTERNAL", "the model changed its kind"));
    };
    let columns = Columns::of(asked, answers);
    let catalogue = model.segments();
    let name = |row: &Row<SegmentAssignment>| {
        let segment = catalogue.get(row.answer.segment as usize);
        segment.map(|segment| segment.name.clone()).unwrap_or_default()
    };
    let distances = |row: &Row<SegmentAssignment>| -> Vec<f32> {
        row.answer.distances.iter().map(|distance| *distance as f32).collect()
    };
    let unknown = vec![f32::NAN; catalogue.len()];
    let all = if all_distances { column(asked, answers, unknown, distances) } else { Vec::new() };
    Ok(proto::AssignSegmentsResponse {
        served_by: Some(served_by(
            answers.served.manifest(),
            dated(answers),
            answers.newest_line,
            request_id,
        )),
        segments: column(asked, answers, 0, |row| row.answer.segment),
        names: column(asked, answers, String::new(), name),
        distances: column(asked, answers, f32::NAN, |row| row.answer.distance as f32),
        confidences: column(asked, answers, f32::NAN, |row| row.answer.confidence as f32),
        all_distances: all.into_iter().flatten().collect(),
        catalogue: if include_catalogue { wire_catalogue(model.segments()) } else { Vec::new() },
        sources: columns.sources,
        reasons: columns.reasons,
        last_line_time_micros: columns.last_lines,
        errors: asked.errors.clone(),
    })
}

fn wire_catalogue(segments: &[crate::model::Segment]) -> Vec<proto::Segment> {
    let wire = |(id, segment): (usize, &crate::model::Segment)| proto::Segment {
        id: id as u32,
        name: segment.name.clone(),
        description: segment.description.clone(),
        share: segment.share,
    };
    segments.iter().enumerate().map(wire).collect()
}

/// The as-of date of the answers; none when the vectors are the caller's own.
pub(super) fn dated<T>(answers: &Answers<T>) -> Option<Timestamp> {
    let own = !answers.rows.is_empty()
        && answers.rows.iter().all(|row| row.source == RowSource::Features);
    (!own).then_some(answers.as_of)
}
