//! The answer to a question, row by row.

use serde_json::{Map, Value, json};

use crate::grpc::proto::{
    AssignRfmResponse, AssignSegmentsResponse, PredictChurnResponse, PredictPropensityResponse,
    Reason, RowError, RowReasons, RowSource, ServedBy,
};

use super::super::output::Report;
use super::super::status;
use super::super::table::Table;
use super::super::values::{given, micros, short_name, single};
use super::rows::RowNames;
use super::served::{served_json, served_text};
use crate::readable::{figure, percent};

/// An answer of any kind.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Answer {
    names: RowNames,
    served_by: ServedBy,
    columns: Columns,
    sources: Vec<i32>,
    reasons: Vec<RowReasons>,
    last_lines: Vec<i64>,
    errors: Vec<RowError>,
}

/// What differs by kind.
#[derive(Clone, Debug)]
enum Columns {
    Segments { ids: Vec<u32>, names: Vec<String>, distances: Vec<f32>, confidences: Vec<f32> },
    Rfm { scores: Vec<[u32; 3]>, cells: Vec<String>, names: Vec<String> },
    Probabilities(Probabilities),
}

#[derive(Clone, Debug)]
struct Probabilities {
    values: Vec<f32>,
    percentiles: Vec<f32>,
    labels: Vec<bool>,
    threshold: f32,
    lower: Vec<f32>,
    upper: Vec<f32>,
    level: f32,
    scope: String,
}

impl Answer {
    /// From segments.
    pub(super) fn segments(names: RowNames, response: AssignSegmentsResponse) -> Self {
        Self {
            names,
            served_by: response.served_by.unwrap_or_default(),
            columns: Columns::Segments {
                ids: response.segments,
                names: response.names,
                distances: response.distances,
                confidences: response.confidences,
            },
            sources: response.sources,
            reasons: response.reasons,
            last_lines: response.last_line_time_micros,
            errors: response.errors,
        }
    }

    /// From scores of recency, frequency and monetary value.
    pub(super) fn rfm(names: RowNames, response: AssignRfmResponse) -> Self {
        let scores = response.recency_scores.into_iter().zip(response.frequency_scores);
        let scores = scores.zip(response.monetary_scores);
        Self {
            names,
            served_by: response.served_by.unwrap_or_default(),
            columns: Columns::Rfm {
                scores: scores.map(|((r, f), m)| [r, f, m]).collect(),
                cells: response.cells,
                names: response.segments,
            },
            sources: response.sources,
            reasons: response.reasons,
            last_lines: response.last_line_time_micros,
            errors: response.errors,
        }
    }

    /// From probabilities of churn.
    pub(super) fn churn(names: RowNames, response: PredictChurnResponse) -> Self {
        Self {
            names,
            served_by: response.served_by.unwrap_or_default(),
            columns: Columns::Probabilities(Probabilities {
                values: response.probabilities,
                percentiles: response.percentiles,
                labels: response.labels,
                threshold: response.threshold,
                lower: response.interval_lower,
                upper: response.interval_upper,
                level: response.interval_level,
                scope: String::new(),
            }),
            sources: response.sources,
            reasons: response.reasons,
            last_lines: response.last_line_time_micros,
            errors: response.errors,
        }
    }

    /// From probabilities of a purchase.
    pub(super) fn propensity(names: RowNames, response: PredictPropensityResponse) -> Self {
        Self {
            names,
            served_by: response.served_by.unwrap_or_default(),
            columns: Columns::Probabilities(Probabilities {
                values: response.probabilities,
                percentiles: response.percentiles,
                labels: response.labels,
                threshold: response.threshold,
                lower: response.interval_lower,
                upper: response.interval_upper,
                level: response.interval_level,
                scope: response.scope,
            }),
            sources: response.sources,
            reasons: response.reasons,
            last_lines: response.last_line_time_micros,
            errors: response.errors,
        }
    }

    fn error(&self, row: usize) -> Option<&tonic_types::Status> {
        let error = self.errors.iter().find(|error| error.row as usize == row)?;
        error.status.as_ref()
    }

    fn source(&self, row: usize) -> String {
        let source = self.sources.get(row).and_then(|source| RowSource::try_from(*source).ok());
        short_name(source.unwrap_or_default().as_str_name(), "ROW_SOURCE_")
    }

    fn reasons(&self, row: usize) -> &[Reason] {
        self.reasons.get(row).map_or(&[], |reasons| &reasons.reasons)
    }

    fn last_line(&self, row: usize) -> Option<String> {
        self.last_lines.get(row).and_then(|time| micros(*time))
    }

    fn row_json(&self, row: usize, name: &str) -> Value {
        let mut json = Map::new();
        json.insert(self.names.key().to_owned(), self.names.json(name));
        if let Some(error) = self.error(row) {
            json.insert("error".to_owned(), status::to_json(error));
            return json.into();
        }
        json.insert("source".to_owned(), self.source(row).into());
        json.insert("last_line_time".to_owned(), self.last_line(row).into());
        json.insert("reasons".to_owned(), self.reasons(row).iter().map(reason_json).collect());
        json.extend(self.columns.json(row));
        json.into()
    }

