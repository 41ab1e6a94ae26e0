//! Probabilities on the hold-out: metrics, deciles, calibration and what weighs most.

use crate::metrics::Measure;
use crate::model::Condition;
use crate::training::ProbabilityEvaluation;

use super::super::figure::{count, figure, metric, percent};
use super::super::table::Table;

/// Features that are shown.
const FEATURES_SHOWN: usize = 6;
/// Rules that are shown.
const RULES_SHOWN: usize = 3;

/// The whole evaluation, for people.
pub(super) fn text(evaluation: &ProbabilityEvaluation, metrics: &Table) -> String {
    let ProbabilityEvaluation { holdout, rows, positives, calibration, .. } = evaluation;
    let rate = *positives as f64 / (*rows).max(1) as f64;
    let head = format!(
        "held out: {} customers as of {holdout}, {} with the event ({}); calibration: {calibration}",
        count(*rows as u64),
        count(*positives as u64),
        percent(rate),
    );
    let (deciles, reliability) = (deciles(evaluation), reliability(evaluation));
    let notes: String = evaluation.notes.iter().map(|note| format!("\n{note}")).collect();
    let (intervals, weights) = (intervals(evaluation), weights(evaluation));
    let rules = rules(evaluation);
    format!("{head}{notes}\n\n{metrics}\n{intervals}{deciles}\n{reliability}\n{weights}{rules}")
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
