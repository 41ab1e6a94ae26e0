//! What a job was asked to do and what came of it.

use serde_json::{Value, json};

use crate::grpc::proto::{ImportReport, ScoredModel, ScoringModel, TrainingResult};

use super::super::evaluation::{metrics_json, metrics_table};
use super::super::table::{Fields, Table};
use super::super::values::{given, money, quantity, selector_text, time, time_json, time_text};
use crate::readable::count;

/// By kind: the arguments and the result.
#[derive(Clone, Debug)]
pub(in crate::cli) enum Outcome {
    /// A file that was read.
    Import { source_uri: String, report: Option<Box<ImportReport>> },
    /// A version that was trained.
    Training {
        model: String,
        as_of: Option<prost_types::Timestamp>,
        seed: u64,
        recipe_toml: String,
        result: Option<TrainingResult>,
    },
    /// A file that was written.
    Scoring {
        models: Vec<ScoringModel>,
        used: Vec<ScoredModel>,
        output_uri: String,
        format: String,
        as_of: Option<prost_types::Timestamp>,
        active_within_days: Option<u32>,
        rows_written: u64,
        output_bytes: u64,
        output_digest: String,
    },
}

impl Outcome {
    /// What the job is about, in one word for a list.
    pub(in crate::cli) fn subject(&self) -> String {
        match self {
            Self::Import { source_uri, .. } => source_uri.clone(),
            Self::Training { model, .. } => model.clone(),
            Self::Scoring { models, .. } => asked(models).join(","),
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Import { source_uri, report } => {
                json!({ "source_uri": source_uri, "report": report.as_deref().map(report_json) })
            }
            Self::Training { model, as_of, seed, recipe_toml, result } => json!({
                "model": model,
                "as_of": time_json(as_of.as_ref()),
                "seed": seed,
                "recipe_toml": recipe_toml,
                "result": result.as_ref().map(training_json),
            }),
            Self::Scoring {
                models,
                used,
                output_uri,
                format,
                as_of,
                active_within_days,
                rows_written,
                output_bytes,
                output_digest,
            } => json!({
                "models": asked(models),
                "models_used": used.iter().map(used_json).collect::<Vec<_>>(),
                "output_uri": output_uri,
                "format": format,
                "as_of": time_json(as_of.as_ref()),
                "active_within_days": active_within_days,
                "rows_written": rows_written,
                "output_bytes": output_bytes,
                "output_digest": given(output_digest),
            }),
        }
    }

    /// For people: the lines that belong to the job's own fields.
    pub(super) fn fields(&self, fields: &mut Fields) {
        match self {
            Self::Import { source_uri, .. } => fields.add("file", source_uri),
            Self::Training { model, as_of, result, .. } => {
                fields.add("model", model);
                fields.add_some("as of", time(as_of.as_ref()));
                if let Some(result) = result {
                    let promoted = if result.promoted { "promoted" } else { "not promoted" };
                    if result.version > 0 {
                        fields.add("version", result.version);
                        fields.add(promoted, &result.promotion_reason);
                    } else {
                        fields.add("not trained", &result.promotion_reason);
                    }
                }
            }
            Self::Scoring { models, used, output_uri, as_of, rows_written, .. } => {
                let versions = used.iter().map(|used| format!("{}/{}", used.model, used.version));
                let versions: Vec<_> = versions.collect();
                fields.add(
                    "models",
                    if versions.is_empty() { asked(models) } else { versions }.join(", "),
                );
                fields.add_some("as of", time(as_of.as_ref()));
                fields.add("file", output_uri);
                fields.add("customers", count(*rows_written));
            }
        }
    }

    /// For people: tables below the fields.
    pub(super) fn details(&self) -> String {
        match self {
            Self::Import { report: Some(report), .. } => {
                format!("\n{}", import_report_text(report))
            }
            Self::Training { result: Some(result), .. } if !result.metrics.is_empty() => {
                format!("\n{}", metrics_table(&result.metrics))
            }
            _ => String::new(),
        }
    }
}

