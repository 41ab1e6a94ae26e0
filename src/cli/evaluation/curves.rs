//! Probabilities on the hold-out: metrics, deciles, calibration and what weighs most.

use crate::metrics::Measure;
use crate::model::{ColumnEvidence, Condition};
use crate::training::{ColumnSummary, ProbabilityEvaluation};

use super::super::table::Table;
use crate::readable::{count, figure, metric, percent};

/// Features that are shown.
const FEATURES_SHOWN: usize = 6;
/// Rules that are shown.
const RULES_SHOWN: usize = 3;

/// The whole evaluation, for people.
pub(super) fn text(evaluation: &ProbabilityEvaluation, metrics: &Table) -> String {
    let head = head(evaluation);
    let suspects: String = evaluation.suspects.iter().map(suspect).collect();
    let notes: String = evaluation.notes.iter().map(|note| format!("\n{note}")).collect();
    let (deciles, reliability) = (deciles(evaluation), reliability(evaluation));
    let (columns, folds) = (columns(evaluation), folds(evaluation));
    let (intervals, weights) = (intervals(evaluation), weights(evaluation));
    let rules = rules(evaluation);
    format!(
        "{head}{suspects}{notes}\n\n{columns}{metrics}\n{folds}{intervals}{deciles}\n{reliability}\n{weights}{rules}"
    )
}

fn head(evaluation: &ProbabilityEvaluation) -> String {
    let ProbabilityEvaluation { holdout, rows, positives, calibration, folds, .. } = evaluation;
    let cases = if evaluation.columns.is_empty() { "customers" } else { "rows" };
    let how = match holdout {
        Some(as_of) => format!("held out: {} {cases} as of {as_of}", count(*rows as u64)),
        None => {
            let rows = count(*rows as u64);
            format!("cross-validated: {rows} {cases} in {} parts", folds.len())
        }
    };
    let share = percent(*positives as f64 / (*rows).max(1) as f64);
    let events = count(*positives as u64);
    format!("{how}, {events} with the event ({share}); calibration: {calibration}")
}

fn suspect(column: &ColumnEvidence) -> String {
    let ColumnEvidence { column, information_value, roc_auc } = column;
    format!(
        "\n{column} alone has an information value of {information_value:.2} and ranks with {roc_auc:.3}: see that it was known before the outcome"
    )
}

/// The columns that the caller brought, as they were taken; nothing for derived features alone.
fn columns(evaluation: &ProbabilityEvaluation) -> String {
    if evaluation.columns.is_empty() {
        return String::new();
    }
    format!("{}\n", columns_table(&evaluation.columns, &evaluation.left_out))
}

/// Columns with their types, and those that are left out.
pub(in crate::cli) fn columns_table(
    columns: &[ColumnSummary],
    left_out: &[(String, String)],
) -> Table {
    let mut table = Table::new(["column", "type", ">levels", ">missing"]);
    for column in columns {
        let levels = if column.levels > 0 { column.levels.to_string() } else { "-".to_owned() };
        let kind = column.kind.as_str().to_owned();
        table.row([column.name.clone(), kind, levels, percent(column.missing)]);
    }
    for (name, reason) in left_out {
        table.row([name.clone(), format!("left out: {reason}"), "-".to_owned(), "-".to_owned()]);
    }
    table
}

/// The parts of a cross-validation.
fn folds(evaluation: &ProbabilityEvaluation) -> String {
    let mut table = Table::new([">part", ">rows", ">events", ">roc_auc", ">log_loss"]);
    let option = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), metric);
    for (number, fold) in evaluation.folds.iter().enumerate() {
        table.row([
            (number + 1).to_string(),
            count(fold.rows as u64),
            count(fold.positives as u64),
            option(fold.roc_auc),
            option(fold.log_loss),
        ]);
    }
    if table.is_empty() { String::new() } else { format!("{table}\n") }
}

/// How sure the metrics are, and the difference to the champion; nothing where neither was kept.
fn intervals(evaluation: &ProbabilityEvaluation) -> String {
    let mut table = Table::new(["95 % interval", ">from", ">to", ">less champion", ">from", ">to"]);
    for measured in &evaluation.intervals {
        let Some(interval) = measured.interval else { continue };
        let mut cells =
            vec![name(measured.measure), metric(interval.lower), metric(interval.upper)];
        let same = evaluation.differences.iter().find(|other| other.measure == measured.measure);
        match same.and_then(|difference| difference.difference) {
            Some(interval) => {
                let of = [interval.estimate, interval.lower, interval.upper];
                cells.extend(of.map(|value| format!("{value:+.4}")));
            }
            None => cells.extend(["-".to_owned(), "-".to_owned(), "-".to_owned()]),
        }
        table.row(cells);
    }
    if table.is_empty() { String::new() } else { format!("{table}\n") }
}

fn name(measure: Measure) -> String {
    let json = serde_json::to_value(measure).unwrap_or_default();
    json.as_str().unwrap_or_default().to_owned()
}

fn deciles(evaluation: &ProbabilityEvaluation) -> Table {
    let mut table = Table::new([">best-scored", ">share of events", ">lift"]);
    for decile in &evaluation.gains {
        let lift = format!("{:.2}", decile.cumulative_lift);
        table.row([percent(decile.share), percent(decile.gain), lift]);
    }
    table
}

fn reliability(evaluation: &ProbabilityEvaluation) -> Table {
    let mut table = Table::new([">predicted", ">observed", ">customers"]);
    for bin in &evaluation.reliability {
        table.row([percent(bin.mean_predicted), percent(bin.observed), count(bin.count)]);
    }
    table
}

fn weights(evaluation: &ProbabilityEvaluation) -> Table {
    let mut features: Vec<_> = evaluation.importance.iter().collect();
    features.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut table = Table::new(["feature", ">weight"]);
    for (name, weight) in features.into_iter().take(FEATURES_SHOWN) {
        table.row([name.clone(), metric(*weight)]);
    }
    table
}

fn rules(evaluation: &ProbabilityEvaluation) -> String {
    let mut rules: Vec<_> = evaluation.rules.iter().collect();
    rules.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    let mut table = Table::new(["most likely where", ">probability", ">customers"]);
    for rule in rules.into_iter().take(RULES_SHOWN) {
        let conditions = rule.conditions.iter().map(condition);
        let conditions = conditions.collect::<Vec<_>>().join(", ");
        table.row([conditions, percent(rule.probability), count(rule.rows)]);
    }
    if table.is_empty() { String::new() } else { format!("\n{table}") }
}

fn condition(condition: &Condition) -> String {
    let Condition { column, at_least, below, among, .. } = condition;
    match (*at_least, *below) {
        (Some(least), Some(most)) => format!("{} <= {column} < {}", figure(least), figure(most)),
        (Some(least), None) => format!("{column} >= {}", figure(least)),
        (None, Some(most)) => format!("{column} < {}", figure(most)),
        (None, None) if among.is_empty() => column.clone(),
        (None, None) => format!("{column} in ({})", among.join(", ")),
    }
}