    fn reasons_table(&self) -> Table {
        let mut table = Table::new([self.names.word(), "reason", ">value", ">moves the answer by"]);
        for (row, name) in self.names.as_slice().iter().enumerate() {
            for reason in self.reasons(row) {
                let told = match reason.feature.as_str() {
                    "" => reason.code.to_lowercase().replace('_', " "),
                    feature => feature.to_owned(),
                };
                let is_feature = !reason.feature.is_empty();
                let value = match reason.text.as_str() {
                    "" if !is_feature => String::new(),
                    "" if reason.value.is_nan() => "missing".to_owned(),
                    "" => figure(reason.value),
                    text => text.to_owned(),
                };
                let moved =
                    if is_feature { format!("{:+.3}", reason.contribution) } else { String::new() };
                table.row([name.clone(), told, value, moved]);
            }
        }
        table
    }
}

impl Columns {
    fn headings(&self) -> &[&str] {
        match self {
            Self::Segments { .. } => &["segment", ">distance", ">confidence"],
            Self::Rfm { .. } => &["segment", "cell"],
            Self::Probabilities(_) => &[">probability", ">percentile", "label", "interval"],
        }
    }

    fn cells(&self, row: usize) -> Vec<String> {
        match self {
            Self::Segments { names, distances, confidences, .. } => vec![
                names.get(row).cloned().unwrap_or_default(),
                number(distances, row, figure),
                number(confidences, row, percent),
            ],
            Self::Rfm { cells, names, .. } => vec![
                names.get(row).cloned().unwrap_or_default(),
                cells.get(row).cloned().unwrap_or_default(),
            ],
            Self::Probabilities(columns) => vec![
                number(&columns.values, row, percent),
                number(&columns.percentiles, row, |rank| format!("{rank:.0}")),
                if columns.labels.get(row) == Some(&true) { "yes" } else { "no" }.to_owned(),
                columns.interval(row),
            ],
        }
    }

    fn json(&self, row: usize) -> Map<String, Value> {
        let at = |values: &[f32]| values.get(row).map_or(Value::Null, |value| single(*value));
        let json = match self {
            Self::Segments { ids, names, distances, confidences } => json!({
                "segment": ids.get(row),
                "name": names.get(row),
                "distance": at(distances),
                "confidence": at(confidences),
            }),
            Self::Rfm { scores, cells, names } => json!({
                "segment": names.get(row),
                "cell": cells.get(row),
                "scores": scores.get(row),
            }),
            Self::Probabilities(columns) => json!({
                "probability": at(&columns.values),
                "percentile": at(&columns.percentiles),
                "label": columns.labels.get(row),
                "interval_lower": at(&columns.lower),
                "interval_upper": at(&columns.upper),
            }),
        };
        json.as_object().cloned().unwrap_or_default()
    }

    /// What holds for all rows.
    fn common(&self) -> Map<String, Value> {
        let Self::Probabilities(columns) = self else { return Map::new() };
        let level = (columns.level > 0.0).then(|| single(columns.level));
        let json = json!({
            "threshold": single(columns.threshold),
            "interval_level": level,
            "scope": given(&columns.scope),
        });
        json.as_object().cloned().unwrap_or_default()
    }
}

impl Probabilities {
    fn interval(&self, row: usize) -> String {
        match (self.lower.get(row), self.upper.get(row)) {
            (Some(lower), Some(upper)) if lower.is_finite() && upper.is_finite() => {
                format!("{} to {}", percent((*lower).into()), percent((*upper).into()))
            }
            _ => "-".to_owned(),
        }
    }
}

impl Report for Answer {
    fn json(&self) -> Value {
        let rows =
            self.names.as_slice().iter().enumerate().map(|(row, name)| self.row_json(row, name));
        let mut json = self.columns.common();
        json.insert("served_by".to_owned(), served_json(&self.served_by));
        json.insert("rows".to_owned(), rows.collect());
        json.into()
    }

    fn text(&self) -> String {
        let columns = self.columns.headings().iter().copied();
        let mut table = Table::new(
            std::iter::once(self.names.word()).chain(columns).chain(["rests on", "last line"]),
        );
        let mut errors = Table::new([self.names.word(), "refused because"]);
        for (row, name) in self.names.as_slice().iter().enumerate() {
            if let Some(error) = self.error(row) {
                errors.row([name.clone(), status::summary(error)]);
                continue;
            }
            let mut cells = vec![name.clone()];
            cells.extend(self.columns.cells(row));
            cells.extend([self.source(row), self.last_line(row).unwrap_or_default()]);
            table.row(cells);
        }
        let parts = [table, errors, self.reasons_table()];
        let parts = parts.iter().filter(|part| !part.is_empty()).map(|part| format!("\n{part}"));
        format!("{}{}", served_text(&self.served_by), parts.collect::<String>())
    }
}

fn number(values: &[f32], row: usize, show: impl Fn(f64) -> String) -> String {
    let value = values.get(row).filter(|value| value.is_finite());
    value.map_or_else(|| "-".to_owned(), |value| show(f64::from(*value)))
}

fn reason_json(reason: &Reason) -> Value {
    json!({
        "code": reason.code,
        "feature": given(&reason.feature),
        "value": reason.value,
        "text": given(&reason.text),
        "contribution": reason.contribution,
    })
}