fn asked(models: &[ScoringModel]) -> Vec<String> {
    models.iter().map(|model| selector_text(&model.model, model.selector.as_ref())).collect()
}

fn used_json(used: &ScoredModel) -> Value {
    json!({ "model": used.model, "version": used.version, "model_digest": used.model_digest })
}

fn training_json(result: &TrainingResult) -> Value {
    json!({
        "version": result.version,
        "promoted": result.promoted,
        "promotion_reason": result.promotion_reason,
        "metrics": metrics_json(&result.metrics),
    })
}

fn report_json(report: &ImportReport) -> Value {
    let reasons = report.refusals_by_reason.iter();
    let reasons = reasons.map(|reason| json!({ "reason": reason.reason, "count": reason.count }));
    let refusals = report.first_refusals.iter();
    let refusals = refusals
        .map(|line| json!({ "row": line.row, "field": line.field, "message": line.message }));
    json!({
        "source": report.source,
        "source_digest": report.source_digest,
        "rows_read": report.rows_read,
        "accepted": report.accepted,
        "duplicates": report.duplicates,
        "corrected": report.corrected,
        "refused": report.refused,
        "repeated_rows": report.repeated_rows,
        "anonymous": report.anonymous,
        "returns": report.returns,
        "cancellations": report.cancellations,
        "price_not_positive": report.price_not_positive,
        "customers": report.customers,
        "orders": report.orders,
        "products": report.products,
        "first_occurred_at": time_json(report.first_occurred_at.as_ref()),
        "last_occurred_at": time_json(report.last_occurred_at.as_ref()),
        "revenue": money(report.revenue_micros),
        "units": quantity(report.units_thousandths),
        "currency": report.currency,
        "recorded_at_rule": report.recorded_at_rule,
        "refusals_by_reason": reasons.collect::<Vec<_>>(),
        "first_refusals": refusals.collect::<Vec<_>>(),
    })
}

/// What an import read, kept and refused, for people.
pub(in crate::cli) fn import_report_text(report: &ImportReport) -> String {
    let mut counts = Table::new(["rows", ">count"]);
    for (name, number) in [
        ("read", report.rows_read),
        ("new", report.accepted),
        ("known before", report.duplicates),
        ("corrected", report.corrected),
        ("refused", report.refused),
        ("repeating an earlier row", report.repeated_rows),
        ("without customer", report.anonymous),
        ("returns", report.returns),
        ("cancelling an order", report.cancellations),
        ("price 0 or below", report.price_not_positive),
    ] {
        counts.row([name.to_owned(), count(number)]);
    }
    format!("{counts}\n{}{}", content(report), refusals_text(report))
}

/// What the rows that keep the contract hold.
fn content(report: &ImportReport) -> Fields {
    let mut fields = Fields::default();
    fields.add("customers", count(report.customers));
    fields.add("orders", count(report.orders));
    fields.add("products", count(report.products));
    let span = [&report.first_occurred_at, &report.last_occurred_at];
    fields.add("sales", span.map(|time| time_text(time.as_ref())).join(" to "));
    let revenue = money(report.revenue_micros);
    fields.add("revenue", format_args!("{revenue} {}, returns deducted", report.currency));
    fields.add("units", format_args!("{}, returns deducted", quantity(report.units_thousandths)));
    fields.add("known as of", &report.recorded_at_rule);
    fields
}

fn refusals_text(report: &ImportReport) -> String {
    if report.refused == 0 {
        return String::new();
    }
    let mut reasons = Table::new([">refused", "reason"]);
    for reason in &report.refusals_by_reason {
        reasons.row([count(reason.count), reason.reason.replace('_', " ")]);
    }
    let mut first = Table::new([">row", "field", "problem"]);
    for line in &report.first_refusals {
        first.row([line.row.to_string(), line.field.clone(), line.message.clone()]);
    }
    let first = if first.is_empty() { String::new() } else { format!("\n{first}") };
    format!("\n{reasons}{first}")
}
